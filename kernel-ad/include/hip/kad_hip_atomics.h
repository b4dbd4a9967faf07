// HIP's atomic functions, on clang's builtins with device scope.
#ifndef KAD_HIP_ATOMICS_H
#define KAD_HIP_ATOMICS_H

#define KAD_AT __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT
#define KAD_RMW(NAME, T, BUILTIN) \
  KAD_DEV T NAME(T *p, T v) { return BUILTIN(p, v, KAD_AT); } \
  KAD_DEV T NAME##_system(T *p, T v) { return BUILTIN(p, v, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM); }
#define KAD_ATOMICS(T) \
  KAD_RMW(atomicAdd, T, __hip_atomic_fetch_add) \
  KAD_RMW(atomicExch, T, __hip_atomic_exchange) \
  KAD_RMW(atomicMin, T, __hip_atomic_fetch_min) \
  KAD_RMW(atomicMax, T, __hip_atomic_fetch_max)
#define KAD_INTEGER(T) \
  KAD_ATOMICS(T) \
  KAD_DEV T atomicSub(T *p, T v) { return __hip_atomic_fetch_add(p, -v, KAD_AT); } \
  KAD_RMW(atomicAnd, T, __hip_atomic_fetch_and) \
  KAD_RMW(atomicOr, T, __hip_atomic_fetch_or) \
  KAD_RMW(atomicXor, T, __hip_atomic_fetch_xor) \
  KAD_DEV T atomicCAS(T *p, T expected, T v) { \
    __hip_atomic_compare_exchange_strong(p, &expected, v, __ATOMIC_RELAXED, KAD_AT); \
    return expected; \
  }
KAD_INTEGER(int)
KAD_INTEGER(unsigned int)
KAD_INTEGER(unsigned long)
KAD_INTEGER(unsigned long long)
KAD_INTEGER(long long)
KAD_ATOMICS(float)
KAD_ATOMICS(double)
template <class T> KAD_DEV T unsafeAtomicAdd(T *p, T v) { return atomicAdd(p, v); }

#endif
