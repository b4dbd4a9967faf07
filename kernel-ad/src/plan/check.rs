//! An independent check of a plan: shares no code with the planner, and trusts nothing that it said.

use super::{Decision, Needed, Plan, Recipe};
use crate::canon::Regions;
use crate::cfg::DomTree;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::activity::value_name;
use crate::facts::trip::DefBlocks;
use crate::kernel::*;
use std::collections::HashMap;

/// Proves that every needed value can be had where it is needed.
///
/// # Errors
/// `KAD0902` naming the first value that cannot.
pub fn check(
    k: &Kernel,
    regions: &Regions,
    dom: &DomTree,
    blocks: &DefBlocks,
    plan: &Plan,
    needed: &[Needed],
) -> Result<()> {
    let mut by_block: HashMap<Inst, Block> = HashMap::new();
    for (b, i) in k.iter_insts() {
        by_block.insert(i, b);
    }
    let mut proof = Proof { k, regions, dom, blocks, plan, state: HashMap::new() };
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
            }
            Some(Decision::Save) => {
                let slots = home.and_then(|l| self.plan.frames.get(&l));
                let Some(frame) = slots else { return fail(self.k, "has no record on the tape") };
                let Some(&(_, at)) = frame.slots.iter().find(|(x, _)| *x == v) else {
                    return fail(self.k, "has no place in its record");
                };
                let size = self.k.bytes(self.k.ty(v)).max(1);
                if at + size > frame.bytes {
                    return fail(self.k, "lies beyond its record");
                }
                let clash = frame
                    .slots
                    .iter()
                    .any(|&(x, o)| x != v && o < at + size && at < o + self.k.bytes(self.k.ty(x)).max(1));
                if clash {
                    return fail(self.k, "shares its place in the record");
                }
            }
            Some(Decision::Again(recipe)) => {
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

    fn sources(&self, v: Value, recipe: &Recipe) -> Vec<Value> {
        match recipe {
            Recipe::Again { .. } => self.k.def_op(v).map(|o| o.operands().to_vec()).unwrap_or_default(),
            Recipe::Count(_) => Vec::new(),
            Recipe::Affine(a) => std::iter::once(a.init).chain(a.steps.iter().map(|s| s.0)).collect(),
            Recipe::AffineAtExit(a, count) => {
                [a.init, *count].into_iter().chain(a.steps.iter().map(|s| s.0)).collect()
            }
            Recipe::Trip(t) => vec![t.init, t.bound],
            Recipe::CastOf(phi, _) => vec![*phi],
            Recipe::Branch { cond, .. } => vec![*cond],
        }
    }
}
