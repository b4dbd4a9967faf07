#include <hip/hip_runtime.h>

struct Filter {
  float weight[3];
  int taps;
};

struct Params {
  const float* x;
  float* y;
  int n;
  float scale;
  Filter filter;
};

__constant__ Params params;
__device__ Filter filters[2];
__device__ float* rows[2];

// Module-level variables of structs: numbers, arrays, pointers.
extern "C" __global__ void constant_params() {
  int i = threadIdx.x;
  if (i >= params.n) return;
  float v = params.x[i] * params.scale;
  for (int j = 0; j < 3; j++) v += params.filter.weight[j] * v * params.filter.taps;
  params.y[i] = v;
}

extern "C" __global__ void device_structs(float* out) {
  int i = threadIdx.x;
  Filter& f = filters[i % 2];
  out[i] = f.weight[0] * f.weight[1] * f.taps;
  if (i < 2) f.weight[2] *= f.weight[0];
}

extern "C" __global__ void device_rows(float* out) {
  int i = threadIdx.x;
  out[i] = rows[0][i] * rows[1][i];
  rows[1][i] *= rows[0][i];
}
