//! Induction variables, and how often loops run.

use crate::canon::Regions;
use crate::cfg::LoopId;
use crate::kernel::*;

/// A header phi that changes by the same amount in every iteration: `init + count * sum(steps)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Affine {
    /// The loop.
    pub l: LoopId,
    /// Value in iteration 0, defined outside of the loop.
    pub init: Value,
    /// What is added in each iteration (or taken away: true); loop-invariant. Byte offsets for a pointer.
    pub steps: Vec<(Value, bool)>,
}

/// True when the value is the same in all iterations of the loop.
pub fn is_invariant(k: &Kernel, regions: &Regions, blocks: &DefBlocks, l: LoopId, v: Value) -> bool {
    match k.def_inst(v) {
        None => true,
        Some(_) => blocks.of(v).is_some_and(|b| !regions.within(regions.of[b], Some(l))),
    }
}

/// The block of every instruction's result.
#[derive(Clone, Debug)]
pub struct DefBlocks {
    of: cranelift_entity::SecondaryMap<Value, Option<Block>>,
}

impl DefBlocks {
    /// Finds them.
    pub fn new(k: &Kernel) -> DefBlocks {
        let mut of = cranelift_entity::SecondaryMap::new();
        for (b, i) in k.iter_insts() {
            if let Some(r) = k.insts[i].result {
                of[r] = Some(b);
            }
        }
        DefBlocks { of }
    }

    /// The block that defines a value; `None` for parameters and constants.
    pub fn of(&self, v: Value) -> Option<Block> {
        self.of[v]
    }

    /// The loop that a value is defined in.
    pub fn region(&self, regions: &Regions, v: Value) -> Option<LoopId> {
        self.of[v].and_then(|b| regions.of[b])
    }
}

/// Recognises a header phi as affine.
pub fn affine(k: &Kernel, regions: &Regions, blocks: &DefBlocks, phi: Value) -> Option<Affine> {
    let block = blocks.of(phi)?;
    let l = regions.headed_by(block)?;
    let Some(Op::Phi { incoming }) = k.def_op(phi) else { return None };
    let from = |b: Block| incoming.iter().find(|(p, _)| *p == b).map(|(_, v)| *v);
    let init = from(regions.loops[l].preheader)?;
    let mut at = from(regions.loops[l].latch)?;
    let mut steps = Vec::new();
    for _ in 0..16 {
        if at == phi {
            return Some(Affine { l, init, steps });
        }
        let invariant = |v: Value| is_invariant(k, regions, blocks, l, v);
        match k.def_op(at)? {
            Op::Binary { op: BinOp::Add, a, b, .. } if invariant(*b) => {
                steps.push((*b, false));
                at = *a;
            }
            Op::Binary { op: BinOp::Add, a, b, .. } if invariant(*a) => {
                steps.push((*a, false));
                at = *b;
            }
            Op::Binary { op: BinOp::Sub, a, b, .. } if invariant(*b) => {
                steps.push((*b, true));
                at = *a;
            }
            Op::PtrAdd { ptr, offset, .. } if invariant(*offset) => {
                steps.push((*offset, false));
                at = *ptr;
            }
            _ => return None,
        }
    }
    None
}

/// A header phi that is shifted by the same number of bits in every iteration: the step of a reduction that halves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shifts {
    /// The loop.
    pub l: LoopId,
    /// Value in iteration 0, defined outside of the loop.
    pub init: Value,
    /// Shift to the left, to the right, or to the right with the sign.
    pub op: BinOp,
    /// Bits of one iteration; less than the width.
    pub bits: u32,
}

/// Recognises a header phi that is shifted.
pub fn shifts(k: &Kernel, regions: &Regions, blocks: &DefBlocks, phi: Value) -> Option<Shifts> {
    let l = regions.headed_by(blocks.of(phi)?)?;
    let Some(Op::Phi { incoming }) = k.def_op(phi) else { return None };
    let from = |b: Block| incoming.iter().find(|(p, _)| *p == b).map(|(_, v)| *v);
    let init = from(regions.loops[l].preheader)?;
    let Type::Int(width) = k.ty(phi) else { return None };
    match k.def_op(from(regions.loops[l].latch)?)? {
        &Op::Binary { op: op @ (BinOp::Shl | BinOp::LShr | BinOp::AShr), a, b, .. } if a == phi => {
            let bits = u32::try_from(k.as_int(b)?).ok().filter(|&n| n > 0 && n < u32::from(width))?;
            Some(Shifts { l, init, op, bits })
        }
        _ => None,
    }
}

/// When a loop ends: in the first iteration `k` in which `init + offset + k * step` reaches the bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trip {
    /// Start of the tested variable, outside of the loop.
    pub init: Value,
    /// Constant added to it before the test.
    pub offset: i64,
    /// Constant step; not zero.
    pub step: i64,
    /// What it is compared with, outside of the loop.
    pub bound: Value,
    /// How it ends.
    pub test: Test,
}

/// The test that ends a counted loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// Ends when equal.
    Equal,
    /// Goes on only while equal: once more at most.
    NotEqual,
    /// Ends when not less any more (`inclusive`: when greater), for positive steps.
    Up {
        /// Signed comparison.
        signed: bool,
        /// Goes on at equality.
        inclusive: bool,
    },
    /// Ends when not greater any more (`inclusive`: when less), for negative steps.
    Down {
        /// Signed comparison.
        signed: bool,
        /// Goes on at equality.
        inclusive: bool,
    },
}

/// Recognises a loop with one exit that is tested in every iteration against an invariant bound.
pub fn trip(k: &Kernel, regions: &Regions, blocks: &DefBlocks, l: LoopId) -> Option<Trip> {
    let r = &regions.loops[l];
    let [(from, pad)] = r.exits[..] else { return None };
    if !r.always_tested {
        return None;
    }
    let Op::CondBr { cond, then, els } = k.insts[k.terminator(from)].op else { return None };
    if then == els {
        return None;
    }
    let Some(Op::ICmp { pred, a, b }) = k.def_op(cond) else { return None };
    let invariant = |v: Value| is_invariant(k, regions, blocks, l, v);
    let (mut pred, x, bound) = match (invariant(*a), invariant(*b)) {
        (false, true) => (*pred, *a, *b),
        (true, false) => (swap(*pred), *b, *a),
        _ => return None,
    };
    if els == pad {
        // Stated as the condition to go on; make it the condition to end.
        pred = negate(pred);
    }
    if then != pad && els != pad {
        return None;
    }
    let (phi, offset, _) = strip(k, x);
    let form = affine(k, regions, blocks, phi).filter(|f| f.l == l)?;
    let mut step = 0i64;
    for (s, minus) in &form.steps {
        let s = k.as_int(*s)?;
        step = step.checked_add(if *minus { s.checked_neg()? } else { s })?;
    }
    let no_wrap = wraps_not(k, regions, phi, l);
    let unit = step == 1 || step == -1;
    let test = match (pred, step > 0) {
        (IntPred::Eq, _) if unit => Test::Equal,
        (IntPred::Ne, _) if step != 0 => Test::NotEqual,
        (IntPred::Sge, true) if unit || no_wrap.0 => Test::Up { signed: true, inclusive: false },
        (IntPred::Sgt, true) if no_wrap.0 => Test::Up { signed: true, inclusive: true },
        (IntPred::Uge, true) if unit || no_wrap.1 => Test::Up { signed: false, inclusive: false },
        (IntPred::Ugt, true) if no_wrap.1 => Test::Up { signed: false, inclusive: true },
        (IntPred::Sle, false) if unit || no_wrap.0 => Test::Down { signed: true, inclusive: false },
        (IntPred::Slt, false) if no_wrap.0 => Test::Down { signed: true, inclusive: true },
        (IntPred::Ule, false) if unit => Test::Down { signed: false, inclusive: false },
        _ => return None,
    };
    // The first test must not be of a value that has wrapped already.
    if offset != 0 && !matches!(test, Test::Equal | Test::NotEqual) && !(no_wrap.0 || no_wrap.1) {
        return None;
    }
    (step != 0).then_some(Trip { init: form.init, offset, step, bound, test })
}

/// Takes constant additions off a value: (what is left, sum of the constants, all of them marked no-wrap).
fn strip(k: &Kernel, mut v: Value) -> (Value, i64, bool) {
    let (mut sum, mut nsw) = (0i64, true);
    while let Some(Op::Binary { op: BinOp::Add, a, b, flags, .. }) = k.def_op(v) {
        let Some((c, total)) = k.as_int(*b).and_then(|c| Some((c, sum.checked_add(c)?))) else { break };
        let _ = c;
        sum = total;
        nsw &= flags.contains(IntFlags::NSW);
        v = *a;
    }
    (v, sum, nsw)
}

/// Whether the phi's increment is marked (nsw, nuw).
fn wraps_not(k: &Kernel, regions: &Regions, phi: Value, l: LoopId) -> (bool, bool) {
    let Some(Op::Phi { incoming }) = k.def_op(phi) else { return (false, false) };
    let latch = regions.loops[l].latch;
    let Some((_, next)) = incoming.iter().find(|(p, _)| *p == latch) else { return (false, false) };
    match k.def_op(*next) {
        Some(Op::Binary { flags, .. }) => (flags.contains(IntFlags::NSW), flags.contains(IntFlags::NUW)),
        _ => (false, false),
    }
}

fn swap(p: IntPred) -> IntPred {
    use IntPred::*;
    match p {
        Eq | Ne => p,
        Ugt => Ult,
        Uge => Ule,
        Ult => Ugt,
        Ule => Uge,
        Sgt => Slt,
        Sge => Sle,
        Slt => Sgt,
        Sle => Sge,
    }
}

fn negate(p: IntPred) -> IntPred {
    use IntPred::*;
    match p {
        Eq => Ne,
        Ne => Eq,
        Ugt => Ule,
        Uge => Ult,
        Ult => Uge,
        Ule => Ugt,
        Sgt => Sle,
        Sge => Slt,
        Slt => Sge,
        Sle => Sgt,
    }
}

/// Emits the index of the last iteration, in the type of the tested variable. `at` gives operands.
pub fn emit_trip(b: &mut KernelBuilder<'_>, t: &Trip, init: Value, bound: Value) -> Value {
    let ty = b.k.ty(init);
    let offset = b.k.int(ty, t.offset.into());
    let start = if t.offset == 0 { init } else { b.binary(BinOp::Add, init, offset) };
    let one = b.k.int(ty, 1);
    let zero = b.k.int(ty, 0);
    let (low, high, pred, inclusive) = match t.test {
        Test::Equal => {
            let (x, y) = if t.step > 0 { (bound, start) } else { (start, bound) };
            return b.binary(BinOp::Sub, x, y);
        }
        Test::NotEqual => {
            let same = b.icmp(IntPred::Eq, start, bound);
            return b.select(same, one, zero);
        }
        Test::Up { signed, inclusive } => {
            (start, bound, if signed { IntPred::Slt } else { IntPred::Ult }, inclusive)
        }
        Test::Down { signed, inclusive } => {
            (bound, start, if signed { IntPred::Slt } else { IntPred::Ult }, inclusive)
        }
    };
    let step = b.k.int(ty, i128::from(t.step.unsigned_abs()));
    let distance = b.binary(BinOp::Sub, high, low);
    let runs = if inclusive { or_equal(pred) } else { pred };
    let more = b.icmp(runs, low, high);
    // Not inclusive: ceil(distance / step); inclusive: floor(distance / step) + 1.
    let base = if inclusive { distance } else { b.binary(BinOp::Sub, distance, one) };
    let whole = if t.step.unsigned_abs() == 1 { base } else { b.binary(BinOp::UDiv, base, step) };
    let count = b.binary(BinOp::Add, whole, one);
    b.select(more, count, zero)
}

fn or_equal(p: IntPred) -> IntPred {
    match p {
        IntPred::Slt => IntPred::Sle,
        _ => IntPred::Ule,
    }
}
