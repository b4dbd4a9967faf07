// Functions of two 16-bit floats beside each other, KAD_H2: included once for half and once for bfloat16.

KAD_HD KAD_H2 KAD_NAMED2(make_, )(KAD_H a, KAD_H b) { return KAD_H2(a, b); }
KAD_HD KAD_H2 KAD_NAMED2(__halves2, )(KAD_H a, KAD_H b) { return KAD_H2(a, b); }
KAD_HD KAD_H2 KAD_NAMED2(__float2, _rn)(float a) { return KAD_H2(KAD_H(a), KAD_H(a)); }
KAD_HD KAD_H2 KAD_NAMED2(__floats2, _rn)(float a, float b) { return KAD_H2(KAD_H(a), KAD_H(b)); }
KAD_HD KAD_H2 KAD_NAMED2(__float22, _rn)(float2 a) { return KAD_H2(KAD_H(a.x), KAD_H(a.y)); }
KAD_HD float2 KAD_NAMED2(__, 2float2)(KAD_H2 a) { return make_float2(a.x, a.y); }
KAD_HD float __low2float(KAD_H2 a) { return a.x; }
KAD_HD float __high2float(KAD_H2 a) { return a.y; }
KAD_HD KAD_H KAD_NAMED(__low2, )(KAD_H2 a) { return a.x; }
KAD_HD KAD_H KAD_NAMED(__high2, )(KAD_H2 a) { return a.y; }
KAD_HD KAD_H2 KAD_NAMED2(__low2, )(KAD_H2 a) { return KAD_H2(a.x, a.x); }
KAD_HD KAD_H2 KAD_NAMED2(__high2, )(KAD_H2 a) { return KAD_H2(a.y, a.y); }
KAD_HD KAD_H2 KAD_NAMED2(__lows2, )(KAD_H2 a, KAD_H2 b) { return KAD_H2(a.x, b.x); }
KAD_HD KAD_H2 KAD_NAMED2(__highs2, )(KAD_H2 a, KAD_H2 b) { return KAD_H2(a.y, b.y); }
KAD_HD KAD_H2 __lowhigh2highlow(KAD_H2 a) { return KAD_H2(a.y, a.x); }

#define KAD_ONE(NAME, OF) \
  KAD_HD KAD_H2 NAME(KAD_H2 a) { return KAD_H2(OF(a.x), OF(a.y)); }
#define KAD_TWO(NAME, OF) \
  KAD_HD KAD_H2 NAME(KAD_H2 a, KAD_H2 b) { return KAD_H2(OF(a.x, b.x), OF(a.y, b.y)); }
#define KAD_THREE(NAME, OF) \
  KAD_HD KAD_H2 NAME(KAD_H2 a, KAD_H2 b, KAD_H2 c) { return KAD_H2(OF(a.x, b.x, c.x), OF(a.y, b.y, c.y)); }
KAD_TWO(__hadd2, __hadd)
KAD_TWO(__hsub2, __hsub)
KAD_TWO(__hmul2, __hmul)
KAD_TWO(__h2div, __hdiv)
KAD_TWO(__hadd2_rn, __hadd)
KAD_TWO(__hsub2_rn, __hsub)
KAD_TWO(__hmul2_rn, __hmul)
KAD_TWO(__hadd2_sat, __hadd_sat)
KAD_TWO(__hsub2_sat, __hsub_sat)
KAD_TWO(__hmul2_sat, __hmul_sat)
KAD_TWO(__hmax2, __hmax)
KAD_TWO(__hmin2, __hmin)
KAD_TWO(__hmax2_nan, __hmax_nan)
KAD_TWO(__hmin2_nan, __hmin_nan)
KAD_THREE(__hfma2, __hfma)
KAD_THREE(__hfma2_sat, __hfma_sat)
KAD_THREE(__hfma2_relu, __hfma_relu)
KAD_ONE(__hneg2, __hneg)
KAD_ONE(__habs2, __habs)
KAD_ONE(h2exp, hexp)
KAD_ONE(h2exp2, hexp2)
KAD_ONE(h2exp10, hexp10)
KAD_ONE(h2log, hlog)
KAD_ONE(h2log2, hlog2)
KAD_ONE(h2log10, hlog10)
KAD_ONE(h2sqrt, hsqrt)
KAD_ONE(h2rsqrt, hrsqrt)
KAD_ONE(h2rcp, hrcp)
KAD_ONE(h2sin, hsin)
KAD_ONE(h2cos, hcos)
KAD_ONE(h2tanh, htanh)
KAD_ONE(h2tanh_approx, htanh)
KAD_ONE(h2floor, hfloor)
KAD_ONE(h2ceil, hceil)
KAD_ONE(h2trunc, htrunc)
KAD_ONE(h2rint, hrint)
#undef KAD_ONE
#undef KAD_TWO
#undef KAD_THREE
/// Complex multiply-add.
KAD_HD KAD_H2 __hcmadd(KAD_H2 a, KAD_H2 b, KAD_H2 c) {
  KAD_H x = kad_fma(a.x, b.x, c.x), y = kad_fma(a.x, b.y, c.y);
  return KAD_H2(kad_fma(-a.y, b.y, x), kad_fma(a.y, b.x, y));
}
KAD_HD KAD_H2 __hisnan2(KAD_H2 a) { return KAD_H2(KAD_H((float)__hisnan(a.x)), KAD_H((float)__hisnan(a.y))); }

// One and zero in each half, all bits in each half, and one truth for both.
#define KAD_COMPARE(NAME) \
  KAD_HD KAD_H2 __h##NAME##2(KAD_H2 a, KAD_H2 b) { \
    return KAD_H2(KAD_H(__h##NAME(a.x, b.x) ? 1.0f : 0.0f), KAD_H(__h##NAME(a.y, b.y) ? 1.0f : 0.0f)); \
  } \
  KAD_HD unsigned int __h##NAME##2_mask(KAD_H2 a, KAD_H2 b) { \
    return (__h##NAME(a.x, b.x) ? 0xffffu : 0u) | (__h##NAME(a.y, b.y) ? 0xffff0000u : 0u); \
  } \
  KAD_HD bool __hb##NAME##2(KAD_H2 a, KAD_H2 b) { return __h##NAME(a.x, b.x) && __h##NAME(a.y, b.y); }
KAD_COMPARE(eq)
KAD_COMPARE(ne)
KAD_COMPARE(lt)
KAD_COMPARE(le)
KAD_COMPARE(gt)
KAD_COMPARE(ge)
#undef KAD_COMPARE
#define KAD_COMPARE(NAME, U) \
  KAD_HD KAD_H2 __h##NAME##u2(KAD_H2 a, KAD_H2 b) { \
    return KAD_H2(KAD_H(U(a.x, b.x) ? 1.0f : 0.0f), KAD_H(U(a.y, b.y) ? 1.0f : 0.0f)); \
  } \
  KAD_HD bool __hb##NAME##u2(KAD_H2 a, KAD_H2 b) { return U(a.x, b.x) && U(a.y, b.y); }
KAD_COMPARE(eq, __hequ)
KAD_COMPARE(ne, __hneu)
KAD_COMPARE(lt, __hltu)
KAD_COMPARE(le, __hleu)
KAD_COMPARE(gt, __hgtu)
KAD_COMPARE(ge, __hgeu)
#undef KAD_COMPARE

#define KAD_OPERATOR(OP, OF) \
  KAD_HD KAD_H2 operator OP(KAD_H2 a, KAD_H2 b) { return OF(a, b); } \
  KAD_HD KAD_H2 &operator OP##=(KAD_H2 &a, KAD_H2 b) { return a = OF(a, b); }
KAD_OPERATOR(+, __hadd2)
KAD_OPERATOR(-, __hsub2)
KAD_OPERATOR(*, __hmul2)
KAD_OPERATOR(/, __h2div)
#undef KAD_OPERATOR
KAD_HD KAD_H2 operator+(KAD_H2 a) { return a; }
KAD_HD KAD_H2 operator-(KAD_H2 a) { return __hneg2(a); }
KAD_HD bool operator==(KAD_H2 a, KAD_H2 b) { return __hbeq2(a, b); }
KAD_HD bool operator!=(KAD_H2 a, KAD_H2 b) { return __hbne2(a, b); }
KAD_HD bool operator<(KAD_H2 a, KAD_H2 b) { return __hblt2(a, b); }
KAD_HD bool operator<=(KAD_H2 a, KAD_H2 b) { return __hble2(a, b); }
KAD_HD bool operator>(KAD_H2 a, KAD_H2 b) { return __hbgt2(a, b); }
KAD_HD bool operator>=(KAD_H2 a, KAD_H2 b) { return __hbge2(a, b); }
