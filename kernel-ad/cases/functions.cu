// Device functions, run and differentiated by themselves: every thread calls them with the same arguments.

// The energy of a chain of springs; the result is a number.
extern "C" __device__ float chain(const float *x, int n, float stiffness, float rest) {
    float e = 0.0f;
    for (int i = 0; i + 1 < n; i++) {
        float d = x[i + 1] - x[i] - rest;
        e += 0.5f * stiffness * d * d;
    }
    return e;
}

// A rotation in place: results through pointers, nothing returned.
extern "C" __device__ void rotate3(double *v, const double *axis, double angle) {
    double c = cos(angle), s = sin(angle);
    double d = (axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2]) * (1.0 - c);
    double x = v[0] * c + (axis[1] * v[2] - axis[2] * v[1]) * s + axis[0] * d;
    double y = v[1] * c + (axis[2] * v[0] - axis[0] * v[2]) * s + axis[1] * d;
    double z = v[2] * c + (axis[0] * v[1] - axis[1] * v[0]) * s + axis[2] * d;
    v[0] = x;
    v[1] = y;
    v[2] = z;
}

struct Spectrum {
    float low, high, ratio;
};

struct Gas {
    const float *p;
    float gamma;
    int n;
};

// A struct by value with a pointer in it, and a struct as the result.
extern "C" __device__ Spectrum spectrum(Gas g, float cut) {
    Spectrum s = {0.0f, 0.0f, 0.0f};
    for (int i = 0; i < g.n; i++) {
        float e = powf(fabsf(g.p[i]) + 0.5f, g.gamma);
        if (g.p[i] < cut) s.low += e;
        else s.high += e * e;
    }
    s.ratio = s.low / (1.0f + s.high);
    return s;
}

// A tape that is bounded: in the function that is generated it lies in local memory.
extern "C" __device__ float nested(const float *c, float x) {
    float y = c[5];
    for (int k = 4; k >= 0; k--) y = sinf(y) * x + c[k];
    return y;
}
