// Kernels of particles, filters, images, sequences and meshes.
// DEM with contact history held in place, neighbour slots, f64
extern "C" __global__ void dem(const double* pos, const double* vel, double* hist, const int* nb, double* force, int n, int k, double kn, double kt, double mu) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double fx = 0, fy = 0;
    for (int s = 0; s < k; s++) {
        int j = nb[i * k + s];
        if (j < 0) { hist[i * k + s] = 0; continue; }
        double dx = pos[2 * i] - pos[2 * j], dy = pos[2 * i + 1] - pos[2 * j + 1];
        double d = sqrt(dx * dx + dy * dy), over = 1.0 - d;
        if (over <= 0) { hist[i * k + s] *= 0.5; continue; }
        double nx = dx / d, ny = dy / d;
        double vx = vel[2 * i] - vel[2 * j], vy = vel[2 * i + 1] - vel[2 * j + 1];
        double vt = -vx * ny + vy * nx;
        double h = hist[i * k + s] + vt * 0.1;
        double ft = -kt * h, cap = mu * kn * over;
        if (fabs(ft) > cap) { ft = copysign(cap, ft); h = -ft / kt; }
        hist[i * k + s] = h;
        fx += kn * over * nx - ft * ny; fy += kn * over * ny + ft * nx;
    }
    atomicAdd(&force[2 * i], fx); atomicAdd(&force[2 * i + 1], fy);
}

// Kalman filter, 2 states, matrices in registers, per-thread series in place
extern "C" __global__ void kalman(float* z, float* out, const float* F, float q, float r, int T) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float x[2] = {0, 0}, P[2][2] = {{1, 0}, {0, 1}};
    float f[2][2]; for (int a = 0; a < 4; a++) (&f[0][0])[a] = F[a];
    for (int t = 0; t < T; t++) {
        float xp[2], FP[2][2], Pp[2][2];
        for (int a = 0; a < 2; a++) { xp[a] = 0; for (int b = 0; b < 2; b++) xp[a] += f[a][b] * x[b]; }
        for (int a = 0; a < 2; a++) for (int b = 0; b < 2; b++) { FP[a][b] = 0; for (int c = 0; c < 2; c++) FP[a][b] += f[a][c] * P[c][b]; }
        for (int a = 0; a < 2; a++) for (int b = 0; b < 2; b++) { Pp[a][b] = (a == b) * q; for (int c = 0; c < 2; c++) Pp[a][b] += FP[a][c] * f[b][c]; }
        float S = Pp[0][0] + r, y = z[i * T + t] - xp[0];
        float K[2] = {Pp[0][0] / S, Pp[1][0] / S};
        for (int a = 0; a < 2; a++) { x[a] = xp[a] + K[a] * y; for (int b = 0; b < 2; b++) P[a][b] = Pp[a][b] - K[a] * Pp[0][b]; }
        z[i * T + t] = x[0];
        out[i] += -0.5f * (logf(S) + y * y / S);
    }
}

// ROI align with float4 features, double loop, divergent sizes
extern "C" __global__ void roi_align(const float4* feat, const float* rois, float4* out, int H, int W, int R, int S) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= R * S * S) return;
    int r = idx / (S * S), py = (idx / S) % S, px = idx % S;
    const float* b = rois + r * 4;
    float bw = fmaxf(b[2] - b[0], 0.1f) / S, bh = fmaxf(b[3] - b[1], 0.1f) / S;
    int gy = (int)ceilf(bh), gx = (int)ceilf(bw);
    float4 acc = make_float4(0, 0, 0, 0);
    for (int iy = 0; iy < gy; iy++) for (int ix = 0; ix < gx; ix++) {
        float y = b[1] + py * bh + (iy + .5f) * bh / gy, x = b[0] + px * bw + (ix + .5f) * bw / gx;
        if (y < -1 || y > H || x < -1 || x > W) continue;
        y = fmaxf(y, 0); x = fmaxf(x, 0);
        int y0 = (int)y, x0 = (int)x, y1, x1;
        if (y0 >= H - 1) { y1 = y0 = H - 1; y = y0; } else y1 = y0 + 1;
        if (x0 >= W - 1) { x1 = x0 = W - 1; x = x0; } else x1 = x0 + 1;
        float ly = y - y0, lx = x - x0;
        float4 a = feat[y0 * W + x0], c = feat[y0 * W + x1], d = feat[y1 * W + x0], e = feat[y1 * W + x1];
        float w1 = (1 - ly) * (1 - lx), w2 = (1 - ly) * lx, w3 = ly * (1 - lx), w4 = ly * lx;
        acc.x += w1 * a.x + w2 * c.x + w3 * d.x + w4 * e.x; acc.y += w1 * a.y + w2 * c.y + w3 * d.y + w4 * e.y;
        acc.z += w1 * a.z + w2 * c.z + w3 * d.z + w4 * e.z; acc.w += w1 * a.w + w2 * c.w + w3 * d.w + w4 * e.w;
    }
    float cnt = fmaxf(gy * gx, 1);
    acc.x /= cnt; acc.y /= cnt; acc.z /= cnt; acc.w /= cnt;
    out[idx] = acc;
}

// Soft Smith-Waterman: wavefront in shared memory, three diagonals rotating by pointer swap
extern "C" __global__ void soft_align(const float* score, float* result, float gap, int n) {
    extern __shared__ float diag[];
    float* prev2 = diag; float* prev = diag + n + 1; float* cur = diag + 2 * (n + 1);
    int t = threadIdx.x;
    for (int i = t; i <= n; i += blockDim.x) { prev2[i] = 0; prev[i] = 0; cur[i] = 0; }
    __syncthreads();
    for (int d = 2; d <= 2 * n; d++) {
        int i = t + 1, j = d - i;
        if (i <= n && j >= 1 && j <= n) {
            float a = prev2[i - 1] + score[blockIdx.x * n * n + (i - 1) * n + j - 1];
            float b = prev[i - 1] - gap, c = prev[i] - gap;
            float m = fmaxf(fmaxf(a, b), fmaxf(c, 0.f));
            cur[i] = m + logf(expf(a - m) + expf(b - m) + expf(c - m) + expf(-m));
        } else if (i <= n) cur[i] = 0;
        if (t == 0) cur[0] = 0;
        __syncthreads();
        float* tmp = prev2; prev2 = prev; prev = cur; cur = tmp;
        __syncthreads();
    }
    if (t == 0) result[blockIdx.x] = prev[n];
}

// Rotary embedding in place on half2 pairs, sincosf of positions
extern "C" __global__ void rotary(float2* q, const float* freq, const int* posn, int heads, int dim2) {
    int tok = blockIdx.x;
    for (int i = threadIdx.x; i < heads * dim2; i += blockDim.x) {
        int d = i % dim2;
        float s, c; sincosf(posn[tok] * freq[d], &s, &c);
        float2 v = q[tok * heads * dim2 + i];
        q[tok * heads * dim2 + i] = make_float2(v.x * c - v.y * s, v.x * s + v.y * c);
    }
}

// Top-2 gating of experts by warp shuffles (index, value) pairs
extern "C" __global__ void gate(const float* logits, float* weights, int* chosen, int E) {
    int row = blockIdx.x, lane = threadIdx.x;
    float v = lane < E ? logits[row * E + lane] : -1e30f, orig = v;
    float best[2]; int arg[2];
    for (int r = 0; r < 2; r++) {
        float m = v; int a = lane;
        for (int o = 16; o; o >>= 1) {
            float m2 = __shfl_xor_sync(~0u, m, o); int a2 = __shfl_xor_sync(~0u, a, o);
            if (m2 > m || (m2 == m && a2 < a)) { m = m2; a = a2; }
        }
        best[r] = m; arg[r] = a;
        if (lane == a) v = -1e30f;
    }
    float e = expf(best[1] - best[0]), z = 1 + e;
    if (lane == arg[0]) { weights[row * E + lane] = 1 / z; }
    else if (lane == arg[1]) { weights[row * E + lane] = e / z; }
    else if (lane < E) weights[row * E + lane] = 0;
    if (lane < 2) chosen[row * 2 + lane] = arg[lane];
    float p = expf(orig - best[0]);
    unsigned active = __ballot_sync(~0u, lane < E);
    if (lane < E) {
        float s = 0;
        for (int o = 0; o < __popc(active); o++) s += __shfl_sync(active, p, o);
        atomicAdd(&weights[gridDim.x * E + lane], p / s);
    }
}

// 3x3 SVD-like Jacobi rotations, sorted singular values
extern "C" __global__ void jacobi3(const double* A, double* s, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double B[3][3];
    for (int r = 0; r < 3; r++) for (int c = 0; c < 3; c++) { B[r][c] = 0; for (int k = 0; k < 3; k++) B[r][c] += A[i * 9 + k * 3 + r] * A[i * 9 + k * 3 + c]; }
    for (int sweep = 0; sweep < 10; sweep++) {
        double off = B[0][1] * B[0][1] + B[0][2] * B[0][2] + B[1][2] * B[1][2];
        if (off < 1e-26) break;
        for (int p = 0; p < 2; p++) for (int q = p + 1; q < 3; q++) {
            if (B[p][q] == 0) continue;
            double th = (B[q][q] - B[p][p]) / (2 * B[p][q]);
            double t = (th >= 0 ? 1. : -1.) / (fabs(th) + sqrt(th * th + 1)), c = 1 / sqrt(t * t + 1), sn = t * c;
            for (int k = 0; k < 3; k++) { double a = B[k][p], b = B[k][q]; B[k][p] = c * a - sn * b; B[k][q] = sn * a + c * b; }
            for (int k = 0; k < 3; k++) { double a = B[p][k], b = B[q][k]; B[p][k] = c * a - sn * b; B[q][k] = sn * a + c * b; }
        }
    }
    double e[3] = {B[0][0], B[1][1], B[2][2]};
    if (e[0] < e[1]) { double t = e[0]; e[0] = e[1]; e[1] = t; }
    if (e[1] < e[2]) { double t = e[1]; e[1] = e[2]; e[2] = t; }
    if (e[0] < e[1]) { double t = e[0]; e[0] = e[1]; e[1] = t; }
    for (int k = 0; k < 3; k++) s[i * 3 + k] = sqrt(e[k]);
}

// Philox counter RNG, antithetic Monte Carlo with control variate, block reduce by shuffles and one atomic
__device__ unsigned mulhi(unsigned a, unsigned b) { return __umulhi(a, b); }
extern "C" __global__ void philox_mc(float* price, float s0, float vol, float rate, float strike, int paths) {
    __shared__ float part[2];
    float sum = 0;
    for (int p = blockIdx.x * blockDim.x + threadIdx.x; p < paths; p += gridDim.x * blockDim.x) {
        unsigned c0 = p, c1 = 0, c2 = 0, c3 = 0, k0 = 1234, k1 = 5678;
        for (int r = 0; r < 10; r++) {
            unsigned h0 = mulhi(0xD2511F53u, c0), l0 = 0xD2511F53u * c0, h1 = mulhi(0xCD9E8D57u, c2), l1 = 0xCD9E8D57u * c2;
            c0 = h1 ^ c1 ^ k0; c1 = l1; c2 = h0 ^ c3 ^ k1; c3 = l0; k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
        }
        float u1 = (c0 + 0.5f) * 2.3283064e-10f, u2 = (c1 + 0.5f) * 2.3283064e-10f;
        float z = sqrtf(-2 * logf(u1)) * cosf(6.2831853f * u2);
        float up = s0 * expf(rate - 0.5f * vol * vol + vol * z), dn = s0 * expf(rate - 0.5f * vol * vol - vol * z);
        sum += 0.5f * (fmaxf(up - strike, 0) + fmaxf(dn - strike, 0));
    }
    for (int o = 16; o; o >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, o);
    if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = sum;
    __syncthreads();
    if (threadIdx.x == 0) atomicAdd(price, (part[0] + part[1]) * expf(-rate) / paths);
}

// LULESH-like: hourglass of hexahedra with local arrays and indirect nodes, atomics to nodes
extern "C" __global__ void hourglass(const float* x, const int* nodes, float* f, float coef, int n) {
    int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= n) return;
    const float g[4][8] = {{1,1,-1,-1,-1,-1,1,1},{1,-1,-1,1,-1,1,1,-1},{1,-1,1,-1,1,-1,1,-1},{-1,1,-1,1,1,-1,1,-1}};
    float c[8], h[4]; float vol = 0;
    for (int k = 0; k < 8; k++) c[k] = x[nodes[e * 8 + k]];
    for (int k = 0; k < 8; k++) vol += c[k] * c[(k + 3) & 7];
    for (int m = 0; m < 4; m++) { h[m] = 0; for (int k = 0; k < 8; k++) h[m] += g[m][k] * c[k]; }
    float v = cbrtf(fabsf(vol) + 0.5f);
    #pragma unroll 1
    for (int k = 0; k < 8; k++) {
        float s = 0;
        for (int m = 0; m < 4; m++) s += g[m][k] * h[m];
        atomicAdd(&f[nodes[e * 8 + k]], coef * s * v);
    }
}
