//! How far rounding may move every float of a wide run: the sum of the absolute terms that it was made of, each weighed with the unit
//! roundoff of the format that the kernel computes it in.
//!
//! This is running error analysis to first order. A number that comes from outside, or is the result of a function, stands for itself: its
//! bound is its magnitude times the unit roundoff. A sum's bound is the sum of its terms' bounds, in whatever order they are added, so that it
//! does not shrink where terms cancel. A function hands the bounds of its arguments on as much as it moves when they are moved by them,
//! which also sees the steps of rounding functions. What is lost at a reinterpretation of bits starts anew; that a comparison may
//! come out otherwise is not seen.
//!
//! A bound travels in the half of a float's slot that nothing else uses, and beside the float in memory.

use super::arith::float;
use super::decode::{Ins, MathCall, K};
use super::exec::Machine;
use super::Slot;
use crate::kernel::{BinOp, CastOp, Flavor, FloatTy, Lane, MathFn, RmwOp, Type};
use crate::mathlib::{self, Num};

/// Half the distance of neighbouring numbers around 1.
fn unit(f: FloatTy) -> f64 {
    match f {
        FloatTy::F16 => 1.0 / 2048.0,
        FloatTy::Bf16 => 1.0 / 256.0,
        FloatTy::F32 => f64::from(f32::EPSILON) / 2.0,
        FloatTy::F64 => f64::EPSILON / 2.0,
    }
}

fn value(s: Slot) -> f64 {
    f64::from_bits(s.lo)
}

/// The bound of a double in a slot; at least that of a number that stands for itself.
fn bound(s: Slot, unit: f64) -> f64 {
    f64::from_bits(s.hi).max(unit * value(s).abs())
}

fn with(s: Slot, bound: f64) -> Slot {
    Slot { lo: s.lo, hi: bound.to_bits() }
}

fn float_format(ty: Type) -> Option<FloatTy> {
    match ty {
        Type::Float(f) | Type::Vec(Lane::Float(f), _) => Some(f),
        _ => None,
    }
}

/// What an atomic operation leaves in memory, given what it found and was given. `ty` is the type in memory.
pub(super) fn updated(op: RmwOp, ty: Type, old: Slot, val: Slot, new: Slot) -> Slot {
    let Some(u) = float_format(ty).map(unit) else { return new };
    match op {
        RmwOp::FAdd | RmwOp::FSub => with(new, bound(old, u) + bound(val, u)),
        RmwOp::FMax | RmwOp::FMin => with(new, bound(old, u).max(bound(val, u))),
        _ => new,
    }
}

/// A sum of the lanes of a warp.
pub(super) fn summed(terms: impl Iterator<Item = Slot>, ty: Option<Type>, sum: Slot) -> Slot {
    match ty.and_then(float_format).map(unit) {
        Some(u) => with(sum, terms.map(|t| bound(t, u)).sum()),
        None => sum,
    }
}

impl Machine<'_> {
    /// The bounds of what an instruction has just computed.
    pub(super) fn bound_results(&self, r: &mut [Slot], ins: &Ins) {
        let result = self.k.insts[ins.inst].result.map(|v| self.k.ty(v));
        let Some(u) = result.and_then(float_format).map(unit) else { return };
        let (dst, a, b) = (ins.dst as usize, ins.a as usize, ins.b as usize);
        for l in 0..ins.n as usize {
            let (x, y) = (r[a + l], r.get(b + l).copied().unwrap_or_default());
            let new = match ins.k {
                K::Bin(op) => binary(op, u, x, y, value(r[dst + l])),
                K::FNeg => bound(x, u),
                // A cast to a smaller format rounds; a number from an integer stands for itself.
                K::Cast(CastOp::FpTrunc, _) => bound(x, u) + u * value(x).abs(),
                K::Cast(CastOp::FpExt, _) => bound(x, u),
                K::Math(m) => self.function(&self.p.maths[m as usize], r, l, value(r[dst + l]), u),
                _ => return,
            };
            r[dst + l] = with(r[dst + l], new);
        }
    }

    fn function(&self, call: &MathCall, r: &[Slot], lane: usize, at: f64, u: f64) -> f64 {
        let mut args = [Num::Float(0.0); 4];
        let n = call.args.len().min(4);
        for (to, &(from, ty)) in args.iter_mut().zip(&call.args) {
            *to = match ty {
                Type::Float(f) => Num::Float(float(r[from as usize + lane], f)),
                Type::Int(w) => Num::Int(super::arith::sint(r[from as usize + lane], w)),
                _ => Num::Int(0),
            };
        }
        let mut sum = own(call.func, call.flavor, args[0], at, u);
        for (i, &(from, _)) in call.args.iter().enumerate().take(n) {
            let Num::Float(x) = args[i] else { continue };
            let by = bound(r[from as usize + lane], u);
            // Steps that doubles resolve well; the result is scaled back.
            let step = by.max(x.abs() * STEP);
            if step == 0.0 || !step.is_finite() {
                sum += by;
                continue;
            }
            let mut moved = 0f64;
            for x in [x + step, x - step] {
                let mut args = args;
                args[i] = Num::Float(x);
                if let Num::Float(y) = mathlib::eval(call.func, call.flavor, call.result, &args[..n]) {
                    // Beyond the edge of the function's domain nothing can be said from that side.
                    moved = moved.max((y - at).abs());
                }
            }
            sum += moved * (by / step);
        }
        sum
    }
}

/// Relative steps of arguments, at least: 2^-26.
const STEP: f64 = 1.0 / 67_108_864.0;

fn binary(op: BinOp, u: f64, x: Slot, y: Slot, result: f64) -> f64 {
    let (ex, ey) = (bound(x, u), bound(y, u));
    match op {
        BinOp::FMul => value(x).abs() * ey + value(y).abs() * ex,
        BinOp::FDiv => (ex + result.abs() * ey) / value(y).abs(),
        BinOp::FRem => ex + (value(x) / value(y)).abs() * ey,
        _ => ex + ey,
    }
}

/// What a function adds by itself. Sums round as often as there are terms, which the terms' own bounds stand for. The hardware's
/// approximations are as inexact as the PTX manual says of them.
fn own(func: MathFn, flavor: Flavor, x: Num, result: f64, u: f64) -> f64 {
    use MathFn::*;
    let approximate = matches!(flavor, Flavor::Fast | Flavor::Approx { .. });
    let x = if let Num::Float(x) = x { x.abs() } else { 0.0 };
    let relative = 1.0 / f64::from(1 << 21);
    match func {
        Add | Sub | Fma => 0.0,
        Sin | Cos | Tan if approximate => relative * (1.0 + result * result),
        Log | Log2 | Log10 if approximate => relative * (1.0 + result.abs()),
        Exp | Exp2 | Exp10 | Pow if approximate => {
            result.abs() * (relative + 4.0 * u * (x + result.abs().ln().abs()))
        }
        Tanh if approximate => result.abs() / 1024.0,
        _ if approximate => result.abs() * relative.max(u),
        _ => result.abs() * u,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(x: f64) -> Slot {
        Slot { lo: x.to_bits(), hi: 0 }
    }

    // Catches bounds that shrink with cancellation, and products that forget one of their factors.
    #[test]
    fn terms_are_summed_without_their_signs() {
        let u = unit(FloatTy::F32);
        let sum = with(slot(1.0 - 1.0), binary(BinOp::FSub, u, slot(1.0), slot(1.0), 0.0));
        assert_eq!(bound(sum, u), 2.0 * u);
        let product = binary(BinOp::FMul, u, sum, slot(3.0), 0.0);
        assert_eq!(product, 6.0 * u);
        assert_eq!(binary(BinOp::FDiv, u, slot(1.0), slot(2.0), 0.5), u);
        let f32 = Type::Float(FloatTy::F32);
        assert_eq!(bound(updated(RmwOp::FAdd, f32, sum, slot(-5.0), slot(-5.0)), u), 7.0 * u);
    }
}
