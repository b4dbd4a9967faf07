// Shapes of real kernels: structs by value with pointers in them, switch, while loops, early exits, local arrays, pointers
// bumped in loops, constant data, compare-exchange loops, grid-stride loops, function pointers that inlining resolves.
#include <cuda_runtime.h>
#include <cstdio>

struct Grid {
  double *rho, *u[3];
  int n[3];
  double h;
  struct { float a; const int *index; } inner;
};
struct Big { double values[128]; int count; };
struct __align__(16) Node { float4 box; int child[4]; };

__constant__ double stencil[5] = {1.0, -8.0, 0.0, 8.0, -1.0};
__constant__ Grid defaults;
__device__ float table[4][8];
__device__ int hits;
__device__ const int order[6] = {5, 3, 1, 0, 2, 4};

__global__ void by_value(Grid g, double dt) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < g.n[0]; i += gridDim.x * blockDim.x) {
    Grid copy = g;
    copy.rho[i] += dt * (copy.u[0][i] + copy.u[1][i] * copy.u[2][i]) / copy.h * copy.inner.a * copy.inner.index[i];
  }
}

__global__ void big_value(Big b, double *out) {
  double s = 0.0;
  for (int i = 0; i < b.count; ++i) s += b.values[(i * 7) % 128];
  out[threadIdx.x] = s;
}

__global__ void dispatch(const float *x, float *y, const int *kind, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  switch (kind[i]) {
    case 0: v = v * v; break;
    case 1: v = sinf(v); break;
    case 2: v = v > 0.0f ? sqrtf(v) : 0.0f;
    case 3: v += 1.0f; break;
    case 17: return;
    case -4: v = table[i & 3][i & 7]; break;
    default: v = -v;
  }
  y[i] = v;
}

__global__ void newton(const double *a, double *x, double tol, int limit) {
  int i = threadIdx.x;
  double v = x[i];
  int k = 0;
  while (true) {
    double next = 0.5 * (v + a[i] / v);
    if (fabs(next - v) < tol) break;
    if (++k > limit) return;
    v = next;
  }
  x[i] = v;
}

__global__ void local_array(const float *x, float *y, int n) {
  float window[9];
  int order_of[6];
  for (int k = 0; k < 9; ++k) window[k] = x[threadIdx.x + k];
  for (int k = 0; k < 6; ++k) order_of[k] = order[k];
  for (int p = 0; p < n; ++p)
    for (int k = 0; k + 1 < 9; ++k)
      if (window[k] > window[k + 1]) {
        float t = window[k];
        window[k] = window[k + 1];
        window[k + 1] = t;
      }
  y[threadIdx.x] = window[order_of[n % 6]] + window[n % 9];
}

__global__ void bump(const double *p, double *q, int n) {
  const double *end = p + n;
  double s = 0.0;
  for (p += threadIdx.x; p < end; p += blockDim.x) s += *p * stencil[n % 5];
  *q = s + defaults.h;
}

__device__ double atomic_max(double *p, double v) {
  unsigned long long *bits = (unsigned long long *)p, old = *bits, seen;
  do {
    seen = old;
    if (__longlong_as_double(seen) >= v) break;
    old = atomicCAS(bits, seen, (unsigned long long)__double_as_longlong(v));
  } while (old != seen);
  return __longlong_as_double(old);
}

__global__ void cas_loop(const double *x, double *m) { atomic_max(m, x[blockIdx.x * blockDim.x + threadIdx.x]); }

__global__ void slots(const float *x, float *out, int *count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (x[i] > 0.0f) {
    int slot = atomicAdd(count, 1);
    out[slot] = x[i];
    atomicAdd(&hits, 1);
  }
}

template <class F> __device__ float apply(F f, float x) { return f(x); }
__device__ float square(float x) { return x * x; }
__device__ __noinline__ float cube(float x) { return x * x * x; }
__global__ void calls(const float *x, float *y) {
  float (*f)(float) = square;
  float k = y[0];
  y[threadIdx.x] = apply(f, x[threadIdx.x]) + apply([=](float v) { return v * k; }, x[threadIdx.x]) + cube(x[threadIdx.x]);
}

__global__ void tree(const Node *nodes, const float3 *points, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int stack[32];
  int top = 0;
  stack[top++] = 0;
  float3 p = points[i];
  float s = 0.0f;
  while (top > 0) {
    Node node = nodes[stack[--top]];
    float dx = p.x - node.box.x, dy = p.y - node.box.y;
    if (dx * dx + dy * dy < node.box.w)
      for (int c = 0; c < 4; ++c)
        if (node.child[c] > 0 && top < 32) stack[top++] = node.child[c];
    s += node.box.z;
  }
  out[i] = s;
}

__global__ void __launch_bounds__(128, 2) matmul(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c, int n) {
  __shared__ float ta[16][16], tb[16][17];
  int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * 16 + y, col = blockIdx.x * 16 + x;
  float s = 0.0f;
  for (int t = 0; t < n / 16; ++t) {
    ta[y][x] = a[row * n + t * 16 + x];
    tb[y][x] = b[(t * 16 + y) * n + col];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 16; ++k) s += ta[y][k] * tb[k][x];
    __syncthreads();
  }
  c[row * n + col] = s;
}

__global__ void complain(const float *x, int n) {
  if (x[threadIdx.x] < 0.0f) printf("negative %d %f %s\n", threadIdx.x, x[threadIdx.x], "value");
  if (n > 1000) __trap();
}

__global__ void integers(const unsigned *x, unsigned long long *y, int n) {
  unsigned v = x[threadIdx.x];
  unsigned long long w = ((unsigned long long)v << 32) | __brev(v);
  w += __popc(v) + __clz(v) + __ffs(v) + __umulhi(v, v) + __byte_perm(v, n, 0x3210) + __popcll(w) + __clzll(w);
  w ^= __funnelshift_l(v, n, 5) + __usad(v, n, 1) + __uhadd(v, n) + min(v, 7u) + abs(n) + __mul24(n, 3);
  y[threadIdx.x] = w / (n | 1) + w % 13 + (unsigned long long)((__int128)w * w >> 64);
}
