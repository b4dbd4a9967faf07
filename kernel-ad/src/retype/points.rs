//! Derivatives at single points, where code says something about a value only: the sign of zero, or of a result that is zero.
//!
//! * A function that is odd is often computed from the size of its argument and given the argument's sign by bits. At zero the size
//!   has a kink and the function has none: where a kernel uses the bits of `x`, the size of `x` changes as its sign says, at zero too.
//! * `x == 0 ? x + x : f(x)` and `trunc(x) == x ? 0 * x : f(x)` put in a zero with the right sign where `f(x)` is zero anyway. The
//!   slope there is that of `f`. Where `f(x)` is not at hand, as in powers, such a zero has the slope 0.

use super::edit;
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::HashSet;

/// Pins such values to what has the right slope.
pub(super) fn mark(k: &mut Kernel) {
    signed_sizes(k);
    hoist_patched(k);
    patches(k);
    special_ways(k);
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
        let (patch, smooth, equality) = match b.k.def_op(cond)? {
            Op::FCmp { pred: FloatPred::Oeq, .. } => (a, other, true),
            Op::FCmp { pred: FloatPred::Une, .. } => (other, a, true),
            _ => (a, other, false),
        };
        let zero = equality && is_zero_of(b.k, patch);
        let twice = || {
            doubled(b.k, patch).is_some_and(|x| match b.k.def_op(cond) {
                Some(Op::FCmp { a, b: other, .. }) if equality => is_special(b.k, *a, *other, x),
                _ => is_exceptional(b.k, cond, x),
            })
        };
        (zero || twice()).then_some(smooth)
    });
}

/// True for `0 * x`: a zero, or no number.
fn is_zero_of(k: &Kernel, v: Value) -> bool {
    let zero = |v: &Value| crate::mathlib::float_constant(k, *v) == Some(0.0);
    match k.def_op(v) {
        Some(Op::Binary { op: BinOp::FMul, a, b, .. }) => zero(a) || zero(b),
        Some(Op::Math { func: MathFn::Mul, args, .. }) => args.iter().any(zero),
        _ => false,
    }
}

/// The `x` of `x + x`, also where `x` or `x + 0` is chosen instead.
pub(super) fn doubled(k: &Kernel, v: Value) -> Option<Value> {
    match k.def_op(v)? {
        Op::Binary { op: BinOp::FAdd, a, b, .. } if a == b => Some(*a),
        Op::Binary { op: BinOp::FAdd, a, b, .. } => {
            [(*a, *b), (*b, *a)].into_iter().find(|&(x, s)| zero_or(k, s, x)).map(|(x, _)| x)
        }
        Op::Math { func: MathFn::Add, args, .. } if args[0] == args[1] => Some(args[0]),
        Op::Select { a, b, .. } => match (doubled(k, *a), doubled(k, *b)) {
            (Some(x), _) if *b == x => Some(x),
            (_, Some(x)) if *a == x => Some(x),
            _ => None,
        },
        _ => None,
    }
}

/// True for a choice between zero and `x`: added to an infinite or zero `x`, it is another zero or the same `x`.
fn zero_or(k: &Kernel, v: Value, x: Value) -> bool {
    let zero = |v: Value| crate::mathlib::float_constant(k, v) == Some(0.0);
    matches!(k.def_op(v), Some(&Op::Select { a, b, .. }) if zero(a) && b == x || a == x && zero(b))
}

/// True when `x` or its size is compared with zero or infinity.
fn is_special(k: &Kernel, a: Value, b: Value, x: Value) -> bool {
    let special =
        |v: Value| crate::mathlib::float_constant(k, v).is_some_and(|c| c == 0.0 || c.is_infinite());
    is_size_of(k, a, x) && special(b) || is_size_of(k, b, x) && special(a)
}

fn is_size_of(k: &Kernel, mut v: Value, x: Value) -> bool {
    loop {
        match k.def_op(v) {
            _ if v == x => return true,
            Some(Op::Math { func: MathFn::Fabs | MathFn::Pin, args, .. }) => v = args[0],
            _ => return false,
        }
    }
}

/// True when the condition holds for zero, infinity and what is no number only.
pub(super) fn is_exceptional(k: &Kernel, cond: Value, x: Value) -> bool {
    match k.def_op(cond) {
        Some(Op::FCmp { pred: FloatPred::Oeq | FloatPred::Ueq, a, b, .. }) => is_special(k, *a, *b, x),
        Some(Op::FCmp { pred: FloatPred::Uno, a, .. }) => is_size_of(k, *a, x),
        Some(Op::Binary { op: BinOp::Or, a, b, .. }) => is_exceptional(k, *a, x) && is_exceptional(k, *b, x),
        Some(Op::Binary { op: BinOp::And, a, b, .. }) => is_exceptional(k, *a, x) || is_exceptional(k, *b, x),
        // `p || q` and `p && q` that must not look at `q` too soon.
        Some(Op::Select { cond, a, b, .. }) => match (k.as_int(*a), k.as_int(*b)) {
            (Some(n), None) if n != 0 => is_exceptional(k, *cond, x) && is_exceptional(k, *b, x),
            (None, Some(0)) => is_exceptional(k, *cond, x) || is_exceptional(k, *a, x),
            _ => false,
        },
        _ => false,
    }
}

/// What is made of `x` on a way that is taken for zero, infinity and what is no number only, and that no other value could stand in for:
/// `x + x`, and bits put together.
fn special_ways(k: &mut Kernel) {
    let cfg = Cfg::new(k);
    let mut flat: HashSet<Inst> = HashSet::new();
    for &block in &k.layout {
        let Op::CondBr { cond, then, .. } = k.insts[k.terminator(block)].op else { continue };
        let Some(x) = compared(k, cond).filter(|&x| is_exceptional(k, cond, x)) else { continue };
        if cfg.preds(then) != [block] {
            continue;
        }
        flat.extend(k.blocks[then].insts.iter().copied().filter(|&i| match &k.insts[i].op {
            Op::Cast { op: CastOp::Bitcast, a, .. } => {
                k.ty(*a).is_int() && k.insts[i].result.is_some_and(|r| k.ty(r).is_float())
            }
            Op::Select { .. } => false,
            _ => k.insts[i].result.and_then(|r| doubled(k, r)) == Some(x),
        }));
    }
    edit::pin(k, |b, i| {
        let ty = b.k.ty(b.k.insts[i].result?);
        flat.contains(&i).then(|| b.k.zero(ty))
    });
}

/// The number that the first comparison of a condition is about.
pub(super) fn compared(k: &Kernel, cond: Value) -> Option<Value> {
    match k.def_op(cond)? {
        Op::FCmp { a, .. } => {
            let mut v = *a;
            while let Some(Op::Math { func: MathFn::Fabs | MathFn::Pin, args, .. }) = k.def_op(v) {
                v = args[0];
            }
            Some(v)
        }
        Op::Binary { op: BinOp::Or | BinOp::And, a, .. } => compared(k, *a),
        Op::Select { cond, .. } => compared(k, *cond),
        _ => None,
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
