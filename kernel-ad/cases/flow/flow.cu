// Control flow that is harder to turn around: several exits, goto, switch with fall-through, nested returns.
#include <math.h>

// Loops made with goto, one inside of the other.
extern "C" __global__ void goto_loops(const float *x, float *y, int n, int m) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = 0, k;
    if (i >= n) return;
    float s = x[i];
outer:
    k = 0;
inner:
    s = s * (1.0f - 0.2f * s) + 0.05f * x[(i + k) % n];
    if (++k < 3) goto inner;
    if (s < 0.01f) goto done;
    s = sinf(s);
    if (++j < m) goto outer;
done:
    y[i] = s;
}

// A loop with three ways out, each with a result of its own.
extern "C" __global__ void three_exits(const double *x, double *y, int n, int most) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i], sum = 0.0;
    int k;
    for (k = 0; k < most; k++) {
        v = v * v - 0.6 * v + 0.1;
        if (v > 3.0) {
            sum += 1.0 / v;
            break;
        }
        sum += v;
        if (sum < -1.0) {
            y[i] = sum * sum;
            return;
        }
        if (k % 2) continue;
        sum *= 0.9;
    }
    y[i] = k < most ? sum : sum + v;
}

// Break out of two loops by a flag, and a do-while that runs at least once.
extern "C" __global__ void nested_breaks(const float *a, const float *b, float *y, int n, int rows, int cols) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 0.0f;
    bool full = false;
    for (int r = 0; r < rows && !full; r++) {
        int c = 0;
        do {
            float v = a[(i + r) % n] * b[(r * cols + c) % n];
            if (v < -0.4f) break;
            s += v * v;
            if (s > 1.0f) {
                full = true;
                break;
            }
            c++;
        } while (c < cols);
    }
    y[i] = full ? logf(s) : s * a[i];
}

// A switch inside of a loop: states of an automaton, with fall-through.
extern "C" __global__ void automaton(const float *x, const int *code, float *y, int n, int length) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    int state = i % 3;
    for (int k = 0; k < length; k++) {
        switch (state + code[k] % 2) {
        case 0: v = v * v; // falls through
        case 1: v += 0.3f; state = 2; break;
        case 2: v = expf(-v); // falls through
        default: v *= 0.8f; state = (state + 1) % 3; continue;
        }
        v = v * (1.0f + 0.1f * x[(i + k) % n]);
    }
    y[i] = v;
}

// Early returns at several depths.
extern "C" __global__ void early_returns(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    if (v < -0.5f) {
        y[i] = -v;
        return;
    }
    for (int j = 0; j < 5; j++) {
        if (v > 1.5f) {
            y[i] = v * v;
            if (j > 2) return;
            v -= 1.0f;
        }
        for (int k = 0; k < 3; k++) {
            v += 0.3f * x[(i + j + k) % n];
            if (v < -1.0f) {
                y[i] = sinf(v);
                return;
            }
        }
    }
    y[i] = v;
}

// Threads return before others meet at barriers.
extern "C" __global__ void return_before_barrier(const float *x, float *y, int n) {
    __shared__ float s[32];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    s[t] = 0.0f;
    __syncthreads();
    if (i >= n) return;
    s[t] = x[i] * x[i];
    __syncthreads();
    float left = t > 0 ? s[t - 1] : 0.0f;
    y[i] = left * s[t] + x[i];
}

// Blocks iterate until all threads are content: a barrier that votes.
extern "C" __global__ void until_converged(const float *x, float *y, int n, float tolerance) {
    __shared__ float s[16];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    s[t] = x[i];
    __syncthreads();
    for (int k = 0; k < 40; k++) {
        float left = s[t > 0 ? t - 1 : 0], right = s[t < 15 ? t + 1 : 15];
        float next = 0.25f * left + 0.5f * s[t] + 0.25f * right;
        float moved = fabsf(next - s[t]);
        int more = __syncthreads_or(moved > tolerance);
        s[t] = next;
        __syncthreads();
        if (!more) break;
    }
    y[i] = s[t] * s[t];
}

// Lanes vote whether the slow way is needed.
extern "C" __global__ void warp_vote(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = i < n ? x[i] : 0.0f;
    if (__any_sync(0xffffffffu, v > 0.9f)) v = v * expf(-v * v);
    else v = 0.5f * v;
    unsigned positive = __ballot_sync(0xffffffffu, v > 0.0f);
    if (i < n) y[i] = v * __popc(positive);
}
