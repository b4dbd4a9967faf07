//! Live values at block boundaries.

use super::Cfg;
use crate::kernel::{Block, Kernel, Op, Value, ValueDef};
use cranelift_entity::SecondaryMap;
use std::collections::BTreeSet;

/// Which instruction results are live where. Parameters and constants are never listed: they are always at hand.
#[derive(Clone, Debug)]
pub struct Liveness {
    live_in: SecondaryMap<Block, BTreeSet<Value>>,
    live_out: SecondaryMap<Block, BTreeSet<Value>>,
}

impl Liveness {
    /// Solves backward data flow. A phi's operand is live out of the predecessor that it belongs to, and its result
    /// is defined at the block's start, so neither is live in.
    pub fn new(k: &Kernel, cfg: &Cfg) -> Liveness {
        let tracked = |v: Value| matches!(k.values[v].def, ValueDef::Inst(_));
        let mut live_in: SecondaryMap<Block, BTreeSet<Value>> = SecondaryMap::new();
        let mut live_out: SecondaryMap<Block, BTreeSet<Value>> = SecondaryMap::new();
        let mut changed = true;
        while changed {
            changed = false;
            for &b in cfg.rpo().iter().rev() {
                let mut live: BTreeSet<Value> = BTreeSet::new();
                for &s in cfg.succs(b) {
                    for v in live_in[s].iter().copied() {
                        live.insert(v);
                    }
                    for &i in &k.blocks[s].insts {
                        let Op::Phi { incoming } = &k.insts[i].op else { break };
                        for &(p, v) in incoming {
                            if p == b && tracked(v) {
                                live.insert(v);
                            }
                        }
                    }
                }
                if live_out[b] != live {
                    live_out[b] = live.clone();
                    changed = true;
                }
                for &i in k.blocks[b].insts.iter().rev() {
                    let data = &k.insts[i];
                    if let Some(r) = data.result {
                        live.remove(&r);
                    }
                    if !matches!(data.op, Op::Phi { .. }) {
                        data.op.for_each_operand(|v| {
                            if tracked(v) {
                                live.insert(v);
                            }
                        });
                    }
                }
                if live_in[b] != live {
                    live_in[b] = live;
                    changed = true;
                }
            }
        }
        Liveness { live_in, live_out }
    }

    /// Live at the block's start, behind its phis.
    pub fn live_in(&self, b: Block) -> impl Iterator<Item = Value> + '_ {
        self.live_in[b].iter().copied()
    }

    /// Live at the block's end, phi operands of successors included.
    pub fn live_out(&self, b: Block) -> impl Iterator<Item = Value> + '_ {
        self.live_out[b].iter().copied()
    }

    /// True when the value is live at the block's end.
    pub fn is_live_out(&self, b: Block, v: Value) -> bool {
        self.live_out[b].contains(&v)
    }
}
