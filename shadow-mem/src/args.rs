//! Arguments of a launch from Rust values.

use crate::buffer::{ActiveScalar, Buffer, Pair, Place};
use crate::check::{Bindings, BoundArg};
use crate::launch::{Arg, Extent};
use crate::memory::DeviceBlock;
use crate::record::Record;

/// What can be an argument of a launch.
pub trait IntoArg {
    /// The argument, with its shadow if it has one.
    fn into_arg(self) -> BoundArg;
}

/// The arguments of a launch, in the kernel's order: `args![&pos, &acc, 4096i32, 1e-3f32]`. Scalars have the kernel's
/// types: a size mismatch is refused at launch.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => {
        ::std::vec::Vec::from([$($crate::IntoArg::into_arg($arg)),*])
    };
}

/// A launch without shadows of module-level variables.
impl From<Vec<BoundArg>> for Bindings {
    fn from(args: Vec<BoundArg>) -> Bindings {
        Bindings { args, ..Bindings::default() }
    }
}

impl<T: bytemuck::Pod, B: DeviceBlock> IntoArg for &Pair<T, B> {
    fn into_arg(self) -> BoundArg {
        BoundArg { primal: self.primal.arg(), shadow: Some(self.shadow.extent()) }
    }
}

impl<T: bytemuck::Pod, B: DeviceBlock> IntoArg for &Buffer<T, B> {
    fn into_arg(self) -> BoundArg {
        BoundArg { primal: self.arg(), shadow: None }
    }
}

impl<T: bytemuck::Pod, B: DeviceBlock> IntoArg for &ActiveScalar<T, B> {
    fn into_arg(self) -> BoundArg {
        BoundArg { primal: Arg::scalar(self.value), shadow: Some(self.shadow.extent()) }
    }
}

impl<B: DeviceBlock> IntoArg for &Record<B> {
    fn into_arg(self) -> BoundArg {
        self.bound()
    }
}

/// A pointer to memory that others may have allocated, with its shadow if it has one.
impl IntoArg for Place {
    fn into_arg(self) -> BoundArg {
        BoundArg { primal: Arg::Pointer(self.primal), shadow: self.shadow }
    }
}

/// The same without a shadow.
impl IntoArg for Extent {
    fn into_arg(self) -> BoundArg {
        BoundArg { primal: Arg::Pointer(self), shadow: None }
    }
}

impl IntoArg for BoundArg {
    fn into_arg(self) -> BoundArg {
        self
    }
}

macro_rules! scalars {
    ($($ty:ty),*) => {
        $(impl IntoArg for $ty {
            fn into_arg(self) -> BoundArg {
                BoundArg { primal: Arg::scalar(self), shadow: None }
            }
        })*
    };
}

scalars!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, half::f16, half::bf16);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Heap, HostMemory};

    // Catches: arguments that lose their shadow or change their size.
    #[test]
    fn rust_values_become_arguments() {
        let heap = Heap::new(HostMemory);
        let (p, b, s) =
            (heap.pair(&[1.0f32; 3]).unwrap(), heap.buffer(&[1i8; 5]).unwrap(), heap.active(2.0f64).unwrap());
        let got: Vec<BoundArg> = args![&p, &b, &s, 7i32, 1u64];
        assert_eq!(got[0].primal, Arg::Pointer(Extent { address: p.primal.extent().address, bytes: 12 }));
        assert_eq!(got[0].shadow, Some(p.shadow.extent()));
        assert_eq!((got[1].shadow, got[1].primal.extents()[0].bytes), (None, 5));
        assert_eq!((&got[2].primal, got[2].shadow.unwrap().bytes), (&Arg::scalar(2.0f64), 8));
        assert_eq!((got[3].primal.as_int(), got[4].primal.to_bytes().len()), (Some(7), 8));
        assert_eq!(args![p.place(), b.extent()], got[..2]);
        assert_eq!(Bindings::from(got.clone()).args, got);
    }
}
