//! Derivatives of what is computed with the bits of floats.
//!
//! An integer that holds the bits of a float counts its units in the last place. So a change `dx` of the float changes the
//! integer by `dx / ulp(x)`; sums and shifts of it are linear; and a change `dn` of the bits of `y` changes `y` by
//! `dn ulp(y)`. That is the derivative of the piecewise linear function that such code computes, and it is what fast inverse
//! square roots, exponentials and logarithms by bits rely on. Exponents, signs and lowest bits change in jumps: their derivative is
//! zero. See [`facts`] for what counts as what; everything else is marked as opaque, and refused where it is active.
//!
//! The derivative is carried by a *twin*: a double beside the integer, of which only the derivative is ever used. A float
//! that is made from bits is pinned to its twin: it has the value of the one and the derivative of the other.

pub mod facts;

use super::edit;
use crate::facts::bits::possible_bits;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use facts::{mantissa, Fact, FEWEST};
use smallvec::smallvec;
use std::collections::{HashMap, HashSet};

/// Twins count in units of 2^92: derivatives up to 2^40 fit beside the bits of a zero double, whose unit is 2^-1074.
const SCALE: i32 = 92;

/// What a float that is made from an integer gets.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mark {
    Twin,
    Zero,
    Opaque,
}

/// Pins floats that are made from bits to their twins.
pub(super) fn insert(k: &mut Kernel) {
    let facts = facts::facts(k);
    let sinks = sinks(k, &facts);
    let mut t = Twins { facts: &facts, of: HashMap::new() };
    let mut pairs = Vec::new();
    for (i, from, mark) in sinks {
        let r = k.insts[i].result.expect("it gives a float");
        let ty = k.ty(r);
        let twin = match mark {
            Mark::Zero => Some(k.zero(ty)),
            Mark::Twin => {
                let bits = t.twin(k, from);
                let scale = match k.insts[i].op {
                    Op::Cast { op: CastOp::Bitcast, .. } => Some(ty.float().unwrap_or(FloatTy::F64)),
                    _ => None,
                };
                let mut b = at(k, r, i);
                Some(back(&mut b, bits, from, scale, ty))
            }
            Mark::Opaque => None,
        };
        let mut b = at(k, r, i);
        if let Some(v) = twin.filter(|v| b.k.def_inst(*v).is_some()) {
            b.at = edit::behind(b.k, v);
        }
        let (func, args) = match twin {
            Some(v) => (MathFn::Pin, smallvec![r, v]),
            None => (MathFn::Opaque, smallvec![r, witness(&mut b, from, r)]),
        };
        let pin = b.value(Op::Math { func, flavor: Flavor::Library, args, fmf: Fmf::empty() }, ty);
        pairs.push((r, pin));
    }
    edit::replace_by_own(k, &pairs);
}

fn at<'k>(k: &'k mut Kernel, v: Value, i: Inst) -> KernelBuilder<'k> {
    let at = edit::behind(k, v);
    let mut b = KernelBuilder::new(k);
    b.at = at;
    b.loc = b.k.insts[i].loc;
    b
}

/// A float of the type of `r` that depends on the bits of an integer as far as activity can see, unlike a conversion.
fn witness(b: &mut KernelBuilder<'_>, bits: Value, r: Value) -> Value {
    let to = b.k.ty(r);
    let (Type::Int(width), Type::Float(f)) = (b.k.ty(bits), to) else {
        // Of vectors, some lane.
        let index = b.k.int(Type::I32, 0);
        let first = |b: &mut KernelBuilder<'_>, vec: Value| match b.k.ty(vec) {
            ty @ Type::Vec(..) => b.value(Op::ExtractElement { vec, index }, ty.scalar()),
            _ => vec,
        };
        let (lane, elem) = (first(b, bits), first(b, r));
        let elem = witness(b, lane, elem);
        return match to {
            Type::Vec(..) => b.value(Op::InsertElement { vec: r, elem, index }, to),
            _ => elem,
        };
    };
    let own = f.bytes() as u16 * 8;
    let bits = match width.cmp(&own) {
        std::cmp::Ordering::Less => b.cast(CastOp::ZExt, bits, Type::Int(own)),
        std::cmp::Ordering::Equal => bits,
        std::cmp::Ordering::Greater => b.cast(CastOp::Trunc, bits, Type::Int(own)),
    };
    b.cast(CastOp::Bitcast, bits, to)
}

/// Instructions that make floats from integers with bits of floats in them, with the integer.
fn sinks(k: &Kernel, of: &SecondaryMap<Value, Fact>) -> Vec<(Inst, Value, Mark)> {
    let mut out = Vec::new();
    let mut through: HashSet<Value> = HashSet::new();
    let mut converted: Vec<(Inst, Value)> = Vec::new();
    for (_, i) in k.iter_insts() {
        let Some(r) = k.insts[i].result.filter(|&r| k.ty(r).is_float()) else { continue };
        let op = &k.insts[i].op;
        match op {
            Op::Cast { op: CastOp::Bitcast, a, .. } => {
                let digits = mantissa(k.ty(r).float().unwrap_or(FloatTy::F64));
                let mark = match of[*a] {
                    Fact::Not => continue,
                    Fact::Flat => Mark::Zero,
                    Fact::Mantissa { low: unit, .. } | Fact::Number { unit, exact: true }
                        if unit + FEWEST <= digits && matches!(k.ty(r), Type::Float(_)) =>
                    {
                        Mark::Twin
                    }
                    Fact::Mantissa { low: unit, .. } | Fact::Number { unit, .. } if unit >= digits => {
                        Mark::Zero
                    }
                    _ => Mark::Opaque,
                };
                if let (Fact::Number { .. }, Mark::Twin) = (of[*a], mark) {
                    origins(k, of, *a, &mut through);
                }
                out.push((i, *a, mark));
            }
            Op::Cast { op: CastOp::SiToFp | CastOp::UiToFp, a, .. } => converted.push((i, *a)),
            Op::Math { func: MathFn::FromInt | MathFn::FromUint, args, .. } => converted.push((i, args[0])),
            Op::Math { args, .. } => {
                let bits = |v: &&Value| matches!(of[**v], Fact::Opaque | Fact::Mantissa { .. });
                if let Some(&v) = args.iter().find(bits) {
                    out.push((i, v, Mark::Opaque));
                }
            }
            _ => {}
        }
    }
    for (i, a) in converted {
        let scalar = k.insts[i].result.is_some_and(|r| matches!(k.ty(r), Type::Float(_)));
        match of[a] {
            Fact::Mantissa { .. } if scalar => out.push((i, a, Mark::Twin)),
            // A number below eight changes in jumps, such as the quarter that an angle lies in.
            Fact::Opaque if scalar && possible_bits(k, a, 8).is_some_and(|bits| bits < 8) => {
                out.push((i, a, Mark::Zero));
            }
            Fact::Opaque | Fact::Mantissa { .. } => out.push((i, a, Mark::Opaque)),
            Fact::Number { .. } => {
                // As a number it has steps; as bits of a float, elsewhere, it was taken for smooth. It cannot be both.
                let mut from = HashSet::new();
                origins(k, of, a, &mut from);
                if !from.is_disjoint(&through) {
                    out.push((i, a, Mark::Opaque));
                }
            }
            _ => {}
        }
    }
    out
}

/// The conversions that an integer comes from.
fn origins(k: &Kernel, of: &SecondaryMap<Value, Fact>, v: Value, out: &mut HashSet<Value>) {
    let mut work = vec![v];
    let mut seen = HashSet::new();
    while let Some(v) = work.pop() {
        if !matches!(of[v], Fact::Number { .. }) || !seen.insert(v) {
            continue;
        }
        match k.def_op(v) {
            Some(op) if !is_conversion(op) => {
                work.extend(op.operands().into_iter().filter(|&o| k.ty(o).is_int()))
            }
            _ => {
                out.insert(v);
            }
        }
    }
}

fn is_conversion(op: &Op) -> bool {
    matches!(op, Op::Math { .. } | Op::Cast { op: CastOp::FpToSi | CastOp::FpToUi | CastOp::Bitcast, .. })
}

/// Marks a value as one that has no derivative.
fn constant(b: &mut KernelBuilder<'_>, v: Value) -> Value {
    let zero = b.k.zero(b.k.ty(v));
    edit::pinned(b, v, zero)
}

/// The power of two at or below the float that these bits are, with its sign, as a double.
fn power(b: &mut KernelBuilder<'_>, bits: Value, f: FloatTy) -> Value {
    let ty = b.k.ty(bits);
    let digits = mantissa(f);
    let width = f.bytes() * 8;
    let sign = 1u128 << (width - 1);
    let exponent = (sign - 1) & !((1 << digits) - 1);
    let [sign_mask, exponent_mask, both, least] =
        [sign, exponent, sign | exponent, 1 << digits].map(|n| b.k.constant(ty, Const::Int(n)));
    // Denormal numbers have the unit of the least normal one.
    let zero = b.k.int(ty, 0);
    let e = b.binary(BinOp::And, bits, exponent_mask);
    let denormal = b.icmp(IntPred::Eq, e, zero);
    let s = b.binary(BinOp::And, bits, sign_mask);
    let low = b.binary(BinOp::Or, s, least);
    let normal = b.binary(BinOp::And, bits, both);
    let chosen = b.select(denormal, low, normal);
    let p = b.cast(CastOp::Bitcast, chosen, Type::Float(f));
    let p = constant(b, p);
    widen(b, p)
}

fn widen(b: &mut KernelBuilder<'_>, x: Value) -> Value {
    if b.k.ty(x) == Type::F64 {
        x
    } else {
        b.cast(CastOp::FpExt, x, Type::F64)
    }
}

fn times(b: &mut KernelBuilder<'_>, x: Value, factor: f64) -> Value {
    if factor == 1.0 {
        return x;
    }
    let c = b.k.float(Type::F64, factor);
    b.binary(BinOp::FMul, x, c)
}

fn pow2(n: i32) -> f64 {
    2f64.powi(n)
}

/// A float's twin, from that of its bits (`format`), or of the integer that it was converted from.
fn back(b: &mut KernelBuilder<'_>, twin: Value, from: Value, format: Option<FloatTy>, ty: Type) -> Value {
    let wide = match format {
        Some(f) => {
            let p = power(b, from, f);
            let x = b.binary(BinOp::FMul, twin, p);
            times(b, x, pow2(SCALE - mantissa(f) as i32))
        }
        None => times(b, twin, pow2(SCALE)),
    };
    if ty == Type::F64 {
        wide
    } else {
        b.cast(CastOp::FpTrunc, wide, ty)
    }
}

struct Twins<'a> {
    facts: &'a SecondaryMap<Value, Fact>,
    of: HashMap<Value, Value>,
}

impl Twins<'_> {
    fn carries(&self, v: Value) -> bool {
        matches!(self.facts[v], Fact::Number { .. } | Fact::Mantissa { .. })
    }

    fn alike(&self, a: Value, b: Value) -> bool {
        std::mem::discriminant(&self.facts[a]) == std::mem::discriminant(&self.facts[b])
    }

    /// The twin of an integer, made behind its definition.
    fn twin(&mut self, k: &mut Kernel, v: Value) -> Value {
        if let Some(&t) = self.of.get(&v) {
            return t;
        }
        let zero = k.float(Type::F64, 0.0);
        let (true, Some(i)) = (self.carries(v), k.def_inst(v)) else { return zero };
        let op = k.insts[i].op.clone();
        if let Op::Phi { incoming } = op {
            let Cursor::At(block, _) = edit::behind(k, v) else { return zero };
            let mut b = KernelBuilder::new(k);
            b.at = Cursor::At(block, 0);
            let phi = b.phi(Type::F64, Vec::new());
            self.of.insert(v, phi);
            let from = incoming.into_iter().map(|(p, x)| (p, self.twin(k, x))).collect();
            let inst = k.def_inst(phi).expect("just made");
            k.insts[inst].op = Op::Phi { incoming: from };
            return phi;
        }
        let t = self.computed(k, v, i, op).unwrap_or(zero);
        self.of.insert(v, t);
        t
    }

    fn computed(&mut self, k: &mut Kernel, v: Value, i: Inst, op: Op) -> Option<Value> {
        let constant_of = |k: &Kernel, v: Value| match k.as_const(v) {
            Some(Const::Int(n)) => Some(*n),
            _ => None,
        };
        Some(match op {
            Op::Cast { op: CastOp::Bitcast, a, .. } => {
                // Of a sum that rounds, the sum itself.
                let x = match k.def_op(a) {
                    Some(Op::Math { func: MathFn::Pin, args, .. }) if facts::is_rounded(k, a) => args[0],
                    _ => a,
                };
                let f = k.ty(a).float()?;
                let mut b = at(k, v, i);
                let p = power(&mut b, v, f);
                let x = widen(&mut b, x);
                // Half of the scale on either side, so that neither overflows.
                let fewer = SCALE - mantissa(f) as i32;
                let (x, p) = (times(&mut b, x, pow2(-fewer / 2)), times(&mut b, p, pow2(fewer - fewer / 2)));
                b.binary(BinOp::FDiv, x, p)
            }
            Op::Cast { op: CastOp::FpToSi | CastOp::FpToUi, a, .. } => {
                let mut b = at(k, v, i);
                let x = widen(&mut b, a);
                times(&mut b, x, pow2(-SCALE))
            }
            Op::Math { args, .. } => {
                let mut b = at(k, v, i);
                let x = widen(&mut b, args[0]);
                times(&mut b, x, pow2(-SCALE))
            }
            Op::Cast { a, .. } | Op::Freeze { a } => self.twin(k, a),
            Op::Select { cond, a, b: other, .. } => {
                let (x, y) = (self.twin(k, a), self.twin(k, other));
                let mut b = at(k, v, i);
                self.after(&mut b, &[x, y]);
                b.select(cond, x, y)
            }
            Op::IntMath { func, args } => {
                let (x, y) = (self.twin(k, args[0]), self.twin(k, args[1]));
                let pred = match func {
                    IntFn::Smax => IntPred::Sgt,
                    // Of equal ones the larger and the smaller are not the same, so that their sum is that of both.
                    IntFn::Smin => IntPred::Sle,
                    IntFn::Umax => IntPred::Ugt,
                    _ => IntPred::Ule,
                };
                let mut b = at(k, v, i);
                self.after(&mut b, &[x, y]);
                let first = b.icmp(pred, args[0], args[1]);
                b.select(first, x, y)
            }
            Op::Binary { op, a, b: other, .. } => {
                let width = match k.ty(v) {
                    Type::Int(w) => u32::from(w),
                    _ => return None,
                };
                let signed = |n: u128| match n >> (width - 1) & 1 {
                    1 => n as f64 - 2f64.powi(width as i32),
                    _ => n as f64,
                };
                let (c, d) = (constant_of(k, a), constant_of(k, other));
                let factor = match (op, c, d) {
                    (BinOp::Mul, _, Some(n)) | (BinOp::Mul, Some(n), _) => Some(signed(n)),
                    (BinOp::Shl, _, Some(s)) => Some(pow2(s as i32)),
                    (BinOp::LShr | BinOp::AShr, _, Some(s)) => Some(pow2(-(s as i32))),
                    (BinOp::UDiv | BinOp::SDiv, _, Some(n)) => Some(1.0 / signed(n)),
                    _ => None,
                };
                // Whole powers of two, added to an exponent, are constants beside a mantissa.
                let zero = k.float(Type::F64, 0.0);
                let [x, y] = [a, other].map(|o| if self.alike(o, v) { self.twin(k, o) } else { zero });
                let mut b = at(k, v, i);
                self.after(&mut b, &[x, y]);
                match (op, factor) {
                    (_, Some(f)) => {
                        let x = if self.carries(a) { x } else { y };
                        times(&mut b, x, f)
                    }
                    (BinOp::Add | BinOp::Or, _) => b.binary(BinOp::FAdd, x, y),
                    (BinOp::Sub, _) => b.binary(BinOp::FSub, x, y),
                    (BinOp::Xor, _) => {
                        let turned = match (c, d) {
                            (_, Some(n)) | (Some(n), _) => n == facts::window(0, width),
                            _ => false,
                        };
                        let sum = b.binary(BinOp::FAdd, x, y);
                        if turned {
                            b.fneg(sum, Fmf::empty())
                        } else {
                            sum
                        }
                    }
                    (BinOp::And, _) => match (c, d) {
                        (None, None) => {
                            let (mask, x) = if self.carries(a) { (other, x) } else { (a, y) };
                            let ty = b.k.ty(mask);
                            let none = b.k.zero(ty);
                            let kept = b.icmp(IntPred::Ne, mask, none);
                            let zero = b.k.float(Type::F64, 0.0);
                            b.select(kept, x, zero)
                        }
                        _ => b.binary(BinOp::FAdd, x, y),
                    },
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// Moves behind the twins of the operands, which may stand behind their operands' definitions in the same block.
    fn after(&self, b: &mut KernelBuilder<'_>, twins: &[Value]) {
        let Cursor::At(block, mut at) = b.at else { return };
        for &t in twins {
            let Some(i) = b.k.def_inst(t) else { continue };
            if let Some(p) = b.k.blocks[block].insts.iter().position(|&x| x == i) {
                at = at.max(p + 1);
            }
        }
        b.at = Cursor::At(block, at.max(crate::canon::first_non_phi(b.k, block)));
    }
}
