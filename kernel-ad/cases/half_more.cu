// Pairs of halves, and bfloat16 of the library.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void half2_dot(const __half2 *x, const __half2 *y, float *dot, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0.0f;
    for (int j = 0; j < 4; j++) {
        float2 a = __half22float2(x[4 * i + j]), b = __half22float2(y[4 * i + j]);
        sum += a.x * b.x + a.y * b.y;
    }
    dot[i] = sum;
}

extern "C" __global__ void bf16_axpy(const __nv_bfloat16 *x, __nv_bfloat16 *y, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = __float2bfloat16(a * __bfloat162float(x[i]) + __bfloat162float(y[i]));
}
