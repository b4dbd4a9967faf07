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
