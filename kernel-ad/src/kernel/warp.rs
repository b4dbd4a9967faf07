//! What operations among the threads of a warp do with their operands.

use super::{Arch, Kernel, Op, Type, Value, WarpOp};
use smallvec::{smallvec, SmallVec};

impl WarpOp {
    /// Indices of the operands whose values go to other lanes as they are; none for operations that compute.
    pub fn handed_on(self) -> &'static [usize] {
        use WarpOp::*;
        match self {
            ShflIdx | ShflUp | ShflDown | ShflBfly | ShflIdxP | ShflUpP | ShflDownP | ShflBflyP => &[1],
            DsBpermute | DsPermute => &[1],
            ReadFirstLane | ReadLane | DsSwizzle => &[0],
            UpdateDpp => &[0, 1],
            _ => &[],
        }
    }

    /// Indices of the operands that data of the result come from.
    pub fn sources(self) -> &'static [usize] {
        use WarpOp::*;
        match self {
            ReduxAdd | ReduxUMin | ReduxUMax | ReduxSMin | ReduxSMax | ReduxAnd | ReduxOr | ReduxXor => &[1],
            ScatterAdd => &[1],
            op => op.handed_on(),
        }
    }

    /// True for the PTX shuffles: (mask, value, lane, clamp).
    pub fn is_shuffle(self) -> bool {
        use WarpOp::*;
        matches!(self, ShflIdx | ShflUp | ShflDown | ShflBfly | ShflIdxP | ShflUpP | ShflDownP | ShflBflyP)
    }

    /// True for operations that can move two 16-bit floats in one word.
    pub fn moves_pairs(self) -> bool {
        use WarpOp::*;
        let with_predicate = matches!(self, ShflIdxP | ShflUpP | ShflDownP | ShflBflyP);
        !self.handed_on().is_empty() && !with_predicate
    }

    /// True for operations that only keep the lanes of a warp together.
    pub fn only_waits(self) -> bool {
        matches!(self, WarpOp::Sync | WarpOp::WaveBarrier)
    }
}

/// The operands of an operation that are not handed on: they say which lanes take part and who reads from whom.
pub fn steering(op: WarpOp, args: &[Value]) -> SmallVec<[Value; 4]> {
    let mut out: SmallVec<[Value; 4]> = smallvec![];
    out.extend(args.iter().enumerate().filter(|(i, _)| !op.handed_on().contains(i)).map(|(_, &v)| v));
    out
}

impl Kernel {
    /// True when operations of a warp say by a mask which lanes take part. Without one, those do that arrive together.
    pub fn has_lane_masks(&self) -> bool {
        self.source.arch == Arch::Nvptx
    }

    /// Type of a set of lanes.
    pub fn lane_set(&self) -> Type {
        if self.source.warp_size > 32 {
            Type::I64
        } else {
            Type::I32
        }
    }
}

/// The warp operation that an instruction is, and its operands.
pub fn warp_op(op: &Op) -> Option<(WarpOp, &[Value])> {
    match op {
        Op::Warp { op, args } => Some((*op, args)),
        _ => None,
    }
}
