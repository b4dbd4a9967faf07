// Pointers that lie in memory, as hipcc's clang compiles them for AMD.

extern "C" __global__ void row_matvec(const double *const *rows, const double *x, double *y, int n, int cols) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const double *row = rows[i];
    double sum = 0.0;
    if (row)
        for (int j = 0; j < cols; j++) sum += row[j] * x[j];
    y[i] = sum;
}

struct Cell {
    float *state;
    const Cell *left, *right;
    float rate;
};

// Cells linked by pointers: each takes from its neighbours, and writes a copy of itself.
extern "C" __global__ void diffuse(const Cell *const *cells, float *const *next, int n, int k) {
    int c = blockIdx.x;
    int i = threadIdx.x;
    if (c >= n || i >= k) return;
    const Cell *me = cells[c];
    float x = me->state[i], flow = 0.0f;
    if (me->left) flow += me->left->state[i] - x;
    if (me->right) flow += me->right->state[i] - x;
    next[c][i] = x + me->rate * flow * x;
}
