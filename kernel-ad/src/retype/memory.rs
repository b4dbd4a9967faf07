//! Loads and stores of integers where floats lie become loads and stores of floats.

use super::edit;
use crate::cfg::Cfg;
use crate::facts::{Base, Fields, Provenance, PtrKind};
use crate::kernel::*;
use std::collections::HashMap;

/// Rewrites every access of integers to memory that holds floats, as far as they have one format in each access. True when
/// something changed.
pub(super) fn rewrite(k: &mut Kernel, cfg: &Cfg, prov: &Provenance, fields: &Fields) -> bool {
    let mut types: HashMap<Inst, Type> = HashMap::new();
    for &i in cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts) {
        let (Op::Load { .. } | Op::Store { .. }) = k.insts[i].op else { continue };
        let Some((ptr, ty)) = crate::facts::fields::access(k, i) else { continue };
        // Memory without a shadow has no derivative in any type.
        let shared = |b: &Base| matches!(b, Base::Global(g) if k.globals[*g].space == AddrSpace::Shared);
        let plain = matches!(prov.kind(ptr), PtrKind::Plain | PtrKind::Nowhere);
        if !ty.is_int() || plain && !prov.of(ptr).bases.iter().any(shared) {
            continue;
        }
        if let Some(float) = float_type(k, prov, fields, ptr, ty) {
            types.insert(i, float);
        }
    }
    let any = !types.is_empty();
    edit::each(k, |b, i| {
        let &float = types.get(&i)?;
        match b.k.insts[i].op.clone() {
            Op::Load { ptr, mem } => {
                let was = b.k.ty(b.k.insts[i].result?);
                let loaded = b.load(float, ptr, mem);
                // The old load stays where it is, but a volatile one must not happen twice.
                b.k.insts[i].op = Op::Cast { op: CastOp::Bitcast, a: loaded, flags: IntFlags::empty() };
                debug_assert_eq!(b.k.bytes(was), b.k.bytes(float));
                None
            }
            Op::Store { val, .. } => {
                let bits = edit::bitcast(b, val, float);
                if let Op::Store { val, .. } = &mut b.k.insts[i].op {
                    *val = bits;
                }
                None
            }
            _ => None,
        }
    });
    any
}

/// The float type that fills an access of integers.
fn float_type(k: &Kernel, prov: &Provenance, fields: &Fields, ptr: Value, ty: Type) -> Option<Type> {
    if !matches!(ty.scalar(), Type::Int(w) if w % 16 == 0) {
        return None;
    }
    let bytes = k.bytes(ty);
    let floats = fields.floats(prov, ptr, bytes)?;
    let format = floats.first()?.1;
    let size = u64::from(format.bytes());
    // What nobody accesses as a float between floats is taken along: as bits it stays what it is.
    if bytes % size != 0 || !floats.iter().all(|&(at, f)| f == format && at % size == 0) {
        return None;
    }
    match bytes / size {
        1 => Some(Type::Float(format)),
        n @ 2..=16 => Some(Type::Vec(Lane::Float(format), n as u16)),
        _ => None,
    }
}
