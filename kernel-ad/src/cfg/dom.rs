//! Dominators and postdominators, by the iterative algorithm of Cooper, Harvey and Kennedy (2001).

use super::Cfg;
use crate::kernel::{Block, Kernel};
use cranelift_entity::SecondaryMap;

/// Immediate dominators of the reachable blocks.
#[derive(Clone, Debug)]
pub struct DomTree {
    idom: SecondaryMap<Block, Option<Block>>,
    depth: SecondaryMap<Block, u32>,
    children: SecondaryMap<Block, Vec<Block>>,
}

impl DomTree {
    /// Computes the tree.
    pub fn new(k: &Kernel, cfg: &Cfg) -> DomTree {
        let entry = k.entry();
        let n = cfg.rpo().len();
        let index = |b: Block| cfg.rpo_index(b).expect("reachable") as usize;
        let mut idom: Vec<Option<usize>> = vec![None; n];
        idom[0] = Some(0);
        solve(&mut idom, |i| cfg.preds(cfg.rpo()[i]).iter().map(|&p| index(p)).collect());
        let mut tree =
            DomTree { idom: SecondaryMap::new(), depth: SecondaryMap::new(), children: SecondaryMap::new() };
        for (i, &b) in cfg.rpo().iter().enumerate() {
            if b == entry {
                continue;
            }
            let d = cfg.rpo()[idom[i].expect("reachable blocks have a dominator")];
            tree.idom[b] = Some(d);
            tree.depth[b] = tree.depth[d] + 1;
            tree.children[d].push(b);
        }
        tree
    }

    /// The immediate dominator; `None` for the entry and for unreachable blocks.
    pub fn idom(&self, b: Block) -> Option<Block> {
        self.idom[b]
    }

    /// True when every path from the entry to `b` goes through `a`. A block dominates itself.
    pub fn dominates(&self, a: Block, mut b: Block) -> bool {
        while self.depth[b] > self.depth[a] {
            b = self.idom[b].expect("deeper blocks have a dominator");
        }
        a == b
    }

    /// Blocks whose immediate dominator is `b`, in reverse postorder.
    pub fn children(&self, b: Block) -> &[Block] {
        &self.children[b]
    }

    /// The deepest block that dominates both.
    pub fn common(&self, mut a: Block, mut b: Block) -> Block {
        while a != b {
            if self.depth[a] >= self.depth[b] {
                a = self.idom[a].expect("the entry dominates every block");
            } else {
                b = self.idom[b].expect("the entry dominates every block");
            }
        }
        a
    }

    /// Dominance frontier of every block: where its definitions meet others.
    pub fn frontiers(&self, cfg: &Cfg) -> SecondaryMap<Block, Vec<Block>> {
        let mut out: SecondaryMap<Block, Vec<Block>> = SecondaryMap::new();
        for &b in cfg.rpo() {
            if cfg.preds(b).len() < 2 && self.idom[b].is_some() {
                continue;
            }
            for &p in cfg.preds(b) {
                let mut at = Some(p);
                while let Some(x) = at {
                    if Some(x) == self.idom[b] {
                        break;
                    }
                    if !out[x].contains(&b) {
                        out[x].push(b);
                    }
                    at = self.idom[x];
                }
            }
        }
        out
    }
}

/// Immediate postdominators. Blocks that reach no exit (endless loops) have none.
#[derive(Clone, Debug)]
pub struct PostDomTree {
    ipdom: SecondaryMap<Block, Option<Block>>,
    reaches_exit: SecondaryMap<Block, bool>,
}

impl PostDomTree {
    /// Computes the tree; a virtual exit joins all blocks without successors.
    pub fn new(_k: &Kernel, cfg: &Cfg) -> PostDomTree {
        // Postorder of the reversed graph, from the virtual exit.
        let mut order: Vec<Block> = Vec::new();
        let mut seen: SecondaryMap<Block, bool> = SecondaryMap::new();
        for &e in cfg.rpo().iter().filter(|b| cfg.succs(**b).is_empty()) {
            let mut stack = vec![(e, 0usize)];
            seen[e] = true;
            while let Some((b, next)) = stack.last_mut() {
                match cfg.preds(*b).get(*next) {
                    Some(&p) => {
                        *next += 1;
                        if !seen[p] {
                            seen[p] = true;
                            stack.push((p, 0));
                        }
                    }
                    None => {
                        order.push(*b);
                        stack.pop();
                    }
                }
            }
        }
        order.reverse();
        let mut index: SecondaryMap<Block, usize> = SecondaryMap::new();
        for (i, &b) in order.iter().enumerate() {
            index[b] = i + 1; // 0 is the virtual exit
        }
        let mut ipdom: Vec<Option<usize>> = vec![None; order.len() + 1];
        ipdom[0] = Some(0);
        solve(&mut ipdom, |i| {
            let b = order[i - 1];
            if cfg.succs(b).is_empty() {
                return vec![0];
            }
            cfg.succs(b).iter().filter(|s| seen[**s]).map(|&s| index[s]).collect()
        });
        let mut tree = PostDomTree { ipdom: SecondaryMap::new(), reaches_exit: seen };
        for (i, &b) in order.iter().enumerate() {
            tree.ipdom[b] = ipdom[i + 1].filter(|&d| d != 0).map(|d| order[d - 1]);
        }
        tree
    }

    /// The immediate postdominator; `None` when it is the virtual exit, or when no exit is reached.
    pub fn ipdom(&self, b: Block) -> Option<Block> {
        self.ipdom[b]
    }

    /// True when every path from `b` to an exit goes through `a`. False when `b` reaches no exit.
    pub fn postdominates(&self, a: Block, b: Block) -> bool {
        let mut at = Some(b).filter(|b| self.reaches_exit[*b]);
        while let Some(x) = at {
            if x == a {
                return true;
            }
            at = self.ipdom[x];
        }
        false
    }
}

/// Iterates to the fixed point. Node 0 is the root; nodes are numbered in reverse postorder.
fn solve(idom: &mut [Option<usize>], preds: impl Fn(usize) -> Vec<usize>) {
    let mut changed = true;
    while changed {
        changed = false;
        for i in 1..idom.len() {
            let mut new: Option<usize> = None;
            for p in preds(i) {
                if idom[p].is_some() {
                    new = Some(new.map_or(p, |n| intersect(idom, n, p)));
                }
            }
            if new.is_some() && idom[i] != new {
                idom[i] = new;
                changed = true;
            }
        }
    }
}

fn intersect(idom: &[Option<usize>], mut a: usize, mut b: usize) -> usize {
    while a != b {
        while a > b {
            a = idom[a].expect("processed");
        }
        while b > a {
            b = idom[b].expect("processed");
        }
    }
    a
}
