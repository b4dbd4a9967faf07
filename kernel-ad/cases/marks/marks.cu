// Kernels that ask for derivatives of device functions.
#include <kernel_ad.h>
// Energy of a spring network seen from one bead; forces are its gradient.
__device__ double energy(const double* x, const int* partner, const double* k, double rest, int i, int n) {
    double e = 0;
    for (int s = 0; s < n; s++) {
        double d = x[2 * i] - x[2 * partner[i * n + s]], f = x[2 * i + 1] - x[2 * partner[i * n + s] + 1];
        double r = sqrt(d * d + f * f) - rest;
        e += 0.5 * k[s] * r * r;
    }
    return e;
}
extern "C" __global__ void forces(const double* x, double* force, const int* partner, const double* k, double rest, double* total, int n, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    double e, seed = -1, d_rest = 0;
    __kernel_ad_reverse(energy, kad_dup, x, force, kad_const, partner, kad_const, k, kad_active, rest, &d_rest, kad_const, i, kad_const, n, kad_dup, &e, &seed);
    atomicAdd(total, e + 0 * d_rest);
}
// Newton's method with the derivative by forward mode
__device__ float g(float x, float a) { float y = x; for (int i = 0; i < 3; i++) y = y * x + a; return y - 2; }
extern "C" __global__ void newton(float* root, const float* a, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    float x = 1;
    for (int k = 0; k < 20; k++) {
        float y, dy, dx = 1;
        __kernel_ad_forward(g, kad_active, x, &dx, kad_const, a[i], kad_dup, &y, &dy);
        x -= y / dy;
    }
    root[i] = x;
}
// local arrays as inputs
__device__ void rosen(const float* v, float* out, int n) {
    float s = 0;
    for (int i = 0; i + 1 < n; i++) { float a = 1 - v[i], b = v[i + 1] - v[i] * v[i]; s += a * a + 100 * b * b; }
    *out = s;
}
extern "C" __global__ void descend(float* x, float* loss, float rate, int steps) {
    float v[4], d[4];
    for (int i = 0; i < 4; i++) v[i] = x[threadIdx.x * 4 + i];
    float l = 0;
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < 4; i++) d[i] = 0;
        float one = 1;
        __kernel_ad_reverse(rosen, kad_dup, v, d, kad_dup, &l, &one, kad_const, 4);
        for (int i = 0; i < 4; i++) v[i] -= rate * d[i];
    }
    for (int i = 0; i < 4; i++) x[threadIdx.x * 4 + i] = v[i];
    loss[threadIdx.x] = l;
}
