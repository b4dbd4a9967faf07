// What the language has and kernel-ad has not: each is refused with its place.
#include <math.h>

__device__ __noinline__ float fold(const float *x, int n) { return n == 0 ? 0.0f : x[0] + 0.5f * fold(x + 1, n - 1) * fold(x, n / 2); }

extern "C" __global__ void recursion(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = fold(x, i % 5);
}

__device__ float square(float v) { return v * v; }
__device__ float cube(float v) { return v * v * v; }
typedef float (*Function)(float);
__device__ Function functions[2] = {square, cube};

extern "C" __global__ void indirect_call(const float *x, const int *which, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = functions[which[i]](x[i]);
}

// Two ways into one loop.
extern "C" __global__ void irreducible(const float *x, float *y, int n, int middle) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, k = 0;
    if (i >= n) return;
    float v = x[i];
    if (middle) goto second;
first:
    v = sinf(v) + 0.1f;
    asm volatile("// first" ::);
second:
    v = v * v + 0.2f;
    asm volatile("// second" ::);
    if (++k < n % 7) goto first;
    if (v > 0.5f && k < n) goto second;
    y[i] = v;
}

extern "C" __global__ void device_malloc(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float *p = (float *)malloc(n * sizeof(float));
    for (int k = 0; k < n; k++) p[k] = x[k] * x[i];
    y[i] = p[(i + 1) % n];
    free(p);
}

extern "C" __device__ float from_another_file(float v);

extern "C" __global__ void unknown_call(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = from_another_file(x[i]);
}
