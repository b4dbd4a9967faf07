struct Weights {
  double a, b;
};

// The struct as a whole may have a shadow, though none of its members is differentiated.
extern "C" __global__ void struct_of_constants(Weights w, double* x) { x[threadIdx.x] *= w.a + w.b * x[threadIdx.x]; }
