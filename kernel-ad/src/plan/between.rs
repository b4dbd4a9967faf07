//! What does not last from one launch to the next, when the reverse sweep is a kernel of its own.

use crate::cfg::Cfg;
use crate::facts::{Base, Provenance};
use crate::grad::shadow::Shadows;
use crate::kernel::*;
use std::collections::{BTreeSet, HashMap};

/// Which memory the caller leaves alone between the augmented and the reverse launch. What it may change is saved, not loaded again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Kept {
    /// None: the reverse launch may find anything in the primal's buffers.
    #[default]
    Nothing,
    /// The buffers behind these parameters of the primal.
    Params(BTreeSet<u32>),
    /// All of it.
    Everything,
}

/// The boundary between the two launches.
pub struct Between<'a> {
    k: &'a Kernel,
    prov: &'a Provenance,
    primal_of: HashMap<Value, Value>,
    kept: &'a Kept,
    /// The address of local or shared memory may come back from where nobody follows it.
    escapes: bool,
}

impl<'a> Between<'a> {
    /// The boundary for a canonical kernel with its shadow pointers.
    pub fn new(
        k: &'a Kernel,
        cfg: &Cfg,
        prov: &'a Provenance,
        shadows: &Shadows,
        kept: &'a Kept,
    ) -> Between<'a> {
        let mut b = Between { k, prov, primal_of: shadows.primals(), kept, escapes: false };
        b.escapes = cfg.rpo().iter().flat_map(|&f| &k.blocks[f].insts).any(|&i| match &k.insts[i].op {
            Op::Store { val, .. } | Op::Cast { op: CastOp::PtrToInt, a: val, .. } => b.is_momentary(*val),
            Op::Call { args, .. } | Op::Asm { args, .. } => args.iter().any(|&a| b.is_momentary(a)),
            _ => false,
        });
        b
    }

    /// True for pointers that mean nothing in another launch: to memory of a thread, of a block, or of the parameters.
    pub fn is_momentary(&self, v: Value) -> bool {
        if !self.k.ty(v).is_ptr() {
            return false;
        }
        let primal = self.primal_of.get(&v).copied();
        self.prov.of(primal.unwrap_or(v)).bases.iter().any(|b| match *b {
            Base::Alloca(_) => true,
            Base::Global(g) => self.k.globals[g].space == AddrSpace::Shared,
            // The shadow of a struct passed by value lies in device memory.
            Base::Param(i) => primal.is_none() && self.k.params[i as usize].by_value.is_some(),
            Base::Unknown => self.escapes,
            Base::Field { .. } => false,
        })
    }

    /// True when the reverse launch finds behind `ptr` what the augmented launch found, if neither writes there.
    pub fn lasts(&self, ptr: Value) -> bool {
        let bases = self.prov.of(ptr).bases;
        !bases.is_empty() && bases.iter().all(|&b| self.object_lasts(b))
    }

    fn object_lasts(&self, base: Base) -> bool {
        let kept = |i: u32| match self.kept {
            Kept::Nothing => false,
            Kept::Params(p) => p.contains(&i),
            Kept::Everything => true,
        };
        match base {
            Base::Alloca(_) => false,
            Base::Param(i) => self.k.params[i as usize].by_value.is_some() || kept(i),
            Base::Field { param, .. } => kept(param),
            Base::Global(g) => {
                let g = &self.k.globals[g];
                g.space != AddrSpace::Shared
                    && (*self.kept == Kept::Everything || (g.is_const && g.init.is_some() && !g.external))
            }
            Base::Unknown => *self.kept == Kept::Everything,
        }
    }

    /// True when an operation gives in the reverse launch what it gave in the augmented one. `load`: if memory lasts.
    pub fn repeats(&self, v: Value, inputs: &[Value]) -> bool {
        match self.k.def_op(v) {
            Some(Op::Load { ptr, .. }) => self.lasts(*ptr),
            // Where a block runs, and how much shared memory a kernel has of its own, differs.
            Some(Op::Special(Special::SmId | Special::WarpId | Special::TotalSharedSize)) => false,
            // Of an undefined value it may make another one each time.
            Some(Op::Freeze { .. }) => self.is_momentary(v),
            // Distances and comparisons of addresses that differ from launch to launch.
            _ => self.k.ty(v).is_ptr() || !inputs.iter().any(|&x| self.is_momentary(x)),
        }
    }
}
