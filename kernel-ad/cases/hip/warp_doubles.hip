// The same kernels as ../warp_doubles.cu, compiled for AMD.
#include "../warp_doubles.cu"
