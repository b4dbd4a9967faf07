#include <cstdio>
#include <vector>
#include <iostream>
#include <assert.h>
#include <cuda.h>
__constant__ float coef[16];
__device__ int counter;
template <typename T, int N> __global__ void reduce(const T* __restrict__ in, T* out, int n) {
  __shared__ T s[N];
  extern __shared__ float dyn[];
  int t = threadIdx.x;
  s[t] = blockIdx.x * blockDim.x + t < n ? in[blockIdx.x * blockDim.x + t] * coef[t & 15] : T(0);
  dyn[t] = t;
  __syncthreads();
  for (int k = N / 2; k > 0; k >>= 1) { if (t < k) s[t] += s[t + k]; __syncthreads(); }
  T v = s[t];
  v += __shfl_down_sync(0xffffffff, v, 1);
  if (t == 0) { atomicAdd(out, v); atomicAdd(&counter, 1); printf("v %f\n", (double)v); assert(v > 0); }
  unsigned m = __ballot_sync(0xffffffff, v > 0);
  unsigned mm = __match_any_sync(0xffffffff, t & 3);
  float sn, cs; sincosf((float)v, &sn, &cs);
  int e; double f = frexp((double)v, &e);
  out[t] = sn * cs + m + mm + f * e + __expf(v) + pow(v, T(2)) + tanhf(v) + std::abs(v) + std::sqrt(v) + min(t, n) + __ldg(in) + __ldcs((const float*)in) + dyn[0] + rsqrt(v)+ norm3df(v,v,v);
  atomicMax((int*)out + 100, e); atomicCAS((unsigned*)out + 90, 1u, 2u); atomicInc((unsigned*)out+80, 10u);
}
#define CHECK(x) do { cudaError_t e = (x); if (e != cudaSuccess) { fprintf(stderr, "%s", cudaGetErrorString(e)); exit(1); } } while (0)
int main(int argc, char **argv) {
  std::vector<float> h(100);
  float *d; CHECK(cudaMalloc(&d, 400)); CHECK(cudaMalloc((void**)&d, 400));
  CHECK(cudaMemcpy(d, h.data(), 400, cudaMemcpyHostToDevice));
  cudaMemcpyToSymbol(coef, h.data(), 64);
  cudaEvent_t a; cudaEventCreate(&a);
  reduce<float, 128><<<1, 128, 512>>>(d, d, 10);
  reduce<double, 128><<<dim3(1), 128, 512, 0>>>((double*)d, (double*)d, 10);
  cudaDeviceSynchronize(); std::cout << h[0] << std::endl; cudaFree(d);
}
