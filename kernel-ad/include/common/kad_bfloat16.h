// bfloat16 of CUDA and HIP: a language says before how its types and functions are called. Arithmetic goes through single
// precision, as they define it where the hardware has none.
#ifndef KAD_BFLOAT16_H
#define KAD_BFLOAT16_H

struct __attribute__((aligned(2))) KAD_H {
  unsigned short bits;
  KAD_H() = default;
  KAD_HD KAD_H(float x) {
    unsigned int u = __builtin_bit_cast(unsigned int, x);
    // To nearest, ties to even; NaN stays NaN.
    bits = x != x ? (unsigned short)0x7fff : (unsigned short)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  // clang-format off
#define KAD_FROM(T) KAD_HD KAD_H(T x) : KAD_H((float)x) {}
  KAD_FROM(double) KAD_FROM(short) KAD_FROM(unsigned short) KAD_FROM(int) KAD_FROM(unsigned int)
  KAD_FROM(long) KAD_FROM(unsigned long) KAD_FROM(long long) KAD_FROM(unsigned long long)
#undef KAD_FROM
  // clang-format on
  KAD_HD operator float() const { return __builtin_bit_cast(float, (unsigned int)bits << 16); }
};
struct __attribute__((aligned(4))) KAD_H2 {
  KAD_H x, y;
  KAD_H2() = default;
  KAD_HD KAD_H2(KAD_H a, KAD_H b) : x(a), y(b) {}
};

#define KAD_NAMED(A, B) A##bfloat16##B
#define KAD_NAMED2(A, B) A##bfloat162##B
KAD_HD KAD_H kad_fma(KAD_H a, KAD_H b, KAD_H c) { return KAD_H(fmaf((float)a, (float)b, (float)c)); }
KAD_HD unsigned short kad_bits(KAD_H a) { return a.bits; }
KAD_HD KAD_H kad_of_bits(KAD_H a, unsigned short x) {
  a.bits = x;
  return a;
}
#include "kad_half_functions.h"
#include "kad_half_pairs.h"
KAD_HD KAD_H2 __bfloat162bfloat162(KAD_H a) { return KAD_H2(a, a); }
#undef KAD_NAMED
#undef KAD_NAMED2

#endif
