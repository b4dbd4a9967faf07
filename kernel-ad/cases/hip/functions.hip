// A device function by itself, for AMD: pointers into global memory, and a number as the result.
extern "C" __device__ double lennard(const double *r, double *force, double epsilon, int n) {
    double e = 0.0;
    for (int i = 0; i < n; i++) {
        double q = 1.0 / (r[i] * r[i]), s = q * q * q;
        e += 4.0 * epsilon * (s * s - s);
        force[i] = 24.0 * epsilon * (2.0 * s * s - s) * q * r[i];
    }
    return e;
}
