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
KAD_DEV unsigned int atomicInc(unsigned int *p, unsigned int top) {
  return __builtin_amdgcn_atomic_inc32(p, top, __ATOMIC_RELAXED, "agent");
}
KAD_DEV unsigned int atomicDec(unsigned int *p, unsigned int top) {
  return __builtin_amdgcn_atomic_dec32(p, top, __ATOMIC_RELAXED, "agent");
}
// What may be done in hardware and what may not is one here.
template <class T> struct kad_same { typedef T type; };
#define KAD_SAFETY(NAME, PLAIN) \
  template <class T> KAD_DEV T unsafe##NAME(T *p, typename kad_same<T>::type v) { return PLAIN(p, v); } \
  template <class T> KAD_DEV T safe##NAME(T *p, typename kad_same<T>::type v) { return PLAIN(p, v); }
KAD_SAFETY(AtomicAdd, atomicAdd)
KAD_SAFETY(AtomicMin, atomicMin)
KAD_SAFETY(AtomicMax, atomicMax)
template <class T> KAD_DEV void atomicAddNoRet(T *p, typename kad_same<T>::type v) { atomicAdd(p, v); }

#endif
