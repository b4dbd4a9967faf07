//! Lets threads that are done take part in the barriers of the others.
//!
//! A kernel may let a thread return while others go on to further barriers: on hardware, threads that are gone are not waited for. In a
//! gradient that thread is not gone. It turns round and comes to the barriers of its reverse sweep, which would meet the others' barriers
//! of the forward sweep. So, where the number of barriers may differ, every barrier becomes one that asks whether all threads are done,
//! and a thread that is done goes on answering yes until all do. As this is a loop like any other, the reverse
//! sweep runs it backwards, and with it all threads come by equally many barriers in both sweeps.
//!
//! A thread that returns before its first barrier needs none of this, as its reverse sweep has no barriers either, unless it has
//! touched memory that others touch behind that barrier: then its reverse sweep has to come behind theirs.

use crate::cfg::{Cfg, PostDomTree};
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::uniform::{between, Uniform};
use crate::kernel::*;
use std::collections::HashSet;

/// Adds the loop where it is needed; true if it was.
///
/// # Errors
/// `KAD0106` where threads may be done after different numbers of barriers and the barriers give results, are numbered, or count threads.
pub fn drain(k: &mut Kernel) -> Result<bool> {
    let cfg = Cfg::new(k);
    let barriers: Vec<(Block, Inst)> = k
        .iter_insts()
        .filter(|(b, i)| cfg.is_reachable(*b) && matches!(k.insts[*i].op, Op::Barrier { .. }))
        .collect();
    let Some(branch) = uneven(k, &cfg, &barriers) else { return Ok(false) };
    for &(_, i) in &barriers {
        if !is_plain(k, i) {
            let t = k.terminator(branch);
            let arrives = matches!(k.insts[i].op, Op::Barrier { kind: BarrierKind::Arrive, .. });
            let d = match arrives {
                true => arrive(),
                false => Diagnostic::new(
                    Code::BarrierInGradient,
                    "threads may come by different numbers of barriers, and these are not plain ones of the whole block",
                )
                .help("let all threads of the block reach every barrier, or use __syncthreads() throughout"),
            };
            let d = d.at(k, k.insts[i].loc).because(format!("threads part at {}", print_inst(k, t)));
            return Err(d.into());
        }
    }
    for &(block, i) in &barriers {
        ask(k, block, i);
    }
    let rets: Vec<Block> =
        cfg.rpo().iter().copied().filter(|&b| k.insts[k.terminator(b)].op == Op::Ret).collect();
    let mut b = KernelBuilder::new(k);
    let (wait, done) = (b.block("drain"), b.block("drained"));
    for r in rets {
        let t = b.k.terminator(r);
        b.k.insts[t].op = Op::Br { to: wait };
    }
    b.switch_to(wait);
    let yes = b.k.int(Type::I1, 1);
    let all = b.value(asking(yes), Type::I32);
    let zero = b.k.int(Type::I32, 0);
    let go_on = b.icmp(IntPred::Eq, all, zero);
    b.cond_br(go_on, wait, done);
    b.switch_to(done);
    b.ret();
    Ok(true)
}

/// The refusal of a barrier at which some threads do not wait.
pub fn arrive() -> Diagnostic {
    let message = "a barrier at which some threads arrive without waiting cannot be reversed";
    Diagnostic::new(Code::BarrierInGradient, message)
        .because(
            "backwards those that waited would have to arrive, and those that arrived would have to wait",
        )
        .help("let all threads wait at it: __syncthreads(), or bar.sync with the same number and count")
}

fn asking(done: Value) -> Op {
    Op::Barrier { kind: BarrierKind::And, id: None, count: None, pred: Some(done), aligned: false }
}

fn is_plain(k: &Kernel, i: Inst) -> bool {
    let zero = |v: &Option<Value>| v.is_none_or(|v| k.as_int(v) == Some(0));
    matches!(&k.insts[i].op, Op::Barrier { kind: BarrierKind::Sync, id, count: None, .. } if zero(id))
}

/// The barrier says that its threads are not done yet.
fn ask(k: &mut Kernel, block: Block, i: Inst) {
    let at = k.blocks[block].insts.iter().position(|&x| x == i).expect("in its block");
    k.blocks[block].insts.remove(at);
    let mut b = KernelBuilder::new(k);
    b.at = Cursor::At(block, at);
    b.loc = b.k.insts[i].loc;
    let no = b.k.int(Type::I1, 0);
    b.value(asking(no), Type::I32);
}

/// A branch that may let threads of one block come by different numbers of barriers, not counting those that come by none.
fn uneven(k: &Kernel, cfg: &Cfg, barriers: &[(Block, Inst)]) -> Option<Block> {
    let places: HashSet<Block> = barriers.iter().map(|(b, _)| *b).collect();
    if places.is_empty() {
        return None;
    }
    let (uniform, post) = (Uniform::new(k, cfg), PostDomTree::new(k, cfg));
    let waits = |blocks: &HashSet<Block>| !blocks.is_disjoint(&places);
    // Blocks whose end may be reached behind a barrier.
    let behind: HashSet<Block> =
        places.iter().flat_map(|&p| between(cfg, p, None)).chain(places.iter().copied()).collect();
    cfg.rpo().iter().copied().filter(|&b| uniform.is_divergent_branch(b)).find(|&b| {
        let meet = post.ipdom(b);
        let sides: Vec<bool> = cfg
            .succs(b)
            .iter()
            .map(|&s| {
                let mut side = if Some(s) == meet { HashSet::new() } else { between(cfg, s, meet) };
                if Some(s) != meet {
                    side.insert(s);
                }
                waits(&side)
            })
            .collect();
        if !sides.contains(&true) {
            return false;
        }
        // One side waits and the other leaves for good without ever having waited: the guard in front of a kernel.
        let guard = sides.contains(&false)
            && !behind.contains(&b)
            && meet.is_none_or(|m| !places.contains(&m) && !waits(&between(cfg, m, None)))
            && !hands_over(k, cfg, b, &waits);
        !guard || sides.iter().filter(|w| **w).count() > 1
    })
}

/// True when a thread that leaves at the end of a block without ever having waited may have touched memory that others
/// write or read in a later phase. Buffers are distinct, as everywhere in the plan.
fn hands_over(k: &Kernel, cfg: &Cfg, branch: Block, waits: &dyn Fn(&HashSet<Block>) -> bool) -> bool {
    let mut early = before(cfg, branch);
    for &s in cfg.succs(branch) {
        let mut side = between(cfg, s, None);
        side.insert(s);
        if !waits(&side) {
            early.extend(side);
        }
    }
    let accesses = |blocks: &mut dyn Iterator<Item = Block>| {
        let mut all = (Vec::new(), Vec::new());
        for b in blocks {
            k.blocks[b].insts.iter().for_each(|&i| access(k, i, &mut all));
        }
        all
    };
    let (read, written) = accesses(&mut early.iter().copied());
    let (_, anywhere) = accesses(&mut cfg.rpo().iter().copied());
    // Whatever it wrote somebody may read; what it read matters when somebody writes it.
    !written.is_empty() || read.iter().any(|r| anywhere.iter().any(|w| r.is_none() || w.is_none() || r == w))
}

/// The block and all from which it is reached.
fn before(cfg: &Cfg, block: Block) -> HashSet<Block> {
    let mut seen = HashSet::new();
    let mut work = vec![block];
    while let Some(b) = work.pop() {
        if seen.insert(b) {
            work.extend_from_slice(cfg.preds(b));
        }
    }
    seen
}

/// Notes what memory beyond the thread's own an instruction reads and writes: parameters and variables, or `None` for any.
fn access(k: &Kernel, i: Inst, (read, written): &mut (Vec<Option<Value>>, Vec<Option<Value>>)) {
    let note = |p: Value, to: &mut Vec<Option<Value>>| match root(k, p) {
        Some(v) if matches!(k.def_op(v), Some(Op::Alloca { .. })) => {}
        r => to.push(r),
    };
    match &k.insts[i].op {
        // An integer or an address carries no derivative.
        Op::Load { ptr, .. } => {
            let ty = k.insts[i].result.map(|r| k.ty(r).scalar());
            if !matches!(ty, Some(Type::Int(_) | Type::Ptr(_))) {
                note(*ptr, read);
            }
        }
        Op::Store { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => note(*ptr, written),
        Op::MemSet { dst, .. } => note(*dst, written),
        Op::MemCopy { dst, src, .. } => {
            note(*src, read);
            note(*dst, written);
        }
        Op::Call { .. } | Op::Asm { .. } => written.push(None),
        _ => {}
    }
}

/// The parameter, variable or local memory that an address was made from, where that is plain to see.
fn root(k: &Kernel, mut p: Value) -> Option<Value> {
    loop {
        p = match k.def_op(p) {
            Some(Op::PtrAdd { ptr, .. }) => *ptr,
            Some(Op::Cast { op: CastOp::AddrSpaceCast, a, .. } | Op::Freeze { a }) => *a,
            Some(Op::Alloca { .. }) => return Some(p),
            Some(_) => return None,
            None => return Some(p),
        }
    }
}
