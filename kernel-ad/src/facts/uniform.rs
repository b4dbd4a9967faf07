//! Which values are the same for all threads of a block, and which branches all of them take together.
//!
//! Divergence spreads from what tells threads apart along data flow, and along control flow: where the two sides of a divergent branch meet,
//! threads that come different ways bring different values (Karrenberg and Hack, "Improving Performance of OpenCL on
//! CPUs", CC 2012). "The same" is said of threads that execute an instruction the same number of times.

use crate::cfg::{Cfg, PostDomTree};
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashSet;

/// Divergence of values and branches within a block of threads.
#[derive(Clone, Debug)]
pub struct Uniform {
    divergent: SecondaryMap<Value, bool>,
    /// Blocks whose phis merge different ways of different threads.
    joins: SecondaryMap<Block, bool>,
    /// Blocks that end with a branch that threads take differently.
    branches: HashSet<Block>,
}

impl Uniform {
    /// Computes it by iteration: everything is the same until something tells threads apart.
    pub fn new(k: &Kernel, cfg: &Cfg) -> Uniform {
        let post = PostDomTree::new(k, cfg);
        let mut u =
            Uniform { divergent: SecondaryMap::new(), joins: SecondaryMap::new(), branches: HashSet::new() };
        loop {
            let mut changed = false;
            for &b in cfg.rpo() {
                for &i in &k.blocks[b].insts {
                    changed |= u.visit(k, b, i);
                }
                if u.branches_apart(k, b) && u.branches.insert(b) {
                    changed = true;
                    for join in between(cfg, b, post.ipdom(b)).into_iter().chain(post.ipdom(b)) {
                        u.joins[join] = true;
                    }
                }
            }
            if !changed {
                return u;
            }
        }
    }

    /// True when all threads of a block have the same value.
    pub fn is_uniform(&self, v: Value) -> bool {
        !self.divergent[v]
    }

    /// True when threads of a block may leave `b` by different edges.
    pub fn is_divergent_branch(&self, b: Block) -> bool {
        self.branches.contains(&b)
    }

    fn branches_apart(&self, k: &Kernel, b: Block) -> bool {
        match &k.insts[k.terminator(b)].op {
            Op::CondBr { cond, then, els } => then != els && self.divergent[*cond],
            Op::Switch { val, .. } => self.divergent[*val],
            _ => false,
        }
    }

    fn visit(&mut self, k: &Kernel, b: Block, i: Inst) -> bool {
        let data = &k.insts[i];
        let Some(r) = data.result.filter(|&r| !self.divergent[r]) else { return false };
        let any = || data.op.operands().iter().any(|&v| self.divergent[v]);
        let apart = match &data.op {
            Op::Phi { .. } => self.joins[b] || any(),
            Op::Special(s) => !matches!(
                s,
                Special::BlockId(_)
                    | Special::BlockDim(_)
                    | Special::GridDim(_)
                    | Special::WarpSize
                    | Special::DynamicSharedSize
                    | Special::TotalSharedSize
            ),
            // The reducing barriers give one result to all.
            Op::Barrier { .. } => false,
            Op::Load { ptr, mem } => any() || !keeps(k, *ptr, mem),
            op => any() || !(op.is_pure() || matches!(op, Op::Freeze { .. })),
        };
        self.divergent[r] = apart;
        apart
    }
}

/// Threads that read the same place together through this pointer find the same there: the memory does not change, or all
/// threads share it. If one of them wrote to it between the same barriers, the loads of the others would race with that.
fn keeps(k: &Kernel, ptr: Value, mem: &MemFlags) -> bool {
    if mem.volatile || mem.ordering.is_some() {
        return false;
    }
    mem.invariant || k.ty(ptr) == Type::Ptr(AddrSpace::Constant) || is_shared_by_all(k, ptr)
}

/// The pointer points into a parameter's memory or a variable, not into a local array or who knows what.
fn is_shared_by_all(k: &Kernel, ptr: Value) -> bool {
    let mut at = ptr;
    loop {
        match (&k.values[at].def, k.def_op(at)) {
            (ValueDef::Param(_) | ValueDef::Const(Const::Global(_)), _) => return true,
            (_, Some(Op::PtrAdd { ptr, .. })) => at = *ptr,
            (_, Some(Op::Cast { op: CastOp::AddrSpaceCast, a, .. })) => at = *a,
            _ => return false,
        }
    }
}

/// Blocks that are reached from the successors of `from` without coming by `until`.
pub fn between(cfg: &Cfg, from: Block, until: Option<Block>) -> HashSet<Block> {
    let mut seen = HashSet::new();
    let mut work: Vec<Block> = cfg.succs(from).to_vec();
    while let Some(b) = work.pop() {
        if Some(b) != until && seen.insert(b) {
            work.extend_from_slice(cfg.succs(b));
        }
    }
    seen
}
