// Records with floats and integers that the kernel computes with.
struct Particle { double x, v; int age, cell; unsigned key : 20, alive : 1, kind : 3; };

extern "C" __global__ void walk(Particle* ps, const double* field, double* tally, int cells, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Particle p = ps[i];
    while (p.alive && p.age < 6) {
        p.key = p.key * 1105u + 331u;
        p.v += 0.1 * field[p.cell] * p.x;
        p.x *= 0.5 + 0.125 * (double)(p.key & 7u);
        p.age++;
        p.cell = (p.cell + 1 + (p.key & 1)) % cells;
        if (p.x < 0.01) { p.alive = 0; p.kind |= 4; }
    }
    tally[i] = p.x * p.v + p.kind;
    ps[i] = p;
}

struct Moments { float mean, m2; int n; };
__device__ Moments merge(Moments a, Moments b) {
    int n = a.n + b.n;
    float d = b.mean - a.mean, part = n ? (float)b.n / n : 0.f;
    return {a.mean + d * part, a.m2 + b.m2 + d * d * a.n * part, n};
}

// Mean and variance by a tree of records in shared memory; blocks of any size.
extern "C" __global__ void moments(const float* x, float* out, int n) {
    __shared__ Moments s[64];
    int t = threadIdx.x;
    Moments m = {0.f, 0.f, 0};
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) m = merge(m, {x[i], 0.f, 1});
    s[t] = m;
    __syncthreads();
    for (int half = 32; half; half >>= 1) {
        if (t < half && t + half < blockDim.x) s[t] = merge(s[t], s[t + half]);
        __syncthreads();
    }
    if (t == 0) { out[2 * blockIdx.x] = s[0].mean; out[2 * blockIdx.x + 1] = s[0].m2 / s[0].n; }
}

// One piece of dynamic shared memory: numbers, and behind them the counts of their buckets.
extern "C" __global__ void buckets(const float* x, float* out, int n, int k) {
    extern __shared__ float sums[];
    int* counts = (int*)(sums + k);
    for (int b = threadIdx.x; b < k; b += blockDim.x) { sums[b] = 0.f; counts[b] = 0; }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        int b = min(k - 1, max(0, (int)(x[i] * k)));
        atomicAdd(&sums[b], x[i] * x[i]);
        atomicAdd(&counts[b], 1);
    }
    __syncthreads();
    for (int b = threadIdx.x; b < k; b += blockDim.x) out[b] = counts[b] ? sqrtf(sums[b] / counts[b] + 1.f) : 0.f;
}

// The lanes of a warp share out rows of different lengths through shared memory.
extern "C" __global__ void ragged_rows(const int* start, const double* a, double* out, int rows) {
    __shared__ volatile int row[32];
    int lane = threadIdx.x;
    for (int first = 0; first < rows; first += 32) {
        row[31 - lane] = first + lane;
        __syncwarp();
        int r = row[lane];
        double s = 1.0;
        if (r < rows)
            for (int k = start[r]; k < start[r + 1]; k++) s = s * a[k] + a[k] * a[k];
        if (r < rows) out[r] = s;
        __syncwarp();
    }
}
