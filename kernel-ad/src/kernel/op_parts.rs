//! What an instruction is made of and does: its operands, the blocks it names, its effects.

use super::op::*;
use super::{Block, Value};
use smallvec::SmallVec;

impl Op {
    /// True for the five instructions that may end a block.
    pub fn is_terminator(&self) -> bool {
        matches!(self, Op::Br { .. } | Op::CondBr { .. } | Op::Switch { .. } | Op::Ret | Op::Unreachable)
    }

    /// Calls `f` on every value operand, in order.
    pub fn for_each_operand(&self, mut f: impl FnMut(Value)) {
        // One traversal serves reading and rewriting, so that no operand can be forgotten in one of them.
        let mut copy = self.clone();
        copy.map_operands(|v| {
            f(v);
            v
        });
    }

    /// All value operands, in order.
    pub fn operands(&self) -> SmallVec<[Value; 4]> {
        let mut out = SmallVec::new();
        self.for_each_operand(|v| out.push(v));
        out
    }

    /// Replaces every value operand, in order.
    pub fn map_operands(&mut self, mut f: impl FnMut(Value) -> Value) {
        let mut g = |v: &mut Value| *v = f(*v);
        match self {
            Op::Binary { a, b, .. }
            | Op::ICmp { a, b, .. }
            | Op::FCmp { a, b, .. }
            | Op::ShuffleVector { a, b, .. } => {
                g(a);
                g(b);
            }
            Op::FNeg { a, .. } | Op::Freeze { a } | Op::Cast { a, .. } => g(a),
            Op::Select { cond, a, b, .. } => {
                g(cond);
                g(a);
                g(b);
            }
            Op::Phi { incoming } => incoming.iter_mut().for_each(|(_, v)| g(v)),
            Op::PtrAdd { ptr, offset, .. } => {
                g(ptr);
                g(offset);
            }
            Op::Load { ptr, .. } => g(ptr),
            Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. } | Op::Accumulate { ptr, val, .. } => {
                g(ptr);
                g(val);
            }
            Op::MemCopy { dst, src, len, .. } => {
                g(dst);
                g(src);
                g(len);
            }
            Op::MemSet { dst, byte, len, .. } => {
                g(dst);
                g(byte);
                g(len);
            }
            Op::CmpXchg { ptr, expected, new, .. } => {
                g(ptr);
                g(expected);
                g(new);
            }
            Op::ExtractElement { vec, index } => {
                g(vec);
                g(index);
            }
            Op::InsertElement { vec, elem, index } => {
                g(vec);
                g(elem);
                g(index);
            }
            Op::ExtractValue { agg, .. } => g(agg),
            Op::InsertValue { agg, elem, .. } => {
                g(agg);
                g(elem);
            }
            Op::Math { args, .. } | Op::IntMath { args, .. } => args.iter_mut().for_each(g),
            Op::Warp { args, .. } | Op::Asm { args, .. } | Op::Call { args, .. } => {
                args.iter_mut().for_each(g)
            }
            Op::Barrier { id, count, pred, .. } => [id, count, pred].into_iter().flatten().for_each(g),
            Op::TapeStore { offset, val } => {
                g(offset);
                g(val);
            }
            Op::TapeLoad { offset } => g(offset),
            Op::CondBr { cond, .. } => g(cond),
            Op::Switch { val, .. } => g(val),
            Op::Alloca { .. }
            | Op::Fence { .. }
            | Op::Special(_)
            | Op::Trap
            | Op::Br { .. }
            | Op::Ret
            | Op::Unreachable => {}
        }
    }

    /// The blocks a terminator may go to, in order, without repetition.
    pub fn successors(&self) -> SmallVec<[Block; 2]> {
        let mut out: SmallVec<[Block; 2]> = SmallVec::new();
        let mut push = |b: Block| {
            if !out.contains(&b) {
                out.push(b);
            }
        };
        match self {
            Op::Br { to } => push(*to),
            Op::CondBr { then, els, .. } => {
                push(*then);
                push(*els);
            }
            Op::Switch { default, cases, .. } => {
                push(*default);
                cases.iter().for_each(|(_, b)| push(*b));
            }
            _ => {}
        }
        out
    }

    /// Replaces the targets of a terminator, and the predecessors named by a phi.
    pub fn map_blocks(&mut self, mut f: impl FnMut(Block) -> Block) {
        match self {
            Op::Br { to } => *to = f(*to),
            Op::CondBr { then, els, .. } => {
                *then = f(*then);
                *els = f(*els);
            }
            Op::Switch { default, cases, .. } => {
                *default = f(*default);
                cases.iter_mut().for_each(|(_, b)| *b = f(*b));
            }
            Op::Phi { incoming } => incoming.iter_mut().for_each(|(b, _)| *b = f(*b)),
            _ => {}
        }
    }

    /// True when the instruction may write memory, synchronise, or be seen from outside: it may not be removed or repeated.
    pub fn has_side_effects(&self) -> bool {
        match self {
            Op::Store { .. }
            | Op::MemCopy { .. }
            | Op::MemSet { .. }
            | Op::AtomicRmw { .. }
            | Op::CmpXchg { .. }
            | Op::Fence { .. }
            | Op::Barrier { .. }
            | Op::Warp { .. }
            | Op::TapeStore { .. }
            | Op::Accumulate { .. }
            | Op::Call { .. }
            | Op::Trap => true,
            Op::Load { mem, .. } => mem.volatile || mem.ordering.is_some(),
            Op::Asm { side_effects, .. } => *side_effects,
            op => op.is_terminator(),
        }
    }

    /// True when the result depends on the operands (and the thread's coordinates) alone, so that it can be recomputed
    /// anywhere that they are at hand. A load is not pure.
    pub fn is_pure(&self) -> bool {
        match self {
            Op::Binary { .. }
            | Op::FNeg { .. }
            | Op::ICmp { .. }
            | Op::FCmp { .. }
            | Op::Cast { .. }
            | Op::Select { .. }
            | Op::PtrAdd { .. }
            | Op::ExtractElement { .. }
            | Op::InsertElement { .. }
            | Op::ShuffleVector { .. }
            | Op::ExtractValue { .. }
            | Op::InsertValue { .. }
            | Op::Math { .. }
            | Op::IntMath { .. } => true,
            Op::Special(s) => !matches!(s, Special::Clock),
            _ => false,
        }
    }
}
