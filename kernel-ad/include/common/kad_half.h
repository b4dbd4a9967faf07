// Half precision of CUDA and HIP, on clang's own half type.
#ifndef KAD_HALF_H
#define KAD_HALF_H

struct __attribute__((aligned(2))) __half_raw {
  unsigned short x;
};
template <class T> struct kad_if_half {};
template <> struct kad_if_half<_Float16> { typedef _Float16 type; };
struct __attribute__((aligned(2))) __half {
  _Float16 v;
  __half() = default;
  KAD_HD __half(__half_raw bits) : v(__builtin_bit_cast(_Float16, bits.x)) {}
  KAD_HD operator __half_raw() const { return __half_raw{__builtin_bit_cast(unsigned short, v)}; }
  // clang-format off
#define KAD_FROM(T) KAD_HD __half(T x) : v((_Float16)x) {}
  KAD_FROM(_Float16) KAD_FROM(float) KAD_FROM(double)
  KAD_FROM(short) KAD_FROM(unsigned short) KAD_FROM(int) KAD_FROM(unsigned int)
  KAD_FROM(long) KAD_FROM(unsigned long) KAD_FROM(long long) KAD_FROM(unsigned long long)
#undef KAD_FROM
  // clang-format on
  KAD_HD operator float() const { return (float)v; }
  // As a template, so that it is not in the way of conversions to integers.
  template <class T, class = typename kad_if_half<T>::type> KAD_HD operator T() const { return v; }
};
struct __attribute__((aligned(4))) __half2 {
  __half x, y;
  __half2() = default;
  KAD_HD __half2(__half a, __half b) : x(a), y(b) {}
};
typedef __half half;
typedef __half2 half2;

#define KAD_H __half
#define KAD_H2 __half2
#define KAD_NAMED(A, B) A##half##B
#define KAD_NAMED2(A, B) A##half2##B
KAD_HD __half kad_fma(__half a, __half b, __half c) { return __half(__builtin_fmaf16(a.v, b.v, c.v)); }
KAD_HD unsigned short kad_bits(__half a) { return __builtin_bit_cast(unsigned short, a.v); }
KAD_HD __half kad_of_bits(__half, unsigned short x) { return __half(__builtin_bit_cast(_Float16, x)); }
#include "kad_half_functions.h"
#include "kad_half_pairs.h"
KAD_HD __half2 __half2half2(__half a) { return __half2(a, a); }
#undef KAD_H
#undef KAD_H2
#undef KAD_NAMED
#undef KAD_NAMED2

#define CUDART_INF_FP16 __ushort_as_half((unsigned short)0x7c00)
#define CUDART_NAN_FP16 __ushort_as_half((unsigned short)0x7fff)
#define CUDART_MIN_DENORM_FP16 __ushort_as_half((unsigned short)0x0001)
#define CUDART_MAX_NORMAL_FP16 __ushort_as_half((unsigned short)0x7bff)
#define CUDART_NEG_ZERO_FP16 __ushort_as_half((unsigned short)0x8000)
#define CUDART_ZERO_FP16 __ushort_as_half((unsigned short)0x0000)
#define CUDART_ONE_FP16 __ushort_as_half((unsigned short)0x3c00)

#endif
