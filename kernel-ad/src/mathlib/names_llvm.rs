//! LLVM's target-independent intrinsics, without the `llvm.` prefix and the type suffixes.

use super::{MathCall, Shape, Shape::*};
use crate::kernel::{Flavor, IntFn, MathFn::*, Rounding};

#[rustfmt::skip]
pub(super) const TABLE: &[(&str, Shape)] = &[
    ("sqrt", Math(Sqrt)), ("exp", Math(Exp)), ("exp2", Math(Exp2)), ("exp10", Math(Exp10)),
    ("log", Math(Log)), ("log2", Math(Log2)), ("log10", Math(Log10)),
    ("sin", Math(Sin)), ("cos", Math(Cos)), ("tan", Math(Tan)), ("asin", Math(Asin)), ("acos", Math(Acos)), ("atan", Math(Atan)),
    ("sinh", Math(Sinh)), ("cosh", Math(Cosh)), ("tanh", Math(Tanh)),
    ("pow", Math(Pow)), ("powi", Math(Powi)), ("ldexp", Math(Ldexp)), ("frexp", Pair(FrexpMant, FrexpExp)),
    ("fabs", Math(Fabs)), ("floor", Math(Floor)), ("ceil", Math(Ceil)), ("trunc", Math(Trunc)),
    ("round", Math(Round)), ("rint", Math(Rint)), ("nearbyint", Math(Rint)), ("roundeven", Math(Rint)),
    ("lround", Math(Lround)), ("llround", Math(Lround)), ("lrint", Math(Lrint)), ("llrint", Math(Lrint)),
    ("minnum", Math(Fmin)), ("maxnum", Math(Fmax)), ("minimum", Math(Fminimum)), ("maximum", Math(Fmaximum)),
    ("copysign", Math(Copysign)), ("fma", Math(Fma)), ("fmuladd", MulAdd), ("canonicalize", Ident), ("arithmetic.fence", Ident),
    ("is.fpclass", FpClass), ("convert.to.fp16", ToHalfBits), ("convert.from.fp16", FromHalfBits),
    ("fptosi.sat", Math(ToInt)), ("fptoui.sat", Math(ToUint)),
    ("ctpop", Int(IntFn::Ctpop)), ("ctlz", Int(IntFn::Ctlz)), ("cttz", Int(IntFn::Cttz)), ("bswap", Int(IntFn::Bswap)),
    ("bitreverse", Int(IntFn::Bitreverse)), ("fshl", Int(IntFn::Fshl)), ("fshr", Int(IntFn::Fshr)),
    ("smin", Int(IntFn::Smin)), ("smax", Int(IntFn::Smax)), ("umin", Int(IntFn::Umin)), ("umax", Int(IntFn::Umax)), ("abs", Int(IntFn::Abs)),
    ("sadd.sat", Int(IntFn::SaddSat)), ("uadd.sat", Int(IntFn::UaddSat)), ("ssub.sat", Int(IntFn::SsubSat)), ("usub.sat", Int(IntFn::UsubSat)),
    ("sadd.with.overflow", Int(IntFn::SaddOv)), ("uadd.with.overflow", Int(IntFn::UaddOv)), ("ssub.with.overflow", Int(IntFn::SsubOv)),
    ("usub.with.overflow", Int(IntFn::UsubOv)), ("smul.with.overflow", Int(IntFn::SmulOv)), ("umul.with.overflow", Int(IntFn::UmulOv)),
    ("vector.reduce.fadd", Reduce(Add, true)), ("vector.reduce.fmul", Reduce(Mul, true)),
    ("vector.reduce.fmax", Reduce(Fmax, false)), ("vector.reduce.fmin", Reduce(Fmin, false)),
    ("vector.reduce.fmaximum", Reduce(Fmaximum, false)), ("vector.reduce.fminimum", Reduce(Fminimum, false)),
];

pub(super) fn lookup(name: &str) -> Option<MathCall> {
    // Type suffixes are `.f32`, `.v2f32`, `.i32.f64`: cut from the right until a name of the table is left.
    let mut base = name;
    loop {
        if let Some(&(_, shape)) = TABLE.iter().find(|(n, _)| *n == base) {
            let flavor = match shape {
                Math(ToInt | ToUint) => Flavor::Rounded { mode: Rounding::Zero, ftz: false },
                _ => Flavor::Llvm,
            };
            return Some(MathCall { shape, flavor });
        }
        base = base.rsplit_once('.')?.0;
    }
}
