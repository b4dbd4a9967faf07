//! Values that are cheaper to make again than to keep across a cut: thread coordinates and integer arithmetic on them.
//! Addresses made from a thread's own number also tell LLVM that neighbouring threads touch neighbouring words.

use crate::kernel::*;
use std::collections::HashMap;

/// Instructions that may be spent on making one value again.
const MOST: u32 = 12;

/// For every value, whether it can be made again anywhere from parameters, coordinates and constants.
pub(super) struct Cheap<'k> {
    k: &'k Kernel,
    cost: HashMap<Value, Option<u32>>,
}

impl<'k> Cheap<'k> {
    pub fn new(k: &'k Kernel) -> Cheap<'k> {
        let mut cheap = Cheap { k, cost: HashMap::new() };
        for v in k.values.keys() {
            cheap.visit(v);
        }
        cheap
    }

    /// True when the value is the result of an instruction that is made again where it is needed.
    pub fn holds(&self, v: Value) -> bool {
        matches!(self.k.values[v].def, ValueDef::Inst(_)) && self.cost.get(&v).is_some_and(Option::is_some)
    }

    fn visit(&mut self, v: Value) -> Option<u32> {
        if let Some(&known) = self.cost.get(&v) {
            return known;
        }
        let cost = match self.k.values[v].def {
            ValueDef::Param(_) | ValueDef::Const(_) => Some(0),
            ValueDef::Inst(i) => {
                // A cycle can only go through a phi, which is never cheap.
                let op = &self.k.insts[i].op;
                let total = repeatable(self.k, op).then(|| {
                    op.operands().iter().try_fold(1u32, |sum, &o| Some(sum.saturating_add(self.visit(o)?)))
                });
                total.flatten().filter(|&c| c <= MOST)
            }
        };
        self.cost.insert(v, cost);
        cost
    }
}

fn repeatable(k: &Kernel, op: &Op) -> bool {
    let int = |v: Value| matches!(k.ty(v), Type::Int(_) | Type::Ptr(_));
    match op {
        Op::Alloca { .. } => true,
        Op::Special(s) => !matches!(s, Special::Clock),
        Op::Binary { op, a, b, .. } => {
            let divides = matches!(op, BinOp::UDiv | BinOp::SDiv | BinOp::URem | BinOp::SRem);
            // A division is made where the kernel would perhaps not make it: the divisor must be harmless.
            int(*a) && (!divides || k.as_int(*b).is_some_and(|n| n > 0))
        }
        Op::Cast { op, a, .. } => {
            int(*a)
                && matches!(
                    op,
                    CastOp::Trunc
                        | CastOp::ZExt
                        | CastOp::SExt
                        | CastOp::PtrToInt
                        | CastOp::IntToPtr
                        | CastOp::AddrSpaceCast
                )
        }
        Op::ICmp { a, .. } => int(*a),
        Op::Select { a, .. } => int(*a),
        Op::PtrAdd { .. } => true,
        Op::Warp { op, .. } => matches!(op, WarpOp::MbcntLo | WarpOp::MbcntHi),
        _ => false,
    }
}
