//! Natural loops of a reducible control flow.

use super::{Cfg, DomTree};
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::kernel::{Block, Kernel};
use cranelift_entity::{entity_impl, PrimaryMap, SecondaryMap};

/// A loop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopId(u32);
entity_impl!(LoopId, "loop");

/// A natural loop: all blocks that reach an edge back to the header without passing the header.
#[derive(Clone, Debug)]
pub struct LoopData {
    /// The one block through which the loop is entered.
    pub header: Block,
    /// The only predecessor from outside, if there is exactly one and the header is its only successor.
    pub preheader: Option<Block>,
    /// Predecessors from outside.
    pub entering: Vec<Block>,
    /// Sources of the edges back, in reverse postorder.
    pub latches: Vec<Block>,
    /// All blocks, those of inner loops included, in reverse postorder; the header is the first.
    pub blocks: Vec<Block>,
    /// Edges that leave: (from inside, to outside), in reverse postorder of `from`.
    pub exits: Vec<(Block, Block)>,
    /// The loop around this one.
    pub parent: Option<LoopId>,
    /// 1 for outermost loops.
    pub depth: u32,
}

/// All loops of a kernel, outer before inner.
#[derive(Clone, Debug)]
pub struct LoopForest {
    /// The loops.
    pub loops: PrimaryMap<LoopId, LoopData>,
    innermost: SecondaryMap<Block, Option<LoopId>>,
}

impl LoopForest {
    /// Finds the loops.
    ///
    /// # Errors
    /// `KAD0102` for every edge that enters a cycle elsewhere than at its header (irreducible flow).
    pub fn new(k: &Kernel, cfg: &Cfg, dom: &DomTree) -> Result<LoopForest> {
        let mut errors = Vec::new();
        let mut headers: Vec<(Block, Vec<Block>)> = Vec::new();
        for &b in cfg.rpo() {
            let at = cfg.rpo_index(b);
            let mut latches = Vec::new();
            for &p in cfg.preds(b) {
                if cfg.rpo_index(p) < at {
                    continue;
                }
                if dom.dominates(b, p) {
                    latches.push(p);
                } else {
                    errors.push(irreducible(k, b, p));
                }
            }
            if !latches.is_empty() {
                latches.sort_by_key(|&l| cfg.rpo_index(l));
                headers.push((b, latches));
            }
        }
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
        let mut forest = LoopForest { loops: PrimaryMap::new(), innermost: SecondaryMap::new() };
        // Headers in reverse postorder: an outer header dominates, and so precedes, the inner ones.
        for (header, latches) in headers {
            let blocks = body(cfg, header, &latches);
            let parent = forest.innermost[header];
            let depth = parent.map_or(1, |p| forest.loops[p].depth + 1);
            let exits = blocks
                .iter()
                .flat_map(|&b| cfg.succs(b).iter().map(move |&s| (b, s)))
                .filter(|(_, s)| !blocks.contains(s))
                .collect();
            let entering: Vec<Block> =
                cfg.preds(header).iter().copied().filter(|p| !blocks.contains(p)).collect();
            let preheader = match entering[..] {
                [p] if cfg.succs(p).len() == 1 => Some(p),
                _ => None,
            };
            let id = forest.loops.push(LoopData {
                header,
                preheader,
                entering,
                latches,
                blocks: blocks.clone(),
                exits,
                parent,
                depth,
            });
            for b in blocks {
                forest.innermost[b] = Some(id);
            }
        }
        Ok(forest)
    }

    /// The innermost loop that holds the block.
    pub fn of(&self, b: Block) -> Option<LoopId> {
        self.innermost[b]
    }

    /// Number of loops around the block.
    pub fn depth(&self, b: Block) -> u32 {
        self.of(b).map_or(0, |l| self.loops[l].depth)
    }

    /// True when the loop holds the block, in itself or in an inner loop.
    pub fn contains(&self, l: LoopId, b: Block) -> bool {
        self.enclosing(b).any(|x| x == l)
    }

    /// The loops around a block, innermost first.
    pub fn enclosing(&self, b: Block) -> impl Iterator<Item = LoopId> + '_ {
        std::iter::successors(self.of(b), |&l| self.loops[l].parent)
    }

    /// The innermost loop that holds both blocks.
    pub fn common(&self, a: Block, b: Block) -> Option<LoopId> {
        self.enclosing(a).find(|&l| self.contains(l, b))
    }
}

fn body(cfg: &Cfg, header: Block, latches: &[Block]) -> Vec<Block> {
    let mut inside: SecondaryMap<Block, bool> = SecondaryMap::new();
    inside[header] = true;
    let mut work = latches.to_vec();
    while let Some(b) = work.pop() {
        if !inside[b] {
            inside[b] = true;
            work.extend_from_slice(cfg.preds(b));
        }
    }
    cfg.rpo().iter().copied().filter(|&b| inside[b]).collect()
}

fn irreducible(k: &Kernel, entry: Block, from: Block) -> Diagnostic {
    let name = |b: Block| k.blocks[b].name.clone().unwrap_or_else(|| b.to_string());
    let lines =
        |b: Block| k.blocks[b].insts.iter().filter_map(|&i| k.insts[i].loc).find(|&l| k.locs[l].line > 0);
    // A block of the cycle may hold nothing of the source.
    let around = [entry, from].into_iter().chain(k.successors(entry)).chain(k.successors(from));
    let loc = around.into_iter().find_map(lines);
    Diagnostic::new(Code::IrreducibleFlow, "irreducible control flow")
        .at(k, loc)
        .because(format!(
            "the cycle through `{}` and `{}` can be entered at more than one block",
            name(entry),
            name(from)
        ))
        .help("rewrite the loop without `goto` into its body")
}
