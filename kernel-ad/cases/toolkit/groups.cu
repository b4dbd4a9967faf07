// Cooperative groups: parts of a warp known only at run time, the lanes that came together, scans, and copies that are waited for.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

namespace cg = cooperative_groups;

__device__ float reduce_sum(cg::thread_group g, float *scratch, float v) {
    int lane = g.thread_rank();
    for (int i = g.size() / 2; i > 0; i /= 2) {
        scratch[lane] = v;
        g.sync();
        if (lane < i) v += scratch[lane + i];
        g.sync();
    }
    return v;
}

extern "C" __global__ void group_sums(const float *x, float *sums) {
    __shared__ float scratch[128];
    cg::thread_block block = cg::this_thread_block();
    cg::grid_group grid = cg::this_grid();
    float v = x[grid.thread_rank()];
    float all = reduce_sum(block, scratch, v * v);
    cg::sync(block);
    cg::thread_group tile = cg::tiled_partition(block, 16);
    int first = cg::thread_rank(block) / 16 * 16;
    float some = reduce_sum(tile, scratch + first, v * all);
    if (tile.thread_rank() == 0) sums[(grid.block_rank() * block.group_dim().x + first) / cg::group_size(tile)] = some;
}

extern "C" __global__ void sum_of_positive(const float *x, float *y, float *total, int n) {
    int i = cg::this_grid().thread_rank();
    if (i >= n) return;
    float v = x[i];
    if (v > 0.0f) {
        cg::coalesced_group here = cg::coalesced_threads();
        float sum = cg::reduce(here, v * v, cg::plus<float>());
        if (here.thread_rank() == 0) atomicAdd(total, sum);
        y[i] = v * here.shfl(v, 0) + here.shfl_down(v, 1);
    } else {
        y[i] = 2.0f * v;
    }
}

extern "C" __global__ void tile_scan(const float *x, const int *kind, float *y) {
    __shared__ float rows[64];
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<8>(cg::tiled_partition<32>(block));
    cg::memcpy_async(block, rows, x + block.group_index().x * 64, sizeof(rows));
    cg::wait(block);
    float v = rows[block.thread_index().x];
    int bits = cg::reduce(tile, kind[block.thread_rank()], cg::bit_or<int>());
    float2 two = tile.shfl_xor(make_float2(v, 2.0f * v), 3);
    float sum = cg::inclusive_scan(tile, v * two.x) + cg::exclusive_scan(tile, two.y);
    y[cg::this_grid().thread_rank()] = sum * bits * __popc(tile.match_any(kind[block.thread_rank()]));
}
