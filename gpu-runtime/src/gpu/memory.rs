//! Blocks of device memory, and host memory that the device copies from by itself.

use super::{GpuDevice, GpuStream, Inner};
use crate::driver::{CallResult, Driver};
use crate::Result;
use shadow_mem::{DeviceBlock, Extent, MemoryError};
use std::ffi::c_void;
use std::sync::Arc;

type Memory<T> = std::result::Result<T, MemoryError>;

/// A block of device memory.
#[derive(Debug)]
pub struct GpuBlock<D: Driver> {
    device: Arc<Inner<D>>,
    /// What the driver gave; 0 when somebody else owns the memory.
    owned: u64,
    address: u64,
    bytes: u64,
    /// Keeps a module whose variable this is.
    _keep: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

impl<D: Driver> GpuBlock<D> {
    pub(super) fn allocate(device: &GpuDevice<D>, bytes: u64, align: u64) -> Memory<Self> {
        let inner = device.inner.clone();
        // Drivers align to 256 bytes; for more, a little more is taken.
        let slack = if align > 256 { align } else { 0 };
        let whole = bytes.max(1).checked_add(slack);
        let whole =
            whole.ok_or_else(|| MemoryError::OutOfMemory { bytes, device: inner.info.name.clone() })?;
        let owned = inner.call(|| D::allocate(whole)).map_err(|e| inner.memory_error(e, bytes))?;
        let block = GpuBlock {
            device: inner,
            owned,
            address: owned.next_multiple_of(align.max(1)),
            bytes,
            _keep: None,
        };
        block.zero(0, bytes)?;
        Ok(block)
    }

    pub(super) fn borrowed(device: &GpuDevice<D>, address: u64, bytes: u64) -> Self {
        GpuBlock { device: device.inner.clone(), owned: 0, address, bytes, _keep: None }
    }

    /// The same, keeping alive what the memory belongs to.
    pub(super) fn part_of(
        device: &Arc<Inner<D>>,
        address: u64,
        bytes: u64,
        keep: Arc<dyn std::any::Any + Send + Sync>,
    ) -> Self {
        GpuBlock { device: device.clone(), owned: 0, address, bytes, _keep: Some(keep) }
    }

    fn part(&self, offset: u64, len: u64) -> Memory<u64> {
        match offset.checked_add(len) {
            Some(end) if end <= self.bytes => Ok(self.address + offset),
            _ => Err(MemoryError::OutOfBounds { offset, len, size: self.bytes }),
        }
    }

    /// Queues a transfer on the default stream and waits for it.
    fn transfer(&self, bytes: u64, f: impl FnOnce() -> CallResult<()>) -> Memory<()> {
        if bytes == 0 {
            return Ok(());
        }
        let done = self.device.wait(|| f().and_then(|()| D::wait_stream(0)));
        done.map_err(|e| self.device.memory_error(e, bytes))
    }

    /// Queues a copy from pinned memory to the block; complete when the stream is through with it.
    ///
    /// # Safety
    /// The pinned memory is not written and not dropped until then.
    pub unsafe fn upload(&self, offset: u64, from: &GpuPinned<D>, stream: &GpuStream<D>) -> Result<()> {
        let to = self.part(offset, from.bytes)?;
        // SAFETY: both have that many bytes; the caller keeps the source.
        Ok(self.device.call(|| unsafe { D::upload(to, from.at.cast_const(), from.bytes, stream.raw()) })?)
    }

    /// Queues a copy from the block to pinned memory; complete when the stream is through with it.
    ///
    /// # Safety
    /// The pinned memory is not read, written or dropped until then.
    pub unsafe fn download(&self, offset: u64, to: &mut GpuPinned<D>, stream: &GpuStream<D>) -> Result<()> {
        let from = self.part(offset, to.bytes)?;
        // SAFETY: both have that many bytes; the caller keeps the destination.
        Ok(self.device.call(|| unsafe { D::download(to.at, from, to.bytes, stream.raw()) })?)
    }
}

impl<D: Driver> Drop for GpuBlock<D> {
    fn drop(&mut self) {
        if self.owned != 0 {
            if let Err(e) = self.device.call(|| D::free(self.owned)) {
                tracing::warn!("device memory is not given back: {e}");
            }
        }
    }
}

impl<D: Driver> DeviceBlock for GpuBlock<D> {
    fn address(&self) -> u64 {
        self.address
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn write(&self, offset: u64, data: &[u8]) -> Memory<()> {
        let (to, bytes) = (self.part(offset, data.len() as u64)?, data.len() as u64);
        // SAFETY: the block has room, and the data outlives the call, which waits.
        self.transfer(bytes, || unsafe { D::upload(to, data.as_ptr().cast(), bytes, 0) })
    }

    fn read(&self, offset: u64, data: &mut [u8]) -> Memory<()> {
        let (from, bytes) = (self.part(offset, data.len() as u64)?, data.len() as u64);
        // SAFETY: as in `write`.
        self.transfer(bytes, || unsafe { D::download(data.as_mut_ptr().cast(), from, bytes, 0) })
    }

    fn zero(&self, offset: u64, bytes: u64) -> Memory<()> {
        let at = self.part(offset, bytes)?;
        // SAFETY: the block has that many bytes there.
        self.transfer(bytes, || unsafe { D::zero(at, bytes, 0) })
    }

    fn copy_from(&self, offset: u64, src: &Self, src_offset: u64, bytes: u64) -> Memory<()> {
        let (to, from) = (self.part(offset, bytes)?, src.part(src_offset, bytes)?);
        // SAFETY: both have that many bytes.
        self.transfer(bytes, || unsafe { D::copy(to, from, bytes, 0) })
    }

    unsafe fn save(&self, src: Extent) -> Memory<()> {
        let to = self.part(0, src.bytes)?;
        // SAFETY: the caller vouches for the source.
        self.transfer(src.bytes, || unsafe { D::copy(to, src.address, src.bytes, 0) })
    }

    unsafe fn restore(&self, dst: Extent) -> Memory<()> {
        let from = self.part(0, dst.bytes)?;
        // SAFETY: the caller vouches for the destination.
        self.transfer(dst.bytes, || unsafe { D::copy(dst.address, from, dst.bytes, 0) })
    }
}

/// Pinned host memory, zeroed when new.
#[derive(Debug)]
pub struct GpuPinned<D: Driver> {
    device: Arc<Inner<D>>,
    at: *mut c_void,
    bytes: u64,
}

// SAFETY: the memory is this value's own, and reached through `&` and `&mut` as Rust asks.
unsafe impl<D: Driver> Send for GpuPinned<D> {}
// SAFETY: as above.
unsafe impl<D: Driver> Sync for GpuPinned<D> {}

impl<D: Driver> GpuPinned<D> {
    pub(super) fn new(device: &GpuDevice<D>, bytes: u64) -> Result<Self> {
        let inner = device.inner.clone();
        let wanted = bytes.max(1);
        let at = inner.call(|| D::allocate_pinned(wanted)).map_err(|e| inner.memory_error(e, bytes))?;
        // SAFETY: the memory has at least that many bytes.
        unsafe { at.cast::<u8>().write_bytes(0, wanted as usize) };
        Ok(GpuPinned { device: inner, at, bytes })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: initialised when it was made; copies into it are the business of whoever queued them.
        unsafe { std::slice::from_raw_parts(self.at.cast(), self.bytes as usize) }
    }

    /// Its bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.at.cast(), self.bytes as usize) }
    }
}

impl<D: Driver> Drop for GpuPinned<D> {
    fn drop(&mut self) {
        // SAFETY: it came from the driver; a copy that still runs is excluded by the promise of whoever queued it.
        if let Err(e) = self.device.call(|| unsafe { D::free_pinned(self.at) }) {
            tracing::warn!("pinned memory is not given back: {e}");
        }
    }
}
