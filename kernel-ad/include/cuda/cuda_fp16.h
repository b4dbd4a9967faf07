// Half precision: the part of CUDA's header that kernels use, on clang's own half type.
#pragma once
#include "kad_cuda.h"

struct __attribute__((aligned(2))) __half_raw {
  unsigned short x;
};
struct __attribute__((aligned(2))) __half {
  _Float16 v;
  __half() = default;
  KAD_HD __half(__half_raw bits) : v(__builtin_bit_cast(_Float16, bits.x)) {}
  KAD_HD operator __half_raw() const { return __half_raw{__builtin_bit_cast(unsigned short, v)}; }
  KAD_HD __half(float x) : v((_Float16)x) {}
  KAD_HD __half(double x) : v((_Float16)x) {}
  KAD_HD __half(int x) : v((_Float16)x) {}
  KAD_HD __half(unsigned int x) : v((_Float16)x) {}
  KAD_HD operator float() const { return (float)v; }
};
struct __attribute__((aligned(4))) __half2 {
  __half x, y;
  __half2() = default;
  KAD_HD __half2(__half a, __half b) : x(a), y(b) {}
};
typedef __half half;
typedef __half2 half2;

KAD_DEV __half kad_half(_Float16 v) { __half h; h.v = v; return h; }
KAD_HD __half __float2half(float x) { return __half(x); }
KAD_HD __half __float2half_rn(float x) { return __half(x); }
KAD_HD __half __double2half(double x) { return __half(x); }
KAD_HD float __half2float(__half h) { return (float)h.v; }
KAD_DEV __half __int2half_rn(int x) { return kad_half((_Float16)x); }
KAD_DEV int __half2int_rn(__half h) { return (int)__builtin_rintf((float)h.v); }
KAD_DEV int __half2int_rz(__half h) { return (int)h.v; }
KAD_DEV unsigned short __half_as_ushort(__half h) { return __builtin_bit_cast(unsigned short, h.v); }
KAD_DEV __half __ushort_as_half(unsigned short x) { return kad_half(__builtin_bit_cast(_Float16, x)); }
KAD_DEV short __half_as_short(__half h) { return __builtin_bit_cast(short, h.v); }
KAD_DEV __half __short_as_half(short x) { return kad_half(__builtin_bit_cast(_Float16, x)); }

KAD_DEV __half __hadd(__half a, __half b) { return kad_half(a.v + b.v); }
KAD_DEV __half __hsub(__half a, __half b) { return kad_half(a.v - b.v); }
KAD_DEV __half __hmul(__half a, __half b) { return kad_half(a.v * b.v); }
KAD_DEV __half __hdiv(__half a, __half b) { return kad_half(a.v / b.v); }
KAD_DEV __half __hneg(__half a) { return kad_half(-a.v); }
KAD_DEV __half __habs(__half a) { return kad_half(a.v < (_Float16)0 ? -a.v : a.v); }
KAD_DEV __half __hfma(__half a, __half b, __half c) { return kad_half(__builtin_fmaf16(a.v, b.v, c.v)); }
KAD_DEV bool __heq(__half a, __half b) { return a.v == b.v; }
KAD_DEV bool __hne(__half a, __half b) { return a.v != b.v; }
KAD_DEV bool __hlt(__half a, __half b) { return a.v < b.v; }
KAD_DEV bool __hle(__half a, __half b) { return a.v <= b.v; }
KAD_DEV bool __hgt(__half a, __half b) { return a.v > b.v; }
KAD_DEV bool __hge(__half a, __half b) { return a.v >= b.v; }
KAD_DEV __half __hmax(__half a, __half b) { return __float2half(fmaxf(a, b)); }
KAD_DEV __half __hmin(__half a, __half b) { return __float2half(fminf(a, b)); }
KAD_DEV __half operator+(__half a, __half b) { return __hadd(a, b); }
KAD_DEV __half operator-(__half a, __half b) { return __hsub(a, b); }
KAD_DEV __half operator*(__half a, __half b) { return __hmul(a, b); }
KAD_DEV __half operator/(__half a, __half b) { return __hdiv(a, b); }
KAD_DEV __half operator-(__half a) { return __hneg(a); }
KAD_DEV __half &operator+=(__half &a, __half b) { return a = a + b; }
KAD_DEV __half &operator-=(__half &a, __half b) { return a = a - b; }
KAD_DEV __half &operator*=(__half &a, __half b) { return a = a * b; }
KAD_DEV bool operator<(__half a, __half b) { return a.v < b.v; }
KAD_DEV bool operator>(__half a, __half b) { return a.v > b.v; }
KAD_DEV bool operator<=(__half a, __half b) { return a.v <= b.v; }
KAD_DEV bool operator>=(__half a, __half b) { return a.v >= b.v; }
KAD_DEV bool operator==(__half a, __half b) { return a.v == b.v; }
KAD_DEV bool operator!=(__half a, __half b) { return a.v != b.v; }

// CUDA computes these in single precision and rounds.
KAD_DEV __half hexp(__half a) { return __float2half(expf(a)); }
KAD_DEV __half hexp2(__half a) { return __float2half(exp2f(a)); }
KAD_DEV __half hlog(__half a) { return __float2half(logf(a)); }
KAD_DEV __half hlog2(__half a) { return __float2half(log2f(a)); }
KAD_DEV __half hsqrt(__half a) { return __float2half(sqrtf(a)); }
KAD_DEV __half hrsqrt(__half a) { return __float2half(rsqrtf(a)); }
KAD_DEV __half hrcp(__half a) { return __float2half(1.0f / (float)a); }
KAD_DEV __half hsin(__half a) { return __float2half(sinf(a)); }
KAD_DEV __half hcos(__half a) { return __float2half(cosf(a)); }
KAD_DEV __half hfloor(__half a) { return __float2half(floorf(a)); }
KAD_DEV __half hceil(__half a) { return __float2half(ceilf(a)); }
KAD_DEV __half hrint(__half a) { return __float2half(rintf(a)); }

KAD_DEV __half2 __halves2half2(__half a, __half b) { return __half2(a, b); }
KAD_DEV __half2 __half2half2(__half a) { return __half2(a, a); }
KAD_DEV __half2 __float2half2_rn(float a) { return __half2(__float2half(a), __float2half(a)); }
KAD_DEV __half2 __floats2half2_rn(float a, float b) { return __half2(__float2half(a), __float2half(b)); }
KAD_DEV __half2 __float22half2_rn(float2 a) { return __floats2half2_rn(a.x, a.y); }
KAD_DEV float2 __half22float2(__half2 a) { return make_float2(a.x, a.y); }
KAD_DEV float __low2float(__half2 a) { return a.x; }
KAD_DEV float __high2float(__half2 a) { return a.y; }
KAD_DEV __half __low2half(__half2 a) { return a.x; }
KAD_DEV __half __high2half(__half2 a) { return a.y; }
KAD_DEV __half2 __hadd2(__half2 a, __half2 b) { return __half2(a.x + b.x, a.y + b.y); }
KAD_DEV __half2 __hsub2(__half2 a, __half2 b) { return __half2(a.x - b.x, a.y - b.y); }
KAD_DEV __half2 __hmul2(__half2 a, __half2 b) { return __half2(a.x * b.x, a.y * b.y); }
KAD_DEV __half2 __h2div(__half2 a, __half2 b) { return __half2(a.x / b.x, a.y / b.y); }
KAD_DEV __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return __half2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); }
KAD_DEV __half2 __hneg2(__half2 a) { return __half2(-a.x, -a.y); }
KAD_DEV __half2 operator+(__half2 a, __half2 b) { return __hadd2(a, b); }
KAD_DEV __half2 operator-(__half2 a, __half2 b) { return __hsub2(a, b); }
KAD_DEV __half2 operator*(__half2 a, __half2 b) { return __hmul2(a, b); }
