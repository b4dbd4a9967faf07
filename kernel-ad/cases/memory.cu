// Memory: gathers, scatters, constant data, local arrays, memory that is overwritten.
#include <math.h>

extern "C" __global__ void spmv(const int *row, const int *col, const float *val, const float *x, float *y, int rows) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    float s = 0.0f;
    for (int k = row[r]; k < row[r + 1]; k++) s += val[k] * x[col[k]];
    y[r] = s;
}

extern "C" __global__ void gather(const int *index, const double *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[index[i]] * x[i] + x[0];
}

extern "C" __global__ void scatter_add(const int *bin, const float *x, float *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&sum[bin[i]], x[i] * x[i]);
}

// Integer atomics decide where things go, and are never replayed.
extern "C" __global__ void compact(const float *x, float *y, int *count, float cut, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    if (x[i] > cut) {
        int at = atomicAdd(count, 1);
        y[at] = x[i] * x[i];
    }
}

__constant__ float weights[5] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};

extern "C" __global__ void convolve(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 0.0f;
    for (int k = 0; k < 5; k++) {
        int j = i + k - 2;
        if (j >= 0 && j < n) s += weights[k] * x[j];
    }
    y[i] = s * s;
}

extern "C" __global__ void local_array(const float *x, const int *pick, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float t[8];
    for (int k = 0; k < 8; k++) t[k] = x[i] * (k + 1) + sinf(x[(i + k) % n]);
    for (int k = 0; k < 8; k++) t[pick[i * 8 + k]] *= 1.0f + 0.1f * t[k];
    float s = 0.0f;
    for (int k = 0; k < 8; k++) s += t[(k + i) % 8] * (k + 1);
    y[i] = s;
}

extern "C" __global__ void overwrite(float *x, float *y, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    for (int k = 0; k < steps; k++) {
        x[i] = sinf(x[i]) * (1.0f + y[i]);
        y[i] = 0.5f * x[i] * y[i];
    }
}

// A recurrence along a row that each thread owns: reads what it wrote before.
extern "C" __global__ void scan_rows(double *x, int rows, int cols) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    for (int c = 1; c < cols; c++) x[r * cols + c] = x[r * cols + c] * x[r * cols + c - 1] + 0.5 * x[r * cols + c - 1];
}

extern "C" __global__ void swap_buffers(float *a, float *b, int n, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float *from = a, *to = b;
    for (int k = 0; k < steps; k++) {
        to[i] = from[i] * from[i] * 0.5f + 0.2f * to[i];
        float *t = from;
        from = to;
        to = t;
    }
}

extern "C" __global__ void copy_struct(const double *in, double *out, int n) {
    struct Cell { double v[6]; };
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Cell c = ((const Cell *)in)[i];
    c.v[i % 6] = c.v[(i + 1) % 6] * c.v[(i + 2) % 6];
    ((Cell *)out)[i] = c;
}
