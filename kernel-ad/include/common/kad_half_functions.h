// Functions of one 16-bit float, KAD_H: included once for half and once for bfloat16. Except the fused multiply-add they are
// computed in single precision and rounded, which gives the same number.

KAD_HD KAD_H KAD_NAMED(__float2, )(float x) { return KAD_H(x); }
KAD_HD KAD_H KAD_NAMED(__float2, _rn)(float x) { return KAD_H(x); }
KAD_HD KAD_H KAD_NAMED(__double2, )(double x) { return KAD_H(x); }
KAD_HD float KAD_NAMED(__, 2float)(KAD_H h) { return (float)h; }
#define KAD_INTEGERS(NAME, T) \
  KAD_HD KAD_H KAD_NAMED(__##NAME##2, _rn)(T x) { return KAD_H((float)x); } \
  KAD_HD T KAD_NAMED(__, 2##NAME##_rn)(KAD_H h) { return (T)__builtin_rintf((float)h); } \
  KAD_HD T KAD_NAMED(__, 2##NAME##_rz)(KAD_H h) { return (T)(float)h; } \
  KAD_HD T KAD_NAMED(__, 2##NAME##_rd)(KAD_H h) { return (T)__builtin_floorf((float)h); } \
  KAD_HD T KAD_NAMED(__, 2##NAME##_ru)(KAD_H h) { return (T)__builtin_ceilf((float)h); }
KAD_INTEGERS(short, short)
KAD_INTEGERS(ushort, unsigned short)
KAD_INTEGERS(int, int)
KAD_INTEGERS(uint, unsigned int)
KAD_INTEGERS(ll, long long)
KAD_INTEGERS(ull, unsigned long long)
#undef KAD_INTEGERS
KAD_HD unsigned short KAD_NAMED(__, _as_ushort)(KAD_H h) { return kad_bits(h); }
KAD_HD short KAD_NAMED(__, _as_short)(KAD_H h) { return (short)kad_bits(h); }
KAD_HD KAD_H KAD_NAMED(__ushort_as_, )(unsigned short x) { return kad_of_bits(KAD_H(), x); }
KAD_HD KAD_H KAD_NAMED(__short_as_, )(short x) { return kad_of_bits(KAD_H(), (unsigned short)x); }

KAD_HD KAD_H kad_saturate(KAD_H a) { return KAD_H(fminf(fmaxf((float)a, 0.0f), 1.0f)); }
#define KAD_TWO(NAME, OP) \
  KAD_HD KAD_H NAME(KAD_H a, KAD_H b) { return KAD_H((float)a OP (float)b); } \
  KAD_HD KAD_H NAME##_rn(KAD_H a, KAD_H b) { return NAME(a, b); } \
  KAD_HD KAD_H NAME##_sat(KAD_H a, KAD_H b) { return kad_saturate(NAME(a, b)); } \
  KAD_HD KAD_H operator OP(KAD_H a, KAD_H b) { return NAME(a, b); } \
  KAD_HD KAD_H &operator OP##=(KAD_H &a, KAD_H b) { return a = NAME(a, b); }
KAD_TWO(__hadd, +)
KAD_TWO(__hsub, -)
KAD_TWO(__hmul, *)
KAD_TWO(__hdiv, /)
#undef KAD_TWO
KAD_HD KAD_H __hneg(KAD_H a) { return KAD_H(-(float)a); }
KAD_HD KAD_H __habs(KAD_H a) { return KAD_H(fabsf((float)a)); }
KAD_HD KAD_H __hfma(KAD_H a, KAD_H b, KAD_H c) { return kad_fma(a, b, c); }
KAD_HD KAD_H __hfma_sat(KAD_H a, KAD_H b, KAD_H c) { return kad_saturate(kad_fma(a, b, c)); }
KAD_HD KAD_H __hfma_relu(KAD_H a, KAD_H b, KAD_H c) { return KAD_H(fmaxf((float)kad_fma(a, b, c), 0.0f)); }
KAD_HD KAD_H __hmax(KAD_H a, KAD_H b) { return KAD_H(fmaxf((float)a, (float)b)); }
KAD_HD KAD_H __hmin(KAD_H a, KAD_H b) { return KAD_H(fminf((float)a, (float)b)); }
KAD_HD bool __hisnan(KAD_H a) { return (float)a != (float)a; }
KAD_HD int __hisinf(KAD_H a) { return (float)a == __builtin_inff() ? 1 : (float)a == -__builtin_inff() ? -1 : 0; }
KAD_HD KAD_H __hmax_nan(KAD_H a, KAD_H b) { return __hisnan(a) ? a : __hisnan(b) ? b : __hmax(a, b); }
KAD_HD KAD_H __hmin_nan(KAD_H a, KAD_H b) { return __hisnan(a) ? a : __hisnan(b) ? b : __hmin(a, b); }
KAD_HD KAD_H operator+(KAD_H a) { return a; }
KAD_HD KAD_H operator-(KAD_H a) { return __hneg(a); }
KAD_HD KAD_H &operator++(KAD_H &a) { return a = KAD_H((float)a + 1.0f); }
KAD_HD KAD_H &operator--(KAD_H &a) { return a = KAD_H((float)a - 1.0f); }
KAD_HD KAD_H operator++(KAD_H &a, int) {
  KAD_H old = a;
  ++a;
  return old;
}
KAD_HD KAD_H operator--(KAD_H &a, int) {
  KAD_H old = a;
  --a;
  return old;
}
// The second form is true also where one is no number.
#define KAD_COMPARE(NAME, OP) \
  KAD_HD bool __h##NAME(KAD_H a, KAD_H b) { return (float)a OP (float)b; } \
  KAD_HD bool __h##NAME##u(KAD_H a, KAD_H b) { return __hisnan(a) || __hisnan(b) || (float)a OP (float)b; } \
  KAD_HD bool operator OP(KAD_H a, KAD_H b) { return (float)a OP (float)b; }
KAD_COMPARE(eq, ==)
KAD_COMPARE(ne, !=)
KAD_COMPARE(lt, <)
KAD_COMPARE(le, <=)
KAD_COMPARE(gt, >)
KAD_COMPARE(ge, >=)
#undef KAD_COMPARE

#define KAD_MATH(NAME, E) \
  KAD_HD KAD_H NAME(KAD_H a) { \
    float x = a; \
    return KAD_H(E); \
  }
KAD_MATH(hexp, expf(x))
KAD_MATH(hexp2, exp2f(x))
KAD_MATH(hexp10, exp10f(x))
KAD_MATH(hlog, logf(x))
KAD_MATH(hlog2, log2f(x))
KAD_MATH(hlog10, log10f(x))
KAD_MATH(hsqrt, sqrtf(x))
KAD_MATH(hrsqrt, rsqrtf(x))
KAD_MATH(hrcp, 1.0f / x)
KAD_MATH(hsin, sinf(x))
KAD_MATH(hcos, cosf(x))
KAD_MATH(htanh, tanhf(x))
KAD_MATH(htanh_approx, tanhf(x))
KAD_MATH(hfloor, floorf(x))
KAD_MATH(hceil, ceilf(x))
KAD_MATH(htrunc, truncf(x))
KAD_MATH(hrint, rintf(x))
#undef KAD_MATH
