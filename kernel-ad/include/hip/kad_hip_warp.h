// HIP's operations among the threads of a wavefront.
#ifndef KAD_HIP_WARP_H
#define KAD_HIP_WARP_H

KAD_DEV unsigned int __lane_id() { return __builtin_amdgcn_mbcnt_hi(-1, __builtin_amdgcn_mbcnt_lo(-1, 0)); }
KAD_DEV unsigned long long __ballot(int p) { return __builtin_amdgcn_ballot_w64(p != 0); }
KAD_DEV int __all(int p) { return __builtin_amdgcn_ballot_w64(p == 0) == 0; }
KAD_DEV int __any(int p) { return __builtin_amdgcn_ballot_w64(p != 0) != 0; }
KAD_DEV unsigned long long __activemask() { return __builtin_amdgcn_ballot_w64(true); }

KAD_DEV int kad_pull(int lane, int v) { return __builtin_amdgcn_ds_bpermute(lane << 2, v); }
KAD_DEV int __shfl(int v, int lane, int width = warpSize) {
  int self = __lane_id();
  return kad_pull((lane & (width - 1)) + (self & ~(width - 1)), v);
}
KAD_DEV int __shfl_up(int v, unsigned int delta, int width = warpSize) {
  int self = __lane_id();
  int from = self - (int)delta;
  return kad_pull(from < (self & ~(width - 1)) ? self : from, v);
}
KAD_DEV int __shfl_down(int v, unsigned int delta, int width = warpSize) {
  int self = __lane_id();
  int from = self + (int)delta;
  return kad_pull((int)((self & (width - 1)) + delta) >= width ? self : from, v);
}
KAD_DEV int __shfl_xor(int v, int mask, int width = warpSize) {
  int self = __lane_id();
  int from = self ^ mask;
  return kad_pull(from >= ((self + width) & ~(width - 1)) ? self : from, v);
}

#define KAD_SHUFFLE32(NAME, T, A) \
  KAD_DEV T NAME(T v, A arg, int width = warpSize) { \
    return __builtin_bit_cast(T, NAME(__builtin_bit_cast(int, v), arg, width)); \
  }
#define KAD_SHUFFLE64(NAME, T, A) \
  KAD_DEV T NAME(T v, A arg, int width = warpSize) { \
    int2 w = __builtin_bit_cast(int2, v); \
    w.x = NAME(w.x, arg, width); \
    w.y = NAME(w.y, arg, width); \
    return __builtin_bit_cast(T, w); \
  }
#define KAD_SHUFFLES(NAME, A) \
  KAD_SHUFFLE32(NAME, unsigned int, A) KAD_SHUFFLE32(NAME, float, A) \
  KAD_SHUFFLE64(NAME, double, A) KAD_SHUFFLE64(NAME, long, A) KAD_SHUFFLE64(NAME, unsigned long, A) \
  KAD_SHUFFLE64(NAME, long long, A) KAD_SHUFFLE64(NAME, unsigned long long, A)
KAD_SHUFFLES(__shfl, int)
KAD_SHUFFLES(__shfl_up, unsigned int)
KAD_SHUFFLES(__shfl_down, unsigned int)
KAD_SHUFFLES(__shfl_xor, int)

// Every half is a float.
#define KAD_SHUFFLE16(NAME, A) \
  KAD_DEV _Float16 NAME(_Float16 v, A arg, int width = warpSize) { return (_Float16)NAME((float)v, arg, width); }
// The forms with a mask: the lanes that it leaves out are not there.
#define KAD_MASKED(NAME, A) \
  KAD_SHUFFLE16(NAME, A) \
  template <class M, class T> KAD_DEV auto NAME##_sync(M, T v, A arg, int width = warpSize) -> decltype(NAME(v, arg, width)) { \
    return NAME(v, arg, width); \
  }
KAD_MASKED(__shfl, int)
KAD_MASKED(__shfl_up, unsigned int)
KAD_MASKED(__shfl_down, unsigned int)
KAD_MASKED(__shfl_xor, int)
template <class M> KAD_DEV unsigned long long __ballot_sync(M mask, int p) { return __ballot(p) & mask; }
template <class M> KAD_DEV int __any_sync(M mask, int p) { return (__ballot(p) & mask) != 0; }
template <class M> KAD_DEV int __all_sync(M mask, int p) { return (__ballot(!p) & mask) == 0; }
template <class M> KAD_DEV void __syncwarp(M) { __syncwarp(); }
/// The lanes of the mask that hold the same: those that are not done agree with their first, one after the other.
template <class M, class T> KAD_DEV unsigned long long __match_any_sync(M mask, T v) {
  unsigned long long same = 0;
  for (unsigned long long rest = mask & __activemask(); rest;) {
    unsigned long long with = __ballot(v == __shfl(v, __builtin_ctzll(rest))) & mask;
    if (with >> __lane_id() & 1) same = with;
    rest &= ~with;
  }
  return same;
}
template <class M, class T> KAD_DEV unsigned long long __match_all_sync(M mask, T v, int *same) {
  *same = __all_sync(mask, v == __shfl(v, __builtin_ctzll(mask)));
  return *same ? mask : 0;
}
/// Sums and others over the lanes of the mask.
#define KAD_REDUCE(NAME, E) \
  template <class M, class T> KAD_DEV T NAME(M mask, T v) { \
    unsigned long long rest = mask & __activemask(); \
    T a = __shfl(v, __builtin_ctzll(rest)); \
    while (rest &= rest - 1) { \
      T b = __shfl(v, __builtin_ctzll(rest)); \
      a = E; \
    } \
    return a; \
  }
KAD_REDUCE(__reduce_add_sync, a + b)
KAD_REDUCE(__reduce_min_sync, b < a ? b : a)
KAD_REDUCE(__reduce_max_sync, b > a ? b : a)
KAD_REDUCE(__reduce_and_sync, a & b)
KAD_REDUCE(__reduce_or_sync, a | b)
KAD_REDUCE(__reduce_xor_sync, a ^ b)

// The permutations of the hardware.
KAD_DEV int __hip_ds_bpermute(int index, int v) { return __builtin_amdgcn_ds_bpermute(index, v); }
KAD_DEV float __hip_ds_bpermutef(int index, float v) {
  return __builtin_bit_cast(float, __builtin_amdgcn_ds_bpermute(index, __builtin_bit_cast(int, v)));
}
KAD_DEV int __hip_ds_permute(int index, int v) { return __builtin_amdgcn_ds_permute(index, v); }
KAD_DEV float __hip_ds_permutef(int index, float v) {
  return __builtin_bit_cast(float, __builtin_amdgcn_ds_permute(index, __builtin_bit_cast(int, v)));
}
#define __hip_ds_swizzle(v, pattern) __builtin_amdgcn_ds_swizzle(v, pattern)
#define __hip_ds_swizzlef(v, pattern) __int_as_float(__builtin_amdgcn_ds_swizzle(__float_as_int(v), pattern))
#define __hip_move_dpp(v, control, rows, banks, bound) __builtin_amdgcn_mov_dpp(v, control, rows, banks, bound)

#endif
