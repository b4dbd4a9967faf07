// Angles far beyond a turn, reduced with integers and the digits of 2/pi. The carrier is large and fixed; what it is shifted by is
// differentiated.

// The first 192 bits of 2/pi behind the point, the lowest word first.
static __device__ const unsigned digits[6] = {0x3c439041u, 0xdb629599u, 0xf534ddc0u, 0xfc2757d1u, 0x4e441529u, 0xa2f9836eu};

// x less a whole number of quarter turns, which go to `quarters`.
static __device__ float reduced(float x, int *quarters) {
    unsigned bits = __float_as_uint(x);
    // |x| = m 2^e, and a quarter of it is wanted in units of 2/pi, less whole numbers.
    unsigned long long m = (bits & 0x7fffffu) | 0x800000u;
    int from = (int)(bits >> 23 & 255u) - 120;
    int word = from >> 5, shift = from & 31;
    unsigned w[3];
    for (int k = 0; k < 3; k++) w[k] = word + k == 0 ? 0u : digits[6 - word - k];
    unsigned long long high = (unsigned long long)w[0] << 32 | w[1];
    unsigned long long part = shift == 0 ? high : high << shift | w[2] >> (32 - shift);
    unsigned long long turns = m * part;
    int q = (int)((turns + (1ull << 61)) >> 62);
    float r = (float)((double)(long long)(turns << 2) * 8.515303950216386e-20);
    *quarters = bits >> 31 ? -q : q;
    return bits >> 31 ? -r : r;
}

static __device__ float wave(float x) {
    int q;
    float r;
    if (fabsf(x) < 65536.0f) {
        float n = rintf(x * 0.6366197723675814f);
        q = (int)n;
        r = fmaf(n, -1.5707963705062866f, x);
        r = fmaf(n, 4.371138828673793e-08f, r);
    } else {
        r = reduced(x, &q);
    }
    float s = r * r;
    float sine = r * (1.0f + s * (-0.16666667f + s * (8.333333e-3f - s * 1.984127e-4f)));
    float cosine = 1.0f + s * (-0.5f + s * (4.1666668e-2f + s * (-1.3888889e-3f + s * 2.4801588e-5f)));
    float y = q & 1 ? cosine : sine;
    return q & 2 ? -y : y;
}

// Carriers beat: each sample is a sum of waves whose phases are shifted by a delay.
extern "C" __global__ void beat(const float *delay, const float *carrier, const float *rate, float *out, int waves, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0.0f;
    for (int k = 0; k < waves; k++) sum += rate[k] * wave(carrier[k] + rate[k] * delay[i]);
    out[i] = sum;
}
