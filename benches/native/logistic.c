// The logistic map and its gradient by hand, for elements begin..end; sixty-four at a time, so that the compiler vectorises
// over elements.
#include <stdlib.h>

enum { W = 64 };

void logistic_primal(const float *restrict x0, const float *restrict r, float *restrict out, int steps, int begin, int end) {
  for (int i = begin; i < end; i += W) {
    int w = end - i < W ? end - i : W;
    float x[W], rate[W];
    for (int l = 0; l < W; ++l) {
      int k = i + (l < w ? l : 0);
      x[l] = x0[k], rate[l] = r[k];
    }
    for (int s = 0; s < steps; ++s) {
      #pragma omp simd
      for (int l = 0; l < W; ++l) x[l] = rate[l] * x[l] * (1.0f - x[l]);
    }
    for (int l = 0; l < w; ++l) out[i + l] = x[l];
  }
}

// Keeps the states of sixty-four elements at a time. Adds into dx0 and dr; takes the adjoint b of out and clears it. Returns 1 when
// there is no memory.
int logistic_gradient(const float *restrict x0, const float *restrict r, float *restrict b, float *restrict dx0,
                      float *restrict dr, int steps, int begin, int end) {
  float(*kept)[W] = malloc(sizeof(float[W]) * (steps > 0 ? steps : 1));
  if (!kept) return 1;
  for (int i = begin; i < end; i += W) {
    int w = end - i < W ? end - i : W;
    float x[W], rate[W], g[W], gr[W] = {0};
    for (int l = 0; l < W; ++l) {
      int k = i + (l < w ? l : 0);
      x[l] = x0[k], rate[l] = r[k], g[l] = b[k];
    }
    for (int s = 0; s < steps; ++s) {
      #pragma omp simd
      for (int l = 0; l < W; ++l) {
        kept[s][l] = x[l];
        x[l] = rate[l] * x[l] * (1.0f - x[l]);
      }
    }
    for (int s = steps - 1; s >= 0; --s) {
      #pragma omp simd
      for (int l = 0; l < W; ++l) {
        float y = kept[s][l];
        gr[l] += g[l] * y * (1.0f - y);
        g[l] *= rate[l] * (1.0f - 2.0f * y);
      }
    }
    for (int l = 0; l < w; ++l) dx0[i + l] += g[l], dr[i + l] += gr[l], b[i + l] = 0.0f;
  }
  free(kept);
  return 0;
}
