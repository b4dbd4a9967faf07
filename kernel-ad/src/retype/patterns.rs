//! Bits with a meaning: masks of the sign, and bfloat16 in the upper half of a float.

use super::edit;
use crate::kernel::*;
use smallvec::smallvec;
use std::collections::HashSet;

/// Replaces bit casts of such bits by the operation that they stand for. True when something changed.
pub(super) fn rewrite(k: &mut Kernel) -> bool {
    let pairs = packed(k);
    edit::each(k, |b, i| {
        if let Some(v) = rounded(b, i) {
            return Some(v);
        }
        let Op::Cast { op: CastOp::Bitcast, a, .. } = b.k.insts[i].op else { return None };
        let ty = b.k.ty(b.k.insts[i].result?);
        let Type::Float(format) = ty else { return None };
        let width = format.bytes() * 8;
        if b.k.ty(a) != Type::Int(width as u16) {
            return None;
        }
        let sign = 1u128 << (width - 1);
        let Some(Op::Binary { op, a: x, b: y, .. }) = b.k.def_op(a).cloned() else { return None };
        if let Some(v) = half_of(b, op, x, y, ty, &pairs) {
            return Some(v);
        }
        if let (Some(x), Some(mask)) = (float(b.k, x, ty), bits(b.k, y)) {
            return match op {
                BinOp::And if mask == sign - 1 => Some(fabs(b, x)),
                BinOp::Xor if mask == sign => Some(b.fneg(x, Fmf::empty())),
                BinOp::Or if mask == sign => {
                    let x = fabs(b, x);
                    Some(b.fneg(x, Fmf::empty()))
                }
                _ => None,
            };
        }
        if op != BinOp::Or {
            return None;
        }
        let masked = |k: &Kernel, v: Value| match k.def_op(v)? {
            Op::Binary { op: BinOp::And, a, b, .. } => Some((float(k, *a, ty)?, bits(k, *b)?)),
            _ => None,
        };
        let ((p, m), (q, n)) = (masked(b.k, x)?, masked(b.k, y)?);
        let (size, from) = match (m, n) {
            _ if (m, n) == (sign - 1, sign) => (p, q),
            _ if (n, m) == (sign - 1, sign) => (q, p),
            _ => return None,
        };
        let op = Op::Math {
            func: MathFn::Copysign,
            flavor: Flavor::Library,
            args: smallvec![size, from],
            fmf: Fmf::empty(),
        };
        Some(b.value(op, ty))
    })
}

fn fabs(b: &mut KernelBuilder<'_>, x: Value) -> Value {
    b.math(MathFn::Fabs, &[x], Fmf::empty())
}

fn float(k: &Kernel, v: Value, ty: Type) -> Option<Value> {
    edit::from_float(k, v).filter(|(_, of)| *of == ty).map(|(x, _)| x)
}

fn bits(k: &Kernel, v: Value) -> Option<u128> {
    match k.as_const(v)? {
        Const::Int(n) => Some(*n),
        _ => None,
    }
}

/// A bfloat16 is the upper half of a float.
fn half_of(
    b: &mut KernelBuilder<'_>,
    op: BinOp,
    x: Value,
    y: Value,
    ty: Type,
    pairs: &HashSet<Value>,
) -> Option<Value> {
    if ty != Type::F32 {
        return None;
    }
    let (i16, bf16) = (Type::Int(16), Type::Float(FloatTy::Bf16));
    let half = match (op, bits(b.k, y)?) {
        (BinOp::Shl, 16) => match b.k.def_op(x) {
            Some(Op::Cast { op: CastOp::ZExt, a, .. }) if b.k.ty(*a) == i16 => *a,
            _ => b.cast(CastOp::Trunc, x, i16),
        },
        (BinOp::And, 0xffff_0000) if pairs.contains(&x) => {
            let by = b.k.int(Type::I32, 16);
            let high = b.binary(BinOp::LShr, x, by);
            b.cast(CastOp::Trunc, high, i16)
        }
        _ => return None,
    };
    let half = edit::bitcast(b, half, bf16);
    Some(b.cast(CastOp::FpExt, half, ty))
}

/// A float that is rounded to a bfloat16 by hand, to nearest and to even: the upper half of `x + 0x7fff + (x >> 16 & 1)`.
fn rounded(b: &mut KernelBuilder<'_>, i: Inst) -> Option<Value> {
    let (i16, bf16) = (Type::Int(16), Type::Float(FloatTy::Bf16));
    match b.k.insts[i].op {
        Op::Cast { op: CastOp::Trunc, a, .. } if b.k.ty(b.k.insts[i].result?) == i16 => {
            let sum = match b.k.def_op(a)? {
                Op::Binary { op: BinOp::LShr | BinOp::AShr, a, b: by, .. } if bits(b.k, *by) == Some(16) => {
                    *a
                }
                _ => return None,
            };
            let x = rounding_sum(b.k, sum)?;
            let half = b.cast(CastOp::FpTrunc, x, bf16);
            Some(b.cast(CastOp::Bitcast, half, i16))
        }
        Op::Cast { op: CastOp::Bitcast, a, .. } if b.k.ty(b.k.insts[i].result?) == Type::F32 => {
            let sum = match b.k.def_op(a)? {
                Op::Binary { op: BinOp::And, a, b: mask, .. } if bits(b.k, *mask) == Some(0xffff_0000) => *a,
                _ => return None,
            };
            let x = rounding_sum(b.k, sum)?;
            let half = b.cast(CastOp::FpTrunc, x, bf16);
            Some(b.cast(CastOp::FpExt, half, Type::F32))
        }
        _ => None,
    }
}

/// The float `x` of such a sum.
fn rounding_sum(k: &Kernel, sum: Value) -> Option<Value> {
    fn terms(k: &Kernel, v: Value, depth: u32, out: &mut Vec<Value>) {
        match k.def_op(v) {
            Some(Op::Binary { op: BinOp::Add, a, b, .. }) if depth > 0 => {
                terms(k, *a, depth - 1, out);
                terms(k, *b, depth - 1, out);
            }
            _ => out.push(v),
        }
    }
    let mut all = Vec::new();
    terms(k, sum, 3, &mut all);
    let is_lowest = |v: Value, x: Value| match k.def_op(v) {
        Some(Op::Binary { op: BinOp::And, a, b, .. }) if bits(k, *b) == Some(1) => match k.def_op(*a) {
            Some(Op::Binary { op: BinOp::LShr, a, b, .. }) => *a == x && bits(k, *b) == Some(16),
            _ => false,
        },
        _ => false,
    };
    let x = *all.iter().find(|&&v| float(k, v, Type::F32).is_some())?;
    let others: Vec<Value> = all.into_iter().filter(|&v| v != x).collect();
    let [p, q] = others[..] else { return None };
    let right = |p, q| bits(k, p) == Some(0x7fff) && is_lowest(q, x);
    (right(p, q) || right(q, p)).then(|| float(k, x, Type::F32)).flatten()
}

/// Integers whose lower half is used as a bfloat16: then the upper half is one too, and not a float that is cut off.
fn packed(k: &Kernel) -> HashSet<Value> {
    let mut out = HashSet::new();
    for (_, i) in k.iter_insts() {
        let Op::Cast { op: CastOp::Bitcast, a, .. } = k.insts[i].op else { continue };
        let to = k.insts[i].result.map(|r| k.ty(r));
        match k.def_op(a) {
            Some(Op::Binary { op: BinOp::Shl, a: x, b, .. })
                if bits(k, *b) == Some(16) && to == Some(Type::F32) =>
            {
                out.insert(*x);
            }
            Some(Op::Cast { op: CastOp::Trunc, a: x, .. }) if to == Some(Type::Float(FloatTy::Bf16)) => {
                out.insert(*x);
            }
            _ => {}
        }
    }
    out
}
