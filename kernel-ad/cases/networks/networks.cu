// Layers of neural networks.
#include <math.h>

__device__ __forceinline__ float warp_max(float v) {
    for (int d = 16; d > 0; d >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, d));
    return v;
}

__device__ __forceinline__ float warp_all(float v) {
    for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
    return v;
}

// Softmax, a row for each block, two trees in shared memory.
extern "C" __global__ void softmax_block(const float *x, float *y, int cols) {
    __shared__ float s[32];
    int t = threadIdx.x;
    const float *row = x + blockIdx.x * cols;
    float top = -INFINITY;
    for (int c = t; c < cols; c += blockDim.x) top = fmaxf(top, row[c]);
    s[t] = top;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2) {
        if (t < d) s[t] = fmaxf(s[t], s[t + d]);
        __syncthreads();
    }
    top = s[0];
    __syncthreads();
    float sum = 0.0f;
    for (int c = t; c < cols; c += blockDim.x) sum += expf(row[c] - top);
    s[t] = sum;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2) {
        if (t < d) s[t] += s[t + d];
        __syncthreads();
    }
    for (int c = t; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = expf(row[c] - top) / s[0];
}

// Log-softmax, a row for each warp.
extern "C" __global__ void log_softmax_warp(const float *x, float *y, int rows, int cols) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    float top = -3.4e38f, sum = 0.0f;
    for (int c = lane; c < cols; c += 32) top = fmaxf(top, x[row * cols + c]);
    top = warp_max(top);
    for (int c = lane; c < cols; c += 32) sum += expf(x[row * cols + c] - top);
    float shift = top + logf(warp_all(sum));
    for (int c = lane; c < cols; c += 32) y[row * cols + c] = x[row * cols + c] - shift;
}

// Online softmax: maximum and sum in one pass, rescaled as the maximum grows.
extern "C" __global__ void softmax_online(const double *x, double *y, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    double top = -1e300, sum = 0.0;
    for (int c = 0; c < cols; c++) {
        double v = x[r * cols + c], bigger = fmax(top, v);
        sum = sum * exp(top - bigger) + exp(v - bigger);
        top = bigger;
    }
    for (int c = 0; c < cols; c++) y[r * cols + c] = exp(x[r * cols + c] - top) / sum;
}

// Layer norm with gain and bias; mean and variance from one pass over shared sums.
extern "C" __global__ void layer_norm(const float *x, const float *gain, const float *bias, float *y, int cols, float eps) {
    __shared__ float sums[32], squares[32];
    int t = threadIdx.x;
    const float *row = x + blockIdx.x * cols;
    float a = 0.0f, b = 0.0f;
    for (int c = t; c < cols; c += blockDim.x) {
        a += row[c];
        b += row[c] * row[c];
    }
    sums[t] = a;
    squares[t] = b;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d /= 2) {
        if (t < d) {
            sums[t] += sums[t + d];
            squares[t] += squares[t + d];
        }
        __syncthreads();
    }
    float mean = sums[0] / cols, scale = rsqrtf(squares[0] / cols - mean * mean + eps);
    for (int c = t; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = (row[c] - mean) * scale * gain[c] + bias[c];
}

// RMS norm, a row for each block of two warps, with a residual that is added and kept.
extern "C" __global__ void rms_norm_residual(float *x, const float *delta, const float *gain, float *y, int cols) {
    __shared__ float part[2];
    int t = threadIdx.x;
    float *row = x + blockIdx.x * cols, s = 0.0f;
    for (int c = t; c < cols; c += blockDim.x) {
        float v = row[c] + delta[blockIdx.x * cols + c];
        row[c] = v;
        s += v * v;
    }
    s = warp_all(s);
    if ((t & 31) == 0) part[t >> 5] = s;
    __syncthreads();
    float r = rsqrtf((part[0] + part[1]) / cols + 1e-5f);
    for (int c = t; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = row[c] * r * gain[c];
}

// Batch norm in training: a channel for each block; writes the running mean as well.
extern "C" __global__ void batch_norm(const float *x, const float *gamma, const float *beta, float *running, float *y, int batch, int channels, int pixels) {
    __shared__ float s[32];
    __shared__ float mean, variance;
    int t = threadIdx.x, c = blockIdx.x, count = batch * pixels;
    float a = 0.0f;
    for (int i = t; i < count; i += blockDim.x) a += x[(i / pixels * channels + c) * pixels + i % pixels];
    s[t] = a;
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) {
        if (t < d) s[t] += s[t + d];
        __syncthreads();
    }
    if (t == 0) mean = s[0] / count;
    __syncthreads();
    a = 0.0f;
    for (int i = t; i < count; i += blockDim.x) {
        float v = x[(i / pixels * channels + c) * pixels + i % pixels] - mean;
        a += v * v;
    }
    s[t] = a;
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) {
        if (t < d) s[t] += s[t + d];
        __syncthreads();
    }
    if (t == 0) {
        variance = s[0] / count;
        running[c] = 0.9f * running[c] + 0.1f * mean;
    }
    __syncthreads();
    float scale = gamma[c] / sqrtf(variance + 1e-5f);
    for (int i = t; i < count; i += blockDim.x) {
        int at = (i / pixels * channels + c) * pixels + i % pixels;
        y[at] = (x[at] - mean) * scale + beta[c];
    }
}

// Attention, a query for each block: scores in dynamic shared memory, softmax, weighted values.
extern "C" __global__ void attention_row(const float *q, const float *k, const float *v, float *out, int n, int d) {
    extern __shared__ float score[];
    __shared__ float total;
    int row = blockIdx.x, t = threadIdx.x;
    float scale = rsqrtf((float)d);
    for (int j = t; j < n; j += blockDim.x) {
        float s = 0.0f;
        for (int c = 0; c < d; c++) s += q[row * d + c] * k[j * d + c];
        score[j] = j <= row ? expf(s * scale) : 0.0f;
    }
    __syncthreads();
    if (t == 0) {
        float s = 0.0f;
        for (int j = 0; j < n; j++) s += score[j];
        total = s;
    }
    __syncthreads();
    for (int c = t; c < d; c += blockDim.x) {
        float s = 0.0f;
        for (int j = 0; j < n; j++) s += score[j] * v[j * d + c];
        out[row * d + c] = s / total;
    }
}

// Flash-style: a query for each thread, keys and values by tiles in shared memory, the softmax rescaled as it goes.
#define D 4
#define KEYS 8
extern "C" __global__ void attention_flash(const float *q, const float *k, const float *v, float *out, int n) {
    __shared__ float ks[KEYS][D], vs[KEYS][D];
    int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
    float mine[D], acc[D], top = -1e30f, sum = 0.0f;
    for (int c = 0; c < D; c++) {
        mine[c] = i < n ? q[i * D + c] * 0.5f : 0.0f;
        acc[c] = 0.0f;
    }
    for (int base = 0; base < n; base += KEYS) {
        for (int e = t; e < KEYS * D; e += blockDim.x) {
            bool there = base + e / D < n;
            ks[e / D][e % D] = there ? k[base * D + e] : 0.0f;
            vs[e / D][e % D] = there ? v[base * D + e] : 0.0f;
        }
        __syncthreads();
        int here = min(KEYS, n - base);
        for (int j = 0; j < here; j++) {
            float s = 0.0f;
            for (int c = 0; c < D; c++) s += mine[c] * ks[j][c];
            float bigger = fmaxf(top, s), old = expf(top - bigger), w = expf(s - bigger);
            sum = sum * old + w;
            for (int c = 0; c < D; c++) acc[c] = acc[c] * old + w * vs[j][c];
            top = bigger;
        }
        __syncthreads();
    }
    if (i >= n) return;
    for (int c = 0; c < D; c++) out[i * D + c] = acc[c] / sum;
}

// Cross entropy from logits with integer labels, label smoothing, mean over the batch.
extern "C" __global__ void cross_entropy(const float *logits, const int *label, float *loss, int batch, int classes, float smooth) {
    int b = blockIdx.x * blockDim.x + threadIdx.x;
    if (b >= batch) return;
    const float *row = logits + b * classes;
    float top = row[0], sum = 0.0f, all = 0.0f;
    for (int c = 1; c < classes; c++) top = fmaxf(top, row[c]);
    for (int c = 0; c < classes; c++) {
        sum += expf(row[c] - top);
        all += row[c];
    }
    float lse = top + logf(sum);
    float picked = lse - row[label[b]], mean = lse - all / classes;
    atomicAdd(loss, ((1.0f - smooth) * picked + smooth * mean) / batch);
}

// Rows of a table, with a padding index and positions added.
extern "C" __global__ void embedding(const float *table, const float *position, const int *token, float *out, int tokens, int width, int padding) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= tokens * width) return;
    int t = i / width, c = i % width, id = token[t];
    out[i] = (id == padding ? 0.0f : table[id * width + c] * 2.0f) + position[t * width + c];
}

// Bias, GELU (exact), dropout by a mask that is given, residual: one fused pass.
extern "C" __global__ void bias_gelu_dropout(const float *__restrict__ x, const float *__restrict__ bias, const unsigned char *__restrict__ keep, const float *__restrict__ residual, float *__restrict__ y, int n, int width, float p) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i] + bias[i % width];
    v = 0.5f * v * (1.0f + erff(v * 0.70710678f));
    y[i] = residual[i] + (keep[i] ? v / (1.0f - p) : 0.0f);
}

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// One step of an LSTM cell; gates are already multiplied by the weights.
extern "C" __global__ void lstm_cell(const float *gates, float *c, float *h, int batch, int width) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= batch * width) return;
    int b = i / width, j = i % width;
    const float *g = gates + b * 4 * width;
    float in = sigmoid(g[j]), forget = sigmoid(g[width + j]), cell = tanhf(g[2 * width + j]), out = sigmoid(g[3 * width + j]);
    c[i] = forget * c[i] + in * cell;
    h[i] = out * tanhf(c[i]);
}

// A GRU over a whole sequence; the state of the row lies in shared memory.
extern "C" __global__ void gru_sequence(const float *x, const float *u, float *h, int steps, int width) {
    __shared__ float state[16];
    int j = threadIdx.x, b = blockIdx.x;
    state[j] = h[b * width + j];
    __syncthreads();
    for (int s = 0; s < steps; s++) {
        const float *in = x + (b * steps + s) * 3 * width;
        float r = in[j], z = in[width + j], n = in[2 * width + j], rn = 0.0f;
        for (int k = 0; k < width; k++) {
            float v = state[k];
            r += u[j * width + k] * v;
            z += u[(width + j) * width + k] * v;
            rn += u[(2 * width + j) * width + k] * v;
        }
        r = sigmoid(r);
        z = sigmoid(z);
        n = tanhf(n + r * rn);
        float fresh = (1.0f - z) * n + z * state[j];
        __syncthreads();
        state[j] = fresh;
        __syncthreads();
    }
    h[b * width + j] = state[j];
}

// Adam with weight decay, in place; the gradient of an optimiser step, as in meta-learning.
extern "C" __global__ void adamw(float *w, const float *g, float *m, float *v, int n, float rate, float decay, float c1, float c2) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) {
        float grad = g[i];
        float a = 0.9f * m[i] + 0.1f * grad, b = 0.999f * v[i] + 0.001f * grad * grad;
        m[i] = a;
        v[i] = b;
        w[i] -= rate * (a / c1 / (sqrtf(b / c2) + 1e-4f) + decay * w[i]);
    }
}

// Quantisation to eight levels: flat, but for what the scale lets through.
extern "C" __global__ void fake_quantise(const float *x, float scale, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float q = rintf(x[i] / scale);
    q = fminf(fmaxf(q, -4.0f), 3.0f);
    y[i] = q * scale + 0.1f * x[i];
}
