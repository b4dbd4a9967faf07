// Kernels whose threads share work: queues, groups of lanes, ragged rows.
// Persistent threads: a queue of work by an integer atomic, result indices irregular.
extern "C" __global__ void work_queue(const float* a, const int* start, float* out, int* next, int items) {
    while (true) {
        int w = atomicAdd(next, 1);
        if (w >= items) break;
        float s = 0;
        for (int k = start[w]; k < start[w + 1]; k++) s += a[k] * a[k] * (k - start[w] + 1);
        out[w] = tanhf(s);
    }
}
// Noinline helpers with out pointers to locals and struct by reference
struct State { double u[3]; double t; };
__device__ __noinline__ void rhs(const State& s, double* k, const double* p) {
    k[0] = p[0] * (s.u[1] - s.u[0]); k[1] = s.u[0] * (p[1] - s.u[2]) - s.u[1]; k[2] = s.u[0] * s.u[1] - p[2] * s.u[2];
}
__device__ __noinline__ bool step(State& s, double& h, const double* p, double tol) {
    double k1[3], k2[3]; rhs(s, k1, p);
    State e = s; for (int i = 0; i < 3; i++) e.u[i] += h * k1[i];
    rhs(e, k2, p);
    double err = 0; for (int i = 0; i < 3; i++) err = fmax(err, fabs(0.5 * h * (k2[i] - k1[i])));
    if (err > tol) { h *= 0.5; return false; }
    for (int i = 0; i < 3; i++) s.u[i] += 0.5 * h * (k1[i] + k2[i]);
    s.t += h; if (err < 0.1 * tol) h *= 1.5;
    return true;
}
extern "C" __global__ void heun(State* states, const double* p, double T, double tol, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    State s = states[i]; double h = 0.05;
    int guard = 0;
    while (s.t < T && guard++ < 200) { if (!step(s, h, p, tol)) continue; }
    states[i] = s;
}
// Block of 48: the second warp is half; shuffles by active mask; 2-D block
extern "C" __global__ void odd_block(const float* x, float* y, int n) {
    int t = threadIdx.y * blockDim.x + threadIdx.x;
    int i = blockIdx.x * 48 + t;
    float v = i < n ? x[i] : 0.f;
    unsigned m = __ballot_sync(__activemask(), true);
    for (int o = 8; o; o >>= 1) v += __shfl_down_sync(m, v, o, 16) * 0.5f;
    if ((t & 15) == 0 && i < n) y[i / 16] = v * v;
}
// scan by decoupled groups of 8 lanes, templates, lambdas
template <class F> __device__ float scan8(float v, F f) {
    int l = threadIdx.x & 7;
    for (int d = 1; d < 8; d <<= 1) { float o = __shfl_up_sync(0xffffffffu, v, d, 8); if (l >= d) v = f(v, o); }
    return v;
}
extern "C" __global__ void lambdas(float* x, const float* w, float* out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float k = w[threadIdx.x & 7];
    float a = scan8(x[i], [=](float p, float q) { return p + k * q; });
    float b = scan8(a, [](float p, float q) { return fmaxf(p, q); });
    x[i] = a; out[i] = b * k;
}
// Double in-place stencil with ping-pong in global memory inside one block
extern "C" __global__ void pingpong(double* a, double* b, int n, int steps, double c) {
    int i = threadIdx.x;
    double *src = a, *dst = b;
    for (int s = 0; s < steps; s++) {
        if (i > 0 && i < n - 1) dst[i] = src[i] + c * (src[i - 1] - 2 * src[i] + src[i + 1]) * src[i];
        else if (i < n) dst[i] = src[i];
        __syncthreads();
        double* t = src; src = dst; dst = t;
    }
    if (i < n && src != a) a[i] = src[i];
}
// Sorting network on registers with payload pointer chase
extern "C" __global__ void knn(const float* pts, const float* val, float* out, int n, int q) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= q) return;
    float bd[4] = {1e9f, 1e9f, 1e9f, 1e9f}; int bi[4] = {-1, -1, -1, -1};
    for (int j = 0; j < n; j++) {
        float dx = pts[2 * i] - pts[2 * (q + j)], dy = pts[2 * i + 1] - pts[2 * (q + j) + 1], d = dx * dx + dy * dy;
        int id = j;
        #pragma unroll
        for (int k = 0; k < 4; k++) if (d < bd[k]) { float t = bd[k]; bd[k] = d; d = t; int u = bi[k]; bi[k] = id; id = u; }
    }
    float ws = 0, s = 0;
    for (int k = 0; k < 4; k++) { float w = 1 / (0.1f + sqrtf(bd[k])); ws += w; s += w * val[bi[k]]; }
    out[i] = s / ws;
}
// Half precision with atomics and vectors
#include <cuda_fp16.h>
extern "C" __global__ void half_embed(const __half2* table, const int* ids, __half* acc, float* out, int dim) {
    int t = blockIdx.x, d = threadIdx.x;
    __half2 v = table[ids[t] * dim + d];
    float2 f = __half22float2(v);
    float s = f.x * f.x + f.y * f.y;
    atomicAdd(&out[ids[t]], s);
    acc[t * dim + d] = __float2half(sqrtf(s + 1.f)) + v.x;
}
// Union through unsigned long long CAS of (value,index): argmax kept in packed ints
extern "C" __global__ void argmax_packed(const float* x, unsigned long long* best, float* y, int n) {
    int i = threadIdx.x;
    __shared__ unsigned long long b;
    if (i == 0) b = 0;
    __syncthreads();
    if (i < n) atomicMax(&b, ((unsigned long long)__float_as_uint(x[i] + 10.f) << 32) | (unsigned)i);
    __syncthreads();
    int arg = (int)(b & 0xffffffffu);
    if (i < n) y[i] = x[i] * x[arg];
}
// Sum over a ragged list with dynamic parallel reduction in shared, then broadcast; two reductions reuse the shared buffer
extern "C" __global__ void ragged_norm(const float* x, const int* off, float* y) {
    extern __shared__ float red[];
    int b = blockIdx.x, lo = off[b], hi = off[b + 1];
    float s = 0;
    for (int i = lo + threadIdx.x; i < hi; i += blockDim.x) s += x[i];
    red[threadIdx.x] = s; __syncthreads();
    for (int o = blockDim.x / 2; o; o /= 2) { if (threadIdx.x < o) red[threadIdx.x] += red[threadIdx.x + o]; __syncthreads(); }
    float mean = red[0] / max(hi - lo, 1); __syncthreads();
    s = 0;
    for (int i = lo + threadIdx.x; i < hi; i += blockDim.x) { float d = x[i] - mean; s += d * d; }
    red[threadIdx.x] = s; __syncthreads();
    for (int o = blockDim.x / 2; o; o /= 2) { if (threadIdx.x < o) red[threadIdx.x] += red[threadIdx.x + o]; __syncthreads(); }
    float inv = rsqrtf(red[0] / max(hi - lo, 1) + 1e-3f);
    for (int i = lo + threadIdx.x; i < hi; i += blockDim.x) y[i] = (x[i] - mean) * inv;
}
