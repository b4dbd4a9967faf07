// Complex numbers in single and double precision.
#pragma once
#include "kad_cuda.h"
#include "../common/kad_complex.h"

KAD_COMPLEXES(cu)
