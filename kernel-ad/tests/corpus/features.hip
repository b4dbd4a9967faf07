#include <hip/hip_runtime.h>
#include <vector>
#include <cstdio>
struct P { float *a; int n; float k; };
template<class T> __global__ void __launch_bounds__(256) saxpy(const T* __restrict__ x, T* y, P p, int n) {
  __shared__ T s[256];
  extern __shared__ float dyn[];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  s[threadIdx.x] = x[i]; __syncthreads();
  T v = s[255 - threadIdx.x];
  for (int o = warpSize/2; o > 0; o >>= 1) v += __shfl_down(v, o);
  if (i < n) { y[i] = v * p.k + exp(x[i]) + powf((float)x[i], 2.0f) + dyn[i]; atomicAdd(p.a, (float)v);}
  float4 f = make_float4(1,2,3,4) * 2.0f; y[0] += f.x;
  float sn, cs; sincosf((float)v, &sn, &cs); y[1] = sn + cs + tanh(v) + __expf(v) + fabs(v) + max(v, T(2));
}
int main() { float *d; hipMalloc(&d, 10); P p; hipLaunchKernelGGL(saxpy<float>, dim3(1), dim3(256), 0, 0, d, d, p, 10); saxpy<double><<<1, 2>>>((double*)d, (double*)d, p, 4); hipDeviceSynchronize(); printf("hi\n"); }
