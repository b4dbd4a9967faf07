//! Local variables to SSA values (Cytron et al. 1991, pruned by liveness).

use super::{replace_values, resolve};
use crate::cfg::{Cfg, DomTree};
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

/// Turns local variables into SSA values. Each is an alloca that is only loaded and stored, whole, as its type.
/// What is read before it was written is undef. Unreachable blocks must not be in the layout.
pub fn promote(k: &mut Kernel, vars: &[(Value, Type)]) {
    if vars.is_empty() {
        return;
    }
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    let frontiers = dom.frontiers(&cfg);
    let mut index: SecondaryMap<Value, Option<u32>> = SecondaryMap::new();
    for (n, (v, _)) in vars.iter().enumerate() {
        index[*v] = Some(n as u32);
    }
    let (defs, exposed) = accesses(k, &cfg, &index, vars.len());
    let mut phis: SecondaryMap<Block, Vec<(u32, Inst)>> = SecondaryMap::new();
    for (n, &(_, ty)) in vars.iter().enumerate() {
        let live = live_in(&cfg, &defs[n], &exposed[n]);
        for b in iterated_frontier(&frontiers, &defs[n]) {
            if !live[b] {
                continue;
            }
            let mut builder = KernelBuilder::new(k);
            builder.at = Cursor::At(b, 0);
            let inst = builder.insert(Op::Phi { incoming: Vec::new() }, ty);
            phis[b].push((n as u32, inst));
        }
    }
    rename(k, &cfg, &dom, vars, &index, &phis);
}

type Blocks = Vec<Block>;

/// For each variable: blocks that store it, and blocks that load it before any store of their own.
fn accesses(
    k: &Kernel,
    cfg: &Cfg,
    index: &SecondaryMap<Value, Option<u32>>,
    n: usize,
) -> (Vec<Blocks>, Vec<Blocks>) {
    let (mut defs, mut exposed) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            match &k.insts[i].op {
                Op::Load { ptr, .. } => {
                    if let Some(v) = index[*ptr] {
                        let v = v as usize;
                        if defs[v].last() != Some(&b) && exposed[v].last() != Some(&b) {
                            exposed[v].push(b);
                        }
                    }
                }
                Op::Store { ptr, .. } => {
                    if let Some(v) = index[*ptr] {
                        if defs[v as usize].last() != Some(&b) {
                            defs[v as usize].push(b);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    (defs, exposed)
}

fn live_in(cfg: &Cfg, defs: &[Block], exposed: &[Block]) -> SecondaryMap<Block, bool> {
    let mut live: SecondaryMap<Block, bool> = SecondaryMap::new();
    let mut work = exposed.to_vec();
    while let Some(b) = work.pop() {
        if std::mem::replace(&mut live[b], true) {
            continue;
        }
        work.extend(cfg.preds(b).iter().filter(|p| !defs.contains(p)));
    }
    live
}

fn iterated_frontier(frontiers: &SecondaryMap<Block, Vec<Block>>, defs: &[Block]) -> Vec<Block> {
    let (mut out, mut work) = (Vec::new(), defs.to_vec());
    while let Some(b) = work.pop() {
        for &f in &frontiers[b] {
            if !out.contains(&f) {
                out.push(f);
                work.push(f);
            }
        }
    }
    out
}

fn rename(
    k: &mut Kernel,
    cfg: &Cfg,
    dom: &DomTree,
    vars: &[(Value, Type)],
    index: &SecondaryMap<Value, Option<u32>>,
    phis: &SecondaryMap<Block, Vec<(u32, Inst)>>,
) {
    let mut replaced: SecondaryMap<Value, Option<Value>> = SecondaryMap::new();
    let mut current: HashMap<u32, Value> = HashMap::new();
    enum Step {
        Enter(Block),
        Leave(Vec<(u32, Option<Value>)>),
    }
    let mut stack = vec![Step::Enter(k.entry())];
    while let Some(step) = stack.pop() {
        let b = match step {
            Step::Leave(undo) => {
                for (n, old) in undo.into_iter().rev() {
                    match old {
                        Some(v) => current.insert(n, v),
                        None => current.remove(&n),
                    };
                }
                continue;
            }
            Step::Enter(b) => b,
        };
        let mut undo = Vec::new();
        for &(n, inst) in &phis[b] {
            let v = k.insts[inst].result.expect("a phi has a result");
            undo.push((n, current.insert(n, v)));
        }
        for i in std::mem::take(&mut k.blocks[b].insts) {
            match &k.insts[i].op {
                Op::Load { ptr, .. } if index[*ptr].is_some() => {
                    let n = index[*ptr].expect("just seen");
                    let v = match current.get(&n) {
                        Some(&v) => v,
                        None => k.constant(vars[n as usize].1, Const::Undef),
                    };
                    replaced[k.insts[i].result.expect("a load has a result")] = Some(v);
                }
                Op::Store { ptr, val, .. } if index[*ptr].is_some() => {
                    let n = index[*ptr].expect("just seen");
                    undo.push((n, current.insert(n, resolve(&replaced, *val))));
                }
                Op::Alloca { .. } if k.insts[i].result.is_some_and(|r| index[r].is_some()) => {}
                _ => k.blocks[b].insts.push(i),
            }
        }
        for &s in cfg.succs(b) {
            for &(n, inst) in &phis[s] {
                let v = match current.get(&n) {
                    Some(&v) => v,
                    None => k.constant(vars[n as usize].1, Const::Undef),
                };
                if let Op::Phi { incoming } = &mut k.insts[inst].op {
                    incoming.push((b, v));
                }
            }
        }
        stack.push(Step::Leave(undo));
        stack.extend(dom.children(b).iter().map(|&c| Step::Enter(c)));
    }
    replace_values(k, &replaced);
}
