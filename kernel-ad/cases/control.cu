// Control flow: branches, switch, loops of every kind.
#include <math.h>

extern "C" __global__ void if_else(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    if (v > 0.3f) {
        v = v * v;
        if (v > 0.5f) v = sinf(v);
        else v = v + 2.0f * x[i];
    } else {
        v = expf(v) - x[i] * v;
    }
    y[i] = v;
}

extern "C" __global__ void switch_on_index(const float *x, const int *kind, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i], r = 0.0f;
    switch (kind[i]) {
    case 0: r = v * v; break;
    case 1: r = sinf(v) * v; break;
    case 2: r = expf(v); // falls through
    case 3: r += 1.0f / (2.0f + v); break;
    case 7: r = sqrtf(2.0f + v); break;
    default: r = 3.0f * v;
    }
    y[i] = r * v;
}

extern "C" __global__ void matvec(const float *a, const float *x, float *y, int rows, int cols) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows) return;
    float s = 0.0f;
    for (int j = 0; j < cols; j++) s += a[i * cols + j] * x[j];
    y[i] = s * s;
}

extern "C" __global__ void matmul(const double *a, const double *b, double *c, int n) {
    int i = blockIdx.y * blockDim.y + threadIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || j >= n) return;
    double s = 0.0;
    for (int k = 0; k < n; k++) s += a[i * n + k] * b[k * n + j];
    c[i * n + j] = s;
}

extern "C" __global__ void nested(const float *x, float *y, int n, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = x[i];
    for (int j = 0; j < m; j++) {
        float t = s;
        for (int k = 0; k <= j; k++) {
            t = sinf(t) + 0.1f * x[(i + k) % n];
            for (int l = 0; l < 2; l++) t = t * (1.0f - 0.3f * t);
        }
        s = 0.5f * s + t;
    }
    y[i] = s;
}

extern "C" __global__ void logistic_map(const float *r, float *x, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    for (int k = 0; k < steps; k++) v = r[i] * v * (1.0f - v);
    x[i] = v;
}

// Newton's iteration for the root of t^3 + t = x: the trip count depends on the data.
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

extern "C" __global__ void collatz(const int *start, const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int k = start[i];
    float v = x[i];
    while (k > 1) {
        if (k % 2 == 0) {
            k /= 2;
            v = 0.9f * v + 0.2f * v * v;
        } else {
            k = 3 * k + 1;
            v = sinf(v) + 0.1f;
        }
    }
    y[i] = v;
}

// Bisection decides by sign; what is left of the derivative is the final secant step.
extern "C" __global__ void bisect(const double *c, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double lo = 0.0, hi = 2.0;
    for (int k = 0; k < 12; k++) {
        double mid = 0.5 * (lo + hi);
        if (mid * mid * mid < c[i]) lo = mid;
        else hi = mid;
    }
    double flo = lo * lo * lo - c[i], fhi = hi * hi * hi - c[i];
    out[i] = lo - flo * (hi - lo) / (fhi - flo);
}

extern "C" __global__ void early_exit(const float *x, float *y, int n, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 1.0f;
    for (int j = 0; j < m; j++) {
        s *= 1.0f + 0.3f * x[(i * 5 + j) % n];
        if (s > 4.0f) {
            y[i] = s * s;
            return;
        }
    }
    y[i] = -s;
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

extern "C" __global__ void divergent_trips(const double *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double s = x[i];
    for (int j = 0; j < i % 9; j++) s = s * s - 0.5 * s + 0.1 * x[j];
    y[i] = s;
}

extern "C" __global__ void grid_stride(const float *x, float *y, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = x[i] * x[i] * cosf(x[i]);
}

extern "C" __global__ void do_while(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    int k = 0;
    do {
        v = v * 0.7f + 0.05f * v * v;
        k++;
    } while (v > 0.1f && k < 40);
    y[i] = v + k;
}
