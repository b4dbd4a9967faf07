// bfloat16: the part of CUDA's header that kernels use. Arithmetic goes through single precision, as CUDA defines it
// where the hardware has none.
#pragma once
#include "kad_cuda.h"

struct __attribute__((aligned(2))) __nv_bfloat16 {
  unsigned short bits;
  __nv_bfloat16() = default;
  KAD_HD __nv_bfloat16(float x) {
    unsigned int u = __builtin_bit_cast(unsigned int, x);
    // To nearest, ties to even; NaN stays NaN.
    bits = x != x ? (unsigned short)0x7fff : (unsigned short)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  KAD_HD operator float() const { return __builtin_bit_cast(float, (unsigned int)bits << 16); }
};
struct __attribute__((aligned(4))) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;
KAD_HD __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
KAD_HD __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
KAD_HD float __bfloat162float(__nv_bfloat16 x) { return x; }
