// Every function of ocml that HIP gives a name and that has a derivative, one output for each, in f64 and f32.
// `a` lies in (0.2, 0.8) and `b` in (1.1, 1.9).

#define PUT(e) out[at++ * n + i] = (e)

extern "C" __global__ void one_argument_f64(const double *x, const double *y, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = x[i], b = y[i];
    int at = 0;
    PUT(sqrt(a)); PUT(rsqrt(a)); PUT(cbrt(a)); PUT(rcbrt(a)); PUT(exp(a)); PUT(exp2(a)); PUT(exp10(a)); PUT(expm1(a));
    PUT(log(a)); PUT(log2(a)); PUT(log10(a)); PUT(log1p(a)); PUT(sin(a)); PUT(cos(a)); PUT(tan(a)); PUT(sinpi(a)); PUT(cospi(a));
    PUT(asin(a)); PUT(acos(a)); PUT(atan(a)); PUT(sinh(a)); PUT(cosh(a)); PUT(tanh(a)); PUT(asinh(a)); PUT(acosh(b)); PUT(atanh(a));
    PUT(erf(a)); PUT(erfc(a)); PUT(erfcx(a)); PUT(erfcx(10.0 * b)); PUT(erfinv(a)); PUT(erfcinv(a)); PUT(normcdf(a)); PUT(normcdfinv(a));
    PUT(tgamma(b)); PUT(lgamma(a)); PUT(lgamma(-a)); PUT(j0(b)); PUT(j1(b)); PUT(y0(b)); PUT(y1(b)); PUT(jn(3, b)); PUT(yn(2, b));
    PUT(cyl_bessel_i0(a)); PUT(cyl_bessel_i1(a)); PUT(fabs(-a)); PUT(floor(5.0 * a)); PUT(ceil(5.0 * a)); PUT(trunc(5.0 * a));
    PUT(round(5.0 * a)); PUT(rint(5.0 * a)); PUT(logb(a)); PUT(a * ilogb(a));
}

extern "C" __global__ void more_arguments_f64(const double *x, const double *y, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double a = x[i], b = y[i];
    int at = 0, e;
    double s, c, whole;
    PUT(pow(a, b)); PUT(pow(b, 3)); PUT(pow(a, 2.0)); PUT(atan2(a, b)); PUT(hypot(a, b)); PUT(rhypot(a, b)); PUT(norm3d(a, b, a * b));
    PUT(rnorm3d(a, b, a * b)); PUT(norm4d(a, b, a * b, 1.0)); PUT(rnorm4d(a, b, a * b, 1.0)); PUT(fmod(b, 0.8)); PUT(fmod(7.0 + b, 2.5 - a));
    PUT(remainder(b, 0.75)); PUT(fdim(b, a)); PUT(fdim(a, b)); PUT(fmax(a, b)); PUT(fmin(a, b)); PUT(copysign(a, -b)); PUT(fma(a, b, a));
    PUT(ldexp(a, 3)); PUT(scalbn(a, -2));
    sincos(a, &s, &c);
    PUT(s * c);
    sincospi(a, &s, &c);
    PUT(s * s * c);
    PUT(modf(3.0 * b, &whole) * whole);
    PUT(frexp(b, &e) * e);
    PUT(remquo(b, 0.75, &e) * e);
    PUT(isnan(a) ? b : a); PUT(signbit(-a) ? a * a : b);
}

extern "C" __global__ void all_f32(const float *x, const float *y, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = x[i], b = y[i];
    int at = 0, e;
    float s, c, whole;
    PUT(sqrtf(a)); PUT(rsqrtf(a)); PUT(cbrtf(a)); PUT(rcbrtf(a)); PUT(expf(a)); PUT(exp2f(a)); PUT(exp10f(a)); PUT(expm1f(a));
    PUT(logf(a)); PUT(log2f(a)); PUT(log10f(a)); PUT(log1pf(a)); PUT(sinf(a)); PUT(cosf(a)); PUT(tanf(a)); PUT(sinpif(a)); PUT(cospif(a));
    PUT(asinf(a)); PUT(acosf(a)); PUT(atanf(a)); PUT(sinhf(a)); PUT(coshf(a)); PUT(tanhf(a)); PUT(asinhf(a)); PUT(acoshf(b)); PUT(atanhf(a));
    PUT(erff(a)); PUT(erfcf(a)); PUT(erfcxf(a)); PUT(erfinvf(a)); PUT(erfcinvf(a)); PUT(normcdff(a)); PUT(normcdfinvf(a));
    PUT(tgammaf(b)); PUT(lgammaf(a)); PUT(j0f(b)); PUT(j1f(b)); PUT(y0f(b)); PUT(y1f(b)); PUT(jnf(3, b)); PUT(ynf(2, b));
    PUT(cyl_bessel_i0f(a)); PUT(cyl_bessel_i1f(a)); PUT(fabsf(-a)); PUT(powf(a, b)); PUT(atan2f(a, b)); PUT(hypotf(a, b)); PUT(rhypotf(a, b));
    PUT(norm3df(a, b, a * b)); PUT(rnorm3df(a, b, a * b)); PUT(norm4df(a, b, a * b, 1.0f)); PUT(rnorm4df(a, b, a * b, 1.0f));
    PUT(fmodf(7.0f + b, 2.5f - a)); PUT(remainderf(b, 0.75f)); PUT(fdimf(b, a)); PUT(fmaxf(a, b)); PUT(fminf(a, b)); PUT(copysignf(a, -b)); PUT(fmaf(a, b, a));
    PUT(ldexpf(a, 3));
    sincosf(a, &s, &c);
    PUT(s * c);
    PUT(modff(3.0f * b, &whole) * whole);
    PUT(frexpf(b, &e) * e);
    PUT(__expf(a)); PUT(__logf(a)); PUT(__sinf(a)); PUT(__cosf(a)); PUT(__powf(a, b)); PUT(__fdividef(a, b)); PUT(__saturatef(a)); PUT(__frcp_rn(a));
}
