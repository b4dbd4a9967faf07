#include <cuda_runtime.h>

#include "energy.cuh"
