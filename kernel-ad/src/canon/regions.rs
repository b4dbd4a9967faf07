//! The loops of a canonical kernel.

use crate::cfg::LoopId;
use crate::kernel::{Block, Value};
use cranelift_entity::{PrimaryMap, SecondaryMap};

/// How a loop counts its iterations.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Number of the running iteration, from 0: a phi in the header.
    pub count: Value,
    /// Its last value, in each pad.
    pub at_exit: Vec<(Block, Value)>,
}

/// One loop. Edges that leave go from its own blocks (not an inner loop's) to a pad in the loop around it.
#[derive(Clone, Debug)]
pub struct LoopRegion {
    /// Entry of every iteration.
    pub header: Block,
    /// The one block that goes back to the header.
    pub latch: Block,
    /// The one block that enters.
    pub preheader: Block,
    /// The loop around.
    pub parent: Option<LoopId>,
    /// 1 for outermost loops.
    pub depth: u32,
    /// (from, pad).
    pub exits: Vec<(Block, Block)>,
    /// There is one exit, and every iteration comes by it.
    pub always_tested: bool,
    /// The iteration counter; set by canonicalisation.
    pub counter: Option<Counter>,
}

/// All loops, and to which each block belongs.
#[derive(Clone, Debug)]
pub struct Regions {
    /// The loops.
    pub loops: PrimaryMap<LoopId, LoopRegion>,
    /// The innermost loop of a block; `None` outside of all.
    pub of: SecondaryMap<Block, Option<LoopId>>,
    /// For merges that are no headers: the phi that holds the index of the predecessor taken.
    pub selectors: SecondaryMap<Block, Option<Value>>,
}

impl Regions {
    /// A loop and those around it, innermost first.
    pub fn enclosing(&self, l: Option<LoopId>) -> impl Iterator<Item = LoopId> + '_ {
        std::iter::successors(l, |&l| self.loops[l].parent)
    }

    /// True when `inner` is `outer` or lies in it. `None` is the whole kernel.
    pub fn within(&self, inner: Option<LoopId>, outer: Option<LoopId>) -> bool {
        outer.is_none() || self.enclosing(inner).any(|l| Some(l) == outer)
    }

    /// The loop directly inside `outer` that holds `inner`. `inner` must lie properly inside.
    pub fn child_toward(&self, outer: Option<LoopId>, inner: LoopId) -> LoopId {
        self.enclosing(Some(inner)).find(|&l| self.loops[l].parent == outer).expect("properly inside")
    }

    /// Number of loops around.
    pub fn depth(&self, l: Option<LoopId>) -> u32 {
        l.map_or(0, |l| self.loops[l].depth)
    }

    /// The loop that this block is the header of.
    pub fn headed_by(&self, b: Block) -> Option<LoopId> {
        self.of[b].filter(|&l| self.loops[l].header == b)
    }

    /// The loop that this block is a pad of.
    pub fn left_by(&self, b: Block) -> Option<LoopId> {
        self.loops.iter().find(|(_, l)| l.exits.iter().any(|(_, p)| *p == b)).map(|(id, _)| id)
    }
}
