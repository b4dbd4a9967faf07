// Kernels as programs have them, for libdevice to be linked into.

// A signal of many waves: phases beyond 1e5 take the slow way of the reduction.
extern "C" __global__ void signal_f32(const float *delay, const float *carrier, const float *rate, float2 *out, int waves, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float re = 0.0f, im = 0.0f, t = delay[i];
    for (int k = 0; k < waves; k++) {
        float s, c;
        sincosf(carrier[k] + 40.0f * rate[k] * t, &s, &c);
        re += rate[k] * c;
        im += rate[k] * s;
    }
    out[i] = make_float2(re + cosf(re), im + sinf(im));
}

// A gas along its adiabat: powers, and what is made of them.
extern "C" __global__ void adiabat_f32(const float *density, const float *exponent, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float rho = density[i], gamma = exponent[i];
    float pressure = powf(rho, gamma);
    out[i] = sqrtf(gamma * pressure / rho) + powf(pressure, -0.3f);
}

// Pendulums driven at high frequency, in double.
extern "C" __global__ void swing_f64(const double *angle, const double *phase, const double *power, double *out, int steps, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double x = angle[i], v = 0.0;
    for (int k = 0; k < steps; k++) {
        double drive = cos(phase[k] + 20.0 * x);
        v += 0.1 * (0.2 * drive - sin(x)) - 0.01 * copysign(pow(fabs(v) + 0.1, power[i]), v);
        x += 0.1 * v;
    }
    out[i] = x + tan(0.3 * v);
}
