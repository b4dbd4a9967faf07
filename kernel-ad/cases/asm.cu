// Inline assembly as headers and libraries write it.

static __device__ __forceinline__ float shfl_down_asm(float v, int d) {
    float r;
    asm volatile("shfl.sync.down.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=f"(r) : "f"(v), "r"(d));
    return r;
}

// A shuffle that says whether it stayed inside, used at once: what prefix sums of libraries do.
static __device__ __forceinline__ float scan_step(float v, int d) {
    float r;
    asm volatile(
        "{"
        "  .reg .f32 r0;"
        "  .reg .pred p;"
        "  shfl.sync.up.b32 r0|p, %1, %2, %3, %4;"
        "  @p add.f32 r0, r0, %5;"
        "  @!p mov.f32 r0, %5;"
        "  mov.f32 %0, r0;"
        "}"
        : "=f"(r) : "f"(v), "r"(d), "r"(0), "r"(0xffffffffu), "f"(v));
    return r;
}

static __device__ __forceinline__ double shfl_xor_double(double v, int m) {
    double r;
    asm volatile(
        "{\n\t"
        ".reg .u32 lo, hi;\n\t"
        "mov.b64 {lo, hi}, %1;\n\t"
        "shfl.sync.bfly.b32 lo, lo, %2, 0x1f, -1;\n\t"
        "shfl.sync.bfly.b32 hi, hi, %2, 0x1f, -1;\n\t"
        "mov.b64 %0, {lo, hi};\n\t"
        "}"
        : "=d"(r) : "d"(v), "r"(m));
    return r;
}

// The halves of a double as two integers, each shuffled by the builtin: as the headers of CUDA did it for years.
static __device__ __forceinline__ double shfl_down_halves(double v, int d) {
    int lo, hi;
    asm volatile("mov.b64 {%0,%1}, %2;" : "=r"(lo), "=r"(hi) : "d"(v));
    lo = __shfl_down_sync(0xffffffffu, lo, d);
    hi = __shfl_down_sync(0xffffffffu, hi, d);
    asm volatile("mov.b64 %0, {%1,%2};" : "=d"(v) : "r"(lo), "r"(hi));
    return v;
}

extern "C" __global__ void asm_shuffles(const float *x, const double *z, float *y, double *w) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i], s = v * v;
    for (int d = 16; d > 0; d /= 2) s += shfl_down_asm(s, d);
    float p = v;
    for (int d = 1; d < 32; d *= 2) p = scan_step(p, d);
    double t = z[i];
    for (int m = 16; m > 0; m /= 2) t *= shfl_xor_double(t, m);
    t += shfl_down_halves(z[i] * z[i], 4);
    y[i] = s * p;
    w[i] = t;
}

// Loads and stores with hints for the caches.
extern "C" __global__ void asm_memory(const float *x, const float4 *v, const double2 *d, float *y, float4 *u, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a, b, c, e;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(a) : "l"(x + i));
    asm("ld.global.nc.f32 %0, [%1];" : "=f"(b) : "l"(x + n + i));
    asm volatile("ld.global.cs.f32 %0, [%1+4];" : "=f"(c) : "l"(x + i));
    asm volatile("ld.global.L1::no_allocate.L2::128B.f32 %0, [%1];" : "=f"(e) : "l"(x + i));
    float4 q;
    asm volatile("ld.global.nc.L1::no_allocate.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(q.x), "=f"(q.y), "=f"(q.z), "=f"(q.w) : "l"(v + i));
    double2 p;
    asm volatile("ld.global.ca.v2.f64 {%0, %1}, [%2];" : "=d"(p.x), "=d"(p.y) : "l"(d + i));
    float r = a * b + c * e + q.x * q.y + q.z * q.w * (float)(p.x * p.y);
    asm volatile("st.global.cs.f32 [%0], %1;" :: "l"(y + i), "f"(r) : "memory");
    asm volatile("st.global.wt.v4.f32 [%0], {%1, %2, %3, %4};" :: "l"(u + i), "f"(r * a), "f"(q.x * b), "f"(q.y * c), "f"(e) : "memory");
}

// Arithmetic: approximations, fused and saturated forms, comparisons and choices, bit fields for the index.
extern "C" __global__ void asm_math(const float *x, float *y, int n) {
    int i;
    asm("mad.lo.s32 %0, %1, %2, %3;" : "=r"(i) : "r"(blockIdx.x), "r"(blockDim.x), "r"(threadIdx.x));
    if (i >= n) return;
    float v = x[i], a, b, c, d, e, f, g, h;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(a) : "f"(v));
    asm("lg2.approx.f32 %0, %1;" : "=f"(b) : "f"(v + 3.0f));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(c) : "f"(v + 3.0f));
    asm("sqrt.rn.f32 %0, %1;" : "=f"(d) : "f"(v + 3.0f));
    asm("tanh.approx.f32 %0, %1;" : "=f"(e) : "f"(v));
    asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(f) : "f"(v), "f"(a), "f"(b));
    asm("{ .reg .pred p; .reg .f32 t; setp.gt.f32 p, %1, 0f00000000; mul.rn.f32 t, %1, %2; selp.f32 %0, t, %2, p; }" : "=f"(g) : "f"(v), "f"(d));
    asm("{ .reg .pred p; .reg .s32 k; add.s32 k, %2, 1; setp.lt.s32 p, k, %3; @p mul.f32 %0, %1, 0f40000000; @!p mov.b32 %0, %1; }"
        : "=&f"(h) : "f"(v), "r"(i), "r"(n / 2));
    unsigned k;
    asm("bfe.u32 %0, %1, 2, 3;" : "=r"(k) : "r"(i));
    unsigned m;
    asm("{ .reg .u32 t; bfi.b32 t, %1, %2, 4, 2; lop3.b32 %0, t, 0xff, %1, 0x6a; }" : "=r"(m) : "r"(k), "r"(i));
    asm("prmt.b32 %0, %0, 0, 0x4440;" : "+r"(m));
    y[i] = a * c + b * d - e * f + g * h * (float)(k + (m & 3));
}

// What tells threads apart.
extern "C" __global__ void asm_registers(const float *x, float *y) {
    unsigned lane, warp, below, width, smem, votes, all;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    asm("mov.u32 %0, %%tid.x;" : "=r"(warp));
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(below));
    asm("mov.u32 %0, WARP_SZ;" : "=r"(width));
    asm volatile("mov.u32 %0, %%dynamic_smem_size;" : "=r"(smem));
    unsigned i = blockIdx.x * blockDim.x + warp;
    float v = x[i];
    asm volatile("{ .reg .pred p; setp.gt.f32 p, %1, 0f00000000; vote.sync.ballot.b32 %0, p, 0xffffffff; }" : "=r"(votes) : "f"(v));
    asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.all.pred q, p, %2; selp.u32 %0, 1, 0, q; }" : "=r"(all) : "r"(votes), "r"(0xffffffffu));
    int rank = __popc(votes & below);
    y[i] = v * (float)(rank + all) + v * (float)(width + lane + smem);
}

// Halves and bfloats the way that CUDA's headers make them.
static __device__ unsigned short to_half(float v) { unsigned short r; asm("{ cvt.rn.f16.f32 %0, %1;}\n" : "=h"(r) : "f"(v)); return r; }
static __device__ float from_half(unsigned short v) { float r; asm("{ cvt.f32.f16 %0, %1;}\n" : "=f"(r) : "h"(v)); return r; }
static __device__ unsigned half2_of(float a, float b) { unsigned r; asm("{.reg .f16 low,high;\n cvt.rn.f16.f32 low, %1;\n cvt.rn.f16.f32 high, %2;\n mov.b32 %0, {low,high};}\n" : "=r"(r) : "f"(a), "f"(b)); return r; }
static __device__ unsigned add2(unsigned a, unsigned b) { unsigned r; asm("{ add.f16x2 %0,%1,%2; }\n" : "=r"(r) : "r"(a), "r"(b)); return r; }
static __device__ unsigned fma2(unsigned a, unsigned b, unsigned c) { unsigned r; asm("{ fma.rn.f16x2 %0,%1,%2,%3; }\n" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
static __device__ float low_of(unsigned a) { float r; asm("{.reg .f16 low,high;\n mov.b32 {low,high},%1;\n cvt.f32.f16 %0, low;}\n" : "=f"(r) : "r"(a)); return r; }
static __device__ float high_of(unsigned a) { float r; asm("{.reg .f16 low,high;\n mov.b32 {low,high},%1;\n cvt.f32.f16 %0, high;}\n" : "=f"(r) : "r"(a)); return r; }
static __device__ unsigned xor2(unsigned v, int m) { unsigned r; asm volatile("{shfl.sync.bfly.b32 %0,%1,%2,%3,%4;}" : "=r"(r) : "r"(v), "r"(m), "r"(0x1f), "r"(0xffffffffu)); return r; }

extern "C" __global__ void asm_half(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned v = half2_of(x[2 * i], x[2 * i + 1]);
    unsigned s = fma2(v, v, v);
    s = add2(s, xor2(s, 4));
    s = add2(s, xor2(s, 2));
    s = add2(s, xor2(s, 1));
    unsigned short h;
    asm("{ mul.f16 %0,%1,%2; }" : "=h"(h) : "h"(to_half(x[2 * i])), "h"(to_half(x[2 * i + 1])));
    y[i] = low_of(s) * 0.125f + high_of(s) * 0.25f + from_half(h);
}
