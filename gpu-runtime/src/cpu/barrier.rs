//! Barriers of the block.

use super::block::BlockRun;
use super::warp::Slots;
use shadow_mem::host::{BarrierKind, CutArg, CutKind, CutSpec, EXITED};

/// The barrier's operands, in the order of [`CutSpec::args`].
const ID: usize = 0;
const COUNT: usize = 1;
const PRED: usize = 2;

/// All threads of the block wait at this barrier. False when it is not a barrier of all of them.
pub(super) fn together(b: &mut BlockRun, cut: &CutSpec, kind: BarrierKind) -> bool {
    let whole = matches!(cut.args[ID], CutArg::None | CutArg::Const(_))
        && match cut.args[COUNT] {
            CutArg::None => true,
            CutArg::Const(n) => n >= b.threads as u64,
            CutArg::Slot { .. } => false,
        };
    if !whole || kind == BarrierKind::Arrive {
        return false;
    }
    if kind != BarrierKind::Sync {
        let slots = Slots::of(b);
        reduce(&slots, cut, kind, 0..b.threads);
    }
    true
}

/// Counts the threads at `bar.arrive` and lets them go on.
pub(super) fn arrive(b: &mut BlockRun) -> bool {
    let mut any = false;
    for t in 0..b.threads {
        let Some(c) = b.cut_of(t) else { continue };
        if b.k.cuts[c].kind == CutKind::Barrier(BarrierKind::Arrive) {
            let id = Slots::of(b).get(&b.k.cuts[c].args[ID], t) as usize & 15;
            b.arrived[id] += 1;
            b.resume(t, c);
            any = true;
        }
    }
    any
}

/// Opens every barrier whose threads are all there.
pub(super) fn apart(b: &mut BlockRun) -> bool {
    let mut opened = false;
    for id in 0..16 {
        let slots = Slots::of(b);
        let waiting: Vec<(usize, usize)> = (0..b.threads)
            .filter_map(|t| {
                let c = b.cut_of(t)?;
                let at = matches!(b.k.cuts[c].kind, CutKind::Barrier(_))
                    && slots.get(&b.k.cuts[c].args[ID], t) as usize & 15 == id;
                at.then_some((t, c))
            })
            .collect();
        let Some(&(first, cut)) = waiting.first() else { continue };
        let live = b.w.next[..b.threads].iter().filter(|&&s| s != EXITED).count();
        let there = waiting.len() + b.arrived[id] as usize;
        let ready = match b.k.cuts[cut].args[COUNT] {
            // Only threads at one and the same place wait for the whole block.
            CutArg::None => there >= live && waiting.iter().all(|&(_, c)| c == cut),
            // Producers and consumers meet by the barrier's number, wherever they are.
            ref count => {
                let count = slots.get(count, first) as usize;
                there >= if count >= b.threads { live } else { count }
            }
        };
        if !ready {
            continue;
        }
        b.arrived[id] = 0;
        for &(t, c) in &waiting {
            if let CutKind::Barrier(kind) = b.k.cuts[c].kind {
                if kind != BarrierKind::Sync && (t, c) == (first, cut) {
                    reduce(&slots, &b.k.cuts[c], kind, waiting.iter().map(|&(t, _)| t));
                }
            }
        }
        for (t, c) in waiting {
            b.resume(t, c);
        }
        opened = true;
    }
    opened
}

fn reduce(slots: &Slots, cut: &CutSpec, kind: BarrierKind, threads: impl Iterator<Item = usize> + Clone) {
    let mut all = threads.clone();
    let pred = |t| slots.get(&cut.args[PRED], t) != 0;
    let result = match kind {
        BarrierKind::Popc => all.filter(|&t| pred(t)).count() as u64,
        BarrierKind::And => all.all(pred).into(),
        BarrierKind::Or => all.any(pred).into(),
        BarrierKind::Sync | BarrierKind::Arrive => return,
    };
    if let Some(r) = &cut.result {
        for t in threads {
            slots.put(r, t, result);
        }
    }
}
