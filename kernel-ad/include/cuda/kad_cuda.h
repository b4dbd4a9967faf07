// Stands in for the CUDA toolkit's headers when a .cu file is compiled for its device side only. Included before the file.
// Built on the headers that clang itself brings.
#ifndef KAD_CUDA_H
#define KAD_CUDA_H

#ifndef __CUDACC__
#define __CUDACC__ 1
#endif
#define CUDA_VERSION 12040
#define CUDART_VERSION 12040
#define __CUDACC_VER_MAJOR__ 12
#define __CUDACC_VER_MINOR__ 4
#define __CUDA_PREC_DIV 1
#define __CUDA_PREC_SQRT 1
#ifndef __USE_FAST_MATH__
#define __USE_FAST_MATH__ 0
#endif

#define __host__ __attribute__((host))
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __managed__ __attribute__((device))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__
#ifndef __restrict__
#define __restrict__ __restrict
#endif
#define CUDART_CB
#define CUDARTAPI

#include <__clang_cuda_math_forward_declares.h>
#include <cmath>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../common/kad_vector_types.h"
#include <__clang_cuda_builtin_vars.h>

#define KAD_COORDINATE(T) \
  __device__ inline T::operator dim3() const { return dim3(x, y, z); } \
  __device__ inline T::operator uint3() const { return {x, y, z}; }
KAD_COORDINATE(__cuda_builtin_threadIdx_t)
KAD_COORDINATE(__cuda_builtin_blockIdx_t)
KAD_COORDINATE(__cuda_builtin_blockDim_t)
KAD_COORDINATE(__cuda_builtin_gridDim_t)

typedef unsigned int cuuint32_t;

#include <__clang_cuda_libdevice_declares.h>
#include <__clang_cuda_device_functions.h>
#include <__clang_cuda_math.h>

extern "C" {
__device__ int vprintf(const char *, const char *);
__device__ int printf(const char *, ...);
__device__ void free(void *) __attribute((nothrow));
__device__ void *malloc(size_t) __attribute((nothrow)) __attribute__((malloc));
__device__ void __assertfail(const char *message, const char *file, unsigned line, const char *function, size_t char_size);
__device__ static inline void __assert_fail(const char *message, const char *file, unsigned line, const char *function) {
  __assertfail(message, file, line, function, sizeof(char));
}
}

// For sm_90 clang's header uses these, and does not declare them.
__device__ static inline unsigned __isShared(const void *p) { return __nvvm_isspacep_shared(p); }
__device__ static inline size_t __cvta_generic_to_shared(const void *p) {
  return (size_t)(const void __attribute__((address_space(3))) *)p;
}

#include <__clang_cuda_cmath.h>
// Clang's header passes (mask, value), the intrinsic functions take (value, mask).
#define __nvvm_redux_sync_add(mask, value) __nvvm_redux_sync_add(value, mask)
#define __nvvm_redux_sync_min(mask, value) __nvvm_redux_sync_min(value, mask)
#define __nvvm_redux_sync_max(mask, value) __nvvm_redux_sync_max(value, mask)
#define __nvvm_redux_sync_umin(mask, value) __nvvm_redux_sync_umin(value, mask)
#define __nvvm_redux_sync_umax(mask, value) __nvvm_redux_sync_umax(value, mask)
#define __nvvm_redux_sync_and(mask, value) __nvvm_redux_sync_and(value, mask)
#define __nvvm_redux_sync_or(mask, value) __nvvm_redux_sync_or(value, mask)
#define __nvvm_redux_sync_xor(mask, value) __nvvm_redux_sync_xor(value, mask)
#include <__clang_cuda_intrinsics.h>
#undef __nvvm_redux_sync_add
#undef __nvvm_redux_sync_min
#undef __nvvm_redux_sync_max
#undef __nvvm_redux_sync_umin
#undef __nvvm_redux_sync_umax
#undef __nvvm_redux_sync_and
#undef __nvvm_redux_sync_or
#undef __nvvm_redux_sync_xor
#include <__clang_cuda_complex_builtins.h>

#define KAD_DEV __device__ static inline __attribute__((always_inline))

// Functions of floats under the names of those of doubles. Those that clang's header declares and nobody defines would be
// calls of something unknown.
#define KAD_FLOAT(name) \
  KAD_DEV float name(float x) { return name##f(x); }
#define KAD_FLOAT2(name) \
  KAD_DEV float name(float x, float y) { return name##f(x, y); }
KAD_FLOAT(acosh)
KAD_FLOAT(asinh)
KAD_FLOAT(atanh)
KAD_FLOAT(cbrt)
KAD_FLOAT(cospi)
KAD_FLOAT(erf)
KAD_FLOAT(erfc)
KAD_FLOAT(erfcinv)
KAD_FLOAT(erfcx)
KAD_FLOAT(erfinv)
KAD_FLOAT(exp2)
KAD_FLOAT(expm1)
KAD_FLOAT(lgamma)
KAD_FLOAT(log1p)
KAD_FLOAT(log2)
KAD_FLOAT(logb)
KAD_FLOAT(nearbyint)
KAD_FLOAT(normcdf)
KAD_FLOAT(normcdfinv)
KAD_FLOAT(rcbrt)
KAD_FLOAT(rint)
KAD_FLOAT(round)
KAD_FLOAT(rsqrt)
KAD_FLOAT(sinpi)
KAD_FLOAT(tgamma)
KAD_FLOAT(trunc)
KAD_FLOAT2(copysign)
KAD_FLOAT2(fdim)
KAD_FLOAT2(fmax)
KAD_FLOAT2(fmin)
KAD_FLOAT2(hypot)
KAD_FLOAT2(nextafter)
KAD_FLOAT2(remainder)
KAD_DEV float fma(float x, float y, float z) { return fmaf(x, y, z); }
KAD_DEV int ilogb(float x) { return ilogbf(x); }
KAD_DEV long lrint(float x) { return lrintf(x); }
KAD_DEV long lround(float x) { return lroundf(x); }
KAD_DEV long long llrint(float x) { return llrintf(x); }
KAD_DEV long long llround(float x) { return llroundf(x); }
KAD_DEV float scalbn(float x, int n) { return scalbnf(x, n); }
KAD_DEV float scalbln(float x, long n) { return scalblnf(x, n); }
KAD_DEV void sincos(float x, float *s, float *c) { sincosf(x, s, c); }
KAD_DEV void sincospi(float x, float *s, float *c) { sincospif(x, s, c); }

// Integer minima and maxima, and mixtures of types, as CUDA's headers have them.
KAD_DEV unsigned int min(unsigned int a, unsigned int b) { return a < b ? a : b; }
KAD_DEV unsigned int max(unsigned int a, unsigned int b) { return a > b ? a : b; }
KAD_DEV unsigned int min(int a, unsigned int b) { return min((unsigned int)a, b); }
KAD_DEV unsigned int min(unsigned int a, int b) { return min(a, (unsigned int)b); }
KAD_DEV unsigned int max(int a, unsigned int b) { return max((unsigned int)a, b); }
KAD_DEV unsigned int max(unsigned int a, int b) { return max(a, (unsigned int)b); }
KAD_DEV long min(long a, long b) { return a < b ? a : b; }
KAD_DEV long max(long a, long b) { return a > b ? a : b; }
KAD_DEV long long min(long long a, long long b) { return a < b ? a : b; }
KAD_DEV long long max(long long a, long long b) { return a > b ? a : b; }
KAD_DEV unsigned long min(unsigned long a, unsigned long b) { return a < b ? a : b; }
KAD_DEV unsigned long max(unsigned long a, unsigned long b) { return a > b ? a : b; }
KAD_DEV unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
KAD_DEV unsigned long long max(unsigned long long a, unsigned long long b) { return a > b ? a : b; }
KAD_DEV float min(float a, float b) { return fminf(a, b); }
KAD_DEV float max(float a, float b) { return fmaxf(a, b); }
KAD_DEV double min(double a, double b) { return fmin(a, b); }
KAD_DEV double max(double a, double b) { return fmax(a, b); }
KAD_DEV double min(float a, double b) { return fmin((double)a, b); }
KAD_DEV double min(double a, float b) { return fmin(a, (double)b); }
KAD_DEV double max(float a, double b) { return fmax((double)a, b); }
KAD_DEV double max(double a, float b) { return fmax(a, (double)b); }

// Addresses within a space, as numbers.
KAD_DEV size_t __cvta_generic_to_global(const void *p) { return (size_t)(const void __attribute__((address_space(1))) *)p; }

KAD_DEV unsigned int __isGlobal(const void *p) { return __nvvm_isspacep_global(p); }
KAD_DEV unsigned int __isConstant(const void *p) { return __nvvm_isspacep_const(p); }
KAD_DEV unsigned int __isLocal(const void *p) { return __nvvm_isspacep_local(p); }
// How long a thread sleeps decides nothing.
KAD_DEV void __nanosleep(unsigned int) {}

// Products of the four bytes of words, and of two halves with two bytes, added up.
#define KAD_DOT(T, BYTE, HALF) \
  KAD_DEV T __dp4a(T a, T b, T c) { \
    for (int k = 0; k < 32; k += 8) c += (T)(BYTE)(a >> k) * (T)(BYTE)(b >> k); \
    return c; \
  } \
  KAD_DEV T __dp2a_lo(T a, T b, T c) { return c + (T)(HALF)a * (T)(BYTE)b + (T)(HALF)(a >> 16) * (T)(BYTE)(b >> 8); } \
  KAD_DEV T __dp2a_hi(T a, T b, T c) { return __dp2a_lo(a, b >> 16, c); }
KAD_DOT(int, signed char, short)
KAD_DOT(unsigned int, unsigned char, unsigned short)
KAD_DEV int __dp4a(char4 a, char4 b, int c) { return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
KAD_DEV unsigned int __dp4a(uchar4 a, uchar4 b, unsigned int c) {
  return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}

// Cache hints of loads and stores are hints: plain accesses.
#define KAD_CACHE(T) \
  KAD_DEV T __ldcg(const T *p) { return *p; } \
  KAD_DEV T __ldca(const T *p) { return *p; } \
  KAD_DEV T __ldcs(const T *p) { return __builtin_nontemporal_load(p); } \
  KAD_DEV T __ldlu(const T *p) { return *p; } \
  KAD_DEV T __ldcv(const T *p) { return *(const volatile T *)p; } \
  KAD_DEV void __stcg(T *p, T v) { *p = v; } \
  KAD_DEV void __stwb(T *p, T v) { *p = v; } \
  KAD_DEV void __stcs(T *p, T v) { __builtin_nontemporal_store(v, p); } \
  KAD_DEV void __stwt(T *p, T v) { *(volatile T *)p = v; }
KAD_CACHE(int)
KAD_CACHE(unsigned int)
KAD_CACHE(long long)
KAD_CACHE(unsigned long long)
KAD_CACHE(float)
KAD_CACHE(double)

#include "kad_cuda_atomics.h"
#include "kad_cuda_host.h"

#endif
