// Each thread on its own path: random numbers, differential equations, roots, rays, transforms.
#include <math.h>

__device__ unsigned xorshift(unsigned &s) {
    s ^= s << 13;
    s ^= s >> 17;
    s ^= s << 5;
    return s;
}

__device__ float unit(unsigned u) { return (u >> 8) * (1.0f / 16777216.0f) + 0.5f / 16777216.0f; }

// An arithmetic Asian option: xorshift, Box-Muller, payoff summed in shared memory.
extern "C" __global__ void asian_option(float spot, float strike, float rate, float vol, float *price, int paths, int steps, unsigned seed) {
    __shared__ float sum[32];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    float payoff = 0.0f;
    if (i < paths) {
        unsigned s = seed ^ (i * 2654435761u + 12345u);
        float x = spot, mean = 0.0f, dt = 1.0f / steps;
        for (int k = 0; k < steps; k++) {
            float u = unit(xorshift(s)), v = unit(xorshift(s));
            float z = sqrtf(-2.0f * logf(u)) * cosf(6.2831853f * v);
            x *= expf((rate - 0.5f * vol * vol) * dt + vol * sqrtf(dt) * z);
            mean += x / steps;
        }
        payoff = expf(-rate) * fmaxf(mean - strike, 0.0f);
    }
    sum[t] = payoff;
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) {
        if (t < d) sum[t] += sum[t + d];
        __syncthreads();
    }
    if (t == 0) atomicAdd(price, sum[0] / paths);
}

// Philox 4x32 with few rounds: counters, not state. Noise of stochastic volatility (Heston, full truncation).
__device__ uint4 philox(uint4 c, uint2 k) {
    for (int r = 0; r < 4; r++) {
        unsigned h0 = __umulhi(0xD2511F53u, c.x), l0 = 0xD2511F53u * c.x, h1 = __umulhi(0xCD9E8D57u, c.z), l1 = 0xCD9E8D57u * c.z;
        c = make_uint4(h1 ^ c.y ^ k.x, l1, h0 ^ c.w ^ k.y, l0);
        k.x += 0x9E3779B9u;
        k.y += 0xBB67AE85u;
    }
    return c;
}

extern "C" __global__ void heston(const float *spot, const float *variance, float *end, float kappa, float theta, float xi, float rho, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = logf(spot[i]), v = variance[i], dt = 1.0f / steps;
    for (int k = 0; k < steps; k++) {
        uint4 r = philox(make_uint4(i, k, 0u, 0u), make_uint2(42u, 7u));
        float m = sqrtf(-2.0f * logf(unit(r.x))), a, b;
        sincosf(6.2831853f * unit(r.y), &a, &b);
        float z1 = m * a, z2 = rho * z1 + sqrtf(1.0f - rho * rho) * m * b;
        float p = fmaxf(v, 1e-4f), root = sqrtf(p * dt);
        s += -0.5f * p * dt + root * z1;
        v += kappa * (theta - p) * dt + xi * root * z2;
    }
    end[i] = expf(s);
}

// Runge-Kutta of a Lorenz system for an ensemble of starts.
struct Lorenz { double x, y, z; };
__device__ Lorenz slope(Lorenz s, double rho) { return {10.0 * (s.y - s.x), s.x * (rho - s.z) - s.y, s.x * s.y - 8.0 / 3.0 * s.z}; }
__device__ Lorenz plus(Lorenz a, double h, Lorenz b) { return {a.x + h * b.x, a.y + h * b.y, a.z + h * b.z}; }

extern "C" __global__ void lorenz_rk4(Lorenz *state, double rho, int n, int steps, double h) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Lorenz s = state[i];
    for (int k = 0; k < steps; k++) {
        Lorenz a = slope(s, rho), b = slope(plus(s, 0.5 * h, a), rho), c = slope(plus(s, 0.5 * h, b), rho), d = slope(plus(s, h, c), rho);
        s = plus(plus(plus(plus(s, h / 6.0, a), h / 3.0, b), h / 3.0, c), h / 6.0, d);
    }
    state[i] = s;
}

// A pendulum with step control: steps are rejected, halved, doubled; the number of steps is each thread's own.
extern "C" __global__ void adaptive_pendulum(const double *angle, const double *damping, double *end, int n, double until, double tolerance) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double q = angle[i], w = 0.0, c = damping[i], time = 0.0, h = 0.1;
    while (time < until) {
        if (time + h > until) h = until - time;
        double k1q = w, k1w = -sin(q) - c * w;
        double k2q = w + h * k1w, k2w = -sin(q + h * k1q) - c * k2q;
        double error = 0.5 * h * fabs(k2w - k1w);
        if (error > tolerance && h > 1e-3) {
            h *= 0.5;
            continue;
        }
        q += 0.5 * h * (k1q + k2q);
        w += 0.5 * h * (k1w + k2w);
        time += h;
        if (error < 0.1 * tolerance) h *= 2.0;
        if (time > until - 1e-9) break;
    }
    end[i] = q;
}

// Kepler's equation by Newton, with a bound on the number of steps and an early way out.
extern "C" __global__ void kepler(const double *mean, const double *eccentricity, double *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double m = mean[i], e = eccentricity[i], a = m;
    for (int k = 0; k < 30; k++) {
        double d = (a - e * sin(a) - m) / (1.0 - e * cos(a));
        a -= d;
        if (fabs(d) < 1e-12) break;
    }
    x[i] = cos(a) - e;
    y[i] = sqrt(1.0 - e * e) * sin(a);
}

// March along a ray through a density field until it is opaque or leaves; emission and absorption.
extern "C" __global__ void ray_march(const float *density, const float3 *from, const float3 *towards, float *seen, int n, int rays, float step) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rays) return;
    float3 p = from[r], d = towards[r];
    float light = 0.0f, clear = 1.0f;
    for (int k = 0; k < 64; k++) {
        if (p.x < 0.0f || p.y < 0.0f || p.z < 0.0f || p.x >= n || p.y >= n || p.z >= n) break;
        float rho = density[((int)p.z * n + (int)p.y) * n + (int)p.x];
        float absorbed = 1.0f - expf(-rho * step);
        light += clear * absorbed * (0.3f + 0.1f * p.z);
        clear *= 1.0f - absorbed;
        if (clear < 0.05f) break;
        p.x += step * d.x;
        p.y += step * d.y;
        p.z += step * d.z;
    }
    seen[r] = light;
}

// Sphere tracing of a signed distance, with shading where it hits: a nested early return.
extern "C" __global__ void sphere_trace(const float *origin, float radius, float blend, float *shade, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= w || y >= h) return;
    float px = (x - w / 2) * 0.25f, py = (y - h / 2) * 0.25f, pz = -3.0f;
    for (int k = 0; k < 24; k++) {
        float ax = px - origin[0], ay = py - origin[1], az = pz - origin[2];
        float a = sqrtf(ax * ax + ay * ay + az * az) - radius, b = py + 1.2f;
        float m = fmaxf(blend - fabsf(a - b), 0.0f) / blend, d = fminf(a, b) - m * m * blend * 0.25f;
        if (d < 0.01f) {
            shade[y * w + x] = 1.0f / (1.0f + pz * pz) + 0.05f * ax;
            return;
        }
        pz += d;
        if (pz > 6.0f) break;
    }
    shade[y * w + x] = 0.0f;
}

// Escape time, made smooth.
extern "C" __global__ void mandelbrot(const double *re, const double *im, double *smooth, int n, int most) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double x = 0.0, y = 0.0;
    int k = 0;
    while (x * x + y * y < 16.0 && k < most) {
        double t = x * x - y * y + re[i];
        y = 2.0 * x * y + im[i];
        x = t;
        k++;
    }
    smooth[i] = k == most ? x : k + 1.0 - log2(0.5 * log(x * x + y * y));
}

// Radix-2 transform in shared memory, in place, bit-reversed on loading.
extern "C" __global__ void fft_block(const float2 *in, float2 *out, int bits) {
    __shared__ float2 s[32];
    int t = threadIdx.x, n = 1 << bits, at = blockIdx.x * n;
    for (int h = 0; h < 2; h++) {
        int i = t + h * n / 2;
        s[__brev(i) >> (32 - bits)] = in[at + i];
    }
    __syncthreads();
    for (int b = 0; b < bits; b++) {
        int half = 1 << b, j = t & (half - 1), p = ((t >> b) << (b + 1)) + j, q = p + half;
        float a = -3.14159265f * j / half, c = cosf(a), d = sinf(a);
        float2 u = s[p], v = s[q];
        float re = c * v.x - d * v.y, im = c * v.y + d * v.x;
        s[p] = make_float2(u.x + re, u.y + im);
        s[q] = make_float2(u.x - re, u.y - im);
        __syncthreads();
    }
    for (int h = 0; h < 2; h++) {
        float2 v = s[t + h * n / 2];
        out[at + t + h * n / 2] = make_float2(v.x * v.x + v.y * v.y, v.x * v.y);
    }
}
