// Threads of a block work together through shared memory.
#include <math.h>

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

// Global memory that the threads of one block exchange across a barrier.
extern "C" __global__ void barrier_exchange(const float *x, float *y, float *z) {
    int i = threadIdx.x;
    y[i] = x[i] * x[i];
    __syncthreads();
    z[i] = y[(i + 1) % blockDim.x] * x[i];
}

#define TILE 8

// The matrix product of the textbook: two tiles, overwritten in every round.
extern "C" __global__ void matmul_tiled(const float *a, const float *b, float *c, int n) {
    __shared__ float ta[TILE][TILE];
    __shared__ float tb[TILE][TILE];
    int tx = threadIdx.x, ty = threadIdx.y;
    int row = blockIdx.y * TILE + ty, col = blockIdx.x * TILE + tx;
    float sum = 0.0f;
    for (int k = 0; k < n; k += TILE) {
        ta[ty][tx] = (row < n && k + tx < n) ? a[row * n + k + tx] : 0.0f;
        tb[ty][tx] = (col < n && k + ty < n) ? b[(k + ty) * n + col] : 0.0f;
        __syncthreads();
        for (int j = 0; j < TILE; j++) sum += ta[ty][j] * tb[j][tx];
        __syncthreads();
    }
    if (row < n && col < n) c[row * n + col] = sum;
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

#define HALO 2

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

// Inclusive scan of Hillis and Steele with two buffers that change places.
extern "C" __global__ void scan_two_buffers(const float *x, float *y) {
    __shared__ float buffer[2][64];
    int t = threadIdx.x, now = 0;
    buffer[0][t] = sinf(x[blockIdx.x * blockDim.x + t]);
    __syncthreads();
    for (int d = 1; d < blockDim.x; d *= 2) {
        buffer[1 - now][t] = buffer[now][t] + (t >= d ? buffer[now][t - d] : 0.0f);
        now = 1 - now;
        __syncthreads();
    }
    y[blockIdx.x * blockDim.x + t] = buffer[now][t] * buffer[now][t];
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

// Transposition through a padded tile, squaring on the way.
extern "C" __global__ void transpose_tile(const float *in, float *out, int width, int height) {
    __shared__ float tile[8][9];
    int x = blockIdx.x * 8 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
    if (x < width && y < height) tile[threadIdx.y][threadIdx.x] = in[y * width + x];
    __syncthreads();
    x = blockIdx.y * 8 + threadIdx.x;
    y = blockIdx.x * 8 + threadIdx.y;
    if (x < height && y < width) {
        float v = tile[threadIdx.x][threadIdx.y];
        out[y * height + x] = v * v;
    }
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

// Heat in one block, steps times, with the tile overwritten in place.
extern "C" __global__ void heat_steps(const float *u0, const float *k, float *u1, int steps) {
    __shared__ float u[96];
    int t = threadIdx.x, n = blockDim.x;
    u[t] = u0[t];
    __syncthreads();
    for (int s = 0; s < steps; s++) {
        float l = u[t == 0 ? 0 : t - 1], r = u[t == n - 1 ? n - 1 : t + 1], c = u[t];
        float next = c + k[t] * (l - 2.0f * c + r) * c;
        __syncthreads();
        u[t] = next;
        __syncthreads();
    }
    u1[t] = u[t];
}

// Softmax of a row of any length by one block: largest, sum and result, integers beside floats in shared memory.
extern "C" __global__ void softmax_block(const float *x, float *y, int *arg, int n) {
    __shared__ float best[128];
    __shared__ int where[128];
    int t = threadIdx.x;
    const float *row = x + blockIdx.x * n;
    float m = -INFINITY;
    int at = -1;
    for (int i = t; i < n; i += blockDim.x)
        if (row[i] > m) { m = row[i]; at = i; }
    best[t] = m;
    where[t] = at;
    __syncthreads();
    for (int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (t < s && best[t + s] > best[t]) { best[t] = best[t + s]; where[t] = where[t + s]; }
        __syncthreads();
    }
    float top = best[0];
    int top_at = where[0];
    __syncthreads();
    float sum = 0.0f;
    for (int i = t; i < n; i += blockDim.x) sum += expf(row[i] - top);
    best[t] = sum;
    __syncthreads();
    for (int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (t < s) best[t] += best[t + s];
        __syncthreads();
    }
    float all = best[0];
    for (int i = t; i < n; i += blockDim.x) y[blockIdx.x * n + i] = expf(row[i] - top) / all;
    if (t == 0) arg[blockIdx.x] = top_at;
}
