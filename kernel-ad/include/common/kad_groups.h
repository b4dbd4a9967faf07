// Cooperative groups of CUDA and HIP: the block, parts of a warp, and the grid without its synchronisation. A language says
// before what its warp is: KAD_LANES (a type with a bit for each lane), KAD_WARP, kad_count, kad_first, kad_lane.
#ifndef KAD_GROUPS_H
#define KAD_GROUPS_H

namespace cooperative_groups {

KAD_DEV unsigned int kad_block_rank() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
KAD_DEV unsigned int kad_block_size() { return blockDim.x * blockDim.y * blockDim.z; }
/// The lanes of a part of the warp: `n` of them, a power of two, those beside the own lane.
KAD_DEV KAD_LANES kad_lanes(unsigned int n) {
  KAD_LANES one = 1;
  return n >= KAD_WARP ? ~(KAD_LANES)0 >> (8 * sizeof(KAD_LANES) - KAD_WARP) : ((one << (n & (KAD_WARP - 1))) - one) << (kad_lane() & ~(n - 1));
}
KAD_DEV KAD_LANES kad_lanes_before() { return ((KAD_LANES)1 << kad_lane()) - 1; }
/// The lane that has a rank among members.
KAD_DEV int kad_lane_of(KAD_LANES members, unsigned int rank) {
  for (; rank > 0; rank--) members &= members - 1;
  return kad_first(members);
}

/// Any group within a block: all of it where there are no members, otherwise those lanes of a warp.
struct thread_group {
  KAD_LANES members;
  __device__ void sync() const {
    if (members) __syncwarp(members);
    else __syncthreads();
  }
  __device__ unsigned int size() const { return members ? kad_count(members) : kad_block_size(); }
  __device__ unsigned int num_threads() const { return size(); }
  __device__ unsigned int thread_rank() const { return members ? kad_count(members & kad_lanes_before()) : kad_block_rank(); }
  __device__ bool is_valid() const { return true; }
};

struct thread_block : thread_group {
  __device__ constexpr thread_block() : thread_group{0} {}
  KAD_DEV void sync() { __syncthreads(); }
  KAD_DEV unsigned int thread_rank() { return kad_block_rank(); }
  KAD_DEV unsigned int size() { return kad_block_size(); }
  KAD_DEV unsigned int num_threads() { return size(); }
  KAD_DEV dim3 group_index() { return blockIdx; }
  KAD_DEV dim3 thread_index() { return threadIdx; }
  KAD_DEV dim3 group_dim() { return blockDim; }
  KAD_DEV dim3 dim_threads() { return blockDim; }
};
KAD_DEV thread_block this_thread_block() { return thread_block(); }

struct grid_group {
  __attribute__((unavailable("the synchronisation of a whole grid is not supported: make it two kernels"))) __device__ void sync() const;
  KAD_DEV bool is_valid() { return true; }
  KAD_DEV unsigned long long block_rank() { return blockIdx.x + (unsigned long long)gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z); }
  KAD_DEV unsigned long long num_blocks() { return (unsigned long long)gridDim.x * gridDim.y * gridDim.z; }
  KAD_DEV unsigned long long thread_rank() { return block_rank() * kad_block_size() + kad_block_rank(); }
  KAD_DEV unsigned long long size() { return num_blocks() * kad_block_size(); }
  KAD_DEV unsigned long long num_threads() { return size(); }
  KAD_DEV dim3 dim_blocks() { return gridDim; }
  KAD_DEV dim3 group_dim() { return gridDim; }
  KAD_DEV dim3 block_index() { return blockIdx; }
};
KAD_DEV grid_group this_grid() { return grid_group(); }

// Values that the warp's own operations do not take move by words.
template <class T> struct kad_words { unsigned int w[(sizeof(T) + 3) / 4]; };
#define KAD_MOVE(NAME, A) \
  template <class T> KAD_DEV auto kad##NAME(int, KAD_LANES m, T v, A a, int width) -> decltype(NAME##_sync(m, v, a, width)) { \
    return NAME##_sync(m, v, a, width); \
  } \
  template <class T> KAD_DEV T kad##NAME(long, KAD_LANES m, T v, A a, int width) { \
    kad_words<T> words = {}; \
    __builtin_memcpy(&words, &v, sizeof(T)); \
    _Pragma("unroll") for (unsigned int k = 0; k < sizeof(words) / 4; k++) words.w[k] = NAME##_sync(m, words.w[k], a, width); \
    __builtin_memcpy(&v, &words, sizeof(T)); \
    return v; \
  }
KAD_MOVE(__shfl, int)
KAD_MOVE(__shfl_up, unsigned int)
KAD_MOVE(__shfl_down, unsigned int)
KAD_MOVE(__shfl_xor, int)

/// The lanes that are here together.
struct coalesced_group : thread_group {
  template <class T> __device__ T shfl(T v, unsigned int rank) const {
    return kad__shfl<T>(0, members, v, kad_lane_of(members, rank), KAD_WARP);
  }
  template <class T> __device__ T shfl_down(T v, unsigned int d) const {
    unsigned int rank = thread_rank() + d;
    return shfl(v, rank < size() ? rank : rank - d);
  }
  template <class T> __device__ T shfl_up(T v, unsigned int d) const {
    unsigned int rank = thread_rank();
    return shfl(v, rank >= d ? rank - d : rank);
  }
  /// The bits of some members, by their ranks.
  __device__ KAD_LANES ranks(KAD_LANES lanes) const {
    KAD_LANES out = 0;
    unsigned int rank = 0;
    for (KAD_LANES rest = members; rest; rest &= rest - 1, rank++) out |= ((lanes >> kad_first(rest)) & 1) << rank;
    return out;
  }
  __device__ bool any(int p) const { return (__ballot_sync(members, p) & members) != 0; }
  __device__ bool all(int p) const { return (__ballot_sync(members, p) & members) == members; }
  __device__ KAD_LANES ballot(int p) const { return ranks(__ballot_sync(members, p) & members); }
  template <class T> __device__ KAD_LANES match_any(T v) const { return ranks(__match_any_sync(members, v)); }
  __device__ unsigned int meta_group_rank() const { return 0; }
  __device__ unsigned int meta_group_size() const { return 1; }
};
KAD_DEV coalesced_group coalesced_threads() { return coalesced_group{{(KAD_LANES)__activemask()}}; }

template <unsigned int N, class Parent = thread_block> struct thread_block_tile : thread_group {
  static_assert(N >= 1 && N <= KAD_WARP && (N & (N - 1)) == 0, "tiles are powers of two of at most a warp");
  __device__ thread_block_tile() : thread_group{kad_lanes(N)} {}
  KAD_DEV KAD_LANES mask() { return kad_lanes(N); }
  KAD_DEV unsigned int meta_group_rank() { return kad_block_rank() / N; }
  KAD_DEV unsigned int meta_group_size() { return (kad_block_size() + N - 1) / N; }
  KAD_DEV constexpr unsigned int size() { return N; }
  KAD_DEV constexpr unsigned int num_threads() { return N; }
  KAD_DEV unsigned int thread_rank() { return kad_block_rank() & (N - 1); }
  KAD_DEV void sync() { __syncwarp(mask()); }
  template <class T> KAD_DEV T shfl(T v, int lane) { return kad__shfl<T>(0, mask(), v, lane, N); }
  template <class T> KAD_DEV T shfl_down(T v, unsigned int d) { return kad__shfl_down<T>(0, mask(), v, d, N); }
  template <class T> KAD_DEV T shfl_up(T v, unsigned int d) { return kad__shfl_up<T>(0, mask(), v, d, N); }
  template <class T> KAD_DEV T shfl_xor(T v, int m) { return kad__shfl_xor<T>(0, mask(), v, m, N); }
  /// The bits of the own tile.
  KAD_DEV KAD_LANES own(KAD_LANES lanes) { return (lanes & mask()) >> (kad_lane() & ~(N - 1)); }
  KAD_DEV bool any(int p) { return (__ballot_sync(mask(), p) & mask()) != 0; }
  KAD_DEV bool all(int p) { return (__ballot_sync(mask(), !p) & mask()) == 0; }
  KAD_DEV KAD_LANES ballot(int p) { return own(__ballot_sync(mask(), p)); }
  template <class T> KAD_DEV KAD_LANES match_any(T v) { return own(__match_any_sync(mask(), v)); }
  template <class T> KAD_DEV KAD_LANES match_all(T v, int &same) { return own(__match_all_sync(mask(), v, &same)); }
};
template <unsigned int N, class G> KAD_DEV thread_block_tile<N, G> tiled_partition(const G &) {
  return thread_block_tile<N, G>();
}
template <class G> KAD_DEV thread_group tiled_partition(const G &, unsigned int n) { return thread_group{kad_lanes(n)}; }
template <class G> KAD_DEV coalesced_group binary_partition(const G &g, bool p) {
  KAD_LANES with = __ballot_sync(g.members, p) & g.members;
  return coalesced_group{{p ? with : g.members & ~with}};
}
template <class G, class T> KAD_DEV coalesced_group labeled_partition(const G &g, T label) {
  return coalesced_group{{__match_any_sync(g.members, label)}};
}

template <class G> KAD_DEV void sync(const G &g) { g.sync(); }
template <class G> KAD_DEV auto thread_rank(const G &g) { return g.thread_rank(); }
template <class G> KAD_DEV auto group_size(const G &g) { return g.size(); }

#define KAD_CHOICE(NAME, E) \
  template <class T> struct NAME { __device__ T operator()(T a, T b) const { return E; } };
KAD_CHOICE(plus, a + b)
KAD_CHOICE(greater, a > b ? a : b)
KAD_CHOICE(less, a < b ? a : b)
KAD_CHOICE(bit_and, a & b)
KAD_CHOICE(bit_or, a | b)
KAD_CHOICE(bit_xor, a ^ b)

template <unsigned int N, class P, class T, class Op> KAD_DEV T reduce(const thread_block_tile<N, P> &g, T v, Op op) {
  for (unsigned int d = N / 2; d > 0; d /= 2) v = op(v, g.shfl_xor(v, d));
  return v;
}
template <class T, class Op> KAD_DEV T reduce(const coalesced_group &g, T v, Op op) {
  unsigned int rank = g.thread_rank();
  for (unsigned int n = g.size(); n > 1; n = (n + 1) / 2) {
    T other = g.shfl_down(v, (n + 1) / 2);
    if (rank + (n + 1) / 2 < n) v = op(v, other);
  }
  return g.shfl(v, 0);
}
template <class G, class T, class Op> KAD_DEV T inclusive_scan(const G &g, T v, Op op) {
  unsigned int rank = g.thread_rank();
  for (unsigned int d = 1; d < g.size(); d *= 2) {
    T other = g.shfl_up(v, d);
    if (rank >= d) v = op(other, v);
  }
  return v;
}
template <class G, class T> KAD_DEV T inclusive_scan(const G &g, T v) { return inclusive_scan(g, v, plus<T>()); }
template <class G, class T, class Op> KAD_DEV T exclusive_scan(const G &g, T v, Op op) {
  T before = g.shfl_up(inclusive_scan(g, v, op), 1);
  return g.thread_rank() == 0 ? T() : before;
}
template <class G, class T> KAD_DEV T exclusive_scan(const G &g, T v) { return exclusive_scan(g, v, plus<T>()); }

/// Copies that are done when the group has waited.
template <class G, class T> KAD_DEV void memcpy_async(const G &g, T *to, const T *from, size_t bytes) {
  for (size_t i = g.thread_rank(); i < bytes / sizeof(T); i += g.size()) to[i] = from[i];
}
template <class G> KAD_DEV void wait(const G &g) { g.sync(); }

}  // namespace cooperative_groups

#endif
