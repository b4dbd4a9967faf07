// Records of numbers in several formats, in memory.

struct Particle {
    float x, y;
    double energy;
    int kind;
    float mass;
};

// Particles are moved; their energy is a double between floats, their kind an integer.
extern "C" __global__ void push(const Particle *in, Particle *out, const float *strength, float dt, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Particle p = in[i];
    const Particle &q = in[(i + 1) % n];
    float dx = q.x - p.x, dy = q.y - p.y;
    float f = strength[p.kind] * q.mass / (dx * dx + dy * dy + 0.1f);
    p.x += dt * f * dx / p.mass;
    p.y += dt * f * dy / p.mass;
    p.energy = p.energy * 0.5 + (double)(f * dt) * q.energy;
    out[i] = p;
}

// Records are sorted in place by pairs, whole.
extern "C" __global__ void order_pairs(Particle *p, int n) {
    int i = 2 * (blockIdx.x * blockDim.x + threadIdx.x);
    if (i + 1 >= n) return;
    if (p[i].mass * p[i].x > p[i + 1].mass * p[i + 1].x) {
        Particle t = p[i];
        p[i] = p[i + 1];
        p[i + 1] = t;
    }
}
