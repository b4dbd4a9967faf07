//! What a select does not choose has no derivative, however it was computed.
//!
//! Compilers compute both sides of a choice in advance where a branch would have computed one: `x > 0 ? x * logf(x) : 0` takes the logarithm of 0 too.
//! Its adjoint there is zero, but zero times an infinite slope is no number. So where a side holds something
//! with slopes that may be infinite, what goes into that side is pinned to itself if it is chosen, else to zero.
//!
//! A reciprocal of something infinite is a choice too: `1 / (1/x + sqrt(1/x^2 + 1))`, as inverse hyperbolic sines have it, is zero at
//! zero, and what led there has no derivative that would be of use.

use super::edit::{self, Users};
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// Pins what goes into such sides.
pub(super) fn place(k: &mut Kernel) {
    let selects: Vec<(Block, Inst)> = k
        .iter_insts()
        .filter(|&(_, i)| {
            let float = k.insts[i].result.is_some_and(|r| matches!(k.ty(r), Type::F32 | Type::F64));
            float && matches!(k.insts[i].op, Op::Select { .. })
        })
        .collect();
    // Outer choices first: what is inside of them is inside of both.
    let mut users = edit::users(k);
    for (block, i) in selects.into_iter().rev() {
        let Op::Select { a, b, .. } = k.insts[i].op else { continue };
        for (side, chosen) in [(a, true), (b, false)] {
            if a != b && guard(k, &users, block, i, side, chosen) {
                users = edit::users(k);
            }
        }
    }
}

/// Pins reciprocals of what may become infinite on steep ways to a choice, for [`place`] to guard.
pub(super) fn reciprocals(k: &mut Kernel) {
    let all: Vec<(Block, Inst)> = k.iter_insts().collect();
    let users = edit::users(k);
    let (mut pairs, mut conditions) = (Vec::new(), Vec::new());
    for (block, i) in all {
        let below = match &k.insts[i].op {
            Op::Math { func: MathFn::Rcp, args, .. } => args[0],
            Op::Binary { op: BinOp::FDiv, a, b, .. } if k.as_const(*a).is_some() => *b,
            _ => continue,
        };
        let Some(r) = k.insts[i].result.filter(|&r| matches!(k.ty(r), Type::F32 | Type::F64)) else {
            continue;
        };
        let inside = only_for(k, &users, block, i, below);
        let divides = |&i: &Inst| match &k.insts[i].op {
            Op::Binary { op: BinOp::FDiv, b, .. } => k.as_const(*b).is_none(),
            op => matches!(op, Op::Math { func: MathFn::Rcp, .. }),
        };
        if !inside.iter().any(divides) {
            continue;
        }
        let at = edit::behind(k, r);
        let mut b = KernelBuilder::new(k);
        b.at = at;
        b.loc = b.k.insts[i].loc;
        let ty = b.k.ty(r);
        let zero = b.k.zero(ty);
        let finite = b.fcmp(FloatPred::Une, r, zero);
        // The same once more, of which only the derivative is used, and that if it is chosen.
        let mut copies: HashMap<Value, Value> = HashMap::new();
        for &c in inside.iter().chain([&i]) {
            let mut op = b.k.insts[c].op.clone();
            op.map_operands(|v| copies.get(&v).copied().unwrap_or(v));
            let result = b.k.insts[c].result.expect("pure instructions have results");
            let ty = b.k.ty(result);
            let copy = b.value(op, ty);
            copies.insert(result, copy);
        }
        let slope = b.select(finite, copies[&r], zero);
        pairs.push((r, edit::pinned(&mut b, r, slope)));
        conditions.push(finite);
    }
    edit::replace_by_own(k, &pairs);
    for (finite, (r, pin)) in conditions.into_iter().zip(pairs) {
        edit::put_back(k, finite, pin, r);
    }
}

fn guard(k: &mut Kernel, users: &Users, block: Block, select: Inst, side: Value, chosen: bool) -> bool {
    let Op::Select { cond, .. } = k.insts[select].op else { return false };
    let inside = only_for(k, users, block, select, side);
    if !inside.iter().any(|&i| is_steep(k, i)) {
        return false;
    }
    let inner: HashSet<Inst> = inside.iter().copied().collect();
    let mut entering: Vec<Value> = Vec::new();
    for &i in &inside {
        for v in k.insts[i].op.operands() {
            let own = k.def_inst(v).is_some_and(|d| inner.contains(&d));
            if k.ty(v).is_float() && k.as_const(v).is_none() && !own && !entering.contains(&v) {
                entering.push(v);
            }
        }
    }
    // Nothing else uses them, so they may stand right before the choice, behind its condition.
    k.blocks[block].insts.retain(|i| !inner.contains(i));
    let mut pins: HashMap<Value, Value> = HashMap::new();
    for v in entering {
        let at = k.blocks[block].insts.iter().position(|&i| i == select).expect("in its block");
        let ty = k.ty(v);
        let zero = k.zero(ty);
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(block, at);
        b.loc = b.k.insts[select].loc;
        let slope = if chosen { b.select(cond, v, zero) } else { b.select(cond, zero, v) };
        pins.insert(v, edit::pinned(&mut b, v, slope));
    }
    let at = k.blocks[block].insts.iter().position(|&i| i == select).expect("in its block");
    k.blocks[block].insts.splice(at..at, inside.iter().copied());
    for &i in &inside {
        k.insts[i].op.map_operands(|v| pins.get(&v).copied().unwrap_or(v));
    }
    true
}

/// The instructions of the block that nothing needs but one side of a select, or the operand of another instruction, in order.
fn only_for(k: &Kernel, users: &Users, block: Block, select: Inst, side: Value) -> Vec<Inst> {
    let cond = match k.insts[select].op {
        Op::Select { cond, .. } => Some(cond),
        _ => None,
    };
    let Some(last) = k.def_inst(side).filter(|_| Some(side) != cond) else { return Vec::new() };
    let insts = &k.blocks[block].insts;
    let (Some(from), Some(to)) =
        (insts.iter().position(|&i| i == last), insts.iter().position(|&i| i == select))
    else {
        return Vec::new();
    };
    let mut inside: HashSet<Inst> = HashSet::new();
    for &i in insts[..to.min(from + 1)].iter().rev() {
        let Some(r) = k.insts[i].result else { continue };
        let movable = k.insts[i].op.is_pure() && !matches!(k.insts[i].op, Op::Phi { .. });
        let own = |u: &Inst| inside.contains(u) || i == last && *u == select;
        if movable && !users[r].is_empty() && users[r].iter().all(own) {
            inside.insert(i);
        } else if i == last {
            return Vec::new();
        }
    }
    insts.iter().copied().filter(|i| inside.contains(i)).collect()
}

/// True for what may have infinite slopes, or factors that are no numbers.
fn is_steep(k: &Kernel, i: Inst) -> bool {
    use MathFn::*;
    let from_bits = |v: &Value| match k.def_op(*v) {
        Some(Op::Cast { op: CastOp::Bitcast, a, .. }) => k.ty(*a).is_int(),
        Some(Op::Math { func: Pin, args, .. }) => {
            matches!(k.def_op(args[0]), Some(Op::Cast { op: CastOp::Bitcast, .. }))
        }
        _ => false,
    };
    match &k.insts[i].op {
        Op::Binary { op: BinOp::FDiv, b, .. } => k.as_const(*b).is_none(),
        Op::Binary { op: BinOp::FRem, .. } => true,
        Op::Binary { op: BinOp::FMul, a, b, .. } => from_bits(a) || from_bits(b),
        Op::Math { func: Fma | Mul, args, .. } => args.iter().take(2).any(|v| from_bits(v)),
        Op::Math { func, .. } => !matches!(
            func,
            Add | Sub
                | Fabs
                | Fmax
                | Fmin
                | Fmaximum
                | Fminimum
                | Copysign
                | Floor
                | Ceil
                | Trunc
                | Round
                | Rint
                | Saturate
                | Sin
                | Cos
                | Tanh
                | Atan
                | Convert
                | Pin
                | Opaque
                | FromInt
                | FromUint
                | ToInt
                | ToUint
                | IsNan
                | IsInf
                | IsFinite
                | SignBit
        ),
        _ => false,
    }
}
