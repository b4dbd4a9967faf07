//! Atomic operations on the bits of floats, as integers.
//!
//! An exchange moves bits, whatever they mean. Of two floats that are not negative, the larger one has the larger bits as a signed
//! integer, and a negative one in memory has smaller bits still; of negative ones, the larger one has the smaller bits as
//! an unsigned integer. So the maximum of such integers is the maximum of the floats, where the sign of the new one is
//! known.

use super::float_behind;
use crate::cfg::{Cfg, DomTree};
use crate::kernel::*;

/// Gives them the type of the floats; true if there was one.
pub(super) fn retype(k: &mut Kernel) -> bool {
    let mut found: Vec<(Block, Inst, RmwOp, Value)> = Vec::new();
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let Op::AtomicRmw { op, val, .. } = k.insts[i].op else { continue };
            let Some(f) = float_behind(k, val) else { continue };
            let sign = || Sign { k, cfg: &cfg, dom: &dom, at: b }.of(f, 0);
            let new = match op {
                RmwOp::Xchg => RmwOp::Xchg,
                RmwOp::Max if sign() == Some(false) => RmwOp::FMax,
                RmwOp::Min if sign() == Some(false) => RmwOp::FMin,
                RmwOp::UMin if sign() == Some(true) => RmwOp::FMax,
                RmwOp::UMax if sign() == Some(true) => RmwOp::FMin,
                _ => continue,
            };
            found.push((b, i, new, f));
        }
    }
    for &(block, i, new, f) in &found {
        let data = k.insts[i].clone();
        let (Op::AtomicRmw { ptr, mem, .. }, Some(r)) = (data.op, data.result) else { continue };
        let at = k.blocks[block].insts.iter().position(|&x| x == i).expect("in its block");
        let mut b = KernelBuilder::new(k);
        b.loc = data.loc;
        b.at = Cursor::At(block, at);
        let ty = b.k.ty(f);
        let old = b.value(Op::AtomicRmw { op: new, ptr, val: f, mem }, ty);
        // The instruction itself becomes the integer that its users know.
        let _ = r;
        k.insts[i].op = Op::Cast { op: CastOp::Bitcast, a: old, flags: IntFlags::empty() };
    }
    !found.is_empty()
}

/// What is known of the sign of a float in a block.
struct Sign<'a> {
    k: &'a Kernel,
    cfg: &'a Cfg,
    dom: &'a DomTree,
    at: Block,
}

impl Sign<'_> {
    /// True for negative, false for positive (or zero, or NaN).
    fn of(&self, v: Value, depth: u32) -> Option<bool> {
        let k = self.k;
        if depth > 8 {
            return None;
        }
        if let Some(Const::Float(bits)) = k.as_const(v) {
            let width = 8 * k.bytes(k.ty(v));
            return Some((bits >> (width - 1)) & 1 == 1);
        }
        let positive = |v: Value| self.of(v, depth + 1) == Some(false);
        let by_itself = match k.def_op(v)? {
            Op::Math { func, args, .. } => {
                use MathFn::*;
                match func {
                    Fabs | Exp | Exp2 | Exp10 | Cosh | Erfc | Saturate | Hypot | Normcdf => true,
                    Sqrt | Rsqrt => positive(args[0]),
                    Fmax => args.iter().any(|&a| positive(a)),
                    Fmin => args.iter().all(|&a| positive(a)),
                    Fma => {
                        (args[0] == args[1] || (positive(args[0]) && positive(args[1]))) && positive(args[2])
                    }
                    _ => false,
                }
            }
            Op::Binary { op: BinOp::FMul, a, b, .. } => a == b || (positive(*a) && positive(*b)),
            Op::Binary { op: BinOp::FAdd | BinOp::FDiv, a, b, .. } => positive(*a) && positive(*b),
            Op::Cast { op: CastOp::UiToFp, .. } => true,
            Op::Cast { op: CastOp::FpExt | CastOp::FpTrunc, a, .. } => return self.of(*a, depth + 1),
            Op::FNeg { a, .. } => return self.of(*a, depth + 1).map(|negative| !negative),
            Op::Select { a, b, .. } => {
                let (x, y) = (self.of(*a, depth + 1)?, self.of(*b, depth + 1)?);
                return (x == y).then_some(x);
            }
            _ => false,
        };
        if by_itself {
            return Some(false);
        }
        self.tested(v)
    }

    /// What a test on the way to the block says.
    fn tested(&self, v: Value) -> Option<bool> {
        let k = self.k;
        let mut block = self.at;
        while let Some(above) = self.dom.idom(block) {
            if let Op::CondBr { cond, then, els } = k.insts[k.terminator(above)].op {
                let only = self.cfg.preds(block) == [above] && then != els;
                if only && (block == then || block == els) {
                    if let Some(s) = self.implied(cond, block == then, v) {
                        return Some(s);
                    }
                }
            }
            block = above;
        }
        None
    }

    /// The sign of `v` when `cond` is `truth`. A zero of the other sign counts as tested: its bits are the one case in
    /// which the integer operation goes wrong itself.
    fn implied(&self, cond: Value, truth: bool, v: Value) -> Option<bool> {
        let k = self.k;
        match k.def_op(cond)? {
            Op::FCmp { pred, a, b, .. } if *a == v && is_zero(k, *b) => {
                use FloatPred::*;
                match (pred, truth) {
                    (Oge | Ogt, true) | (Ult | Ule, false) => Some(false),
                    (Olt, true) | (Uge, false) => Some(true),
                    // What fails these may be NaN; its bits would not be ordered.
                    _ => None,
                }
            }
            Op::ICmp { pred, a, b } if float_behind(k, *a) == Some(v) => match (pred, k.as_int(*b)?, truth) {
                (IntPred::Slt, 0, t) => Some(t),
                (IntPred::Sgt, -1, t) => Some(!t),
                (IntPred::Sge, 0, t) => Some(!t),
                _ => None,
            },
            Op::ICmp { pred, a, b } => match (k.def_op(*a)?, pred, k.as_int(*b)?) {
                (Op::Math { func: MathFn::SignBit, args, .. }, IntPred::Eq, 0) if args[0] == v => {
                    Some(!truth)
                }
                (Op::Math { func: MathFn::SignBit, args, .. }, IntPred::Ne, 0) if args[0] == v => Some(truth),
                _ => None,
            },
            Op::Binary { op: BinOp::Xor, a, b, .. } if k.as_int(*b).is_some_and(|c| c != 0) => {
                self.implied(*a, !truth, v)
            }
            _ => None,
        }
    }
}

fn is_zero(k: &Kernel, v: Value) -> bool {
    matches!(k.as_const(v), Some(Const::Float(bits)) if *bits == 0)
        || matches!((k.as_const(v), k.ty(v)), (Some(Const::Float(b)), t) if *b == 1 << (8 * k.bytes(t) - 1))
}
