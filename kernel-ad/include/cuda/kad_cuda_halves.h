// What both 16-bit floats of CUDA have with memory and with the warp.
#ifndef KAD_CUDA_HALVES_H
#define KAD_CUDA_HALVES_H

#define KAD_HALF_LOADS(T) \
  KAD_DEV T __ldg(const T *p) { return *p; } \
  KAD_DEV T __ldcg(const T *p) { return *p; } \
  KAD_DEV T __ldca(const T *p) { return *p; } \
  KAD_DEV T __ldcs(const T *p) { return *p; } \
  KAD_DEV T __ldlu(const T *p) { return *p; } \
  KAD_DEV T __ldcv(const T *p) { return *p; } \
  KAD_DEV void __stcg(T *p, T v) { *p = v; } \
  KAD_DEV void __stwb(T *p, T v) { *p = v; } \
  KAD_DEV void __stcs(T *p, T v) { *p = v; } \
  KAD_DEV void __stwt(T *p, T v) { *p = v; }
// Every half is a float.
#define KAD_HALF_SHUFFLE(NAME, A, T, T2) \
  KAD_DEV T NAME(unsigned int mask, T v, A arg, int width = 32) { return T(NAME(mask, (float)v, arg, width)); } \
  KAD_DEV T2 NAME(unsigned int mask, T2 v, A arg, int width = 32) { \
    return T2(NAME(mask, v.x, arg, width), NAME(mask, v.y, arg, width)); \
  }
#define KAD_HALF_ACCESS(T, T2) \
  KAD_HALF_LOADS(T) \
  KAD_HALF_LOADS(T2) \
  KAD_HALF_SHUFFLE(__shfl_sync, int, T, T2) \
  KAD_HALF_SHUFFLE(__shfl_up_sync, unsigned int, T, T2) \
  KAD_HALF_SHUFFLE(__shfl_down_sync, unsigned int, T, T2) \
  KAD_HALF_SHUFFLE(__shfl_xor_sync, int, T, T2)

#endif
