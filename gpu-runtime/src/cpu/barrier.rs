//! Barriers of the block.

use super::block::{BlockRun, Fault};
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
        let result = reduce(&slots, kind, (0..b.threads).map(|t| (t, cut)));
        (0..b.threads).for_each(|t| give(&slots, cut, t, result));
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
            b.arrived[id].push(t);
            b.resume(t, c);
            any = true;
        }
    }
    any
}

/// Opens every barrier whose threads are all there: those that wait at one number, wherever they are.
pub(super) fn apart(b: &mut BlockRun) -> Result<bool, Fault> {
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
        let Some(&first) = waiting.first() else { continue };
        let count = |(t, c): (usize, usize)| match b.k.cuts[c].args[COUNT] {
            CutArg::None => None,
            ref count => Some(slots.get(count, t) as usize).filter(|&n| n < b.threads),
        };
        let there = waiting.len() + b.arrived[id].len();
        let ready = match count(first) {
            Some(n) => there >= n,
            // Threads that have returned are not waited for.
            None => {
                let live = b.w.next[..b.threads].iter().filter(|&&s| s != EXITED).count();
                let gone = b.arrived[id].iter().filter(|&&t| b.w.next[t] == EXITED).count();
                there - gone >= live
            }
        };
        if !ready {
            continue;
        }
        let too_many = count(first).is_some_and(|n| there > n);
        if let Some((at, reason)) = mismatch(b, &waiting, &count, too_many) {
            return Err(Fault::Stuck { thread: at.0 as u32, cut: at.1, reason });
        }
        b.arrived[id].clear();
        let at = waiting.iter().map(|&(t, c)| (t, &b.k.cuts[c]));
        if let CutKind::Barrier(kind) = b.k.cuts[first.1].kind {
            let result = reduce(&slots, kind, at.clone());
            at.for_each(|(t, cut)| give(&slots, cut, t, result));
        }
        for (t, c) in waiting {
            b.resume(t, c);
        }
        opened = true;
    }
    Ok(opened)
}

/// The thread whose barrier cannot be the one that the first thread waits at, and why.
fn mismatch(
    b: &BlockRun,
    waiting: &[(usize, usize)],
    count: &dyn Fn((usize, usize)) -> Option<usize>,
    too_many: bool,
) -> Option<((usize, usize), String)> {
    let &first = waiting.first()?;
    let place = |(t, c): (usize, usize)| format!("thread {t} of the block waits at {}", b.k.cuts[c].place);
    let warp = b.k.warp_size as usize;
    let mut leader = first;
    for &at in waiting {
        let cut = &b.k.cuts[at.1];
        if at.0 / warp != leader.0 / warp {
            leader = at;
        }
        let held = &b.k.cuts[leader.1];
        if leader.1 != at.1 && (cut.aligned || held.aligned) {
            let reason =
                format!("{}, in the same warp, and a barrier of whole warps is one place", place(leader));
            return Some((at, reason));
        }
        if cut.kind != b.k.cuts[first.1].kind {
            let reason =
                format!("{}, which has the same number but is another kind of barrier", place(first));
            return Some((at, reason));
        }
        if count(at) != count(first) {
            let reason = format!("{}, which has the same number but another count of threads", place(first));
            return Some((at, reason));
        }
    }
    too_many.then(|| (first, format!("{} threads wait at it, more than its count", waiting.len())))
}

/// What a barrier tells each of its threads.
fn reduce<'a>(slots: &Slots, kind: BarrierKind, mut at: impl Iterator<Item = (usize, &'a CutSpec)>) -> u64 {
    let pred = |(t, cut): (usize, &CutSpec)| slots.get(&cut.args[PRED], t) != 0;
    match kind {
        BarrierKind::Popc => at.filter(|&a| pred(a)).count() as u64,
        BarrierKind::And => at.all(pred).into(),
        BarrierKind::Or => at.any(pred).into(),
        BarrierKind::Sync | BarrierKind::Arrive => 0,
    }
}

fn give(slots: &Slots, cut: &CutSpec, thread: usize, result: u64) {
    if let Some(r) = &cut.result {
        slots.put(r, thread, result);
    }
}
