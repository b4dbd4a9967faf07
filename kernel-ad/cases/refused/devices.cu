// What graphics processors have beside threads and memory. None of it has a derivative here; each is refused by its name.

// A texture, the way that clang's headers read one.
extern "C" __global__ void texture_read(unsigned long long tex, const float *x, float *y) {
    float4 t;
    int i = threadIdx.x;
    asm volatile("tex.1d.v4.f32.s32 {%0, %1, %2, %3}, [%4, {%5}];" : "=f"(t.x), "=f"(t.y), "=f"(t.z), "=f"(t.w) : "l"(tex), "r"(i));
    y[i] = x[i] * t.x;
}

// A product of two tiles on tensor cores.
extern "C" __global__ void tensor_product(const float *a, const float *b, float *c) {
    int lane = threadIdx.x;
    unsigned a0 = __float_as_uint(a[lane]), a1 = __float_as_uint(a[lane + 32]), a2 = __float_as_uint(a[lane + 64]), a3 = __float_as_uint(a[lane + 96]);
    unsigned b0 = __float_as_uint(b[lane]), b1 = __float_as_uint(b[lane + 32]);
    float c0 = 0, c1 = 0, c2 = 0, c3 = 0;
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    c[lane] = c0 + c1 + c2 + c3;
}

// A tile that is fetched while the threads go on.
extern "C" __global__ void fetched_tile(const float *x, float *y) {
    __shared__ float tile[128];
    int t = threadIdx.x;
    unsigned to = (unsigned)__cvta_generic_to_shared(&tile[4 * t]);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to), "l"(x + 4 * t));
    asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 0;");
    __syncthreads();
    y[t] = tile[t] * tile[127 - t];
}

// All blocks wait for each other: cooperative groups find their workspace in a register of the environment.
extern "C" __global__ void whole_grid(const float *x, float *y, float *z) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
    y[i] = x[i] * x[i];
    unsigned lo, hi;
    asm("mov.u32 %0, %%envreg1;" : "=r"(hi));
    asm("mov.u32 %0, %%envreg2;" : "=r"(lo));
    unsigned *arrived = (unsigned *)((unsigned long long)hi << 32 | lo) + 1;
    __syncthreads();
    if (threadIdx.x == 0) {
        unsigned step = blockIdx.x == 0 ? 0x80000000u - (gridDim.x - 1) : 1, old;
        asm volatile("atom.add.release.gpu.u32 %0,[%1],%2;" : "=r"(old) : "l"(arrived), "r"(step) : "memory");
        unsigned now;
        do {
            asm volatile("ld.acquire.gpu.u32 %0,[%1];" : "=r"(now) : "l"(arrived) : "memory");
        } while (((old ^ now) & 0x80000000u) == 0);
    }
    __syncthreads();
    z[i] = y[(i + 1) % n];
}

static __device__ float square(float v) { return v * v; }
static __device__ float cube(float v) { return v * v * v; }
static __device__ float (*const table[])(float) = {square, cube};

// A function that is known only when the kernel runs.
extern "C" __global__ void by_pointer(const float *x, float *y, const int *which) {
    int i = threadIdx.x;
    y[i] = table[which[i]](x[i]);
}

// An array of a thread whose size is not known.
extern "C" __global__ void sized_array(const float *x, float *y, int n) {
    int i = threadIdx.x;
    float *a = (float *)__builtin_alloca(n * sizeof(float));
    for (int k = 0; k < n; k++) a[k] = x[i] * k;
    float s = 0;
    for (int k = 0; k < n; k++) s += a[k] * a[n - 1 - k];
    y[i] = s;
}
