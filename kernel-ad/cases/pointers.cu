// Pointers that lie in memory: arrays of pointers, structs in memory that hold pointers, pointers kept in local arrays.

// y = A x, the rows of A anywhere; a missing row is a row of zeros.
extern "C" __global__ void row_matvec(const float *const *rows, const float *x, float *y, int n, int cols) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float *row = rows[i];
    float sum = 0.0f;
    if (row)
        for (int j = 0; j < cols; j++) sum += row[j] * x[j];
    y[i] = sum;
}

struct Mesh {
    float *value;
    const int *neighbours;
    int n;
    float stiffness;
};

// One relaxation of several meshes, one mesh a block: members of a struct in memory, read and written through.
extern "C" __global__ void relax(const Mesh *meshes, float *energy, float dt) {
    const Mesh &m = meshes[blockIdx.x];
    float e = 0.0f;
    for (int i = threadIdx.x; i < m.n; i += blockDim.x) {
        int j = m.neighbours[i];
        float d = m.value[m.n + j] - m.value[m.n + i];
        e += 0.5f * m.stiffness * d * d;
        m.value[i] += dt * m.stiffness * d;
    }
    energy[blockIdx.x * blockDim.x + threadIdx.x] = e;
}

// A table of a law behind a pointer behind a pointer: material -> law -> samples, linear between them.
struct Law {
    const double *samples;
    double lo, step;
    int n;
};

extern "C" __global__ void look_up(Law *const *laws, const int *material, const double *strain, double *stress, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const Law *law = laws[material[i]];
    double at = (strain[i] - law->lo) / law->step;
    int k = (int)at;
    k = k < 0 ? 0 : k > law->n - 2 ? law->n - 2 : k;
    double t = at - k;
    stress[i] = (1.0 - t) * law->samples[k] + t * law->samples[k + 1];
}

// Steps in place through three time levels, whose pointers are turned in a local array.
extern "C" __global__ void leapfrog(float **levels, int steps, float c) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float *level[3] = {levels[0], levels[1], levels[2]};
    for (int s = 0; s < steps; s++) {
        float *next = level[(s + 2) % 3];
        float *here = level[(s + 1) % 3];
        float *before = level[s % 3];
        next[i] = 2.0f * here[i] - before[i] - c * here[i] * here[i] * here[i];
    }
}

// A struct of more than 1 KiB by value: pointers in it, one chosen by the thread.
struct Batch {
    const float *in[64];
    float *out[64];
    float scale[64];
    int count;
};

extern "C" __global__ void batched(Batch b, int n) {
    int k = blockIdx.x;
    int i = threadIdx.x;
    if (k >= b.count || i >= n) return;
    b.out[k][i] = b.scale[k] * b.in[k][i] * b.in[(k + 1) % b.count][i];
}

// Two lists walked by moving pointers, whichever head is smaller in turn.
extern "C" __global__ void zip_sorted(const float *const *lists, const int *lengths, float *out, int pairs) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pairs) return;
    const float *a = lists[2 * i], *b = lists[2 * i + 1];
    const float *a_end = a + lengths[2 * i], *b_end = b + lengths[2 * i + 1];
    float sum = 0.0f, w = 1.0f;
    while (a != a_end || b != b_end) {
        const float *&from = (b == b_end || (a != a_end && *a <= *b)) ? a : b;
        sum += w * *from * *from;
        w *= 0.75f;
        from++;
    }
    out[i] = sum;
}

// Two of the meshes copied to local memory, and one of them chosen by the thread.
extern "C" __global__ void pick_mesh(const Mesh *meshes, const int *pick, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float *value[4];
    for (int k = 0; k < 4; k++) value[k] = meshes[k & 1].value + 3 * (k >> 1);
    float sum = 0.0f;
    for (int k = 0; k < 3; k++) {
        float x = value[pick[3 * i + k]][i];
        sum += x * x * (1 + k);
    }
    out[i] = sum;
}

// The rows of a matrix are exchanged by their pointers, as pivoting does, and then eliminated.
extern "C" __global__ void eliminate(double **rows, const int *pivot, int n, int cols) {
    int c = threadIdx.x;
    if (c >= cols) return;
    double **mine = rows + c * n;
    for (int k = 0; k < n - 1; k++) {
        double *t = mine[k];
        mine[k] = mine[pivot[k]];
        mine[pivot[k]] = t;
        for (int r = k + 1; r < n; r++) {
            double f = mine[r][k] / mine[k][k];
            for (int j = k; j < n; j++) mine[r][j] -= f * mine[k][j];
        }
    }
}

// Rows chosen by one thread of the block, their pointers in shared memory.
extern "C" __global__ void shared_rows(const float *const *rows, const int *pick, float *y, int cols) {
    __shared__ const float *row[2];
    if (threadIdx.x < 2) row[threadIdx.x] = rows[pick[2 * blockIdx.x + threadIdx.x]];
    __syncthreads();
    int j = threadIdx.x;
    if (j < cols) y[blockIdx.x * cols + j] = row[0][j] * row[1][j];
}

// Records with pointers and numbers are copied, and used through the copies.
struct Part { float* w; int n; float s; };
extern "C" __global__ void copied_records(const Part* a, Part* b, float* y, int n) {
    int i = threadIdx.x;
    if (i < n) {
        b[i] = a[n - 1 - i];
    }
    __syncthreads();
    if (i < n) {
        Part p = b[(i + 1) % n];
        float acc = 0;
        for (int j = 0; j < p.n; j++) acc += p.w[j] * p.w[j] * p.s;
        y[i] = acc;
    }
}
