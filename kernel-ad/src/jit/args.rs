//! Arguments of a launch from Rust values.

use shadow_mem::{ActiveScalar, Arg, BoundArg, Buffer, DeviceBlock, Pair, Record};

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
        ::std::vec::Vec::from([$($crate::jit::IntoArg::into_arg($arg)),*])
    };
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
