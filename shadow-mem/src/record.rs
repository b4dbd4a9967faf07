//! Structs that are passed by value, with the shadow that goes with them.

use crate::account::Use;
use crate::buffer::{Booked, Buffer, Heap, Pair, BUFFER_ALIGN};
use crate::check::BoundArg;
use crate::launch::{Arg, Extent};
use crate::memory::{DeviceBlock, DeviceMemory, MemoryError};
use bytemuck::Pod;

/// The bytes of a struct, put together field by field, and the image of its shadow: shadow pointers where the struct
/// has pointers to differentiated buffers, zeros elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordImage {
    primal: Vec<u8>,
    shadow: Vec<u8>,
    pointers: Vec<(u64, Extent)>,
}

impl RecordImage {
    /// A struct of that many bytes, all zero.
    pub fn new(bytes: usize) -> Self {
        RecordImage { primal: vec![0; bytes], shadow: vec![0; bytes], pointers: Vec::new() }
    }

    /// Sets the bytes at an offset.
    pub fn bytes(mut self, offset: u64, data: &[u8]) -> Result<Self, MemoryError> {
        put(&mut self.primal, offset, data)?;
        Ok(self)
    }

    /// Sets a scalar field.
    pub fn scalar<T: Pod>(self, offset: u64, x: T) -> Result<Self, MemoryError> {
        self.bytes(offset, bytemuck::bytes_of(&x))
    }

    /// Sets a pointer field, and the shadow's pointer if there is one.
    pub fn pointer(mut self, offset: u64, to: Extent, shadow: Option<Extent>) -> Result<Self, MemoryError> {
        put(&mut self.primal, offset, &to.address.to_le_bytes())?;
        if let Some(s) = shadow {
            put(&mut self.shadow, offset, &s.address.to_le_bytes())?;
        }
        self.pointers.push((offset, to));
        Ok(self)
    }

    /// Sets a pointer field to a buffer without a shadow.
    pub fn buffer<T: Pod, B: DeviceBlock>(self, offset: u64, b: &Buffer<T, B>) -> Result<Self, MemoryError> {
        self.pointer(offset, b.extent(), None)
    }

    /// Sets a pointer field to the primal of a pair, and the shadow's to its shadow.
    pub fn pair<T: Pod, B: DeviceBlock>(self, offset: u64, p: &Pair<T, B>) -> Result<Self, MemoryError> {
        self.pointer(offset, p.primal.extent(), Some(p.shadow.extent()))
    }
}

fn put(image: &mut [u8], offset: u64, data: &[u8]) -> Result<(), MemoryError> {
    let (len, size) = (data.len() as u64, image.len() as u64);
    let part = usize::try_from(offset).ok().and_then(|o| image.get_mut(o..o.checked_add(data.len())?));
    part.ok_or(MemoryError::OutOfBounds { offset, len, size })?.copy_from_slice(data);
    Ok(())
}

/// A struct argument whose shadow lies in device memory.
#[derive(Debug)]
pub struct Record<B> {
    image: RecordImage,
    shadow: Booked<B>,
}

impl<M: DeviceMemory> Heap<M> {
    /// Puts the shadow of a struct into device memory. The buffers that it points to must outlive it.
    pub fn record(&self, image: RecordImage) -> Result<Record<M::Block>, MemoryError> {
        let shadow = self.block(Use::Shadow, image.shadow.len() as u64, BUFFER_ALIGN)?;
        shadow.block.write(0, &image.shadow)?;
        Ok(Record { image, shadow })
    }
}

impl<B: DeviceBlock> Record<B> {
    /// The argument that passes it.
    pub fn bound(&self) -> BoundArg {
        let RecordImage { primal, pointers, .. } = self.image.clone();
        BoundArg { primal: Arg::Struct { bytes: primal, pointers }, shadow: Some(self.shadow.block.extent()) }
    }

    /// The shadow of the scalar field at an offset.
    pub fn shadow<T: Pod>(&self, offset: u64) -> Result<T, MemoryError> {
        let mut x = T::zeroed();
        self.shadow.block.read(offset, bytemuck::bytes_of_mut(&mut x))?;
        Ok(x)
    }

    /// Replaces the shadow of the scalar field at an offset.
    pub fn seed<T: Pod>(&self, offset: u64, x: T) -> Result<(), MemoryError> {
        self.shadow.block.write(offset, bytemuck::bytes_of(&x))
    }

    /// Sets the shadows of all scalar fields to zero; shadow pointers stay.
    pub fn clear_shadow(&self) -> Result<(), MemoryError> {
        self.shadow.block.write(0, &self.image.shadow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::HostMemory;

    // Catches: fields that land elsewhere, shadow pointers that are lost when the shadow is cleared.
    #[test]
    fn fields_land_where_they_belong() {
        let heap = Heap::new(HostMemory);
        let (p, b) = (heap.pair(&[1.0f64; 4]).unwrap(), heap.buffer(&[7i32; 2]).unwrap());
        let image = RecordImage::new(32).pair(0, &p).unwrap().buffer(8, &b).unwrap();
        let r = heap.record(image.scalar(16, 2.5f32).unwrap().scalar(20, 9i32).unwrap()).unwrap();
        let BoundArg { primal: Arg::Struct { bytes, pointers }, shadow: Some(shadow) } = r.bound() else {
            panic!("a struct with a shadow")
        };
        assert_eq!(bytes[0..8], p.primal.extent().address.to_le_bytes());
        assert_eq!(bytes[8..16], b.extent().address.to_le_bytes());
        assert_eq!((&bytes[16..20], &bytes[20..24]), (&2.5f32.to_le_bytes()[..], &9i32.to_le_bytes()[..]));
        assert_eq!(pointers, [(0, p.primal.extent()), (8, b.extent())]);
        assert_eq!(shadow.bytes, 32);
        r.seed(16, 3.0f32).unwrap();
        assert_eq!(r.shadow::<f32>(16).unwrap(), 3.0);
        r.clear_shadow().unwrap();
        assert_eq!(r.shadow::<f32>(16).unwrap(), 0.0);
        assert_eq!(r.shadow::<u64>(0).unwrap(), p.shadow.extent().address);
        assert_eq!(r.shadow::<u64>(8).unwrap(), 0);
        assert!(RecordImage::new(8).scalar(4, 1.0f64).is_err());
        assert!(r.shadow::<f64>(28).is_err());
    }
}
