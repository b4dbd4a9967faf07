// Doubles that the threads of a warp hand each other. What shuffles of doubles are made of is put together again where it is used:
// behind a branch, where only some threads come by.

#ifdef __HIP__
#include <hip/hip_runtime.h>
#define SHUFFLE(v, lane) __shfl(v, lane, 32)
#define SHUFFLE_DOWN(v, by) __shfl_down(v, by, 32)
#define SHUFFLE_XOR(v, by) __shfl_xor(v, by, 32)
#else
#define SHUFFLE(v, lane) __shfl_sync(0xffffffffu, v, lane)
#define SHUFFLE_DOWN(v, by) __shfl_down_sync(0xffffffffu, v, by)
#define SHUFFLE_XOR(v, by) __shfl_xor_sync(0xffffffffu, v, by)
#endif

static __device__ double warp_total(double v) {
#pragma unroll
    for (int s = 16; s > 0; s /= 2) v += SHUFFLE_DOWN(v, s);
    return v;
}

// Sum of squares of every warp; one thread of it stores.
extern "C" __global__ void double_sum(const double *x, double *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double v = i < n ? x[i] : 0.0;
    v = warp_total(v * v);
    if (threadIdx.x % 32 == 0) sum[i / 32] = v;
}

// Sum of a whole grid: each warp's, each block's, and one atomic add for each block.
extern "C" __global__ void double_block_sum(const double *x, double *sum, int n) {
    __shared__ double part[32];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
    double v = 0.0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v += x[i] * x[i] * x[i];
    v = warp_total(v);
    if (lane == 0) part[warp] = v;
    __syncthreads();
    if (warp == 0) {
        v = warp_total(lane < warps ? part[lane] : 0.0);
        if (lane == 0) atomicAdd(sum, v);
    }
}

// What the first lane has goes to those that have an element of their own, and to no others.
extern "C" __global__ void double_broadcast(const double *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double v = i < n ? x[i] * x[i] : 0.0;
    double first = SHUFFLE(v, 0);
    if (i < n) y[i] = x[i] * first;
}

static __device__ double xor_by_words(double v, int by) {
    int high = __double2hiint(v), low = __double2loint(v);
    return __hiloint2double(SHUFFLE_XOR(high, by), SHUFFLE_XOR(low, by));
}

// Words by hand, as code has it that is older than shuffles of doubles.
extern "C" __global__ void double_by_words(const double *x, double *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double v = x[i], sum = v * v;
#pragma unroll
    for (int s = 1; s < 32; s *= 2) sum += xor_by_words(sum, s);
    if (sum > 0.5) y[i] = v / sqrt(sum);
}

// Floats and doubles that are handed on, and nothing else.
extern "C" __global__ void shuffled_copies(const float *x, const double *z, float *y, double *w, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = i < n ? x[i] : 0.0f;
    v = SHUFFLE(v, (i & 3) * 8 + (i >> 2 & 7));
    double u = SHUFFLE_XOR(SHUFFLE_DOWN(z[i], 1), 3);
    if (i < n) {
        y[i] = v;
        w[i] = u;
    }
}

struct Record {
    float4 a;
    float2 b;
};

// Records of which some fields are computed with and others handed on.
extern "C" __global__ void shuffled_fields(const Record *x, Record *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    Record v = x[i], w;
    w.a.x = SHUFFLE_XOR(v.a.x, 1);
    w.a.y = SHUFFLE_DOWN(v.a.y, 2);
    w.a.z = SHUFFLE(v.a.z, 0);
    w.a.w = v.a.w;
    w.b = make_float2(SHUFFLE(v.b.x, i % 8), v.b.x * v.b.y);
    y[i] = w;
}
