//! Adding into shadow memory on GPUs.

use crate::diag::Result;
use crate::emit::lower::{float_text, Accumulation, Lower, Ops};
use crate::kernel::*;

/// `*ptr += val`: a relaxed atomic with device scope where other threads may add, else load, add, store.
pub(super) fn accumulate(cx: &mut Lower<'_>, t: &dyn Ops, add: &Accumulation<'_>) -> Result<()> {
    let ty = float_text(add.ty);
    if !add.atomic || is_private(cx.k, add.base) {
        let old = cx.f.value(ty, format_args!("load {ty}, {}, align {}", add.ptr, add.align));
        let sum = cx.f.value(ty, format_args!("fadd contract {old}, {}", add.val.name));
        cx.f.line(format_args!("store {sum}, {}, align {}", add.ptr, add.align));
        return Ok(());
    }
    let scope = t.scope(if add.space == AddrSpace::Shared { Scope::BLOCK } else { Scope::DEVICE });
    // An atomic access must be aligned to its size; buffers of floats are.
    let align = add.align.max(add.ty.bytes());
    let (ptr, val) = (add.ptr, add.val);
    cx.f.value(
        ty,
        format_args!("atomicrmw fadd {ptr}, {val} syncscope(\"{scope}\") monotonic, align {align}"),
    );
    Ok(())
}

/// Memory of this thread alone: hardware has no atomics there, and none are needed.
fn is_private(k: &Kernel, ptr: Value) -> bool {
    match k.ty(ptr) {
        Type::Ptr(AddrSpace::Local) => true,
        _ => match k.def_op(ptr) {
            Some(Op::Alloca { .. }) => true,
            Some(Op::PtrAdd { ptr, .. }) => is_private(k, *ptr),
            Some(Op::Cast { op: CastOp::AddrSpaceCast | CastOp::Bitcast, a, .. }) => is_private(k, *a),
            _ => false,
        },
    }
}
