// Atomic operations on floats: loops around a compare-and-swap, sums in memory that blocks share, places that are
// given out by counters.
#include <math.h>

// Sums of doubles as they were written before the hardware had them.
__device__ double cas_add(double *address, double value) {
    unsigned long long *p = (unsigned long long *)address;
    unsigned long long old = *p, assumed;
    do {
        assumed = old;
        old = atomicCAS(p, assumed, __double_as_longlong(value + __longlong_as_double(assumed)));
    } while (assumed != old);
    return __longlong_as_double(old);
}

__device__ void cas_subtract(float *address, float value) {
    unsigned *p = (unsigned *)address, seen;
    do {
        seen = *(volatile unsigned *)p;
    } while (atomicCAS(p, seen, __float_as_uint(__uint_as_float(seen) - value)) != seen);
}

extern "C" __global__ void cas_dot(const double *x, const double *y, double *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double s = 0.0;
    for (; i < n; i += gridDim.x * blockDim.x) s += x[i] * y[i];
    cas_add(sum, s);
}

extern "C" __global__ void dot(const double *x, const double *y, double *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double s = 0.0;
    for (; i < n; i += gridDim.x * blockDim.x) s += x[i] * y[i];
    atomicAdd(sum, s);
}

// Newton's third law: what a pair gives to one of its atoms, it takes from the other.
extern "C" __global__ void pair_forces(const float *x, const int2 *pair, float *force, float k, int pairs) {
    int p = blockIdx.x * blockDim.x + threadIdx.x;
    if (p >= pairs) return;
    int i = pair[p].x, j = pair[p].y;
    float d[3], r2 = 0.05f;
    for (int c = 0; c < 3; c++) {
        d[c] = x[3 * i + c] - x[3 * j + c];
        r2 += d[c] * d[c];
    }
    float f = k / (r2 * sqrtf(r2));
    for (int c = 0; c < 3; c++) {
        atomicAdd(&force[3 * i + c], f * d[c]);
        cas_subtract(&force[3 * j + c], f * d[c]);
    }
}

// Particles that leave their cell are queued; the queue's places come from a counter, in a loop.
extern "C" __global__ void queue_leavers(const float *x, const float *v, float *queue, int *owner, int *count, float dt, int n,
                                         int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float p = x[i];
    for (int s = 0; s < steps; s++) {
        p += dt * v[i] * (1.0f - 0.1f * p * p);
        if (fabsf(p) > 0.5f) {
            int at = atomicAdd(count, 1);
            queue[at] = p * v[i];
            owner[at] = i * steps + s;
            p *= 0.5f;
        }
    }
}

// What was there before is looked at, never computed with.
extern "C" __global__ void count_hits(const int *bin, const float *w, float *sum, int *order, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float before = atomicAdd(&sum[bin[i]], w[i] * w[i]);
    if (before == 0.0f) atomicAdd(&order[bin[i]], 1);
}

// Atomic operations where they are not needed: every thread has an element of its own, so that they are loads and stores.
extern "C" __global__ void exchange_own(float *x, float *slot, float *peak, double *count, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = sinf(x[i]);
    float before = atomicExch(&slot[i], v * v);
    double turns = atomicAdd(&count[i], 0.5 * v);
    int *p = (int *)&peak[i];
    int old = *p, assumed;
    do {
        assumed = old;
        old = atomicCAS(p, assumed, __float_as_int(fmaxf(before * v, __int_as_float(assumed))));
    } while (assumed != old);
    x[i] = before * __int_as_float(old) + (float)turns * v;
}

// What is volatile is read and written each time it is named.
extern "C" __global__ void volatile_own(const float *x, volatile float *state, volatile const float *gain, float *y, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    for (int s = 0; s < steps; s++) state[i] = state[i] * x[i] + gain[s % 4] * state[i] * state[i];
    y[i] = state[i] * gain[i % 4];
}

extern "C" __global__ void swap_in(float *x, float *slot, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = atomicExch(&slot[i], 2.0f * x[i]);
}
