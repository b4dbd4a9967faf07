// Complex numbers of cuComplex.h: a rational map, and one step of an iteration in double precision.
#include <cuComplex.h>
#include <cuda_profiler_api.h>
#include <crt/math_functions.h>
#include <sm_60_atomic_functions.h>
#include <vector_functions.hpp>

extern "C" __global__ void rational_map(const cuComplex *z, const cuComplex *w, cuComplex *out, float *size, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    cuComplex a = z[i], b = w[i];
    cuComplex p = cuCfmaf(a, b, cuCmulf(a, cuConjf(b)));
    cuComplex q = cuCdivf(cuCsubf(p, b), cuCaddf(a, make_cuComplex(3.0f, cuCimagf(b))));
    out[i] = q;
    size[i] = cuCabsf(q) * cuCrealf(a);
}

extern "C" __global__ void newton_root(const cuFloatComplex *start, const cuDoubleComplex *c, cuDoubleComplex *root, int steps) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    cuDoubleComplex z = cuComplexFloatToDouble(start[i]);
    for (int k = 0; k < steps; k++) {
        cuDoubleComplex f = cuCsub(cuCmul(z, z), c[i]);
        z = cuCsub(z, cuCdiv(f, cuCadd(z, z)));
    }
    root[i] = cuCfma(z, cuConj(z), make_cuDoubleComplex(cuCabs(z), cuCreal(c[i]) * cuCimag(z)));
}
