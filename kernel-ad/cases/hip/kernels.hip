// HIP versions of some of the cases: the same physics, read from AMDGPU bitcode.
#include <hip/hip_runtime.h>
#include <math.h>

extern "C" __global__ void saxpy(float a, const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void math_f32(const float *x, const float *y, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = x[i], b = y[i];
    out[i] = expf(-a * a) + logf(b) * sqrtf(a + b) + sinf(a) * cosf(b) + tanhf(a * b) + powf(b, a) + fmaxf(a, 0.7f * b) + atan2f(a, b);
}

extern "C" __global__ void math_f64(const double *x, const double *y, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = x[i], b = y[i];
    out[i] = exp(-a) * log(b) + sqrt(a * b) + sin(a + b) - cos(a - b) + pow(a, b) + erf(a) + fma(a, b, a) + fabs(a - b);
}

extern "C" __global__ void spmv(const int *row, const int *col, const float *val, const float *x, float *y, int rows) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float s = 0.0f;
    for (int k = row[r]; k < row[r + 1]; k++) s += val[k] * x[col[k]];
    y[r] = s;
}

extern "C" __global__ void newton(const double *x, double *root, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double t = 1.0, step = 1.0;
    while (fabs(step) > 1e-10) {
        step = (t * t * t + t - x[i]) / (3.0 * t * t + 1.0);
        t -= step;
    }
    root[i] = t;
}

extern "C" __global__ void scatter_add(const int *bin, const float *x, float *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&sum[bin[i]], x[i] * x[i]);
}

__constant__ float weights[5] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};

extern "C" __global__ void convolve(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 0.0f;
    for (int k = 0; k < 5; k++) {
        int j = i + k - 2;
        if (j >= 0 && j < n) s += weights[k] * x[j];
    }
    y[i] = s * s;
}

struct Grid {
    float *rho;
    const float *flux;
    int nx;
    float scale;
};

extern "C" __global__ void update(Grid g, float dt) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= g.nx) return;
    float left = g.flux[i], right = g.flux[i + 1];
    g.rho[i] = g.rho[i] - dt * g.scale * (right * right - left * left);
}

extern "C" __global__ void local_array(const float *x, const int *pick, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float t[8];
    for (int k = 0; k < 8; k++) t[k] = x[i] * (k + 1) + sinf(x[(i + k) % n]);
    for (int k = 0; k < 8; k++) t[pick[i * 8 + k]] *= 1.0f + 0.1f * t[k];
    float s = 0.0f;
    for (int k = 0; k < 8; k++) s += t[(k + i) % 8] * (k + 1);
    y[i] = s;
}

extern "C" __global__ void break_continue(const float *x, float *y, int n, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 0.0f;
    for (int j = 0; j < m; j++) {
        float v = x[(i + 3 * j) % n];
        if (v < 0.2f) continue;
        if (s > 2.5f) break;
        s += v * expf(-s);
        if (j % 3 == 2) continue;
        s = s * 1.1f;
    }
    y[i] = s;
}
