// Iterates the logistic map x <- r x (1 - x): a loop whose every step needs the value of the step before.
#include <cuda_runtime.h>

extern "C" __global__ void logistic(const float *x0, const float *r, float *out, int n, int steps) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float x = x0[i];
  float rate = r[i];
  for (int s = 0; s < steps; ++s) {
    x = rate * x * (1.0f - x);
  }
  out[i] = x;
}

extern "C" cudaError_t launch_logistic(const float *x0, const float *r, float *out, int n, int steps) {
  const int block = 256;
  logistic<<<(n + block - 1) / block, block>>>(x0, r, out, n, steps);
  return cudaGetLastError();
}
