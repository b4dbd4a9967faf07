//! The CUDA driver, `libcuda.so.1`: every function that cust calls, and some more.

use crate::forward::{forwarders, load as open, Slot, Symbol};
use crate::{codes, LoadError, Loaded};
use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

/// Names another library than `libcuda.so.1`.
pub const VARIABLE: &str = "KERNEL_AD_LIBCUDA";

/// CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND.
const MISSING: i32 = 302;

/// What gpu-runtime calls: without these a driver is of no use. All are in CUDA 11.
#[rustfmt::skip]
const REQUIRED: &[&str] = &[
    "cuInit", "cuDriverGetVersion", "cuDeviceGet", "cuDeviceGetCount", "cuDeviceGetName",
    "cuDeviceGetAttribute", "cuDeviceTotalMem_v2", "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2", "cuCtxSetCurrent", "cuCtxGetCurrent", "cuCtxSynchronize",
    "cuMemAlloc_v2", "cuMemFree_v2", "cuMemGetInfo_v2", "cuMemAllocHost_v2", "cuMemFreeHost",
    "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2", "cuMemsetD8Async",
    "cuStreamCreateWithPriority", "cuStreamDestroy_v2", "cuStreamSynchronize", "cuStreamQuery",
    "cuStreamWaitEvent", "cuEventCreate", "cuEventDestroy_v2", "cuEventRecord", "cuEventSynchronize",
    "cuEventElapsedTime", "cuModuleLoadDataEx", "cuModuleUnload", "cuModuleGetFunction",
    "cuModuleGetGlobal_v2", "cuFuncGetAttribute", "cuFuncSetAttribute", "cuLaunchKernel",
    "cuGetErrorString", "cuGetErrorName",
];

/// Opens the driver, once for the process.
///
/// # Errors
/// No driver, or one that lacks functions. Says what was looked for.
pub fn load() -> Result<Loaded, LoadError> {
    static DONE: OnceLock<Result<Loaded, LoadError>> = OnceLock::new();
    DONE.get_or_init(|| {
        let names =
            ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"];
        let mut all: Vec<Symbol> = vec![Symbol { name: "cuGetErrorString", slot: &TEXT }];
        all.extend(SYMBOLS.iter().map(|s| Symbol { name: s.name, slot: s.slot }));
        open(VARIABLE, &names.map(PathBuf::from), &all, REQUIRED)
    })
    .clone()
}

static TEXT: Slot = Slot::new();

/// cust takes an answer for granted, so there is one without a driver too.
#[no_mangle]
#[allow(non_snake_case)]
unsafe extern "C" fn cuGetErrorString(code: i32, text: *mut *const c_char) -> i32 {
    if let Some(f) = TEXT.get() {
        // SAFETY: the driver's function has this signature.
        let f: unsafe extern "C" fn(i32, *mut *const c_char) -> i32 =
            unsafe { std::mem::transmute::<*mut c_void, _>(f) };
        // SAFETY: the caller's arguments, as they came.
        if unsafe { f(code, text) } == 0 {
            return 0;
        }
    }
    // SAFETY: the caller gives a place for the answer.
    unsafe { *text = c"an error that this driver has no text for".as_ptr() };
    0
}

forwarders! {
    load = load, missing = MISSING, known = codes::cuda;
    cuArray3DCreate_v2(a b);
    cuArray3DGetDescriptor_v2(a b);
    cuArrayDestroy(a);
    cuCtxCreate_v2(a b c);
    cuCtxDestroy_v2(a);
    cuCtxGetApiVersion(a b);
    cuCtxGetCacheConfig(a);
    cuCtxGetCurrent(a);
    cuCtxGetDevice(a);
    cuCtxGetFlags(a);
    cuCtxGetLimit(a b);
    cuCtxGetSharedMemConfig(a);
    cuCtxGetStreamPriorityRange(a b);
    cuCtxPopCurrent_v2(a);
    cuCtxPushCurrent_v2(a);
    cuCtxSetCacheConfig(a);
    cuCtxSetCurrent(a);
    cuCtxSetLimit(a b);
    cuCtxSetSharedMemConfig(a);
    cuCtxSynchronize();
    cuDestroyExternalMemory(a);
    cuDeviceGet(a b);
    cuDeviceGetAttribute(a b c);
    cuDeviceGetCount(a);
    cuDeviceGetName(a b c);
    cuDevicePrimaryCtxGetState(a b c);
    cuDevicePrimaryCtxRelease_v2(a);
    cuDevicePrimaryCtxReset_v2(a);
    cuDevicePrimaryCtxRetain(a b);
    cuDevicePrimaryCtxSetFlags_v2(a b);
    cuDeviceTotalMem_v2(a b);
    cuDriverGetVersion(a);
    cuEventCreate(a b);
    cuEventDestroy_v2(a);
    cuEventElapsedTime(a b c);
    cuEventQuery(a);
    cuEventRecord(a b);
    cuEventSynchronize(a);
    cuExternalMemoryGetMappedBuffer(a b c);
    cuFuncGetAttribute(a b c);
    cuFuncSetAttribute(a b c);
    cuFuncSetCacheConfig(a b);
    cuFuncSetSharedMemConfig(a b);
    cuGetErrorName(a b);
    cuGraphAddKernelNode(a b c d e);
    cuGraphCreate(a b);
    cuGraphDebugDotPrint(a b c);
    cuGraphDestroy(a);
    cuGraphGetEdges(a b c d);
    cuGraphGetNodes(a b c);
    cuGraphKernelNodeGetParams(a b);
    cuGraphNodeGetType(a b);
    cuImportExternalMemory(a b);
    cuInit(a);
    cuLaunchHostFunc(a b c);
    cuLaunchKernel(a b c d e f g h i j k);
    cuLinkAddData_v2(a b c d e f g h);
    cuLinkComplete(a b c);
    cuLinkCreate_v2(a b c d);
    cuLinkDestroy(a);
    cuMemAdvise(a b c d);
    cuMemAllocAsync(a b c);
    cuMemAllocHost_v2(a b);
    cuMemAllocManaged(a b c);
    cuMemAlloc_v2(a b);
    cuMemFreeAsync(a b);
    cuMemFreeHost(a);
    cuMemFree_v2(a);
    cuMemGetInfo_v2(a b);
    cuMemHostAlloc(a b c);
    cuMemPrefetchAsync(a b c d);
    cuMemcpy2D_v2(a);
    cuMemcpyAsync(a b c d);
    cuMemcpyAtoH_v2(a b c d);
    cuMemcpyDtoDAsync_v2(a b c d);
    cuMemcpyDtoD_v2(a b c);
    cuMemcpyDtoHAsync_v2(a b c d);
    cuMemcpyDtoH_v2(a b c);
    cuMemcpyHtoA_v2(a b c d);
    cuMemcpyHtoDAsync_v2(a b c d);
    cuMemcpyHtoD_v2(a b c);
    cuMemsetD16Async(a b c d);
    cuMemsetD16_v2(a b c);
    cuMemsetD32Async(a b c d);
    cuMemsetD32_v2(a b c);
    cuMemsetD8Async(a b c d);
    cuMemsetD8_v2(a b c);
    cuModuleGetFunction(a b c);
    cuModuleGetGlobal_v2(a b c d);
    cuModuleLoad(a b);
    cuModuleLoadData(a b);
    cuModuleLoadDataEx(a b c d e);
    cuModuleUnload(a);
    cuOccupancyAvailableDynamicSMemPerBlock(a b c d);
    cuOccupancyMaxActiveBlocksPerMultiprocessor(a b c d);
    cuOccupancyMaxPotentialBlockSize(a b c d e f);
    cuPointerGetAttribute(a b c);
    cuStreamCreate(a b);
    cuStreamCreateWithPriority(a b c);
    cuStreamDestroy_v2(a);
    cuStreamGetFlags(a b);
    cuStreamGetPriority(a b);
    cuStreamQuery(a);
    cuStreamSynchronize(a);
    cuStreamWaitEvent(a b c);
    cuSurfObjectCreate(a b);
    cuSurfObjectDestroy(a);
    cuSurfObjectGetResourceDesc(a b);
    cuTexObjectCreate(a b c d);
    cuTexObjectDestroy(a);
    cuTexObjectGetResourceDesc(a b);
    cuTexObjectGetResourceViewDesc(a b);
}
