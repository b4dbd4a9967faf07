// Floats that are handled as integers: moved, masked, and computed with.

// Vectors are normalised with the inverse square root of Quake III, and one step of Newton's method.
extern "C" __global__ void normalise(const float *v, float *u, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = v[3 * i], y = v[3 * i + 1], z = v[3 * i + 2];
    float s = x * x + y * y + z * z;
    float r = __int_as_float(0x5f3759df - (__float_as_int(s) >> 1));
    r = r * (1.5f - 0.5f * s * r * r);
    u[3 * i] = x * r;
    u[3 * i + 1] = y * r;
    u[3 * i + 2] = z * r;
}

// The same without Newton's step: all of the derivative goes through the bits.
extern "C" __global__ void inverse_roots(const float *x, float *y, float *z, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int b = __float_as_int(x[i]);
    y[i] = __int_as_float(0x5f3759df - (b >> 1));
    z[i] = __int_as_float(0x2a514067 + b / 3);
}

// Schraudolph's exponential: the bits are linear in the exponent.
extern "C" __global__ void softplus(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float e = __int_as_float((int)(12102203.0f * x[i] + 1064866805.0f));
    y[i] = x[i] * e / (1.0f + e);
}

// A logarithm: exponent and mantissa are taken apart, the mantissa's logarithm is a polynomial.
__device__ float log2_by_parts(float x) {
    int b = __float_as_int(x);
    float e = (float)((b >> 23) - 127);
    float m = __int_as_float((b & 0x007fffff) | 0x3f800000);
    float p = -0.344845f * m + 2.024658f;
    return e + p * m - 1.674877f + 0.01f * m * m * m;
}

// And one in which the bits are a number.
__device__ float log2_by_bits(float x) {
    return (float)__float_as_int(x) * 1.1920928955078125e-7f - 126.94269504f;
}

extern "C" __global__ void entropy(const float *p, float *h, float *g, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    h[i] = -p[i] * log2_by_parts(p[i]);
    g[i] = -p[i] * log2_by_bits(p[i]);
}

// An exponential by range reduction: the power of two is put together from its exponent.
extern "C" __global__ void decay(const float *t, const float *rate, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = -rate[i] * t[i];
    float k = rintf(x * 1.44269504f);
    float r = x - k * 0.693147181f;
    float e = 1.0f + r * (1.0f + r * (0.5f + r * (0.16666667f + r * (0.041666668f + r * 0.008333334f))));
    y[i] = e * __int_as_float(((int)k + 127) << 23) + 0.5f * __int_as_float(__float_as_int(x) + (2 << 23));
}

// The same with rounding by a large constant, whose lowest bits are the exponent.
extern "C" __global__ void decay_magic(const float *t, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = -t[i];
    float m = __fmaf_rn(x, 1.44269504f, 12582912.0f);
    float r = x - (m - 12582912.0f) * 0.693147181f;
    float e = 1.0f + r * (1.0f + r * (0.5f + r * (0.16666667f + r * (0.041666668f + r * 0.008333334f))));
    y[i] = e * __int_as_float((__float_as_int(m) << 23) + 0x3f800000);
}

// Signs: taken off, turned over, copied, tested.
extern "C" __global__ void signs(const float *x, const double *d, float *y, double *e, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int b = __float_as_int(x[i]), c = __float_as_int(x[(i + 1) % n]);
    float size = __int_as_float(b & 0x7fffffff), minus = __int_as_float(c ^ 0x80000000);
    float copied = __int_as_float((b & 0x7fffffff) | (c & 0x80000000));
    y[i] = size * size * minus + (b < 0 ? 3.0f : 2.0f) * copied;
    // A double's sign lies in its upper half.
    int hi = __double2hiint(d[i]), lo = __double2loint(d[i]);
    e[i] = __hiloint2double(hi & 0x7fffffff, lo) * d[i];
}

union Word {
    float f;
    int i;
};

// Rows are copied as integers; the kernel's other accesses say that they are floats.
extern "C" __global__ void shift_rows(const Word *in, Word *out, float *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Word w;
    w.i = in[(i + 3) % n].i;
    if (w.i == 0) w.i = in[i].i;
    out[i].i = w.i;
    sum[i] = w.f * in[i].f;
}

// Nothing in the kernel says what is copied, but the case does.
extern "C" __global__ void copy_ints(const int *in, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[n - 1 - i];
}

// Complex numbers travel as one integer of 64 bits.
extern "C" __global__ void rotate(const unsigned long long *z, unsigned long long *w, float angle, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned long long bits = z[i];
    float re = __uint_as_float((unsigned)bits), im = __uint_as_float((unsigned)(bits >> 32));
    float s = sinf(angle), c = cosf(angle);
    float a = re * c - im * s, b = re * s + im * c;
    w[i] = (unsigned long long)__float_as_uint(b) << 32 | __float_as_uint(a);
}

// bfloat16 by hand: widened by a shift, rounded to nearest and to even.
__device__ float widen(unsigned short h) { return __uint_as_float((unsigned)h << 16); }

__device__ unsigned short narrow(float x) {
    unsigned b = __float_as_uint(x);
    return (unsigned short)((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}

extern "C" __global__ void bf16_by_hand(const unsigned short *x, const unsigned short *w, unsigned short *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0.0f;
    for (int j = 0; j < 4; j++) sum += widen(x[(i + j) % n]) * widen(w[j]);
    y[i] = narrow(sum);
}

// Two of them in one word.
extern "C" __global__ void bf16_pairs(const unsigned *x, const unsigned *y, float *dot, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0.0f;
    for (int j = 0; j < 4; j++) {
        unsigned a = x[4 * i + j], b = y[4 * i + j];
        sum += __uint_as_float(a << 16) * __uint_as_float(b << 16);
        sum += __uint_as_float(a & 0xffff0000u) * __uint_as_float(b & 0xffff0000u);
    }
    dot[i] = sum;
}
