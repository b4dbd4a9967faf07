// bfloat16.
#pragma once
#include "kad_cuda.h"
#include "kad_cuda_halves.h"
#define KAD_H __nv_bfloat16
#define KAD_H2 __nv_bfloat162
#include "../common/kad_bfloat16.h"
#undef KAD_H
#undef KAD_H2

typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;
KAD_HALF_ACCESS(__nv_bfloat16, __nv_bfloat162)

#define CUDART_INF_BF16 __ushort_as_bfloat16((unsigned short)0x7f80)
#define CUDART_NAN_BF16 __ushort_as_bfloat16((unsigned short)0x7fff)
#define CUDART_MIN_DENORM_BF16 __ushort_as_bfloat16((unsigned short)0x0001)
#define CUDART_MAX_NORMAL_BF16 __ushort_as_bfloat16((unsigned short)0x7f7f)
#define CUDART_NEG_ZERO_BF16 __ushort_as_bfloat16((unsigned short)0x8000)
#define CUDART_ZERO_BF16 __ushort_as_bfloat16((unsigned short)0x0000)
#define CUDART_ONE_BF16 __ushort_as_bfloat16((unsigned short)0x3f80)

KAD_DEV __nv_bfloat16 atomicAdd(__nv_bfloat16 *p, __nv_bfloat16 v) {
  __bf16 old = __atomic_fetch_add((__bf16 *)p, __builtin_bit_cast(__bf16, v.bits), KAD_RELAXED);
  return __builtin_bit_cast(__nv_bfloat16, old);
}
// Each by itself, as CUDA promises.
KAD_DEV __nv_bfloat162 atomicAdd(__nv_bfloat162 *p, __nv_bfloat162 v) {
  return __nv_bfloat162(atomicAdd(&p->x, v.x), atomicAdd(&p->y, v.y));
}
