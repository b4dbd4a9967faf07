//! What a select does not choose has no derivative, however it was computed.
//!
//! Compilers compute both sides of a choice in advance where a branch would have computed one: `x > 0 ? x * logf(x) : 0` takes the logarithm of 0 too.
//! Its adjoint there is zero, but zero times an infinite slope is no number. So where a side holds something
//! with slopes that may be infinite, what goes into that side is pinned to itself if it is chosen, else to zero.

use super::edit::{self, Users};
use crate::kernel::*;
use smallvec::smallvec;
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
    let mut pinned: HashMap<Value, Value> = HashMap::new();
    for v in entering {
        let at = k.blocks[block].insts.iter().position(|&i| i == select).expect("in its block");
        let ty = k.ty(v);
        let zero = k.zero(ty);
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(block, at);
        b.loc = b.k.insts[select].loc;
        let slope = if chosen { b.select(cond, v, zero) } else { b.select(cond, zero, v) };
        let op = Op::Math {
            func: MathFn::Pin,
            flavor: Flavor::Library,
            args: smallvec![v, slope],
            fmf: Fmf::empty(),
        };
        pinned.insert(v, b.value(op, ty));
    }
    let at = k.blocks[block].insts.iter().position(|&i| i == select).expect("in its block");
    k.blocks[block].insts.splice(at..at, inside.iter().copied());
    for &i in &inside {
        k.insts[i].op.map_operands(|v| pinned.get(&v).copied().unwrap_or(v));
    }
    true
}

/// The instructions of the block that nothing needs but one side of a select, in order.
fn only_for(k: &Kernel, users: &Users, block: Block, select: Inst, side: Value) -> Vec<Inst> {
    let Op::Select { cond, .. } = k.insts[select].op else { return Vec::new() };
    let Some(last) = k.def_inst(side).filter(|_| side != cond) else { return Vec::new() };
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
