// The CUDA kernels of that subject, compiled for AMD; warps of 32 are halves of a wave.
#include <hip/hip_runtime.h>
#define __shfl_down_sync(mask, v, d) __shfl_down(v, d, 32)
#include "../../sparse/sparse.cu"
