//! Data that threads hand to each other through memory while the kernel runs, other than at barriers.

use super::activity::Activity;
use super::alias::Writes;
use super::provenance::{Base, Provenance};
use super::Exclusive;
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::{BTreeSet, HashSet};

/// What the search needs to know.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The kernel.
    pub k: &'a Kernel,
    /// Edges.
    pub cfg: &'a Cfg,
    /// Where pointers point.
    pub prov: &'a Provenance,
    /// What carries derivatives.
    pub activity: &'a Activity,
    /// What no two threads share.
    pub exclusive: &'a Exclusive,
}

impl Exchange<'_> {
    /// An object that one thread may write differentiated data to, and another one read it from, in the same launch.
    /// Shared memory counts on request: there barriers are the rule.
    pub fn object(&self, shared: bool) -> Option<Base> {
        let (mut written, mut read) = (BTreeSet::new(), BTreeSet::new());
        let active = |v: Value| self.activity.is_active(self.k, v) || self.activity.is_hidden(self.k, v);
        for &b in self.cfg.rpo() {
            for &i in &self.k.blocks[b].insts {
                let data = &self.k.insts[i];
                match &data.op {
                    Op::Load { ptr, .. } if data.result.is_some_and(active) => {
                        read.extend(self.common(*ptr, shared));
                    }
                    Op::Store { ptr, val, .. } if active(*val) => written.extend(self.common(*ptr, shared)),
                    Op::AtomicRmw { ptr, val, .. } if active(*val) => {
                        written.extend(self.common(*ptr, shared))
                    }
                    Op::MemCopy { dst, src, .. } => {
                        written.extend(self.common(*dst, shared));
                        read.extend(self.common(*src, shared));
                    }
                    _ => {}
                }
            }
        }
        written.intersection(&read).next().copied()
    }

    /// The objects behind a pointer that several threads may access.
    fn common(&self, ptr: Value, shared: bool) -> Vec<Base> {
        if self.exclusive.covers(self.prov, ptr) {
            return Vec::new();
        }
        let k = self.k;
        let several = |b: &Base| match *b {
            Base::Alloca(_) => false,
            Base::Param(p) => k.params[p as usize].by_value.is_none(),
            Base::Global(g) => shared || k.globals[g].space != AddrSpace::Shared,
            _ => true,
        };
        self.prov.of(ptr).bases.into_iter().filter(several).collect()
    }

    /// Why a volatile or atomic load may see what another thread writes without a barrier between, if it may.
    pub fn seen_by(&self, load: Inst) -> Option<String> {
        let Op::Load { ptr, .. } = self.k.insts[load].op else { return None };
        let k = self.k;
        let writes = Writes::new(k, self.cfg, self.prov);
        for base in self.common(ptr, true) {
            let shared = matches!(base, Base::Global(g) if k.globals[g].space == AddrSpace::Shared);
            if !shared {
                if writes.to(base) || writes.anywhere() {
                    return Some("other threads may write there while the kernel runs".into());
                }
            } else if let Some(store) = self.store_before(load, base) {
                return Some(format!("no barrier lies between it and {}", print_inst(k, store)));
            }
        }
        None
    }

    /// A write to the object, by another pointer, from which the load is reached without a barrier between.
    fn store_before(&self, load: Inst, base: Base) -> Option<Inst> {
        let k = self.k;
        let Op::Load { ptr: own, .. } = k.insts[load].op else { return None };
        let home = self.cfg.rpo().iter().copied().find(|&b| k.blocks[b].insts.contains(&load))?;
        let at = k.blocks[home].insts.iter().position(|&i| i == load)?;
        let mut work = vec![(home, at)];
        let mut seen: HashSet<Block> = HashSet::new();
        while let Some((b, end)) = work.pop() {
            let mut open = true;
            for &i in k.blocks[b].insts[..end].iter().rev() {
                let to = match &k.insts[i].op {
                    Op::Barrier { kind, .. } if *kind != BarrierKind::Arrive => {
                        open = false;
                        break;
                    }
                    Op::Warp { op: WarpOp::Sync | WarpOp::WaveBarrier, .. } => {
                        open = false;
                        break;
                    }
                    Op::Store { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => *ptr,
                    Op::MemCopy { dst, .. } | Op::MemSet { dst, .. } => *dst,
                    _ => continue,
                };
                if to != own && self.prov.of(to).bases.contains(&base) {
                    return Some(i);
                }
            }
            if open {
                let above = self.cfg.preds(b).iter().copied().filter(|&p| seen.insert(p));
                work.extend(above.map(|p| (p, k.blocks[p].insts.len())));
            }
        }
        None
    }
}

/// The scope of an operation after which a thread may count on seeing what another one wrote before. clang says that
/// CUDA's atomic functions are sequentially consistent; CUDA says that they order nothing.
pub fn acquires(k: &Kernel, op: &Op) -> Option<Scope> {
    let (mem, changes) = match op {
        Op::Load { mem, .. } => (mem, false),
        Op::AtomicRmw { mem, .. } | Op::CmpXchg { mem, .. } => (mem, true),
        _ => return None,
    };
    let strong = match mem.ordering? {
        Ordering::Acquire | Ordering::AcqRel => true,
        Ordering::SeqCst => !(changes && k.source.arch == Arch::Nvptx),
        _ => false,
    };
    let wide = !matches!(mem.scope.level, ScopeLevel::Thread | ScopeLevel::Warp);
    (strong && wide).then_some(mem.scope)
}
