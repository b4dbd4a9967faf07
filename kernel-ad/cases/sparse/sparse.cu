// Sparse matrices, solvers, factorisations.
#include <math.h>

// CSR, a warp for each row.
extern "C" __global__ void spmv_vector(const int *row, const int *col, const float *val, const float *x, float *y, int rows) {
    int w = (blockIdx.x * blockDim.x + threadIdx.x) >> 5, lane = threadIdx.x & 31;
    if (w >= rows) return;
    float s = 0.0f;
    for (int k = row[w] + lane; k < row[w + 1]; k += 32) s += val[k] * x[col[k]];
#pragma unroll
    for (int d = 16; d >= 1; d >>= 1) s += __shfl_down_sync(0xffffffffu, s, d);
    if (lane == 0) y[w] = s;
}

// ELLPACK: columns of equal length, padding marked by -1.
extern "C" __global__ void spmv_ell(const int *col, const double *val, const double *x, double *y, int rows, int width) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows) return;
    double s = 0.0;
    for (int k = 0; k < width; k++) {
        int c = col[k * rows + r];
        if (c < 0) break;
        s += val[k * rows + r] * x[c];
    }
    y[r] = s;
}

// Coordinates: an atomic for each entry.
extern "C" __global__ void spmv_coo(const int *row, const int *col, const float *val, const float *x, float *y, int entries) {
    for (int e = blockIdx.x * blockDim.x + threadIdx.x; e < entries; e += gridDim.x * blockDim.x) atomicAdd(&y[row[e]], val[e] * x[col[e]]);
}

// The end of an iteration of conjugate gradients: x, r and p are updated in place, the new residual is summed.
extern "C" __global__ void cg_update(double *x, double *r, const double *p, const double *ap, double alpha, double *rr, int n) {
    __shared__ double s[32];
    int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
    double v = 0.0;
    if (i < n) {
        x[i] += alpha * p[i];
        v = r[i] - alpha * ap[i];
        r[i] = v;
    }
    s[t] = v * v;
    __syncthreads();
    for (int d = 16; d > 0; d >>= 1) {
        if (t < d) s[t] += s[t + d];
        __syncthreads();
    }
    if (t == 0) atomicAdd(rr, s[0]);
}

// Thomas' algorithm, one tridiagonal system for each thread; systems are interleaved.
extern "C" __global__ void thomas(const double *lower, const double *diag, const double *upper, double *rhs, double *work, int systems, int n) {
    int s = blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= systems) return;
    double beta = diag[s];
    rhs[s] /= beta;
    for (int k = 1; k < n; k++) {
        int i = k * systems + s;
        double g = upper[i - systems] / beta;
        work[i] = g;
        beta = diag[i] - lower[i] * g;
        rhs[i] = (rhs[i] - lower[i] * rhs[i - systems]) / beta;
    }
    for (int k = n - 2; k >= 0; k--) {
        int i = k * systems + s;
        rhs[i] -= work[i + systems] * rhs[i + systems];
    }
}

// Cyclic reduction of one system in shared memory.
extern "C" __global__ void parallel_cyclic_reduction(const float *lower, const float *diag, const float *upper, const float *rhs, float *x, int n) {
    __shared__ float a[32], b[32], c[32], d[32];
    int t = threadIdx.x, at = blockIdx.x * n + t;
    a[t] = t > 0 ? lower[at] : 0.0f;
    b[t] = diag[at];
    c[t] = t < n - 1 ? upper[at] : 0.0f;
    d[t] = rhs[at];
    for (int s = 1; s < n; s *= 2) {
        __syncthreads();
        float k1 = 0.0f, k2 = 0.0f, na = 0.0f, nb = b[t], nc = 0.0f, nd = d[t];
        if (t - s >= 0) {
            k1 = a[t] / b[t - s];
            na = -a[t - s] * k1;
            nb -= c[t - s] * k1;
            nd -= d[t - s] * k1;
        }
        if (t + s < n) {
            k2 = c[t] / b[t + s];
            nc = -c[t + s] * k2;
            nb -= a[t + s] * k2;
            nd -= d[t + s] * k2;
        }
        __syncthreads();
        a[t] = na;
        b[t] = nb;
        c[t] = nc;
        d[t] = nd;
    }
    x[at] = d[t] / b[t];
}

// LU without pivots of small matrices, one for each thread, in an array of the thread; then a solve.
#define N 4
extern "C" __global__ void lu_solve(const double *a, const double *b, double *x, int systems) {
    int s = blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= systems) return;
    double m[N * N], y[N];
    for (int i = 0; i < N * N; i++) m[i] = a[s * N * N + i];
    for (int i = 0; i < N; i++) y[i] = b[s * N + i];
    for (int k = 0; k < N; k++)
        for (int i = k + 1; i < N; i++) {
            double f = m[i * N + k] / m[k * N + k];
            for (int j = k + 1; j < N; j++) m[i * N + j] -= f * m[k * N + j];
            y[i] -= f * y[k];
        }
    for (int i = N - 1; i >= 0; i--) {
        for (int j = i + 1; j < N; j++) y[i] -= m[i * N + j] * y[j];
        y[i] /= m[i * N + i];
        x[s * N + i] = y[i];
    }
}

// LU with partial pivoting: rows are exchanged by what the data say.
extern "C" __global__ void lu_pivot(const float *a, float *det, int systems, int n) {
    int s = blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= systems) return;
    float m[9];
    for (int i = 0; i < n * n; i++) m[i] = a[s * n * n + i];
    float d = 1.0f;
    for (int k = 0; k < n; k++) {
        int p = k;
        for (int i = k + 1; i < n; i++)
            if (fabsf(m[i * n + k]) > fabsf(m[p * n + k])) p = i;
        if (p != k) {
            for (int j = 0; j < n; j++) {
                float v = m[k * n + j];
                m[k * n + j] = m[p * n + j];
                m[p * n + j] = v;
            }
            d = -d;
        }
        d *= m[k * n + k];
        for (int i = k + 1; i < n; i++) {
            float f = m[i * n + k] / m[k * n + k];
            for (int j = k + 1; j < n; j++) m[i * n + j] -= f * m[k * n + j];
        }
    }
    det[s] = d;
}

// Cholesky of one matrix for each block, in shared memory, a column at a time.
extern "C" __global__ void cholesky_block(const double *a, double *l, int n) {
    __shared__ double m[8][8];
    int i = threadIdx.x, at = blockIdx.x * n * n;
    for (int j = 0; j < n; j++) m[i][j] = a[at + i * n + j] + (i == j ? n : 0.0);
    __syncthreads();
    for (int k = 0; k < n; k++) {
        if (i == k) m[k][k] = sqrt(m[k][k]);
        __syncthreads();
        if (i > k) m[i][k] /= m[k][k];
        __syncthreads();
        for (int j = k + 1; j <= i; j++) m[i][j] -= m[i][k] * m[j][k];
        __syncthreads();
    }
    for (int j = 0; j <= i; j++) l[at + i * n + j] = m[i][j];
}

// Gauss-Jordan in dynamic shared memory: the whole block works on one augmented matrix.
extern "C" __global__ void gauss_jordan(const float *a, float *inverse, int n) {
    extern __shared__ float m[];
    int j = threadIdx.x, width = 2 * n;
    const float *mine = a + blockIdx.x * n * n;
    for (int i = 0; i < n; i++) m[i * width + j] = j < n ? mine[i * n + j] + (i == j ? 4.0f : 0.0f) : (j - n == i ? 1.0f : 0.0f);
    __syncthreads();
    for (int k = 0; k < n; k++) {
        float p = m[k * width + k];
        __syncthreads();
        m[k * width + j] /= p;
        __syncthreads();
        for (int i = 0; i < n; i++) {
            if (i == k) continue;
            float f = m[i * width + k];
            __syncthreads();
            m[i * width + j] -= f * m[k * width + j];
        }
        __syncthreads();
    }
    if (j >= n)
        for (int i = 0; i < n; i++) inverse[blockIdx.x * n * n + i * n + j - n] = m[i * width + j];
}

// QR of 3x3 matrices by Givens rotations.
struct Mat3 { float v[3][3]; };

extern "C" __global__ void givens_qr(const Mat3 *a, Mat3 *r, int n) {
    int s = blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= n) return;
    Mat3 m = a[s];
#pragma unroll
    for (int j = 0; j < 2; j++)
#pragma unroll
        for (int i = 2; i > j; i--) {
            float p = m.v[i - 1][j], q = m.v[i][j], h = sqrtf(p * p + q * q + 1e-6f), c = p / h, d = q / h;
            for (int k = 0; k < 3; k++) {
                float u = m.v[i - 1][k], w = m.v[i][k];
                m.v[i - 1][k] = c * u + d * w;
                m.v[i][k] = c * w - d * u;
            }
        }
    r[s] = m;
}

// Power iteration in one block: a product, a norm over the block, and again.
extern "C" __global__ void power_iteration(const float *a, float *v, float *value, int n, int rounds) {
    __shared__ float x[16], norm;
    int i = threadIdx.x;
    x[i] = v[i];
    __syncthreads();
    for (int k = 0; k < rounds; k++) {
        float s = 0.0f;
        for (int j = 0; j < n; j++) s += a[i * n + j] * x[j];
        __syncthreads();
        x[i] = s;
        __syncthreads();
        if (i == 0) {
            float q = 0.0f;
            for (int j = 0; j < n; j++) q += x[j] * x[j];
            norm = sqrtf(q);
        }
        __syncthreads();
        x[i] /= norm;
        __syncthreads();
    }
    v[i] = x[i];
    if (i == 0) value[0] = norm;
}

// Finite elements: stiffness of linear triangles, scattered to nodes (the action on a vector).
extern "C" __global__ void fem_apply(const double *xy, const int *tri, const double *k, const double *u, double *f, int elements) {
    int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= elements) return;
    double x[3], y[3], b[3], c[3];
    int id[3];
    for (int i = 0; i < 3; i++) {
        id[i] = tri[3 * e + i];
        x[i] = xy[2 * id[i]];
        y[i] = xy[2 * id[i] + 1];
    }
    double area = 0.5 * ((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]));
    for (int i = 0; i < 3; i++) {
        b[i] = y[(i + 1) % 3] - y[(i + 2) % 3];
        c[i] = x[(i + 2) % 3] - x[(i + 1) % 3];
    }
    for (int i = 0; i < 3; i++) {
        double s = 0.0;
        for (int j = 0; j < 3; j++) s += (b[i] * b[j] + c[i] * c[j]) * u[id[j]];
        atomicAdd(&f[id[i]], k[e] * s / (4.0 * area));
    }
}
