// Lennard-Jones atoms: every thread adds up half the energy of its atom's pairs, in units of the well's depth.

// pos holds x, y, z of n atoms; sigma is the distance at which a pair has no energy.
extern "C" __global__ void energy(const float *pos, float *out, int n, float sigma) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float x = pos[3 * i], y = pos[3 * i + 1], z = pos[3 * i + 2];
  float sum = 0.0f;
  for (int j = 0; j < n; ++j) {
    if (j == i) continue;
    float dx = pos[3 * j] - x, dy = pos[3 * j + 1] - y, dz = pos[3 * j + 2] - z;
    float s2 = sigma * sigma / (dx * dx + dy * dy + dz * dz);
    float s6 = s2 * s2 * s2;
    sum += 2.0f * (s6 * s6 - s6);
  }
  out[i] = sum;
}
