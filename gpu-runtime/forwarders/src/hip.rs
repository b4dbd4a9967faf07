//! The HIP runtime, `libamdhip64.so`: what gpu-runtime calls of it.

use crate::forward::{forwarders, load as open, Slot, Symbol};
use crate::{codes, LoadError, Loaded};
use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

/// Names another library than those of ROCm 5, 6 and 7.
pub const VARIABLE: &str = "KERNEL_AD_LIBAMDHIP64";

/// hipErrorSharedObjectSymbolNotFound.
const MISSING: i32 = 302;

/// What gpu-runtime calls: without these a runtime is of no use. All are in ROCm 5.
#[rustfmt::skip]
const REQUIRED: &[&str] = &[
    "hipInit", "hipRuntimeGetVersion", "hipGetDeviceCount", "hipDeviceGet", "hipDeviceGetName",
    "hipDeviceTotalMem", "hipDeviceGetAttribute", "hipSetDevice", "hipGetDevice", "hipDeviceSynchronize",
    "hipMalloc", "hipFree", "hipHostMalloc", "hipHostFree", "hipMemcpyHtoDAsync", "hipMemcpyDtoHAsync",
    "hipMemcpyDtoDAsync", "hipMemsetD8Async", "hipMemGetInfo", "hipStreamCreateWithFlags",
    "hipStreamDestroy", "hipStreamSynchronize", "hipStreamQuery", "hipStreamWaitEvent",
    "hipEventCreateWithFlags", "hipEventDestroy", "hipEventRecord", "hipEventSynchronize",
    "hipEventElapsedTime", "hipModuleLoadData", "hipModuleUnload", "hipModuleGetFunction",
    "hipModuleGetGlobal", "hipModuleLaunchKernel", "hipFuncGetAttribute", "hipGetErrorString",
    "hipGetErrorName",
];

/// Opens the runtime, once for the process.
///
/// # Errors
/// No runtime, or one that lacks functions. Says what was looked for.
pub fn load() -> Result<Loaded, LoadError> {
    static DONE: OnceLock<Result<Loaded, LoadError>> = OnceLock::new();
    DONE.get_or_init(|| {
        let versions = ["libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so"];
        let roots = std::env::var_os("ROCM_PATH").map(PathBuf::from).into_iter().chain(["/opt/rocm".into()]);
        let mut names: Vec<PathBuf> = versions.map(PathBuf::from).to_vec();
        names.extend(roots.map(|r| r.join("lib").join("libamdhip64.so")));
        let mut all: Vec<Symbol> = TEXTS.iter().map(|s| Symbol { name: s.name, slot: s.slot }).collect();
        all.extend(SYMBOLS.iter().map(|s| Symbol { name: s.name, slot: s.slot }));
        open(VARIABLE, &names, &all, REQUIRED)
    })
    .clone()
}

static STRING: Slot = Slot::new();
static NAME: Slot = Slot::new();
static PROPERTIES: Slot = Slot::new();
static PROPERTIES_6: Slot = Slot::new();
const TEXTS: &[Symbol] = &[
    Symbol { name: "hipGetErrorString", slot: &STRING },
    Symbol { name: "hipGetErrorName", slot: &NAME },
    Symbol { name: "hipGetDeviceProperties", slot: &PROPERTIES },
    Symbol { name: "hipGetDevicePropertiesR0600", slot: &PROPERTIES_6 },
];

fn text(slot: &Slot, code: i32) -> *const c_char {
    let Some(f) = slot.get() else { return c"the HIP runtime is not loaded".as_ptr() };
    // SAFETY: the runtime's function has this signature.
    let f: unsafe extern "C" fn(i32) -> *const c_char = unsafe { std::mem::transmute::<*mut c_void, _>(f) };
    // SAFETY: it takes any code.
    unsafe { f(code) }
}

#[no_mangle]
#[allow(non_snake_case)]
extern "C" fn hipGetErrorString(code: i32) -> *const c_char {
    text(&STRING, code)
}

#[no_mangle]
#[allow(non_snake_case)]
extern "C" fn hipGetErrorName(code: i32) -> *const c_char {
    text(&NAME, code)
}

/// The name of a device's processor, `gfx90a:sramecc+:xnack-`. It stands in a struct whose layout changed with ROCm 6, and in
/// no other place; so it is searched for in the struct's bytes.
///
/// # Errors
/// The runtime's code.
pub fn processor(device: i32) -> Result<Option<String>, i32> {
    let Some(f) = PROPERTIES_6.get().or(PROPERTIES.get()) else { return Ok(None) };
    // Larger than the struct of any release.
    let mut bytes = vec![0u64; 4096];
    // SAFETY: the runtime's function has this signature.
    let f: unsafe extern "C" fn(*mut u64, i32) -> i32 = unsafe { std::mem::transmute::<*mut c_void, _>(f) };
    // SAFETY: the buffer has room for the struct.
    match unsafe { f(bytes.as_mut_ptr(), device) } {
        0 => {}
        code => return Err(codes::hip(code)),
    }
    let bytes: Vec<u8> = bytes.iter().flat_map(|w| w.to_ne_bytes()).collect();
    let at = bytes.windows(4).position(|w| w.starts_with(b"gfx") && w[3].is_ascii_digit());
    Ok(at.map(|i| bytes[i..].iter().take_while(|b| b.is_ascii_graphic()).map(|&b| char::from(b)).collect()))
}

forwarders! {
    load = load, missing = MISSING, known = codes::hip;
    hipInit(a);
    hipDriverGetVersion(a);
    hipRuntimeGetVersion(a);
    hipGetDeviceCount(a);
    hipDeviceGet(a b);
    hipDeviceGetName(a b c);
    hipDeviceTotalMem(a b);
    hipDeviceGetAttribute(a b c);
    hipSetDevice(a);
    hipGetDevice(a);
    hipDeviceSynchronize();
    hipMalloc(a b);
    hipFree(a);
    hipHostMalloc(a b c);
    hipHostFree(a);
    hipMemcpyHtoDAsync(a b c d);
    hipMemcpyDtoHAsync(a b c d);
    hipMemcpyDtoDAsync(a b c d);
    hipMemsetD8Async(a b c d);
    hipMemGetInfo(a b);
    hipMemGetAddressRange(a b c);
    hipStreamCreateWithFlags(a b);
    hipStreamDestroy(a);
    hipStreamSynchronize(a);
    hipStreamQuery(a);
    hipStreamWaitEvent(a b c);
    hipEventCreateWithFlags(a b);
    hipEventDestroy(a);
    hipEventRecord(a b);
    hipEventSynchronize(a);
    hipEventElapsedTime(a b c);
    hipModuleLoadData(a b);
    hipModuleLoadDataEx(a b c d e);
    hipModuleUnload(a);
    hipModuleGetFunction(a b c);
    hipModuleGetGlobal(a b c d);
    hipModuleLaunchKernel(a b c d e f g h i j k);
    hipFuncGetAttribute(a b c);
    hipFuncSetAttribute(a b c);
    hipGetLastError();
}
