//! Pointers that a kernel stores in memory: when their shadows cannot follow them there.

use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic};
use crate::facts::activity::base_name;
use crate::facts::{Base, Provenance, PtrFact, PtrKind};
use crate::kernel::*;

/// Why a pointer cannot be stored there: a later load would find no shadow of it, or a wrong one.
pub fn stored_pointer(
    k: &Kernel,
    cfg: &Cfg,
    prov: &Provenance,
    ptr: Value,
    val: Value,
) -> Option<Diagnostic> {
    let (to, held) = (prov.of(ptr), prov.of(val));
    let is_local = |b: &Base| matches!(b, Base::Alloca(_));
    // What local arrays hold is followed pointer by pointer.
    if to.bases.iter().all(is_local) {
        return None;
    }
    let refuse = |message: &str, help: &str| {
        let names: Vec<String> = to.bases.iter().map(|b| base_name(k, *b)).collect();
        let d = Diagnostic::new(Code::UnsupportedMemory, message);
        Some(d.because(format!("it works on {}", names.join(", "))).help(help))
    };
    if held.bases.iter().any(is_local) {
        return refuse(
            "the address of a local variable is stored where it can no longer be followed",
            "keep such pointers in local variables",
        );
    }
    if !k.ty(val).is_ptr() && to.kind != PtrKind::Plain {
        return refuse("pointers are stored as a part of a struct or vector", "store the members one by one");
    }
    match (to.kind, held.kind) {
        (PtrKind::Plain | PtrKind::Nowhere, PtrKind::Plain | PtrKind::Nowhere) => None,
        (PtrKind::Plain | PtrKind::Nowhere, _) if comes_back(k, cfg, prov, &to) => refuse(
            "a pointer into memory that has a shadow is stored into memory without one, and pointers are loaded from it",
            "give the memory that holds the pointers the role dup",
        ),
        (PtrKind::Plain | PtrKind::Nowhere, _) => None,
        (PtrKind::Shadowed, PtrKind::Shadowed | PtrKind::Nowhere) => None,
        _ => refuse(
            "a pointer without a shadow is stored into memory that has one",
            "mark the memory const, or give what the pointer points into a shadow",
        ),
    }
}

/// True when some pointer that the kernel loads may have been stored there.
fn comes_back(k: &Kernel, cfg: &Cfg, prov: &Provenance, to: &PtrFact) -> bool {
    cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts).any(|&i| {
        let Op::Load { ptr, .. } = &k.insts[i].op else { return false };
        let from = prov.of(*ptr);
        let by_value = |b: &Base| matches!(b, Base::Param(i) if k.params[*i as usize].by_value.is_some());
        k.insts[i].result.is_some_and(|r| k.ty(r).is_ptr())
            && from.kind == PtrKind::Plain
            && !from.bases.iter().all(|b| by_value(b) || matches!(b, Base::Alloca(_)))
            && (!from.bases.is_disjoint(&to.bases)
                || from.bases.union(&to.bases).any(|b| !matches!(b, Base::Global(_))))
    })
}
