//! Values of the forward sweep, seen from the reverse sweep.

use super::sweep::{bug, Sweep};
use crate::cfg::LoopId;
use crate::facts::trip::{emit_trip, Affine, Shifts};
use crate::kernel::*;
use crate::plan::{Decision, Recipe};

impl Sweep<'_> {
    /// The value `v` had when the block whose reverse is being built was executed.
    pub fn get(&mut self, b: &mut KernelBuilder<'_>, v: Value) -> Value {
        if b.k.def_inst(v).is_none() {
            return v;
        }
        let ty = b.k.ty(v);
        let plan = self.plan;
        let recipe = match &plan.of[v] {
            Some(Decision::Keep | Decision::Save) => {
                let var = self.kept[&v];
                return self.read(b, var, ty);
            }
            Some(Decision::Again(r)) => r,
            None => {
                let name = crate::facts::activity::value_name(b.k, v);
                self.bug.get_or_insert_with(|| bug(b.k, &format!("nothing was decided for {name}")));
                return b.k.constant(ty, Const::Undef);
            }
        };
        let here = self.region[b.current()];
        let home = self.blocks.region(self.input.regions, v);
        if here != home {
            let inner = match here {
                Some(h) if self.input.regions.within(here, home) => self.input.regions.child_toward(home, h),
                _ => {
                    let name = crate::facts::activity::value_name(b.k, v);
                    self.bug.get_or_insert_with(|| bug(b.k, &format!("{name} is used outside of its loop")));
                    return b.k.constant(ty, Const::Undef);
                }
            };
            let var = self.hoisted_var(b, v, inner);
            return self.read(b, var, ty);
        }
        if let Some(&known) = self.memo.get(&(v, b.current())) {
            return known;
        }
        let again = self.again(b, v, recipe);
        self.memo.insert((v, b.current()), again);
        again
    }

    fn hoisted_var(&mut self, b: &mut KernelBuilder<'_>, v: Value, inner: LoopId) -> Value {
        if let Some(&var) = self.hoisted.get(&(v, inner)) {
            return var;
        }
        let ty = b.k.ty(v);
        let var = self.local(b, ty);
        self.hoisted.insert((v, inner), var);
        self.to_hoist.push((v, inner));
        var
    }

    /// Computes the values that inner loops need of the loops around them where the inner loops are entered.
    pub fn hoist(&mut self, b: &mut KernelBuilder<'_>) {
        while let Some((v, l)) = self.to_hoist.pop() {
            let var = self.hoisted[&(v, l)];
            for &(_, pad) in &self.input.regions.loops[l].exits {
                let Some(end) = self.end[pad] else { continue };
                b.switch_to(end);
                let x = self.get(b, v);
                self.set(b, var, x);
            }
        }
    }

    fn again(&mut self, b: &mut KernelBuilder<'_>, v: Value, recipe: &Recipe) -> Value {
        let ty = b.k.ty(v);
        match recipe {
            Recipe::Again { load, .. } => {
                let inst = b.k.def_inst(v).expect("recipes are for instructions");
                let mut op = b.k.insts[inst].op.clone();
                let old_loc = std::mem::replace(&mut b.loc, b.k.insts[inst].loc);
                let operands: Vec<Value> = op.operands().into_iter().map(|o| self.get(b, o)).collect();
                let mut next = operands.into_iter();
                op.map_operands(|o| next.next().unwrap_or(o));
                let result = b.value(op, ty);
                b.loc = old_loc;
                if *load {
                    self.stats.reloaded += 1;
                } else {
                    self.stats.recomputed += 1;
                }
                result
            }
            Recipe::Place => v,
            Recipe::Count(l) => {
                let var = self.counts[l];
                self.read(b, var, ty)
            }
            Recipe::Affine(a) => {
                let l = &self.input.regions.loops[a.l];
                let count = l.counter.as_ref().expect("canonical loops count").count;
                let var = self.counts[&a.l];
                let count_ty = b.k.ty(count);
                let count = self.read(b, var, count_ty);
                self.affine(b, a, count, ty)
            }
            Recipe::Shifts(s) => {
                let l = &self.input.regions.loops[s.l];
                let count = l.counter.as_ref().expect("canonical loops count").count;
                let var = self.counts[&s.l];
                let count_ty = b.k.ty(count);
                let count = self.read(b, var, count_ty);
                let init = self.get(b, s.init);
                shifted(b, s, init, count)
            }
            Recipe::AffineAtExit(a, count) => {
                let count = self.get(b, *count);
                self.affine(b, a, count, ty)
            }
            Recipe::Trip(t) => {
                let (init, bound) = (self.get(b, t.init), self.get(b, t.bound));
                let count = emit_trip(b, t, init, bound);
                resize(b, count, ty, false)
            }
            Recipe::Branch { cond, negate } => {
                let c = self.get(b, *cond);
                if *negate {
                    let one = b.k.int(Type::I1, 1);
                    b.binary(BinOp::Xor, c, one)
                } else {
                    c
                }
            }
            Recipe::CastOf(phi, op) => {
                let p = self.get(b, *phi);
                b.cast(*op, p, ty)
            }
        }
    }

    /// `init + count * step`.
    fn affine(&mut self, b: &mut KernelBuilder<'_>, a: &Affine, count: Value, ty: Type) -> Value {
        let init = self.get(b, a.init);
        let index = match ty {
            Type::Ptr(space) => b.k.index_ty(space),
            t => t,
        };
        let count = resize(b, count, index, false);
        let mut step: Option<Value> = None;
        for (s, minus) in &a.steps {
            let s = self.get(b, *s);
            let s = resize(b, s, index, true);
            step = Some(match (step, minus) {
                (None, false) => s,
                (None, true) => {
                    let zero = b.k.int(index, 0);
                    b.binary(BinOp::Sub, zero, s)
                }
                (Some(t), false) => b.binary(BinOp::Add, t, s),
                (Some(t), true) => b.binary(BinOp::Sub, t, s),
            });
        }
        let Some(step) = step else { return init };
        let distance = match b.k.as_int(step) {
            Some(1) => count,
            _ => b.binary(BinOp::Mul, count, step),
        };
        match ty {
            Type::Ptr(_) => b.value(Op::PtrAdd { ptr: init, offset: distance, inbounds: false }, ty),
            _ if b.k.as_int(init) == Some(0) => distance,
            _ => b.binary(BinOp::Add, init, distance),
        }
    }
}

/// An integer in another width.
pub fn resize(b: &mut KernelBuilder<'_>, v: Value, to: Type, signed: bool) -> Value {
    b.resize(v, to, signed)
}

/// `init` shifted `count` times; beyond its width nothing is left of it but the sign.
fn shifted(b: &mut KernelBuilder<'_>, s: &Shifts, init: Value, count: Value) -> Value {
    let (ty, count_ty) = (b.k.ty(init), b.k.ty(count));
    let Type::Int(width) = ty else { return init };
    let width = i128::from(width);
    // Counted in iterations: the product with the bits of one could overflow.
    let most = b.k.int(count_ty, (width - 1) / i128::from(s.bits));
    let inside = b.icmp(IntPred::Ule, count, most);
    let times = b.select(inside, count, most);
    let bits = b.k.int(count_ty, s.bits.into());
    let by = if s.bits == 1 { times } else { b.binary(BinOp::Mul, times, bits) };
    let by = resize(b, by, ty, false);
    let value = b.binary(s.op, init, by);
    let beyond = match s.op {
        BinOp::AShr => {
            let last = b.k.int(ty, width - 1);
            b.binary(BinOp::AShr, init, last)
        }
        _ => b.k.zero(ty),
    };
    b.select(inside, value, beyond)
}
