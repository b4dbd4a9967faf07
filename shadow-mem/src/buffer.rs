//! Typed buffers, and pairs of primal and shadow.
//!
//! Who clears what. A reverse kernel *adds* into shadows and never clears those of memory that is only read, so
//! that gradients of several launches can be summed: clearing is the caller's ([`Pair::clear_shadow`]). A new pair
//! starts with a zeroed shadow. The adjoint of a result is put in before the launch with [`Pair::seed`]; the kernel takes
//! it out of memory that it overwrites.

use crate::account::{Charge, Ledger, Use};
use crate::launch::{Arg, Extent};
use crate::memory::{DeviceBlock, DeviceMemory, MemoryError};
use bytemuck::Pod;
use std::marker::PhantomData;

/// Alignment of buffers: of every vector type, and of a cache line.
pub const BUFFER_ALIGN: u64 = 256;

/// A device's memory with its account: where buffers come from.
#[derive(Clone, Debug, Default)]
pub struct Heap<M> {
    /// The memory.
    pub memory: M,
    /// The account.
    pub ledger: Ledger,
}

impl<M: DeviceMemory> Heap<M> {
    /// A heap with an empty account.
    pub fn new(memory: M) -> Self {
        Heap { memory, ledger: Ledger::default() }
    }

    /// A zeroed block, booked.
    pub fn block(&self, what: Use, bytes: u64, align: u64) -> Result<Booked<M::Block>, MemoryError> {
        let block = self.memory.allocate(bytes, align)?;
        let charge = self.ledger.charge(what, bytes);
        Ok(Booked { block, _charge: charge })
    }

    /// A zeroed buffer of `len` elements.
    pub fn zeros<T: Pod>(&self, what: Use, len: usize) -> Result<Buffer<T, M::Block>, MemoryError> {
        let bytes = (len as u64)
            .checked_mul(size_of::<T>() as u64)
            .ok_or(MemoryError::OutOfMemory { bytes: u64::MAX, device: "any device".into() })?;
        Ok(Buffer { block: self.block(what, bytes, BUFFER_ALIGN)?, len, element: PhantomData })
    }

    /// A buffer with these contents and without a shadow.
    pub fn buffer<T: Pod>(&self, data: &[T]) -> Result<Buffer<T, M::Block>, MemoryError> {
        let b = self.zeros(Use::Primal, data.len())?;
        b.write(data)?;
        Ok(b)
    }

    /// A primal with these contents, and a shadow of zeros.
    pub fn pair<T: Pod>(&self, data: &[T]) -> Result<Pair<T, M::Block>, MemoryError> {
        Ok(Pair { primal: self.buffer(data)?, shadow: self.zeros(Use::Shadow, data.len())? })
    }

    /// Memory that holds the addresses of these buffers, `None` for null; its shadow holds those of their shadows.
    /// A kernel takes it for an array of pointers. The buffers must outlive the launches, and stay where they are.
    pub fn pointers(&self, to: &[Option<Place>]) -> Result<Pair<u64, M::Block>, MemoryError> {
        let primal: Vec<u64> = to.iter().map(|p| p.map_or(0, |p| p.primal.address)).collect();
        let shadow: Vec<u64> = to.iter().map(|p| p.and_then(|p| p.shadow).map_or(0, |s| s.address)).collect();
        let pair = self.pair(&primal)?;
        pair.seed(&shadow)?;
        Ok(pair)
    }

    /// A differentiated scalar, with a shadow of one zero.
    pub fn active<T: Pod>(&self, value: T) -> Result<ActiveScalar<T, M::Block>, MemoryError> {
        Ok(ActiveScalar { value, shadow: self.zeros(Use::Shadow, 1)? })
    }
}

/// Where a buffer and its shadow lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The primal.
    pub primal: Extent,
    /// The shadow, if there is one.
    pub shadow: Option<Extent>,
}

/// A block that is booked in a ledger.
#[derive(Debug)]
pub struct Booked<B> {
    /// The block.
    pub block: B,
    _charge: Charge,
}

/// A typed buffer in device memory.
#[derive(Debug)]
pub struct Buffer<T, B> {
    block: Booked<B>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Pod, B: DeviceBlock> Buffer<T, B> {
    /// Elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it lies.
    pub fn extent(&self) -> Extent {
        self.block.block.extent()
    }

    /// The contents.
    pub fn read(&self) -> Result<Vec<T>, MemoryError> {
        let mut data = vec![T::zeroed(); self.len];
        self.block.block.read(0, bytemuck::cast_slice_mut(&mut data))?;
        Ok(data)
    }

    /// Replaces the contents; as many elements as the buffer has.
    pub fn write(&self, data: &[T]) -> Result<(), MemoryError> {
        if data.len() != self.len {
            return Err(MemoryError::Length { want: self.len, got: data.len() });
        }
        self.block.block.write(0, bytemuck::cast_slice(data))
    }

    /// Sets every byte to zero.
    pub fn clear(&self) -> Result<(), MemoryError> {
        self.block.block.zero(0, self.block.block.bytes())
    }

    /// The argument that passes a pointer to it.
    pub fn arg(&self) -> Arg {
        Arg::Pointer(self.extent())
    }
}

/// Primal memory with its shadow of the same type and extent.
#[derive(Debug)]
pub struct Pair<T, B> {
    /// The primal.
    pub primal: Buffer<T, B>,
    /// The shadow.
    pub shadow: Buffer<T, B>,
}

impl<T: Pod, B: DeviceBlock> Pair<T, B> {
    /// Elements.
    pub fn len(&self) -> usize {
        self.primal.len()
    }

    /// True when it has no elements.
    pub fn is_empty(&self) -> bool {
        self.primal.is_empty()
    }

    /// Where both lie, for a pointer in memory ([`Heap::pointers`]).
    pub fn place(&self) -> Place {
        Place { primal: self.primal.extent(), shadow: Some(self.shadow.extent()) }
    }

    /// The primal contents.
    pub fn read(&self) -> Result<Vec<T>, MemoryError> {
        self.primal.read()
    }

    /// Replaces the primal contents.
    pub fn write(&self, data: &[T]) -> Result<(), MemoryError> {
        self.primal.write(data)
    }

    /// The shadow: after a reverse launch the adjoint of the contents before it, after a forward launch the tangent
    /// of the contents after it.
    pub fn shadow(&self) -> Result<Vec<T>, MemoryError> {
        self.shadow.read()
    }

    /// Replaces the shadow: the adjoint of the contents after a reverse launch, the tangent of those before a forward one.
    pub fn seed(&self, data: &[T]) -> Result<(), MemoryError> {
        self.shadow.write(data)
    }

    /// Sets the shadow to zero.
    pub fn clear_shadow(&self) -> Result<(), MemoryError> {
        self.shadow.clear()
    }
}

/// A differentiated scalar: passed by value, its shadow one element in device memory.
#[derive(Debug)]
pub struct ActiveScalar<T, B> {
    /// The value that is passed.
    pub value: T,
    /// Its shadow.
    pub shadow: Buffer<T, B>,
}

impl<T: Pod, B: DeviceBlock> ActiveScalar<T, B> {
    /// The shadow, as in [`Pair::shadow`].
    pub fn shadow(&self) -> Result<T, MemoryError> {
        Ok(self.shadow.read()?[0])
    }

    /// Replaces the shadow, as in [`Pair::seed`].
    pub fn seed(&self, x: T) -> Result<(), MemoryError> {
        self.shadow.write(&[x])
    }

    /// Sets the shadow to zero.
    pub fn clear_shadow(&self) -> Result<(), MemoryError> {
        self.shadow.clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::HostMemory;

    // Catches: a shadow of another extent, a shadow that starts dirty, memory that stays booked.
    #[test]
    fn pairs_hold_and_clear() {
        let heap = Heap::new(HostMemory);
        let p = heap.pair(&[1.0f32, 2.0, 3.0]).unwrap();
        assert_eq!(p.shadow().unwrap(), [0.0; 3]);
        p.seed(&[4.0, 5.0, 6.0]).unwrap();
        assert_eq!(p.read().unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(p.shadow().unwrap(), [4.0, 5.0, 6.0]);
        p.clear_shadow().unwrap();
        assert_eq!(p.shadow().unwrap(), [0.0; 3]);
        assert_eq!(p.seed(&[1.0]), Err(MemoryError::Length { want: 3, got: 1 }));
        assert!(!p.primal.extent().overlaps(&p.shadow.extent()));
        let held = heap.ledger.bytes();
        assert_eq!((held.primal, held.shadow), (12, 12));
        drop(p);
        assert_eq!(heap.ledger.bytes().total(), 0);
    }

    // Catches: an active scalar whose shadow leaks into its value.
    #[test]
    fn scalars_have_one_element() {
        let heap = Heap::new(HostMemory);
        let s = heap.active(0.5f64).unwrap();
        s.seed(2.0).unwrap();
        assert_eq!((s.value, s.shadow().unwrap()), (0.5, 2.0));
        s.clear_shadow().unwrap();
        assert_eq!(s.shadow().unwrap(), 0.0);
    }
}
