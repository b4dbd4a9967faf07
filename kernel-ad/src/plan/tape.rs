//! Records on the tape, and how large it must be.

use super::Plan;
use crate::canon::Regions;
use crate::cfg::LoopId;
use crate::facts::trip::{affine, trip, DefBlocks, Test};
use crate::kernel::*;
use shadow_mem::Expr;

/// What one iteration of a loop writes to the tape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Values with their offsets in the record.
    pub slots: Vec<(Value, u64)>,
    /// Size of the record.
    pub bytes: u64,
    /// Alignment of the record.
    pub align: u64,
}

/// Bytes of a value on the tape.
pub fn slot_bytes(k: &Kernel, ty: Type) -> u64 {
    k.room(ty).next_power_of_two()
}

impl Frame {
    /// Lays values out, large ones first, so that there is no padding between them.
    pub fn lay_out(k: &Kernel, values: &[Value]) -> Frame {
        let mut sorted = values.to_vec();
        sorted.sort_by_key(|&v| (std::cmp::Reverse(slot_bytes(k, k.ty(v))), v));
        let mut at = 0;
        let mut slots = Vec::new();
        for v in sorted {
            slots.push((v, at));
            at += slot_bytes(k, k.ty(v));
        }
        let align = slots.first().map_or(1, |(v, _)| slot_bytes(k, k.ty(*v)));
        Frame { slots, bytes: at, align }
    }
}

/// What the augmented kernel leaves at the start of the tape for the reverse kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Root {
    /// Values saved outside of loops.
    pub frame: Frame,
    /// Where in it the end of the tape is noted, if loops write records.
    pub position: Option<u64>,
}

impl Root {
    /// Lays values out, and behind them the position if one is wanted.
    pub fn lay_out(k: &Kernel, values: &[Value], position: bool) -> Root {
        let mut frame = Frame::lay_out(k, values);
        let position = position.then(|| {
            let at = frame.bytes.next_multiple_of(8);
            (frame.bytes, frame.align) = (at + 8, frame.align.max(8));
            at
        });
        Root { frame, position }
    }
}

/// Bytes at the start of the tape that no loop's record may use.
pub fn root_bytes(plan: &Plan) -> u64 {
    plan.root.as_ref().map_or(0, |r| r.frame.bytes.next_multiple_of(tape_align(plan)))
}

/// Largest alignment of all records: every record's size is rounded up to it.
pub fn tape_align(plan: &Plan) -> u64 {
    let root = plan.root.iter().map(|r| &r.frame);
    plan.frames.values().chain(root).map(|f| f.align).max().unwrap_or(1)
}

/// An upper bound for the bytes that a thread writes, when the loops around all records are counted by constants,
/// scalar parameters and the launch.
pub fn tape_need(k: &Kernel, regions: &Regions, blocks: &DefBlocks, plan: &Plan) -> Option<Expr> {
    let align = tape_align(plan);
    let mut terms = vec![Expr::Const(root_bytes(plan) as i64)];
    for (&l, f) in &plan.frames {
        let mut factors = vec![Expr::Const(f.bytes.next_multiple_of(align) as i64)];
        for outer in regions.enclosing(Some(l)) {
            factors.push(iterations(k, regions, blocks, outer)?);
        }
        terms.push(Expr::Mul(factors));
    }
    Some(fold(Expr::Add(terms)))
}

/// Upper bound for how often the header is entered: one more than the last count.
fn iterations(k: &Kernel, regions: &Regions, blocks: &DefBlocks, l: LoopId) -> Option<Expr> {
    let known = Known { k, regions, blocks };
    let t = trip(k, regions, blocks, l)?;
    let (init, bound) = (known.bounds(t.init, 0)?, known.bounds(t.bound, 0)?);
    let start = |e: Expr| fold(Expr::Add(vec![e, Expr::Const(t.offset)]));
    // Distances are taken between plain integers: unsigned bounds that were negative would count wrongly.
    let (distance, inclusive) = match t.test {
        Test::Equal if t.step > 0 => (minus(bound.1, start(init.0)), false),
        Test::Equal => (minus(start(init.1), bound.0), false),
        Test::NotEqual => (Expr::Const(1), false),
        Test::Up { signed: true, inclusive } => (minus(bound.1, start(init.0)), inclusive),
        Test::Down { signed: true, inclusive } => (minus(start(init.1), bound.0), inclusive),
        Test::Up { .. } | Test::Down { .. } => return None,
    };
    // A constant distance that is negative would mean a loop that goes all the way around.
    if matches!((&t.test, fold(distance.clone())), (Test::Equal, Expr::Const(d)) if d < 0) {
        return None;
    }
    let step = i64::try_from(t.step.unsigned_abs()).ok()?;
    let count =
        if step == 1 { distance } else { Expr::CeilDiv(Box::new(distance), Box::new(Expr::Const(step))) };
    let one_more = 1 + i64::from(inclusive);
    Some(fold(Expr::Add(vec![Expr::Max(vec![fold(count), Expr::Const(0)]), Expr::Const(one_more)])))
}

fn minus(a: Expr, b: Expr) -> Expr {
    fold(Expr::Add(vec![a, Expr::Mul(vec![Expr::Const(-1), b])]))
}

/// What bounds are derived from.
struct Known<'a> {
    k: &'a Kernel,
    regions: &'a Regions,
    blocks: &'a DefBlocks,
}

impl Known<'_> {
    /// A variable that steps by a constant through a counted loop lies between its start and its last value.
    fn stepped(&self, v: Value, depth: u32) -> Option<(Expr, Expr)> {
        let a = affine(self.k, self.regions, self.blocks, v)?;
        let mut step = 0i64;
        for (s, minus) in &a.steps {
            let s = self.k.as_int(*s)?;
            step = step.checked_add(if *minus { s.checked_neg()? } else { s })?;
        }
        let (low, high) = self.bounds(a.init, depth + 1)?;
        // One step less than the number of times that the header is entered.
        let runs =
            fold(Expr::Add(vec![iterations(self.k, self.regions, self.blocks, a.l)?, Expr::Const(-1)]));
        let way = fold(Expr::Mul(vec![Expr::Const(step), runs]));
        Some(if step >= 0 {
            (low, fold(Expr::Add(vec![high, way])))
        } else {
            (fold(Expr::Add(vec![low, way])), high)
        })
    }

    /// Lower and upper bound of an integer, read as signed.
    fn bounds(&self, v: Value, depth: u32) -> Option<(Expr, Expr)> {
        let k = self.k;
        if depth > 8 {
            return None;
        }
        let both = |e: Expr| Some((e.clone(), e));
        if let Some(c) = k.as_int(v) {
            return both(Expr::Const(c));
        }
        if let ValueDef::Param(i) = k.values[v].def {
            return if matches!(k.ty(v), Type::Int(8 | 16 | 32 | 64)) { both(Expr::Param(i)) } else { None };
        }
        let zero_to = |e: Expr| Some((Expr::Const(0), fold(Expr::Add(vec![e, Expr::Const(-1)]))));
        match k.def_op(v)? {
            Op::Special(Special::BlockDim(a)) => both(Expr::BlockDim(*a)),
            Op::Special(Special::GridDim(a)) => both(Expr::GridDim(*a)),
            Op::Special(Special::ThreadId(a)) => zero_to(Expr::BlockDim(*a)),
            Op::Special(Special::BlockId(a)) => zero_to(Expr::GridDim(*a)),
            Op::Cast { op: CastOp::SExt, a, .. } => self.bounds(*a, depth + 1),
            // Zero extension of a possibly negative number is refused, unless it is marked or plainly not negative.
            Op::Cast { op: CastOp::ZExt, a, flags } => {
                let b = self.bounds(*a, depth + 1)?;
                let not_negative = flags.contains(IntFlags::NNEG) || matches!(b.0, Expr::Const(c) if c >= 0);
                if not_negative {
                    Some(b)
                } else {
                    // A negative trip would have wrapped to a huge one; loops guarded by `n > 0` never see it.
                    None
                }
            }
            Op::Freeze { a } => self.bounds(*a, depth + 1),
            Op::Binary { op: BinOp::Add, a, b, flags, .. } if flags.contains(IntFlags::NSW) => {
                let (x, y) = (self.bounds(*a, depth + 1)?, self.bounds(*b, depth + 1)?);
                Some((fold(Expr::Add(vec![x.0, y.0])), fold(Expr::Add(vec![x.1, y.1]))))
            }
            Op::Binary { op: BinOp::Sub, a, b, flags, .. } if flags.contains(IntFlags::NSW) => {
                let (x, y) = (self.bounds(*a, depth + 1)?, self.bounds(*b, depth + 1)?);
                Some((minus(x.0, y.1), minus(x.1, y.0)))
            }
            Op::Binary { op: BinOp::Mul, a, b, flags, .. } if flags.contains(IntFlags::NSW) => {
                let c = k.as_int(*b).filter(|c| *c >= 0)?;
                let x = self.bounds(*a, depth + 1)?;
                let times = |e: Expr| fold(Expr::Mul(vec![Expr::Const(c), e]));
                Some((times(x.0), times(x.1)))
            }
            Op::IntMath { func: IntFn::Smax, args } => {
                let (x, y) = (self.bounds(args[0], depth + 1)?, self.bounds(args[1], depth + 1)?);
                Some((fold(Expr::Max(vec![x.0, y.0])), fold(Expr::Max(vec![x.1, y.1]))))
            }
            Op::IntMath { func: IntFn::Smin, args } => {
                let (x, y) = (self.bounds(args[0], depth + 1)?, self.bounds(args[1], depth + 1)?);
                Some((fold(Expr::Min(vec![x.0, y.0])), fold(Expr::Min(vec![x.1, y.1]))))
            }
            Op::Select { a, b, .. } => {
                let (x, y) = (self.bounds(*a, depth + 1)?, self.bounds(*b, depth + 1)?);
                Some((fold(Expr::Min(vec![x.0, y.0])), fold(Expr::Max(vec![x.1, y.1]))))
            }
            Op::Phi { incoming } => match incoming[..] {
                // Behind its loop.
                [(_, inner)] => self.bounds(inner, depth + 1),
                _ => self.stepped(v, depth),
            },
            _ => None,
        }
    }
}

/// Folds constants.
pub fn fold(e: Expr) -> Expr {
    let constant = |e: &Expr| match e {
        Expr::Const(c) => Some(*c),
        _ => None,
    };
    match e {
        Expr::Add(terms) => {
            let mut sum = 0i64;
            let mut rest = Vec::new();
            let mut flat = Vec::new();
            for t in terms {
                match fold(t) {
                    Expr::Add(inner) => flat.extend(inner),
                    t => flat.push(t),
                }
            }
            for t in flat {
                match constant(&t).and_then(|c| sum.checked_add(c)) {
                    Some(s) => sum = s,
                    None => rest.push(t),
                }
            }
            if sum != 0 || rest.is_empty() {
                rest.push(Expr::Const(sum));
            }
            single(rest, Expr::Add)
        }
        Expr::Mul(factors) => {
            let mut product = 1i64;
            let mut rest = Vec::new();
            for t in factors.into_iter().map(fold) {
                match constant(&t).and_then(|c| product.checked_mul(c)) {
                    Some(p) => product = p,
                    None => rest.push(t),
                }
            }
            if product == 0 {
                return Expr::Const(0);
            }
            if product != 1 || rest.is_empty() {
                rest.insert(0, Expr::Const(product));
            }
            single(rest, Expr::Mul)
        }
        Expr::CeilDiv(a, b) => match (constant(&a), constant(&b)) {
            (Some(x), Some(y)) if y > 0 => Expr::Const(x.div_euclid(y) + i64::from(x.rem_euclid(y) != 0)),
            _ => Expr::CeilDiv(a, b),
        },
        Expr::Max(terms) => extremes(terms, true),
        Expr::Min(terms) => extremes(terms, false),
        e => e,
    }
}

fn extremes(terms: Vec<Expr>, largest: bool) -> Expr {
    let all: Option<Vec<i64>> =
        terms.iter().map(|t| if let Expr::Const(c) = t { Some(*c) } else { None }).collect();
    match all {
        Some(c) if !c.is_empty() => {
            Expr::Const(if largest { *c.iter().max().unwrap_or(&0) } else { *c.iter().min().unwrap_or(&0) })
        }
        _ if largest => Expr::Max(terms),
        _ => Expr::Min(terms),
    }
}

fn single(mut v: Vec<Expr>, wrap: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    if v.len() == 1 {
        v.remove(0)
    } else {
        wrap(v)
    }
}
