// Partial differential equations on grids: stencils with halos in shared memory, leapfrog, relaxation, fluxes.
#include <math.h>

#define T 8

// 2-D diffusion, tile and halo in shared memory.
extern "C" __global__ void diffusion_tile(const float *u, float *next, float k, int nx, int ny) {
    __shared__ float s[T + 2][T + 2];
    int tx = threadIdx.x + 1, ty = threadIdx.y + 1;
    int x = blockIdx.x * T + threadIdx.x, y = blockIdx.y * T + threadIdx.y;
    int cx = min(x, nx - 1), cy = min(y, ny - 1);
    s[ty][tx] = u[cy * nx + cx];
    if (threadIdx.x == 0) s[ty][0] = u[cy * nx + max(cx - 1, 0)];
    if (threadIdx.x == T - 1) s[ty][T + 1] = u[cy * nx + min(cx + 1, nx - 1)];
    if (threadIdx.y == 0) s[0][tx] = u[max(cy - 1, 0) * nx + cx];
    if (threadIdx.y == T - 1) s[T + 1][tx] = u[min(cy + 1, ny - 1) * nx + cx];
    __syncthreads();
    if (x >= nx || y >= ny) return;
    float c = s[ty][tx];
    next[y * nx + x] = c + k * (s[ty][tx - 1] + s[ty][tx + 1] + s[ty - 1][tx] + s[ty + 1][tx] - 4.0f * c) - 0.1f * c * c * c;
}

// 3-D: planes slide through registers, the current plane lies in shared memory.
extern "C" __global__ void stencil_3d(const double *in, double *out, int nx, int ny, int nz) {
    __shared__ double plane[6][6];
    int x = threadIdx.x, y = threadIdx.y, stride = nx * ny, at = y * nx + x;
    bool inside = x > 0 && y > 0 && x < nx - 1 && y < ny - 1;
    double below = in[at], here = in[at + stride];
    for (int z = 1; z < nz - 1; z++) {
        double above = in[at + (z + 1) * stride];
        plane[y][x] = here;
        __syncthreads();
        if (inside) {
            double flux = plane[y][x - 1] + plane[y][x + 1] + plane[y - 1][x] + plane[y + 1][x] + below + above - 6.0 * here;
            out[at + z * stride] = here + 0.1 * flux * here;
        }
        __syncthreads();
        below = here;
        here = above;
    }
}

// The wave equation, leapfrog: the older state is overwritten by the newer one.
extern "C" __global__ void wave_leapfrog(const float *now, float *old, const float *speed, float dt, int nx, int ny) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x <= 0 || y <= 0 || x >= nx - 1 || y >= ny - 1) return;
    int i = y * nx + x;
    float lap = now[i - 1] + now[i + 1] + now[i - nx] + now[i + nx] - 4.0f * now[i];
    float c = speed[i] * dt;
    old[i] = 2.0f * now[i] - old[i] + c * c * lap;
}

// Several steps of a 1-D wave inside of one block, the state in shared memory.
extern "C" __global__ void wave_in_block(const float *start, float *end, const float *speed, int n, int steps) {
    __shared__ float u[3][32];
    int t = threadIdx.x, base = blockIdx.x * n;
    u[0][t] = start[base + t];
    u[1][t] = start[base + t];
    __syncthreads();
    for (int k = 0; k < steps; k++) {
        int a = k % 3, b = (k + 1) % 3, c = (k + 2) % 3;
        float left = t > 0 ? u[b][t - 1] : 0.0f, right = t < n - 1 ? u[b][t + 1] : 0.0f;
        float q = speed[base + t];
        u[c][t] = 2.0f * u[b][t] - u[a][t] + 0.2f * q * q * (left + right - 2.0f * u[b][t]);
        __syncthreads();
    }
    end[base + t] = u[(steps + 1) % 3][t];
}

// One sweep of Jacobi with a varying coefficient, and its residual summed over all threads.
extern "C" __global__ void jacobi_residual(const double *u, const double *f, const double *k, double *next, double *residual, int nx, int ny) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= nx || y >= ny) return;
    int i = y * nx + x;
    if (x == 0 || y == 0 || x == nx - 1 || y == ny - 1) {
        next[i] = u[i];
        return;
    }
    double e = 0.5 * (k[i] + k[i + 1]), w = 0.5 * (k[i] + k[i - 1]), n = 0.5 * (k[i] + k[i + nx]), s = 0.5 * (k[i] + k[i - nx]);
    double v = (f[i] + e * u[i + 1] + w * u[i - 1] + n * u[i + nx] + s * u[i - nx]) / (e + w + n + s);
    next[i] = v;
    atomicAdd(residual, (v - u[i]) * (v - u[i]));
}

// Red-black Gauss-Seidel in place: one colour for each launch.
extern "C" __global__ void red_black(float *u, const float *f, int nx, int ny, int colour, float omega) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= nx - 1 || y >= ny - 1 || ((x + y) & 1) != colour) return;
    int i = y * nx + x;
    float gs = 0.25f * (u[i - 1] + u[i + 1] + u[i - nx] + u[i + nx] + f[i]);
    u[i] = (1.0f - omega) * u[i] + omega * gs;
}

// Yee's scheme, TE mode: the magnetic field is updated, then after the barrier the electric field of the same block.
extern "C" __global__ void fdtd_block(float *ez, float *hx, float *hy, const float *eps, int n, int steps) {
    __shared__ float e[8][8];
    int x = threadIdx.x, y = threadIdx.y, i = blockIdx.x * n * n + y * n + x;
    float a = hx[i], b = hy[i];
    e[y][x] = ez[i];
    __shared__ float mx[8][8], my[8][8];
    for (int s = 0; s < steps; s++) {
        __syncthreads();
        if (y < n - 1) a -= 0.5f * (e[y + 1][x] - e[y][x]);
        if (x < n - 1) b += 0.5f * (e[y][x + 1] - e[y][x]);
        mx[y][x] = a;
        my[y][x] = b;
        __syncthreads();
        if (x > 0 && y > 0) e[y][x] += 0.5f / eps[i] * (my[y][x] - my[y][x - 1] - mx[y][x] + mx[y - 1][x]);
    }
    hx[i] = a;
    hy[i] = b;
    ez[i] = e[y][x];
}

// Upwind advection with a limiter (minmod): branches on data.
__device__ float minmod(float a, float b) {
    if (a * b <= 0.0f) return 0.0f;
    return fabsf(a) < fabsf(b) ? a : b;
}

extern "C" __global__ void advect_minmod(const float *q, const float *speed, float *next, int n, float ratio) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float flux[2];
    for (int side = 0; side < 2; side++) {
        int r = i + side, l = r - 1;
        float u = speed[r];
        int up = u > 0.0f ? l : r;
        up = (up + n) % n;
        float slope = minmod(q[(up + 1) % n] - q[up], q[up] - q[(up + n - 1) % n]);
        flux[side] = u * (q[up] + (u > 0.0f ? 0.5f : -0.5f) * (1.0f - fabsf(u) * ratio) * slope);
    }
    next[i] = q[i] - ratio * (flux[1] - flux[0]);
}

// Fifth-order WENO reconstruction of Jiang and Shu.
extern "C" __global__ void weno5(const double *q, double *face, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < 2 || i >= n - 2) return;
    double a = q[i - 2], b = q[i - 1], c = q[i], d = q[i + 1], e = q[i + 2];
    double s0 = 13.0 / 12.0 * (a - 2 * b + c) * (a - 2 * b + c) + 0.25 * (a - 4 * b + 3 * c) * (a - 4 * b + 3 * c);
    double s1 = 13.0 / 12.0 * (b - 2 * c + d) * (b - 2 * c + d) + 0.25 * (b - d) * (b - d);
    double s2 = 13.0 / 12.0 * (c - 2 * d + e) * (c - 2 * d + e) + 0.25 * (3 * c - 4 * d + e) * (3 * c - 4 * d + e);
    double w0 = 0.1 / ((1e-2 + s0) * (1e-2 + s0)), w1 = 0.6 / ((1e-2 + s1) * (1e-2 + s1)), w2 = 0.3 / ((1e-2 + s2) * (1e-2 + s2));
    double p0 = (2 * a - 7 * b + 11 * c) / 6, p1 = (-b + 5 * c + 2 * d) / 6, p2 = (2 * c + 5 * d - e) / 6;
    face[i] = (w0 * p0 + w1 * p1 + w2 * p2) / (w0 + w1 + w2);
}

// The HLL Riemann solver for the shallow water equations; structs of conserved variables in and out.
struct Water { float h, hu; };

__device__ Water flux_of(Water w) {
    float u = w.hu / w.h;
    Water f = {w.hu, w.hu * u + 4.905f * w.h * w.h};
    return f;
}

extern "C" __global__ void shallow_hll(const Water *cells, Water *next, int n, float ratio) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < 1 || i >= n - 1) return;
    Water total = {0.0f, 0.0f};
    for (int side = 0; side < 2; side++) {
        Water l = cells[i - 1 + side], r = cells[i + side];
        float cl = sqrtf(9.81f * l.h), cr = sqrtf(9.81f * r.h);
        float sl = fminf(l.hu / l.h - cl, r.hu / r.h - cr), sr = fmaxf(l.hu / l.h + cl, r.hu / r.h + cr);
        Water fl = flux_of(l), fr = flux_of(r), f;
        if (sl >= 0.0f) f = fl;
        else if (sr <= 0.0f) f = fr;
        else {
            f.h = (sr * fl.h - sl * fr.h + sl * sr * (r.h - l.h)) / (sr - sl);
            f.hu = (sr * fl.hu - sl * fr.hu + sl * sr * (r.hu - l.hu)) / (sr - sl);
        }
        float sign = side == 0 ? 1.0f : -1.0f;
        total.h += sign * f.h;
        total.hu += sign * f.hu;
    }
    next[i].h = cells[i].h + ratio * total.h;
    next[i].hu = cells[i].hu + ratio * total.hu;
}

// Lattice Boltzmann, D2Q9: pull, collide (BGK), bounce back at walls. Populations lie one direction after the other.
__constant__ int CX[9] = {0, 1, 0, -1, 0, 1, -1, -1, 1};
__constant__ int CY[9] = {0, 0, 1, 0, -1, 1, 1, -1, -1};
__constant__ float W[9] = {4.f / 9, 1.f / 9, 1.f / 9, 1.f / 9, 1.f / 9, 1.f / 36, 1.f / 36, 1.f / 36, 1.f / 36};
__constant__ int BACK[9] = {0, 3, 4, 1, 2, 7, 8, 5, 6};

extern "C" __global__ void lattice_boltzmann(const float *f, float *next, const int *wall, float omega, int nx, int ny) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= nx || y >= ny) return;
    int n = nx * ny, i = y * nx + x;
    float in[9], rho = 0.0f, ux = 0.0f, uy = 0.0f;
    for (int q = 0; q < 9; q++) {
        int sx = (x - CX[q] + nx) % nx, sy = (y - CY[q] + ny) % ny, s = sy * nx + sx;
        in[q] = wall[s] ? f[BACK[q] * n + i] : f[q * n + s];
        rho += in[q];
        ux += in[q] * CX[q];
        uy += in[q] * CY[q];
    }
    ux /= rho;
    uy /= rho;
    float square = 1.5f * (ux * ux + uy * uy);
    for (int q = 0; q < 9; q++) {
        float cu = 3.0f * (CX[q] * ux + CY[q] * uy);
        float eq = W[q] * rho * (1.0f + cu + 0.5f * cu * cu - square);
        next[q * n + i] = wall[i] ? in[q] : in[q] + omega * (eq - in[q]);
    }
}
