// Integers that are shifted from round to round, until nothing of them is left.
extern "C" __global__ void shifting_weights(const float *x, float *y, const int *seeds, int rounds) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned s = 0xffffffffu, t = seeds[i];
    int q = -seeds[i] - 1;
    float v = x[i];
    for (int k = 0; k < rounds; k++) {
        v += 0.01f * sinf(v) * (float)(s & 3) + 0.001f * v * v * (float)(t & 7) - 0.01f * cosf(v) * (float)(q & 15);
        s >>= 1;
        t <<= 3;
        q >>= 2;
    }
    y[i] = v;
}
