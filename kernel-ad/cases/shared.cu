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

// Relaxation until no thread sees a change: how many rounds that takes is known at run time only.
extern "C" __global__ void relax_until(const double *load, const double *k, double *u, int *rounds, double eps) {
    __shared__ double s[34];
    int t = threadIdx.x;
    s[t + 1] = load[t];
    if (t == 0) s[0] = s[33] = 0.0;
    __syncthreads();
    int count = 0, go_on;
    do {
        double next = k[t] * (s[t] + s[t + 2]) + load[t] * cos(s[t + 1]);
        double change = fabs(next - s[t + 1]);
        __syncthreads();
        s[t + 1] = next;
        count++;
        go_on = __syncthreads_or(change > eps && count < 12);
    } while (go_on);
    u[t] = s[t + 1];
    if (t == 0) *rounds = count;
}

// A tree of products in which threads return as soon as they have nothing left to do.
extern "C" __global__ void leave_when_done(const double *x, double *y) {
    __shared__ double s[64];
    int t = threadIdx.x;
    s[t] = 1.0 + x[blockIdx.x * 64 + t];
    __syncthreads();
    for (int d = 32; d > 0; d /= 2) {
        if (t >= d) return;
        s[t] *= s[t + d];
        __syncthreads();
    }
    y[blockIdx.x] = s[0];
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

// Layer norm of a row by one block: two levels of reduction, shuffles within warps and shared memory between them.
extern "C" __global__ void layer_norm_block(const float *x, const float *g, const float *b, float *y, int n) {
    __shared__ float sums[32];
    __shared__ float squares[32];
    __shared__ float mean, scale;
    int t = threadIdx.x, lane = t & 31, warp = t >> 5, warps = (blockDim.x + 31) >> 5;
    float v = t < n ? x[blockIdx.x * n + t] : 0.0f, s = v, q = v * v;
    for (int d = 16; d > 0; d >>= 1) {
        s += __shfl_down_sync(0xffffffffu, s, d);
        q += __shfl_down_sync(0xffffffffu, q, d);
    }
    if (lane == 0) { sums[warp] = s; squares[warp] = q; }
    __syncthreads();
    if (t == 0) {
        float a = 0.0f, c = 0.0f;
        for (int w = 0; w < warps; w++) { a += sums[w]; c += squares[w]; }
        mean = a / n;
        scale = rsqrtf(c / n - mean * mean + 1e-3f);
    }
    __syncthreads();
    if (t < n) y[blockIdx.x * n + t] = (v - mean) * scale * g[t] + b[t];
}

// A box of three dimensions: every thread averages over its neighbours in the block.
extern "C" __global__ void box_3d(const float *in, float *out, int nx, int ny, int nz) {
    __shared__ float s[3][4][8];
    int x = threadIdx.x, y = threadIdx.y, z = threadIdx.z;
    int gx = blockIdx.x * blockDim.x + x, gy = blockIdx.y * blockDim.y + y, gz = blockIdx.z * blockDim.z + z;
    bool inside = gx < nx && gy < ny && gz < nz;
    int at = (gz * ny + gy) * nx + gx;
    s[z][y][x] = inside ? in[at] : 0.0f;
    __syncthreads();
    float sum = 0.0f;
    for (int dz = -1; dz <= 1; dz++)
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                int a = z + dz, b = y + dy, c = x + dx;
                if (a >= 0 && a < blockDim.z && b >= 0 && b < blockDim.y && c >= 0 && c < blockDim.x)
                    sum += s[a][b][c] * s[z][y][x];
            }
    if (inside) out[at] = sum;
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

// A tree whose last rounds stay within one warp and wait for that warp only.
extern "C" __global__ void warp_tail_sum(const float *x, float *sum) {
    __shared__ float s[128];
    int t = threadIdx.x;
    float v = x[blockIdx.x * 128 + t];
    s[t] = v * v * v;
    __syncthreads();
    if (t < 64) s[t] += s[t + 64];
    __syncthreads();
    if (t < 32) {
        s[t] += s[t + 32];
        __syncwarp();
        for (int d = 16; d > 0; d >>= 1) {
            float other = s[(t + d) & 31];
            __syncwarp();
            s[t] += other;
            __syncwarp();
        }
        if (t == 0) sum[blockIdx.x] = s[0];
    }
}
