// The same kernels as ../block_atomics.cu, compiled for AMD.
#include <hip/hip_runtime.h>
#include "../block_atomics.cu"
