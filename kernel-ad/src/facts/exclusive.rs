//! Buffers that no two threads share: whatever is atomic or volatile there has one thread only to do with.

use super::alias::writes_nothing;
use super::injective::{axes, own_buffers, Access, Subject};
use super::provenance::{Base, Provenance};
use super::trip::DefBlocks;
use super::Writes;
use crate::canon::canonicalise;
use crate::cfg::{Cfg, DomTree};
use crate::grad::Roles;
use crate::kernel::*;
use shadow_mem::Assumption;
use std::collections::BTreeSet;

/// Buffers of which every thread accesses elements of its own only, and what that rests on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exclusive {
    /// Their parameters.
    pub params: BTreeSet<u32>,
    /// What the launcher must check for it.
    pub assumptions: Vec<Assumption>,
}

impl Exclusive {
    /// Finds them among the parameters that `matters` says yes to. `k` need not be canonical.
    pub fn of(k: &Kernel, roles: &Roles, matters: impl Fn(u32) -> bool) -> Exclusive {
        let mut k = k.clone();
        let Ok(regions) = canonicalise(&mut k) else { return Exclusive::default() };
        let cfg = Cfg::new(&k);
        let dom = DomTree::new(&k, &cfg);
        let prov = Provenance::new(&k, &cfg, roles);
        let blocks = DefBlocks::new(&k);
        let subject =
            Subject { k: &k, regions: &regions, blocks: &blocks, prov: &prov, cfg: &cfg, dom: &dom };
        let mut params = own_buffers(subject, &accesses(&k, &cfg));
        params.retain(|&p| matters(p));
        if params.is_empty() {
            return Exclusive::default();
        }
        // Through another name other threads could reach the same elements.
        let writes = Writes::new(&k, &cfg, &prov);
        let mut assumptions = vec![Assumption::OneAlong { axes: (axes(&k).unwrap_or(3)..3).collect() }];
        for q in 0..k.params.len() as u32 {
            let other = &k.params[q as usize];
            if other.ty.is_ptr() && other.by_value.is_none() && writes.to(Base::Param(q)) {
                let pairs = params.iter().filter(|&&p| p != q);
                assumptions.extend(pairs.map(|&p| Assumption::Distinct { a: p.min(q), b: p.max(q) }));
            }
        }
        Exclusive { params, assumptions }
    }

    /// True when a pointer points into one of them, and nowhere else.
    pub fn covers(&self, prov: &Provenance, ptr: Value) -> bool {
        matches!(prov.of(ptr).single(), Some(Base::Param(p)) if self.params.contains(&p))
    }
}

/// Every access to memory.
fn accesses(k: &Kernel, cfg: &Cfg) -> Vec<Access> {
    let mut out = Vec::new();
    for &at in cfg.rpo() {
        for &i in &k.blocks[at].insts {
            let of = |v: Value| Some(k.bytes(k.ty(v)));
            let mut note = |ptr: Value, bytes: Option<u64>| out.push(Access { ptr, bytes, at });
            match &k.insts[i].op {
                Op::Load { ptr, .. } => note(*ptr, k.insts[i].result.and_then(of)),
                Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. } => note(*ptr, of(*val)),
                Op::CmpXchg { ptr, new, .. } => note(*ptr, of(*new)),
                Op::MemCopy { dst, src, len, .. } => {
                    let len = k.as_int(*len).and_then(|n| u64::try_from(n).ok());
                    note(*dst, len);
                    note(*src, len);
                }
                Op::MemSet { dst, len, .. } => {
                    note(*dst, k.as_int(*len).and_then(|n| u64::try_from(n).ok()));
                }
                Op::Call { callee, args } if !writes_nothing(callee) => {
                    args.iter().filter(|a| k.ty(**a).is_ptr()).for_each(|&a| note(a, None));
                }
                Op::Asm { args, .. } => {
                    args.iter().filter(|a| k.ty(**a).is_ptr()).for_each(|&a| note(a, None));
                }
                _ => {}
            }
        }
    }
    out
}
