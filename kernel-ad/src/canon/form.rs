//! Brings a kernel into the form that the reverse sweep is built from.
//!
//! Afterwards: every block is reachable; there is one `ret`; every loop has a preheader, one latch that does nothing else, and for each edge
//! that leaves it a block of its own (a *pad*), one for each loop when several are left at once; values that are used
//! outside of their loop go through phis in the pads; each loop counts its iterations, and each other merge has a phi
//! that says which predecessor was taken.

use super::regions::{LoopRegion, Regions};
use crate::cfg::{Cfg, DomTree, LoopForest, LoopId};
use crate::diag::Result;
use crate::grad::clean;
use crate::kernel::*;
use cranelift_entity::{PrimaryMap, SecondaryMap};

/// Canonicalises in place and describes the result.
///
/// # Errors
/// Irreducible control flow.
pub fn canonicalise(k: &mut Kernel) -> Result<Regions> {
    drop_unreachable(k);
    one_return(k);
    let pads = loops_in_form(k)?;
    let mut regions = describe(k, &pads)?;
    close_loops(k, &regions);
    add_counters(k, &mut regions);
    add_selectors(k, &mut regions);
    Ok(regions)
}

/// Removes unreachable blocks from the layout, and what phis say about them.
pub fn drop_unreachable(k: &mut Kernel) {
    let cfg = Cfg::new(k);
    k.layout.retain(|&b| cfg.is_reachable(b));
    for b in k.layout.clone() {
        for i in k.blocks[b].insts.clone() {
            if let Op::Phi { incoming } = &mut k.insts[i].op {
                incoming.retain(|(p, _)| cfg.is_reachable(*p));
            }
        }
    }
}

fn one_return(k: &mut Kernel) {
    let rets: Vec<Block> =
        k.layout.iter().copied().filter(|&b| k.insts[k.terminator(b)].op == Op::Ret).collect();
    // A block of its own even for a single return: the entry may be the only block.
    let mut b = KernelBuilder::new(k);
    if rets.is_empty() {
        return;
    }
    let exit = b.block("exit");
    b.switch_to(exit);
    b.ret();
    for r in rets {
        let t = k.terminator(r);
        k.insts[t].op = Op::Br { to: exit };
    }
}

/// A new block between `preds` and `target`; phis of the target are split.
fn split_preds(k: &mut Kernel, target: Block, preds: &[Block], name: &str) -> Block {
    let base = k.blocks[target].name.clone().unwrap_or_default();
    let mut b = KernelBuilder::new(k);
    let new = b.block(&format!("{base}.{name}"));
    for i in b.k.blocks[target].insts.clone() {
        let Op::Phi { incoming } = b.k.insts[i].op.clone() else { break };
        let (mine, mut rest): (Vec<_>, Vec<_>) = incoming.into_iter().partition(|(p, _)| preds.contains(p));
        let ty = b.k.ty(b.k.insts[i].result.expect("a phi has a result"));
        let v = match mine[..] {
            [(_, v)] => v,
            _ => {
                b.switch_to(new);
                b.phi(ty, mine)
            }
        };
        rest.push((new, v));
        b.k.insts[i].op = Op::Phi { incoming: rest };
    }
    b.switch_to(new);
    b.br(target);
    for &p in preds {
        let t = k.terminator(p);
        k.insts[t].op.map_blocks(|x| if x == target { new } else { x });
    }
    // Printing is nicer when the block stands before its target.
    k.layout.pop();
    let at = k.layout.iter().position(|&x| x == target).expect("target is in the layout");
    k.layout.insert(at, new);
    new
}

fn forest(k: &Kernel) -> Result<(Cfg, LoopForest)> {
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    let loops = LoopForest::new(k, &cfg, &dom)?;
    Ok((cfg, loops))
}

/// Preheaders, single latches, pads. Gives each pad with the header of the loop that it leaves.
fn loops_in_form(k: &mut Kernel) -> Result<Vec<(Block, Block)>> {
    let (_, loops) = forest(k)?;
    // Headers and entering edges of other loops are not touched by these edits, so one forest serves for all.
    for (_, l) in loops.loops.iter().rev() {
        // A latch that may also leave would end iterations that go on and the last one in the same place.
        if l.latches.len() > 1 || k.successors(l.latches[0]).len() > 1 {
            split_preds(k, l.header, &l.latches, "latch");
        }
    }
    let (cfg, loops) = forest(k)?;
    for (_, l) in loops.loops.iter() {
        if l.preheader.is_none() {
            let entering: Vec<Block> =
                cfg.preds(l.header).iter().copied().filter(|p| *p != l.latches[0]).collect();
            split_preds(k, l.header, &entering, "pre");
        }
    }
    // An inner preheader may be a new latch or entering block of an outer loop; the forest is built anew.
    let (cfg, loops) = forest(k)?;
    let mut pads = Vec::new();
    for &from in cfg.rpo() {
        for &to in cfg.succs(from) {
            let left: Vec<LoopId> = loops.enclosing(from).filter(|&l| !loops.contains(l, to)).collect();
            let mut target = to;
            for &l in left.iter().rev() {
                target = split_preds(k, target, &[from], "pad");
                pads.push((target, loops.loops[l].header));
            }
        }
    }
    Ok(pads)
}

fn describe(k: &Kernel, pads: &[(Block, Block)]) -> Result<Regions> {
    let (cfg, forest) = forest(k)?;
    let mut r = Regions { loops: PrimaryMap::new(), of: SecondaryMap::new(), selectors: SecondaryMap::new() };
    for &b in cfg.rpo() {
        r.of[b] = forest.of(b);
    }
    for (id, l) in forest.loops.iter() {
        let preheader = l.preheader.expect("every loop has a preheader now");
        let own = r.loops.push(LoopRegion {
            header: l.header,
            latch: l.latches[0],
            preheader,
            parent: l.parent,
            depth: l.depth,
            exits: Vec::new(),
            always_tested: false,
            counter: None,
        });
        debug_assert_eq!(own, id);
    }
    // A pad lies in the loop around the one that it leaves, also when the path never goes back there.
    for &(pad, header) in pads {
        let l = forest.of(header).expect("a header is in its loop");
        r.of[pad] = r.loops[l].parent;
        r.loops[l].exits.push((cfg.preds(pad)[0], pad));
    }
    let dom = DomTree::new(k, &cfg);
    for l in r.loops.values_mut() {
        if let [(from, _)] = l.exits[..] {
            l.always_tested = dom.dominates(from, l.latch);
        }
    }
    Ok(r)
}

/// Puts phis into the pads for values that are used outside of their loop.
fn close_loops(k: &mut Kernel, regions: &Regions) {
    let mut ids: Vec<LoopId> = regions.loops.keys().collect();
    ids.sort_by_key(|&l| std::cmp::Reverse(regions.loops[l].depth));
    for l in ids {
        close_loop(k, regions, l);
    }
}

fn close_loop(k: &mut Kernel, regions: &Regions, l: LoopId) {
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    let inside = |b: Block| regions.enclosing(regions.of[b]).any(|x| x == l);
    // Uses outside, as (user, operand index); a phi uses its operand at the end of the predecessor.
    let mut outside: Vec<(Value, Block, Vec<Inst>)> = Vec::new();
    let mut slot: SecondaryMap<Value, u32> = SecondaryMap::new();
    let mut def_block: SecondaryMap<Value, Option<Block>> = SecondaryMap::new();
    for (b, i) in k.iter_insts() {
        if let (Some(r), true) = (k.insts[i].result, inside(b)) {
            def_block[r] = Some(b);
        }
    }
    for (b, i) in k.iter_insts() {
        let mut note = |v: Value, at: Block| {
            if let (Some(d), false) = (def_block[v], inside(at)) {
                if slot[v] == 0 {
                    outside.push((v, d, Vec::new()));
                    slot[v] = outside.len() as u32;
                }
                let users = &mut outside[slot[v] as usize - 1].2;
                if users.last() != Some(&i) {
                    users.push(i);
                }
            }
        };
        match &k.insts[i].op {
            // Phis in this loop's own pads are what we want.
            Op::Phi { incoming } => incoming.iter().for_each(|(p, v)| note(*v, *p)),
            op => op.for_each_operand(|v| note(v, b)),
        }
    }
    if outside.is_empty() {
        return;
    }
    let entry = k.entry();
    let mut vars = Vec::new();
    for (v, def, users) in outside {
        let ty = k.ty(v);
        let align = align_of(k, ty);
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(entry, 0);
        let bytes = b.k.bytes(ty).max(1);
        let var = b.alloca(bytes, align, AddrSpace::Generic);
        vars.push((var, ty));
        for &(from, pad) in &regions.loops[l].exits {
            if dom.dominates(def, from) {
                b.at = Cursor::At(pad, 0);
                let closed = b.phi(ty, vec![(from, v)]);
                let at = first_non_phi(b.k, pad);
                b.at = Cursor::At(pad, at);
                b.store(var, closed, MemFlags::plain(align));
            }
        }
        for i in users {
            rewrite_use(k, i, v, var, &inside);
        }
    }
    clean::promote(k, &vars);
}

/// Replaces `v` in an instruction outside of the loop by a load of `var`.
fn rewrite_use(k: &mut Kernel, i: Inst, v: Value, var: Value, inside: &dyn Fn(Block) -> bool) {
    let ty = k.ty(v);
    let align = align_of(k, ty);
    if let Op::Phi { incoming } = k.insts[i].op.clone() {
        let mut out = Vec::new();
        for (p, x) in incoming {
            let x = if x == v && !inside(p) {
                let at = k.blocks[p].insts.len() - 1;
                let mut b = KernelBuilder::new(k);
                b.at = Cursor::At(p, at);
                b.load(ty, var, MemFlags::plain(align))
            } else {
                x
            };
            out.push((p, x));
        }
        k.insts[i].op = Op::Phi { incoming: out };
        return;
    }
    let block =
        k.layout.iter().copied().find(|&b| k.blocks[b].insts.contains(&i)).expect("user is in a block");
    let at = k.blocks[block].insts.iter().position(|&x| x == i).expect("user is in its block");
    let mut b = KernelBuilder::new(k);
    b.at = Cursor::At(block, at);
    let x = b.load(ty, var, MemFlags::plain(align));
    k.insts[i].op.map_operands(|o| if o == v { x } else { o });
}

/// Position behind the phis of a block.
pub fn first_non_phi(k: &Kernel, b: Block) -> usize {
    let insts = &k.blocks[b].insts;
    insts.iter().position(|&i| !matches!(k.insts[i].op, Op::Phi { .. })).unwrap_or(insts.len())
}

/// Natural alignment of a local variable.
pub fn align_of(k: &Kernel, ty: Type) -> u32 {
    k.bytes(ty).max(1).next_power_of_two().min(16) as u32
}

/// A phi in every header that counts the iterations finished, and its last value in the pads.
fn add_counters(k: &mut Kernel, regions: &mut Regions) {
    for l in regions.loops.keys().collect::<Vec<_>>() {
        let (header, latch, preheader) = {
            let l = &regions.loops[l];
            (l.header, l.latch, l.preheader)
        };
        let ty = counter_type(k, header);
        let (zero, one) = (k.int(ty, 0), k.int(ty, 1));
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(latch, b.k.blocks[latch].insts.len() - 1);
        let next = b.value(
            Op::Binary { op: BinOp::Add, a: one, b: one, flags: IntFlags::NUW, fmf: Fmf::empty() },
            ty,
        );
        b.at = Cursor::At(header, 0);
        let count = b.phi(ty, vec![(preheader, zero), (latch, next)]);
        let inst = b.k.def_inst(next).expect("just made");
        if let Op::Binary { a, .. } = &mut b.k.insts[inst].op {
            *a = count;
        }
        let mut at_exit = Vec::new();
        for (from, pad) in regions.loops[l].exits.clone() {
            b.at = Cursor::At(pad, 0);
            at_exit.push((pad, b.phi(ty, vec![(from, count)])));
        }
        regions.loops[l].counter = Some(super::regions::Counter { count, at_exit });
    }
}

/// 32 bits when an integer of at most 32 bits is stepped through the loop without wrapping; else 64.
fn counter_type(k: &Kernel, header: Block) -> Type {
    for &i in &k.blocks[header].insts {
        let Op::Phi { incoming } = &k.insts[i].op else { break };
        let r = k.insts[i].result.expect("a phi has a result");
        if !matches!(k.ty(r), Type::Int(w) if w <= 32) {
            continue;
        }
        let stepped = incoming.iter().any(|(_, v)| {
            matches!(k.def_op(*v), Some(Op::Binary { op: BinOp::Add, a, b, flags, .. })
                if *a == r && k.as_int(*b).is_some_and(|s| s != 0)
                    && (flags.contains(IntFlags::NSW) || flags.contains(IntFlags::NUW)))
        });
        if stepped {
            return Type::I32;
        }
    }
    Type::I64
}

/// A phi at every merge that is no loop header: the index of the predecessor taken, in the order of `Cfg::preds`.
fn add_selectors(k: &mut Kernel, regions: &mut Regions) {
    let cfg = Cfg::new(k);
    let headers: Vec<Block> = regions.loops.values().map(|l| l.header).collect();
    for &b in cfg.rpo() {
        let preds = cfg.preds(b);
        if preds.len() < 2 || headers.contains(&b) {
            continue;
        }
        let ty = match preds.len() {
            2 => Type::I1,
            3..=128 => Type::I8,
            _ => Type::I32,
        };
        let incoming = preds.iter().enumerate().map(|(n, &p)| (p, k.int(ty, n as i128))).collect();
        let mut builder = KernelBuilder::new(k);
        builder.at = Cursor::At(b, 0);
        regions.selectors[b] = Some(builder.phi(ty, incoming));
    }
}
