// Prefix sums and other scans within a block.
#include <math.h>

// Hillis and Steele, two buffers.
extern "C" __global__ void hillis_steele(const float *x, float *y, int n) {
    extern __shared__ float buffer[];
    int t = threadIdx.x, in = 0, out = 1;
    buffer[t] = t < n ? x[blockIdx.x * n + t] : 0.0f;
    __syncthreads();
    for (int d = 1; d < blockDim.x; d *= 2) {
        float v = buffer[in * blockDim.x + t];
        if (t >= d) v += buffer[in * blockDim.x + t - d];
        buffer[out * blockDim.x + t] = v;
        out = 1 - out;
        in = 1 - in;
        __syncthreads();
    }
    if (t < n) y[blockIdx.x * n + t] = buffer[in * blockDim.x + t] * x[blockIdx.x * n + t];
}

// Blelloch: up sweep, down sweep, two elements for each thread; an exclusive scan.
extern "C" __global__ void blelloch(const double *x, double *y, int n) {
    __shared__ double s[64];
    int t = threadIdx.x, base = blockIdx.x * n, offset = 1;
    s[2 * t] = x[base + 2 * t];
    s[2 * t + 1] = x[base + 2 * t + 1];
    for (int d = n >> 1; d > 0; d >>= 1) {
        __syncthreads();
        if (t < d) {
            int a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1;
            s[b] += s[a];
        }
        offset *= 2;
    }
    if (t == 0) s[n - 1] = 0.0;
    for (int d = 1; d < n; d *= 2) {
        offset >>= 1;
        __syncthreads();
        if (t < d) {
            int a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1;
            double v = s[a];
            s[a] = s[b];
            s[b] += v;
        }
    }
    __syncthreads();
    y[base + 2 * t] = s[2 * t] * s[2 * t];
    y[base + 2 * t + 1] = s[2 * t + 1] * s[2 * t + 1];
}

// An inclusive scan of each warp by shuffles, then the warps' totals.
extern "C" __global__ void warp_scan(const float *x, float *y, int n) {
    __shared__ float totals[32];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t, lane = t & 31, warp = t / 32;
    float v = i < n ? x[i] * x[i] : 0.0f;
    for (int d = 1; d < 32; d <<= 1) {
        float other = __shfl_up_sync(0xffffffffu, v, d);
        if (lane >= d) v += other;
    }
    if (lane == 31) totals[warp] = v;
    __syncthreads();
    for (int w = 0; w < warp; w++) v += totals[w];
    if (i < n) y[i] = v;
}

// A linear recurrence h = a h + b as a scan of pairs: state-space models, filters.
extern "C" __global__ void recurrence_scan(const float *a, const float *b, float *h, int n) {
    __shared__ float sa[32], sb[32];
    int t = threadIdx.x, i = blockIdx.x * n + t;
    float ca = t < n ? a[i] : 1.0f, cb = t < n ? b[i] : 0.0f;
    for (int d = 1; d < 32; d *= 2) {
        sa[t] = ca;
        sb[t] = cb;
        __syncthreads();
        if (t >= d) {
            cb = ca * sb[t - d] + cb;
            ca = ca * sa[t - d];
        }
        __syncthreads();
    }
    if (t < n) h[i] = cb;
}

// A segmented sum: flags say where segments start.
extern "C" __global__ void segmented_scan(const float *x, const int *head, float *y) {
    __shared__ float s[32];
    __shared__ int f[32];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    s[t] = x[i];
    f[t] = head[i];
    __syncthreads();
    for (int d = 1; d < 32; d *= 2) {
        float v = s[t];
        int g = f[t];
        if (t >= d && !g) {
            v += s[t - d];
            g = f[t - d];
        }
        __syncthreads();
        s[t] = v;
        f[t] = g;
        __syncthreads();
    }
    y[i] = s[t] * s[t];
}
