//! What a device's memory must offer, and plain host memory that offers it.

use crate::launch::Extent;
use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::ptr::NonNull;
use thiserror::Error;

/// Why a memory operation failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MemoryError {
    /// The device has not that much.
    #[error("out of memory: {bytes} bytes wanted on {device}")]
    OutOfMemory {
        /// Bytes that were asked for.
        bytes: u64,
        /// The device.
        device: String,
    },
    /// A transfer reaches beyond the block.
    #[error("bytes {offset}..{} of a block of {size} bytes", u128::from(*offset) + u128::from(*len))]
    OutOfBounds {
        /// First byte of the transfer.
        offset: u64,
        /// Length of the transfer.
        len: u64,
        /// Size of the block.
        size: u64,
    },
    /// The wrong number of elements for a typed buffer.
    #[error("{got} elements for a buffer of {want}")]
    Length {
        /// Elements in the buffer.
        want: usize,
        /// Elements given.
        got: usize,
    },
    /// A call of the driver failed.
    #[error("{call}: {reason}")]
    Failed {
        /// The call.
        call: String,
        /// What the driver said.
        reason: String,
    },
}

/// A device's memory: gives out blocks.
pub trait DeviceMemory {
    /// A block; frees itself when dropped.
    type Block: DeviceBlock;

    /// A new block of that many bytes, zeroed, aligned to `align` (a power of two, at most 4096).
    fn allocate(&self, bytes: u64, align: u64) -> Result<Self::Block, MemoryError>;
}

/// A block of device memory. As kernels write into it behind Rust's back, writing needs no `&mut`: the contents are
/// reached through copies only. A transfer is complete when its call returns, and sees what launches before it did.
pub trait DeviceBlock {
    /// Where the block lies, as kernels address it. Never 0, also when the block is empty.
    fn address(&self) -> u64;

    /// Size in bytes.
    fn bytes(&self) -> u64;

    /// Copies host bytes into the block.
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), MemoryError>;

    /// Copies bytes of the block to the host.
    fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), MemoryError>;

    /// Sets bytes of the block to zero.
    fn zero(&self, offset: u64, bytes: u64) -> Result<(), MemoryError>;

    /// Copies bytes from another block of the same device; the two do not overlap.
    fn copy_from(&self, offset: u64, src: &Self, src_offset: u64, bytes: u64) -> Result<(), MemoryError>;

    /// Fills the first `src.bytes` bytes from any memory of the same device.
    ///
    /// # Safety
    /// `src` is live memory of the device, outside of this block.
    unsafe fn save(&self, src: Extent) -> Result<(), MemoryError>;

    /// Copies the first `dst.bytes` bytes to any memory of the same device.
    ///
    /// # Safety
    /// `dst` is live memory of the device, outside of this block.
    unsafe fn restore(&self, dst: Extent) -> Result<(), MemoryError>;

    /// The whole block.
    fn extent(&self) -> Extent {
        Extent { address: self.address(), bytes: self.bytes() }
    }
}

/// Host memory as a device's memory: of the CPU device, and of tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostMemory;

/// A block of host memory.
#[derive(Debug)]
pub struct HostBlock {
    at: NonNull<u8>,
    layout: Layout,
    bytes: u64,
}

// SAFETY: the block owns its memory; it is not `Sync`, so that no two threads copy into it at once.
unsafe impl Send for HostBlock {}

impl DeviceMemory for HostMemory {
    type Block = HostBlock;

    fn allocate(&self, bytes: u64, align: u64) -> Result<HostBlock, MemoryError> {
        let refused = || MemoryError::OutOfMemory { bytes, device: "the host".into() };
        let layout = usize::try_from(bytes.max(1))
            .ok()
            .and_then(|n| Layout::from_size_align(n, usize::try_from(align.max(1)).ok()?).ok())
            .ok_or_else(refused)?;
        // SAFETY: the layout's size is at least 1.
        let at = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(HostBlock { at, layout, bytes })
    }
}

impl HostBlock {
    /// A pointer to `len` bytes at `offset`, which lie inside the block.
    fn part(&self, offset: u64, len: u64) -> Result<*mut u8, MemoryError> {
        match offset.checked_add(len) {
            // SAFETY: the offset is at most the block's size.
            Some(end) if end <= self.bytes => Ok(unsafe { self.at.as_ptr().add(offset as usize) }),
            _ => Err(MemoryError::OutOfBounds { offset, len, size: self.bytes }),
        }
    }
}

impl DeviceBlock for HostBlock {
    fn address(&self) -> u64 {
        self.at.as_ptr() as u64
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), MemoryError> {
        let at = self.part(offset, data.len() as u64)?;
        // SAFETY: `at` has room for the data; no reference into the block exists, so the two are apart.
        unsafe { at.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Ok(())
    }

    fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), MemoryError> {
        let at = self.part(offset, data.len() as u64)?;
        // SAFETY: as in `write`.
        unsafe { data.as_mut_ptr().copy_from_nonoverlapping(at, data.len()) };
        Ok(())
    }

    fn zero(&self, offset: u64, bytes: u64) -> Result<(), MemoryError> {
        let at = self.part(offset, bytes)?;
        // SAFETY: `at` has room for that many bytes.
        unsafe { at.write_bytes(0, bytes as usize) };
        Ok(())
    }

    fn copy_from(&self, offset: u64, src: &Self, src_offset: u64, bytes: u64) -> Result<(), MemoryError> {
        let (to, from) = (self.part(offset, bytes)?, src.part(src_offset, bytes)?);
        // SAFETY: both have that many bytes; `copy` allows overlap.
        unsafe { to.copy_from(from, bytes as usize) };
        Ok(())
    }

    unsafe fn save(&self, src: Extent) -> Result<(), MemoryError> {
        let to = self.part(0, src.bytes)?;
        // SAFETY: the caller vouches for the source; the block is large enough and apart from it.
        unsafe { to.copy_from_nonoverlapping(src.address as *const u8, src.bytes as usize) };
        Ok(())
    }

    unsafe fn restore(&self, dst: Extent) -> Result<(), MemoryError> {
        let from = self.part(0, dst.bytes)?;
        // SAFETY: the caller vouches for the destination; the block is large enough and apart from it.
        unsafe { from.copy_to_nonoverlapping(dst.address as *mut u8, dst.bytes as usize) };
        Ok(())
    }
}

impl Drop for HostBlock {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: a transfer that reaches outside its block, also when offset + length wraps around.
    #[test]
    fn transfers_stay_inside() {
        let b = HostMemory.allocate(8, 64).unwrap();
        assert_eq!(b.address() % 64, 0);
        assert!(b.write(4, &[1, 2, 3, 4]).is_ok());
        assert!(matches!(b.write(5, &[0; 4]), Err(MemoryError::OutOfBounds { offset: 5, len: 4, size: 8 })));
        assert!(b.read(u64::MAX, &mut [0; 2]).is_err());
        assert!(b.zero(0, 9).is_err());
        let mut all = [9; 8];
        b.read(0, &mut all).unwrap();
        assert_eq!(all, [0, 0, 0, 0, 1, 2, 3, 4]);
        let c = HostMemory.allocate(2, 1).unwrap();
        c.copy_from(0, &b, 5, 2).unwrap();
        assert!(c.copy_from(0, &b, 7, 2).is_err());
        let mut two = [0; 2];
        c.read(0, &mut two).unwrap();
        assert_eq!(two, [2, 3]);
    }

    // Catches: empty buffers that a kernel would see as null, and sizes that overflow.
    #[test]
    fn odd_sizes() {
        assert_ne!(HostMemory.allocate(0, 16).unwrap().address(), 0);
        assert!(matches!(HostMemory.allocate(u64::MAX, 16), Err(MemoryError::OutOfMemory { .. })));
        assert!(HostMemory.allocate(16, 3).is_err());
    }
}
