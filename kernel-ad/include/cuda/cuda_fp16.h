// Half precision.
#pragma once
#include "kad_cuda.h"
#include "kad_cuda_halves.h"
#include "../common/kad_half.h"

KAD_HALF_ACCESS(__half, __half2)
KAD_DEV __half atomicAdd(__half *p, __half v) { return __half(__atomic_fetch_add(&p->v, v.v, KAD_RELAXED)); }
// Each half by itself, as CUDA promises.
KAD_DEV __half2 atomicAdd(__half2 *p, __half2 v) { return __half2(atomicAdd(&p->x, v.x), atomicAdd(&p->y, v.y)); }
