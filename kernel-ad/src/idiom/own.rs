//! Atomic operations on elements that only one thread accesses are loads and stores.

use crate::cfg::Cfg;
use crate::facts::exchange::acquires;
use crate::facts::{Base, Exclusive, Provenance};
use crate::grad::Roles;
use crate::kernel::*;
use shadow_mem::Role;
use std::collections::BTreeSet;

/// Rewrites them where it matters: where memory has a derivative, and the order of the threads would matter for it.
/// Gives the buffers that this, or accesses that are volatile or atomic, rests on.
pub fn claim(k: &mut Kernel, roles: &Roles) -> Exclusive {
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, roles);
    let mut wanted: BTreeSet<u32> = BTreeSet::new();
    for (_, i) in k.iter_insts() {
        let ptr = match &k.insts[i].op {
            Op::AtomicRmw { ptr, .. } if depends_on_order(k, i) => *ptr,
            Op::Load { ptr, mem } | Op::Store { ptr, mem, .. } if mem.volatile || mem.ordering.is_some() => {
                *ptr
            }
            _ => continue,
        };
        if let Some(Base::Param(p)) = prov.of(ptr).single() {
            let spec = roles.params.get(p as usize);
            if spec.is_some_and(|s| !matches!(s.role, Role::Const)) {
                wanted.insert(p);
            }
        }
    }
    if wanted.is_empty() {
        return Exclusive::default();
    }
    let own = Exclusive::of(k, roles, |p| wanted.contains(&p));
    for block in k.layout.clone() {
        for i in k.blocks[block].insts.clone() {
            let Op::AtomicRmw { ptr, .. } = k.insts[i].op else { continue };
            if own.covers(&prov, ptr) && depends_on_order(k, i) {
                make_plain(k, block, i);
            }
        }
    }
    own
}

/// An atomic operation on floats whose derivative would depend on the order of the threads.
fn depends_on_order(k: &Kernel, i: Inst) -> bool {
    let Op::AtomicRmw { op, val, .. } = k.insts[i].op else { return false };
    let relaxed = acquires(k, &k.insts[i].op).is_none();
    let sum = matches!(op, RmwOp::FAdd | RmwOp::FSub);
    k.ty(val).is_float() && relaxed && (!sum || is_used(k, i))
}

fn is_used(k: &Kernel, i: Inst) -> bool {
    let Some(r) = k.insts[i].result else { return false };
    k.iter_insts().any(|(_, u)| k.insts[u].op.operands().contains(&r))
}

fn make_plain(k: &mut Kernel, block: Block, i: Inst) {
    let data = k.insts[i].clone();
    let (Op::AtomicRmw { op, ptr, val, mem }, Some(r)) = (data.op, data.result) else { return };
    let at = k.blocks[block].insts.iter().position(|&x| x == i).expect("in its block");
    let ty = k.ty(r);
    let mem = MemFlags { ordering: None, ..mem };
    // The instruction itself becomes the load, so that its users see the old value.
    k.insts[i].op = Op::Load { ptr, mem };
    let mut b = KernelBuilder::new(k);
    b.loc = data.loc;
    b.at = Cursor::At(block, at + 1);
    let new = match op {
        RmwOp::FAdd => b.binary_fmf(BinOp::FAdd, r, val, Fmf::empty()),
        RmwOp::FSub => b.binary_fmf(BinOp::FSub, r, val, Fmf::empty()),
        RmwOp::FMax | RmwOp::FMin => {
            let func = if op == RmwOp::FMax { MathFn::Fmax } else { MathFn::Fmin };
            let args = smallvec::smallvec![r, val];
            b.value(Op::Math { func, flavor: Flavor::Llvm, args, fmf: Fmf::empty() }, ty)
        }
        _ => val,
    };
    b.store(ptr, new, mem);
}
