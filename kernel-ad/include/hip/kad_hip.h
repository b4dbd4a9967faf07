// Stands in for ROCm's headers when a .hip file is compiled for its device side only. Included before the file.
// Built on the headers that clang itself brings, which name the device libraries' functions (__ocml_*, __ockl_*).
#ifndef KAD_HIP_H
#define KAD_HIP_H

#ifndef __HIP_PLATFORM_AMD__
#define __HIP_PLATFORM_AMD__ 1
#endif
#ifndef __HIPCC__
#define __HIPCC__ 1
#endif
#define HIP_VERSION 60000000
#define HIP_VERSION_MAJOR 6
#define HIP_VERSION_MINOR 0

#include <__clang_hip_runtime_wrapper.h>
#include <climits>
#include <cstring>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef __forceinline__
#define __forceinline__ inline __attribute__((always_inline))
#endif
#ifndef __noinline__
#define __noinline__ __attribute__((noinline))
#endif
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(n, ...) __attribute__((amdgpu_flat_work_group_size(1, n)))
#ifndef __restrict__
#define __restrict__ __restrict
#endif
#define HIP_DYNAMIC_SHARED(type, var) extern __shared__ type var[];
#define HIP_SYMBOL(x) x
#define HIP_KERNEL_NAME(...) __VA_ARGS__

#define KAD_VECTOR_ARITHMETIC
#include "../common/kad_vector_types.h"

#define KAD_DEV __device__ static inline __attribute__((always_inline))

extern "C" {
__device__ __attribute__((const)) size_t __ockl_get_local_id(unsigned int);
__device__ __attribute__((const)) size_t __ockl_get_group_id(unsigned int);
__device__ __attribute__((const)) size_t __ockl_get_local_size(unsigned int);
__device__ __attribute__((const)) size_t __ockl_get_num_groups(unsigned int);
}

// threadIdx and its relatives: objects without storage whose members are read from the device library.
#define KAD_COORDINATE(NAME, FUNCTION) \
  struct kad_##NAME##_t { \
    __declspec(property(get = get_x)) unsigned int x; \
    __declspec(property(get = get_y)) unsigned int y; \
    __declspec(property(get = get_z)) unsigned int z; \
    KAD_DEV unsigned int get_x() { return (unsigned int)FUNCTION(0); } \
    KAD_DEV unsigned int get_y() { return (unsigned int)FUNCTION(1); } \
    KAD_DEV unsigned int get_z() { return (unsigned int)FUNCTION(2); } \
    __device__ operator dim3() const { return dim3(get_x(), get_y(), get_z()); } \
    __device__ operator uint3() const { return make_uint3(get_x(), get_y(), get_z()); } \
  }; \
  extern const __device__ __attribute__((weak)) kad_##NAME##_t NAME;
KAD_COORDINATE(threadIdx, __ockl_get_local_id)
KAD_COORDINATE(blockIdx, __ockl_get_group_id)
KAD_COORDINATE(blockDim, __ockl_get_local_size)
KAD_COORDINATE(gridDim, __ockl_get_num_groups)

#define hipThreadIdx_x threadIdx.x
#define hipThreadIdx_y threadIdx.y
#define hipThreadIdx_z threadIdx.z
#define hipBlockIdx_x blockIdx.x
#define hipBlockIdx_y blockIdx.y
#define hipBlockIdx_z blockIdx.z
#define hipBlockDim_x blockDim.x
#define hipBlockDim_y blockDim.y
#define hipBlockDim_z blockDim.z
#define hipGridDim_x gridDim.x
#define hipGridDim_y gridDim.y
#define hipGridDim_z gridDim.z

struct kad_warp_size_t {
  __attribute__((host)) __attribute__((device)) constexpr operator int() const { return __AMDGCN_WAVEFRONT_SIZE; }
};
static constexpr __device__ kad_warp_size_t warpSize{};

KAD_DEV void __syncthreads() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
  __builtin_amdgcn_s_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}
extern "C" {
__device__ __attribute__((convergent)) int __ockl_wgred_add_i32(int);
__device__ __attribute__((convergent)) int __ockl_wgred_and_i32(int);
__device__ __attribute__((convergent)) int __ockl_wgred_or_i32(int);
}
KAD_DEV int __syncthreads_count(int p) { return __ockl_wgred_add_i32(p != 0); }
KAD_DEV int __syncthreads_and(int p) { return __ockl_wgred_and_i32(p != 0); }
KAD_DEV int __syncthreads_or(int p) { return __ockl_wgred_or_i32(p != 0); }
KAD_DEV void __threadfence() { __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "agent"); }
KAD_DEV void __threadfence_block() { __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "workgroup"); }
KAD_DEV void __threadfence_system() { __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, ""); }
KAD_DEV void __syncwarp() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "wavefront");
  __builtin_amdgcn_wave_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "wavefront");
}
KAD_DEV void __trap() { __builtin_trap(); }
KAD_DEV void abort() { __builtin_trap(); }

#include "kad_hip_warp.h"
#include "kad_hip_atomics.h"
#include "kad_hip_host.h"

template <class T> KAD_DEV T __ldg(const T *p) { return *p; }

KAD_DEV unsigned int min(unsigned int a, unsigned int b) { return a < b ? a : b; }
KAD_DEV unsigned int max(unsigned int a, unsigned int b) { return a > b ? a : b; }
KAD_DEV long min(long a, long b) { return a < b ? a : b; }
KAD_DEV long max(long a, long b) { return a > b ? a : b; }
KAD_DEV long long min(long long a, long long b) { return a < b ? a : b; }
KAD_DEV long long max(long long a, long long b) { return a > b ? a : b; }
KAD_DEV unsigned long min(unsigned long a, unsigned long b) { return a < b ? a : b; }
KAD_DEV unsigned long max(unsigned long a, unsigned long b) { return a > b ? a : b; }

#include "kad_hip_integers.h"

KAD_DEV void sincos(float x, float *s, float *c) { sincosf(x, s, c); }
KAD_DEV void sincospi(float x, float *s, float *c) { sincospif(x, s, c); }

KAD_DEV void *memcpy(void *to, const void *from, size_t n) { return __builtin_memcpy(to, from, n); }
KAD_DEV void *memmove(void *to, const void *from, size_t n) { return __builtin_memmove(to, from, n); }
KAD_DEV void *memset(void *to, int byte, size_t n) { return __builtin_memset(to, byte, n); }

extern "C" __device__ int printf(const char *, ...);
extern "C" {
__device__ static inline void __assert_fail(const char *, const char *, unsigned int, const char *) { __builtin_trap(); }
}

#endif
