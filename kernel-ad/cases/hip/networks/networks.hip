// The CUDA kernels of that subject, compiled for AMD; warps of 32 are halves of a wave.
#include <hip/hip_runtime.h>
#define __shfl_xor_sync(mask, v, m) __shfl_xor(v, m, 32)
#include "../../networks/networks.cu"
