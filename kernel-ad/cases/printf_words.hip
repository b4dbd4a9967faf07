#include <hip/hip_runtime.h>

// On AMD a printf is a chain of calls: the format, up to seven words at a time, texts by themselves.
extern "C" __global__ void printf_words(const float* x, float* y, int n) {
  int t = threadIdx.x;
  float v = x[t];
  if (v > 1e9f) printf("too large\n");
  if (t < n) printf("thread %d of %d: %5.2f %s\n", t, n, v, v > 0.5f ? "above" : "below");
  if (t == n) printf("%d %d %d %d %d %lld %d %d %c|%d%%\n", 1, 2, 3, 4, 5, 6LL << 40, 7, 8, 'x', -5);
  y[t] = v * v;
}
