//! Products with powers of two, one after another.
//!
//! Exponential functions put the exponent in by bits, and in two steps where one power might not fit: `p * 2^a * 2^b`. What lies between
//! the steps is large, or tiny, and the derivative of `p` times it may not fit where that of the result does. So the
//! derivative goes from `p` to the result at once, in doubles.

use super::edit;
use crate::kernel::*;

/// Pins such products of floats.
pub(super) fn mark(k: &mut Kernel) {
    edit::pin(k, |b, i| {
        let (between, second) = scaled(b.k, i)?;
        let (first, scale) = scaled(b.k, b.k.def_inst(between)?)?;
        let [v, p, q] = [first, scale, second].map(|x| b.cast(CastOp::FpExt, x, Type::F64));
        let both = b.binary(BinOp::FMul, p, q);
        let wide = b.binary(BinOp::FMul, v, both);
        Some(b.cast(CastOp::FpTrunc, wide, Type::F32))
    });
}

/// The factors of a product with a float that was put together from bits, that one last.
fn scaled(k: &Kernel, i: Inst) -> Option<(Value, Value)> {
    let Op::Binary { op: BinOp::FMul, a, b, .. } = k.insts[i].op else { return None };
    let from_bits = |v: Value| match k.def_op(v) {
        Some(Op::Cast { op: CastOp::Bitcast, a, .. }) => k.ty(*a) == Type::I32,
        _ => false,
    };
    match (k.ty(a), from_bits(a), from_bits(b)) {
        (Type::F32, false, true) => Some((a, b)),
        (Type::F32, true, false) => Some((b, a)),
        _ => None,
    }
}
