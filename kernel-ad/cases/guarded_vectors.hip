#include <hip/hip_runtime.h>

// A tile of records is read under a guard: the copy stays one of bytes, from and to offsets that are shifted down to be signed.
extern "C" __global__ void guarded_vectors(const double4* x, double* y, int n) {
  __shared__ double4 tile[16];
  int t = threadIdx.x;
  if (t < n) tile[t] = x[t];
  __syncthreads();
  if (t < n) y[t] = tile[n - 1 - t].x * tile[t].y + tile[t].w * tile[t].w;
}
