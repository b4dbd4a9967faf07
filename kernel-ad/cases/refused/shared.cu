// Uses of shared memory and fences that cannot be reversed.

// The last block to finish adds up what the others left: in reverse it would have to run first.
extern "C" __global__ void last_block_sum(const float *x, float *part, float *sum, unsigned *ticket) {
    __shared__ float s[32];
    __shared__ bool last;
    int t = threadIdx.x;
    s[t] = x[blockIdx.x * 32 + t] * x[blockIdx.x * 32 + t];
    __syncthreads();
    if (t == 0) {
        float a = 0.0f;
        for (int i = 0; i < 32; i++) a += s[i];
        part[blockIdx.x] = a;
        __threadfence();
        last = atomicAdd(ticket, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && t == 0) {
        float a = 0.0f;
        for (int i = 0; i < gridDim.x; i++) a += part[i];
        *sum = a;
    }
}

// The old way without barriers within a warp, through volatile memory.
extern "C" __global__ void volatile_warp_sum(const float *x, float *sum) {
    __shared__ volatile float s[64];
    int t = threadIdx.x;
    s[t] = x[t] * x[t];
    __syncthreads();
    if (t < 32) {
        s[t] += s[t + 32];
        s[t] += s[t + 16];
        s[t] += s[t + 8];
        s[t] += s[t + 4];
        s[t] += s[t + 2];
        s[t] += s[t + 1];
    }
    if (t == 0) *sum = s[0];
}
