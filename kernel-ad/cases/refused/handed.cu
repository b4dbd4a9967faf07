// Data that passes between threads, or between types, in ways that no adjoint can follow.
extern "C" __global__ void last_thread_sum(const float* x, float* y) {
    __shared__ float part[32];
    __shared__ int come;
    int t = threadIdx.x;
    if (t == 0) come = 0;
    __syncthreads();
    part[t] = x[t] * x[t];
    __threadfence_block();
    if (atomicAdd(&come, 1) == 31) {
        float sum = 0;
        for (int i = 0; i < 32; i++) sum += part[i];
        *y = sum * sum;
    }
}

// Doubles that are copied in halves, as floats: their shadows would be added to as floats.
extern "C" __global__ void doubles_as_floats(const double* a, double* out, int n) {
    const float* from = (const float*)a;
    float* to = (float*)out;
    for (int i = threadIdx.x; i < n; i += blockDim.x) to[i] = from[i];
}
