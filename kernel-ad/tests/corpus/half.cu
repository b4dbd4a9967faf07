// Half and bfloat16 through the built-in headers, and assembly as CUDA's own headers write it.
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <math_constants.h>
namespace cg = cooperative_groups;

__global__ void halves(const __half *x, __half *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __hfma(x[i], x[i], hexp(x[i])) + __float2half(0.5f);
}

__global__ void half_pairs(const half2 *x, half2 *y) {
  int i = threadIdx.x;
  y[i] = __hmul2(x[i], __float2half2_rn(2.0f)) + __floats2half2_rn(1.0f, __low2float(x[i]));
}

__global__ void bfloats(const __nv_bfloat16 *x, __nv_bfloat16 *y) {
  int i = threadIdx.x;
  y[i] = __float2bfloat16(__bfloat162float(x[i]) * CUDART_PI_F);
}

__global__ void half_assembly(const unsigned short *x, unsigned short *y, unsigned *z) {
  unsigned short a = x[threadIdx.x], b = x[threadIdx.x + 32], sum, big;
  float f;
  asm("{ add.f16 %0,%1,%2; }\n" : "=h"(sum) : "h"(a), "h"(b));
  asm("{  cvt.f32.f16 %0, %1;}\n" : "=f"(f) : "h"(sum));
  asm("{  cvt.rn.f16.f32 %0, %1;}\n" : "=h"(sum) : "f"(f * 2.0f));
  asm("{ .reg .pred __$temp3;\n setp.gt.f16 __$temp3, %1, %2;\n selp.u16 %0, 1, 0, __$temp3;}" : "=h"(big) : "h"(sum), "h"(b));
  unsigned p;
  asm("mov.b32 %0, {%1,%2};" : "=r"(p) : "h"(sum), "h"(big));
  asm("{ fma.rn.f16x2 %0,%1,%2,%3; }" : "=r"(p) : "r"(p), "r"(p), "r"(p));
  asm("{.reg .f16 low,high;\n mov.b32 {low,high}, %1;\n mov.b16 %0, low;}" : "=h"(y[threadIdx.x]) : "r"(p));
  z[threadIdx.x] = p;
}

__global__ void assembly(const float *x, float *y, const float4 *v) {
  unsigned lane, mask;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
  asm volatile("mov.u32 %0, %%lanemask_lt;" : "=r"(mask));
  float a, b, c, d, e;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(a) : "l"(x + lane));
  asm volatile("ld.global.cs.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(b), "=f"(c), "=f"(d), "=f"(e) : "l"(v + lane));
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(a) : "f"(a));
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(a) : "f"(a), "f"(b), "f"(c));
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, %3, %4;" : "=f"(d) : "f"(a), "r"(1), "r"(0x1f), "r"(0xffffffff));
  asm volatile("" ::: "memory");
  asm volatile("st.global.cs.f32 [%0], %1;" ::"l"(y + lane), "f"(a + d + e + (float)mask) : "memory");
}

__global__ void groups(const float *x, float *y) {
  cg::thread_block block = cg::this_thread_block();
  cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
  __shared__ float s[64];
  float v = x[block.thread_rank()];
  v = cg::reduce(tile, v, cg::plus<float>());
  if (tile.thread_rank() == 0) s[tile.meta_group_rank()] = v;
  block.sync();
  y[block.thread_rank()] = s[0] + __syncthreads_count(v > 0.0f);
}
