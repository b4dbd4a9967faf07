// Structs by value, pointers in them, and differentiated scalars.

struct Grid {
    float *rho;
    const float *flux;
    int nx;
    float scale;
};

extern "C" __global__ void update(Grid g, float dt) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= g.nx) return;
    float left = g.flux[i], right = g.flux[i + 1];
    g.rho[i] = g.rho[i] - dt * g.scale * (right * right - left * left);
}

struct Params {
    double mass, charge;
    struct { double k, damping; } spring;
};

extern "C" __global__ void oscillator(Params p, double *pos, double *vel, int n, double dt, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double x = pos[i], v = vel[i];
    for (int s = 0; s < steps; s++) {
        double a = (-p.spring.k * x - p.spring.damping * v + p.charge) / p.mass;
        v += dt * a;
        x += dt * v;
    }
    pos[i] = x;
    vel[i] = v;
}

extern "C" __global__ void decay(float rate, float dt, float *x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = x[i] / (1.0f + rate * dt * x[i]);
}
