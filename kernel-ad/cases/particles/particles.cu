// Particles: molecular dynamics, gravity, fluids, plasma, trees.
#include <math.h>

// Lennard-Jones forces with a neighbour list, cutoff and periodic box.
extern "C" __global__ void lj_forces(const float4 *pos, const int *count, const int *list, float4 *force, float *virial, int n, int most, float box, float cut) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 p = pos[i];
    float fx = 0.0f, fy = 0.0f, fz = 0.0f, e = 0.0f, w = 0.0f;
    int c = count[i];
    for (int k = 0; k < c; k++) {
        float4 q = pos[list[i * most + k]];
        float dx = p.x - q.x, dy = p.y - q.y, dz = p.z - q.z;
        dx -= box * rintf(dx / box);
        dy -= box * rintf(dy / box);
        dz -= box * rintf(dz / box);
        float r2 = dx * dx + dy * dy + dz * dz + 0.3f;
        if (r2 < cut * cut) {
            float i2 = 1.0f / r2, i6 = i2 * i2 * i2, f = 48.0f * i6 * (i6 - 0.5f) * i2;
            fx += f * dx;
            fy += f * dy;
            fz += f * dz;
            e += 2.0f * i6 * (i6 - 1.0f);
            w += f * r2;
        }
    }
    force[i] = make_float4(fx, fy, fz, e);
    virial[i] = 0.5f * w;
}

// Gravity by tiles: each block loads bodies into shared memory, all threads read all of them.
extern "C" __global__ void nbody_tiled(const float4 *body, float3 *force, int n, float softening) {
    __shared__ float4 tile[16];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float4 p = i < n ? body[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    float3 f = make_float3(0.0f, 0.0f, 0.0f);
    for (int base = 0; base < n; base += blockDim.x) {
        int j = base + threadIdx.x;
        tile[threadIdx.x] = j < n ? body[j] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        __syncthreads();
#pragma unroll 4
        for (int k = 0; k < blockDim.x; k++) {
            float4 q = tile[k];
            float dx = q.x - p.x, dy = q.y - p.y, dz = q.z - p.z;
            float r = rsqrtf(dx * dx + dy * dy + dz * dz + softening);
            float w = q.w * r * r * r;
            f.x += w * dx;
            f.y += w * dy;
            f.z += w * dz;
        }
        __syncthreads();
    }
    if (i < n) force[i] = f;
}

// Smoothed particles: density by the poly6 kernel, then pressure.
extern "C" __global__ void sph_density(const double *x, const double *y, const double *mass, double *density, double *pressure, int n, double h) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double rho = 0.0, h2 = h * h;
    for (int j = 0; j < n; j++) {
        double dx = x[i] - x[j], dy = y[i] - y[j], d = h2 - dx * dx - dy * dy;
        if (d <= 0.0) continue;
        rho += mass[j] * d * d * d;
    }
    rho *= 4.0 / (3.141592653589793 * h2 * h2 * h2 * h2);
    density[i] = rho;
    pressure[i] = 0.5 * (pow(rho, 1.4) - 1.0);
}

// Particle in cell: charges are shared out to two nodes by distance.
extern "C" __global__ void pic_deposit(const float *x, const float *charge, float *rho, int n, int cells, float width) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float u = x[i] / width;
    int c = (int)floorf(u);
    float a = u - c;
    atomicAdd(&rho[c % cells], charge[i] * (1.0f - a));
    atomicAdd(&rho[(c + 1) % cells], charge[i] * a);
}

// The field is gathered back, particles are pushed (leapfrog) and wrapped around.
extern "C" __global__ void pic_push(float *x, float *v, const float *field, int n, int cells, float width, float dt) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float u = x[i] / width, length = cells * width;
    int c = (int)u;
    float a = u - c;
    float e = field[c % cells] * (1.0f - a) + field[(c + 1) % cells] * a;
    float speed = v[i] + dt * e, at = x[i] + dt * speed;
    if (at >= length) at -= length;
    else if (at < 0.0f) at += length;
    v[i] = speed;
    x[i] = at;
}

// Barnes-Hut like walk: nodes are opened or taken as a whole; the stack is an array of the thread.
extern "C" __global__ void tree_force(const float *x, const float *centre, const float *mass, const float *size, const int *child, float *force, int n, float theta) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int stack[16], top = 0;
    stack[top++] = 0;
    float f = 0.0f, p = x[i];
    while (top > 0) {
        int node = stack[--top];
        float d = centre[node] - p, r2 = d * d + 0.05f;
        int first = child[node];
        if (first < 0 || size[node] * size[node] < theta * theta * r2) {
            f += mass[node] * d / (r2 * sqrtf(r2));
        } else {
            stack[top++] = first;
            stack[top++] = first + 1;
        }
    }
    force[i] = f;
}

// Bonds between pairs: forces are scattered to both ends.
extern "C" __global__ void bonds(const double *pos, const int2 *bond, const double *rest, double *force, double stiff, int n) {
    int b = blockIdx.x * blockDim.x + threadIdx.x;
    if (b >= n) return;
    int2 e = bond[b];
    if (e.x == e.y) return;
    double d[3], r2 = 1e-3;
    for (int c = 0; c < 3; c++) {
        d[c] = pos[3 * e.x + c] - pos[3 * e.y + c];
        r2 += d[c] * d[c];
    }
    double r = sqrt(r2), f = -stiff * (r - rest[b]) / r;
    for (int c = 0; c < 3; c++) {
        atomicAdd(&force[3 * e.x + c], f * d[c]);
        atomicAdd(&force[3 * e.y + c], -f * d[c]);
    }
}

// Cells of a block: energies are collected in shared memory by atomics, then added to the grid's total.
extern "C" __global__ void pair_energy(const float *x, const float *charge, float *energy, int n) {
    __shared__ float sum;
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (threadIdx.x == 0) sum = 0.0f;
    __syncthreads();
    if (i < n) {
        float e = 0.0f;
        for (int j = i + 1; j < n; j++) {
            float d = x[i] - x[j];
            e += charge[i] * charge[j] * rsqrtf(d * d + 0.1f);
        }
        atomicAdd(&sum, e);
    }
    __syncthreads();
    if (threadIdx.x == 0) atomicAdd(energy, sum);
}
