//! Calls of device functions with a forward derivative.

use super::build::Tangents;
use crate::diag::Result;
use crate::facts::{KnownCall, PtrKind};
use crate::grad::calls::CallFacts;
use crate::kernel::*;

/// Calls the forward derivative before the function itself, so that both see the same memory.
pub(super) fn call(b: &mut KernelBuilder, block: Block, inst: Inst, t: &mut Tangents<'_>) -> Result<()> {
    let data = b.k.insts[inst].clone();
    let facts = CallFacts { k: b.k, prov: t.input.prov, activity: t.input.activity };
    let Some(call) = KnownCall::new(b.k, &data.op).filter(|c| facts.is_active(*c, data.result)) else {
        return Ok(());
    };
    let Some(callee) = call.function.forward().map(|f| f.name.clone()) else { return Ok(()) };
    let Op::Call { args, .. } = &data.op else { return Ok(()) };
    b.at = Cursor::At(block, b.k.blocks[block].insts.len() - 1);
    let mut given = smallvec::SmallVec::new();
    for &v in args {
        given.push(v);
        let ty = b.k.ty(v);
        if ty.is_float() {
            given.push(t.or_zero(b.k, v));
        } else if ty.is_ptr() {
            let shadow = t.shadows.of(v).filter(|_| t.input.prov.kind(v) == PtrKind::Shadowed);
            given.push(shadow.unwrap_or_else(|| b.k.zero(ty)));
        }
    }
    let ty = data.result.map(|r| b.k.ty(r)).filter(|ty| ty.is_float()).unwrap_or(Type::Void);
    let new = b.insert(Op::Call { callee, args: given }, ty);
    if let (Some(r), Some(tangent)) = (data.result, b.k.insts[new].result) {
        if t.input.carries(b.k, r) {
            t.set(r, tangent);
        }
    }
    b.switch_to(block);
    Ok(())
}
