//! The functions of device libraries: their names, what they mean, how they are computed here and on each target.
//!
//! Reading goes from a callee's name to a [`MathCall`] ([`from_callee`]) and from there to Kernel IR ([`build`]);
//! emission goes back with [`callee_for`] and [`host_symbol`]; the interpreter computes with [`eval`]. The names stand
//! in tables, one line a function.

mod build;
mod callee;
mod eval;
mod names_amd;
mod names_llvm;
mod names_nv;
mod names_nvvm;
pub mod special;

#[cfg(test)]
pub(crate) mod tests;

pub use build::build;
pub(crate) use build::float_constant;
pub use callee::{callee_for, host_symbol, Callee, Part};
pub use eval::{eval, round_to, Num};

use crate::kernel::{CastOp, Flavor, IntFn, MathFn, Rounding};

/// What a call of a library function or intrinsic means.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MathCall {
    /// How the result is made from the arguments.
    pub shape: Shape,
    /// How floating-point functions in it are computed.
    pub flavor: Flavor,
}

/// How the result of a call is made from its arguments, which stand in the order of the call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// `f(args)`.
    Math(MathFn),
    /// `f(k * x)`: AMD's `sin` takes revolutions.
    ScaleArg(f64, MathFn),
    /// `k * f(args)`: `asinpi`.
    ScaleResult(MathFn, f64),
    /// `clamp(f(args))` where clamp is a function of one argument, or a maximum with zero (`relu`).
    Then(MathFn, MathFn),
    /// `a * b + c`, fused or not.
    MulAdd,
    /// `-x`.
    Neg,
    /// The first argument itself.
    Ident,
    /// A quiet NaN.
    Nan,
    /// The result and values stored through pointer arguments: (function of the leading arguments, argument index).
    Stores(Option<MathFn>, &'static [(MathFn, usize)]),
    /// A struct of two results (`llvm.frexp`).
    Pair(MathFn, MathFn),
    /// `llvm.is.fpclass`: the class mask is the second argument.
    FpClass,
    /// As `FpClass` with this mask; the result is widened to the call's type.
    FpClassMask(u32),
    /// Integer function; arguments beyond its own are dropped (`llvm.ctlz`'s poison flag).
    Int(IntFn),
    /// Integer function computed in the argument's type, result cut to the call's type.
    IntNarrow(IntFn),
    /// Rotation to the left (`true`) or right by the second argument.
    Rotate(bool),
    /// Halves of a 64-bit integer exchanged.
    SwapHalves,
    /// One cast to the call's type.
    Cast(CastOp),
    /// Float to binary16 bits in an i16.
    ToHalfBits,
    /// Binary16 bits in an i16 to float.
    FromHalfBits,
    /// High (`true`) or low 32 bits of a double.
    DoubleHalf(bool),
    /// A double from two i32; `true` when the high one comes first.
    MakeDouble(bool),
    /// Two floats rounded to a vector of two; the second argument is lane 0.
    Pack2,
    /// Reduction of a vector by this function; `true` when a start value comes first.
    Reduce(MathFn, bool),
}

/// The meaning of a callee, if it is a pure library function or intrinsic that Kernel IR can hold. Synchronisation,
/// thread coordinates and memory intrinsics are not here.
pub fn from_callee(name: &str) -> Option<MathCall> {
    if let Some(rest) = name.strip_prefix("__nv_") {
        names_nv::lookup(rest)
    } else if let Some(rest) = name.strip_prefix("__ocml_") {
        names_amd::ocml(rest)
    } else if let Some(rest) = name.strip_prefix("__ockl_") {
        names_amd::ockl(rest)
    } else if let Some(rest) = name.strip_prefix("llvm.nvvm.") {
        names_nvvm::lookup(rest)
    } else if let Some(rest) = name.strip_prefix("llvm.amdgcn.") {
        names_amd::amdgcn(rest)
    } else if let Some(rest) = name.strip_prefix("llvm.") {
        names_llvm::lookup(rest)
    } else {
        names_nv::c_name(name)
    }
}

fn library(shape: Shape) -> MathCall {
    MathCall { shape, flavor: Flavor::Library }
}

/// A rounding suffix of CUDA (`rn rz rd ru`), NVVM (`rn rz rm rp`) or ocml (`rte rtz rtn rtp`).
fn rounding(suffix: &str) -> Option<Rounding> {
    Some(match suffix {
        "rn" | "rte" => Rounding::Nearest,
        "rz" | "rtz" => Rounding::Zero,
        "rd" | "rm" | "rtn" => Rounding::Down,
        "ru" | "rp" | "rtp" => Rounding::Up,
        _ => return None,
    })
}
