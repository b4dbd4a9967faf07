// Sums over blocks, warps and grids, as people write them.
#include <math.h>

// A tree in shared memory, one sum for each block.
extern "C" __global__ void tree_sum(const float *x, float *sum, int n) {
    __shared__ float part[64];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    part[t] = i < n ? x[i] * x[i] : 0.0f;
    __syncthreads();
    for (int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (t < s) part[t] += part[t + s];
        __syncthreads();
    }
    if (t == 0) sum[blockIdx.x] = part[0];
}

// The old way with interleaved addresses, and a first addition on loading.
extern "C" __global__ void interleaved_sum(const double *__restrict__ x, double *__restrict__ sum, int n) {
    extern __shared__ double stage[];
    unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x * 2 + t;
    double mine = i < n ? sin(x[i]) : 0.0;
    if (i + blockDim.x < n) mine += sin(x[i + blockDim.x]);
    stage[t] = mine;
    __syncthreads();
    for (unsigned s = 1; s < blockDim.x; s *= 2) {
        unsigned at = 2 * s * t;
        if (at + s < blockDim.x) stage[at] += stage[at + s];
        __syncthreads();
    }
    if (t == 0) sum[blockIdx.x] = stage[0];
}

__device__ __forceinline__ float warp_sum(float v) {
    for (int d = 16; d > 0; d >>= 1) v += __shfl_down_sync(0xffffffffu, v, d);
    return v;
}

// Warps by shuffles, then one warp over the warps.
extern "C" __global__ void shuffle_sum(const float *x, float *sum, int n) {
    __shared__ float warps[32];
    int t = threadIdx.x, lane = t & 31, warp = t >> 5;
    float v = 0.0f;
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) v += expf(-x[i] * x[i]);
    v = warp_sum(v);
    if (lane == 0) warps[warp] = v;
    __syncthreads();
    v = t < blockDim.x / 32 ? warps[lane] : 0.0f;
    if (warp == 0) v = warp_sum(v);
    if (t == 0) sum[blockIdx.x] = v;
}

// A dot product: grid-stride loop, tree, one atomic add for each block.
extern "C" __global__ void dot_product(const float *a, const float *b, float *result, int n) {
    __shared__ float cache[32];
    int t = threadIdx.x;
    float mine = 0.0f;
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) mine += a[i] * b[i];
    cache[t] = mine;
    __syncthreads();
    int s = blockDim.x / 2;
    while (s != 0) {
        if (t < s) cache[t] += cache[t + s];
        __syncthreads();
        s /= 2;
    }
    if (t == 0) atomicAdd(result, cache[0]);
}

// Butterfly: every lane has the norm of its warp's row, and scales its own element by it.
extern "C" __global__ void normalise_rows(const float *x, float *y, int cols) {
    int lane = threadIdx.x, row = blockIdx.x * blockDim.y + threadIdx.y;
    float v = lane < cols ? x[row * cols + lane] : 0.0f;
    float s = v * v;
    for (int m = 16; m > 0; m >>= 1) s += __shfl_xor_sync(0xffffffffu, s, m);
    if (lane < cols) y[row * cols + lane] = v * rsqrtf(s + 1e-3f);
}

// The block's extremum and where it came from; the derivative goes to the winner.
extern "C" __global__ void block_max(const double *x, double *top, int n) {
    __shared__ double best[32];
    int t = threadIdx.x;
    double mine = -1e30;
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) mine = fmax(mine, x[i] * (2.0 - x[i]));
    best[t] = mine;
    __syncthreads();
    for (int s = 16; s > 0; s >>= 1) {
        if (t < s) best[t] = fmax(best[t], best[t + s]);
        __syncthreads();
    }
    if (t == 0) top[blockIdx.x] = best[0] * best[0];
}

// Mean and variance in one pass over two shared arrays (Welford's merge).
extern "C" __global__ void mean_variance(const double *x, double *mean, double *variance, int per) {
    __shared__ double m[16], q[16], count[16];
    int t = threadIdx.x;
    double mu = 0.0, s = 0.0, k = 0.0;
    for (int i = t; i < per; i += blockDim.x) {
        double v = x[blockIdx.x * per + i];
        k += 1.0;
        double d = v - mu;
        mu += d / k;
        s += d * (v - mu);
    }
    m[t] = mu;
    q[t] = s;
    count[t] = k;
    __syncthreads();
    for (int h = 8; h > 0; h >>= 1) {
        if (t < h && count[t] + count[t + h] > 0.0) {
            double total = count[t] + count[t + h], d = m[t + h] - m[t];
            q[t] += q[t + h] + d * d * count[t] * count[t + h] / total;
            m[t] += d * count[t + h] / total;
            count[t] = total;
        }
        __syncthreads();
    }
    if (t == 0) {
        mean[blockIdx.x] = m[0];
        variance[blockIdx.x] = q[0] / per;
    }
}

// A template over the block size, unrolled, with a last warp that synchronises by itself.
template <int BLOCK> __device__ float reduce(float v) {
    __shared__ float s[BLOCK];
    int t = threadIdx.x;
    s[t] = v;
    __syncthreads();
    if (BLOCK >= 64) {
        if (t < 32) s[t] += s[t + 32];
        __syncthreads();
    }
    if (t < 16) {
        s[t] += s[t + 16];
        __syncwarp(0x0000ffffu);
        if (t < 8) s[t] += s[t + 8];
        __syncwarp(0x0000ffffu);
        if (t < 4) s[t] += s[t + 4];
        __syncwarp(0x0000ffffu);
        if (t < 2) s[t] += s[t + 2];
        __syncwarp(0x0000ffffu);
    }
    __syncthreads();
    return s[0] + s[1];
}

extern "C" __global__ void centred(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = i < n ? x[i] : 0.0f;
    float mean = reduce<64>(v) / 64.0f;
    if (i < n) y[i] = (v - mean) * (v - mean);
}
