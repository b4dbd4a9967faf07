// Kernels for the tests of the CPU device (tests/cpu.rs), on a device with 64 threads per warp.
#include <hip/hip_runtime.h>
#define GLOBAL extern "C" __global__ void

GLOBAL wave_sum(const float *x, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float v = i < n ? x[i] : 0.0f;
  for (int o = 32; o > 0; o >>= 1) v += __shfl_xor(v, o);
  if (threadIdx.x % 64 == 0) out[i / 64] = v;
}

GLOBAL block_sum(const double *x, double *out) {
  __shared__ double s[256];
  int t = threadIdx.x;
  s[t] = x[blockIdx.x * blockDim.x + t];
  __syncthreads();
  for (int k = blockDim.x / 2; k > 0; k >>= 1) {
    if (t < k) s[t] += s[t + k];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = s[0];
}

// Lanes inside a branch exchange values among themselves.
GLOBAL in_branch(int *out) {
  int t = threadIdx.x, v = -1;
  if (t & 1) v = __shfl_xor(t, 2);
  out[t] = v + __shfl_down(v, 1) * 0;
}

GLOBAL ballots(unsigned long long *out) {
  int t = threadIdx.x;
  out[t] = __ballot(t % 5 == 0) + (__any(t == 63) ? 1ull << 63 : 0);
}

GLOBAL atomic_sums(float *f, double *d, int *i, int n) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t >= n) return;
  atomicAdd(f, 0.5f); atomicAdd(d, 0.5); atomicAdd(i, t);
}

// Half and bfloat, with the arithmetic that needs conversions.
GLOBAL halves(const _Float16 *x, _Float16 *y, const __bf16 *a, __bf16 *b, const double *d, _Float16 *e) {
  int t = threadIdx.x;
  y[t] = x[t] * x[t] + (_Float16)0.5f;
  b[t] = (__bf16)((float)a[t] * 1.5f);
  e[t] = (_Float16)d[t];
}
