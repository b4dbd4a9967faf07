// Copies of memory as bytes, and arrays of a thread's own.
#include <math.h>
#include <string.h>

// A row of any length goes out, scaled by its neighbour.
extern "C" __global__ void copy_rows(const float *in, float *out, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float *row = out + r * cols;
    memcpy(row, in + r * cols, cols * sizeof(float));
    for (int c = 1; c < cols; c++) row[c] *= row[c - 1] + 0.5f;
}

struct Particle {
    float x, y, mass;
    float tag; // nothing looks at it
    float speed[3];
};

// Whole structs move to another place.
extern "C" __global__ void reorder(const Particle *from, const int *place, Particle *to, float *mass, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Particle *p = &to[i];
    const Particle *q = &from[place[i]];
    memcpy(p, q, sizeof(Particle));
    p->x *= p->y;
    p->mass *= 0.5f;
    float s = p->speed[0] + 2.0f * p->speed[1] * p->speed[2];
    mass[i] = p->mass * s * q->mass;
}

// Many structs at once.
extern "C" __global__ void copy_chunks(const Particle *from, Particle *to, float *sum, int chunk, int n) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    int first = t * chunk, count = min(chunk, n - first);
    if (count <= 0) return;
    memcpy(to + first, from + first, count * sizeof(Particle));
    float s = 0.0f;
    for (int i = first; i < first + count; i++)
        s += to[i].mass * to[i].x * to[i].y + to[i].speed[0] * to[i].speed[1] * to[i].speed[2];
    sum[t] = s;
}

// A queue that every thread owns is pushed along, in both directions: source and destination overlap.
extern "C" __global__ void shift(const float *x, float *line, int n, int width, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float *mine = line + i * width;
    for (int s = 0; s < steps; s++) {
        __builtin_memmove(mine + 1, mine, (width - 1) * sizeof(float));
        mine[0] = x[i] * mine[width - 1];
        __builtin_memmove(mine, mine + 2, (width - 2) * sizeof(float));
        mine[s % width] += 0.25f * mine[0] * mine[0];
    }
}

// A scratch array with a pattern, filled again in each iteration.
extern "C" __global__ void pattern(const float *x, const int *pick, float *y, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float total = 0.0f;
    for (int s = 0; s < steps; s++) {
        float t[20];
        memset(t, 0x3f, sizeof(t));
        for (int k = 0; k < 4; k++) t[pick[i + k + s]] *= x[i] + t[pick[i + s]];
        for (int k = 0; k < 20; k++) total += t[k] * t[(k + s) % 20];
    }
    y[i] = total;
}

struct Level {
    float value, slope;
};

// Arrays of structs of the thread's own, with a place that is found at run time; one of two arrays is chosen.
extern "C" __global__ void levels(const float *x, const float *h, float *y, int n, int depth) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Level coarse[8], fine[8], kept[8];
    for (int k = 0; k < 8; k++) {
        coarse[k].value = x[(i + k) % n];
        coarse[k].slope = h[k];
        fine[k].value = x[i] * h[k];
        fine[k].slope = 0.5f * x[(i + k) % n];
    }
    float s = 0.0f;
    for (int d = 0; d < depth; d++) {
        Level *use = (i + d) % 3 == 0 ? coarse : fine;
        memcpy(kept, use, sizeof(kept));
        Level *at = &use[(i * 5 + d) & 7];
        at->value += at->slope * kept[(i + d) & 7].value;
        at->slope *= 0.9f;
        s += at->value * kept[(2 * d) & 7].slope;
    }
    y[i] = s;
}
