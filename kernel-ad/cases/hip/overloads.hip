// The same kernels as ../overloads.cu, compiled for AMD.
#include <hip/hip_runtime.h>
#include "../overloads.cu"
