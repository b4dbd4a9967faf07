// One explicit step of the 2D heat equation on an nx-by-ny grid with a variable conductivity; borders stay as they are.
#include <hip/hip_runtime.h>

extern "C" __global__ void heat(const float *u, const float *kappa, float *next, int nx, int ny, float dt) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= nx || y >= ny) return;
  int i = y * nx + x;
  float c = u[i];
  if (x == 0 || y == 0 || x == nx - 1 || y == ny - 1) {
    next[i] = c;
    return;
  }
  float lap = u[i - 1] + u[i + 1] + u[i - nx] + u[i + nx] - 4.0f * c;
  next[i] = c + dt * kappa[i] * lap;
}
