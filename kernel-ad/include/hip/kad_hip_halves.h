// What both 16-bit floats of HIP have with the wavefront: every half is a float.
#ifndef KAD_HIP_HALVES_H
#define KAD_HIP_HALVES_H

#define KAD_HALF_SHUFFLE(NAME, A, T, T2) \
  KAD_DEV T NAME(T v, A arg, int width = warpSize) { return T(NAME((float)v, arg, width)); } \
  KAD_DEV T2 NAME(T2 v, A arg, int width = warpSize) { return T2(NAME(v.x, arg, width), NAME(v.y, arg, width)); }
#define KAD_HALF_SHUFFLES(T, T2) \
  KAD_HALF_SHUFFLE(__shfl, int, T, T2) \
  KAD_HALF_SHUFFLE(__shfl_up, unsigned int, T, T2) \
  KAD_HALF_SHUFFLE(__shfl_down, unsigned int, T, T2) \
  KAD_HALF_SHUFFLE(__shfl_xor, int, T, T2)

#endif
