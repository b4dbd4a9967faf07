// Cooperative groups.
#pragma once
#include "../kad_hip.h"

#define KAD_LANES unsigned long long
#define KAD_WARP __AMDGCN_WAVEFRONT_SIZE
KAD_DEV unsigned int kad_count(unsigned long long lanes) { return __popcll(lanes); }
KAD_DEV int kad_first(unsigned long long lanes) { return __ffsll(lanes) - 1; }
KAD_DEV unsigned int kad_lane() { return __lane_id(); }
#include "../../common/kad_groups.h"
