// Cooperative groups.
#pragma once
#include "kad_cuda.h"

#define KAD_LANES unsigned int
#define KAD_WARP 32
KAD_DEV unsigned int kad_count(unsigned int lanes) { return __popc(lanes); }
KAD_DEV int kad_first(unsigned int lanes) { return __ffs(lanes) - 1; }
KAD_DEV unsigned int kad_lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31u;
}
#include "../common/kad_groups.h"
