// All-pairs forces and their gradient by hand, for bodies begin..end. Sixteen bodies at a time, so that the compiler
// vectorises over bodies; positions are {x, y, z, mass} as in the kernel.
#include <math.h>

enum { W = 16 };

void nbody_primal(const float *restrict pos, float *restrict acc, int n, float eps2, int begin, int end) {
  for (int i = begin; i < end; i += W) {
    float x[W], y[W], z[W], ax[W] = {0}, ay[W] = {0}, az[W] = {0};
    int w = end - i < W ? end - i : W;
    for (int l = 0; l < W; ++l) {
      int k = i + (l < w ? l : 0);
      x[l] = pos[4 * k], y[l] = pos[4 * k + 1], z[l] = pos[4 * k + 2];
    }
    for (int j = 0; j < n; ++j) {
      float ox = pos[4 * j], oy = pos[4 * j + 1], oz = pos[4 * j + 2], m = pos[4 * j + 3];
      #pragma omp simd
      for (int l = 0; l < W; ++l) {
        float dx = ox - x[l], dy = oy - y[l], dz = oz - z[l];
        float inv = 1.0f / sqrtf(dx * dx + dy * dy + dz * dz + eps2);
        float s = m * inv * inv * inv;
        ax[l] += dx * s, ay[l] += dy * s, az[l] += dz * s;
      }
    }
    for (int l = 0; l < w; ++l) {
      acc[4 * (i + l)] = ax[l], acc[4 * (i + l) + 1] = ay[l], acc[4 * (i + l) + 2] = az[l], acc[4 * (i + l) + 3] = 0;
    }
  }
}

// The gradient as one would derive it on paper: the two roles of a body, as puller and as pulled, are gathered in one
// loop, w = m_k b_j - m_j b_k, and nothing is scattered. Adds into dpos; b is the adjoint of acc.
void nbody_gradient(const float *restrict pos, const float *restrict b, float *restrict dpos, int n, float eps2, int begin,
                    int end) {
  for (int i = begin; i < end; i += W) {
    float x[W], y[W], z[W], m[W], bx[W], by[W], bz[W], gx[W] = {0}, gy[W] = {0}, gz[W] = {0}, gm[W] = {0};
    int w = end - i < W ? end - i : W;
    for (int l = 0; l < W; ++l) {
      int k = i + (l < w ? l : 0);
      x[l] = pos[4 * k], y[l] = pos[4 * k + 1], z[l] = pos[4 * k + 2], m[l] = pos[4 * k + 3];
      bx[l] = b[4 * k], by[l] = b[4 * k + 1], bz[l] = b[4 * k + 2];
    }
    for (int j = 0; j < n; ++j) {
      float ox = pos[4 * j], oy = pos[4 * j + 1], oz = pos[4 * j + 2], om = pos[4 * j + 3];
      float cx = b[4 * j], cy = b[4 * j + 1], cz = b[4 * j + 2];
      #pragma omp simd
      for (int l = 0; l < W; ++l) {
        float dx = ox - x[l], dy = oy - y[l], dz = oz - z[l];
        float inv = 1.0f / sqrtf(dx * dx + dy * dy + dz * dz + eps2);
        float inv2 = inv * inv, inv3 = inv2 * inv;
        float wx = m[l] * cx - om * bx[l], wy = m[l] * cy - om * by[l], wz = m[l] * cz - om * bz[l];
        float t = -3.0f * inv2 * inv3 * (dx * wx + dy * wy + dz * wz);
        gx[l] += inv3 * wx + t * dx, gy[l] += inv3 * wy + t * dy, gz[l] += inv3 * wz + t * dz;
        gm[l] -= inv3 * (dx * cx + dy * cy + dz * cz);
      }
    }
    for (int l = 0; l < w; ++l) {
      float *d = dpos + 4 * (i + l);
      d[0] += gx[l], d[1] += gy[l], d[2] += gz[l], d[3] += gm[l];
    }
  }
}
