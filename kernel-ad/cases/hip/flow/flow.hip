// The CUDA kernels of that subject, compiled for AMD; warps of 32 are halves of a wave.
#include <hip/hip_runtime.h>
#define __any_sync(mask, p) __any(p)
#define __ballot_sync(mask, p) __ballot(p)
#include "../../flow/flow.cu"
