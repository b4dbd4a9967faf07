// Complex numbers of hip_complex.h: a rational map, and one step of an iteration in double precision.
#include <hip/hip_complex.h>
#include <hip/hip_runtime.h>

extern "C" __global__ void rational_map(const hipComplex *z, const hipComplex *w, hipComplex *out, float *size, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    hipComplex a = z[i], b = w[i];
    hipComplex p = hipCfmaf(a, b, hipCmulf(a, hipConjf(b)));
    hipComplex q = hipCdivf(hipCsubf(p, b), hipCaddf(a, make_hipComplex(3.0f, hipCimagf(b))));
    out[i] = q;
    size[i] = hipCabsf(q) * hipCrealf(a);
}

extern "C" __global__ void newton_root(const hipFloatComplex *start, const hipDoubleComplex *c, hipDoubleComplex *root, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    hipDoubleComplex z = hipComplexFloatToDouble(start[i]);
    for (int k = 0; k < steps; k++) {
        hipDoubleComplex f = hipCsub(hipCmul(z, z), c[i]);
        z = hipCsub(z, hipCdiv(f, hipCadd(z, z)));
    }
    root[i] = hipCfma(z, hipConj(z), make_hipDoubleComplex(hipCabs(z), hipCreal(c[i]) * hipCimag(z)));
}
