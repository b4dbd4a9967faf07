// Declarations of the host's runtime interface: enough for the host half of a source file to parse. Nothing here is ever
// linked, since only the device side is compiled.
#ifndef KAD_HIP_HOST_H
#define KAD_HIP_HOST_H

#define KAD_HOST extern "C" __attribute__((host))
#define KAD_HOST_INLINE __attribute__((host))

typedef enum hipError { hipSuccess = 0, hipErrorInvalidValue = 1, hipErrorMemoryAllocation = 2, hipErrorNotReady = 600, hipErrorUnknown = 999 } hipError_t;
typedef enum hipMemcpyKind { hipMemcpyHostToHost, hipMemcpyHostToDevice, hipMemcpyDeviceToHost, hipMemcpyDeviceToDevice, hipMemcpyDefault } hipMemcpyKind;
typedef struct KAD_hipStream *hipStream_t;
typedef struct KAD_hipEvent *hipEvent_t;
typedef struct hipDeviceProp_t {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, totalConstMem;
  int regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3], clockRate, major, minor, multiProcessorCount, maxThreadsPerMultiProcessor, memoryClockRate, memoryBusWidth, l2CacheSize;
} hipDeviceProp_t;

KAD_HOST hipError_t hipMemcpy(void *dst, const void *src, size_t bytes, hipMemcpyKind kind);
KAD_HOST hipError_t hipMemcpyAsync(void *dst, const void *src, size_t bytes, hipMemcpyKind kind, hipStream_t stream = 0);
KAD_HOST hipError_t hipMemset(void *dst, int value, size_t bytes);
KAD_HOST hipError_t hipMemsetAsync(void *dst, int value, size_t bytes, hipStream_t stream = 0);
KAD_HOST hipError_t hipMemGetInfo(size_t *free, size_t *total);
KAD_HOST hipError_t hipFree(void *p);
KAD_HOST hipError_t hipFreeHost(void *p);
KAD_HOST hipError_t hipHostFree(void *p);
KAD_HOST hipError_t hipDeviceSynchronize();
KAD_HOST hipError_t hipThreadSynchronize();
KAD_HOST hipError_t hipDeviceReset();
KAD_HOST hipError_t hipGetLastError();
KAD_HOST hipError_t hipPeekAtLastError();
KAD_HOST const char *hipGetErrorString(hipError_t e);
KAD_HOST const char *hipGetErrorName(hipError_t e);
KAD_HOST hipError_t hipGetDevice(int *device);
KAD_HOST hipError_t hipSetDevice(int device);
KAD_HOST hipError_t hipGetDeviceCount(int *count);
KAD_HOST hipError_t hipGetDeviceProperties(hipDeviceProp_t *prop, int device);
KAD_HOST hipError_t hipStreamCreate(hipStream_t *stream);
KAD_HOST hipError_t hipStreamDestroy(hipStream_t stream);
KAD_HOST hipError_t hipStreamSynchronize(hipStream_t stream);
KAD_HOST hipError_t hipEventCreate(hipEvent_t *event);
KAD_HOST hipError_t hipEventDestroy(hipEvent_t event);
KAD_HOST hipError_t hipEventRecord(hipEvent_t event, hipStream_t stream = 0);
KAD_HOST hipError_t hipEventSynchronize(hipEvent_t event);
KAD_HOST hipError_t hipEventElapsedTime(float *ms, hipEvent_t start, hipEvent_t stop);
template <class T> KAD_HOST_INLINE hipError_t hipMalloc(T **p, size_t bytes);
template <class T> KAD_HOST_INLINE hipError_t hipMallocManaged(T **p, size_t bytes, unsigned flags = 1);
template <class T> KAD_HOST_INLINE hipError_t hipMallocHost(T **p, size_t bytes, unsigned flags = 0);
template <class T> KAD_HOST_INLINE hipError_t hipHostMalloc(T **p, size_t bytes, unsigned flags = 0);
template <class T> KAD_HOST_INLINE hipError_t hipMemcpyToSymbol(const T &symbol, const void *src, size_t bytes, size_t offset = 0, hipMemcpyKind kind = hipMemcpyHostToDevice);
template <class T> KAD_HOST_INLINE hipError_t hipMemcpyFromSymbol(void *dst, const T &symbol, size_t bytes, size_t offset = 0, hipMemcpyKind kind = hipMemcpyDeviceToHost);
template <class T> KAD_HOST_INLINE hipError_t hipGetSymbolAddress(void **p, const T &symbol);
template <class T> KAD_HOST_INLINE hipError_t hipFuncSetAttribute(T f, int attribute, int value);
template <class T> KAD_HOST_INLINE hipError_t hipOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, T f, int block, size_t shared);

extern "C" hipError_t hipLaunchKernel(const void *f, dim3 grid, dim3 block, void **args, size_t shared, hipStream_t stream);
extern "C" hipError_t __hipPushCallConfiguration(dim3 gridDim, dim3 blockDim, size_t sharedMem = 0, hipStream_t stream = 0);
extern "C" hipError_t __hipPopCallConfiguration(dim3 *gridDim, dim3 *blockDim, size_t *sharedMem, hipStream_t *stream);
#define hipLaunchKernelGGL(kernel, grid, block, shared, stream, ...) (kernel)<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)

#endif
