// Everything is in the header that is included before the file.
#pragma once
#include "kad_cuda.h"

KAD_HOST cudaError_t cudaProfilerStart();
KAD_HOST cudaError_t cudaProfilerStop();
