//! Whether an atomic maximum or minimum leaves in memory what the reverse sweep will still find there: the thread whose
//! value that is has won, and takes the derivative.

use super::activity::Activity;
use super::provenance::{Base, Provenance};
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::HashSet;

/// What the question is about.
#[derive(Clone, Copy)]
pub struct Extremum<'a> {
    /// The kernel.
    pub k: &'a Kernel,
    /// Edges.
    pub cfg: &'a Cfg,
    /// Where pointers point.
    pub prov: &'a Provenance,
    /// What carries derivatives.
    pub activity: &'a Activity,
    /// The reverse sweep is a launch of its own.
    pub split: bool,
}

/// A place in the code.
type Place = (Block, usize);

impl Extremum<'_> {
    /// Says why the content is not final, if it is not. `inst` is an atomic maximum or minimum of floats.
    pub fn objection(&self, inst: Inst) -> Option<&'static str> {
        let k = self.k;
        let Op::AtomicRmw { op, ptr, val, .. } = k.insts[inst].op else { return None };
        if !matches!(k.ty(val), Type::F32 | Type::F64) {
            return Some("it is supported for f32 and f64");
        }
        let Some(base) = self.prov.of(ptr).single() else {
            return Some("the memory that it works on is not one object");
        };
        let shared = matches!(base, Base::Global(g) if k.globals[g].space == AddrSpace::Shared);
        let global = match base {
            Base::Param(p) => k.params[p as usize].by_value.is_none(),
            Base::Global(_) => !shared,
            _ => false,
        };
        if !shared && !global {
            return Some("the memory that it works on is not known");
        }
        if global && !self.split {
            return Some("other blocks may still change it when a thread begins its reverse sweep");
        }
        let at = self.places(|i| i == inst)[0];
        let touches = |p: Value| self.prov.of(p).bases.contains(&base);
        let overwrites = |i: Inst| match &k.insts[i].op {
            Op::Store { ptr, .. } | Op::CmpXchg { ptr, .. } => touches(*ptr),
            Op::AtomicRmw { op: other, ptr, .. } => *other != op && touches(*ptr),
            Op::MemCopy { dst, .. } | Op::MemSet { dst, .. } => touches(*dst),
            _ => false,
        };
        let reads = |i: Inst| match &k.insts[i].op {
            Op::Load { ptr, .. } => {
                touches(*ptr) && k.insts[i].result.is_some_and(|r| self.activity.is_active(k, r))
            }
            Op::MemCopy { src, .. } => touches(*src),
            _ => false,
        };
        let (writers, readers) = (self.places(overwrites), self.places(reads));
        if global {
            // Blocks come in any order, so that nothing else may happen there.
            let alone = writers.is_empty() && readers.is_empty();
            return (!alone).then_some("the kernel also loads or stores there, and blocks come in any order");
        }
        if writers.iter().any(|&w| self.reaches(at, w, true)) {
            return Some("it is overwritten later");
        }
        if readers.iter().any(|&r| self.reaches(r, at, true)) {
            return Some("it goes on after it was read");
        }
        if readers.iter().any(|&r| self.reaches(at, r, false)) {
            return Some("no barrier lies between it and a load of its result");
        }
        None
    }

    fn places(&self, hit: impl Fn(Inst) -> bool) -> Vec<Place> {
        let mut out = Vec::new();
        for &b in self.cfg.rpo() {
            let insts = self.k.blocks[b].insts.iter().enumerate();
            out.extend(insts.filter(|(_, &i)| hit(i)).map(|(n, _)| (b, n)));
        }
        out
    }

    /// Whether a path leads from one place to another; on request also through barriers.
    fn reaches(&self, from: Place, to: Place, through_barriers: bool) -> bool {
        let mut seen: HashSet<Block> = HashSet::new();
        let mut work = vec![(from.0, from.1 + 1)];
        while let Some((b, start)) = work.pop() {
            let mut open = true;
            for (n, &i) in self.k.blocks[b].insts.iter().enumerate().skip(start) {
                if (b, n) == to {
                    return true;
                }
                let barrier = match &self.k.insts[i].op {
                    Op::Barrier { kind, .. } => *kind != BarrierKind::Arrive,
                    Op::Warp { op, .. } => matches!(op, WarpOp::Sync | WarpOp::WaveBarrier),
                    _ => false,
                };
                if barrier && !through_barriers {
                    open = false;
                    break;
                }
            }
            if open {
                work.extend(self.cfg.succs(b).iter().filter(|&&s| seen.insert(s)).map(|&s| (s, 0)));
            }
        }
        false
    }
}
