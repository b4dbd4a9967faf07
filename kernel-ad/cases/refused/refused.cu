// What reverse mode does not support yet. Each kernel runs as primal, and is refused with its code.
#include <math.h>

extern "C" __global__ void fetch_add(const float *x, float *sum, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * atomicAdd(sum, x[i]);
}

extern "C" __global__ void bits(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = __int_as_float(__float_as_int(x[i]) ^ 0x00400000);
}
