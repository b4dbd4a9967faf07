//! Integers that are numbers, and integers that are bits of floats, as far as their uses tell.

use crate::kernel::*;
use std::collections::BTreeSet;

/// Values that are stored somewhere.
pub(super) fn stored(k: &Kernel, insts: &[Inst]) -> BTreeSet<Value> {
    let mut out: BTreeSet<Value> = BTreeSet::new();
    loop {
        let before = out.len();
        for &i in insts {
            match &k.insts[i].op {
                Op::Store { val, .. } => {
                    out.insert(*val);
                }
                op @ (Op::Phi { .. } | Op::Select { .. } | Op::Freeze { .. })
                    if k.insts[i].result.is_some_and(|r| out.contains(&r)) =>
                {
                    out.extend(op.operands());
                }
                _ => {}
            }
        }
        if out.len() == before {
            return out;
        }
    }
}

/// A value and all that it may be handed on from, unchanged.
pub(super) fn handed_on(k: &Kernel, v: Value) -> BTreeSet<Value> {
    let (mut out, mut work) = (BTreeSet::new(), vec![v]);
    while let Some(v) = work.pop() {
        if !out.insert(v) {
            continue;
        }
        match k.def_op(v) {
            Some(Op::Phi { incoming }) => work.extend(incoming.iter().map(|(_, v)| *v)),
            Some(Op::Select { a, b, .. }) => work.extend([*a, *b]),
            Some(Op::Freeze { a }) => work.push(*a),
            _ => {}
        }
    }
    out
}

/// Integers that are parts of addresses, or compared with small numbers: not bits of floats.
pub(super) fn used_as_integers(k: &Kernel, insts: &[Inst]) -> BTreeSet<Value> {
    let mut out: BTreeSet<Value> = BTreeSet::new();
    let small = |v: Value| k.as_int(v).is_some_and(|n| n != 0 && n.unsigned_abs() < 1 << 16);
    for &i in insts {
        match &k.insts[i].op {
            Op::PtrAdd { offset, .. } => {
                out.insert(*offset);
            }
            Op::ICmp { a, b, .. } if small(*b) => {
                out.insert(*a);
            }
            _ => {}
        }
    }
    loop {
        let before = out.len();
        for &i in insts {
            if !k.insts[i].result.is_some_and(|r| out.contains(&r)) {
                continue;
            }
            match &k.insts[i].op {
                Op::Cast { op: CastOp::SExt | CastOp::ZExt, a, .. } => {
                    out.insert(*a);
                }
                Op::Binary { op: BinOp::Add | BinOp::Mul | BinOp::Shl, a, b, .. } => {
                    out.extend([*a, *b]);
                }
                _ => {}
            }
        }
        if out.len() == before {
            return out;
        }
    }
}

/// Values that integer arithmetic is done with. Taking bits apart as those of floats are (signs, exponents, halves) tells nothing.
pub(super) fn computed_with(k: &Kernel, insts: &[Inst]) -> BTreeSet<Value> {
    let mut out: BTreeSet<Value> = BTreeSet::new();
    for &i in insts {
        if let Op::Binary { op, a, b, .. } = &k.insts[i].op {
            match op {
                BinOp::Add
                | BinOp::Sub
                | BinOp::Mul
                | BinOp::UDiv
                | BinOp::SDiv
                | BinOp::URem
                | BinOp::SRem => {
                    out.extend([*a, *b]);
                }
                BinOp::And | BinOp::Or | BinOp::Xor if k.as_int(*b).is_some_and(|m| !masks_floats(m)) => {
                    out.insert(*a);
                }
                BinOp::Shl | BinOp::LShr | BinOp::AShr
                    if k.as_int(*b).is_some_and(|n| n % 8 != 0 && ![10, 23, 31, 52, 63].contains(&n)) =>
                {
                    out.insert(*a);
                }
                _ => {}
            }
        }
    }
    let moves = |op: &Op| match op {
        Op::Phi { .. } | Op::Select { .. } | Op::Freeze { .. } => true,
        Op::Cast { op, .. } => matches!(op, CastOp::SExt | CastOp::ZExt | CastOp::Trunc),
        _ => false,
    };
    backward(k, insts, &mut out, &moves);
    out
}

/// A value that is made by counting, by comparing, or as the number of a thread: stored beside floats, it is no float's bits.
pub(super) fn is_number(k: &Kernel, v: Value) -> bool {
    if k.as_const(v).is_some() {
        return k.as_int(v).is_some_and(|n| n != 0 && n.unsigned_abs() < 1 << 16);
    }
    match k.def_op(v) {
        Some(Op::Binary { op, .. }) => {
            matches!(
                op,
                BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::UDiv | BinOp::SDiv | BinOp::URem | BinOp::SRem
            )
        }
        Some(Op::Cast { op: CastOp::FpToSi | CastOp::FpToUi, .. } | Op::Special(_)) => true,
        Some(Op::Cast { op: CastOp::ZExt | CastOp::SExt, a, .. }) => k.ty(*a) == Type::Int(1),
        _ => false,
    }
}

/// Masks of signs, exponents, fractions and halves of floats, in one or two words.
fn masks_floats(mask: i64) -> bool {
    let word = |m: u32| {
        matches!(m, 0 | u32::MAX)
            || [0x7fff_ffff, 0x7f80_0000, 0x007f_ffff, 0xffff_0000, 0x7fff_0000, 0x7fff_7fff]
                .iter()
                .any(|&f| m == f || m == !f)
            || [0x7c00, 0x7f80, 0x03ff, 0x007f, 0x7ff0_0000, 0x000f_ffff]
                .iter()
                .any(|&f: &u32| m == f || m == !f)
    };
    word(mask as u32) && word((mask >> 32) as u32)
}

/// Integers that are made of floats, and those that floats are made of, through whatever is computed with them.
pub(super) fn float_bits(k: &Kernel, insts: &[Inst]) -> BTreeSet<Value> {
    let (mut from, mut to) = (BTreeSet::new(), BTreeSet::new());
    for &i in insts {
        if let (Op::Cast { op: CastOp::Bitcast, a, .. }, Some(r)) = (&k.insts[i].op, k.insts[i].result) {
            if k.ty(*a).is_float() {
                from.insert(r);
            } else if k.ty(r).is_float() {
                to.insert(*a);
            }
        }
    }
    let computes = |op: &Op| {
        matches!(
            op,
            Op::Phi { .. }
                | Op::Select { .. }
                | Op::Freeze { .. }
                | Op::Binary { .. }
                | Op::IntMath { .. }
                | Op::Warp { .. }
        ) || matches!(op, Op::Cast { op: CastOp::SExt | CastOp::ZExt | CastOp::Trunc | CastOp::Bitcast, .. })
    };
    backward(k, insts, &mut to, &computes);
    loop {
        let before = from.len();
        for &i in insts {
            let Some(r) = k.insts[i].result.filter(|&r| k.ty(r).is_int()) else { continue };
            if computes(&k.insts[i].op) && k.insts[i].op.operands().iter().any(|v| from.contains(v)) {
                from.insert(r);
            }
        }
        if from.len() == before {
            break;
        }
    }
    from.extend(to);
    from
}

/// Loads of integers that end in arithmetic, addresses and comparisons: their bits reach neither memory nor a float.
pub(super) fn numbers(k: &Kernel, insts: &[Inst]) -> BTreeSet<Inst> {
    let hands_on = |op: &Op| match op {
        Op::Phi { .. } | Op::Select { .. } | Op::Freeze { .. } => true,
        Op::Cast { op, .. } => matches!(op, CastOp::SExt | CastOp::ZExt | CastOp::Trunc),
        Op::Binary { op, .. } => !is_arithmetic(*op),
        _ => false,
    };
    let ends = |op: &Op| match op {
        Op::Cast { op, .. } => matches!(op, CastOp::SiToFp | CastOp::UiToFp),
        Op::Binary { op, .. } => is_arithmetic(*op),
        op => matches!(op, Op::ICmp { .. } | Op::PtrAdd { .. } | Op::Load { .. }),
    };
    let mut carried = float_bits(k, insts);
    for op in insts.iter().map(|&i| &k.insts[i].op).filter(|op| !hands_on(op) && !ends(op)) {
        carried.extend(op.operands());
    }
    backward(k, insts, &mut carried, &hands_on);
    let counts = |i: &Inst| {
        matches!(k.insts[*i].op, Op::Load { .. })
            && k.insts[*i].result.is_some_and(|r| matches!(k.ty(r), Type::Int(_)) && !carried.contains(&r))
    };
    insts.iter().copied().filter(counts).collect()
}

fn is_arithmetic(op: BinOp) -> bool {
    use BinOp::*;
    matches!(op, Add | Sub | Mul | UDiv | SDiv | URem | SRem)
}

/// Extends a set of values by the operands of those operations in it that `through` is true of.
fn backward(k: &Kernel, insts: &[Inst], set: &mut BTreeSet<Value>, through: &dyn Fn(&Op) -> bool) {
    loop {
        let before = set.len();
        for &i in insts.iter().rev() {
            let op = &k.insts[i].op;
            if through(op) && k.insts[i].result.is_some_and(|r| set.contains(&r)) {
                set.extend(op.operands().into_iter().filter(|&v| k.ty(v).is_int()));
            }
        }
        if set.len() == before {
            return;
        }
    }
}
