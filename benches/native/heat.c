// One step of the heat equation and its gradient by hand, for rows begin..end.

void heat_primal(const float *restrict u, const float *restrict kappa, float *restrict next, int nx, int ny, float dt,
                 int begin, int end) {
  for (int y = begin; y < end; ++y) {
    const float *r = u + (long)y * nx, *k = kappa + (long)y * nx;
    float *o = next + (long)y * nx;
    if (y == 0 || y == ny - 1) {
      for (int x = 0; x < nx; ++x) o[x] = r[x];
      continue;
    }
    o[0] = r[0];
    for (int x = 1; x < nx - 1; ++x) {
      o[x] = r[x] + dt * k[x] * (r[x - 1] + r[x + 1] + r[x - nx] + r[x + nx] - 4.0f * r[x]);
    }
    o[nx - 1] = r[nx - 1];
  }
}

// Gathered: what a cell's neighbours got from it. Adds into du and dk; b is the adjoint of next, and is not cleared here,
// since rows of other workers still read it.
void heat_gradient(const float *restrict u, const float *restrict kappa, const float *restrict b, float *restrict du,
                   float *restrict dk, int nx, int ny, float dt, int begin, int end) {
  for (int y = begin; y < end; ++y) {
    long row = (long)y * nx;
    int inner = y > 0 && y < ny - 1, below = y - 1 > 0, above = y + 1 < ny - 1;
    if (!inner) {
      for (int x = 0; x < nx; ++x) {
        float g = b[row + x];
        if (x > 0 && x < nx - 1) {
          if (y == 0 && ny > 2) g += dt * kappa[row + nx + x] * b[row + nx + x];
          if (y == ny - 1 && ny > 2) g += dt * kappa[row - nx + x] * b[row - nx + x];
        }
        du[row + x] += g;
      }
      continue;
    }
    du[row] += b[row] + (nx > 2 ? dt * kappa[row + 1] * b[row + 1] : 0.0f);
    for (int x = 1; x < nx - 1; ++x) {
      long i = row + x;
      float left = x > 1 ? kappa[i - 1] * b[i - 1] : 0.0f, right = x < nx - 2 ? kappa[i + 1] * b[i + 1] : 0.0f;
      float down = below ? kappa[i - nx] * b[i - nx] : 0.0f, up = above ? kappa[i + nx] * b[i + nx] : 0.0f;
      du[i] += b[i] + dt * (left + right + down + up - 4.0f * kappa[i] * b[i]);
      dk[i] += dt * b[i] * (u[i - 1] + u[i + 1] + u[i - nx] + u[i + nx] - 4.0f * u[i]);
    }
    if (nx > 1) {
      long i = row + nx - 1;
      du[i] += b[i] + (nx > 2 ? dt * kappa[i - 1] * b[i - 1] : 0.0f);
    }
  }
}
