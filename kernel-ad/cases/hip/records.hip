// The CUDA kernels of that subject, compiled for AMD.
#include <hip/hip_runtime.h>
#include "../records.cu"
