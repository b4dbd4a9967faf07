// bfloat16.
#pragma once
#include "../kad_hip.h"
#include "../kad_hip_halves.h"
#define KAD_H __hip_bfloat16
#define KAD_H2 __hip_bfloat162
#include "../../common/kad_bfloat16.h"
#undef KAD_H
#undef KAD_H2

KAD_HALF_SHUFFLES(__hip_bfloat16, __hip_bfloat162)
KAD_DEV __hip_bfloat16 atomicAdd(__hip_bfloat16 *p, __hip_bfloat16 v) {
  __bf16 old = __hip_atomic_fetch_add((__bf16 *)p, __builtin_bit_cast(__bf16, v.bits), KAD_AT);
  return __builtin_bit_cast(__hip_bfloat16, old);
}
KAD_DEV __hip_bfloat162 atomicAdd(__hip_bfloat162 *p, __hip_bfloat162 v) {
  return __hip_bfloat162(atomicAdd(&p->x, v.x), atomicAdd(&p->y, v.y));
}
KAD_DEV __hip_bfloat162 unsafeAtomicAdd(__hip_bfloat162 *p, __hip_bfloat162 v) { return atomicAdd(p, v); }
