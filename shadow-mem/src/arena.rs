//! Tapes: how many bytes a launch needs, and arenas that are reused between launches.

use crate::account::Use;
use crate::buffer::{Booked, Heap};
use crate::launch::{Extent, Launch};
use crate::manifest::{TapeLayout, TapeSpec};
use crate::memory::{DeviceBlock, DeviceMemory, MemoryError};
use thiserror::Error;

/// Alignment of an arena: neighbouring lanes of any warp fill whole memory transactions.
pub const TAPE_ALIGN: u64 = 256;

/// How large a tape is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TapeSize {
    /// Bytes per thread, rounded up to the tape's alignment: the capacity that the kernel is told.
    pub per_thread: u64,
    /// Threads that hold a part of the tape at the same time.
    pub parts: u64,
    /// Bytes of all parts together.
    pub total: u64,
}

/// Why a tape has no size.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TapeError {
    /// More bytes than an address can name.
    #[error("a tape of {per_thread} bytes for each of {parts} threads exceeds 2^63 bytes")]
    TooLarge {
        /// Bytes per thread.
        per_thread: u64,
        /// Threads.
        parts: u128,
    },
    /// More than the caller's budget.
    #[error("the tape needs {need} bytes and the budget is {budget}")]
    OverBudget {
        /// Bytes needed.
        need: u64,
        /// Bytes allowed.
        budget: u64,
    },
    /// The memory is not there.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl TapeSpec {
    /// The size of a tape with `bytes` bytes for each thread of `launch`; `workers` is how many threads run at the same time on a
    /// device with layout [`TapeLayout::Reused`], and has no meaning for the other layouts.
    pub fn size(&self, bytes: u64, launch: &Launch, workers: u64) -> Result<TapeSize, TapeError> {
        let parts = match self.layout {
            TapeLayout::Interleaved | TapeLayout::Contiguous => {
                launch.blocks().saturating_mul(launch.threads_per_block())
            }
            TapeLayout::Reused => workers.into(),
        };
        let refused = || TapeError::TooLarge { per_thread: bytes, parts };
        let per_thread = bytes.checked_next_multiple_of(self.align.max(1).into()).ok_or_else(refused)?;
        let total = u128::from(per_thread).checked_mul(parts).filter(|&n| n <= i64::MAX as u128);
        let total = total.ok_or_else(refused)? as u64;
        // A tape of no bytes may have more parts than fit; nobody looks at them.
        Ok(TapeSize { per_thread, parts: u64::try_from(parts).unwrap_or(u64::MAX), total })
    }
}

/// Memory for tapes, kept from launch to launch. It grows when a launch needs more and never shrinks by itself; the
/// contents do not survive growing. Tapes are not cleared: a reverse sweep reads only what its forward sweep wrote.
#[derive(Debug)]
pub struct TapeArena<B> {
    tape: Option<Booked<B>>,
    word: Option<Booked<B>>,
}

impl<B> Default for TapeArena<B> {
    fn default() -> Self {
        TapeArena { tape: None, word: None }
    }
}

impl<B: DeviceBlock> TapeArena<B> {
    /// An arena without memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes held for tapes.
    pub fn capacity(&self) -> u64 {
        self.tape.as_ref().map_or(0, |t| t.block.bytes())
    }

    /// At least `bytes` bytes of tape, aligned to [`TAPE_ALIGN`]. The old tape is freed before a larger one is taken.
    pub fn reserve<M>(&mut self, heap: &Heap<M>, bytes: u64) -> Result<Extent, MemoryError>
    where
        M: DeviceMemory<Block = B>,
    {
        if self.tape.is_none() || self.capacity() < bytes {
            self.tape = None;
            self.tape = Some(heap.block(Use::Tape, bytes, TAPE_ALIGN)?);
        }
        let held = &self.tape.as_ref().expect("just reserved").block;
        Ok(Extent { address: held.address(), bytes })
    }

    /// The status or count word, set to zero.
    pub fn clear_word<M>(&mut self, heap: &Heap<M>) -> Result<Extent, MemoryError>
    where
        M: DeviceMemory<Block = B>,
    {
        if self.word.is_none() {
            self.word = Some(heap.block(Use::Tape, 8, TAPE_ALIGN)?);
        }
        let word = &self.word.as_ref().expect("just made").block;
        word.zero(0, 8)?;
        Ok(word.extent())
    }

    /// The word as the last launch left it; 0 before any.
    pub fn word(&self) -> Result<i64, MemoryError> {
        let mut bytes = [0; 8];
        if let Some(word) = &self.word {
            word.block.read(0, &mut bytes)?;
        }
        Ok(i64::from_le_bytes(bytes))
    }

    /// Gives the tape's memory back.
    pub fn release(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::HostMemory;
    use proptest::prelude::*;

    fn spec(layout: TapeLayout, align: u32) -> TapeSpec {
        TapeSpec { layout, bytes_per_thread: None, align, counter: None, varies: false }
    }

    // Catches: sizes that wrap around, and so tapes that are too small.
    #[test]
    fn huge_tapes_are_refused() {
        let huge = Launch { grid: [u32::MAX; 3], block: [u32::MAX; 3], shared: 0 };
        let s = spec(TapeLayout::Contiguous, 16);
        assert!(matches!(s.size(1, &huge, 1), Err(TapeError::TooLarge { .. })));
        assert!(matches!(s.size(u64::MAX, &Launch::new(1, 1), 1), Err(TapeError::TooLarge { .. })));
        assert_eq!(s.size(0, &huge, 1).unwrap().total, 0);
    }

    // Catches: memory of a reused tape sized by the grid.
    #[test]
    fn reused_tapes_are_sized_by_workers() {
        let launch = Launch::new(1000, 256);
        let size = spec(TapeLayout::Reused, 8).size(20, &launch, 4).unwrap();
        assert_eq!(size, TapeSize { per_thread: 24, parts: 4, total: 96 });
        assert_eq!(spec(TapeLayout::Interleaved, 8).size(20, &launch, 4).unwrap().total, 24 * 256_000);
    }

    proptest! {
        // Catches: an arena that gives too little, moves without need, shrinks, misaligns, or books wrongly.
        #[test]
        fn arenas_only_grow(wants in prop::collection::vec(0u64..100_000, 1..20)) {
            let heap = Heap::new(HostMemory);
            let mut arena = TapeArena::new();
            let mut most = 0;
            let mut at = None;
            for want in wants {
                let got = arena.reserve(&heap, want).unwrap();
                prop_assert_eq!(got.bytes, want);
                prop_assert_eq!(got.address % TAPE_ALIGN, 0);
                if at.is_some() && want <= most {
                    prop_assert_eq!(Some(got.address), at);
                }
                most = most.max(want);
                at = Some(got.address);
                prop_assert_eq!(arena.capacity(), most);
                prop_assert_eq!(heap.ledger.bytes().tape, most);
                // The old tape is gone before the new one is there.
                prop_assert_eq!(heap.ledger.bytes().peak, most);
            }
            arena.release();
            prop_assert_eq!(heap.ledger.bytes().total(), 0);
        }

        // Catches: parts of threads that overlap or are not aligned.
        #[test]
        fn parts_are_aligned_and_enough(bytes in 0u64..10_000, shift in 0u32..6, grid in 1u32..50, block in 1u32..50) {
            let align = 1 << shift;
            let size = spec(TapeLayout::Contiguous, align).size(bytes, &Launch::new(grid, block), 1).unwrap();
            prop_assert!(size.per_thread >= bytes && size.per_thread < bytes + u64::from(align));
            prop_assert_eq!(size.per_thread % u64::from(align), 0);
            prop_assert_eq!(size.total, size.per_thread * u64::from(grid) * u64::from(block));
        }
    }

    // Catches: a status word that keeps the overflow of an earlier launch.
    #[test]
    fn the_word_is_cleared() {
        let heap = Heap::new(HostMemory);
        let mut arena = TapeArena::new();
        assert_eq!(arena.word().unwrap(), 0);
        arena.clear_word(&heap).unwrap();
        arena.word.as_ref().unwrap().block.write(0, &77i64.to_le_bytes()).unwrap();
        assert_eq!(arena.word().unwrap(), 77);
        arena.clear_word(&heap).unwrap();
        assert_eq!(arena.word().unwrap(), 0);
    }
}
