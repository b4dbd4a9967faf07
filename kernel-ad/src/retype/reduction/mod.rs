//! Large angles, reduced by whole quarter turns with the digits of 2/pi: the rest has the derivative of the angle.
//!
//! Libraries reduce large arguments of sine and cosine with integers: the mantissa times as many words of 2/pi as its exponent asks
//! for, of which the whole turns are dropped. No derivative of that arithmetic is any good, since what is dropped has one too; but the result is
//! `x - q pi/2`, and `q` changes in jumps.
//!
//! That it is, is proved by running it. A float is taken for a reduced angle when
//!
//! * it was made from integers that come from a constant table which holds the digits of 2/pi and from the bits of one float `x`, and from nothing else;
//! * computed alone ([`slice`]) for both signs of `x` and every exponent, it differs from `x` by a whole number of quarter turns
//!   ([`digits`]) wherever control gets to it.

mod digits;
mod slice;

use super::edit;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use rand::{Rng, SeedableRng};
use slice::Whole;
use std::collections::{HashMap, HashSet};

/// A reduced angle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reduced {
    /// The rest.
    pub rest: Value,
    /// The angle.
    pub angle: Value,
    /// It is the angle's size that was reduced.
    pub of_size: bool,
}

/// Pins reduced angles to the angles.
pub(super) fn mark(k: &mut Kernel) {
    let all: HashMap<Value, Reduced> = reduced_angles(k).into_iter().map(|r| (r.rest, r)).collect();
    if all.is_empty() {
        return;
    }
    edit::pin(k, |b, i| {
        let found = all.get(&b.k.insts[i].result?)?;
        Some(if found.of_size { b.math(MathFn::Fabs, &[found.angle], Fmf::empty()) } else { found.angle })
    });
}

/// Where everything is computed in doubles, the bits of a float are still those of a float: the angle is rounded before it is reduced. What rounding
/// took is put back, so that the rest is as smooth as the angle.
pub(super) fn fix(k: &mut Kernel) {
    let narrow: HashMap<Value, Reduced> =
        reduced_angles(k).into_iter().filter(|r| k.ty(r.rest) == Type::F32).map(|r| (r.rest, r)).collect();
    edit::each(k, |b, i| {
        let Op::Math { func: MathFn::Pin, args, .. } = &b.k.insts[i].op else { return None };
        let found = *narrow.get(&args[0])?;
        let bits = b.cast(CastOp::Bitcast, found.angle, Type::I32);
        let rounded = b.cast(CastOp::Bitcast, bits, Type::F32);
        let [x, y] = match found.of_size {
            true => [found.angle, rounded].map(|x| b.math(MathFn::Fabs, &[x], Fmf::empty())),
            false => [found.angle, rounded],
        };
        let rest = b.binary(BinOp::FSub, x, y);
        Some(b.binary(BinOp::FAdd, found.rest, rest))
    });
}

/// All reduced angles.
pub(super) fn reduced_angles(k: &Kernel) -> Vec<Reduced> {
    let digits = |g: &GlobalVar| g.is_const && g.init.as_deref().is_some_and(digits::are_digits);
    if !k.globals.values().any(digits) {
        return Vec::new();
    }
    let whole = Whole::new(k);
    let mut found: Vec<Reduced> = Vec::new();
    let mut refuted: HashSet<Value> = HashSet::new();
    loop {
        // What is made from a reduced angle is not a candidate any more.
        let known: HashSet<Value> = found.iter().map(|r| r.rest).collect();
        let made = made_from_digits(&whole, &known);
        let order = whole.cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts);
        let next = order.filter_map(|&i| k.insts[i].result).find_map(|v| {
            let candidate = made[v].is_some_and(|steps| steps <= STEPS)
                && matches!(k.ty(v), Type::F32 | Type::F64)
                && !known.contains(&v)
                && refuted.insert(v);
            candidate.then(|| examine(&whole, &made, v)).flatten()
        });
        match next {
            Some(r) => found.push(r),
            None => return found,
        }
    }
}

/// Floating-point operations between the integers and the rest: scaling, rounding, a sign.
const STEPS: u32 = 6;

/// Values that depend on the digits, with the number of floating-point operations since they were integers (0 for integers).
fn made_from_digits(w: &Whole<'_>, known: &HashSet<Value>) -> SecondaryMap<Value, Option<u32>> {
    let k = w.k;
    let mut made: SecondaryMap<Value, Option<u32>> = SecondaryMap::new();
    let mut variables: HashSet<Value> = HashSet::new();
    loop {
        let mut changed = false;
        for (_, i) in k.iter_insts() {
            if let Op::Store { ptr, val, .. } = &k.insts[i].op {
                if made[*val].is_some() {
                    changed |= slice::root(k, *ptr).is_some_and(|r| variables.insert(r));
                }
            }
            let Some(r) = k.insts[i].result.filter(|r| made[*r].is_none() && !k.ty(*r).is_ptr()) else {
                continue;
            };
            let steps = match &k.insts[i].op {
                Op::Load { ptr, .. } => slice::root(k, *ptr).and_then(|root| {
                    let table = slice::constant_table(k, root).and_then(|g| k.globals[g].init.as_deref());
                    (variables.contains(&root) || table.is_some_and(digits::are_digits)).then_some(0)
                }),
                op => op
                    .operands()
                    .iter()
                    .filter(|v| !known.contains(v) && k.ty(**v) != Type::I1)
                    .filter_map(|&v| made[v])
                    .min(),
            };
            if let Some(n) = steps {
                made[r] = Some(if k.ty(r).is_float() { n + 1 } else { n });
                changed = true;
            }
        }
        if !changed {
            return made;
        }
    }
}

/// Whether a value is a reduced angle.
fn examine(w: &Whole<'_>, made: &SecondaryMap<Value, Option<u32>>, v: Value) -> Option<Reduced> {
    let ty = w.k.ty(v);
    let angle = angle_of(w, made, v).filter(|&x| w.k.ty(x) == ty)?;
    let format = ty.float()?;
    let (few, all) = angles(format);
    let top = w.block_of(angle);
    let mut head = w.block_of(v);
    loop {
        if let Some(alone) = slice::cut(w, v, angle, head) {
            // What is wrong for small angles may be right behind a branch that only large ones take.
            if congruent(&alone, format, &few).is_some() {
                if let Some((plain, size)) = congruent(&alone, format, &all) {
                    return (plain || size).then_some(Reduced { rest: v, angle, of_size: !plain });
                }
            }
        }
        if head == top {
            return None;
        }
        head = w.dom.idom(head)?;
    }
}

/// The one float whose bits a value was made from.
fn angle_of(w: &Whole<'_>, made: &SecondaryMap<Value, Option<u32>>, v: Value) -> Option<Value> {
    let k = w.k;
    let (mut seen, mut work, mut found) = (HashSet::from([v]), vec![v], None);
    let mut is_only = |x: Value| found.replace(x).is_none_or(|other| other == x);
    while let Some(v) = work.pop() {
        let Some(op) = k.def_op(v) else { continue };
        let mut from: Vec<Value> = op.operands().to_vec();
        if let Op::Load { ptr, .. } = op {
            let stores = slice::root(k, *ptr).into_iter().flat_map(|r| w.stores_to(r));
            from.extend(stores.filter_map(|s| match &k.insts[s].op {
                Op::Store { val, .. } => Some(*val),
                _ => None,
            }));
        }
        let takes_bits = matches!(op, Op::Cast { op: CastOp::Bitcast, .. });
        for x in from.into_iter().filter(|&x| k.as_const(x).is_none()) {
            // The angle may come from another reduced angle, by a longer way.
            let near = made[x].is_some_and(|steps| steps <= STEPS);
            if k.ty(x).is_float() && (takes_bits || !near) {
                if !is_only(x) {
                    return None;
                }
            } else if seen.insert(x) {
                work.push(x);
            }
        }
    }
    found
}

/// A few angles, and angles of every exponent and both signs.
fn angles(format: FloatTy) -> (Vec<f64>, Vec<f64>) {
    let (digits, range) = if format == FloatTy::F32 { (23, -20..=127) } else { (52, -10..=1023) };
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut all = Vec::new();
    for exponent in range {
        let power = 2f64.powi(exponent);
        let mut of = |fraction: u64| {
            let x = power * (1.0 + fraction as f64 / 2f64.powi(digits));
            all.push(if all.len() % 2 == 0 { x } else { -x });
        };
        of(random.random_range(0..1 << digits));
        of(random.random_range(0..1 << digits));
        if format == FloatTy::F32 {
            of([0, (1 << digits) - 1][exponent as usize % 2]);
        }
    }
    // An odd step, so that both signs are among them.
    let few = all.iter().copied().step_by(all.len() / 24 | 1).collect();
    (few, all)
}

/// Whether what is computed differs from the angle, and from its size, by whole quarter turns. `None`: it differs from both somewhere, or was not
/// computed often enough to tell.
fn congruent(alone: &Kernel, format: FloatTy, angles: &[f64]) -> Option<(bool, bool)> {
    let results = slice::evaluate(alone, format, angles)?;
    let tolerance = if format == FloatTy::F32 { 1e-6 } else { 1e-14 };
    let (mut plain, mut size, mut count) = (true, true, 0);
    for (&x, r) in angles.iter().zip(results) {
        let Some(r) = r else { continue };
        if r.is_nan() || r.abs() > 4.0 {
            return None;
        }
        let agrees = |x: f64| {
            let d = r * std::f64::consts::FRAC_2_PI - digits::quarter_turns(x);
            (d - d.round()).abs() <= tolerance
        };
        plain &= agrees(x);
        size &= agrees(x.abs());
        if !plain && !size {
            return None;
        }
        count += 1;
    }
    (count >= angles.len() / 4).then_some((plain, size))
}
