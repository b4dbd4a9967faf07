//! An independent check of a plan: shares no code with the planner, and trusts nothing that it said.

use super::{Decision, Frame, Needed, Plan, Recipe};
use crate::canon::Regions;
use crate::cfg::DomTree;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::activity::value_name;
use crate::facts::trip::DefBlocks;
use crate::facts::{Base, Provenance};
use crate::grad::shadow::Shadows;
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// What the proof stands on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The canonical kernel.
    pub k: &'a Kernel,
    /// Its loops.
    pub regions: &'a Regions,
    /// Its dominators.
    pub dom: &'a DomTree,
    /// Where its values are defined.
    pub blocks: &'a DefBlocks,
    /// Where its pointers point, and their shadows, when the reverse sweep is a kernel of its own.
    pub apart: Option<(&'a Provenance, &'a Shadows)>,
}

/// Proves that every needed value can be had where it is needed.
///
/// # Errors
/// `KAD0902` naming the first value that cannot.
pub fn check(ground: Ground<'_>, plan: &Plan, needed: &[Needed]) -> Result<()> {
    let Ground { k, regions, dom, blocks, apart } = ground;
    let mut by_block: HashMap<Inst, Block> = HashMap::new();
    for (b, i) in k.iter_insts() {
        by_block.insert(i, b);
    }
    let mut proof = Proof { k, regions, dom, blocks, apart, plan, state: HashMap::new() };
    proof.root()?;
    for n in needed {
        let at = by_block[&n.by];
        proof.usable(n.value, at)?;
    }
    Ok(())
}

struct Proof<'a> {
    k: &'a Kernel,
    regions: &'a Regions,
    dom: &'a DomTree,
    blocks: &'a DefBlocks,
    apart: Option<(&'a Provenance, &'a Shadows)>,
    plan: &'a Plan,
    /// true: proven; false: in progress.
    state: HashMap<Value, bool>,
}

impl Proof<'_> {
    /// `v` can be had in the reverse of block `at`.
    fn usable(&mut self, v: Value, at: Block) -> Result<()> {
        let Some(def) = self.blocks.of(v) else { return Ok(()) };
        let fail = |why: &str| {
            Err(Diagnostic::new(Code::Bug, format!("plan: {} {why}", value_name(self.k, v))).into())
        };
        if !self.dom.dominates(def, at) {
            return fail("is needed where it was not computed");
        }
        let (home, here) = (self.regions.of[def], self.regions.of[at]);
        if !self.regions.within(here, home) {
            return fail("is needed outside of the loop that computes it");
        }
        self.obtainable(v, def)
    }

    /// `v` can be had in any reversed iteration of its own loop.
    fn obtainable(&mut self, v: Value, def: Block) -> Result<()> {
        let fail = |k: &Kernel, why: &str| {
            Err(Diagnostic::new(Code::Bug, format!("plan: {} {why}", value_name(k, v))).into())
        };
        match self.state.get(&v) {
            Some(true) => return Ok(()),
            Some(false) => return fail(self.k, "is computed from itself"),
            None => {}
        }
        self.state.insert(v, false);
        let home = self.regions.of[def];
        match &self.plan.of[v] {
            None => return fail(self.k, "was forgotten"),
            Some(Decision::Keep) => {
                if home.is_some() {
                    return fail(self.k, "is kept although a loop overwrites it");
                }
                if self.apart.is_some() {
                    return fail(self.k, "is kept although another kernel needs it");
                }
            }
            Some(Decision::Save) => {
                let root = self.plan.root.as_ref().map(|r| &r.frame);
                let slots = home.map_or(root, |l| self.plan.frames.get(&l));
                let Some(frame) = slots else { return fail(self.k, "has no record on the tape") };
                let Some(&(_, at)) = frame.slots.iter().find(|(x, _)| *x == v) else {
                    return fail(self.k, "has no place in its record");
                };
                let size = self.k.room(self.k.ty(v));
                if at + size > frame.bytes {
                    return fail(self.k, "lies beyond its record");
                }
                let clash = frame
                    .slots
                    .iter()
                    .any(|&(x, o)| x != v && o < at + size && at < o + self.k.room(self.k.ty(x)));
                if clash {
                    return fail(self.k, "shares its place in the record");
                }
                if self.is_gone(v) {
                    return fail(self.k, "is saved although it points to what the launch takes with it");
                }
            }
            Some(Decision::Again(recipe)) => {
                if let (Some((prov, _)), Some(Op::Load { ptr, .. })) = (self.apart, self.k.def_op(v)) {
                    let bases = prov.of(*ptr).bases;
                    if bases.is_empty() || bases.iter().any(|&b| self.goes(b)) {
                        return fail(self.k, "is loaded again from memory that the launch took with it");
                    }
                }
                for x in self.sources(v, recipe) {
                    let Some(d) = self.blocks.of(x) else { continue };
                    if !self.dom.dominates(d, def) {
                        return fail(self.k, "is computed from what comes later");
                    }
                    if !self.regions.within(home, self.regions.of[d]) {
                        return fail(self.k, "is computed from what another loop holds");
                    }
                    self.obtainable(x, d)?;
                }
            }
        }
        self.state.insert(v, true);
        Ok(())
    }

    /// The record between two kernels: the loops' end has a place of its own, and so have they behind it.
    fn root(&self) -> Result<()> {
        let fail =
            |why: &str| Err(Diagnostic::new(Code::Bug, format!("plan: the first record {why}")).into());
        let Some(r) = &self.plan.root else {
            let wanted = self.apart.is_some() && !self.plan.frames.is_empty();
            return if wanted { fail("is missing") } else { Ok(()) };
        };
        if self.apart.is_none() {
            return fail("is of no use within one kernel");
        }
        let Frame { slots, bytes, .. } = &r.frame;
        match r.position {
            None if !self.plan.frames.is_empty() => fail("does not say where the tape ends"),
            Some(at) if at % 8 != 0 || at + 8 > *bytes => fail("does not hold the end of the tape"),
            Some(at) if slots.iter().any(|&(v, o)| o + self.k.room(self.k.ty(v)) > at) => {
                fail("notes the end of the tape where a value lies")
            }
            _ => Ok(()),
        }
    }

    /// The pointer, or the one that it shadows, points to memory of threads, blocks or parameters.
    fn is_gone(&self, v: Value) -> bool {
        let Some((prov, shadows)) = self.apart.filter(|_| self.k.ty(v).is_ptr()) else { return false };
        let mut seen: HashSet<Base> = prov.of(v).bases.into_iter().collect();
        let primals = self.k.values.keys().filter(|&p| p != v && shadows.of(p) == Some(v));
        let device_record = |b: &Base| !matches!(b, Base::Param(_));
        seen.extend(primals.flat_map(|p| prov.of(p).bases).filter(device_record));
        seen.into_iter().any(|b| match b {
            Base::Param(i) => self.k.params[i as usize].by_value.is_some(),
            b => self.goes(b),
        })
    }

    fn goes(&self, b: Base) -> bool {
        match b {
            Base::Alloca(_) => true,
            Base::Global(g) => self.k.globals[g].space == AddrSpace::Shared,
            _ => false,
        }
    }

    fn sources(&self, v: Value, recipe: &Recipe) -> Vec<Value> {
        match recipe {
            Recipe::Again { .. } => self.k.def_op(v).map(|o| o.operands().to_vec()).unwrap_or_default(),
            Recipe::Count(_) | Recipe::Place => Vec::new(),
            Recipe::Affine(a) => std::iter::once(a.init).chain(a.steps.iter().map(|s| s.0)).collect(),
            Recipe::AffineAtExit(a, count) => {
                [a.init, *count].into_iter().chain(a.steps.iter().map(|s| s.0)).collect()
            }
            Recipe::Trip(t) => vec![t.init, t.bound],
            Recipe::Shifts(s) => vec![s.init],
            Recipe::CastOf(phi, _) => vec![*phi],
            Recipe::Branch { cond, .. } => vec![*cond],
        }
    }
}
