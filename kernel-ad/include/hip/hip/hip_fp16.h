// Half precision for HIP: the part that kernels use, on clang's own half type.
#pragma once
#include "../kad_hip.h"

typedef _Float16 __half;
typedef _Float16 half;
typedef _Float16 __half2 __attribute__((ext_vector_type(2)));
typedef __half2 half2;
KAD_HD __half __float2half(float x) { return (__half)x; }
KAD_HD __half __float2half_rn(float x) { return (__half)x; }
KAD_HD float __half2float(__half h) { return (float)h; }
KAD_DEV __half __hadd(__half a, __half b) { return a + b; }
KAD_DEV __half __hsub(__half a, __half b) { return a - b; }
KAD_DEV __half __hmul(__half a, __half b) { return a * b; }
KAD_DEV __half __hdiv(__half a, __half b) { return a / b; }
KAD_DEV __half __hfma(__half a, __half b, __half c) { return __builtin_fmaf16(a, b, c); }
KAD_DEV bool __hlt(__half a, __half b) { return a < b; }
KAD_DEV bool __hgt(__half a, __half b) { return a > b; }
KAD_DEV __half2 __floats2half2_rn(float a, float b) { return __half2{(__half)a, (__half)b}; }
KAD_DEV __half2 __hadd2(__half2 a, __half2 b) { return a + b; }
KAD_DEV __half2 __hmul2(__half2 a, __half2 b) { return a * b; }
KAD_DEV float __low2float(__half2 a) { return (float)a.x; }
KAD_DEV float __high2float(__half2 a) { return (float)a.y; }
