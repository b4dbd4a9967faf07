//! What the reverse sweep is built from: the canonical kernel's facts, gathered once.

use crate::canon::Regions;
use crate::cfg::{Cfg, DomTree};
use crate::facts::{Activity, Base, Exclusive, Provenance, PtrKind, Uniform, WarpUniform};
use crate::grad::shadow::Shadows;
use crate::grad::{Roles, ShadowParams};
use crate::idiom::Settled;
use crate::kernel::*;
use crate::plan::Between;
use shadow_mem::Role;
use std::collections::{HashMap, HashSet};

/// Facts about the canonical kernel.
pub struct Input<'a> {
    /// Loops.
    pub regions: &'a Regions,
    /// Edges of the forward sweep.
    pub cfg: &'a Cfg,
    /// Dominators of the forward sweep.
    pub dom: &'a DomTree,
    /// Where pointers point.
    pub prov: &'a Provenance,
    /// Which values have adjoints.
    pub activity: &'a Activity,
    /// What the lanes of a warp share.
    pub lanes: &'a WarpUniform,
    /// Which values are the same for all threads of a block.
    pub uniform: &'a Uniform,
    /// Shadow pointers.
    pub shadows: &'a Shadows,
    /// Shadow parameters.
    pub params: &'a ShadowParams,
    /// Buffers that no two threads share.
    pub exclusive: &'a Exclusive,
    /// Atomic maxima and minima whose derivative follows an exchange.
    pub settled: &'a Settled,
    /// Bits of the values of atomic maxima and minima.
    pub extrema: &'a HashMap<Inst, Value>,
    /// Set when the reverse sweep is a kernel of its own, launched when all threads of the forward sweep have ended.
    pub between: Option<&'a Between<'a>>,
}

/// What the adjoint of a memory operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryAdjoint {
    /// Nothing.
    None,
    /// Adds the result's adjoint to the shadow of this address.
    Load(Value),
    /// Takes the stored value's adjoint from the shadow of this address, and clears it there.
    Store(Value),
    /// Reads the added value's adjoint from the shadow of this address; `true`: it was subtracted.
    Add(Value, bool),
    /// Takes the exchanged value's adjoint from the shadow of this address, if nobody has taken it yet.
    Take(Value),
    /// Takes the adjoint from the shadow of this address, if what lies there has these bits.
    Extremum(Value, Value),
    /// Moves the adjoint of `len` bytes from the shadow of `dst` to that of `src`, if `src` has one.
    Copy { dst: Value, src: Option<Value>, len: Value },
    /// Clears `len` bytes of the shadow of `dst`.
    Clear { dst: Value, len: Value },
}

impl Input<'_> {
    /// True when `v` has an adjoint.
    pub fn active(&self, k: &Kernel, v: Value) -> bool {
        k.as_const(v).is_none() && self.activity.is_active(k, v)
    }

    /// True when adjoints live in the shadow behind `ptr`.
    pub fn has_adjoint_memory(&self, ptr: Value) -> bool {
        self.prov.kind(ptr) == PtrKind::Shadowed && self.activity.is_useful_memory(self.prov, ptr)
    }

    /// True when the reverse sweep finds behind `ptr` what the whole launch of the primal left there.
    pub fn is_final(&self, ptr: Value) -> bool {
        self.between.is_some_and(|b| b.lasts(ptr))
    }

    /// What to do in reverse for a memory operation.
    pub fn memory_adjoint(&self, k: &Kernel, inst: Inst) -> MemoryAdjoint {
        let data = &k.insts[inst];
        match data.op {
            Op::Load { ptr, .. } if data.result.is_some_and(|r| self.active(k, r)) => {
                MemoryAdjoint::Load(ptr)
            }
            Op::Store { ptr, val, .. } if self.has_adjoint_memory(ptr) => {
                if crate::facts::provenance::holds_pointer(k, k.ty(val)) {
                    MemoryAdjoint::None
                } else {
                    MemoryAdjoint::Store(ptr)
                }
            }
            Op::AtomicRmw { .. } if self.settled.extrema.contains(&inst) => MemoryAdjoint::None,
            Op::AtomicRmw { ptr, .. }
                if self.settled.exchanges.contains(&inst) && self.has_adjoint_memory(ptr) =>
            {
                MemoryAdjoint::Take(ptr)
            }
            Op::AtomicRmw { op: RmwOp::FMax | RmwOp::FMin, ptr, .. } if self.has_adjoint_memory(ptr) => {
                // A constant may win as well: then the adjoint ends there.
                self.extrema
                    .get(&inst)
                    .map_or(MemoryAdjoint::None, |&bits| MemoryAdjoint::Extremum(ptr, bits))
            }
            Op::AtomicRmw { op, ptr, val, .. } if self.has_adjoint_memory(ptr) && self.active(k, val) => {
                MemoryAdjoint::Add(ptr, op == RmwOp::FSub)
            }
            Op::MemCopy { dst, src, len, .. } if self.has_adjoint_memory(dst) => {
                let from = self.prov.kind(src) == PtrKind::Shadowed;
                MemoryAdjoint::Copy { dst, src: from.then_some(src), len }
            }
            Op::MemSet { dst, len, .. } if self.has_adjoint_memory(dst) => MemoryAdjoint::Clear { dst, len },
            _ => MemoryAdjoint::None,
        }
    }
}

/// Blocks from which the return is reached: the only ones that are executed backward.
pub fn reaching_exit(k: &Kernel, cfg: &Cfg) -> HashSet<Block> {
    let mut seen = HashSet::new();
    let mut work: Vec<Block> =
        cfg.rpo().iter().copied().filter(|&b| k.insts[k.terminator(b)].op == Op::Ret).collect();
    while let Some(b) = work.pop() {
        if seen.insert(b) {
            work.extend_from_slice(cfg.preds(b));
        }
    }
    seen
}

/// Stores into `out` buffers that the kernel never reads: the caller does not want them, so they need not happen.
pub fn unwanted_stores(k: &Kernel, cfg: &Cfg, prov: &Provenance, roles: &Roles) -> HashSet<Inst> {
    let mut read: HashSet<Base> = HashSet::new();
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            match &k.insts[i].op {
                Op::Load { ptr, .. } => read.extend(prov.of(*ptr).bases),
                Op::MemCopy { src, .. } => read.extend(prov.of(*src).bases),
                // The reverse sweep looks at what is left there.
                Op::AtomicRmw { op: RmwOp::FMax | RmwOp::FMin, ptr, .. } => read.extend(prov.of(*ptr).bases),
                Op::AtomicRmw { ptr, .. } if is_used(k, cfg, i) => read.extend(prov.of(*ptr).bases),
                Op::CmpXchg { ptr, .. } => read.extend(prov.of(*ptr).bases),
                Op::Call { args, callee } if !crate::facts::alias::writes_nothing(callee) => {
                    args.iter().for_each(|a| read.extend(prov.of(*a).bases));
                }
                Op::Asm { args, .. } => args.iter().for_each(|a| read.extend(prov.of(*a).bases)),
                _ => {}
            }
        }
    }
    let unread_out = |ptr: Value| match prov.of(ptr).single() {
        Some(Base::Param(i)) => {
            roles.params[i as usize].role == Role::Out
                && k.params[i as usize].by_value.is_none()
                && !read.contains(&Base::Param(i))
                // What a pointer in memory points to may be this buffer.
                && (k.params[i as usize].noalias || !read.contains(&Base::Unknown))
        }
        _ => false,
    };
    let mut out = HashSet::new();
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let drop = match &k.insts[i].op {
                Op::Store { ptr, mem, .. } => unread_out(*ptr) && !mem.volatile && mem.ordering.is_none(),
                Op::AtomicRmw { ptr, .. } => unread_out(*ptr),
                Op::MemCopy { dst, volatile, .. } | Op::MemSet { dst, volatile, .. } => {
                    unread_out(*dst) && !volatile
                }
                _ => false,
            };
            if drop {
                out.insert(i);
            }
        }
    }
    out
}

/// True when an instruction's result is an operand somewhere.
pub fn is_used(k: &Kernel, cfg: &Cfg, inst: Inst) -> bool {
    let Some(r) = k.insts[inst].result else { return false };
    cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts).any(|&i| {
        let mut hit = false;
        k.insts[i].op.for_each_operand(|v| hit |= v == r);
        hit
    })
}
