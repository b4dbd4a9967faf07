//! Decisions, and nothing but decisions: what the reverse sweep needs, and how it gets it.

mod between;
pub mod check;
mod cut;
mod decide;
pub mod recipe;
mod tape;

pub use between::{Between, Kept};
pub use decide::decide;
pub use recipe::{Recipe, Recipes};
pub use tape::{root_bytes, tape_align, tape_need, Frame, Root};

use crate::cfg::LoopId;
use crate::kernel::{Inst, Kernel, Value};
use cranelift_entity::SecondaryMap;
use std::collections::{BTreeMap, BTreeSet};

/// What the planner prefers. The gradient is the same under every policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// The fewest bytes on the tape.
    #[default]
    Cut,
    /// Everything that is needed and defined in a loop goes to the tape.
    Save,
    /// Recipes are ignored at random, from this seed. For tests.
    Chaos(u64),
}

/// Choices of the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanOptions {
    /// What to prefer.
    pub policy: Policy,
    /// A tape of at most so many bytes per thread, known when the kernel is generated, lies in local memory.
    pub local_tape_bytes: u64,
    /// Buffers of different parameters may be taken to be distinct; recorded as assumptions, checked at launch.
    pub assume_distinct: bool,
    /// Where augmented and reverse kernel are two: what the reverse kernel may load again.
    pub kept: Kept,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { policy: Policy::Cut, local_tape_bytes: 256, assume_distinct: true, kept: Kept::Nothing }
    }
}

/// How the reverse sweep gets a value of the forward sweep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Defined outside of loops: it stays in a register.
    Keep,
    /// Written to the tape: in every iteration, or once, outside of loops, when the reverse sweep is a kernel of its own.
    Save,
    /// Computed again.
    Again(Recipe),
}

/// All decisions for one kernel.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// For every needed value that is neither parameter nor constant.
    pub of: SecondaryMap<Value, Option<Decision>>,
    /// The saved values of each loop, one record an iteration.
    pub frames: BTreeMap<LoopId, Frame>,
    /// What is saved once, outside of loops; if the reverse sweep is a kernel of its own.
    pub root: Option<Root>,
    /// Pairs of parameters whose buffers must be distinct.
    pub distinct: BTreeSet<(u32, u32)>,
}

/// A value that the reverse sweep needs, and the instruction on whose behalf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needed {
    /// The value.
    pub value: Value,
    /// Who needs it.
    pub by: Inst,
}

impl Plan {
    /// The plan as text, one line a value, for people and tests.
    pub fn print(&self, k: &Kernel) -> String {
        let mut out = String::new();
        for (v, d) in self.of.iter() {
            let Some(d) = d else { continue };
            let name = crate::facts::activity::value_name(k, v);
            let how = match d {
                Decision::Keep => "keep: outside of loops".to_string(),
                Decision::Save => "save: no cheaper way to have it again".to_string(),
                Decision::Again(Recipe::Again { load: true, .. }) => {
                    "reload: memory does not change".to_string()
                }
                Decision::Again(Recipe::Again { .. }) => "recompute".to_string(),
                Decision::Again(Recipe::Trip(_)) => "recompute: trip count from bounds".to_string(),
                Decision::Again(Recipe::Count(_)) => "recompute: iteration number".to_string(),
                Decision::Again(_) => "recompute: from the iteration number".to_string(),
            };
            out.push_str(&format!("{name}: {how}\n"));
        }
        if let Some(r) = &self.root {
            out.push_str(&format!("between the kernels: {} bytes\n", r.frame.bytes));
        }
        for (l, f) in &self.frames {
            out.push_str(&format!("{l}: {} bytes an iteration\n", f.bytes));
        }
        out
    }
}
