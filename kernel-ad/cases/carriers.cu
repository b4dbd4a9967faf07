// Floats that only carry the bits of others: pairs gathered, packed, copied and shuffled as one wider number.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void gather_pairs(const float2* a, const int* index, float2* out, float* norm) {
    int t = threadIdx.x;
    double both = __ldg(reinterpret_cast<const double*>(a) + index[t]);
    float2 f;
    memcpy(&f, &both, sizeof f);
    norm[t] = f.x * f.x + f.y * f.y;
    float2 g = {2.f * f.y, 3.f * f.x};
    double packed = __hiloint2double(__float_as_int(g.y), __float_as_int(g.x));
    reinterpret_cast<double*>(out)[t] = packed;
}

extern "C" __global__ void half_pairs(const __half2* a, float* out) {
    int t = threadIdx.x;
    float both = __ldg(reinterpret_cast<const float*>(a) + t);
    __half2 h = *reinterpret_cast<__half2*>(&both);
    out[t] = __low2float(h) * __high2float(h);
}

// bfloat16 overwritten in place, in a loop whose length the launch decides.
extern "C" __global__ void square_in_place(__nv_bfloat16* a, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) a[i] = (float)a[i] * (float)a[i];
}

// Copies of sixteen bytes, of which nothing in the kernel says what they are.
struct Point { float at[3]; float weight; };
extern "C" __global__ void reorder_points(const Point* a, Point* b, const int* order, const float* c, float* d) {
    int t = threadIdx.x;
    b[t] = a[order[t]];
    reinterpret_cast<uint4*>(d)[t] = reinterpret_cast<const uint4*>(c)[t];
}
