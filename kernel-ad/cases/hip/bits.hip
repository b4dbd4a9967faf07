// Floats that are handled as integers, for AMD.
#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

extern "C" __global__ void normalise(const float *v, float *u, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = v[3 * i], y = v[3 * i + 1], z = v[3 * i + 2];
    float s = x * x + y * y + z * z;
    float r = __int_as_float(0x5f3759df - (__float_as_int(s) >> 1));
    r = r * (1.5f - 0.5f * s * r * r);
    u[3 * i] = x * r;
    u[3 * i + 1] = y * r;
    u[3 * i + 2] = z * r;
}

// bfloat16 by hand: widened by a shift, rounded to nearest and to even.
extern "C" __global__ void bf16_by_hand(const unsigned short *x, unsigned short *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = __uint_as_float((unsigned)x[i] << 16), w = __uint_as_float((unsigned)x[(i + 1) % n] << 16);
    unsigned b = __float_as_uint(v * w + 0.25f * v);
    y[i] = (unsigned short)((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}

extern "C" __global__ void signs(const float *x, const double *d, float *y, double *e, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int b = __float_as_int(x[i]), c = __float_as_int(x[(i + 1) % n]);
    float copied = __int_as_float((b & 0x7fffffff) | (c & 0x80000000));
    y[i] = __int_as_float(b & 0x7fffffff) * (b < 0 ? 3.0f : 2.0f) * copied;
    long long w = __double_as_longlong(d[i]);
    e[i] = __longlong_as_double(w & 0x7fffffffffffffffll) * d[i];
}

extern "C" __global__ void half2_dot(const _Float16 *x, const _Float16 *y, float *dot, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0.0f;
    for (int j = 0; j < 4; j++) {
        __half2 a = ((const __half2 *)x)[4 * i + j], b = ((const __half2 *)y)[4 * i + j];
        __half2 p = a * b;
        sum += (float)p.x + (float)p.y;
    }
    dot[i] = sum;
}
