// Declarations of the host's runtime interface: enough for the host half of a source file to parse. Nothing here is ever
// linked, since only the device side is compiled.
#ifndef KAD_CUDA_HOST_H
#define KAD_CUDA_HOST_H

#define KAD_HOST extern "C" __attribute__((host))
#define KAD_HOST_INLINE __attribute__((host))

typedef enum cudaError { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorNotReady = 600, cudaErrorUnknown = 999 } cudaError_t;
typedef enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault } cudaMemcpyKind;
typedef struct KAD_cudaStream *cudaStream_t;
typedef struct KAD_cudaEvent *cudaEvent_t;
typedef struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock, totalConstMem;
  int regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3], clockRate, major, minor, multiProcessorCount, maxThreadsPerMultiProcessor, memoryClockRate, memoryBusWidth, l2CacheSize;
} cudaDeviceProp;

KAD_HOST cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind);
KAD_HOST cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream = 0);
KAD_HOST cudaError_t cudaMemset(void *dst, int value, size_t bytes);
KAD_HOST cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream = 0);
KAD_HOST cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
KAD_HOST cudaError_t cudaFree(void *p);
KAD_HOST cudaError_t cudaFreeHost(void *p);
KAD_HOST cudaError_t cudaHostFree(void *p);
KAD_HOST cudaError_t cudaDeviceSynchronize();
KAD_HOST cudaError_t cudaThreadSynchronize();
KAD_HOST cudaError_t cudaDeviceReset();
KAD_HOST cudaError_t cudaGetLastError();
KAD_HOST cudaError_t cudaPeekAtLastError();
KAD_HOST const char *cudaGetErrorString(cudaError_t e);
KAD_HOST const char *cudaGetErrorName(cudaError_t e);
KAD_HOST cudaError_t cudaGetDevice(int *device);
KAD_HOST cudaError_t cudaSetDevice(int device);
KAD_HOST cudaError_t cudaGetDeviceCount(int *count);
KAD_HOST cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device);
KAD_HOST cudaError_t cudaStreamCreate(cudaStream_t *stream);
KAD_HOST cudaError_t cudaStreamDestroy(cudaStream_t stream);
KAD_HOST cudaError_t cudaStreamSynchronize(cudaStream_t stream);
KAD_HOST cudaError_t cudaEventCreate(cudaEvent_t *event);
KAD_HOST cudaError_t cudaEventDestroy(cudaEvent_t event);
KAD_HOST cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = 0);
KAD_HOST cudaError_t cudaEventSynchronize(cudaEvent_t event);
KAD_HOST cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t stop);
template <class T> KAD_HOST_INLINE cudaError_t cudaMalloc(T **p, size_t bytes);
template <class T> KAD_HOST_INLINE cudaError_t cudaMallocManaged(T **p, size_t bytes, unsigned flags = 1);
template <class T> KAD_HOST_INLINE cudaError_t cudaMallocHost(T **p, size_t bytes, unsigned flags = 0);
template <class T> KAD_HOST_INLINE cudaError_t cudaHostMalloc(T **p, size_t bytes, unsigned flags = 0);
template <class T> KAD_HOST_INLINE cudaError_t cudaMemcpyToSymbol(const T &symbol, const void *src, size_t bytes, size_t offset = 0, cudaMemcpyKind kind = cudaMemcpyHostToDevice);
template <class T> KAD_HOST_INLINE cudaError_t cudaMemcpyFromSymbol(void *dst, const T &symbol, size_t bytes, size_t offset = 0, cudaMemcpyKind kind = cudaMemcpyDeviceToHost);
template <class T> KAD_HOST_INLINE cudaError_t cudaGetSymbolAddress(void **p, const T &symbol);
template <class T> KAD_HOST_INLINE cudaError_t cudaFuncSetAttribute(T f, int attribute, int value);
template <class T> KAD_HOST_INLINE cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, T f, int block, size_t shared);

#define cudaFuncAttributeMaxDynamicSharedMemorySize 8
#define cudaMemAttachGlobal 1
template <class T> KAD_HOST_INLINE cudaError_t cudaHostAlloc(T **p, size_t bytes, unsigned flags = 0);
extern "C" unsigned __cudaPushCallConfiguration(dim3 gridDim, dim3 blockDim, size_t sharedMem = 0, void *stream = 0);

#endif
