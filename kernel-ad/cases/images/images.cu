// Images: convolution, pooling, filters, warps.
#include <math.h>

#define R 2
#define TILE 16

__constant__ float taps[2 * R + 1] = {0.06f, 0.24f, 0.4f, 0.24f, 0.06f};

// 1-D convolution; tile and halo in shared memory, weights in constant memory.
extern "C" __global__ void convolve_row(const float *x, float *y, int n) {
    __shared__ float s[TILE + 2 * R];
    int t = threadIdx.x, i = blockIdx.x * TILE + t;
    s[t + R] = i < n ? x[i] : 0.0f;
    if (t < R) {
        s[t] = i >= R && i - R < n ? x[i - R] : 0.0f;
        s[t + R + TILE] = i + TILE < n ? x[i + TILE] : 0.0f;
    }
    __syncthreads();
    if (i >= n) return;
    float sum = 0.0f;
#pragma unroll
    for (int k = -R; k <= R; k++) sum += taps[k + R] * s[t + R + k];
    y[i] = sum;
}

// 2-D convolution of several channels, stride and padding, no tricks.
extern "C" __global__ void conv2d(const float *x, const float *w, const float *bias, float *y, int cin, int cout, int size, int k, int stride) {
    int outs = (size + stride - 1) / stride;
    int i = blockIdx.x * blockDim.x + threadIdx.x, o = blockIdx.y;
    if (i >= outs * outs) return;
    int oy = i / outs * stride, ox = i % outs * stride, half = k / 2;
    float s = bias[o];
    for (int c = 0; c < cin; c++)
        for (int dy = 0; dy < k; dy++) {
            int yy = oy + dy - half;
            if (yy < 0 || yy >= size) continue;
            for (int dx = 0; dx < k; dx++) {
                int xx = ox + dx - half;
                if (xx < 0 || xx >= size) continue;
                s += x[(c * size + yy) * size + xx] * w[((o * cin + c) * k + dy) * k + dx];
            }
        }
    y[o * outs * outs + i] = fmaxf(s, 0.0f);
}

// Depthwise 3x3 from a shared tile with halo, filled by a strided loop.
extern "C" __global__ void depthwise_tile(const float *x, const float *w, float *y, int h, int width) {
    __shared__ float s[10][10];
    int t = threadIdx.y * 8 + threadIdx.x, c = blockIdx.z;
    int x0 = blockIdx.x * 8 - 1, y0 = blockIdx.y * 8 - 1;
    for (int e = t; e < 100; e += 64) {
        int yy = y0 + e / 10, xx = x0 + e % 10;
        s[e / 10][e % 10] = yy >= 0 && yy < h && xx >= 0 && xx < width ? x[(c * h + yy) * width + xx] : 0.0f;
    }
    __syncthreads();
    int xx = blockIdx.x * 8 + threadIdx.x, yy = blockIdx.y * 8 + threadIdx.y;
    if (xx >= width || yy >= h) return;
    float sum = 0.0f;
    for (int dy = 0; dy < 3; dy++)
        for (int dx = 0; dx < 3; dx++) sum += s[threadIdx.y + dy][threadIdx.x + dx] * w[c * 9 + dy * 3 + dx];
    y[(c * h + yy) * width + xx] = sum;
}

// Maximum over windows that overlap; where it came from is written as well.
extern "C" __global__ void max_pool(const float *x, float *y, int *from, int size, int outs, int window, int stride) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= outs * outs) return;
    int oy = i / outs * stride, ox = i % outs * stride, at = oy * size + ox;
    float best = x[at];
    for (int dy = 0; dy < window; dy++)
        for (int dx = 0; dx < window; dx++) {
            int yy = oy + dy, xx = ox + dx;
            if (yy >= size || xx >= size) continue;
            float v = x[yy * size + xx];
            if (v > best) {
                best = v;
                at = yy * size + xx;
            }
        }
    y[i] = best;
    from[i] = at;
}

// Averages over windows cut at the border.
extern "C" __global__ void average_pool(const double *x, double *y, int size, int outs, int window) {
    int ox = blockIdx.x * blockDim.x + threadIdx.x, oy = blockIdx.y * blockDim.y + threadIdx.y;
    if (ox >= outs || oy >= outs) return;
    int x1 = min(ox * window + window, size), y1 = min(oy * window + window, size), count = 0;
    double s = 0.0;
    for (int yy = oy * window; yy < y1; yy++)
        for (int xx = ox * window; xx < x1; xx++, count++) s += x[yy * size + xx];
    y[oy * outs + ox] = s * s / count;
}

// Edges are kept: weights fall with distance and with difference.
extern "C" __global__ void bilateral(const float *x, float *y, int w, int h, float space, float range) {
    int cx = blockIdx.x * blockDim.x + threadIdx.x, cy = blockIdx.y * blockDim.y + threadIdx.y;
    if (cx >= w || cy >= h) return;
    float centre = x[cy * w + cx], sum = 0.0f, weight = 0.0f;
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            int xx = min(max(cx + dx, 0), w - 1), yy = min(max(cy + dy, 0), h - 1);
            float v = x[yy * w + xx], d = v - centre;
            float g = expf(-(float)(dx * dx + dy * dy) * space - d * d * range);
            sum += g * v;
            weight += g;
        }
    y[cy * w + cx] = sum / weight;
}

// One iteration of Horn and Schunck's optical flow.
extern "C" __global__ void optical_flow(const float *first, const float *second, const float *u, const float *v, float *un, float *vn, int w, int h, float alpha) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= w - 1 || y >= h - 1) return;
    int i = y * w + x;
    float ix = 0.25f * (first[i + 1] - first[i - 1] + second[i + 1] - second[i - 1]);
    float iy = 0.25f * (first[i + w] - first[i - w] + second[i + w] - second[i - w]);
    float it = second[i] - first[i];
    float ub = 0.25f * (u[i - 1] + u[i + 1] + u[i - w] + u[i + w]), vb = 0.25f * (v[i - 1] + v[i + 1] + v[i - w] + v[i + w]);
    float k = (ix * ub + iy * vb + it) / (alpha * alpha + ix * ix + iy * iy);
    un[i] = ub - ix * k;
    vn[i] = vb - iy * k;
}

// Sampling at moving places: the derivative goes to the image and to the places.
extern "C" __global__ void bilinear_sample(const float *image, const float2 *place, float *out, int w, int h, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float2 p = place[i];
    float fx = floorf(p.x), fy = floorf(p.y), a = p.x - fx, b = p.y - fy;
    int x0 = min(max((int)fx, 0), w - 1), y0 = min(max((int)fy, 0), h - 1), x1 = min(x0 + 1, w - 1), y1 = min(y0 + 1, h - 1);
    float top = (1.0f - a) * image[y0 * w + x0] + a * image[y0 * w + x1];
    float low = (1.0f - a) * image[y1 * w + x0] + a * image[y1 * w + x1];
    out[i] = (1.0f - b) * top + b * low;
}

__device__ double cubic(double t) {
    t = fabs(t);
    if (t <= 1.0) return (1.5 * t - 2.5) * t * t + 1.0;
    if (t < 2.0) return ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0;
    return 0.0;
}

// Bicubic resampling by Keys' kernel.
extern "C" __global__ void bicubic_resize(const double *in, double *out, int w, int h, int ow, int oh, double shift) {
    int ox = blockIdx.x * blockDim.x + threadIdx.x, oy = blockIdx.y * blockDim.y + threadIdx.y;
    if (ox >= ow || oy >= oh) return;
    double sx = (ox + 0.5) * w / ow - 0.5 + shift, sy = (oy + 0.5) * h / oh - 0.5 + shift;
    int bx = (int)floor(sx), by = (int)floor(sy);
    double sum = 0.0;
    for (int dy = -1; dy <= 2; dy++) {
        double wy = cubic(sy - (by + dy));
        int yy = min(max(by + dy, 0), h - 1);
        for (int dx = -1; dx <= 2; dx++) {
            int xx = min(max(bx + dx, 0), w - 1);
            sum += wy * cubic(sx - (bx + dx)) * in[yy * w + xx];
        }
    }
    out[oy * ow + ox] = sum;
}

// Free-form deformation: displacements are cubic B-splines of control points.
extern "C" __global__ void bspline_deform(const float *control, float *displaced, int n, int controls, float spacing) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float u = i / spacing;
    int k = (int)u;
    float t = u - k, s = 1.0f - t;
    float b[4] = {s * s * s / 6.0f, (3.0f * t * t * t - 6.0f * t * t + 4.0f) / 6.0f, (3.0f * s * s * s - 6.0f * s * s + 4.0f) / 6.0f, t * t * t / 6.0f};
    float d = 0.0f;
    for (int j = 0; j < 4; j++) d += b[j] * control[min(k + j, controls - 1)];
    displaced[i] = i + d * d;
}

// Sobel edges, squared and thresholded smoothly.
extern "C" __global__ void sobel(const float *__restrict__ in, float *__restrict__ out, int w, int h, float cut) {
    int x = blockIdx.x * blockDim.x + threadIdx.x + 1, y = blockIdx.y * blockDim.y + threadIdx.y + 1;
    if (x >= w - 1 || y >= h - 1) return;
    const float *p = in + y * w + x;
    float gx = p[1 - w] + 2.0f * p[1] + p[1 + w] - p[-1 - w] - 2.0f * p[-1] - p[w - 1];
    float gy = p[w - 1] + 2.0f * p[w] + p[w + 1] - p[-1 - w] - 2.0f * p[-w] - p[1 - w];
    float g = gx * gx + gy * gy;
    out[y * w + x] = 1.0f / (1.0f + expf(-(g - cut)));
}
