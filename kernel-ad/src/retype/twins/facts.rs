//! What integers have to do with the bits of floats.

use crate::facts::bits::possible_bits;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

/// A mantissa of fewer bits than that is no number to differentiate: bfloat16, the coarsest format, has seven.
pub const FEWEST: u32 = 7;

/// One integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Nothing.
    Not,
    /// Made from the bits of floats, but only from such as change in jumps: sign, exponent, lowest bits.
    Flat,
    /// A float that was converted to an integer, shifted up by `unit` bits. `exact`: otherwise only added to.
    Number { unit: u32, exact: bool },
    /// The bits `low..high` are the upper bits of a mantissa, or all of it. `exact`: and nothing but shifted and masked.
    Mantissa { low: u32, high: u32, exact: bool },
    /// Made from the bits of floats in a way that has no known derivative.
    Opaque,
}

use Fact::*;

impl Fact {
    fn is_bits(self) -> bool {
        matches!(self, Flat | Mantissa { .. } | Opaque)
    }

    /// Either of two, as of a phi, or both in sums.
    fn join(self, other: Fact) -> Fact {
        match (self, other) {
            (a, b) if a == b => a,
            (Opaque, _) | (_, Opaque) => Opaque,
            (Not | Flat, b @ (Number { .. } | Mantissa { .. })) => b,
            (a @ (Number { .. } | Mantissa { .. }), Not | Flat) => a,
            (Not | Flat, Not | Flat) => Flat,
            (Number { unit: u, exact: a }, Number { unit: v, exact: b }) => {
                Number { unit: u.min(v), exact: a && b }
            }
            (Mantissa { low: a, high: b, exact: x }, Mantissa { low: c, high: d, exact: y }) => {
                Mantissa { low: a.min(c), high: b.max(d), exact: x && y && (a, b) == (c, d) }
            }
            _ => Opaque,
        }
    }

    fn plus(self, other: Fact) -> Fact {
        match (self, other) {
            // Whole powers of two are added to an exponent.
            (m @ Mantissa { high, .. }, Number { unit, .. })
            | (Number { unit, .. }, m @ Mantissa { high, .. })
                if unit >= high =>
            {
                m
            }
            (Number { .. }, Mantissa { .. }) | (Mantissa { .. }, Number { .. }) => Opaque,
            (a, b) => a.join(b),
        }
    }
}

/// Bits of a mantissa, its own exponent not counted.
pub fn mantissa(f: FloatTy) -> u32 {
    match f {
        FloatTy::F16 => 10,
        FloatTy::Bf16 => 7,
        FloatTy::F32 => 23,
        FloatTy::F64 => 52,
    }
}

/// Facts of all integers, by iteration to a fixed point.
pub fn facts(k: &Kernel) -> SecondaryMap<Value, Fact> {
    let mut of: SecondaryMap<Value, Fact> = SecondaryMap::with_default(Not);
    let roots = roots(k);
    let mut memory: HashMap<Value, Fact> = HashMap::new();
    loop {
        let mut changed = false;
        for (_, i) in k.iter_insts() {
            let (ptr, val) = match &k.insts[i].op {
                Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. } => (*ptr, *val),
                Op::CmpXchg { ptr, new, .. } => (*ptr, *new),
                _ => continue,
            };
            // What comes back out of memory may be any part of it.
            let held = match of[val] {
                f @ (Not | Flat) => f,
                Number { .. } => Number { unit: 0, exact: false },
                Mantissa { .. } | Opaque => Opaque,
            };
            for &root in roots[ptr].iter().filter(|_| held != Not) {
                let slot = memory.entry(root).or_insert(Not);
                changed |= *slot != slot.join(held);
                *slot = slot.join(held);
            }
        }
        let loaded = |ptr: Value| {
            roots[ptr].iter().fold(Not, |f, root| f.join(memory.get(root).copied().unwrap_or(Not)))
        };
        for (_, i) in k.iter_insts() {
            let Some(r) = k.insts[i].result else { continue };
            if !(k.ty(r).is_int() || matches!(k.ty(r), Type::Agg(_))) {
                continue;
            }
            let seen = match &k.insts[i].op {
                Op::Load { ptr, .. } | Op::AtomicRmw { ptr, .. } => loaded(*ptr),
                _ => visit(k, i, k.ty(r), &of),
            };
            // A phi that was nothing may become anything; all else is computed anew.
            let new = match k.insts[i].op {
                Op::Phi { .. } => cap(of[r].join(seen)),
                _ => cap(seen),
            };
            if of[r] != new {
                of[r] = new;
                changed = true;
            }
        }
        if !changed {
            return of;
        }
    }
}

/// Where pointers come from: variables, parameters, other loads.
fn roots(k: &Kernel) -> SecondaryMap<Value, Vec<Value>> {
    let mut of: SecondaryMap<Value, Vec<Value>> = SecondaryMap::new();
    for (v, d) in k.values.iter().filter(|(_, d)| d.ty.is_ptr()) {
        if !matches!(d.def, ValueDef::Inst(_)) {
            of[v] = vec![v];
        }
    }
    let mut elsewhere: Option<Value> = None;
    loop {
        let mut changed = false;
        for (_, i) in k.iter_insts() {
            let Some(r) = k.insts[i].result.filter(|&r| k.ty(r).is_ptr()) else { continue };
            let from: Vec<Value> = match &k.insts[i].op {
                Op::PtrAdd { ptr, .. } => vec![*ptr],
                Op::Cast { op: CastOp::AddrSpaceCast, a, .. } | Op::Freeze { a } => vec![*a],
                Op::Phi { incoming } => incoming.iter().map(|(_, v)| *v).collect(),
                Op::Select { a, b, .. } => vec![*a, *b],
                _ => Vec::new(),
            };
            let mut all: Vec<Value> = from.iter().flat_map(|&v| of[v].iter().copied()).collect();
            if from.is_empty() {
                // Pointers from memory, or from integers, may point to the same place.
                let alloca = matches!(k.insts[i].op, Op::Alloca { .. });
                all.push(if alloca { r } else { *elsewhere.get_or_insert(r) });
            }
            all.sort();
            all.dedup();
            if of[r] != all {
                of[r] = all;
                changed = true;
            }
        }
        if !changed {
            return of;
        }
    }
}

fn cap(f: Fact) -> Fact {
    match f {
        Mantissa { high, .. } if high > 160 => Opaque,
        Number { unit, .. } if unit > 160 => Opaque,
        f => f,
    }
}

fn visit(k: &Kernel, i: Inst, ty: Type, of: &SecondaryMap<Value, Fact>) -> Fact {
    let op = &k.insts[i].op;
    let Type::Int(width) = ty else {
        let from_floats = matches!(op, Op::Cast { op: CastOp::Bitcast, a, .. } if k.ty(*a).is_float());
        let any = from_floats || op.operands().iter().any(|&v| of[v].is_bits());
        let number = op.operands().iter().any(|&v| matches!(of[v], Number { .. }));
        return match op {
            Op::ICmp { .. } | Op::FCmp { .. } => Not,
            _ if any => Opaque,
            _ if number => Number { unit: 0, exact: false },
            _ => Not,
        };
    };
    let width = u32::from(width);
    match op {
        Op::ICmp { .. } | Op::FCmp { .. } | Op::Special(_) | Op::TapeLoad { .. } => Not,
        Op::Cast { op: cast, a, .. } => match cast {
            CastOp::Bitcast => match k.ty(*a) {
                Type::Float(_) if is_rounded(k, *a) => Number { unit: 0, exact: true },
                Type::Float(f) => Mantissa { low: 0, high: mantissa(f), exact: true },
                ty if ty.is_float() => Opaque,
                _ => {
                    if of[*a].is_bits() {
                        Opaque
                    } else {
                        Not
                    }
                }
            },
            CastOp::FpToSi | CastOp::FpToUi => Number { unit: 0, exact: true },
            CastOp::ZExt | CastOp::SExt => of[*a],
            CastOp::Trunc => low_bits(of[*a], width),
            _ => Not,
        },
        Op::Math { func, .. } => match func {
            MathFn::ToInt | MathFn::ToUint | MathFn::Lrint | MathFn::Lround => {
                Number { unit: 0, exact: true }
            }
            _ => Not,
        },
        Op::Phi { incoming } => incoming.iter().fold(Not, |f, (_, v)| f.join(of[*v])),
        Op::Select { a, b, .. } => of[*a].join(of[*b]),
        Op::Freeze { a } => of[*a],
        Op::IntMath { func: IntFn::Smax | IntFn::Smin | IntFn::Umax | IntFn::Umin, args } => {
            of[args[0]].join(of[args[1]])
        }
        Op::IntMath { func: IntFn::Ctlz | IntFn::Ffs | IntFn::Cttz, args } => {
            if of[args[0]].is_bits() {
                Flat
            } else {
                Not
            }
        }
        Op::Binary { op, a, b, flags, .. } => {
            let (x, y) = (of[*a], of[*b]);
            if (x, y) == (Not, Not) {
                return Not;
            }
            binary(k, *op, (*a, x), (*b, y), flags.contains(IntFlags::DISJOINT), width)
        }
        op => {
            if op.operands().iter().any(|&v| of[v].is_bits()) {
                Opaque
            } else {
                Not
            }
        }
    }
}

/// True for sums that count as rounding.
pub fn is_rounded(k: &Kernel, x: Value) -> bool {
    matches!(k.def_op(x), Some(Op::Math { func: MathFn::Pin, args, .. }) if k.as_const(args[1]).is_some())
}

fn binary(
    k: &Kernel,
    op: BinOp,
    (a, x): (Value, Fact),
    (b, y): (Value, Fact),
    disjoint: bool,
    width: u32,
) -> Fact {
    let constant = |v: Value| match k.as_const(v) {
        Some(Const::Int(n)) => Some(*n),
        _ => None,
    };
    let inexact = |f: Fact| match f {
        Number { unit, .. } => Number { unit, exact: false },
        f => f,
    };
    match op {
        BinOp::Add | BinOp::Sub => x.plus(y),
        BinOp::Mul => match (x, y, constant(a), constant(b)) {
            (f, Not, _, Some(c)) | (Not, f, Some(c), _) if c != 0 => {
                let c = if c >> (width - 1) & 1 == 1 { (1u128 << width).wrapping_sub(c) } else { c };
                let more = c.max(1).ilog2();
                match f {
                    Mantissa { low, high, .. } => Mantissa { low, high: high + more, exact: false },
                    Number { unit, exact } => Number { unit: unit + more, exact },
                    f => f,
                }
            }
            (Number { .. }, Not, ..) | (Not, Number { .. }, ..) => inexact(x.join(y)),
            (Flat | Not, Flat | Not, ..) => Flat,
            (Number { .. } | Flat, Number { .. } | Flat, ..) => Number { unit: 0, exact: false },
            _ => Opaque,
        },
        BinOp::Shl => match constant(b).map(|n| n as u32) {
            Some(s) if s < width => low_bits(shifted_up(x, s), width),
            _ => vague(x, y),
        },
        BinOp::LShr | BinOp::AShr => match constant(b).map(|n| n as u32) {
            Some(s) if s < width => match x {
                Mantissa { low, high, exact } => upper(low.saturating_sub(s), high.saturating_sub(s), exact),
                Number { unit, .. } => Number { unit: unit.saturating_sub(s), exact: false },
                f => f,
            },
            _ => vague(x, y),
        },
        BinOp::UDiv | BinOp::SDiv => match (x, constant(b)) {
            (Mantissa { low, high, .. }, Some(c)) if c > 0 && c >> (width - 1) == 0 => {
                let fewer = c.ilog2();
                upper(low.saturating_sub(fewer), high.saturating_sub(fewer), false)
            }
            _ => vague(x, y),
        },
        BinOp::And => match (x, y, constant(a), constant(b)) {
            (f, Not, _, Some(m)) | (Not, f, Some(m), _) => masked(f, m),
            _ => {
                // A mask of all ones or none is a choice.
                let choice = |v: Value| matches!(k.def_op(v), Some(Op::Cast { op: CastOp::SExt, a, .. }) if k.ty(*a) == Type::I1);
                match (x, y) {
                    (f, Not) if choice(b) => f,
                    (Not, f) if choice(a) => f,
                    _ => vague(x, y),
                }
            }
        },
        BinOp::Or | BinOp::Xor => {
            let apart = || match (possible_bits(k, a, 8), possible_bits(k, b, 8)) {
                (Some(p), Some(q)) => p & q == 0,
                _ => false,
            };
            if (op == BinOp::Or && disjoint) || apart() {
                return x.plus(y);
            }
            let (f, other) = match (x, y) {
                (f, Not | Flat) => (f, b),
                (Not | Flat, f) => (f, a),
                _ => return vague(x, y),
            };
            let all = if width >= 128 { u128::MAX } else { (1 << width) - 1 };
            match f {
                Mantissa { low, high, exact } => {
                    let set = possible_bits(k, other, 8).unwrap_or(all);
                    // Bits above and below the mantissa may be anything; to turn all of them over is a minus sign.
                    if exact && set & window(low, high) == 0
                        || op == BinOp::Xor && constant(other) == Some(all)
                    {
                        f
                    } else {
                        Opaque
                    }
                }
                f => vague(f, Not),
            }
        }
        _ => vague(x, y),
    }
}

/// The result of an operation that is not understood.
fn vague(x: Fact, y: Fact) -> Fact {
    match x.join(y) {
        Number { unit, .. } => Number { unit, exact: false },
        Mantissa { .. } => Opaque,
        f => f,
    }
}

pub fn window(low: u32, high: u32) -> u128 {
    let below = |n: u32| if n >= 128 { u128::MAX } else { (1u128 << n) - 1 };
    below(high) & !below(low)
}

fn shifted_up(f: Fact, s: u32) -> Fact {
    match f {
        Mantissa { low, high, exact } => Mantissa { low: low + s, high: high + s, exact },
        Number { unit, exact } => Number { unit: unit + s, exact },
        f => f,
    }
}

/// The upper bits of a mantissa.
fn upper(low: u32, high: u32, exact: bool) -> Fact {
    match high.saturating_sub(low) {
        0 => Flat,
        n if n < FEWEST => Opaque,
        _ => Mantissa { low, high, exact },
    }
}

/// The bits below `width`.
fn low_bits(f: Fact, width: u32) -> Fact {
    match f {
        Mantissa { low, high, .. } if high > width => lower(low, high, width),
        f => f,
    }
}

/// The bits of a mantissa below `cut`: the upper part carries the derivative when it has enough bits, else the lower does.
fn lower(low: u32, high: u32, cut: u32) -> Fact {
    if cut <= low || high - cut >= FEWEST || cut - low < FEWEST {
        Flat
    } else {
        Mantissa { low, high: cut, exact: true }
    }
}

fn masked(f: Fact, mask: u128) -> Fact {
    match f {
        Mantissa { low, high, exact } => {
            let all = window(low, high);
            let kept = mask & all;
            let from = kept.trailing_zeros();
            let to = 128 - kept.leading_zeros();
            match kept {
                _ if kept == all && exact => f,
                0 => Flat,
                _ if !exact => Opaque,
                _ if kept != window(from, to) => Opaque,
                _ if to == high => upper(from, high, true),
                _ if from == low => lower(low, high, to),
                _ => Opaque,
            }
        }
        Number { unit, .. } => Number { unit, exact: false },
        f => f,
    }
}
