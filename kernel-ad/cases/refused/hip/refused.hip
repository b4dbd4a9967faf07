// What is refused of HIP code: the language's kernels compiled for AMD, and what AMD devices have of their own.
#include <hip/hip_runtime.h>
#include "../language.cu"

// An instruction of the processor: its text is not understood.
extern "C" __global__ void asm_exp2(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float e;
    asm volatile("v_exp_f32 %0, %1" : "=v"(e) : "v"(x[i]));
    y[i] = e * x[i];
}

typedef float Quad __attribute__((ext_vector_type(4)));

// A product of tiles on matrix cores.
extern "C" __global__ __attribute__((target("mai-insts"))) void matrix_product(const float *a, const float *b, float *c) {
    int lane = threadIdx.x;
    Quad sum = {0, 0, 0, 0};
    sum = __builtin_amdgcn_mfma_f32_16x16x4f32(a[lane], b[lane], sum, 0, 0, 0);
    for (int k = 0; k < 4; k++) c[4 * lane + k] = sum[k];
}

extern "C" __device__ void __ockl_grid_sync(void);

// All blocks wait for each other.
extern "C" __global__ void whole_grid(const float *x, float *y, float *z) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
    y[i] = x[i] * x[i];
    __ockl_grid_sync();
    z[i] = y[(i + 1) % n];
}
