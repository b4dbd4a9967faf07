// Products of bytes (quantised weights) scaled by numbers with a derivative, by threads that wait for each other for a while.
extern "C" __global__ void quantised_dot(const int *weights, const char4 *inputs, const float *scale, const float *x, float *y, int words) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int sum = 0;
    for (int k = 0; k < words; k++) {
        sum = __dp4a(weights[k], weights[i % 8], sum);
        sum = __dp4a(inputs[i], inputs[k], sum);
        sum = __dp2a_lo(weights[k], k, sum) - __dp2a_hi(weights[i % 8], k, 0);
    }
    __nanosleep(20);
    // The first 16 bits are 2 and 1, the bytes that go with them 3 and -4.
    bool right = __dp2a_lo(0x00010002, (int)0x7f7ffc03, 5) == 7 && __dp4a(0xff020304u, 0x01010102u, 1u) == 269u;
    y[i] = (right ? 1.0f : 0.0f / 0.0f) * (float)(sum % 1000) * 0.001f * scale[i % 4] * x[i] + x[i] * x[i];
}
