//! Integers that hold the bits of floats.
//!
//! Compilers copy small structs of floats as one integer, and pack or unpack 16-bit floats by shifts. Such an
//! integer's tangent is the integer of the tangents' bits, and moves along as long as the bits are only moved, by whole
//! 16-bit units. Arithmetic on them is refused.

use crate::facts::bits::possible_bits;
use crate::kernel::*;

/// How the tangent of such an operation is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moves {
    /// The same operation on the tangents of the operands; an operand without one counts as zero.
    Same,
    /// As the `or` of the operands' tangents: their bits do not meet.
    Union,
}

/// Whether an operation with integers that hold float bits only moves these bits.
pub(super) fn moves(k: &Kernel, op: &Op, result: Type) -> Option<Moves> {
    let scalar_width = |ty: Type| match ty {
        Type::Int(w) => Some(u32::from(w)),
        _ => None,
    };
    match op {
        op if structural(op) => Some(Moves::Same),
        Op::Cast { op: CastOp::Bitcast, .. } => Some(Moves::Same),
        Op::Cast { op: CastOp::Trunc | CastOp::ZExt, a, .. } => {
            let widths = [scalar_width(k.ty(*a))?, scalar_width(result)?];
            widths.iter().all(|w| w % 16 == 0).then_some(Moves::Same)
        }
        Op::Binary { op: BinOp::Shl | BinOp::LShr, b, .. } => {
            let by = k.as_int(*b)?;
            (by >= 0 && by % 16 == 0).then_some(Moves::Same)
        }
        Op::Binary { op: BinOp::And, b, .. } => {
            let mask = constant_bits(k, *b)?;
            whole_units(mask).then_some(Moves::Same)
        }
        Op::Binary { op: BinOp::Or | BinOp::Add | BinOp::Xor, a, b, .. } => {
            (possible_bits(k, *a, 8)? & possible_bits(k, *b, 8)? == 0).then_some(Moves::Union)
        }
        _ => None,
    }
}

/// True for operations that hand on values of any type, whole or in parts.
pub(super) fn structural(op: &Op) -> bool {
    matches!(
        op,
        Op::Freeze { .. }
            | Op::Select { .. }
            | Op::ExtractElement { .. }
            | Op::InsertElement { .. }
            | Op::ShuffleVector { .. }
            | Op::ExtractValue { .. }
            | Op::InsertValue { .. }
    )
}

fn constant_bits(k: &Kernel, v: Value) -> Option<u128> {
    match k.as_const(v)? {
        Const::Int(n) => Some(*n),
        _ => None,
    }
}

/// True when every 16-bit unit is all ones or all zeros.
fn whole_units(mask: u128) -> bool {
    (0..8).all(|i| matches!((mask >> (16 * i)) & 0xffff, 0 | 0xffff))
}
