// Kinds of memory and of access: constant, device variables, read-only, volatile, fences, hints.
#include <math.h>

__constant__ double table[8] = {1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125};
__constant__ struct { float gain, offset; int repeat; } settings = {1.5f, 0.25f, 3};
__device__ float gain_of_channel[4] = {1.0f, 2.0f, 0.5f, 1.5f};
__device__ double total = 0.0;

// A polynomial whose coefficients are a constant array that is differentiated.
extern "C" __global__ void series(const double *x, double *y, int n, int order) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double s = 0.0;
    for (int k = order - 1; k >= 0; k--) s = s * x[i] + table[k];
    y[i] = s;
}

// A struct of settings in constant memory.
extern "C" __global__ void configured(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    for (int k = 0; k < settings.repeat; k++) v = sinf(settings.gain * v + settings.offset);
    y[i] = v;
}

// Device variables: one that is read, one that is added into.
extern "C" __global__ void channels(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i] * gain_of_channel[i % 4];
    y[i] = v * v;
    atomicAdd(&total, (double)v);
}

// A device variable that the kernel itself changes.
extern "C" __global__ void retune(const float *x, float *y) {
    int c = threadIdx.x;
    gain_of_channel[c] = gain_of_channel[c] * x[c] + 1.0f;
    y[c] = gain_of_channel[c] * gain_of_channel[c];
}

// Loads that go through the read-only cache, by builtin and by qualifier.
extern "C" __global__ void read_only(const float *__restrict__ a, const float4 *b, const int *__restrict__ index, float *__restrict__ y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 q = b[i / 2];
    y[i] = __ldg(a + index[i]) * __ldg(a + i) + q.x * q.w - q.y * __ldg(&a[(i + 1) % n]);
}

#ifdef __HIP__
#define __ldcs __builtin_nontemporal_load
#define __ldcg __builtin_nontemporal_load
#define __ldca(p) (*(p))
#define __stcs(p, v) __builtin_nontemporal_store(v, p)
#endif

// Cache hints on loads and stores.
extern "C" __global__ void streaming(const float *in, float *out, const double *scale, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        float v = __ldcs(&in[i]) + __ldcg(&in[(i + 7) % n]);
        __stcs(&out[i], v * v * (float)__ldca(&scale[i % 4]));
    }
}

// Volatile pointers: every access stays where it is.
extern "C" __global__ void volatile_access(volatile float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = x[i];
    x[i] = a * a;
    y[i] = x[i] * a;
}

// Fences of the block between a thread's own accesses.
extern "C" __global__ void fenced(float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    x[i] = sinf(x[i]);
    __threadfence_block();
    y[i] = x[i] * x[i];
    __threadfence_block();
    y[i] += 0.5f * x[i];
}

// A fence for all blocks may publish to blocks that run later.
extern "C" __global__ void fenced_grid(float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    x[i] = sinf(x[i]);
    __threadfence();
    y[i] = x[i] * x[i];
}
