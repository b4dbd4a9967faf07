// Small versions of what people run.
#include <math.h>

__device__ float phi(float x) { return 0.5f * erfcf(-x * 0.70710678f); }

extern "C" __global__ void black_scholes(const float *spot, const float *strike, const float *years, float rate, float vol, float *call, float *put, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = spot[i], k = strike[i], t = years[i];
    float root = sqrtf(t);
    float d1 = (logf(s / k) + (rate + 0.5f * vol * vol) * t) / (vol * root);
    float d2 = d1 - vol * root;
    float discount = expf(-rate * t);
    call[i] = s * phi(d1) - k * discount * phi(d2);
    put[i] = k * discount * phi(-d2) - s * phi(-d1);
}

extern "C" __global__ void nbody(const float4 *body, float3 *force, int n, float softening) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 p = body[i];
    float3 f = make_float3(0.0f, 0.0f, 0.0f);
    for (int j = 0; j < n; j++) {
        float4 q = body[j];
        float dx = q.x - p.x, dy = q.y - p.y, dz = q.z - p.z;
        float r = rsqrtf(dx * dx + dy * dy + dz * dz + softening);
        float w = q.w * r * r * r;
        f.x += w * dx;
        f.y += w * dy;
        f.z += w * dz;
    }
    force[i] = f;
}

extern "C" __global__ void heat(const double *u, double *next, const double *k, int nx, int ny) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= nx - 1 || y >= ny - 1) return;
    int i = y * nx + x;
    next[i] = u[i] + k[i] * (u[i - 1] + u[i + 1] + u[i - nx] + u[i + nx] - 4.0 * u[i]);
}

extern "C" __global__ void softmax_rows(const float *x, float *y, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float top = x[r * cols];
    for (int c = 1; c < cols; c++) top = fmaxf(top, x[r * cols + c]);
    float sum = 0.0f;
    for (int c = 0; c < cols; c++) sum += expf(x[r * cols + c] - top);
    for (int c = 0; c < cols; c++) y[r * cols + c] = expf(x[r * cols + c] - top) / sum;
}

extern "C" __global__ void lennard_jones(const double *pos, const int *neighbour, double *energy, int n, int per, double eps, double sigma) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double e = 0.0;
    for (int k = 0; k < per; k++) {
        int j = neighbour[i * per + k];
        if (j == i) continue;
        double dx = pos[3 * i] - pos[3 * j], dy = pos[3 * i + 1] - pos[3 * j + 1], dz = pos[3 * i + 2] - pos[3 * j + 2];
        double r2 = dx * dx + dy * dy + dz * dz + 0.5;
        double s2 = sigma * sigma / r2, s6 = s2 * s2 * s2;
        e += 4.0 * eps * (s6 * s6 - s6);
    }
    energy[i] = e;
}

// Every thread adds into one sum.
extern "C" __global__ void loss(const float *y, const float *target, float *total, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float d = y[i] - target[i];
    atomicAdd(total, d * d / n);
}

// A path of an Euler-Maruyama scheme with its own random numbers.
extern "C" __global__ void paths(const float *start, float drift, float vol, float *end, int n, int steps, unsigned seed) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned state = seed + 747796405u * i;
    float x = start[i], dt = 1.0f / steps;
    for (int k = 0; k < steps; k++) {
        state = state * 1664525u + 1013904223u;
        float u = (float)(state >> 8) * (1.0f / 16777216.0f) - 0.5f;
        x += drift * x * dt + vol * x * u * sqrtf(12.0f * dt);
    }
    end[i] = x;
}
