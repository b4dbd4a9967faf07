//! Tangents of memory: every access to memory with a shadow is done to the shadow too.

use super::build::Tangents;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::provenance::holds_pointer;
use crate::facts::PtrKind;
use crate::kernel::*;

/// Mirrors an instruction that reads or writes memory, behind it.
pub(super) fn mirror(b: &mut KernelBuilder, inst: Inst, t: &mut Tangents<'_>) -> Result<()> {
    let data = b.k.insts[inst].clone();
    match data.op {
        Op::Load { ptr, mem } => {
            let Some(r) = data.result.filter(|&r| t.input.carries(b.k, r)) else { return Ok(()) };
            let Some(shadow) = shadow_of(b.k, t, inst, ptr)? else { return Ok(()) };
            let ty = b.k.ty(r);
            // The shadow is written in this launch wherever the memory is, but `invariant` was promised of the memory.
            let loaded = b.load(ty, shadow, MemFlags { invariant: false, ..mem });
            t.set(r, loaded);
        }
        Op::Store { ptr, val, mem } => {
            let Some(shadow) = shadow_of(b.k, t, inst, ptr)? else { return Ok(()) };
            // Shadow pointers are stored where pointers are.
            if !holds_pointer(b.k, b.k.ty(val)) {
                let tangent = t.or_zero(b.k, val);
                b.store(shadow, tangent, mem);
            }
        }
        Op::MemCopy { dst, src, len, dst_align, src_align, overlap, volatile } => {
            let Some(to) = shadow_of(b.k, t, inst, dst)? else { return Ok(()) };
            match shadow_of(b.k, t, inst, src)? {
                Some(from) => {
                    let op = Op::MemCopy { dst: to, src: from, len, dst_align, src_align, overlap, volatile };
                    b.insert(op, Type::Void);
                }
                None => clear(b, to, len, dst_align, volatile),
            }
        }
        Op::MemSet { dst, len, align, volatile, .. } => {
            if let Some(to) = shadow_of(b.k, t, inst, dst)? {
                clear(b, to, len, align, volatile);
            }
        }
        Op::AtomicRmw { op, ptr, val, mem } if t.input.settled.exchanges.contains(&inst) => {
            if let Some(shadow) = shadow_of(b.k, t, inst, ptr)? {
                let (ty, tangent) = (b.k.ty(val), t.or_zero(b.k, val));
                b.insert(Op::AtomicRmw { op, ptr: shadow, val: tangent, mem }, ty);
            }
        }
        Op::AtomicRmw { op: op @ (RmwOp::FAdd | RmwOp::FSub), ptr, val, mem } => {
            // Adding a constant leaves the tangent as it is.
            if let (Some(shadow), Some(tangent)) = (shadow_of(b.k, t, inst, ptr)?, t.of(val)) {
                let ty = b.k.ty(val);
                b.insert(Op::AtomicRmw { op, ptr: shadow, val: tangent, mem }, ty);
            }
        }
        _ => {}
    }
    Ok(())
}

fn clear(b: &mut KernelBuilder, dst: Value, len: Value, align: u32, volatile: bool) {
    let byte = b.k.int(Type::I8, 0);
    b.insert(Op::MemSet { dst, byte, len, align, volatile }, Type::Void);
}

/// The shadow of a pointer; `None` when the memory there has none.
fn shadow_of(k: &Kernel, t: &Tangents<'_>, inst: Inst, ptr: Value) -> Result<Option<Value>> {
    match (t.input.prov.kind(ptr), t.shadows.of(ptr)) {
        (PtrKind::Shadowed, Some(shadow)) => Ok(Some(shadow)),
        (PtrKind::Shadowed, None) => {
            let d =
                Diagnostic::new(Code::UnknownProvenance, "the shadow of an active pointer cannot be formed");
            Err(d.at(k, k.insts[inst].loc).ir(print_inst(k, inst)).into())
        }
        _ => Ok(None),
    }
}
