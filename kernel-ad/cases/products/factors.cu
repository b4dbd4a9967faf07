// Products by compare-and-swap in shared memory.
__device__ __forceinline__ void multiply(float *p, float v) {
    int *q = (int *)p, old = *(volatile int *)q, assumed;
    do { assumed = old; old = atomicCAS(q, assumed, __float_as_int(__int_as_float(assumed) * v)); } while (assumed != old);
}
__device__ __forceinline__ void multiply(double *p, double v) {
    unsigned long long *q = (unsigned long long *)p, old = *(volatile unsigned long long *)q, assumed;
    do { assumed = old; old = atomicCAS(q, assumed, __double_as_longlong(v * __longlong_as_double(assumed))); } while (assumed != old);
}
// The probability that nothing happens, per group; a factor may be zero.
extern "C" __global__ void survival(const float *hazard, const int *group, float *out, int n) {
    __shared__ float alive[4];
    int t = threadIdx.x;
    if (t < 4) alive[t] = 1.0f + 0.5f * hazard[t];
    __syncthreads();
    for (int i = t; i < n; i += blockDim.x) if (group[t] >= 0) multiply(&alive[group[t]], 1.0f - hazard[blockIdx.x * n + i]);
    __syncthreads();
    if (t < 4) out[blockIdx.x * 4 + t] = alive[t] * alive[t];
}
// One product in each of several rounds.
extern "C" __global__ void likelihood(const double *p, const double *w, double *out, int rounds, int n) {
    __shared__ double all;
    double sum = 0;
    for (int r = 0; r < rounds; r++) {
        if (threadIdx.x == 0) all = w[r];
        __syncthreads();
        if (threadIdx.x < n) multiply(&all, p[r * n + threadIdx.x]);
        __syncthreads();
        sum += all * (threadIdx.x + 1);
        __syncthreads();
    }
    out[threadIdx.x] = sum;
}
