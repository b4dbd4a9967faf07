// HIP's functions of integers and of the bits of numbers, conversions, and clocks.
#ifndef KAD_HIP_INTEGERS_H
#define KAD_HIP_INTEGERS_H

KAD_DEV unsigned int __float_as_uint(float x) { return __builtin_bit_cast(unsigned int, x); }
KAD_DEV int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
KAD_DEV float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
KAD_DEV float __uint_as_float(unsigned int x) { return __builtin_bit_cast(float, x); }
KAD_DEV long long __double_as_longlong(double x) { return __builtin_bit_cast(long long, x); }
KAD_DEV double __longlong_as_double(long long x) { return __builtin_bit_cast(double, x); }
KAD_DEV int __popc(unsigned int x) { return __builtin_popcount(x); }
KAD_DEV int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
KAD_DEV int __clz(int x) { return x == 0 ? 32 : __builtin_clz(x); }
KAD_DEV int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(x); }
KAD_DEV int __ffs(int x) { return __builtin_ffs(x); }
KAD_DEV int __ffsll(long long x) { return __builtin_ffsll(x); }
KAD_DEV unsigned int __brev(unsigned int x) { return __builtin_bitreverse32(x); }
KAD_DEV unsigned int __umulhi(unsigned int a, unsigned int b) { return ((unsigned long long)a * b) >> 32; }
KAD_DEV int __mulhi(int a, int b) { return ((long long)a * b) >> 32; }

KAD_DEV int __mul24(int a, int b) { return ((a << 8) >> 8) * ((b << 8) >> 8); }
KAD_DEV unsigned int __umul24(unsigned int a, unsigned int b) { return (a & 0xffffffu) * (b & 0xffffffu); }
KAD_DEV unsigned int __sad(int a, int b, unsigned int c) { return (a > b ? (unsigned int)a - b : (unsigned int)b - a) + c; }
KAD_DEV unsigned int __usad(unsigned int a, unsigned int b, unsigned int c) { return (a > b ? a - b : b - a) + c; }
KAD_DEV int __hadd(int a, int b) { return (int)(((long long)a + b) >> 1); }
KAD_DEV int __rhadd(int a, int b) { return (int)(((long long)a + b + 1) >> 1); }

KAD_DEV unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
KAD_DEV long long __mul64hi(long long a, long long b) { return (long long)(((__int128)a * b) >> 64); }
KAD_DEV int __ffs(unsigned int x) { return __builtin_ffs((int)x); }
KAD_DEV int __ffsll(unsigned long long x) { return __builtin_ffsll((long long)x); }
KAD_DEV int __ffsll(unsigned long x) { return __builtin_ffsll((long long)x); }
KAD_DEV unsigned long long __brevll(unsigned long long x) { return __builtin_bitreverse64(x); }
KAD_DEV unsigned int __byte_perm(unsigned int a, unsigned int b, unsigned int s) {
  unsigned long long bytes = (unsigned long long)b << 32 | a;
  unsigned int out = 0;
  for (int k = 0; k < 4; k++) out |= (unsigned int)(bytes >> (8 * (s >> 4 * k & 7u)) & 0xffu) << 8 * k;
  return out;
}
KAD_DEV unsigned int __funnelshift_l(unsigned int lo, unsigned int hi, unsigned int s) {
  return (unsigned int)((((unsigned long long)hi << 32 | lo) << (s & 31u)) >> 32);
}
KAD_DEV unsigned int __funnelshift_r(unsigned int lo, unsigned int hi, unsigned int s) {
  return (unsigned int)(((unsigned long long)hi << 32 | lo) >> (s & 31u));
}
KAD_DEV unsigned int __funnelshift_lc(unsigned int lo, unsigned int hi, unsigned int s) {
  return (unsigned int)((((unsigned long long)hi << 32 | lo) << (s < 32u ? s : 32u)) >> 32);
}
KAD_DEV unsigned int __funnelshift_rc(unsigned int lo, unsigned int hi, unsigned int s) {
  return (unsigned int)(((unsigned long long)hi << 32 | lo) >> (s < 32u ? s : 32u));
}
KAD_DEV unsigned int __uhadd(unsigned int a, unsigned int b) { return (unsigned int)(((unsigned long long)a + b) >> 1); }
KAD_DEV unsigned int __urhadd(unsigned int a, unsigned int b) {
  return (unsigned int)(((unsigned long long)a + b + 1) >> 1);
}
KAD_DEV unsigned int __bitextract_u32(unsigned int x, unsigned int from, unsigned int n) {
  from &= 31u, n &= 31u;
  return x >> from & ((1u << n) - 1u);
}
KAD_DEV unsigned int __bitinsert_u32(unsigned int x, unsigned int y, unsigned int from, unsigned int n) {
  from &= 31u, n &= 31u;
  unsigned int mask = ((1u << n) - 1u) << from;
  return (x & ~mask) | (y << from & mask);
}
KAD_DEV unsigned int __mbcnt_lo(unsigned int x, unsigned int add) { return __builtin_amdgcn_mbcnt_lo(x, add); }
KAD_DEV unsigned int __mbcnt_hi(unsigned int x, unsigned int add) { return __builtin_amdgcn_mbcnt_hi(x, add); }

KAD_DEV int __double2hiint(double x) { return (int)(__builtin_bit_cast(unsigned long long, x) >> 32); }
KAD_DEV int __double2loint(double x) { return (int)__builtin_bit_cast(unsigned long long, x); }
KAD_DEV double __hiloint2double(int hi, int lo) {
  return __builtin_bit_cast(double, (unsigned long long)(unsigned int)hi << 32 | (unsigned int)lo);
}

// Floats to integers, rounded to the nearest, down, up and to zero.
#define KAD_ROUNDED(FROM, F, S, TO, T) \
  KAD_DEV T __##FROM##2##TO##_rn(F x) { return (T)rint##S(x); } \
  KAD_DEV T __##FROM##2##TO##_rd(F x) { return (T)floor##S(x); } \
  KAD_DEV T __##FROM##2##TO##_ru(F x) { return (T)ceil##S(x); } \
  KAD_DEV T __##FROM##2##TO##_rz(F x) { return (T)x; }
#define KAD_TO_INTEGERS(FROM, F, S) \
  KAD_ROUNDED(FROM, F, S, int, int) KAD_ROUNDED(FROM, F, S, uint, unsigned int) \
  KAD_ROUNDED(FROM, F, S, ll, long long) KAD_ROUNDED(FROM, F, S, ull, unsigned long long)
KAD_TO_INTEGERS(float, float, f)
KAD_TO_INTEGERS(double, double, )

// The modes that are not to the nearest round to the nearest, as in HIP's own headers.
#define KAD_NARROWED(FROM, F, TO, T) \
  KAD_DEV T __##FROM##2##TO##_rn(F x) { return (T)x; } \
  KAD_DEV T __##FROM##2##TO##_rd(F x) { return (T)x; } \
  KAD_DEV T __##FROM##2##TO##_ru(F x) { return (T)x; } \
  KAD_DEV T __##FROM##2##TO##_rz(F x) { return (T)x; }
KAD_NARROWED(int, int, float, float)
KAD_NARROWED(uint, unsigned int, float, float)
KAD_NARROWED(ll, long long, float, float)
KAD_NARROWED(ull, unsigned long long, float, float)
KAD_NARROWED(ll, long long, double, double)
KAD_NARROWED(ull, unsigned long long, double, double)
KAD_NARROWED(double, double, float, float)
KAD_DEV double __int2double_rn(int x) { return x; }
KAD_DEV double __uint2double_rn(unsigned int x) { return x; }

KAD_DEV long long clock64() { return (long long)__builtin_readcyclecounter(); }
KAD_DEV long long clock() { return clock64(); }
KAD_DEV long long wall_clock64() { return (long long)__builtin_readsteadycounter(); }

#endif
