//! The CUDA driver, through cust: what [`Driver`] asks for.

use crate::artifact::{cubin, elf, ptx, Judgement};
use crate::device::{DeviceInfo, DeviceKind};
use crate::driver::{CallError, CallResult, Driver, KernelInfo, Rejection};
use crate::{Error, Result};
use cust::context::{Context, ContextHandle, CurrentContext};
use cust::device::{Device, DeviceAttribute};
use cust::stream::{Stream, StreamFlags};
use cust::sys::{self, CUfunction, CUmodule, CUresult, CUstream};
use shadow_mem::Manifest;
use std::ffi::{c_char, c_void, CStr, CString};
use std::time::Duration;

/// The driver.
#[derive(Debug)]
pub struct Cuda;

/// The primary context of a device, or one that another library owns.
#[derive(Debug)]
pub enum CudaContext {
    /// Retained for as long as this lives.
    Primary(Context),
    /// A `CUcontext` of another library; it is not destroyed here.
    Borrowed(u64),
}

/// A loaded module.
#[derive(Debug)]
pub struct CudaModule(CUmodule);

// SAFETY: a module's handle may be used from every thread on which its context is current.
unsafe impl Send for CudaModule {}
// SAFETY: as above; the driver serialises what must not overlap.
unsafe impl Sync for CudaModule {}

impl Drop for CudaModule {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own. A context that is gone has unloaded it already, and says so.
        let _ = unsafe { sys::cuModuleUnload(self.0) };
    }
}

/// An event.
#[derive(Debug)]
pub struct CudaEvent(sys::CUevent);

// SAFETY: the driver allows an event's handle on every thread.
unsafe impl Send for CudaEvent {}
// SAFETY: as above.
unsafe impl Sync for CudaEvent {}

impl Drop for CudaEvent {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's own.
        let _ = unsafe { sys::cuEventDestroy_v2(self.0) };
    }
}

fn failed(call: &'static str, code: i32) -> CallError {
    let text = |f: unsafe extern "C" fn(CUresult, *mut *const c_char) -> CUresult| {
        let mut at: *const c_char = std::ptr::null();
        // SAFETY: the forwarders let known codes through only, so that the code is one of the enumeration's.
        let ok = unsafe { f(std::mem::transmute::<i32, CUresult>(code), &mut at) } == CUresult::CUDA_SUCCESS;
        // SAFETY: the driver's texts are constants.
        (ok && !at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned())
    };
    CallError {
        call,
        code,
        name: text(sys::cuGetErrorName).unwrap_or_else(|| "unknown error".into()),
        text: text(sys::cuGetErrorString).unwrap_or_else(|| "no text".into()),
        kernel: None,
        earlier: false,
        lost: Cuda::is_fatal(code),
    }
}

fn ok(call: &'static str, code: CUresult) -> CallResult<()> {
    match code {
        CUresult::CUDA_SUCCESS => Ok(()),
        e => Err(failed(call, e as i32)),
    }
}

fn by_cust<T>(call: &'static str, r: cust::error::CudaResult<T>) -> CallResult<T> {
    // Codes of cust's own lie above the driver's; none of the calls made here gives one.
    r.map_err(|e| failed(call, if (e as u32) < 1000 { e as i32 } else { 999 }))
}

/// Addresses and handles are 64-bit numbers for the rest of the crate.
fn stream(raw: u64) -> CUstream {
    raw as CUstream
}

impl Driver for Cuda {
    type Context = CudaContext;
    type Stream = Stream;
    type Event = CudaEvent;
    type Module = CudaModule;

    const KIND: DeviceKind = DeviceKind::Cuda;

    fn count() -> Result<u32> {
        let none = |reason: String| Error::NoDevice { kind: "CUDA".into(), reason };
        gpu_runtime_forwarders::cuda::load().map_err(|e| Error::no_driver("CUDA", e))?;
        match by_cust("cuInit", cust::init(cust::CudaFlags::empty())) {
            Ok(()) => {}
            Err(e) if e.code == CUresult::CUDA_ERROR_NO_DEVICE as i32 => {
                return Err(none("the driver is there and found no GPU".into()))
            }
            Err(e) => return Err(e.into()),
        }
        match by_cust("cuDeviceGetCount", Device::num_devices())? {
            0 => Err(none("the driver is there and found no GPU; CUDA_VISIBLE_DEVICES may hide them".into())),
            n => Ok(n),
        }
    }

    fn open(ordinal: u32) -> CallResult<(CudaContext, DeviceInfo)> {
        let device = by_cust("cuDeviceGet", Device::get_device(ordinal))?;
        let info = info(device)?;
        let context = by_cust("cuDevicePrimaryCtxRetain", Context::new(device))?;
        Ok((CudaContext::Primary(context), info))
    }

    fn make_current(context: &CudaContext) -> CallResult<()> {
        match context {
            CudaContext::Primary(c) => by_cust("cuCtxSetCurrent", CurrentContext::set_current(c)),
            // SAFETY: whoever handed the context over keeps it alive.
            CudaContext::Borrowed(c) => {
                ok("cuCtxSetCurrent", unsafe { sys::cuCtxSetCurrent(*c as sys::CUcontext) })
            }
        }
    }

    fn synchronize() -> CallResult<()> {
        by_cust("cuCtxSynchronize", CurrentContext::synchronize())
    }

    fn memory() -> CallResult<(u64, u64)> {
        let (mut free, mut total) = (0usize, 0usize);
        // SAFETY: both are places for a number.
        ok("cuMemGetInfo", unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok((free as u64, total as u64))
    }

    fn allocate(bytes: u64) -> CallResult<u64> {
        let mut at = 0;
        // SAFETY: `at` is a place for an address.
        ok("cuMemAlloc", unsafe { sys::cuMemAlloc_v2(&mut at, bytes as usize) })?;
        Ok(at)
    }

    fn free(address: u64) -> CallResult<()> {
        // SAFETY: the driver knows its addresses and refuses others.
        ok("cuMemFree", unsafe { sys::cuMemFree_v2(address) })
    }

    fn allocate_pinned(bytes: u64) -> CallResult<*mut c_void> {
        let mut at = std::ptr::null_mut();
        // SAFETY: `at` is a place for an address.
        ok("cuMemAllocHost", unsafe { sys::cuMemAllocHost_v2(&mut at, bytes as usize) })?;
        Ok(at)
    }

    unsafe fn free_pinned(at: *mut c_void) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("cuMemFreeHost", unsafe { sys::cuMemFreeHost(at) })
    }

    unsafe fn upload(to: u64, from: *const c_void, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("cuMemcpyHtoDAsync", unsafe { sys::cuMemcpyHtoDAsync_v2(to, from, bytes as usize, stream(on)) })
    }

    unsafe fn download(to: *mut c_void, from: u64, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("cuMemcpyDtoHAsync", unsafe { sys::cuMemcpyDtoHAsync_v2(to, from, bytes as usize, stream(on)) })
    }

    unsafe fn copy(to: u64, from: u64, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("cuMemcpyDtoDAsync", unsafe { sys::cuMemcpyDtoDAsync_v2(to, from, bytes as usize, stream(on)) })
    }

    unsafe fn zero(at: u64, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("cuMemsetD8Async", unsafe { sys::cuMemsetD8Async(at, 0, bytes as usize, stream(on)) })
    }

    fn stream() -> CallResult<Stream> {
        by_cust("cuStreamCreate", Stream::new(StreamFlags::DEFAULT, None))
    }

    fn raw_stream(s: &Stream) -> u64 {
        s.as_inner() as u64
    }

    fn wait_stream(on: u64) -> CallResult<()> {
        // SAFETY: the handle is a stream's that lives.
        ok("cuStreamSynchronize", unsafe { sys::cuStreamSynchronize(stream(on)) })
    }

    fn event() -> CallResult<CudaEvent> {
        let mut event = std::ptr::null_mut();
        // SAFETY: `event` is a place for a handle.
        ok("cuEventCreate", unsafe { sys::cuEventCreate(&mut event, 0) })?;
        Ok(CudaEvent(event))
    }

    fn record(event: &CudaEvent, on: u64) -> CallResult<()> {
        // SAFETY: both handles live.
        ok("cuEventRecord", unsafe { sys::cuEventRecord(event.0, stream(on)) })
    }

    fn wait_event(event: &CudaEvent) -> CallResult<()> {
        // SAFETY: the handle lives.
        ok("cuEventSynchronize", unsafe { sys::cuEventSynchronize(event.0) })
    }

    fn stream_waits(on: u64, event: &CudaEvent) -> CallResult<()> {
        // SAFETY: both handles live.
        ok("cuStreamWaitEvent", unsafe { sys::cuStreamWaitEvent(stream(on), event.0, 0) })
    }

    fn elapsed(from: &CudaEvent, to: &CudaEvent) -> CallResult<Duration> {
        let mut ms = 0.0f32;
        // SAFETY: both handles live.
        ok("cuEventElapsedTime", unsafe { sys::cuEventElapsedTime(&mut ms, from.0, to.0) })?;
        Ok(Duration::from_secs_f64(f64::from(ms.max(0.0)) * 1e-3))
    }

    fn load(image: &[u8]) -> CallResult<CudaModule> {
        let mut module = std::ptr::null_mut();
        let mut log = vec![0u8; 16 << 10];
        let mut options = [
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        let mut values = [log.as_mut_ptr().cast::<c_void>(), log.len() as *mut c_void];
        // SAFETY: the image is a whole ELF, or PTX with a NUL behind it (checked by the caller); the log has the size that is given.
        let code = unsafe {
            sys::cuModuleLoadDataEx(
                &mut module,
                image.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        ok("cuModuleLoadDataEx", code).map_err(|e| {
            let end = log.iter().position(|&b| b == 0).unwrap_or(log.len());
            let said = String::from_utf8_lossy(&log[..end]).trim().to_string();
            let text = if said.is_empty() { e.text.clone() } else { format!("{}\n{said}", e.text) };
            CallError { text, ..e }
        })?;
        Ok(CudaModule(module))
    }

    fn function(module: &CudaModule, symbol: &str) -> CallResult<Option<u64>> {
        let Ok(name) = CString::new(symbol) else { return Ok(None) };
        let mut f: CUfunction = std::ptr::null_mut();
        // SAFETY: the module lives, the name ends with a NUL.
        match unsafe { sys::cuModuleGetFunction(&mut f, module.0, name.as_ptr()) } {
            CUresult::CUDA_ERROR_NOT_FOUND => Ok(None),
            code => ok("cuModuleGetFunction", code).map(|()| Some(f as u64)),
        }
    }

    fn global(module: &CudaModule, name: &str) -> CallResult<Option<(u64, u64)>> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        let (mut at, mut bytes) = (0, 0usize);
        // SAFETY: as in `function`.
        match unsafe { sys::cuModuleGetGlobal_v2(&mut at, &mut bytes, module.0, name.as_ptr()) } {
            CUresult::CUDA_ERROR_NOT_FOUND => Ok(None),
            code => ok("cuModuleGetGlobal", code).map(|()| Some((at, bytes as u64))),
        }
    }

    fn kernel_info(function: u64) -> CallResult<KernelInfo> {
        use sys::CUfunction_attribute as A;
        let get = |what| {
            let mut x = 0;
            // SAFETY: the function's module lives.
            ok("cuFuncGetAttribute", unsafe {
                sys::cuFuncGetAttribute(&mut x, what, function as CUfunction)
            })?;
            Ok(x)
        };
        Ok(KernelInfo {
            max_threads: get(A::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)? as u32,
            static_shared: get(A::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)? as u64,
            local: get(A::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)? as u64,
            registers: get(A::CU_FUNC_ATTRIBUTE_NUM_REGS)? as u32,
        })
    }

    fn allow_shared(function: u64, bytes: u32) -> CallResult<()> {
        let what = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function's module lives.
        ok("cuFuncSetAttribute", unsafe {
            sys::cuFuncSetAttribute(function as CUfunction, what, bytes as i32)
        })
    }

    unsafe fn launch(
        function: u64,
        [gx, gy, gz]: [u32; 3],
        [bx, by, bz]: [u32; 3],
        shared: u32,
        on: u64,
        params: &mut [*mut c_void],
    ) -> CallResult<()> {
        let (f, none) = (function as CUfunction, std::ptr::null_mut());
        // SAFETY: as promised by the caller.
        ok("cuLaunchKernel", unsafe {
            sys::cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream(on), params.as_mut_ptr(), none)
        })
    }

    fn is_out_of_memory(code: i32) -> bool {
        code == CUresult::CUDA_ERROR_OUT_OF_MEMORY as i32
    }

    fn rejection(code: i32) -> Rejection {
        match code {
            // CUDA_ERROR_UNSUPPORTED_PTX_VERSION, CUDA_ERROR_INVALID_PTX.
            222 => Rejection::NewerLanguage,
            218 => Rejection::Invalid,
            _ => Rejection::Other,
        }
    }

    fn is_fatal(code: i32) -> bool {
        // Illegal address, asserts, traps, misaligned addresses and their like, and an error of the memory.
        matches!(code, 214 | 700 | 702 | 710 | 714..=719)
    }

    fn check_image(image: &[u8], info: &DeviceInfo, manifests: &[Manifest]) -> Judgement {
        let sm = |s: &str| s.strip_prefix("sm_").and_then(digits);
        let own = sm(&info.processor);
        if image.starts_with(elf::MAGIC) {
            return cubin::check(image, own, &info.processor, manifests);
        }
        let text = std::str::from_utf8(image).map_err(|_| "it is neither PTX nor cubin".to_string())?;
        let target = ptx::target(text)?;
        match (own, sm(target)) {
            (Some(own), Some(wanted)) if wanted > own => {
                return Err(format!("it is PTX for {target}, and this device is {}", info.processor))
            }
            (Some(own), Some(wanted)) if target.ends_with('a') && wanted != own => {
                return Err(format!("it is PTX for {target} alone, and this device is {}", info.processor))
            }
            _ => {}
        }
        ptx::check(text, manifests)
    }

    fn reaches(address: u64) -> CallResult<bool> {
        let mut kind = 0u32;
        let what = sys::CUpointer_attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
        // SAFETY: `kind` is a place for the answer; any address may be asked for.
        match unsafe { sys::cuPointerGetAttribute((&raw mut kind).cast(), what, address) } {
            // No driver's memory. A driver without the function says nothing about it.
            CUresult::CUDA_ERROR_INVALID_VALUE => Ok(false),
            CUresult::CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND => Ok(true),
            code => ok("cuPointerGetAttribute", code).map(|()| true),
        }
    }
}

fn digits(s: &str) -> Option<u32> {
    s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn info(device: Device) -> CallResult<DeviceInfo> {
    let get = |a: DeviceAttribute| by_cust("cuDeviceGetAttribute", device.get_attribute(a));
    let (major, minor) =
        (get(DeviceAttribute::ComputeCapabilityMajor)?, get(DeviceAttribute::ComputeCapabilityMinor)?);
    let mut shared = 0;
    let opt_in = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
    // SAFETY: `shared` is a place for the number.
    ok("cuDeviceGetAttribute", unsafe { sys::cuDeviceGetAttribute(&mut shared, opt_in, device.as_raw()) })?;
    let mut version = 0;
    // SAFETY: `version` is a place for the number.
    ok("cuDriverGetVersion", unsafe { sys::cuDriverGetVersion(&mut version) })?;
    let version = (version as u32 / 1000, version as u32 % 1000 / 10);
    Ok(DeviceInfo {
        kind: DeviceKind::Cuda,
        name: by_cust("cuDeviceGetName", device.name())?,
        target: format!("nvptx:sm_{major}{minor}"),
        processor: format!("sm_{major}{minor}"),
        max_threads_per_block: get(DeviceAttribute::MaxThreadsPerBlock)? as u32,
        max_shared_bytes: shared as u64,
        multiprocessors: get(DeviceAttribute::MultiprocessorCount)? as u32,
        warp_size: get(DeviceAttribute::WarpSize)? as u32,
        memory_bytes: by_cust("cuDeviceTotalMem", device.total_memory())? as u64,
        host_memory: device.get_attribute(DeviceAttribute::PageableMemoryAccess).is_ok_and(|x| x != 0),
        driver: format!("CUDA driver {}.{}", version.0, version.1),
        driver_version: Some(version),
    })
}

/// The raw context, for other libraries.
pub fn raw_context(context: &CudaContext) -> u64 {
    match context {
        CudaContext::Primary(c) => c.get_inner() as u64,
        CudaContext::Borrowed(c) => *c,
    }
}
