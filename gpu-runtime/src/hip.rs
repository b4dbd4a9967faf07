//! The HIP runtime, through hip-sys: what [`Driver`] asks for. Mirrors [`crate::cuda`].

use crate::artifact::{elf, Judgement};
use crate::device::{DeviceInfo, DeviceKind};
use crate::driver::{CallError, CallResult, Driver, KernelInfo, Rejection};
use crate::{Error, Result};
use hip_sys::hiprt::{self as sys, hipDeviceAttribute_t as Attribute, hipError_t};
use shadow_mem::Manifest;
use std::ffi::{c_char, c_void, CStr, CString};
use std::time::Duration;

/// The runtime.
#[derive(Debug)]
pub struct Hip;

/// A device in use. HIP has one context per device, which lives as long as the process.
#[derive(Debug)]
pub struct HipContext(i32);

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident($raw:ty), $destroy:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name($raw);

        // SAFETY: HIP's handles may be used on every thread.
        unsafe impl Send for $name {}
        // SAFETY: as above; the runtime serialises what must not overlap.
        unsafe impl Sync for $name {}

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the handle is this value's own.
                let _ = unsafe { sys::$destroy(self.0) };
            }
        }
    };
}

handle!(
    /// A stream.
    HipStream(sys::hipStream_t),
    hipStreamDestroy
);
handle!(
    /// An event.
    HipEvent(sys::hipEvent_t),
    hipEventDestroy
);
handle!(
    /// A loaded module.
    HipModule(sys::hipModule_t),
    hipModuleUnload
);

fn failed(call: &'static str, code: hipError_t) -> CallError {
    let text = |at: *const c_char| match at.is_null() {
        true => "no text".into(),
        // SAFETY: the runtime's texts are constants.
        false => unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned(),
    };
    // SAFETY: both take any code.
    let (name, said) = unsafe { (text(sys::hipGetErrorName(code)), text(sys::hipGetErrorString(code))) };
    let (code, lost) = (code as i32, Hip::is_fatal(code as i32));
    CallError { call, code, name, text: said, kernel: None, earlier: false, lost }
}

fn ok(call: &'static str, code: hipError_t) -> CallResult<()> {
    match code {
        hipError_t::hipSuccess => Ok(()),
        e => Err(failed(call, e)),
    }
}

fn stream(raw: u64) -> sys::hipStream_t {
    raw as sys::hipStream_t
}

fn at(address: u64) -> *mut c_void {
    address as *mut c_void
}

impl Driver for Hip {
    type Context = HipContext;
    type Stream = HipStream;
    type Event = HipEvent;
    type Module = HipModule;

    const KIND: DeviceKind = DeviceKind::Hip;

    fn count() -> Result<u32> {
        let none = |reason: &str| Error::NoDevice { kind: "HIP".into(), reason: reason.into() };
        gpu_runtime_forwarders::hip::load().map_err(|e| Error::no_driver("HIP", e))?;
        let mut n = 0;
        // SAFETY: `n` is a place for the number.
        match unsafe { sys::hipGetDeviceCount(&mut n) } {
            hipError_t::hipErrorNoDevice => {}
            code => ok("hipGetDeviceCount", code)?,
        }
        match u32::try_from(n) {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(none("the runtime is there and found no GPU; HIP_VISIBLE_DEVICES may hide them, and /dev/kfd must be readable")),
        }
    }

    fn open(ordinal: u32) -> CallResult<(HipContext, DeviceInfo)> {
        let device = ordinal as i32;
        // SAFETY: takes any number.
        ok("hipSetDevice", unsafe { sys::hipSetDevice(device) })?;
        Ok((HipContext(device), info(device)?))
    }

    fn make_current(context: &HipContext) -> CallResult<()> {
        // SAFETY: takes any number.
        ok("hipSetDevice", unsafe { sys::hipSetDevice(context.0) })
    }

    fn synchronize() -> CallResult<()> {
        // SAFETY: no arguments.
        ok("hipDeviceSynchronize", unsafe { sys::hipDeviceSynchronize() })
    }

    fn memory() -> CallResult<(u64, u64)> {
        let (mut free, mut total) = (0usize, 0usize);
        // SAFETY: both are places for a number.
        ok("hipMemGetInfo", unsafe { sys::hipMemGetInfo(&mut free, &mut total) })?;
        Ok((free as u64, total as u64))
    }

    fn allocate(bytes: u64) -> CallResult<u64> {
        let mut to = std::ptr::null_mut();
        // SAFETY: `to` is a place for an address.
        ok("hipMalloc", unsafe { sys::hipMalloc(&mut to, bytes as usize) })?;
        Ok(to as u64)
    }

    fn free(address: u64) -> CallResult<()> {
        // SAFETY: the runtime knows its addresses and refuses others.
        ok("hipFree", unsafe { sys::hipFree(at(address)) })
    }

    fn allocate_pinned(bytes: u64) -> CallResult<*mut c_void> {
        let mut to = std::ptr::null_mut();
        // SAFETY: `to` is a place for an address.
        ok("hipHostMalloc", unsafe { sys::hipHostMalloc(&mut to, bytes as usize, 0) })?;
        Ok(to)
    }

    unsafe fn free_pinned(memory: *mut c_void) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("hipHostFree", unsafe { sys::hipHostFree(memory) })
    }

    unsafe fn upload(to: u64, from: *const c_void, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller; the source is only read, though its type says otherwise.
        ok("hipMemcpyHtoDAsync", unsafe {
            sys::hipMemcpyHtoDAsync(at(to), from.cast_mut(), bytes as usize, stream(on))
        })
    }

    unsafe fn download(to: *mut c_void, from: u64, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("hipMemcpyDtoHAsync", unsafe { sys::hipMemcpyDtoHAsync(to, at(from), bytes as usize, stream(on)) })
    }

    unsafe fn copy(to: u64, from: u64, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("hipMemcpyDtoDAsync", unsafe {
            sys::hipMemcpyDtoDAsync(at(to), at(from), bytes as usize, stream(on))
        })
    }

    unsafe fn zero(memory: u64, bytes: u64, on: u64) -> CallResult<()> {
        // SAFETY: as promised by the caller.
        ok("hipMemsetD8Async", unsafe { sys::hipMemsetD8Async(at(memory), 0, bytes as usize, stream(on)) })
    }

    fn stream() -> CallResult<HipStream> {
        let mut s = std::ptr::null_mut();
        // SAFETY: `s` is a place for a handle.
        ok("hipStreamCreateWithFlags", unsafe { sys::hipStreamCreateWithFlags(&mut s, 0) })?;
        Ok(HipStream(s))
    }

    fn raw_stream(s: &HipStream) -> u64 {
        s.0 as u64
    }

    fn wait_stream(on: u64) -> CallResult<()> {
        // SAFETY: the handle is a stream's that lives.
        ok("hipStreamSynchronize", unsafe { sys::hipStreamSynchronize(stream(on)) })
    }

    fn event() -> CallResult<HipEvent> {
        let mut e = std::ptr::null_mut();
        // SAFETY: `e` is a place for a handle.
        ok("hipEventCreateWithFlags", unsafe { sys::hipEventCreateWithFlags(&mut e, 0) })?;
        Ok(HipEvent(e))
    }

    fn record(event: &HipEvent, on: u64) -> CallResult<()> {
        // SAFETY: both handles live.
        ok("hipEventRecord", unsafe { sys::hipEventRecord(event.0, stream(on)) })
    }

    fn wait_event(event: &HipEvent) -> CallResult<()> {
        // SAFETY: the handle lives.
        ok("hipEventSynchronize", unsafe { sys::hipEventSynchronize(event.0) })
    }

    fn stream_waits(on: u64, event: &HipEvent) -> CallResult<()> {
        // SAFETY: both handles live.
        ok("hipStreamWaitEvent", unsafe { sys::hipStreamWaitEvent(stream(on), event.0, 0) })
    }

    fn elapsed(from: &HipEvent, to: &HipEvent) -> CallResult<Duration> {
        let mut ms = 0.0f32;
        // SAFETY: both handles live.
        ok("hipEventElapsedTime", unsafe { sys::hipEventElapsedTime(&mut ms, from.0, to.0) })?;
        Ok(Duration::from_secs_f64(f64::from(ms.max(0.0)) * 1e-3))
    }

    fn load(image: &[u8]) -> CallResult<HipModule> {
        let mut m = std::ptr::null_mut();
        // SAFETY: the image is a whole ELF for this processor (checked by the caller).
        ok("hipModuleLoadData", unsafe { sys::hipModuleLoadData(&mut m, image.as_ptr().cast()) })?;
        Ok(HipModule(m))
    }

    fn function(module: &HipModule, symbol: &str) -> CallResult<Option<u64>> {
        let Ok(name) = CString::new(symbol) else { return Ok(None) };
        let mut f = std::ptr::null_mut();
        // SAFETY: the module lives, the name ends with a NUL.
        match unsafe { sys::hipModuleGetFunction(&mut f, module.0, name.as_ptr()) } {
            hipError_t::hipErrorNotFound => Ok(None),
            code => ok("hipModuleGetFunction", code).map(|()| Some(f as u64)),
        }
    }

    fn global(module: &HipModule, name: &str) -> CallResult<Option<(u64, u64)>> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        let (mut to, mut bytes) = (std::ptr::null_mut(), 0usize);
        // SAFETY: as in `function`.
        match unsafe { sys::hipModuleGetGlobal(&mut to, &mut bytes, module.0, name.as_ptr()) } {
            hipError_t::hipErrorNotFound => Ok(None),
            code => ok("hipModuleGetGlobal", code).map(|()| Some((to as u64, bytes as u64))),
        }
    }

    fn kernel_info(function: u64) -> CallResult<KernelInfo> {
        use sys::hipFunction_attribute as A;
        let get = |what| {
            let mut x = 0;
            // SAFETY: the function's module lives.
            ok("hipFuncGetAttribute", unsafe {
                sys::hipFuncGetAttribute(&mut x, what, function as sys::hipFunction_t)
            })?;
            Ok(x)
        };
        Ok(KernelInfo {
            max_threads: get(A::HIP_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)? as u32,
            static_shared: get(A::HIP_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)? as u64,
            local: get(A::HIP_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)? as u64,
            registers: get(A::HIP_FUNC_ATTRIBUTE_NUM_REGS)? as u32,
        })
    }

    fn allow_shared(_function: u64, _bytes: u32) -> CallResult<()> {
        // AMD's processors have one limit, and kernels of modules need no leave to use all of it.
        Ok(())
    }

    unsafe fn launch(
        function: u64,
        [gx, gy, gz]: [u32; 3],
        [bx, by, bz]: [u32; 3],
        shared: u32,
        on: u64,
        params: &mut [*mut c_void],
    ) -> CallResult<()> {
        let (f, none) = (function as sys::hipFunction_t, std::ptr::null_mut());
        // SAFETY: as promised by the caller.
        ok("hipModuleLaunchKernel", unsafe {
            sys::hipModuleLaunchKernel(
                f,
                gx,
                gy,
                gz,
                bx,
                by,
                bz,
                shared,
                stream(on),
                params.as_mut_ptr(),
                none,
            )
        })
    }

    fn is_out_of_memory(code: i32) -> bool {
        code == hipError_t::hipErrorOutOfMemory as i32
    }

    fn rejection(_code: i32) -> Rejection {
        // HSACO is machine code: there is no language to be too new.
        Rejection::Other
    }

    fn is_fatal(code: i32) -> bool {
        // Illegal address, timeouts, asserts, failed launches.
        matches!(code, 700 | 702 | 710 | 719)
    }

    fn check_image(image: &[u8], info: &DeviceInfo, manifests: &[Manifest]) -> Judgement {
        if !image.starts_with(elf::MAGIC) {
            return Err("it is not HSACO (an ELF file for an AMD GPU)".into());
        }
        elf::check(image, object::elf::EM_AMDGPU, "a HIP device takes HSACO")?;
        let own = info.processor.split(':').next().unwrap_or("");
        match (processor_of(elf::flags(image) as u8), own) {
            (Some(made_for), own) if !own.is_empty() && made_for != own => {
                Err(format!("it was made for {made_for}, and this device is {own}"))
            }
            _ => elf::check_hsaco(image, manifests),
        }
    }

    fn reaches(address: u64) -> CallResult<bool> {
        // The attributes of pointers come in a struct that changed with ROCm 6; the range of an address never did.
        let (mut base, mut bytes) = (std::ptr::null_mut(), 0usize);
        // SAFETY: both are places for the answer; any address may be asked for.
        match unsafe { sys::hipMemGetAddressRange(&mut base, &mut bytes, at(address)) } {
            hipError_t::hipErrorInvalidValue
            | hipError_t::hipErrorNotFound
            | hipError_t::hipErrorInvalidDevicePointer => Ok(false),
            hipError_t::hipErrorSharedObjectSymbolNotFound => Ok(true),
            code => ok("hipMemGetAddressRange", code).map(|()| true),
        }
    }
}

/// The processor that an ELF header's flags name (EF_AMDGPU_MACH, LLVM's "User Guide for AMDGPU Backend").
#[rustfmt::skip]
fn processor_of(mach: u8) -> Option<&'static str> {
    Some(match mach {
        0x2c => "gfx900", 0x2f => "gfx906", 0x30 => "gfx908", 0x33 => "gfx1010", 0x34 => "gfx1011", 0x35 => "gfx1012",
        0x36 => "gfx1030", 0x37 => "gfx1031", 0x38 => "gfx1032", 0x39 => "gfx1033", 0x3e => "gfx1034", 0x3d => "gfx1035",
        0x45 => "gfx1036", 0x3f => "gfx90a", 0x40 => "gfx940", 0x4b => "gfx941", 0x4c => "gfx942",
        0x41 => "gfx1100", 0x46 => "gfx1101", 0x47 => "gfx1102", 0x44 => "gfx1103", 0x43 => "gfx1150", 0x4a => "gfx1151",
        0x55 => "gfx1152", 0x48 => "gfx1200", 0x4e => "gfx1201",
        _ => return None,
    })
}

fn info(device: i32) -> CallResult<DeviceInfo> {
    let get = |what: Attribute| {
        let mut x = 0;
        // SAFETY: `x` is a place for the number.
        ok("hipDeviceGetAttribute", unsafe { sys::hipDeviceGetAttribute(&mut x, what, device) })?;
        Ok(x)
    };
    let mut name = [0u8; 256];
    // SAFETY: the buffer has the length that is given.
    ok("hipDeviceGetName", unsafe { sys::hipDeviceGetName(name.as_mut_ptr().cast(), 256, device) })?;
    let mut memory = 0usize;
    // SAFETY: `memory` is a place for the number.
    ok("hipDeviceTotalMem", unsafe { sys::hipDeviceTotalMem(&mut memory, device) })?;
    let mut version = 0;
    // SAFETY: `version` is a place for the number.
    ok("hipRuntimeGetVersion", unsafe { sys::hipRuntimeGetVersion(&mut version) })?;
    let processor = gpu_runtime_forwarders::hip::processor(device).ok().flatten().unwrap_or_default();
    let version = (version as u32 / 10_000_000, version as u32 / 100_000 % 100);
    Ok(DeviceInfo {
        kind: DeviceKind::Hip,
        name: CStr::from_bytes_until_nul(&name).unwrap_or_default().to_string_lossy().into_owned(),
        target: format!("amdgpu:{processor}"),
        processor,
        max_threads_per_block: get(Attribute::hipDeviceAttributeMaxThreadsPerBlock)? as u32,
        max_shared_bytes: get(Attribute::hipDeviceAttributeMaxSharedMemoryPerBlock)? as u64,
        multiprocessors: get(Attribute::hipDeviceAttributeMultiprocessorCount)? as u32,
        warp_size: get(Attribute::hipDeviceAttributeWarpSize)? as u32,
        memory_bytes: memory as u64,
        host_memory: get(Attribute::hipDeviceAttributePageableMemoryAccess).is_ok_and(|x| x != 0),
        driver: format!("HIP runtime {}.{}", version.0, version.1),
        driver_version: Some(version),
    })
}
