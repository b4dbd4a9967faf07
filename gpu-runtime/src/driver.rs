//! What a GPU's driver must offer, and what it says when it fails. Two implementations mirror each other: [`crate::cuda`] and
//! [`crate::hip`]; everything above them ([`crate::gpu`]) is written once.

use crate::device::{DeviceInfo, DeviceKind};
use shadow_mem::Manifest;
use std::ffi::c_void;
use std::fmt;
use std::time::Duration;

/// A call of a driver that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallError {
    /// The function, `cuMemAlloc`.
    pub call: &'static str,
    /// The driver's code.
    pub code: i32,
    /// The code's name, `CUDA_ERROR_OUT_OF_MEMORY`.
    pub name: String,
    /// What the driver says about it, and its log where it gave one.
    pub text: String,
    /// The kernel that the call was about, or that was launched last.
    pub kernel: Option<String>,
    /// The error may have happened before this call: launches run on while the program goes on.
    pub earlier: bool,
    /// A kernel trapped or reached memory that is not there: everything that lies on the device is lost.
    pub lost: bool,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}): {}", self.call, self.name, self.code, self.text)?;
        match (&self.kernel, self.earlier) {
            (Some(k), true) => {
                write!(f, "; the error may come from an earlier launch, the last one was of kernel `{k}`")?
            }
            (Some(k), false) => write!(f, " (kernel `{k}`)")?,
            (None, true) => write!(f, "; the error may come from earlier work on the device")?,
            (None, false) => {}
        }
        match self.lost {
            true => write!(
                f,
                "; everything on the device is lost: drop its memory, modules and streams and open it again, or \
                 where that fails, start the process again"
            ),
            false => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a driver does not take an artifact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// It is written in a newer version of PTX than the driver's compiler knows: the same in an older version may do.
    NewerLanguage,
    /// The driver's compiler finds errors in it. Old drivers say this of a newer version of PTX too.
    Invalid,
    /// Something else.
    Other,
}

/// Result of one call.
pub type CallResult<T> = Result<T, CallError>;

/// What a loaded kernel takes of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KernelInfo {
    /// Threads per block that it can be launched with at most.
    pub max_threads: u32,
    /// Bytes of static shared memory.
    pub static_shared: u64,
    /// Bytes of local memory per thread.
    pub local: u64,
    /// Registers per thread.
    pub registers: u32,
}

/// A driver. Every function but [`Driver::count`] and [`Driver::open`] needs the context of its device to be current on the thread.
///
/// Addresses are device addresses. `stream` is a handle that [`Driver::raw_stream`] gave or another library made; 0 is the default
/// stream, which waits for the work of all streams made here before, and they for its.
pub trait Driver: Sized + fmt::Debug + Send + Sync + 'static {
    /// Keeps a device in use until it is dropped.
    type Context: fmt::Debug + Send + Sync;
    /// Destroys itself when dropped.
    type Stream: fmt::Debug + Send + Sync;
    /// Destroys itself when dropped.
    type Event: fmt::Debug + Send + Sync;
    /// Unloads itself when dropped.
    type Module: fmt::Debug + Send + Sync;

    /// CUDA or HIP.
    const KIND: DeviceKind;

    /// Opens the driver, if that was not done, and counts devices.
    fn count() -> crate::Result<u32>;
    /// Takes a device into use.
    fn open(ordinal: u32) -> CallResult<(Self::Context, DeviceInfo)>;
    /// Makes its context the thread's current one.
    fn make_current(context: &Self::Context) -> CallResult<()>;
    /// Waits for everything on the device.
    fn synchronize() -> CallResult<()>;
    /// Free and total bytes of the device's memory.
    fn memory() -> CallResult<(u64, u64)>;

    /// Device memory, aligned to 256 bytes at least.
    fn allocate(bytes: u64) -> CallResult<u64>;
    /// Gives device memory back.
    fn free(address: u64) -> CallResult<()>;
    /// Host memory that the device copies from and to by itself.
    fn allocate_pinned(bytes: u64) -> CallResult<*mut c_void>;
    /// Gives it back.
    ///
    /// # Safety
    /// It came from [`Driver::allocate_pinned`], and nothing uses it any more.
    unsafe fn free_pinned(at: *mut c_void) -> CallResult<()>;
    /// Host to device.
    ///
    /// # Safety
    /// Both have that many bytes, and stay until the stream is through with the copy.
    unsafe fn upload(to: u64, from: *const c_void, bytes: u64, stream: u64) -> CallResult<()>;
    /// Device to host.
    ///
    /// # Safety
    /// As [`Driver::upload`].
    unsafe fn download(to: *mut c_void, from: u64, bytes: u64, stream: u64) -> CallResult<()>;
    /// Device to device.
    ///
    /// # Safety
    /// As [`Driver::upload`].
    unsafe fn copy(to: u64, from: u64, bytes: u64, stream: u64) -> CallResult<()>;
    /// Sets bytes to zero.
    ///
    /// # Safety
    /// The memory has that many bytes.
    unsafe fn zero(at: u64, bytes: u64, stream: u64) -> CallResult<()>;

    /// A new stream.
    fn stream() -> CallResult<Self::Stream>;
    /// Its handle.
    fn raw_stream(stream: &Self::Stream) -> u64;
    /// Waits for a stream.
    fn wait_stream(stream: u64) -> CallResult<()>;
    /// A new event.
    fn event() -> CallResult<Self::Event>;
    /// Marks the point that a stream has reached.
    fn record(event: &Self::Event, stream: u64) -> CallResult<()>;
    /// Waits for an event.
    fn wait_event(event: &Self::Event) -> CallResult<()>;
    /// Makes a stream wait for an event.
    fn stream_waits(stream: u64, event: &Self::Event) -> CallResult<()>;
    /// Time on the device from one event to another, both reached.
    fn elapsed(from: &Self::Event, to: &Self::Event) -> CallResult<Duration>;

    /// Loads an image. PTX ends with a NUL.
    fn load(image: &[u8]) -> CallResult<Self::Module>;
    /// A kernel's handle, or `None` when the module has none of that name. Valid while the module is.
    fn function(module: &Self::Module, symbol: &str) -> CallResult<Option<u64>>;
    /// Address and size of a variable.
    fn global(module: &Self::Module, name: &str) -> CallResult<Option<(u64, u64)>>;
    /// What a kernel takes.
    fn kernel_info(function: u64) -> CallResult<KernelInfo>;
    /// Allows launches with that many bytes of dynamic shared memory.
    fn allow_shared(function: u64, bytes: u32) -> CallResult<()>;
    /// Queues a launch.
    ///
    /// # Safety
    /// `params` are pointers to the kernel's parameters, of its number and sizes; what they point to is for the kernel to use.
    unsafe fn launch(
        function: u64,
        grid: [u32; 3],
        block: [u32; 3],
        shared: u32,
        stream: u64,
        params: &mut [*mut c_void],
    ) -> CallResult<()>;

    /// True for the code that says that there is not enough memory.
    fn is_out_of_memory(code: i32) -> bool;
    /// What such an answer to [`Driver::load`] says of the artifact.
    fn rejection(code: i32) -> Rejection;
    /// True for codes after which the context is of no use: a kernel trapped, or reached memory that is not there.
    fn is_fatal(code: i32) -> bool;
    /// Why an image cannot be loaded, as far as that can be seen before the driver sees it: what it is for, whether it is whole,
    /// whether its kernels are those of the manifests.
    fn check_image(image: &[u8], info: &DeviceInfo, manifests: &[Manifest]) -> Result<(), String>;
    /// True unless it is certain that no kernel can reach that address: memory of the host, freed memory.
    fn reaches(address: u64) -> CallResult<bool>;
}
