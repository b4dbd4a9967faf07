//! How threads tell each other, other than at barriers, that data is there: locks, tickets, flags.

use super::exchange::acquires;
use crate::kernel::*;

/// What an instruction has to do with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// It orders memory by itself.
    Order,
    /// It takes a lock: a constant is replaced by a constant, and the thread looks at what was there.
    Lock,
    /// A fence of the block, in a kernel where threads look at what others have counted or set.
    Fence,
}

/// Barriers of the block and of the warp.
fn is_barrier(op: &Op) -> bool {
    matches!(op, Op::Barrier { .. } | Op::Warp { op: WarpOp::Sync | WarpOp::WaveBarrier, .. })
}

/// What the instruction is, if it is anything of that. `ours` are those that differentiation has put in.
pub fn of(k: &Kernel, i: Inst, ours: &dyn Fn(Inst) -> bool) -> Option<Signal> {
    let op = &k.insts[i].op;
    match op {
        _ if acquires(k, op).is_some() => Some(Signal::Order),
        Op::CmpXchg { expected, new, .. } if is_flag(k, *expected) && is_flag(k, *new) => Some(Signal::Lock),
        Op::AtomicRmw { op: RmwOp::Xchg, val, .. } if is_flag(k, *val) && is_looked_at(k, i) => {
            Some(Signal::Lock)
        }
        Op::Fence { scope, .. } if scope.level == ScopeLevel::Block && !beside(k, i, &is_barrier) => {
            let told = |(_, i): (Block, Inst)| match &k.insts[i].op {
                _ if ours(i) => false,
                Op::AtomicRmw { .. } | Op::CmpXchg { .. } => is_looked_at(k, i),
                Op::Load { mem, .. } => {
                    let flag = k.insts[i].result.is_some_and(|r| k.ty(r).is_int());
                    flag && mem.volatile
                }
                _ => false,
            };
            k.iter_insts().any(told).then_some(Signal::Fence)
        }
        _ => None,
    }
}

/// A fence that belongs to a barrier of the block.
pub fn beside_barrier(k: &Kernel, fence: Inst) -> bool {
    beside(k, fence, &|op| matches!(op, Op::Barrier { .. }))
}

/// True when nothing that touches memory stands between a fence and a barrier.
fn beside(k: &Kernel, fence: Inst, barrier: &dyn Fn(&Op) -> bool) -> bool {
    let insts = k.layout.iter().map(|&b| &k.blocks[b].insts).find(|insts| insts.contains(&fence));
    let Some((insts, at)) = insts.and_then(|insts| Some((insts, insts.iter().position(|&i| i == fence)?)))
    else {
        return false;
    };
    let op = |i: &Inst| &k.insts[*i].op;
    let passes = |i: &&Inst| {
        matches!(op(i), Op::Fence { .. } | Op::TapeStore { .. })
            || !(op(i).has_side_effects() || matches!(op(i), Op::Load { .. }))
    };
    let meets = |i: Option<&Inst>| i.is_some_and(|i| barrier(op(i)));
    meets(insts[..at].iter().rev().find(|i| !passes(i))) || meets(insts[at + 1..].iter().find(|i| !passes(i)))
}

/// An integer constant: what a lock holds.
fn is_flag(k: &Kernel, v: Value) -> bool {
    k.ty(v).is_int() && k.as_int(v).is_some()
}

fn is_looked_at(k: &Kernel, i: Inst) -> bool {
    k.insts[i].result.is_some_and(|r| k.iter_insts().any(|(_, u)| k.insts[u].op.operands().contains(&r)))
}
