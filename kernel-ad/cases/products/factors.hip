// The same sources as HIP.
#include "factors.cu"
