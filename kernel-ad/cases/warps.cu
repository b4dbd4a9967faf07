// Exchange among the threads of a warp.

static __device__ float warp_total(float v) {
    for (int s = 16; s > 0; s /= 2) v += __shfl_down_sync(0xffffffffu, v, s);
    return v;
}

// Sum of squares of every warp.
extern "C" __global__ void warp_sum(const float *x, float *sum) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i];
    v = warp_total(v * v);
    if (threadIdx.x % 32 == 0) sum[i / 32] = v;
}

// One row of up to 32 * k columns for each warp.
extern "C" __global__ void warp_softmax(const float *x, float *y, int rows, int cols) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    float top = -1e30f, sum = 0.0f;
    for (int c = lane; c < cols; c += 32) top = fmaxf(top, x[row * cols + c]);
    for (int s = 16; s > 0; s /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, s));
    for (int c = lane; c < cols; c += 32) sum += expf(x[row * cols + c] - top);
    for (int s = 16; s > 0; s /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, s);
    for (int c = lane; c < cols; c += 32) y[row * cols + c] = expf(x[row * cols + c] - top) / sum;
}

// Layer norm of one row for each warp, with weights that all rows share.
extern "C" __global__ void warp_layer_norm(const float *x, const float *gamma, const float *beta, float *y, int rows,
                                           int cols, float eps) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int row = blockIdx.x * (blockDim.x / 32) + warp;
    if (row >= rows) return;
    float mean = 0.0f, var = 0.0f;
    for (int c = lane; c < cols; c += 32) mean += x[row * cols + c];
#pragma unroll
    for (int s = 1; s < 32; s *= 2) mean += __shfl_xor_sync(0xffffffffu, mean, s);
    mean /= cols;
    for (int c = lane; c < cols; c += 32) {
        float d = x[row * cols + c] - mean;
        var += d * d;
    }
    var = warp_total(var);
    var = __shfl_sync(0xffffffffu, var, 0) / cols;
    float scale = rsqrtf(var + eps);
    for (int c = lane; c < cols; c += 32)
        y[row * cols + c] = (x[row * cols + c] - mean) * scale * gamma[c] + beta[c];
}

// Running products of the numbers of a warp, by steps that double.
extern "C" __global__ void warp_scan(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
    float v = i < n ? x[i] : 1.0f;
    for (int d = 1; d < 32; d *= 2) {
        float before = __shfl_up_sync(0xffffffffu, v, d);
        if (lane >= d) v *= before;
    }
    if (i < n) y[i] = v;
}

// Parts of a warp on their own: sums of 16 and of 8, a shift within 4, and the lanes beyond a shift's end used as they are.
extern "C" __global__ void warp_segments(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i], s = v * v, t = sinf(v), u = v;
    for (int d = 8; d > 0; d /= 2) s += __shfl_down_sync(0xffffffffu, s, d, 16);
    for (int d = 4; d > 0; d /= 2) t *= __shfl_xor_sync(0xffffffffu, t, d, 8);
    u = u * __shfl_up_sync(0xffffffffu, u, 3, 4) + __shfl_down_sync(0xffffffffu, u, 1, 4);
    float w = __shfl_sync(0xffffffffu, v * u, 5, 8) * v;
    y[i] = s * t + u * w;
}

// Every lane names another lane to read from: some are read often, some never.
extern "C" __global__ void warp_gather(const float *x, const int *from, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
    float v = x[i];
    float a = __shfl_sync(0xffffffffu, v * v, from[i]);
    float b = __shfl_sync(0xffffffffu, v, (lane + 1) & 31);
    float c = __shfl_down_sync(0xffffffffu, v, from[i] & 7);
    float d = __shfl_xor_sync(0xffffffffu, v, lane & 5);
    y[i] = a * b + c * d;
}

// Some lanes only: the rest of the block's last warp does not exist, and of each warp those go on whose number is positive.
extern "C" __global__ void warp_some(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
    if (i >= n) return;
    unsigned here = __activemask();
    float v = x[i];
    unsigned chosen = __ballot_sync(here, v > 0.0f);
    float r = v;
    if (v > 0.0f) {
        int first = __ffs(chosen) - 1;
        float lead = __shfl_sync(chosen, v, first);
        float other = __shfl_xor_sync(chosen, v * v, 1);
        if (!(chosen >> (lane ^ 1) & 1)) other = 1.0f;
        r = lead * other + v;
    } else {
        int rank = __popc(~chosen & here & ((1u << lane) - 1));
        r = v * rank;
    }
    y[i] = r;
}

// Lanes leave a loop one by one; those that are left tell each other.
extern "C" __global__ void warp_leaving(const float *x, const int *rounds, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i];
    int n = rounds[i];
    unsigned left = __ballot_sync(0xffffffffu, n > 0);
    for (int k = 0; k < n; k++) {
        float best = __shfl_sync(left, v, __ffs(left) - 1);
        v = 0.5f * v + 0.25f * sinf(best * v);
        left = __ballot_sync(left, k + 1 < n);
    }
    y[i] = v;
}

// Doubles, which travel in halves.
extern "C" __global__ void warp_moments(const double *x, double *mean, double *spread) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double v = x[i], s = v;
    for (int d = 16; d > 0; d >>= 1) s += __shfl_xor_sync(0xffffffffu, s, d);
    s /= 32;
    double q = (v - s) * (v - s);
    for (int d = 16; d > 0; d >>= 1) q += __shfl_down_sync(0xffffffffu, q, d);
    double next = __shfl_up_sync(0xffffffffu, v, 1);
    mean[i] = s * next;
    if ((threadIdx.x & 31) == 0) spread[i / 32] = sqrt(q);
}

// Floats that are handed over as integers.
extern "C" __global__ void warp_punned(const float *x, const double *z, float *y, double *w) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float a = __int_as_float(__shfl_xor_sync(0xffffffffu, __float_as_int(x[i]), 9));
    double b = __longlong_as_double(__shfl_down_sync(0xffffffffu, __double_as_longlong(z[i]), 3));
    y[i] = a * a * x[i];
    w[i] = b * z[i];
}

// Sum of a block's squares in two steps: every warp by shuffles, then the first warp over what the warps left in shared memory.
extern "C" __global__ void warp_block_sum(const float *x, float *sum, int n) {
    __shared__ float part[32];
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    float v = i < n ? x[i] : 0.0f;
    v = warp_total(v * v);
    if (lane == 0) part[warp] = v;
    __syncthreads();
    if (warp == 0) {
        v = lane < blockDim.x / 32 ? part[lane] : 0.0f;
        v = warp_total(v);
        if (lane == 0) sum[blockIdx.x] = sqrtf(v);
    }
}

// Softmax of one row for each block: maximum and sum of the block reach all threads through shared memory.
extern "C" __global__ void warp_block_softmax(const float *x, float *y, int cols) {
    __shared__ float part[32];
    __shared__ float all[2];
    int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x / 32;
    const float *row = x + blockIdx.x * cols;
    float top = -1e30f, sum = 0.0f;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) top = fmaxf(top, row[c]);
    for (int s = 16; s > 0; s /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, s));
    if (lane == 0) part[warp] = top;
    __syncthreads();
    if (warp == 0) {
        top = lane < warps ? part[lane] : -1e30f;
        for (int s = 16; s > 0; s /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, s));
        if (lane == 0) all[0] = top;
    }
    __syncthreads();
    top = all[0];
    for (int c = threadIdx.x; c < cols; c += blockDim.x) sum += expf(row[c] - top);
    sum = warp_total(sum);
    if (lane == 0) part[warp] = sum;
    __syncthreads();
    if (warp == 0) {
        sum = warp_total(lane < warps ? part[lane] : 0.0f);
        if (lane == 0) all[1] = sum;
    }
    __syncthreads();
    for (int c = threadIdx.x; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = expf(row[c] - top) / all[1];
}
