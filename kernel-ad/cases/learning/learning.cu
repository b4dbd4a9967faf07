// Statistics and classical learning.
#include <math.h>

// A histogram with float weights: private to the block in shared memory, then added to the grid's.
extern "C" __global__ void weighted_histogram(const int *bin, const float *weight, float *histogram, int n, int bins) {
    extern __shared__ float mine[];
    for (int b = threadIdx.x; b < bins; b += blockDim.x) mine[b] = 0.0f;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&mine[bin[i]], weight[i] * weight[i]);
    __syncthreads();
    for (int b = threadIdx.x; b < bins; b += blockDim.x) atomicAdd(&histogram[b], mine[b]);
}

// A soft histogram: each value counts for the two bins around it.
extern "C" __global__ void soft_histogram(const double *x, double *histogram, int n, int bins) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double u = x[i] * (bins - 1);
    int b = (int)u;
    if (b < 0 || b >= bins - 1) return;
    atomicAdd(&histogram[b], 1.0 - (u - b));
    atomicAdd(&histogram[b + 1], u - b);
}

// The nearest centre, its index, and the squared distance summed over the block.
extern "C" __global__ void kmeans_assign(const float *x, const float *centre, int *nearest, float *inertia, int n, int k, int d) {
    extern __shared__ float c[];
    for (int i = threadIdx.x; i < k * d; i += blockDim.x) c[i] = centre[i];
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float best = 1e30f;
    int at = 0;
    for (int j = 0; j < k; j++) {
        float s = 0.0f;
        for (int m = 0; m < d; m++) {
            float v = x[i * d + m] - c[j * d + m];
            s += v * v;
        }
        if (s < best) {
            best = s;
            at = j;
        }
    }
    nearest[i] = at;
    atomicAdd(inertia, best);
}

// Centres move: sums and counts by atomics, the float sum differentiated, the integer count not.
extern "C" __global__ void kmeans_sums(const float *x, const int *nearest, float *sum, int *count, int n, int d) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int k = nearest[i];
    for (int m = 0; m < d; m++) atomicAdd(&sum[k * d + m], x[i * d + m]);
    atomicAdd(&count[k], 1);
}

// Gaussian kernel matrix, tiles of points in shared memory, widths that are differentiated.
extern "C" __global__ void rbf_matrix(const float *x, const float *z, const float *width, float *k, int n, int m, int d) {
    __shared__ float zs[8][5];
    int i = blockIdx.y * blockDim.y + threadIdx.y, j = blockIdx.x * 8 + threadIdx.x;
    for (int c = threadIdx.y; c < d; c += blockDim.y) zs[threadIdx.x][c] = j < m ? z[j * d + c] : 0.0f;
    __syncthreads();
    if (i >= n || j >= m) return;
    float s = 0.0f;
    for (int c = 0; c < d; c++) {
        float v = (x[i * d + c] - zs[threadIdx.x][c]) * width[c];
        s += v * v;
    }
    k[i * m + j] = expf(-0.5f * s);
}

// Logistic regression: the loss of a mini-batch, weights read through the read-only cache.
extern "C" __global__ void logistic_loss(const float *__restrict__ x, const float *__restrict__ w, const int *__restrict__ y, float *loss, int n, int d) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 0.0f;
    for (int c = 0; c < d; c++) s += __ldg(&x[i * d + c]) * __ldg(&w[c]);
    float margin = y[i] ? s : -s;
    float l = margin > 0.0f ? log1pf(expf(-margin)) : -margin + log1pf(expf(margin));
    atomicAdd(loss, l / n);
}

// Hidden Markov model: the forward pass in logs, a state for each thread.
extern "C" __global__ void hmm_forward(const float *start, const float *move, const float *emit, const int *seen, float *likelihood, int states, int length) {
    __shared__ float alpha[8];
    int s = threadIdx.x;
    const int *word = seen + blockIdx.x * length;
    alpha[s] = start[s] + emit[s * 4 + word[0]];
    __syncthreads();
    for (int t = 1; t < length; t++) {
        float top = -1e30f, sum = 0.0f;
        for (int p = 0; p < states; p++) top = fmaxf(top, alpha[p] + move[p * states + s]);
        for (int p = 0; p < states; p++) sum += expf(alpha[p] + move[p * states + s] - top);
        float next = top + logf(sum) + emit[s * 4 + word[t]];
        __syncthreads();
        alpha[s] = next;
        __syncthreads();
    }
    if (s == 0) {
        float sum = 0.0f;
        for (int p = 0; p < states; p++) sum += expf(alpha[p] - alpha[0]);
        likelihood[blockIdx.x] = alpha[0] + logf(sum);
    }
}

// Dynamic time warping, made soft; anti-diagonals of one pair for each block.
extern "C" __global__ void soft_dtw(const float *a, const float *b, float *cost, int n, float gamma) {
    __shared__ float d[9][9];
    int i = threadIdx.x + 1;
    const float *x = a + blockIdx.x * n, *y = b + blockIdx.x * n;
    d[i][0] = 1e6f;
    d[0][i] = 1e6f;
    if (i == 1) d[0][0] = 0.0f;
    __syncthreads();
    for (int s = 2; s <= 2 * n; s++) {
        int j = s - i;
        if (i <= n && j >= 1 && j <= n) {
            float p = d[i - 1][j - 1], q = d[i - 1][j], r = d[i][j - 1], m = fminf(p, fminf(q, r));
            float soft = m - gamma * logf(expf((m - p) / gamma) + expf((m - q) / gamma) + expf((m - r) / gamma));
            float e = x[i - 1] - y[j - 1];
            d[i][j] = e * e + soft;
        }
        __syncthreads();
    }
    if (i == n) cost[blockIdx.x] = d[n][n];
}
