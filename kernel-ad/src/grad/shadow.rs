//! Shadow pointers: for every pointer into memory that has a shadow, the pointer to the same place in the shadow.
//!
//! They are computed beside the primal pointers, in place: pointer arithmetic, phis, selects and loads of pointers are
//! mirrored on the shadows, local arrays get shadow arrays (cleared at the start), and pointers that are stored are
//! stored into the shadow too. What turns out not to be used is dead code, for a later pass to remove.

use super::ShadowParams;
use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::facts::{Provenance, PtrKind};
use crate::kernel::*;
use std::collections::HashMap;

/// Shadow pointers of a kernel.
#[derive(Clone, Debug, Default)]
pub struct Shadows {
    of: HashMap<Value, Value>,
    /// Instructions that were inserted.
    pub inserted: Vec<Inst>,
}

impl Shadows {
    /// The shadow of a pointer, if it has one.
    pub fn of(&self, ptr: Value) -> Option<Value> {
        self.of.get(&ptr).copied()
    }

    /// The primal pointer of each shadow pointer.
    pub fn primals(&self) -> HashMap<Value, Value> {
        self.of.iter().filter(|(p, s)| p != s).map(|(&p, &s)| (s, p)).collect()
    }
}

/// Inserts the shadow pointers of all pointers that `facts` calls [`PtrKind::Shadowed`].
///
/// # Errors
/// `KAD0110` when a shadow pointer would need to lie in different address spaces.
pub fn insert_shadows(
    k: &mut Kernel,
    cfg: &Cfg,
    facts: &Provenance,
    params: &ShadowParams,
) -> Result<Shadows> {
    let mut s = Shadows { inserted: params.inserted.clone(), ..Shadows::default() };
    for (i, &shadow) in params.of_param.iter().enumerate() {
        let v = k.param_value(i as u32);
        if let (Some(shadow), true) = (shadow, k.ty(v).is_ptr()) {
            s.of.insert(v, shadow);
        }
    }
    let constants: Vec<(Value, Const)> =
        k.values.iter().filter_map(|(v, _)| Some((v, k.as_const(v)?.clone()))).collect();
    for (v, c) in constants {
        match c {
            Const::Global(g) => {
                if let Some((_, p)) = params.of_global.iter().find(|(h, _)| *h == g) {
                    s.of.insert(v, *p);
                }
            }
            // Null and undef are their own shadows.
            _ if k.ty(v).is_ptr() => {
                s.of.insert(v, v);
            }
            _ => {}
        }
    }
    let mut phis: Vec<(Inst, Value)> = Vec::new();
    let mut arrays: Vec<(Value, u64, u32)> = Vec::new();
    for &b in cfg.rpo() {
        let old = std::mem::take(&mut k.blocks[b].insts);
        for &inst in &old {
            k.blocks[b].insts.push(inst);
            let before = k.blocks[b].insts.len();
            s.mirror(k, facts, b, inst, &mut phis, &mut arrays);
            s.inserted.extend_from_slice(&k.blocks[b].insts[before..]);
        }
        if b == k.entry() && !arrays.is_empty() {
            s.clear_arrays(k, b, &arrays);
        }
    }
    for (primal, shadow) in phis {
        let Op::Phi { incoming } = k.insts[primal].op.clone() else { unreachable!("collected phis only") };
        let ty = k.ty(shadow);
        let mut mirrored = Vec::new();
        for (from, v) in incoming {
            let sv = match (s.of(v), facts.kind(v)) {
                (Some(sv), _) if k.ty(sv) == ty => sv,
                (_, PtrKind::Nowhere) => k.constant(ty, Const::Undef),
                _ => return Err(no_shadow_phi(k, primal)),
            };
            mirrored.push((from, sv));
        }
        let inst = k.def_inst(shadow).expect("a phi");
        k.insts[inst].op = Op::Phi { incoming: mirrored };
    }
    Ok(s)
}

fn no_shadow_phi(k: &Kernel, phi: Inst) -> Diagnostics {
    Diagnostic::new(Code::UnknownProvenance, "a pointer merges shadows of different address spaces")
        .at(k, k.insts[phi].loc)
        .help("access the struct parameter and other memory through separate pointers")
        .into()
}

impl Shadows {
    fn mirror(
        &mut self,
        k: &mut Kernel,
        facts: &Provenance,
        block: Block,
        inst: Inst,
        phis: &mut Vec<(Inst, Value)>,
        arrays: &mut Vec<(Value, u64, u32)>,
    ) {
        let data = k.insts[inst].clone();
        let mut b = KernelBuilder::new(k);
        b.switch_to(block);
        b.loc = data.loc;
        if let Op::Store { ptr, val, mem } = &data.op {
            let pointer = facts.kind(*val) == PtrKind::Shadowed && b.k.ty(*val).is_ptr();
            if let (true, PtrKind::Shadowed, Some(sp)) = (pointer, facts.kind(*ptr), self.of(*ptr)) {
                if let Some(sv) = self.of(*val) {
                    b.store(sp, sv, *mem);
                }
            }
            return;
        }
        if let Op::MemCopy { dst, src, .. } = &data.op {
            // Pointers that are copied as bytes take their shadows along. Floats that lie between them would bring their
            // derivatives, which is for the modes to allow or to refuse.
            if let (true, Some(sd), Some(ss)) =
                (facts.holds_shadowed_pointers(*dst), self.of(*dst), self.of(*src))
            {
                let mut op = data.op.clone();
                if let Op::MemCopy { dst, src, .. } = &mut op {
                    (*dst, *src) = (sd, ss);
                }
                b.insert(op, Type::Void);
            }
            return;
        }
        let Some(r) = data.result else { return };
        if !b.k.ty(r).is_ptr() || facts.kind(r) != PtrKind::Shadowed {
            return;
        }
        let ty = b.k.ty(r);
        let shadow = match data.op {
            Op::Alloca { bytes, align } => {
                let v = b.value(Op::Alloca { bytes, align }, ty);
                arrays.push((v, bytes, align));
                Some(v)
            }
            Op::PtrAdd { ptr, offset, inbounds } => self.of(ptr).map(|sp| {
                let sty = b.k.ty(sp);
                b.value(Op::PtrAdd { ptr: sp, offset, inbounds }, sty)
            }),
            Op::Cast { op: CastOp::AddrSpaceCast, a, flags } => self.of(a).map(|sa| {
                // The shadow of a struct by value lies in device memory, whatever the struct's own space is.
                if b.k.ty(sa) == ty {
                    sa
                } else {
                    b.value(Op::Cast { op: CastOp::AddrSpaceCast, a: sa, flags }, ty)
                }
            }),
            Op::Freeze { a } => self.of(a).map(|sa| {
                let sty = b.k.ty(sa);
                b.value(Op::Freeze { a: sa }, sty)
            }),
            Op::Select { cond, a, b: other, fmf } => match (self.of(a), self.of(other)) {
                (Some(sa), Some(so)) if b.k.ty(sa) == b.k.ty(so) => {
                    let sty = b.k.ty(sa);
                    Some(b.value(Op::Select { cond, a: sa, b: so, fmf }, sty))
                }
                _ => None,
            },
            Op::Phi { .. } => {
                let v = b.value(Op::Phi { incoming: Vec::new() }, ty);
                phis.push((inst, v));
                Some(v)
            }
            Op::Load { ptr, mem } => self
                .of(ptr)
                .map(|sp| b.value(Op::Load { ptr: sp, mem: MemFlags { invariant: false, ..mem } }, ty)),
            _ => None,
        };
        if let Some(v) = shadow {
            self.of.insert(r, v);
        }
    }

    /// Clears the shadow arrays behind the allocas.
    fn clear_arrays(&mut self, k: &mut Kernel, entry: Block, arrays: &[(Value, u64, u32)]) {
        let insts = &k.blocks[entry].insts;
        let last = insts.iter().rposition(|&i| matches!(k.insts[i].op, Op::Alloca { .. }));
        let at = last.map_or(0, |i| i + 1);
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(entry, at);
        for &(dst, bytes, align) in arrays {
            let byte = b.k.int(Type::I8, 0);
            let space = b.k.ty(dst).addr_space().unwrap_or(AddrSpace::Generic);
            let index = b.k.index_ty(space);
            let len = b.k.int(index, bytes.into());
            let i = b.insert(Op::MemSet { dst, byte, len, align, volatile: false }, Type::Void);
            self.inserted.push(i);
        }
    }
}
