// Atomic operations whose derivative depends on the order of the threads. Each kernel runs as primal.
#include <math.h>

// The last one to come stays.
extern "C" __global__ void exchange_any(const float *x, const int *bin, float *slot, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicExch(&slot[bin[i]], x[i] * x[i]);
}

// The winner is known only when all blocks have come.
extern "C" __global__ void global_max(const float *x, float *most, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int *p = (int *)most, old = *p, assumed;
    do {
        assumed = old;
        old = atomicCAS(p, assumed, __float_as_int(fmaxf(x[i] * x[i], __int_as_float(assumed))));
    } while (assumed != old);
}

// A product takes every factor's adjoint from the final value, divided by the factor.
extern "C" __global__ void product(const float *x, float *total, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int *p = (int *)total, old = *(volatile int *)p, assumed;
    do {
        assumed = old;
        old = atomicCAS(p, assumed, __float_as_int(__int_as_float(assumed) * (1.0f + x[i])));
    } while (assumed != old);
}
