// Vectors made by constructors, and the hardware's permutations under the names of HIP.
#include <hip/hip_runtime.h>

extern "C" __global__ void made_vectors(const float *x, float *y) {
    __shared__ float4 rows[64];
    int i = threadIdx.x;
    float v = x[i];
    float4 a(v, 1, 2.0f, v * v), b = {v, v, 1.0f, 0.5f}, c{v, 0.0f, 1.0f, v};
    rows[i] = -a + b * c + float4(v);
    __syncthreads();
    float4 r = rows[i ^ 1];
    double2 d(r.x, r.y);
    d -= double2(r.z, r.w);
    y[i] = (d == double2(0.0) ? 0.0f : (float)(d.x * d.y)) + v * __hip_ds_bpermutef((i ^ 3) << 2, v * v) + v * __hip_ds_swizzlef(v, 0x401f)
        + v * __int_as_float(__hip_move_dpp(__float_as_int(v), 0xb1, 0xf, 0xf, false));
}
