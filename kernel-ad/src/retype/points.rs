//! Derivatives at single points, where code says something about a value only: the sign of zero, or of a result that is zero.
//!
//! * A function that is odd is often computed from the size of its argument and given the argument's sign by bits. At zero the size
//!   has a kink and the function has none: where a kernel uses the bits of `x`, the size of `x` changes as its sign says, at zero too.
//! * `x == 0 ? x + x : f(x)` and `trunc(x) == x ? 0 * x : f(x)` put in a zero with the right sign where `f(x)` is zero anyway. The
//!   slope there is that of `f`.

use super::edit;
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::HashSet;

/// Pins such values to what has the right slope.
pub(super) fn mark(k: &mut Kernel) {
    signed_sizes(k);
    hoist_patched(k);
    patches(k);
}

/// Sizes of numbers whose bits are used too.
fn signed_sizes(k: &mut Kernel) {
    let mut with_bits: HashSet<Value> = HashSet::new();
    for (_, i) in k.iter_insts() {
        match &k.insts[i].op {
            Op::Cast { op: CastOp::Bitcast, a, .. } if k.ty(*a).is_float() => {
                with_bits.insert(*a);
            }
            Op::Math { func: MathFn::Copysign, args, .. } => {
                with_bits.insert(args[1]);
            }
            _ => {}
        }
    }
    edit::pin(k, |b, i| {
        let Op::Math { func: MathFn::Fabs, args, .. } = &b.k.insts[i].op else { return None };
        let x = args[0];
        if !with_bits.contains(&x) {
            return None;
        }
        let ty = b.k.ty(x);
        let one = b.k.float(ty, 1.0);
        let sign = b.math(MathFn::Copysign, &[one, x], Fmf::empty());
        Some(b.binary(BinOp::FMul, sign, x))
    });
}

/// Values that are chosen where the other one has the right slope.
fn patches(k: &mut Kernel) {
    edit::pin(k, |b, i| {
        let Op::Select { cond, a, b: other, .. } = b.k.insts[i].op else { return None };
        let (equal, patch, smooth) = match b.k.def_op(cond)? {
            Op::FCmp { pred: FloatPred::Oeq, .. } => (cond, a, other),
            Op::FCmp { pred: FloatPred::Une, .. } => (cond, other, a),
            Op::Binary { op: BinOp::Or, .. } => (cond, a, other),
            _ => return None,
        };
        is_patch(b.k, equal, patch).then_some(smooth)
    });
}

/// True when `patch`, the value where `equal` holds, is a zero (or no number) with the sign of something.
fn is_patch(k: &Kernel, equal: Value, patch: Value) -> bool {
    let zero = |v: Value| crate::mathlib::float_constant(k, v) == Some(0.0);
    match k.def_op(patch) {
        Some(Op::Binary { op: BinOp::FMul, a, b, .. }) => {
            let compares =
                matches!(k.def_op(equal), Some(Op::FCmp { pred: FloatPred::Oeq | FloatPred::Une, .. }));
            compares && (zero(*a) || zero(*b))
        }
        Some(Op::Math { func: MathFn::Mul, args, .. }) => {
            let compares =
                matches!(k.def_op(equal), Some(Op::FCmp { pred: FloatPred::Oeq | FloatPred::Une, .. }));
            compares && args.iter().any(|&v| zero(v))
        }
        _ => doubled(k, patch).is_some_and(|x| is_exceptional(k, equal, x)),
    }
}

/// The `x` of `x + x`, also where `x` itself is chosen instead.
fn doubled(k: &Kernel, v: Value) -> Option<Value> {
    match k.def_op(v)? {
        Op::Binary { op: BinOp::FAdd, a, b, .. } if a == b => Some(*a),
        Op::Math { func: MathFn::Add, args, .. } if args[0] == args[1] => Some(args[0]),
        Op::Select { a, b, .. } => match (doubled(k, *a), doubled(k, *b)) {
            (Some(x), _) if *b == x => Some(x),
            (_, Some(x)) if *a == x => Some(x),
            _ => None,
        },
        _ => None,
    }
}

/// True when the condition holds for zero, infinity and what is no number only.
fn is_exceptional(k: &Kernel, cond: Value, x: Value) -> bool {
    let is_x = |mut v: Value| loop {
        match k.def_op(v) {
            _ if v == x => return true,
            Some(Op::Math { func: MathFn::Fabs | MathFn::Pin, args, .. }) => v = args[0],
            _ => return false,
        }
    };
    let special =
        |v: Value| crate::mathlib::float_constant(k, v).is_some_and(|c| c == 0.0 || c.is_infinite());
    match k.def_op(cond) {
        Some(Op::FCmp { pred: FloatPred::Oeq | FloatPred::Une | FloatPred::Ueq, a, b, .. }) => {
            is_x(*a) && special(*b) || is_x(*b) && special(*a)
        }
        Some(Op::FCmp { pred: FloatPred::Uno, a, .. }) => is_x(*a),
        Some(Op::Binary { op: BinOp::Or, a, b, .. }) => is_exceptional(k, *a, x) && is_exceptional(k, *b, x),
        Some(Op::Binary { op: BinOp::And, a, b, .. }) => is_exceptional(k, *a, x) || is_exceptional(k, *b, x),
        _ => false,
    }
}

/// Where a branch makes the choice: what the other side computes moves in front of the branch, and a select chooses.
fn hoist_patched(k: &mut Kernel) {
    let cfg = Cfg::new(k);
    for block in k.layout.clone() {
        let Op::CondBr { cond, then, els } = k.insts[k.terminator(block)].op else { continue };
        for (patch_side, other) in [(then, els), (els, then)] {
            hoist(k, &cfg, block, cond, patch_side == then, (patch_side, other));
        }
    }
}

/// A side of a choice that nothing else leads to, and its one successor.
fn side(k: &Kernel, cfg: &Cfg, head: Block, b: Block) -> Option<Block> {
    let succ = k.successors(b);
    (cfg.preds(b) == [head] && succ.len() == 1).then(|| succ[0])
}

fn hoist(k: &mut Kernel, cfg: &Cfg, head: Block, cond: Value, holds: bool, (patched, other): (Block, Block)) {
    let (Some(join), Some(end)) = (side(k, cfg, head, patched), side(k, cfg, head, other)) else { return };
    if join != end || cfg.preds(join).len() != 2 {
        return;
    }
    let body = |b: Block| k.blocks[b].insts[..k.blocks[b].insts.len() - 1].to_vec();
    let (mut moved, rest) = (body(patched), body(other));
    moved.extend(&rest);
    // A quotient of integers may fault where it was not asked for.
    let pure = |&i: &Inst| match &k.insts[i].op {
        Op::Phi { .. } | Op::Binary { op: BinOp::UDiv | BinOp::SDiv | BinOp::URem | BinOp::SRem, .. } => {
            false
        }
        op => op.is_pure(),
    };
    if rest.len() > 16 || !moved.iter().all(pure) {
        return;
    }
    let from = |i: Inst| match &k.insts[i].op {
        Op::Phi { incoming } => {
            let of = |b: Block| incoming.iter().find(|(p, _)| *p == b).map(|(_, v)| *v);
            Some((of(patched)?, of(other)?))
        }
        _ => None,
    };
    let phis: Vec<(Inst, Value, Value)> =
        k.blocks[join].insts.iter().filter_map(|&i| from(i).map(|(p, v)| (i, p, v))).collect();
    let fits = |&(_, p, _): &(Inst, Value, Value)| {
        holds && doubled(k, p).is_some_and(|x| is_exceptional(k, cond, x))
    };
    if phis.is_empty() || !phis.iter().all(fits) {
        return;
    }
    for b in [patched, other] {
        let end = k.terminator(b);
        k.blocks[b].insts = vec![end];
    }
    let at = k.blocks[head].insts.len() - 1;
    k.blocks[head].insts.splice(at..at, moved);
    let mut pairs = Vec::new();
    for (i, p, v) in phis {
        let r = k.insts[i].result.expect("a phi has a result");
        let at = k.blocks[head].insts.len() - 1;
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(head, at);
        pairs.push((r, b.select(cond, p, v)));
    }
    edit::replace(k, &pairs);
}
