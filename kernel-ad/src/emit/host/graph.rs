//! The kernel cut into pieces: blocks are split at barriers and warp operations, and a region is what can be reached
//! from one of its entries without passing a cut.

use crate::cfg::Cfg;
use crate::kernel::{Block, Inst, Kernel, Op, Value, ValueDef, WarpOp};
use std::collections::{BTreeSet, HashMap};

/// True for operations that need other threads: the device carries them out between regions.
pub(super) fn is_cut(op: &Op) -> bool {
    match op {
        Op::Barrier { .. } => true,
        Op::Warp { op, .. } => !matches!(op, WarpOp::MbcntLo | WarpOp::MbcntHi),
        _ => false,
    }
}

/// Part of a block without a cut inside.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub block: Block,
    /// Instructions, without the cut.
    pub insts: Vec<Inst>,
    /// The cut that ends the node; the next node of the table follows it.
    pub cut: Option<Inst>,
    /// Nodes that the terminator goes to.
    pub succs: Vec<usize>,
    /// First of its block.
    pub first: bool,
}

/// All nodes, in reverse postorder of their blocks.
pub(super) struct Graph {
    pub nodes: Vec<Node>,

    /// Values that live at a node's start, behind its phis. Parameters, constants and `cheap` values are not listed.
    pub live_in: Vec<BTreeSet<Value>>,
}

impl Graph {
    /// Splits the kernel; values for which `cheap` holds are made anew wherever they are needed.
    pub fn new(k: &Kernel, cfg: &Cfg, cheap: &dyn Fn(Value) -> bool) -> Graph {
        let mut nodes: Vec<Node> = Vec::new();
        let mut head = HashMap::new();
        for &b in cfg.rpo() {
            head.insert(b, nodes.len());
            let mut node = Node { block: b, insts: Vec::new(), cut: None, succs: Vec::new(), first: true };
            for &i in &k.blocks[b].insts {
                if is_cut(&k.insts[i].op) {
                    node.cut = Some(i);
                    nodes.push(node);
                    node = Node { block: b, insts: Vec::new(), cut: None, succs: Vec::new(), first: false };
                } else {
                    node.insts.push(i);
                }
            }
            nodes.push(node);
        }
        for i in 0..nodes.len() {
            if nodes[i].cut.is_none() {
                nodes[i].succs = cfg.succs(nodes[i].block).iter().map(|b| head[b]).collect();
            }
        }
        let mut g = Graph { live_in: vec![BTreeSet::new(); nodes.len()], nodes };
        g.solve(k, cheap);
        g
    }

    fn solve(&mut self, k: &Kernel, cheap: &dyn Fn(Value) -> bool) {
        let tracked = |v: Value| matches!(k.values[v].def, ValueDef::Inst(_)) && !cheap(v);
        let mut changed = true;
        while changed {
            changed = false;
            for n in (0..self.nodes.len()).rev() {
                let node = &self.nodes[n];
                let mut live = BTreeSet::new();
                if let Some(cut) = node.cut {
                    live = self.live_in[n + 1].clone();
                    let data = &k.insts[cut];
                    if let Some(r) = data.result {
                        live.remove(&r);
                    }
                    data.op.for_each_operand(|v| {
                        live.extend(tracked(v).then_some(v));
                    });
                }
                for &s in &node.succs {
                    let phis: Vec<Inst> = self.phis(k, s).collect();
                    let defs: BTreeSet<Value> = phis.iter().filter_map(|&i| k.insts[i].result).collect();
                    live.extend(self.live_in[s].difference(&defs));
                    for &i in &phis {
                        let v = phi_input(k, i, node.block);
                        live.extend(tracked(v).then_some(v));
                    }
                }
                for &i in node.insts.iter().rev() {
                    let data = &k.insts[i];
                    if matches!(data.op, Op::Phi { .. }) {
                        // Live behind the phis.
                        continue;
                    }
                    if let Some(r) = data.result {
                        live.remove(&r);
                    }
                    data.op.for_each_operand(|v| {
                        live.extend(tracked(v).then_some(v));
                    });
                }
                if live != self.live_in[n] {
                    self.live_in[n] = live;
                    changed = true;
                }
            }
        }
    }

    /// The phis at a node's start.
    pub fn phis<'a>(&'a self, k: &'a Kernel, n: usize) -> impl Iterator<Item = Inst> + 'a {
        self.nodes[n].insts.iter().copied().take_while(|&i| matches!(k.insts[i].op, Op::Phi { .. }))
    }

    /// The nodes of the region with that entry. Edges to `forced` entries leave it.
    pub fn region(&self, entry: usize, forced: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut seen = BTreeSet::from([entry]);
        let mut todo = vec![entry];
        while let Some(n) = todo.pop() {
            for &s in &self.nodes[n].succs {
                if !forced.contains(&s) && seen.insert(s) {
                    todo.push(s);
                }
            }
        }
        seen
    }

    /// Entries of the regions: the kernel's start, what follows a cut, and blocks that are made entries because their
    /// code would otherwise be repeated in too many regions. The second result is those.
    pub fn entries(&self) -> (Vec<usize>, BTreeSet<usize>) {
        let cuts: Vec<usize> =
            (0..self.nodes.len()).filter(|&n| self.nodes[n].cut.is_some()).map(|n| n + 1).collect();
        let size = |n: usize| self.nodes[n].insts.len();
        let total: usize = (0..self.nodes.len()).map(size).sum();
        let mut forced = BTreeSet::new();
        loop {
            let entries: Vec<usize> =
                std::iter::once(0).chain(cuts.iter().copied()).chain(forced.iter().copied()).collect();
            let mut uses = vec![0usize; self.nodes.len()];
            for &e in &entries {
                for n in self.region(e, &forced) {
                    uses[n] += 1;
                }
            }
            let repeated: usize = (0..self.nodes.len()).map(|n| uses[n] * size(n)).sum();
            // The block whose code and whatever follows it is repeated most; the earliest of equals, as it takes the rest along.
            let worst = (1..self.nodes.len())
                .filter(|&n| self.nodes[n].first && uses[n] > 2 && !forced.contains(&n))
                .max_by_key(|&n| (uses[n], std::cmp::Reverse(n)));
            match worst {
                Some(n) if repeated > 4 * total + 2000 => {
                    forced.insert(n);
                }
                _ => return (entries, forced),
            }
        }
    }
}

/// What a phi takes when control comes from `pred`.
pub(super) fn phi_input(k: &Kernel, phi: Inst, pred: Block) -> Value {
    let Op::Phi { incoming } = &k.insts[phi].op else { unreachable!("only phis are asked") };
    incoming.iter().find(|(b, _)| *b == pred).expect("a phi names every predecessor").1
}
