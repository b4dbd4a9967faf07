//! Lets threads that are done take part in the barriers of the others.
//!
//! A kernel may let a thread return while others go on to further barriers: on hardware, threads that are gone are not waited for. In a
//! gradient that thread is not gone. It turns round and comes to the barriers of its reverse sweep, which would meet the others' barriers
//! of the forward sweep. So, where the number of barriers may differ, every barrier becomes one that asks whether all threads are done,
//! and a thread that is done goes on answering yes until all do. As this is a loop like any other, the reverse
//! sweep runs it backwards, and with it all threads come by equally many barriers in both sweeps.
//!
//! A thread that returns before its first barrier needs none of this: its reverse sweep has no barriers either.

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
            let d = Diagnostic::new(
                Code::BarrierInGradient,
                "threads may come by different numbers of barriers, and these are not plain ones of the whole block",
            )
            .at(k, k.insts[i].loc)
            .because(format!("threads part at {}", print_inst(k, t)))
            .help("let all threads of the block reach every barrier, or use __syncthreads() throughout");
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
            && meet.is_none_or(|m| !places.contains(&m) && !waits(&between(cfg, m, None)));
        !guard || sides.iter().filter(|w| **w).count() > 1
    })
}
