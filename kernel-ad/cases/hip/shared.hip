// Shared memory and barriers, as hipcc's clang compiles them for AMD.
#include <hip/hip_runtime.h>

#define HALO 2

// A tree of additions; threads beyond n add zero.
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

// The same with both tiles in dynamic shared memory.
extern "C" __global__ void matmul_dynamic(const float *a, const float *b, float *c, int n) {
    extern __shared__ float tiles[];
    int w = blockDim.x;
    float *ta = tiles, *tb = tiles + w * w;
    int tx = threadIdx.x, ty = threadIdx.y;
    int row = blockIdx.y * w + ty, col = blockIdx.x * w + tx;
    float sum = 0.0f;
    for (int k = 0; k < n; k += w) {
        ta[ty * w + tx] = (row < n && k + tx < n) ? a[row * n + k + tx] : 0.0f;
        tb[ty * w + tx] = (col < n && k + ty < n) ? b[(k + ty) * n + col] : 0.0f;
        __syncthreads();
        for (int j = 0; j < w; j++) sum += ta[ty * w + j] * tb[j * w + tx];
        __syncthreads();
    }
    if (row < n && col < n) c[row * n + col] = sum;
}

// A nonlinear stencil; the block's neighbours are loaded as a halo. Threads beyond n leave after the barrier.
extern "C" __global__ void stencil_halo(const double *x, const double *w, double *y, int n) {
    __shared__ double tile[32 + 2 * HALO];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    tile[t + HALO] = i < n ? x[i] : 0.0;
    if (t < HALO) {
        tile[t] = i >= HALO ? x[i - HALO] : 0.0;
        int right = i + blockDim.x;
        tile[t + blockDim.x + HALO] = right < n ? x[right] : 0.0;
    }
    __syncthreads();
    if (i >= n) return;
    double sum = 0.0;
    for (int k = -HALO; k <= HALO; k++) sum += w[k + HALO] * tile[t + HALO + k];
    y[i] = tanh(sum) * tile[t + HALO];
}

// Scan in place: products of all elements before, two barriers in each round.
extern "C" __global__ void scan_in_place(const float *x, float *y) {
    extern __shared__ float s[];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    for (int d = 1; d < blockDim.x; d <<= 1) {
        float other = t >= d ? s[t - d] : 1.0f;
        __syncthreads();
        s[t] *= other;
        __syncthreads();
    }
    y[t] = s[t];
}

// Threads beyond n return before the first barrier; the others go on without them.
extern "C" __global__ void guarded_return(const double *x, double *y, int n) {
    __shared__ double s[48];
    int t = threadIdx.x;
    if (t >= n) return;
    s[t] = exp(x[t]);
    __syncthreads();
    double left = s[(t + n - 1) % n], right = s[(t + 1) % n];
    __syncthreads();
    s[t] = left * right;
    __syncthreads();
    y[t] = s[(t + 5) % n] + left;
}

// Weighted histogram: bins in shared memory, added to atomically.
extern "C" __global__ void histogram_shared(const float *w, const int *bin, float *out, int n, int bins) {
    extern __shared__ float h[];
    int t = threadIdx.x;
    for (int b = t; b < bins; b += blockDim.x) h[b] = 0.0f;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&h[bin[i]], w[i] * w[i]);
    __syncthreads();
    for (int b = t; b < bins; b += blockDim.x) atomicAdd(&out[b], sinf(h[b]));
}

// Sparse rows, one block a row: the loop around the barriers has its bounds from memory.
extern "C" __global__ void row_tiles(const int *start, const double *v, const double *x, double *y, int width) {
    __shared__ double tile[16];
    int t = threadIdx.x, row = blockIdx.x;
    double sum = 0.0;
    for (int k = start[row]; k < start[row + 1]; k += 16) {
        int at = k + t;
        tile[t] = at < start[row + 1] ? v[at] * v[at] : 0.0;
        __syncthreads();
        for (int j = 0; j < 16; j++) sum += tile[j] * x[(t + j) % width];
        __syncthreads();
    }
    y[row * 16 + t] = sum;
}

// The full block of 1024 threads, in the order that leaves no warp half idle, with the last rounds unrolled.
extern "C" __global__ void large_block_norm(const float *x, float *y, int n) {
    __shared__ float s[1024];
    int t = threadIdx.x;
    float v = t < n ? x[t] : 0.0f;
    s[t] = v * v;
    for (int d = 512; d > 0; d >>= 1) {
        __syncthreads();
        if (t < d) s[t] += s[t + d];
    }
    __syncthreads();
    if (t < n) y[t] = v * rsqrtf(s[0] + 1e-6f);
}
