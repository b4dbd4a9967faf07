//! Which bits of an integer can be set.

use crate::kernel::*;

/// The bits of a scalar integer that may be set.
pub fn possible_bits(k: &Kernel, v: Value, depth: u32) -> Option<u128> {
    let Type::Int(width) = k.ty(v) else { return None };
    let all = if width >= 128 { u128::MAX } else { (1 << width) - 1 };
    if let Some(Const::Int(n)) = k.as_const(v) {
        return Some(n & all);
    }
    if depth == 0 {
        return Some(all);
    }
    let of = |v: Value| possible_bits(k, v, depth - 1);
    Some(match k.def_op(v) {
        Some(Op::Cast { op: CastOp::ZExt, a, .. }) => of(*a).unwrap_or(all),
        Some(Op::Binary { op: BinOp::Shl, a, b, .. }) => match k.as_int(*b) {
            Some(n @ 0..=127) => (of(*a)? << n) & all,
            _ => all,
        },
        Some(Op::Binary { op: BinOp::LShr, a, b, .. }) => match k.as_int(*b) {
            Some(n @ 0..=127) => of(*a)? >> n,
            _ => all,
        },
        Some(Op::Binary { op: BinOp::And, a, b, .. }) => of(*a)? & of(*b)?,
        Some(Op::Binary { op: BinOp::Or, a, b, .. }) => of(*a)? | of(*b)?,
        _ => all,
    })
}
