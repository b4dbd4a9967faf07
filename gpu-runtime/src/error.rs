//! What can go wrong on a device.

use shadow_mem::{LaunchError, ManifestError, MemoryError};
use thiserror::Error;

/// Result of a device operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a device operation failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No device of that kind.
    #[error("no {kind} device: {reason}")]
    NoDevice {
        /// Kind that was asked for.
        kind: String,
        /// What was looked for.
        reason: String,
    },
    /// Memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A manifest that does not hold.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The arguments or the shape of a launch do not fit the kernel.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The artifact cannot be loaded.
    #[error("the artifact cannot be loaded: {0}")]
    BadArtifact(String),
    /// The driver does not take the artifact. The error's text has the log of the driver's compiler.
    #[error("the artifact cannot be loaded: {error}")]
    Rejected {
        /// What the driver said.
        error: crate::driver::CallError,
        /// What that says of the artifact.
        why: crate::driver::Rejection,
    },
    /// The module has no kernel of that name.
    #[error("the module has no kernel `{wanted}`; it has {has}")]
    NoSuchKernel {
        /// Name asked for.
        wanted: String,
        /// Names that it has.
        has: String,
    },
    /// The module has no variable of that name that the host may reach.
    #[error("the module has no variable `{0}` that is visible to the host")]
    NoSuchGlobal(String),
    /// More than the device has.
    #[error("kernel `{kernel}`: {what}: the limit of this device is {limit}, the launch has {got}")]
    TooLarge {
        /// Kernel.
        kernel: String,
        /// What is too large.
        what: String,
        /// Most that is allowed.
        limit: u64,
        /// What the launch has.
        got: u128,
    },
    /// A thread trapped.
    #[error("kernel `{kernel}`: block {block:?}, thread {thread:?} trapped at {place}: {message}")]
    Trap {
        /// Kernel.
        kernel: String,
        /// Index of the block.
        block: [u32; 3],
        /// Index of the thread in its block.
        thread: [u32; 3],
        /// Source location.
        place: String,
        /// What it said.
        message: String,
    },
    /// Threads wait for others that will not come.
    #[error("kernel `{kernel}`: block {block:?}, thread {thread:?} waits at {place}: {reason}")]
    DivergentBarrier {
        /// Kernel.
        kernel: String,
        /// Index of the block.
        block: [u32; 3],
        /// A thread that waits.
        thread: [u32; 3],
        /// Where it waits.
        place: String,
        /// For whom it waits.
        reason: String,
    },
    /// A call of a GPU's driver failed.
    #[error(transparent)]
    Call(#[from] crate::driver::CallError),
    /// A call of the system failed.
    #[error("{call}: {reason}")]
    Driver {
        /// The call.
        call: String,
        /// What the driver said.
        reason: String,
    },
}

impl Error {
    /// No device, for want of a driver.
    #[cfg(any(feature = "cuda", feature = "hip"))]
    pub(crate) fn no_driver(kind: &str, why: gpu_runtime_forwarders::LoadError) -> Error {
        Error::NoDevice { kind: kind.into(), reason: why.to_string() }
    }
}
