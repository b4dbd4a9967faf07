//! Copies of what a kernel may write, so that a launch can look as if it had not been.

use crate::account::Use;
use crate::buffer::{Booked, Heap};
use crate::launch::{Arg, Extent};
use crate::manifest::{Manifest, Purpose};
use crate::memory::{DeviceBlock, DeviceMemory, MemoryError};

/// The contents of all memory that a launch's arguments lead to and that its kernel may write: primals and shadows, not the
/// tape. Each extent is copied once.
pub(crate) struct Copies<B>(Vec<(Booked<B>, Extent)>);

impl<B: DeviceBlock> Copies<B> {
    /// Copies what `kernel` may write. `args` are its arguments, in launch order.
    ///
    /// # Safety
    /// Every extent in `args` is live memory of the device.
    pub unsafe fn of<M: DeviceMemory<Block = B>>(
        heap: &Heap<M>,
        kernel: &Manifest,
        args: &[Arg],
    ) -> Result<Copies<B>, MemoryError> {
        let mut all: Vec<(Booked<B>, Extent)> = Vec::new();
        for (_, arg) in kernel.params.iter().zip(args).filter(|(p, _)| p.written && is_callers(&p.purpose)) {
            for extent in arg.extents() {
                if extent.bytes == 0 || all.iter().any(|(_, e)| *e == extent) {
                    continue;
                }
                let copy = heap.block(Use::Scratch, extent.bytes, 16)?;
                // SAFETY: the extent is live by the caller's promise, and the copy is new memory.
                unsafe { copy.block.save(extent)? };
                all.push((copy, extent));
            }
        }
        Ok(Copies(all))
    }

    /// Puts everything back. Extents that overlap were copied at the same time, so that their order is all the same.
    ///
    /// # Safety
    /// The extents are live still.
    pub unsafe fn put_back(&self) -> Result<(), MemoryError> {
        for (copy, extent) in &self.0 {
            // SAFETY: the caller's promise.
            unsafe { copy.block.restore(*extent)? };
        }
        Ok(())
    }
}

/// Memory that the caller gave, as opposed to tape and status word.
fn is_callers(p: &Purpose) -> bool {
    matches!(p, Purpose::Primal { .. } | Purpose::Shadow { .. } | Purpose::GlobalShadow { .. })
}
