// Matrix products: tiles in shared memory, registers, batches.
#include <math.h>

#define TILE 8

extern "C" __global__ void tiled_matmul(const float *a, const float *b, float *c, int m, int n, int k) {
    __shared__ float as[TILE][TILE], bs[TILE][TILE + 1];
    int tx = threadIdx.x, ty = threadIdx.y;
    int row = blockIdx.y * TILE + ty, col = blockIdx.x * TILE + tx;
    float sum = 0.0f;
    for (int p = 0; p < (k + TILE - 1) / TILE; p++) {
        as[ty][tx] = row < m && p * TILE + tx < k ? a[row * k + p * TILE + tx] : 0.0f;
        bs[ty][tx] = col < n && p * TILE + ty < k ? b[(p * TILE + ty) * n + col] : 0.0f;
        __syncthreads();
        for (int i = 0; i < TILE; i++) sum += as[ty][i] * bs[i][tx];
        __syncthreads();
    }
    if (row < m && col < n) c[row * n + col] = sum;
}

// Dynamic shared memory cut into two tiles; alpha and beta as in GEMM.
extern "C" __global__ void gemm_dynamic(int n, double alpha, const double *a, const double *b, double beta, double *c, int tile) {
    extern __shared__ double tiles[];
    double *as = tiles, *bs = tiles + tile * tile;
    int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * tile + ty, col = blockIdx.x * tile + tx;
    double sum = 0.0;
    for (int p = 0; p < n; p += tile) {
        as[ty * tile + tx] = row < n && p + tx < n ? a[row * n + p + tx] : 0.0;
        bs[ty * tile + tx] = p + ty < n && col < n ? b[(p + ty) * n + col] : 0.0;
        __syncthreads();
        for (int i = 0; i < tile; i++) sum += as[ty * tile + i] * bs[i * tile + tx];
        __syncthreads();
    }
    if (row < n && col < n) c[row * n + col] = alpha * sum + beta * c[row * n + col];
}

// Each thread computes four elements of a column from a shared tile: register blocking.
extern "C" __global__ void register_blocked(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c, int n) {
    __shared__ float as[16][4], bs[4][16];
    int t = threadIdx.x, col = t % 16, group = t / 16;
    int row0 = blockIdx.y * 16, col0 = blockIdx.x * 16;
    float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int p = 0; p < n; p += 4) {
        as[t / 4][t % 4] = a[(row0 + t / 4) * n + p + t % 4];
        bs[t / 16][t % 16] = b[(p + t / 16) * n + col0 + t % 16];
        __syncthreads();
#pragma unroll
        for (int k = 0; k < 4; k++) {
            float v = bs[k][col];
#pragma unroll
            for (int r = 0; r < 4; r++) acc[r] += as[group * 4 + r][k] * v;
        }
        __syncthreads();
    }
    for (int r = 0; r < 4; r++) c[(row0 + group * 4 + r) * n + col0 + col] = acc[r];
}

// Batched small products with a fused activation: blockIdx.z is the batch.
extern "C" __global__ void batched_gelu(const float *x, const float *w, const float *bias, float *y, int m, int n, int k) {
    int col = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y, batch = blockIdx.z;
    if (col >= n || row >= m) return;
    const float *xb = x + batch * m * k;
    float s = bias[col];
    for (int i = 0; i < k; i++) s += xb[row * k + i] * w[i * n + col];
    float inner = 0.7978845608f * (s + 0.044715f * s * s * s);
    y[(batch * m + row) * n + col] = 0.5f * s * (1.0f + tanhf(inner));
}

// A warp for each row of a matrix-vector product; vectors of four.
extern "C" __global__ void warp_matvec(const float4 *a, const float4 *x, float *y, int rows, int quads) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    float s = 0.0f;
    for (int q = lane; q < quads; q += 32) {
        float4 u = a[row * quads + q], v = x[q];
        s += u.x * v.x + u.y * v.y + u.z * v.z + u.w * v.w;
    }
    for (int d = 16; d > 0; d /= 2) s += __shfl_down_sync(0xffffffffu, s, d);
    if (lane == 0) y[row] = s > 0.0f ? s : 0.01f * s;
}

// Transpose through a padded tile, scaled by the row's factor.
extern "C" __global__ void transpose_scale(const float *in, const float *scale, float *out, int w, int h) {
    __shared__ float tile[8][9];
    int x = blockIdx.x * 8 + threadIdx.x, y = blockIdx.y * 8 + threadIdx.y;
    if (x < w && y < h) tile[threadIdx.y][threadIdx.x] = in[y * w + x] * scale[y];
    __syncthreads();
    x = blockIdx.y * 8 + threadIdx.x;
    y = blockIdx.x * 8 + threadIdx.y;
    if (x < h && y < w) out[y * h + x] = tile[threadIdx.x][threadIdx.y];
}

// Syrk-like: the lower triangle only, mirrored.
extern "C" __global__ void gram(const double *x, double *g, int n, int d) {
    int i = blockIdx.y * blockDim.y + threadIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || j > i) return;
    double s = 0.0;
    for (int k = 0; k < d; k++) s += x[i * d + k] * x[j * d + k];
    g[i * n + j] = s;
    if (i != j) g[j * n + i] = s;
}
