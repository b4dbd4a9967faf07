// Kernels for the tests of the CPU device (tests/cpu.rs).
#include <cstdio>
#include <assert.h>
#define GLOBAL extern "C" __global__ void

GLOBAL saxpy(float a, const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

// A tree in shared memory: barriers in a loop, a guarded return before the first of them.
GLOBAL reduce(const float *x, float *out, int n) {
  __shared__ float s[256];
  int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  s[t] = i < n ? x[i] : 0.0f;
  __syncthreads();
  for (int k = blockDim.x / 2; k > 0; k >>= 1) {
    if (t < k) s[t] += s[t + k];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = s[0];
}

// Values that live across a barrier, change in a loop around it, and differ from thread to thread.
GLOBAL carried(const int *x, int *out, int rounds) {
  __shared__ int s[64];
  int t = threadIdx.x, a = x[t], b = 1, swaps = 0;
  for (int r = 0; r < rounds; ++r) {
    s[t] = a;
    __syncthreads();
    int other = s[(t + r + 1) % blockDim.x];
    __syncthreads();
    if ((other ^ t) & 1) { int c = a; a = b + other; b = c; ++swaps; } else { b += other; }
  }
  out[t] = a * 31 + b * 7 + swaps;
}

GLOBAL early(const int *x, int *out, int n) {
  __shared__ int s[128];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  s[threadIdx.x] = x[i];
  __syncthreads();
  int last = min((int)blockDim.x, n - (int)(blockIdx.x * blockDim.x)) - 1;
  out[i] = s[last - threadIdx.x];
}

GLOBAL divergent(int *out) {
  __shared__ int s[64];
  s[threadIdx.x] = threadIdx.x;
  if (threadIdx.x < 40) {
    out[threadIdx.x + 64] = 1;
    __syncthreads();
    out[threadIdx.x] = s[63 - threadIdx.x];
  } else {
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x - 40] * 3;
  }
}

GLOBAL missing_lanes(int *out) {
  int t = threadIdx.x;
  if (t < 8) out[t] = __shfl_sync(0xffffffffu, t * 2, 9);
  else { __syncthreads(); out[t] = 1; }
}

GLOBAL shuffles(const float *x, float *sum, int *misc) {
  int t = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
  float v = x[t];
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  sum[t] = v;
  int *m = misc + t * 8;
  m[0] = __shfl_up_sync(0xffffffffu, lane, 3);
  m[1] = __shfl_down_sync(0xffffffffu, lane, 5, 16);
  m[2] = __shfl_sync(0xffffffffu, lane, 7, 8);
  m[3] = __ballot_sync(0xffffffffu, lane % 3 == 0);
  m[4] = __any_sync(0xffffffffu, lane == 9) + 2 * __all_sync(0xffffffffu, lane < 31);
  m[5] = __match_any_sync(0xffffffffu, lane & 3);
  // Only some lanes take part, and they say so.
  if (lane & 1) m[6] = __shfl_xor_sync(0xaaaaaaaau, lane, 2);
  else m[6] = __popc(__activemask());
  m[7] = (int)(__shfl_sync(0xffffffffu, (double)lane * 0.5, 31) * 2);
}

GLOBAL votes(int *out) {
  int t = threadIdx.x;
  out[t] = __syncthreads_count(t % 3 == 0) + 1000 * (__syncthreads_or(t == 77) != 0) + 2000 * (__syncthreads_and(t < 100) != 0);
}

GLOBAL grid3(int *out) {
  unsigned x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, z = blockIdx.z * blockDim.z + threadIdx.z;
  unsigned nx = gridDim.x * blockDim.x, ny = gridDim.y * blockDim.y;
  out[(z * ny + y) * nx + x] = x + 100 * y + 10000 * z;
}

GLOBAL dynamic_shared(int *out) {
  extern __shared__ int s[];
  __shared__ int fixed[3];
  s[threadIdx.x] = threadIdx.x * 2;
  if (threadIdx.x < 3) fixed[threadIdx.x] = 5;
  __syncthreads();
  out[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x] + fixed[threadIdx.x % 3];
}

// A local array with dynamic index that lives across barriers.
GLOBAL locals(int *out) {
  int a[8];
  for (int i = 0; i < 8; ++i) a[i] = threadIdx.x * 8 + i;
  __syncthreads();
  a[threadIdx.x & 7] += 1000;
  __syncthreads();
  int sum = 0;
  for (int i = 0; i < 8; ++i) sum += a[(i + threadIdx.x) & 7] * (i + 1);
  out[threadIdx.x] = sum;
}

GLOBAL atomics(int *i, unsigned *u, float *f, double *d, unsigned long long *l) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(i + 0, t); atomicSub(i + 1, t); atomicMax(i + 2, t - 50); atomicMin(i + 3, -t);
  atomicAnd(u + 0, ~(1u << (t & 31))); atomicOr(u + 1, 1u << (t & 31)); atomicXor(u + 2, (unsigned)t);
  atomicInc(u + 3, 9u); atomicDec(u + 4, 9u);
  atomicMax(u + 5, (unsigned)t); atomicMin(u + 6, (unsigned)t);
  atomicAdd(f, 0.5f); atomicAdd(d, 0.25); atomicAdd(l, 1ull << 33);
  unsigned seen = u[7], want;
  do { want = seen; seen = atomicCAS(u + 7, want, want + 3); } while (seen != want);
  atomicExch(i + 4, 42);
}

GLOBAL prints(int n) {
  if (threadIdx.x < 2) printf("block %d thread %d: %.3f %s %lld\n", blockIdx.x, threadIdx.x, 0.5 * n, "text", 1ll << 40);
}

GLOBAL traps(const int *x, int *out) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (x[t] < 0) __trap();
  out[t] = x[t] * 2;
}

GLOBAL asserts(const int *x) {
  assert(x[blockIdx.x * blockDim.x + threadIdx.x] >= 0);
}

__device__ int counter = 5;
__constant__ float weights[4];
GLOBAL variables(float *out) {
  if (threadIdx.x == 0 && blockIdx.x == 0) counter += 2;
  out[threadIdx.x] = weights[threadIdx.x & 3];
}

struct Args { float *p; int n; float scale[3]; };
GLOBAL structs(Args a) {
  for (int i = 0; i < 3; ++i) a.scale[i] += a.p[0] * 0;
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t < a.n) a.p[t] *= a.scale[t % 3];
}

GLOBAL math(const float *x, float *y, const double *a, double *b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  float *o = y + i * 12;
  o[0] = expf(v); o[1] = __expf(v); o[2] = rsqrtf(v); o[3] = erfinvf(v * 0.1f); o[4] = normcdff(v); o[5] = sinpif(v);
  o[6] = powf(v, 1.5f); o[7] = fmaf(v, v, 1.0f); o[8] = __fadd_rd(v, 1e-8f); o[9] = rcbrtf(v); o[10] = (float)__float2int_rz(v * 3); o[11] = tanhf(v);
  double w = a[i];
  b[i * 4] = exp(w); b[i * 4 + 1] = cyl_bessel_i0(w); b[i * 4 + 2] = __dmul_ru(w, w); b[i * 4 + 3] = lgamma(w);
}

// Producers and consumers meet at numbered barriers, from different places.
GLOBAL named(int *out) {
  __shared__ int s[128];
  int t = threadIdx.x;
  s[t] = t * 3;
  if (t < 64) {
    __nvvm_barrier_sync_cnt(1, 128);
    out[t] = s[t + 64];
  } else {
    s[t] += 1;
    __nvvm_barrier_sync_cnt(1, 128);
  }
}

// Two barriers and little else: what the device itself costs.
GLOBAL two_barriers(const float *x, float *y) {
  __shared__ float s[256];
  int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  s[t] = x[i] * 2.0f;
  __syncthreads();
  float v = s[t ^ 1] + 1.0f;
  __syncthreads();
  s[t] = v;
  y[i] = v * v;
}
