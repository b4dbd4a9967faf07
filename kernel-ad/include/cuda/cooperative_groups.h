// Cooperative groups within a block: thread_block, tiles of a warp, coalesced reductions by shuffles. Groups of the whole
// grid are missing on purpose: their synchronisation is not supported.
#pragma once
#include "kad_cuda.h"

namespace cooperative_groups {

struct thread_block {
  KAD_DEV void sync() { __syncthreads(); }
  KAD_DEV unsigned int thread_rank() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }
  KAD_DEV unsigned int size() { return blockDim.x * blockDim.y * blockDim.z; }
  KAD_DEV unsigned int num_threads() { return size(); }
  KAD_DEV dim3 group_index() { return blockIdx; }
  KAD_DEV dim3 thread_index() { return threadIdx; }
};
KAD_DEV thread_block this_thread_block() { return thread_block(); }
KAD_DEV void sync(const thread_block &) { __syncthreads(); }

template <unsigned int N, class Parent = thread_block> struct thread_block_tile {
  static_assert(N >= 1 && N <= 32 && (N & (N - 1)) == 0, "tiles are powers of two of at most a warp");
  __device__ static unsigned int rank() { return thread_block::thread_rank() & (N - 1); }
  __device__ static unsigned int mask() {
    return N == 32 ? 0xffffffffu : ((1u << (N & 31)) - 1u) << ((thread_block::thread_rank() & 31u) & ~(N - 1));
  }
  __device__ static unsigned int meta_group_rank() { return thread_block::thread_rank() / N; }
  __device__ static unsigned int meta_group_size() { return (thread_block::size() + N - 1) / N; }
  __device__ static constexpr unsigned int size() { return N; }
  __device__ static constexpr unsigned int num_threads() { return N; }
  __device__ static unsigned int thread_rank() { return rank(); }
  __device__ static void sync() { __syncwarp(mask()); }
  template <class T> __device__ static T shfl(T v, int lane) { return __shfl_sync(mask(), v, lane, N); }
  template <class T> __device__ static T shfl_down(T v, unsigned int d) { return __shfl_down_sync(mask(), v, d, N); }
  template <class T> __device__ static T shfl_up(T v, unsigned int d) { return __shfl_up_sync(mask(), v, d, N); }
  template <class T> __device__ static T shfl_xor(T v, int m) { return __shfl_xor_sync(mask(), v, m, N); }
  __device__ static bool any(int p) { return __any_sync(mask(), p); }
  __device__ static bool all(int p) { return __all_sync(mask(), p); }
  __device__ static unsigned int ballot(int p) {
    return __ballot_sync(mask(), p) >> ((thread_block::thread_rank() & 31u) & ~(N - 1));
  }
};
template <unsigned int N, class G> KAD_DEV thread_block_tile<N, G> tiled_partition(const G &) {
  return thread_block_tile<N, G>();
}

template <class T> struct plus { __device__ T operator()(T a, T b) const { return a + b; } };
template <class T> struct greater { __device__ T operator()(T a, T b) const { return a > b ? a : b; } };
template <class T> struct less { __device__ T operator()(T a, T b) const { return a < b ? a : b; } };
template <unsigned int N, class P, class T, class Op> KAD_DEV T reduce(const thread_block_tile<N, P> &, T v, Op op) {
  for (unsigned int d = N / 2; d > 0; d /= 2) v = op(v, thread_block_tile<N, P>::shfl_xor(v, d));
  return v;
}

}  // namespace cooperative_groups
