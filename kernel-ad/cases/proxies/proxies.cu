// Kernels after well-known proxy applications and renderers.
struct Gauss { float3 mean; float scale; float3 colour; float opacity; };
struct Splat { const Gauss* g; const int* order; int n; };

// Splatting with early termination, records sorted by an index list, batches fetched into shared memory.
extern "C" __global__ void splat(Splat s, float* image, float* trans, int width) {
    __shared__ Gauss batch[8];
    int px = blockIdx.x * blockDim.x + threadIdx.x;
    float x = (px % width) * 0.25f, y = (px / width) * 0.25f;
    float T = 1.0f; float3 c = make_float3(0, 0, 0);
    bool done = px >= width * width;
    for (int base = 0; base < s.n; base += 8) {
        if (__syncthreads_count(done) == blockDim.x) break;
        int k = base + threadIdx.x;
        if (threadIdx.x < 8 && k < s.n) batch[threadIdx.x] = s.g[s.order[k]];
        __syncthreads();
        for (int j = 0; !done && j < min(8, s.n - base); j++) {
            float dx = x - batch[j].mean.x, dy = y - batch[j].mean.y;
            float power = -0.5f * (dx * dx + dy * dy) / (batch[j].scale * batch[j].scale);
            if (power > 0.f) continue;
            float alpha = fminf(0.99f, batch[j].opacity * expf(power));
            if (alpha < 1.f / 255.f) continue;
            float t = T * (1 - alpha);
            if (t < 0.02f) { done = true; continue; }
            c.x += batch[j].colour.x * alpha * T;
            c.y += batch[j].colour.y * alpha * T;
            c.z += batch[j].colour.z * alpha * T;
            T = t;
        }
    }
    if (px < width * width) {
        image[3 * px] = c.x; image[3 * px + 1] = c.y; image[3 * px + 2] = c.z; trans[px] = T;
    }
}

// Multi-resolution hash grid with trilinear weights
extern "C" __global__ void hash_grid(const float3* __restrict__ pos, const float2* __restrict__ table, float2* out, int n, int levels, unsigned size) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float3 p = pos[i];
    for (int l = 0; l < levels; l++) {
        float res = (float)(2 << l);
        float fx = p.x * res, fy = p.y * res, fz = p.z * res;
        int ix = (int)floorf(fx), iy = (int)floorf(fy), iz = (int)floorf(fz);
        float wx = fx - ix, wy = fy - iy, wz = fz - iz;
        float2 acc = make_float2(0, 0);
        #pragma unroll
        for (int c = 0; c < 8; c++) {
            int cx = ix + (c & 1), cy = iy + ((c >> 1) & 1), cz = iz + (c >> 2);
            float w = ((c & 1) ? wx : 1 - wx) * ((c & 2) ? wy : 1 - wy) * ((c & 4) ? wz : 1 - wz);
            unsigned h = ((unsigned)cx * 1u ^ (unsigned)cy * 2654435761u ^ (unsigned)cz * 805459861u) % size;
            float2 v = table[l * size + h];
            acc.x += w * v.x; acc.y += w * v.y;
        }
        out[l * n + i] = acc;
    }
}

// Cross-section lookup: binary search in an energy grid, interpolation of five channels, with a random material.
extern "C" __global__ void xs_lookup(const double* egrid, const double* xs, const int* mats, const int* num, const double* dens, double* result, int nuc, int ng, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned long long seed = 12345ull * (i + 1);
    seed = (2806196910506780709ull * seed + 1ull) % (1ull << 63);
    double e = (double)seed / 9223372036854775808.0;
    int m = (int)(seed % 3ull);
    double tot[5] = {0, 0, 0, 0, 0};
    for (int j = 0; j < num[m]; j++) {
        int nn = mats[m * 4 + j];
        const double* g = egrid + nn * ng;
        int lo = 0, hi = ng - 1;
        while (hi - lo > 1) { int mid = lo + (hi - lo) / 2; if (g[mid] > e) hi = mid; else lo = mid; }
        double f = (g[hi] - e) / (g[hi] - g[lo]);
        const double* a = xs + (nn * ng + lo) * 5; const double* b = xs + (nn * ng + hi) * 5;
        for (int c = 0; c < 5; c++) { double v = b[c] - f * (b[c] - a[c]); tot[c] += v * dens[m * 4 + j]; }
    }
    double best = -1; int arg = 0;
    for (int c = 0; c < 5; c++) if (tot[c] > best) { best = tot[c]; arg = c; }
    result[i] = best + 0.1 * tot[(arg + 1) % 5];
}

// SRAD: diffusion coefficient from shared tile, in one kernel.
extern "C" __global__ void srad(const float* J, float* C, float* dN, float* dS, int rows, int cols, float q0) {
    __shared__ float t[6][6];
    int tx = threadIdx.x, ty = threadIdx.y;
    int c = blockIdx.x * 4 + tx, r = blockIdx.y * 4 + ty;
    t[ty + 1][tx + 1] = J[r * cols + c];
    if (ty == 0) t[0][tx + 1] = J[max(r - 1, 0) * cols + c];
    if (ty == 3) t[5][tx + 1] = J[min(r + 1, rows - 1) * cols + c];
    if (tx == 0) t[ty + 1][0] = J[r * cols + max(c - 1, 0)];
    if (tx == 3) t[ty + 1][5] = J[r * cols + min(c + 1, cols - 1)];
    __syncthreads();
    float jc = t[ty + 1][tx + 1];
    float n = t[ty][tx + 1] - jc, s = t[ty + 2][tx + 1] - jc, w = t[ty + 1][tx] - jc, e = t[ty + 1][tx + 2] - jc;
    float g2 = (n * n + s * s + w * w + e * e) / (jc * jc), l = (n + s + w + e) / jc;
    float num = 0.5f * g2 - 0.0625f * l * l, den = 1 + 0.25f * l;
    float q = num / (den * den);
    den = (q - q0) / (q0 * (1 + q0));
    float v = 1.0f / (1.0f + den);
    C[r * cols + c] = v < 0 ? 0 : (v > 1 ? 1 : v);
    dN[r * cols + c] = n; dS[r * cols + c] = s;
}

// Bitonic sort of keys with payload in shared memory.
extern "C" __global__ void bitonic(float* keys, float* vals) {
    __shared__ float k[32]; __shared__ float v[32];
    int t = threadIdx.x;
    k[t] = keys[blockIdx.x * 32 + t]; v[t] = vals[blockIdx.x * 32 + t];
    __syncthreads();
    for (int size = 2; size <= 32; size <<= 1)
        for (int stride = size >> 1; stride > 0; stride >>= 1) {
            int p = t ^ stride;
            if (p > t) {
                bool up = (t & size) == 0;
                if ((k[t] > k[p]) == up) { float a = k[t]; k[t] = k[p]; k[p] = a; a = v[t]; v[t] = v[p]; v[p] = a; }
            }
            __syncthreads();
        }
    keys[blockIdx.x * 32 + t] = k[t] * k[t]; vals[blockIdx.x * 32 + t] = v[t] * k[t];
}

// Welford over warps with triple shuffles, then over warps by shared.
extern "C" __global__ void welford(const float* x, float* mean, float* var, int n) {
    __shared__ float sm[4], s2[4], sc[4];
    float m = 0, m2 = 0, c = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float v = x[blockIdx.x * n + i]; c += 1; float d = v - m; m += d / c; m2 += d * (v - m);
    }
    for (int o = 16; o; o >>= 1) {
        float mb = __shfl_down_sync(~0u, m, o), m2b = __shfl_down_sync(~0u, m2, o), cb = __shfl_down_sync(~0u, c, o);
        float nc = c + cb;
        if (nc > 0) { float d = mb - m; m += d * cb / nc; m2 += m2b + d * d * c * cb / nc; c = nc; }
    }
    int w = threadIdx.x >> 5, l = threadIdx.x & 31;
    if (l == 0) { sm[w] = m; s2[w] = m2; sc[w] = c; }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int k = 1; k < blockDim.x / 32; k++) {
            float nc = sc[k] + c;
            if (nc > 0) { float d = sm[k] - m; m += d * sc[k] / nc; m2 += s2[k] + d * d * c * sc[k] / nc; c = nc; }
        }
        mean[blockIdx.x] = m; var[blockIdx.x] = m2 / c;
    }
}
