//! Devices that launch generated kernels, behind one interface.
//!
//! An artifact and its [`Manifest`](shadow_mem::Manifest) are all that a device needs: no compiler is linked here. [`Device`] opens
//! a device, gives out memory ([`shadow_mem::DeviceMemory`]) and loads artifacts; a [`Module`] holds kernels; a [`Function`] checks
//! its arguments against the manifest and launches. A [`Program`] in a [`Context`] does all that belongs to a launch of a gradient:
//! the tape's size and memory, the counting kernel, the status word.
//!
//! ```
//! use gpu_runtime::Device;
//! let device = Device::cpu();
//! assert!(device.info().max_threads_per_block >= 1024);
//! ```
//!
//! Devices: the CPU ([`cpu`]), always there; NVIDIA GPUs with feature `cuda`, through the CUDA driver; AMD GPUs with feature
//! `hip`, through the HIP runtime. Neither CUDA nor ROCm is needed to build or to start a program: drivers are opened when a
//! device is asked for.
//!
//! The bindings' build scripts (of cust and hip-sys) look for an installation all the same. Where there is none, a workspace of your own
//! needs the lines that kernel-ad's docs/launching.md shows.

pub mod artifact;
pub mod cpu;
pub mod crash;
#[cfg(feature = "cuda")]
pub mod cuda;
mod device;
pub mod driver;
mod error;
pub mod gpu;
#[cfg(feature = "hip")]
pub mod hip;
mod program;
mod shipped;
pub mod stream;

pub use device::{Block, Device, DeviceInfo, DeviceKind, Function, LaunchReport, Module};
pub use driver::CallError;
pub use error::{Error, Result};
pub use program::{Context, Program, Tape};
pub use shipped::Shipped;
pub use stream::{Event, Pinned, Stream};
