//! Which values are equal for all lanes of a warp that are at the same place together.

use crate::cfg::{Cfg, PostDomTree};
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashSet;

/// Values that may differ among the lanes of a warp, and branches whose lanes may part.
#[derive(Clone, Debug)]
pub struct WarpUniform {
    divergent: SecondaryMap<Value, bool>,
    parting: HashSet<Block>,
}

impl WarpUniform {
    /// Starts from "everything is equal" and takes back what is not, to a fixed point.
    pub fn new(k: &Kernel, cfg: &Cfg) -> WarpUniform {
        let post = PostDomTree::new(k, cfg);
        let mut u = WarpUniform { divergent: SecondaryMap::new(), parting: HashSet::new() };
        // Blocks that lanes may come to together by different ways, or after different numbers of rounds.
        let mut mixed: HashSet<Block> = HashSet::new();
        loop {
            let mut changed = false;
            for &b in cfg.rpo() {
                for &i in &k.blocks[b].insts {
                    let Some(r) = k.insts[i].result else { continue };
                    if !u.divergent[r] && u.differs(k, &k.insts[i].op, mixed.contains(&b)) {
                        u.divergent[r] = true;
                        changed = true;
                    }
                }
                if !u.parting.contains(&b) && u.parts(k, b) {
                    u.parting.insert(b);
                    changed = true;
                    mixed.extend(joins(cfg, &post, b));
                }
            }
            if !changed {
                return u;
            }
        }
    }

    /// True when all lanes of a warp that are in the loop of `v` together have the same value.
    pub fn is_uniform(&self, v: Value) -> bool {
        !self.divergent[v]
    }

    /// True when the lanes of a warp go on together from the end of a block.
    pub fn stays_together(&self, b: Block) -> bool {
        !self.parting.contains(&b)
    }

    fn parts(&self, k: &Kernel, b: Block) -> bool {
        match k.insts[k.terminator(b)].op {
            Op::CondBr { cond, then, els } => then != els && self.divergent[cond],
            Op::Switch { val, .. } => self.divergent[val],
            _ => false,
        }
    }

    fn differs(&self, k: &Kernel, op: &Op, mixed: bool) -> bool {
        let mut any = false;
        op.for_each_operand(|v| any |= self.divergent[v]);
        match op {
            Op::Phi { incoming } => {
                // Even with one entry: lanes that left a loop one by one bring values of different rounds.
                let first = incoming.first().map(|(_, v)| *v);
                let equal = incoming.iter().all(|(_, v)| Some(*v) == first)
                    && first.is_some_and(|v| k.def_inst(v).is_none());
                any || (mixed && !equal)
            }
            Op::Special(s) => {
                matches!(s, Special::ThreadId(_) | Special::LaneId | Special::LaneMask(_) | Special::Clock)
            }
            // Between two lanes' loads somebody may write, unless nobody can.
            Op::Load { ptr, mem } => {
                let fixed = matches!(k.ty(*ptr).addr_space(), Some(AddrSpace::Constant | AddrSpace::Param));
                any || !(fixed || mem.invariant)
            }
            Op::Barrier { .. } => false,
            Op::Freeze { .. } => any,
            Op::Warp { op, args } => match op {
                WarpOp::ReadFirstLane => false,
                WarpOp::VoteAll | WarpOp::VoteAny | WarpOp::VoteUni | WarpOp::Ballot => {
                    args.first().is_none_or(|&m| self.divergent[m])
                }
                WarpOp::ActiveMask => false,
                WarpOp::ReadLane => self.divergent[args[1]],
                _ => true,
            },
            op if op.is_pure() => any,
            _ => true,
        }
    }
}

/// Where lanes that parted at a branch come together again.
fn joins(cfg: &Cfg, post: &PostDomTree, branch: Block) -> HashSet<Block> {
    let meet = post.ipdom(branch);
    let (mut once, mut joined) = (HashSet::new(), HashSet::new());
    for &s in cfg.succs(branch) {
        let mut seen = HashSet::new();
        let mut work = vec![s];
        while let Some(b) = work.pop() {
            if seen.insert(b) && Some(b) != meet {
                work.extend_from_slice(cfg.succs(b));
            }
        }
        for b in seen {
            if !once.insert(b) {
                joined.insert(b);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::parse;

    /// Catches: a value after a divergent branch, or of a loop that lanes leave one by one, being taken as equal.
    #[test]
    fn values_that_lanes_share() {
        let k = parse(
            "kernel @k(ptr.global %x, i32 %n) nvptx { entry: %t = tid.x %w = warpid %c = icmp ult %t, %n br loop
             loop: %s = phi i32 [16, entry], [%h, loop] %d = add %s, %n %h = lshr %s, 1 %go = icmp ne %h, 0 br %go, loop, after
             after: br %c, yes, no  yes: br no
             no: %p = phi i32 [1, after], [2, yes] br own
             own: %i = phi i32 [0, no], [%j, own] %j = add %i, 1 %m = icmp ult %j, %t br %m, own, end
             end: %last = phi i32 [%j, own] %q = add %w, 3 ret }",
        )
        .unwrap_or_else(|e| panic!("{e}"));
        let u = WarpUniform::new(&k, &Cfg::new(&k));
        let named = |name: &str| {
            let v = k.values.keys().find(|&v| k.values[v].name.as_deref() == Some(name)).expect("named");
            u.is_uniform(v)
        };
        for same in ["w", "s", "d", "h", "go", "i", "j", "q"] {
            assert!(named(same), "{same}");
        }
        for other in ["t", "c", "p", "m", "last"] {
            assert!(!named(other), "{other}");
        }
    }
}
