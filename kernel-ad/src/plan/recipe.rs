//! How a value can be had again in the reverse sweep without having been kept.

use super::Between;
use crate::canon::Regions;
use crate::cfg::{Cfg, DomTree, LoopId};
use crate::facts::trip::{affine, shifts, trip, Affine, DefBlocks, Shifts, Trip};
use crate::facts::{Provenance, Writes};
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use smallvec::{smallvec, SmallVec};
use std::collections::HashMap;

/// A way to compute a value again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipe {
    /// Execute its instruction again: a pure operation, or a load from memory that does not change.
    Again {
        /// Buffers that must be distinct for it.
        distinct: Vec<(u32, u32)>,
        /// It is a load.
        load: bool,
    },
    /// The address of an array of the thread's own: each kernel has its own array.
    Place,
    /// The number of the running iteration.
    Count(LoopId),
    /// `init + count * step`, with the count of the running iteration.
    Affine(Affine),
    /// The same after the loop, with the count that the pad saw.
    AffineAtExit(Affine, Value),
    /// `init` shifted as often as the running iteration says.
    Shifts(Shifts),
    /// The last count of a counted loop, worked out from its bounds.
    Trip(Trip),
    /// Which of two predecessors was taken: the condition of the branch that decided it, or its opposite.
    Branch {
        /// The condition.
        cond: Value,
        /// The second predecessor lies on the branch's other side.
        negate: bool,
    },
    /// A header phi whose entries are one cast of the entries of another phi: the cast of that phi.
    CastOf(Value, CastOp),
}

impl Recipe {
    /// The values that it needs.
    pub fn inputs(&self, k: &Kernel, v: Value) -> SmallVec<[Value; 4]> {
        match self {
            Recipe::Again { .. } => k.def_op(v).map(|o| o.operands()).unwrap_or_default(),
            Recipe::Count(_) | Recipe::Place => SmallVec::new(),
            Recipe::Affine(a) => {
                let mut s: SmallVec<[Value; 4]> = smallvec![a.init];
                s.extend(a.steps.iter().map(|(v, _)| *v));
                s
            }
            Recipe::AffineAtExit(a, count) => {
                let mut s: SmallVec<[Value; 4]> = smallvec![a.init, *count];
                s.extend(a.steps.iter().map(|(v, _)| *v));
                s
            }
            Recipe::Shifts(s) => smallvec![s.init],
            Recipe::Trip(t) => smallvec![t.init, t.bound],
            Recipe::CastOf(phi, _) => smallvec![*phi],
            Recipe::Branch { cond, .. } => smallvec![*cond],
        }
    }
}

/// Everything that recipes are found from.
pub struct Recipes<'a> {
    k: &'a Kernel,
    regions: &'a Regions,
    prov: &'a Provenance,
    writes: &'a Writes,
    cfg: &'a Cfg,
    dom: &'a DomTree,
    /// Blocks of definitions.
    pub blocks: DefBlocks,
    counts: HashMap<Value, LoopId>,
    at_exit: HashMap<Value, LoopId>,
    assume_distinct: bool,
    between: Option<&'a Between<'a>>,
    exact: SecondaryMap<Value, Option<bool>>,
}

impl<'a> Recipes<'a> {
    /// Prepares the search.
    pub fn new(
        k: &'a Kernel,
        regions: &'a Regions,
        prov: &'a Provenance,
        writes: &'a Writes,
        (cfg, dom): (&'a Cfg, &'a DomTree),
        assume_distinct: bool,
        between: Option<&'a Between<'a>>,
    ) -> Recipes<'a> {
        let (mut counts, mut at_exit) = (HashMap::new(), HashMap::new());
        for (id, l) in regions.loops.iter() {
            if let Some(c) = &l.counter {
                counts.insert(c.count, id);
                at_exit.extend(c.at_exit.iter().map(|(_, v)| (*v, id)));
            }
        }
        Recipes {
            k,
            regions,
            prov,
            writes,
            cfg,
            dom,
            blocks: DefBlocks::new(k),
            counts,
            at_exit,
            assume_distinct,
            between,
            exact: SecondaryMap::new(),
        }
    }

    /// The loop that a value is defined in.
    pub fn region(&self, v: Value) -> Option<LoopId> {
        self.blocks.region(self.regions, v)
    }

    /// True when the reverse sweep is a kernel of its own.
    pub fn is_split(&self) -> bool {
        self.between.is_some()
    }

    /// True when the value cannot just stay where it is until the reverse sweep.
    pub fn is_lost(&self, v: Value) -> bool {
        self.between.is_some() || self.region(v).is_some()
    }

    /// True when the value can be written to the tape and means the same when it is read.
    pub fn can_save(&self, v: Value) -> bool {
        is_tapeable(self.k, self.k.ty(v)) && !self.between.is_some_and(|b| b.is_momentary(v))
    }

    /// A way to compute the value again, if there is one.
    pub fn of(&mut self, v: Value) -> Option<Recipe> {
        let r = self.find(v)?;
        // Control and addresses must come out exactly as before; sums that the compiler may fuse do not promise that.
        // Inputs that are no floats are saved, or have recipes that promise it themselves.
        let float = |x: &Value| self.k.ty(*x).is_float();
        if !float(&v) {
            let floats: Vec<Value> = r.inputs(self.k, v).into_iter().filter(float).collect();
            if !floats.into_iter().all(|x| self.is_exact(x)) {
                return None;
            }
        }
        Some(r)
    }

    fn find(&self, v: Value) -> Option<Recipe> {
        let found = self.within_launch(v)?;
        match self.between {
            Some(b) if found != Recipe::Place && !b.repeats(v, &found.inputs(self.k, v)) => None,
            _ => Some(found),
        }
    }

    fn within_launch(&self, v: Value) -> Option<Recipe> {
        if let Some(&l) = self.counts.get(&v) {
            return Some(Recipe::Count(l));
        }
        if let Some(&l) = self.at_exit.get(&v) {
            return trip(self.k, self.regions, &self.blocks, l).map(Recipe::Trip);
        }
        let op = self.k.def_op(v)?;
        match op {
            Op::Phi { .. } if self.is_selector(v) => self.branch(v),
            Op::Phi { incoming } => {
                if let Some(a) = affine(self.k, self.regions, &self.blocks, v) {
                    return Some(Recipe::Affine(a));
                }
                if let Some(s) = shifts(self.k, self.regions, &self.blocks, v) {
                    return Some(Recipe::Shifts(s));
                }
                if let [(_, inner)] = incoming[..] {
                    return self.affine_at_exit(v, inner);
                }
                self.cast_of(v, incoming)
            }
            Op::Load { ptr, mem } => {
                let u = self.writes.unchanged(self.k, self.prov, *ptr, mem)?;
                let allowed = self.assume_distinct || u.distinct.is_empty();
                allowed.then_some(Recipe::Again { distinct: u.distinct, load: true })
            }
            Op::Alloca { .. } if self.between.is_some() => {
                (self.blocks.of(v) == Some(self.k.entry())).then_some(Recipe::Place)
            }
            Op::Freeze { .. } => Some(Recipe::Again { distinct: Vec::new(), load: false }),
            op if op.is_pure() => Some(Recipe::Again { distinct: Vec::new(), load: false }),
            _ => None,
        }
    }

    fn affine_at_exit(&self, v: Value, inner: Value) -> Option<Recipe> {
        let a = affine(self.k, self.regions, &self.blocks, inner)?;
        let pad = self.blocks.of(v)?;
        let l = &self.regions.loops[a.l];
        let (_, count) = l.counter.as_ref()?.at_exit.iter().find(|(p, _)| *p == pad)?;
        Some(Recipe::AffineAtExit(a, *count))
    }

    fn is_selector(&self, v: Value) -> bool {
        self.blocks.of(v).is_some_and(|b| self.regions.selectors[b] == Some(v))
    }

    /// The merge of the two sides of one branch: the branch's condition tells the predecessor.
    fn branch(&self, v: Value) -> Option<Recipe> {
        let merge = self.blocks.of(v)?;
        let decider = self.dom.idom(merge)?;
        if self.regions.of[decider] != self.regions.of[merge] {
            return None;
        }
        let Op::CondBr { cond, then, els } = self.k.insts[self.k.terminator(decider)].op else { return None };
        if then == els {
            return None;
        }
        let side = |p: Block| -> Option<bool> {
            let of = |target: Block| match p == decider {
                true => target == merge,
                // Only the decider enters the target, so that being below it means having gone there.
                false => {
                    target != merge && self.cfg.preds(target) == [decider] && self.dom.dominates(target, p)
                }
            };
            match (of(then), of(els)) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                _ => None,
            }
        };
        let [first, second] = *self.cfg.preds(merge) else { return None };
        match (side(first)?, side(second)?) {
            (false, true) => Some(Recipe::Branch { cond, negate: false }),
            (true, false) => Some(Recipe::Branch { cond, negate: true }),
            _ => None,
        }
    }

    fn cast_of(&self, v: Value, incoming: &[(Block, Value)]) -> Option<Recipe> {
        let block = self.blocks.of(v)?;
        self.regions.headed_by(block)?;
        for &i in &self.k.blocks[block].insts {
            let Op::Phi { incoming: other } = &self.k.insts[i].op else { break };
            let phi = self.k.insts[i].result.expect("a phi has a result");
            if phi == v {
                continue;
            }
            let mut cast = None;
            let all = incoming.iter().all(|(p, x)| {
                let Some((_, y)) = other.iter().find(|(q, _)| q == p) else { return false };
                match (self.k.def_op(*x), self.k.as_int(*x), self.k.as_int(*y)) {
                    (Some(Op::Cast { op: op @ (CastOp::SExt | CastOp::ZExt), a, .. }), ..) if a == y => {
                        *cast.get_or_insert(*op) == *op
                    }
                    // A constant start, extended by hand; non-negative, so both extensions agree.
                    (_, Some(a), Some(b)) => a == b && a >= 0,
                    _ => false,
                }
            });
            if let (true, Some(op)) = (all, cast) {
                return Some(Recipe::CastOf(phi, op));
            }
        }
        None
    }

    /// False when computing the value again could round differently.
    fn is_exact(&mut self, v: Value) -> bool {
        if let Some(known) = self.exact[v] {
            return known;
        }
        // Outside of loops values are kept, not computed again.
        if !self.is_lost(v) {
            return true;
        }
        self.exact[v] = Some(true);
        let own = match self.k.def_op(v) {
            Some(Op::Binary { op, fmf, .. }) if op.is_float() => {
                !fmf.intersects(Fmf::CONTRACT | Fmf::REASSOC | Fmf::AFN | Fmf::ARCP)
            }
            Some(Op::Math { .. }) => false,
            _ => true,
        };
        let exact = own
            && match self.find(v) {
                Some(r) => r.inputs(self.k, v).into_iter().all(|x| self.is_exact(x)),
                None => true,
            };
        self.exact[v] = Some(exact);
        exact
    }
}

/// True for types that can be written to the tape.
pub fn is_tapeable(k: &Kernel, ty: Type) -> bool {
    match ty {
        Type::Int(w) => w <= 64,
        Type::Float(_) | Type::Ptr(_) => true,
        Type::Vec(Lane::Int(w), _) if w < 8 => false,
        Type::Vec(..) => k.bytes(ty).is_power_of_two() && k.bytes(ty) <= 16,
        Type::Void | Type::Agg(_) => false,
    }
}
