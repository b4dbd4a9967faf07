// One element per thread, no loops.
#include <math.h>

extern "C" __global__ void saxpy(float a, const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void axpby(double a, double *x, double b, const double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double t = a * x[i];
    x[i] = t * t + b * y[i] / (1.0 + t * t);
}

extern "C" __global__ void math_f32(const float *x, const float *y, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = x[i], b = y[i];
    float s = expf(-a * a) + logf(b) + sqrtf(a + b) + sinf(a) * cosf(b) + tanhf(a * b);
    s += powf(b, a) + rsqrtf(b) + log1pf(a) + fabsf(a - b) + atan2f(a, b) + expm1f(0.5f * a);
    s += fmaxf(a, 0.7f * b) + fminf(a * a, b) + cbrtf(b) + exp2f(a) + log2f(b) + log10f(b) + hypotf(a, b);
    out[i] = s;
}

extern "C" __global__ void math_f64(const double *x, const double *y, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = x[i], b = y[i];
    double s = exp(-a) * log(b) + sqrt(a * b) + sin(a + b) - cos(a - b) + tan(0.5 * a) + tanh(b);
    s += asin(0.5 * a) + acos(0.3 * a) + atan(b) + sinh(a) + cosh(b) + asinh(a) + acosh(1.0 + b) + atanh(0.4 * a);
    s += pow(a, b) + erf(a) + erfc(b) + fmod(b, 0.37) + fma(a, b, a) + floor(3.0 * a) + copysign(a, b - 1.0);
    out[i] = s;
}

extern "C" __global__ void fast_math(const float *x, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = x[i];
    out[i] = __expf(a) + __logf(a) + __sinf(a) * __cosf(a) + __powf(a, 1.5f) + __fdividef(a, 1.0f + a) + __saturatef(a - 0.5f);
}

extern "C" __global__ void special_f64(const double *x, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = x[i];
    out[i] = normcdf(a) + erfinv(0.4 * a) + lgamma(1.0 + a) + tgamma(0.5 + a) + j0(a) + y1(1.0 + a) + sinpi(a) + rcbrt(a) + exp10(a);
}

extern "C" __global__ void two_results(const float *x, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s, c;
    sincosf(x[i], &s, &c);
    out[2 * i] = s * s * s;
    out[2 * i + 1] = c * s;
}

extern "C" __global__ void casts(const float *x, const double *y, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double d = (double)x[i] * y[i];
    int k = (int)(4.0 * y[i]);
    out[i] = (float)(d * d) + (float)k * x[i] + (float)(i % 7);
}

extern "C" __global__ void horner(const float *c, const float *x, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i], p = c[7];
#pragma unroll
    for (int k = 6; k >= 0; k--) p = p * v + c[k];
    out[i] = p;
}

extern "C" __global__ void vectors(const float4 *a, const float4 *b, float4 *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 u = a[i], v = b[i], r;
    r.x = u.y * v.z - u.z * v.y;
    r.y = u.z * v.x - u.x * v.z;
    r.z = u.x * v.y - u.y * v.x;
    r.w = u.x * v.x + u.y * v.y + u.z * v.z + u.w * v.w;
    out[i] = r;
}

extern "C" __global__ void three_d(const float *x, float *out, int nx, int ny, int nz, float s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int j = blockIdx.y * blockDim.y + threadIdx.y;
    int k = blockIdx.z * blockDim.z + threadIdx.z;
    if (i >= nx || j >= ny || k >= nz) return;
    int at = (k * ny + j) * nx + i;
    int mirrored = (k * ny + (ny - 1 - j)) * nx + (nx - 1 - i);
    out[at] = s * x[at] * x[mirrored];
}
