// Functions of floats under the names of those of doubles, as templates and C++ programmers call them.
template <class T> __device__ T softplus(T x) { return log1p(exp(x)); }
template <class T> __device__ T smooth_max(T a, T b) { return fmax(a, b) + log1p(exp(-fdim(a, b) - fdim(b, a))); }

extern "C" __global__ void overloads_f32(const float* x, const float* y, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = x[i], b = y[i], s, c, sp, cp;
    sincos(a, &s, &c);
    sincospi(b, &sp, &cp);
    float r = softplus(a) + smooth_max(a, b) + s * cp - c * sp;
    r += acosh(1.5f + a) * asinh(b) + atanh(0.5f * a) + cbrt(0.5f + a) + erf(a) * erfc(b) + erfcx(a) + expm1(a) * exp2(b);
    r += lgamma(1.0f + a) + tgamma(1.5f + b) + log2(0.5f + a) + logb(4.5f + a) * b + hypot(a, b) + rsqrt(0.5f + a) + rcbrt(0.5f + b);
    r += fma(a, b, fmin(a, 2 * b)) + copysign(a, b - 0.5f) + remainder(a, 4.0f) + scalbn(a, 2) + scalbln(b, 1L) + normcdf(a) + cospi(a) * sinpi(b);
    r += a * (round(b + 3) + rint(a + 5) + trunc(b + 7) + nearbyint(a + 9) + ilogb(b + 4) + lround(a + 2) + llrint(b + 6));
    // A float and an integer, a float and a double.
    r += fmax(a, 0) + pow(a, 2) + pow(b, 2.0f) + std::max(a, 0.5f) + std::abs(b) + (float)(fmin(a, 1.0) + hypot(b, 1));
    out[i] = r;
}
