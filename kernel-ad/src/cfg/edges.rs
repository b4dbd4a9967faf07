//! Predecessors, successors and reverse postorder.

use crate::kernel::{Block, Kernel};
use cranelift_entity::SecondaryMap;
use smallvec::SmallVec;

/// The edges of a kernel's control flow. Unreachable blocks have no place in [`Cfg::rpo`] and are no one's predecessor.
#[derive(Clone, Debug)]
pub struct Cfg {
    preds: SecondaryMap<Block, SmallVec<[Block; 4]>>,
    succs: SecondaryMap<Block, SmallVec<[Block; 2]>>,
    rpo: Vec<Block>,
    index: SecondaryMap<Block, Option<u32>>,
}

impl Cfg {
    /// Reads the terminators of a kernel whose blocks are complete.
    pub fn new(k: &Kernel) -> Cfg {
        let mut succs: SecondaryMap<Block, SmallVec<[Block; 2]>> = SecondaryMap::new();
        for &b in &k.layout {
            succs[b] = k.successors(b);
        }
        let rpo = reverse_postorder(k.entry(), &succs);
        let mut index = SecondaryMap::new();
        let mut preds: SecondaryMap<Block, SmallVec<[Block; 4]>> = SecondaryMap::new();
        for (i, &b) in rpo.iter().enumerate() {
            index[b] = Some(i as u32);
        }
        for &b in &rpo {
            for &s in &succs[b] {
                preds[s].push(b);
            }
        }
        Cfg { preds, succs, rpo, index }
    }

    /// Reachable predecessors, each once.
    pub fn preds(&self, b: Block) -> &[Block] {
        &self.preds[b]
    }

    /// Successors, each once.
    pub fn succs(&self, b: Block) -> &[Block] {
        &self.succs[b]
    }

    /// Reachable blocks; the entry first, and every block before its successors but for edges that go back.
    pub fn rpo(&self) -> &[Block] {
        &self.rpo
    }

    /// Position in [`Cfg::rpo`]; `None` if unreachable.
    pub fn rpo_index(&self, b: Block) -> Option<u32> {
        self.index[b]
    }

    /// True when the entry reaches the block.
    pub fn is_reachable(&self, b: Block) -> bool {
        self.index[b].is_some()
    }
}

fn reverse_postorder(entry: Block, succs: &SecondaryMap<Block, SmallVec<[Block; 2]>>) -> Vec<Block> {
    let mut seen: SecondaryMap<Block, bool> = SecondaryMap::new();
    let mut order = Vec::new();
    let mut stack = vec![(entry, 0usize)];
    seen[entry] = true;
    while let Some((b, next)) = stack.last_mut() {
        match succs[*b].get(*next) {
            Some(&s) => {
                *next += 1;
                if !seen[s] {
                    seen[s] = true;
                    stack.push((s, 0));
                }
            }
            None => {
                order.push(*b);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}
