// Cooperative groups: a block, parts of a wavefront, the lanes that came together; and operations of a wavefront with masks.
#include <hip/hip_cooperative_groups.h>
#include <hip/hip_runtime.h>

namespace cg = cooperative_groups;

extern "C" __global__ void group_sums(const float *x, float *sums, float *y) {
    __shared__ float rows[128];
    cg::thread_block block = cg::this_thread_block();
    auto tile = cg::tiled_partition<16>(block);
    cg::thread_group part = cg::tiled_partition(block, 32);
    int i = cg::this_grid().thread_rank();
    float v = x[i];
    rows[cg::thread_rank(block)] = v * v;
    cg::sync(block);
    float other = rows[block.size() - 1 - block.thread_rank()];
    float sum = v * other;
    for (int d = tile.size() / 2; d > 0; d /= 2) sum += tile.shfl_down(sum, d);
    if (tile.thread_rank() == 0) sums[i / cg::group_size(tile)] = sum;
    if (v > 0.0f) {
        cg::coalesced_group here = cg::coalesced_threads();
        v *= here.shfl(v, 0) * (1 + part.thread_rank());
    }
    y[i] = v * tile.shfl_xor(other, 5);
}

extern "C" __global__ void masked_moves(const float *x, const int *kind, float *y, float *largest, double *total, unsigned *turn) {
    int i = threadIdx.x;
    float v = x[i];
    unsigned long long all = ~0ull;
    float sum = __shfl_down_sync(all, v, 4) * v + __shfl_xor_sync(all, v, 3, 16) + __shfl_up_sync(all, v * v, 2u) + __shfl_sync(all, v, 7);
    __syncwarp(all);
    int alike = __popcll(__match_any_sync(all, kind[i])), most = __reduce_max_sync(all, kind[i]);
    if (__any_sync(all, kind[i] > 5)) sum *= most;
    if (__all_sync(all, kind[i] < 0)) sum = 0.0f;
    sum += __popcll(__ballot_sync(all, kind[i] & 1)) * v * alike;
    double pushed = __hiloint2double(__double2hiint((double)v), __double2loint((double)v));
    unsafeAtomicAdd(total, sum * pushed);
    safeAtomicAdd(largest, v * (1 + __float2int_rd(2.5f)));
    float4 four = -make_float4(v, sum, v * sum, 1.0f);
    if (four == make_float4(0.0f, 0.0f, 0.0f, -1.0f)) four.w = v;
    atomicInc(turn, 1000u);
    y[i] = four.x * four.y + four.z * __umul64hi(1ull << 63, 4) + (__brevll(1ull) >> 63) * __byte_perm(0x40302010u, 0u, 0x4441u) * 0.01f * v
        + __funnelshift_l(0x80000000u, 1u, 1u) * v + four.w;
}
