// The same kernels as ../atomics.cu, compiled for AMD.
#include <hip/hip_runtime.h>
#include "../atomics.cu"
