//! Tapes whose length another run of the same launch may not keep: threads that take work from a queue take other amounts of it each time.
//! The launcher then repeats a launch whose tape was too short, provided that it can undo it.

use super::input::Input;
use crate::facts::{Base, KnownCall, PtrKind, Writes};
use crate::grad::Gradient;
use crate::kernel::asm::{register, Register};
use crate::kernel::*;
use shadow_mem::Purpose;
use std::collections::HashSet;

/// Whether the counting kernel may count more in another run: what is left in it decides the count.
pub fn count_varies(counter: &Gradient, input: &Input<'_>) -> bool {
    let k = &counter.kernel;
    let result = counter.params.iter().position(|p| p.purpose == Purpose::CountResult);
    let result = result.map(|i| k.param_value(i as u32));
    let used: HashSet<Value> = k.iter_insts().flat_map(|(_, i)| k.insts[i].op.operands()).collect();
    let of_block = |ptr: Value| {
        let bases = input.prov.of(ptr).bases;
        let shared = |b: &Base| match b {
            Base::Global(g) => k.globals[*g].space == AddrSpace::Shared,
            b => matches!(b, Base::Alloca(_)),
        };
        k.ty(ptr) == Type::Ptr(AddrSpace::Shared) || (!bases.is_empty() && bases.iter().all(shared))
    };
    k.iter_insts().any(|(_, i)| {
        let data = &k.insts[i];
        match &data.op {
            Op::CmpXchg { .. } => true,
            // Sums that are looked at behind a barrier of the block are the same in any order.
            Op::AtomicRmw { ptr, .. } if Some(*ptr) != result => {
                !of_block(*ptr) || data.result.is_some_and(|r| used.contains(&r))
            }
            Op::Load { ptr, mem, .. } => (mem.volatile || mem.ordering.is_some()) && !of_block(*ptr),
            Op::Special(Special::Clock | Special::SmId) => true,
            Op::Asm { text, side_effects, args, .. } => {
                matches!(register(text), Some(Register::Clock { .. }))
                    || *side_effects && args.iter().any(|v| k.ty(*v).is_ptr())
            }
            op @ Op::Call { .. } => match KnownCall::new(k, op) {
                Some(call) => !call.written().all(of_block),
                None => false,
            },
            _ => false,
        }
    })
}

/// Whether all that a generated kernel writes lies behind parameters whose extent the launcher knows. `k` is the forward sweep, `writes` is
/// what it writes; with `sums`, the kernel adds into shadows too.
pub fn can_be_undone(k: &Kernel, input: &Input<'_>, writes: &Writes, sums: bool) -> bool {
    let known = |b: &Base| match b {
        Base::Param(_) | Base::Field { .. } | Base::Alloca(_) => true,
        Base::Global(g) => k.globals[*g].space == AddrSpace::Shared,
        Base::Unknown => false,
    };
    // The shadow of a struct holds pointers that no argument names.
    let hidden = |ptr: Value| {
        let fact = input.prov.of(ptr);
        !matches!(fact.kind, PtrKind::Nowhere | PtrKind::Plain)
            && fact.bases.iter().any(|b| matches!(b, Base::Field { .. } | Base::Unknown))
    };
    let pointers = |i: Inst| -> Vec<Value> {
        let op = &k.insts[i].op;
        let touches =
            op.has_side_effects() || matches!(op, Op::Load { .. } | Op::Call { .. } | Op::Asm { .. });
        let mut all = op.operands();
        all.retain(|v| touches && k.ty(*v).is_ptr());
        all.into_iter().collect()
    };
    let inserted = &input.shadows.inserted;
    let stores_shadows = || {
        inserted
            .iter()
            .any(|i| matches!(k.insts[*i].op, Op::Store { .. } | Op::MemCopy { .. } | Op::MemSet { .. }))
    };
    writes.bases().all(known)
        && !(sums && (stores_shadows() || k.iter_insts().any(|(_, i)| pointers(i).into_iter().any(hidden))))
}
