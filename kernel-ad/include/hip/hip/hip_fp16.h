// Half precision.
#pragma once
#include "../kad_hip.h"
#include "../kad_hip_halves.h"
#include "../../common/kad_half.h"

KAD_HALF_SHUFFLES(__half, __half2)
KAD_DEV __half atomicAdd(__half *p, __half v) { return __half(__hip_atomic_fetch_add(&p->v, v.v, KAD_AT)); }
KAD_DEV __half2 atomicAdd(__half2 *p, __half2 v) { return __half2(atomicAdd(&p->x, v.x), atomicAdd(&p->y, v.y)); }
KAD_DEV __half2 unsafeAtomicAdd(__half2 *p, __half2 v) { return atomicAdd(p, v); }
