//! Rounding by a large constant: `(x + 2^23) - 2^23` is `x` rounded to an integer, and its derivative is zero.
//!
//! `x + c` itself is a sum, with the derivative of a sum. It counts as rounding when its unit is one (or half or two), and
//! it is then used for its lowest bits, or the constant is taken away again.

use super::edit;
use crate::kernel::*;
use std::collections::HashSet;

/// Marks such sums: their value, without a derivative.
pub(super) fn mark(k: &mut Kernel) {
    let mut sums: HashSet<Value> = HashSet::new();
    for (_, i) in k.iter_insts() {
        let Some(r) = k.insts[i].result else { continue };
        if addend(k, &k.insts[i].op, k.ty(r)).is_some_and(|c| is_large(c, k.ty(r))) {
            sums.insert(r);
        }
    }
    if sums.is_empty() {
        return;
    }
    let mut rounded: HashSet<Value> = HashSet::new();
    for (_, i) in k.iter_insts() {
        match &k.insts[i].op {
            Op::Cast { op: CastOp::Bitcast, a, .. } if sums.contains(a) => {
                rounded.insert(*a);
            }
            op => {
                let Some(r) = k.insts[i].result else { continue };
                let taken = addend(k, op, k.ty(r)).is_some_and(|c| is_large(c, k.ty(r)));
                for v in op.operands() {
                    if taken && sums.contains(&v) {
                        rounded.insert(v);
                    }
                }
            }
        }
    }
    edit::pin(k, |b, i| {
        let r = b.k.insts[i].result.filter(|r| rounded.contains(r))?;
        let ty = b.k.ty(r);
        Some(b.k.zero(ty))
    });
}

/// Sums that count as rounding round to their own format also where everything is computed in doubles: bits are exact.
pub(super) fn fix(k: &mut Kernel) {
    edit::each(k, |b, i| {
        let Op::Math { func: MathFn::Pin, args, .. } = &b.k.insts[i].op else { return None };
        let sum = args[0];
        let large = addend(b.k, b.k.def_op(sum)?, b.k.ty(sum)).is_some_and(|c| is_large(c, b.k.ty(sum)));
        if !large || b.k.ty(sum) != Type::F32 {
            return None;
        }
        let bits = b.cast(CastOp::Bitcast, sum, Type::I32);
        Some(b.cast(CastOp::Bitcast, bits, Type::F32))
    });
}

/// The constant that a sum, difference or fused product has as a term.
fn addend(k: &Kernel, op: &Op, ty: Type) -> Option<f64> {
    let constant = |v: &Value| crate::mathlib::float_constant(k, *v);
    match op {
        _ if !matches!(ty, Type::F32 | Type::F64) => None,
        Op::Binary { op: BinOp::FAdd | BinOp::FSub, a, b, .. } => constant(b).or(constant(a)),
        Op::Math { func: MathFn::Fma, args, .. } => constant(&args[2]),
        Op::Math { func: MathFn::Add | MathFn::Sub, args, .. } => constant(&args[1]).or(constant(&args[0])),
        _ => None,
    }
}

/// True when the unit in the last place of numbers near `c` is 1/2, 1 or 2.
fn is_large(c: f64, ty: Type) -> bool {
    let digits = if ty == Type::F32 { 23 } else { 52 };
    let (low, high) = (2f64.powi(digits - 1), 2f64.powi(digits + 2));
    (low..high).contains(&c.abs())
}
