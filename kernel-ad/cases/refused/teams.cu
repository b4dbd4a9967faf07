// Ways in which threads wait for each other, or work on parts of words, that cannot be run backwards yet. Each kernel runs as primal.
#include <cuda_fp16.h>

// One warp fills the tile and goes on; the other waits for it.
extern "C" __global__ void arrive(const float *x, float *y) {
    __shared__ float tile[32];
    int t = threadIdx.x, i = blockIdx.x * 32 + t % 32;
    if (t < 32) {
        tile[t] = x[i] * x[i];
        asm volatile("bar.arrive 1, 64;" ::: "memory");
    } else {
        asm volatile("bar.sync 1, 64;" ::: "memory");
        y[i] = tile[31 - t % 32] * x[i];
    }
}

// Every warp has a barrier of its own.
extern "C" __global__ void barrier_of_warp(const float *x, float *y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = x[t] * x[t];
    asm volatile("bar.sync %0, 32;" :: "r"(t / 32 + 1) : "memory");
    y[t] = s[t ^ 1] * x[t];
}

// A sum of halves, two of which share the word that is compared and swapped.
extern "C" __global__ void half_word_sum(const __half *x, __half *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    __half *at = sum + i % 2;
    unsigned *word = (unsigned *)((size_t)at & ~(size_t)2), old = *(volatile unsigned *)word, seen;
    bool high = (size_t)at & 2;
    do {
        seen = old;
        __half_raw h;
        h.x = high ? seen >> 16 : seen & 0xffff;
        h = __hadd(h, x[i]);
        old = atomicCAS(word, seen, high ? (seen & 0xffff) | (unsigned)h.x << 16 : (seen & 0xffff0000u) | h.x);
    } while (seen != old);
}

// The largest of halves.
extern "C" __global__ void half_max(const __half *x, __half *most) {
    __shared__ __half top;
    int t = threadIdx.x;
    if (t == 0) top = __float2half(-100.0f);
    __syncthreads();
    unsigned short *p = (unsigned short *)&top, old = *(volatile unsigned short *)p, seen;
    do {
        seen = old;
        __half h = __ushort_as_half(seen);
        if (__hge(h, x[t])) break;
        old = atomicCAS(p, seen, __half_as_ushort(x[t]));
    } while (seen != old);
    __syncthreads();
    if (t == 0) *most = __hmul(top, top);
}

// A load that is done under a condition.
extern "C" __global__ void guarded_load(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = 1.0f;
    asm volatile("{ .reg .pred p; setp.lt.s32 p, %1, %2; @p ld.global.f32 %0, [%3]; }" : "+f"(v) : "r"(i), "r"(n), "l"(x + i));
    y[i] = v * v;
}
