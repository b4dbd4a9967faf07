//! What the kernel may overwrite, and which buffers must be distinct for that to be so.

use super::calls::KnownCall;
use super::provenance::{Base, Provenance};
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::{BTreeSet, HashSet};

/// Everything that the kernel may write.
#[derive(Clone, Debug)]
pub struct Writes {
    bases: BTreeSet<Base>,
}

/// Why memory keeps its contents for the whole launch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unchanged {
    /// Pairs of parameters whose buffers must not overlap for it.
    pub distinct: Vec<(u32, u32)>,
}

impl Writes {
    /// Collects the writes of the reachable code.
    pub fn new(k: &Kernel, cfg: &Cfg, prov: &Provenance) -> Writes {
        Self::without(k, cfg, prov, &HashSet::new())
    }

    /// The same, leaving out some instructions that will be removed.
    pub fn without(k: &Kernel, cfg: &Cfg, prov: &Provenance, removed: &HashSet<Inst>) -> Writes {
        let mut bases = BTreeSet::new();
        for &b in cfg.rpo() {
            for &i in k.blocks[b].insts.iter().filter(|i| !removed.contains(i)) {
                match &k.insts[i].op {
                    Op::Store { ptr, .. }
                    | Op::AtomicRmw { ptr, .. }
                    | Op::CmpXchg { ptr, .. }
                    | Op::Accumulate { ptr, .. } => bases.extend(prov.of(*ptr).bases),
                    Op::MemCopy { dst, .. } | Op::MemSet { dst, .. } => bases.extend(prov.of(*dst).bases),
                    Op::Call { callee, .. } if writes_nothing(callee) => {}
                    op @ Op::Call { .. } => match KnownCall::new(k, op) {
                        Some(call) => call.written().for_each(|p| bases.extend(prov.of(p).bases)),
                        None => {
                            bases.insert(Base::Unknown);
                        }
                    },
                    Op::Asm { side_effects: true, args, .. } if args.iter().any(|v| k.ty(*v).is_ptr()) => {
                        bases.insert(Base::Unknown);
                    }
                    _ => {}
                }
            }
        }
        Writes { bases }
    }

    /// True when the kernel may write into this object.
    pub fn to(&self, base: Base) -> bool {
        self.bases.contains(&base)
    }

    /// All objects that the kernel may write into.
    pub fn bases(&self) -> impl Iterator<Item = &Base> {
        self.bases.iter()
    }

    /// True when the kernel may write to memory that nobody can name.
    pub fn anywhere(&self) -> bool {
        self.to(Base::Unknown)
    }

    /// Says whether what a load reads stays as it is for the whole launch.
    pub fn unchanged(&self, k: &Kernel, prov: &Provenance, ptr: Value, mem: &MemFlags) -> Option<Unchanged> {
        if mem.volatile || mem.ordering.is_some() {
            return None;
        }
        if mem.invariant || k.ty(ptr) == Type::Ptr(AddrSpace::Constant) {
            return Some(Unchanged::default());
        }
        let fact = prov.of(ptr);
        if fact.bases.is_empty() {
            return None;
        }
        let mut out = Unchanged::default();
        for &read in &fact.bases {
            for &write in &self.bases {
                match may_overlap(k, read, write) {
                    Overlap::No => {}
                    Overlap::UnlessDistinct(a, b) => {
                        if !out.distinct.contains(&(a, b)) {
                            out.distinct.push((a, b));
                        }
                    }
                    Overlap::Yes => return None,
                }
            }
        }
        Some(out)
    }
}

/// Whether two objects can share memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overlap {
    /// Never.
    No,
    /// Only if the buffers of these two parameters do, the lower index first.
    UnlessDistinct(u32, u32),
    /// They may.
    Yes,
}

/// Says whether two objects can share memory.
pub fn may_overlap(k: &Kernel, read: Base, write: Base) -> Overlap {
    let by_value = |i: u32| k.params[i as usize].by_value.is_some();
    let noalias = |b: Base| matches!(b, Base::Param(i) if k.params[i as usize].noalias);
    match (read, write) {
        (a, b) if a == b => Overlap::Yes,
        // Local memory and by-value structs are reached through their own names only.
        (Base::Alloca(_), _) | (_, Base::Alloca(_)) => Overlap::No,
        (Base::Param(i), _) if by_value(i) => Overlap::No,
        (_, Base::Param(i)) if by_value(i) => Overlap::No,
        (Base::Global(a), _) if k.globals[a].is_const || k.globals[a].space == AddrSpace::Constant => {
            Overlap::No
        }
        (Base::Global(_), Base::Global(_)) => Overlap::No,
        (a, b) if noalias(a) || noalias(b) => Overlap::No,
        (Base::Param(a), Base::Param(b)) => Overlap::UnlessDistinct(a.min(b), a.max(b)),
        (Base::Global(g), Base::Param(_)) | (Base::Param(_), Base::Global(g))
            if k.globals[g].space == AddrSpace::Shared =>
        {
            Overlap::No
        }
        _ => Overlap::Yes,
    }
}

/// Calls that print or stop, and leave memory alone.
pub fn writes_nothing(callee: &str) -> bool {
    matches!(
        callee,
        "vprintf"
            | "printf"
            | "__assertfail"
            | "__assert_fail"
            | "llvm.assume"
            | "llvm.trap"
            | "__nv_assertfail"
    ) || callee.starts_with("__ockl_printf")
        || callee.starts_with("__ockl_hostcall")
}
