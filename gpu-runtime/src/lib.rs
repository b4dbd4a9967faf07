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
//! Devices: the CPU ([`cpu`]), always there. A launch on it is complete when the call returns.

pub mod cpu;
mod device;
mod error;
mod program;

pub use device::{Block, Device, DeviceInfo, DeviceKind, Function, LaunchReport, Module};
pub use error::{Error, Result};
pub use program::{Context, Program, Tape};
