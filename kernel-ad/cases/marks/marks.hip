// The same sources as HIP.
#include "marks.cu"
