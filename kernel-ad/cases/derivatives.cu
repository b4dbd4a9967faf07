// Device functions whose derivative is given by hand, and one that has none.

// The root of x^3 + p x = q for p > 0, by Newton's method; its derivative by the implicit function theorem.
extern "C" __device__ __noinline__ double root(double p, double q) {
    double x = q / (1.0 + p);
    for (int k = 0; k < 60; k++) {
        double step = (x * x * x + p * x - q) / (3.0 * x * x + p);
        x -= step;
        if (step * step < 1e-30) break;
    }
    return x;
}

extern "C" __device__ double root_forward(double p, double dp, double q, double dq) {
    double x = root(p, q);
    return (dq - x * dp) / (3.0 * x * x + p);
}

extern "C" __device__ void root_reverse(double p, double q, double seed, double *dp, double *dq) {
    double x = root(p, q);
    double w = seed / (3.0 * x * x + p);
    *dp += -x * w;
    *dq += w;
}

extern "C" __global__ void depress(const double *p, const double *q, double *x, int n, int rounds) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double y = q[i];
    for (int r = 0; r < rounds; r++) y = root(p[i] * p[i] + 0.5, y) + 0.1 * y;
    x[i] = y;
}

// A table that is interpolated, with one sample beyond its end; the derivative by the samples goes into the table's shadow.
extern "C" __device__ __noinline__ float table(const float *t, float x, int n) {
    float s = x * (float)(n - 1);
    int k = (int)s;
    k = k < 0 ? 0 : k > n - 2 ? n - 2 : k;
    float w = s - (float)k;
    return t[k] + w * (t[k + 1] - t[k]);
}

extern "C" __device__ float table_forward(const float *t, const float *dt, float x, float dx, int n) {
    float s = x * (float)(n - 1);
    int k = (int)s;
    k = k < 0 ? 0 : k > n - 2 ? n - 2 : k;
    float w = s - (float)k;
    float d = (t[k + 1] - t[k]) * (float)(n - 1) * dx;
    return dt ? d + dt[k] + w * (dt[k + 1] - dt[k]) : d;
}

extern "C" __device__ void table_reverse(const float *t, float *dt, float x, int n, float seed, float *dx) {
    float s = x * (float)(n - 1);
    int k = (int)s;
    k = k < 0 ? 0 : k > n - 2 ? n - 2 : k;
    float w = s - (float)k;
    *dx += seed * (t[k + 1] - t[k]) * (float)(n - 1);
    if (dt) {
        atomicAdd(&dt[k], seed * (1.0f - w));
        atomicAdd(&dt[k + 1], seed * w);
    }
}

extern "C" __global__ void look_up(const float *t, const float *x, float *y, int n, int samples) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float a = table(t, x[i], samples);
    y[i] = a * table(t, 0.5f * x[i], samples);
}

// Two results through pointers, written in place: the function turns a vector, its derivative turns the shadows back.
extern "C" __device__ __noinline__ void turn(float *u, float *v, float angle) {
    float c = cosf(angle), s = sinf(angle), a = *u, b = *v;
    *u = c * a - s * b;
    *v = s * a + c * b;
}

extern "C" __device__ void turn_reverse(float *u, float *du, float *v, float *dv, float angle, float *dangle) {
    float c = cosf(angle), s = sinf(angle), a = *du, b = *dv;
    float u1 = *u, v1 = *v;
    *dangle += -a * v1 + b * u1;
    *du = c * a + s * b;
    *dv = -s * a + c * b;
}

extern "C" __global__ void swirl(float *u, float *v, const float *angle, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) turn(&u[i], &v[i], angle[i]);
}

// Noise of a counter-based generator: no derivative, and its state is integers.
extern "C" __device__ __noinline__ float noise(unsigned *state) {
    unsigned x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return __uint_as_float(0x3f800000u | (x >> 9)) - 1.5f;
}

extern "C" __global__ void langevin(float *x, unsigned *state, float friction, float kick, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float y = x[i];
    for (int s = 0; s < steps; s++) y += -friction * y * y * y + kick * y * noise(&state[i]);
    x[i] = y;
}

// A step that counts as constant: the derivative goes around it.
extern "C" __device__ __noinline__ float quantise(float x) {
    float q = 0.125f * rintf(8.0f * x);
    return q * q;
}

extern "C" __global__ void straight_through(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * quantise(x[i]);
}

// Two results through pointers; the reverse derivative takes their adjoints out of the shadows. Forward mode has none of
// its own: it differentiates the function itself.
extern "C" __device__ __noinline__ void polar(float r, float phi, float *x, float *y) {
    *x = r * cosf(phi);
    *y = r * sinf(phi);
}

extern "C" __device__ void polar_reverse(float r, float phi, float *x, float *dx, float *y, float *dy, float *dr,
                                         float *dphi) {
    float c = cosf(phi), s = sinf(phi), a = *dx, b = *dy;
    *dr += a * c + b * s;
    *dphi += r * (b * c - a * s);
    *dx = 0.0f;
    *dy = 0.0f;
}

extern "C" __global__ void spiral(const float *r, float *x, float *y, float turn, int n, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float radius = r[i];
    for (int k = 0; k < m; k++) {
        float a, b;
        polar(radius, turn * (float)(k + 1), &a, &b);
        polar(radius * a, b, &x[i * m + k], &y[i * m + k]);
        radius += 0.1f * a * b;
    }
}
