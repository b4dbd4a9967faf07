// Reductions of integers over a warp, from sm_80 on: weights by what the other lanes hold.
extern "C" __global__ void warp_counts(const float *x, float *y) {
    int i = threadIdx.x;
    unsigned all = 0xffffffffu;
    unsigned low = (unsigned)(i & 3);
    int signed_low = (int)low - 2;
    float w = __reduce_add_sync(all, low) + 2.0f * __reduce_min_sync(all, low + 1) + 3.0f * __reduce_max_sync(all, low);
    w += 5.0f * __reduce_min_sync(all, signed_low) + 7.0f * __reduce_max_sync(all, signed_low);
    w += 0.5f * __reduce_and_sync(all, low + 4) + 0.25f * __reduce_or_sync(all, low) + 0.125f * __reduce_xor_sync(all, low + 1);
    // 48 + 2 + 9 - 10 + 7 + 2 + 0.75 + 0: only then is the result a number.
    y[i] = w == 58.75f ? x[i] * x[i] * w : 0.0f / 0.0f;
}
