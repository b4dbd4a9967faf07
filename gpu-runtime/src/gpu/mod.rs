//! A GPU behind a [`Driver`]: written once for CUDA and HIP.
//!
//! Everything goes through the default stream or through streams that wait for it, so that a transfer sees what was launched before it,
//! on whichever stream. An error of a launch shows at the next call that waits; the message says so and names the last kernel.

mod memory;
mod module;
mod stream;

pub use memory::{GpuBlock, GpuPinned};
pub use module::{GpuFunction, GpuModule};
pub use stream::{GpuEvent, GpuStream};

use crate::device::DeviceInfo;
use crate::driver::{CallError, CallResult, Driver};
use crate::{Error, Result};
use shadow_mem::{DeviceMemory, Manifest, MemoryError};
use std::sync::{Arc, Mutex};

/// A GPU. Clones are the same device.
#[derive(Debug)]
pub struct GpuDevice<D: Driver> {
    pub(crate) inner: Arc<Inner<D>>,
}

impl<D: Driver> Clone for GpuDevice<D> {
    fn clone(&self) -> Self {
        GpuDevice { inner: self.inner.clone() }
    }
}

#[derive(Debug)]
pub(crate) struct Inner<D: Driver> {
    context: D::Context,
    info: DeviceInfo,
    /// The kernel launched last, for errors that show later.
    last: Mutex<Option<String>>,
}

impl<D: Driver> Inner<D> {
    /// Makes the device's context current, then calls.
    pub fn call<T>(&self, f: impl FnOnce() -> CallResult<T>) -> CallResult<T> {
        D::make_current(&self.context)?;
        f()
    }

    /// The same for a call that waits, and so may answer for launches before it.
    pub fn wait<T>(&self, f: impl FnOnce() -> CallResult<T>) -> CallResult<T> {
        self.call(f).map_err(|e| self.late(e))
    }

    /// Says of an error that an earlier launch may be to blame.
    pub fn late(&self, e: CallError) -> CallError {
        let last = self.last.lock().unwrap_or_else(|p| p.into_inner()).clone();
        CallError { earlier: true, kernel: e.kernel.or(last), ..e }
    }

    pub fn launched(&self, kernel: &str) {
        *self.last.lock().unwrap_or_else(|p| p.into_inner()) = Some(kernel.to_string());
    }

    /// A driver's answer as a memory error.
    pub fn memory_error(&self, e: CallError, bytes: u64) -> MemoryError {
        if D::is_out_of_memory(e.code) {
            let free = D::memory()
                .map(|(free, total)| format!(", {free} of {total} bytes free"))
                .unwrap_or_default();
            return MemoryError::OutOfMemory { bytes, device: format!("{}{free}", self.info.name) };
        }
        MemoryError::Failed { call: e.call.into(), reason: e.to_string() }
    }
}

impl<D: Driver> GpuDevice<D> {
    /// Devices that the driver has.
    ///
    /// # Errors
    /// [`Error::NoDevice`], with what was looked for: no driver, a driver that lacks functions, or no GPU.
    pub fn count() -> Result<u32> {
        D::count()
    }

    /// The device of that number.
    pub fn open(ordinal: u32) -> Result<Self> {
        let there = D::count()?;
        if ordinal >= there {
            let kind = D::KIND.name().to_uppercase();
            let reason = format!("number {ordinal} was asked for, and there are {there}, counted from 0");
            return Err(Error::NoDevice { kind, reason });
        }
        let (context, info) = D::open(ordinal)?;
        Ok(GpuDevice { inner: Arc::new(Inner { context, info, last: Mutex::default() }) })
    }

    /// A device around a context that another library owns; it is used and never destroyed.
    pub fn around(context: D::Context, info: DeviceInfo) -> Self {
        GpuDevice { inner: Arc::new(Inner { context, info, last: Mutex::default() }) }
    }

    /// What it is.
    pub fn info(&self) -> DeviceInfo {
        self.inner.info.clone()
    }

    /// Free and total bytes of its memory.
    pub fn memory(&self) -> Result<(u64, u64)> {
        Ok(self.inner.call(D::memory)?)
    }

    /// Waits for everything on the device.
    pub fn synchronize(&self) -> Result<()> {
        Ok(self.inner.wait(D::synchronize)?)
    }

    /// Loads PTX, cubin or HSACO.
    pub fn load(&self, artifact: &[u8], manifests: &[Manifest]) -> Result<GpuModule<D>> {
        GpuModule::load(self, artifact, manifests)
    }

    /// A new stream.
    pub fn stream(&self) -> Result<GpuStream<D>> {
        GpuStream::new(self)
    }

    /// A new event.
    pub fn event(&self) -> Result<GpuEvent<D>> {
        GpuEvent::new(self)
    }

    /// Host memory that the device copies by itself.
    pub fn pinned(&self, bytes: u64) -> Result<GpuPinned<D>> {
        GpuPinned::new(self, bytes)
    }

    /// The device's context.
    pub fn context(&self) -> &D::Context {
        &self.inner.context
    }

    /// Memory that another library allocated on this device, as a block; it is not freed here.
    ///
    /// # Safety
    /// The memory lives as long as the block, and has that many bytes.
    pub unsafe fn wrap(&self, address: u64, bytes: u64) -> GpuBlock<D> {
        GpuBlock::borrowed(self, address, bytes)
    }
}

impl<D: Driver> DeviceMemory for GpuDevice<D> {
    type Block = GpuBlock<D>;

    fn allocate(&self, bytes: u64, align: u64) -> std::result::Result<GpuBlock<D>, MemoryError> {
        GpuBlock::allocate(self, bytes, align)
    }
}
