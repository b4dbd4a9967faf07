#include <hip/hip_runtime.h>

#include "energy.cuh"
