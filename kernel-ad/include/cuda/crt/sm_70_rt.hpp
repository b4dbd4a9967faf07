// `__match_any_sync` and `__match_all_sync` for the types that CUDA has them for.
#ifndef KAD_SM_70_RT_HPP
#define KAD_SM_70_RT_HPP
#define KAD_MATCH(T, W, B) \
  inline __device__ unsigned int __match_any_sync(unsigned int mask, T v) { return __match##W##_any_sync(mask, B); } \
  inline __device__ unsigned int __match_all_sync(unsigned int mask, T v, int *pred) { \
    return __match##W##_all_sync(mask, B, pred); \
  }
KAD_MATCH(int, 32, (unsigned int)v)
KAD_MATCH(unsigned int, 32, v)
KAD_MATCH(long, 64, (unsigned long long)v)
KAD_MATCH(unsigned long, 64, v)
KAD_MATCH(long long, 64, (unsigned long long)v)
KAD_MATCH(unsigned long long, 64, v)
KAD_MATCH(float, 32, __builtin_bit_cast(unsigned int, v))
KAD_MATCH(double, 64, __builtin_bit_cast(unsigned long long, v))
#undef KAD_MATCH
#endif
