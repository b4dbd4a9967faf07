// Complex numbers of CUDA (`cu`) and HIP (`hip`), on the vectors of two.
#ifndef KAD_COMPLEX_H
#define KAD_COMPLEX_H

/// `P` begins the functions' names and `F` ends them, `C` is the type, `B` that of its parts.
#define KAD_COMPLEX(P, C, B, F) \
  KAD_HD B P##Creal##F(C z) { return z.x; } \
  KAD_HD B P##Cimag##F(C z) { return z.y; } \
  KAD_HD C make_##C(B x, B y) { C z; z.x = x; z.y = y; return z; } \
  KAD_HD C P##Conj##F(C z) { return make_##C(z.x, -z.y); } \
  KAD_HD C P##Cadd##F(C a, C b) { return make_##C(a.x + b.x, a.y + b.y); } \
  KAD_HD C P##Csub##F(C a, C b) { return make_##C(a.x - b.x, a.y - b.y); } \
  KAD_HD C P##Cmul##F(C a, C b) { return make_##C(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); } \
  /* Scaled, so that the square of the divisor does not overflow. */ \
  KAD_HD C P##Cdiv##F(C a, C b) { \
    B s = 1 / (fabs##F(b.x) + fabs##F(b.y)); \
    B ax = a.x * s, ay = a.y * s, bx = b.x * s, by = b.y * s; \
    B r = 1 / (bx * bx + by * by); \
    return make_##C((ax * bx + ay * by) * r, (ay * bx - ax * by) * r); \
  } \
  KAD_HD B P##Cabs##F(C z) { return hypot##F(z.x, z.y); } \
  KAD_HD C P##Cfma##F(C a, C b, C c) { \
    B x = a.x * b.x + c.x, y = a.x * b.y + c.y; \
    return make_##C(x - a.y * b.y, y + a.y * b.x); \
  }

#define KAD_COMPLEXES(P) \
  typedef float2 P##FloatComplex; \
  typedef double2 P##DoubleComplex; \
  typedef float2 P##Complex; \
  KAD_COMPLEX(P, P##FloatComplex, float, f) \
  KAD_COMPLEX(P, P##DoubleComplex, double, ) \
  KAD_HD P##Complex make_##P##Complex(float x, float y) { return make_##P##FloatComplex(x, y); } \
  KAD_HD P##DoubleComplex P##ComplexFloatToDouble(P##FloatComplex z) { return make_##P##DoubleComplex(z.x, z.y); } \
  KAD_HD P##FloatComplex P##ComplexDoubleToFloat(P##DoubleComplex z) { \
    return make_##P##FloatComplex((float)z.x, (float)z.y); \
  }

#endif
