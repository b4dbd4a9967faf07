//! Devices that launch generated kernels, behind one interface.
//!
//! An artifact and its [`Manifest`](shadow_mem::Manifest) are all that a device needs: no compiler is linked here. [`Device`] opens
//! a device, gives out memory ([`shadow_mem::DeviceMemory`]) and loads artifacts; a [`Module`] holds kernels; a [`Function`] checks
//! its arguments against the manifest and launches.
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

pub use device::{Block, Device, DeviceInfo, DeviceKind, Function, LaunchReport, Module};
pub use error::{Error, Result};
