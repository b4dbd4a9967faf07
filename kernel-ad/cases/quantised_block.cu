struct Block {
  float scale;
  signed char q[8];
};

// A record with an array of small integers, copied to a local and indexed in a loop: the array says nothing of where floats lie.
extern "C" __global__ void quantised_block(const Block* w, const float* x, float* y) {
  Block k = w[threadIdx.x];
  float sum = 0;
  for (int j = 0; j < 8; j++) sum += k.q[j] * x[j];
  y[threadIdx.x] = sum * k.scale;
}

struct Element {
  double w[2];
  int node[3];
};

extern "C" __global__ void element_nodes(const Element* e, const double* x, double* y) {
  Element k = e[threadIdx.x];
  double sum = 0;
#pragma unroll 1
  for (int j = 0; j < 3; j++) sum += x[k.node[j]];
  y[threadIdx.x] = sum * k.w[0] + k.w[1];
}
