// What reverse mode does not support yet. Each kernel runs as primal, and is refused with its code.
#include <math.h>

extern "C" __global__ void block_sum(const float *x, float *sum, int n) {
    __shared__ float part[64];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    part[t] = i < n ? x[i] * x[i] : 0.0f;
    __syncthreads();
    for (int s = 32; s > 0; s /= 2) {
        if (t < s) part[t] += part[t + s];
        __syncthreads();
    }
    if (t == 0) sum[blockIdx.x] = part[0];
}

extern "C" __global__ void barrier_only(const float *x, float *y, float *z) {
    int i = threadIdx.x;
    y[i] = x[i] * x[i];
    __syncthreads();
    z[i] = y[(i + 1) % blockDim.x] * x[i];
}

extern "C" __global__ void fetch_add(const float *x, float *sum, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * atomicAdd(sum, x[i]);
}

extern "C" __global__ void bits(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = __int_as_float(__float_as_int(x[i]) ^ 0x00400000);
}
