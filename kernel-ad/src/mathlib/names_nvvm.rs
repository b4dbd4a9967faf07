//! NVVM's scalar intrinsics, without the `llvm.nvvm.` prefix.

use super::{rounding, MathCall, Shape, Shape::*};
use crate::kernel::{CastOp, Flavor, IntFn, MathFn, MathFn::*, Rounding};

/// `<name>.approx[.ftz].<type>`.
#[rustfmt::skip]
pub(super) const APPROX: &[(&str, MathFn)] = &[
    ("sin", Sin), ("cos", Cos), ("ex2", Exp2), ("lg2", Log2), ("rsqrt", Rsqrt), ("rcp", Rcp), ("sqrt", Sqrt), ("div", Div), ("tanh", Tanh),
];

/// `<name>.<rounding>[.ftz].<type>`.
#[rustfmt::skip]
pub(super) const ROUNDED: &[(&str, MathFn)] = &[
    ("add", Add), ("mul", Mul), ("div", Div), ("fma", Fma), ("rcp", Rcp), ("sqrt", Sqrt),
];

/// `<name>[.ftz].<type>`: exact functions.
#[rustfmt::skip]
const EXACT: &[(&str, MathFn)] = &[
    ("fabs", Fabs), ("abs", Fabs), ("floor", Floor), ("ceil", Ceil), ("trunc", Trunc),
    // `cvt.rni`: half to even, whatever the name says.
    ("round", Rint),
    ("fmax", Fmax), ("fmin", Fmin), ("saturate", Saturate), ("sqrt", Sqrt),
];

/// `<name>.<rounding>[.ftz]`: conversions.
#[rustfmt::skip]
const CONVERT: &[(&str, MathFn)] = &[
    ("d2f", Convert), ("d2i", ToInt), ("d2ll", ToInt), ("f2i", ToInt), ("f2ll", ToInt), ("d2ui", ToUint), ("d2ull", ToUint),
    ("f2ui", ToUint), ("f2ull", ToUint), ("i2d", FromInt), ("i2f", FromInt), ("ll2d", FromInt), ("ll2f", FromInt),
    ("ui2d", FromUint), ("ui2f", FromUint), ("ull2d", FromUint), ("ull2f", FromUint), ("f2bf16", Convert),
];

#[rustfmt::skip]
const SINGLE: &[(&str, Shape)] = &[
    ("bitcast.f2i", Cast(CastOp::Bitcast)), ("bitcast.i2f", Cast(CastOp::Bitcast)),
    ("bitcast.d2ll", Cast(CastOp::Bitcast)), ("bitcast.ll2d", Cast(CastOp::Bitcast)),
    ("d2i.hi", DoubleHalf(true)), ("d2i.lo", DoubleHalf(false)), ("lohi.i2d", MakeDouble(false)),
    ("f2h.rn", ToHalfBits), ("neg.bf16", Neg), ("neg.bf16x2", Neg),
    ("ff2bf16x2.rn", Pack2), ("ff2f16x2.rn", Pack2),
    ("move.i16", Ident), ("move.i32", Ident), ("move.i64", Ident), ("move.float", Ident), ("move.double", Ident),
    ("mulhi.s", Int(IntFn::MulhiS)), ("mulhi.us", Int(IntFn::MulhiU)), ("mulhi.i", Int(IntFn::MulhiS)), ("mulhi.ui", Int(IntFn::MulhiU)),
    ("mulhi.ll", Int(IntFn::MulhiS)), ("mulhi.ull", Int(IntFn::MulhiU)), ("mul24.i", Int(IntFn::Mul24S)), ("mul24.ui", Int(IntFn::Mul24U)),
    ("sad.s", Int(IntFn::SadS)), ("sad.us", Int(IntFn::SadU)), ("sad.i", Int(IntFn::SadS)), ("sad.ui", Int(IntFn::SadU)),
    ("sad.ll", Int(IntFn::SadS)), ("sad.ull", Int(IntFn::SadU)),
    ("prmt", Int(IntFn::BytePerm)), ("popc.i", Int(IntFn::Ctpop)), ("popc.ll", IntNarrow(IntFn::Ctpop)),
    ("clz.i", Int(IntFn::Ctlz)), ("clz.ll", IntNarrow(IntFn::Ctlz)), ("brev32", Int(IntFn::Bitreverse)), ("brev64", Int(IntFn::Bitreverse)),
    ("rotate.b32", Rotate(true)), ("rotate.b64", Rotate(true)), ("rotate.right.b64", Rotate(false)), ("swap.lo.hi.b64", SwapHalves),
];

pub(super) fn lookup(name: &str) -> Option<MathCall> {
    if let Some(&(_, shape)) = SINGLE.iter().find(|(n, _)| *n == name) {
        return Some(MathCall { shape, flavor: Flavor::Library });
    }
    let mut words: Vec<&str> = name.split('.').collect();
    let base = words.remove(0);
    if words.last().is_some_and(|w| matches!(*w, "f" | "d" | "f16" | "f16x2" | "bf16" | "bf16x2")) {
        words.pop();
    } else if find(CONVERT, base).is_none() {
        return None;
    }
    let ftz = take(&mut words, "ftz");
    let nan = take(&mut words, "nan");
    let (relu, sat) = (take(&mut words, "relu"), take(&mut words, "sat"));
    let (f, flavor) = match words[..] {
        ["approx"] => (find(APPROX, base)?, Flavor::Approx { ftz }),
        [mode] => {
            let f = find(ROUNDED, base).or_else(|| find(CONVERT, base))?;
            (f, Flavor::Rounded { mode: rounding(mode)?, ftz })
        }
        [] => match find(EXACT, base)? {
            // `sqrt.f` is accurate or approximate as compiler flags say; accurate satisfies both.
            f if !ftz && f != Saturate => (f, Flavor::Llvm),
            f => (f, Flavor::Approx { ftz }),
        },
        _ => return None,
    };
    let f = match (f, nan) {
        (Fmax, true) => Fmaximum,
        (Fmin, true) => Fminimum,
        (f, false) => f,
        _ => return None,
    };
    let shape = match (relu, sat) {
        (false, false) => Math(f),
        (true, false) => Then(f, Fmaximum),
        (false, true) => Then(f, Saturate),
        _ => return None,
    };
    // fma.rn is LLVM's own fma.
    let flavor = match (f, flavor) {
        (Fma, Flavor::Rounded { mode: Rounding::Nearest, ftz: false }) => Flavor::Llvm,
        (_, flavor) => flavor,
    };
    Some(MathCall { shape, flavor })
}

fn find(table: &[(&str, MathFn)], name: &str) -> Option<MathFn> {
    table.iter().find(|(n, _)| *n == name).map(|&(_, f)| f)
}

fn take(words: &mut Vec<&str>, word: &str) -> bool {
    let before = words.len();
    words.retain(|w| *w != word);
    words.len() < before
}
