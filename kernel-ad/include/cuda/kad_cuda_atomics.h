// CUDA's atomic functions, on clang's builtins.
#ifndef KAD_CUDA_ATOMICS_H
#define KAD_CUDA_ATOMICS_H

#define KAD_RELAXED __ATOMIC_RELAXED
#define KAD_RMW(NAME, T, BUILTIN) \
  KAD_DEV T NAME(T *p, T v) { return BUILTIN(p, v, KAD_RELAXED); } \
  KAD_DEV T NAME##_block(T *p, T v) { return BUILTIN(p, v, KAD_RELAXED); } \
  KAD_DEV T NAME##_system(T *p, T v) { return BUILTIN(p, v, KAD_RELAXED); }
#define KAD_CAS(T) \
  KAD_DEV T atomicCAS(T *p, T expected, T v) { \
    __atomic_compare_exchange_n(p, &expected, v, false, KAD_RELAXED, KAD_RELAXED); \
    return expected; \
  } \
  KAD_DEV T atomicCAS_block(T *p, T expected, T v) { return atomicCAS(p, expected, v); } \
  KAD_DEV T atomicCAS_system(T *p, T expected, T v) { return atomicCAS(p, expected, v); }
#define KAD_INTEGER(T) \
  KAD_RMW(atomicAdd, T, __atomic_fetch_add) \
  KAD_RMW(atomicSub, T, __atomic_fetch_sub) \
  KAD_RMW(atomicExch, T, __atomic_exchange_n) \
  KAD_RMW(atomicMin, T, __atomic_fetch_min) \
  KAD_RMW(atomicMax, T, __atomic_fetch_max) \
  KAD_RMW(atomicAnd, T, __atomic_fetch_and) \
  KAD_RMW(atomicOr, T, __atomic_fetch_or) \
  KAD_RMW(atomicXor, T, __atomic_fetch_xor) \
  KAD_CAS(T)
KAD_INTEGER(int)
KAD_INTEGER(unsigned int)
KAD_INTEGER(long long)
KAD_INTEGER(unsigned long long)
KAD_INTEGER(unsigned long)
KAD_CAS(unsigned short)

KAD_DEV float atomicAdd(float *p, float v) { return __nvvm_atom_add_gen_f(p, v); }
KAD_DEV double atomicAdd(double *p, double v) { return __nvvm_atom_add_gen_d(p, v); }
KAD_DEV float atomicAdd_block(float *p, float v) { return __nvvm_atom_cta_add_gen_f(p, v); }
KAD_DEV double atomicAdd_block(double *p, double v) { return __nvvm_atom_cta_add_gen_d(p, v); }
KAD_DEV float atomicAdd_system(float *p, float v) { return __nvvm_atom_sys_add_gen_f(p, v); }
KAD_DEV double atomicAdd_system(double *p, double v) { return __nvvm_atom_sys_add_gen_d(p, v); }
KAD_DEV float atomicExch(float *p, float v) {
  return __int_as_float((int)__atomic_exchange_n((int *)p, __float_as_int(v), KAD_RELAXED));
}
KAD_DEV unsigned int atomicInc(unsigned int *p, unsigned int v) { return __nvvm_atom_inc_gen_ui(p, v); }
KAD_DEV unsigned int atomicDec(unsigned int *p, unsigned int v) { return __nvvm_atom_dec_gen_ui(p, v); }

#endif
