// Complex numbers in single and double precision.
#pragma once
#include "../kad_hip.h"
#include "../../common/kad_complex.h"

KAD_COMPLEXES(hip)
KAD_HD float hipCsqabsf(hipFloatComplex z) { return z.x * z.x + z.y * z.y; }
KAD_HD double hipCsqabs(hipDoubleComplex z) { return z.x * z.x + z.y * z.y; }
