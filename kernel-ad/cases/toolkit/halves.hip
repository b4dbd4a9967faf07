// 16-bit floats: functions of one and of two, operators, shuffles, and atomic adds.
#include <hip/hip_bf16.h>
#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>

extern "C" __global__ void half_pairs(const half2 *x, const half2 *y, half2 *out, half2 *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    half2 a = __ldg(x + i), b = y[i];
    half2 c = h2exp(a) + h2sqrt(b) * h2rcp(__hadd2(b, __float2half2_rn(1.0f)));
    c += __hmax2(a, b);
    c *= __habs2(a) - h2log(b);
    c /= __half2half2(__float2half(2.0f)) + h2rsqrt(b);
    if (__hbgt2(c, b)) c = -c;
    c -= __hmul2(__hgt2(a, b), make_half2(htanh(__low2half(a)), hexp10(__high2half(a))));
    out[i] = __hfma2(__lows2half2(a, b), __highs2half2(c, a), __lowhigh2highlow(c));
    atomicAdd(sum, __hcmadd(a, b, c));
}

extern "C" __global__ void half_moves(const __half *x, __half *y, __half *total) {
    int i = threadIdx.x;
    __half v = x[i], w = __shfl_xor_sync(~0ull, v, 5);
    w /= v + __short2half_rn(2);
    half2 both = __shfl_down_sync(~0ull, __half2(v, w), 1);
    v++;
    __half r = v * w + both.x * both.y;
    if (r == __half(0) || __hisnan(r)) r = __half(1);
    y[i] = __hfma_relu(r, v, __half((long long)__half2int_rd(v))) - __hadd_sat(v, w);
    atomicAdd(total + (i & 1), r * __half(0.125));
}

extern "C" __global__ void bfloat_pairs(const __hip_bfloat162 *x, __hip_bfloat16 *y, __hip_bfloat162 *sum, float *loss) {
    int i = threadIdx.x;
    __hip_bfloat162 a = __ldg(x + i), b = __shfl_xor_sync(~0ull, a, 1);
    a = __hfma2(a, b, h2exp(a)) * __floats2bfloat162_rn(0.5f, 0.25f);
    a += __hmin2(b, __lows2bfloat162(a, b));
    __hip_bfloat16 v = hsqrt(__habs(__low2bfloat16(a))) - hrcp(__high2bfloat16(a) + __int2bfloat16_rn(4));
    y[i] = __hmax(v, __hip_bfloat16(0)) * htanh(v);
    atomicAdd(sum + (i & 1), a * __bfloat162bfloat162(v));
    atomicAdd(loss, __bfloat1622float2(a).x * __bfloat162float(v));
}
