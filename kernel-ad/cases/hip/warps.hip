// Exchange among the threads of a wavefront of 64, and the permutations that AMD devices have for it.
#include <hip/hip_runtime.h>

extern "C" __global__ void wave_sum(const float *x, float *sum) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i] * x[i];
    for (int s = 32; s > 0; s /= 2) v += __shfl_down(v, s);
    if (threadIdx.x % 64 == 0) sum[i / 64] = v;
}

extern "C" __global__ void wave_softmax(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float top = x[i];
    for (int s = 32; s > 0; s /= 2) top = fmaxf(top, __shfl_xor(top, s));
    float e = expf(x[i] - top), sum = e;
    for (int s = 32; s > 0; s /= 2) sum += __shfl_xor(sum, s);
    y[i] = e / sum;
}

extern "C" __global__ void wave_scan(const double *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 64;
    if (i >= n) return;
    double v = x[i];
    for (int d = 1; d < 64; d *= 2) {
        double before = __shfl_up(v, d);
        if (lane >= d) v *= before;
    }
    y[i] = v;
}

extern "C" __global__ void wave_segments(const float *x, const int *from, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 64;
    float v = x[i], s = v * v;
    for (int d = 8; d > 0; d /= 2) s += __shfl_down(s, d, 16);
    float a = __shfl(v * s, from[i]);
    float b = __shfl(v, 3, 8);
    float c = lane % 3 ? __shfl_xor(v, 3) : 1.0f;
    y[i] = a * b + c * v;
}

// Pushing (two lanes may push to one: the higher wins), swizzles, one lane for all, rows of 16.
extern "C" __global__ void wave_permutations(const float *x, const int *to, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i];
    int bits = __builtin_bit_cast(int, v * v);
    float pushed = __builtin_bit_cast(float, __builtin_amdgcn_ds_permute(to[i] * 4, bits));
    float quads = __builtin_bit_cast(float, __builtin_amdgcn_ds_swizzle(bits, 0x801b));
    float turned = __builtin_bit_cast(float, __builtin_amdgcn_ds_swizzle(bits, 0x041f));
    float first = __builtin_bit_cast(float, __builtin_amdgcn_readfirstlane(bits));
    float fifth = __builtin_bit_cast(float, __builtin_amdgcn_readlane(bits, 5));
    float shifted = __builtin_bit_cast(float, __builtin_amdgcn_update_dpp(__builtin_bit_cast(int, v), bits, 0x112, 15, 15, false));
    float zeroed = __builtin_bit_cast(float, __builtin_amdgcn_update_dpp(0, bits, 0x101, 15, 15, true));
    float mirrored = __builtin_bit_cast(float, __builtin_amdgcn_update_dpp(bits, bits, 0x140, 10, 7, false));
    float across = __builtin_bit_cast(float, __builtin_amdgcn_update_dpp(0, bits, 0x142, 10, 15, false));
    y[i] = pushed * v + quads * turned + first * fifth * v + shifted * zeroed + mirrored * across * v;
}
