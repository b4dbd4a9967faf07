// The same kernels as ../copies.cu, compiled for AMD.
#include <hip/hip_runtime.h>
#include "../copies.cu"
