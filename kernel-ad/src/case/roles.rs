//! Roles of a case, as differentiation takes them.

use super::{field_offsets, Arg, ArgKind, Case};
use crate::grad::{FieldRole, RoleSpec, Roles};
use crate::kernel::FloatTy;
use shadow_mem::ElemType;

impl Case {
    /// The roles of all parameters, fields and module-level variables.
    pub fn roles(&self) -> Roles {
        let params = self.args.iter().map(spec).collect();
        let globals = self.globals.iter().map(|g| (g.name.clone(), g.role)).collect();
        Roles { params, globals }
    }
}

fn spec(a: &Arg) -> RoleSpec {
    let mut out = RoleSpec { format: format(a), ..RoleSpec::from(a.role) };
    if let ArgKind::Struct { fields } = &a.kind {
        parts(fields, 0, &mut out.fields);
    }
    out
}

/// Format of a buffer's elements.
fn format(a: &Arg) -> Option<FloatTy> {
    let ArgKind::Buffer { data, .. } = &a.kind else { return None };
    match data.ty {
        ElemType::F16 => Some(FloatTy::F16),
        ElemType::Bf16 => Some(FloatTy::Bf16),
        ElemType::F32 => Some(FloatTy::F32),
        ElemType::F64 => Some(FloatTy::F64),
        _ => None,
    }
}

fn parts(fields: &[Arg], at: u64, out: &mut Vec<FieldRole>) {
    for (f, offset) in fields.iter().zip(field_offsets(fields).0) {
        match &f.kind {
            ArgKind::Struct { fields } => parts(fields, at + offset, out),
            _ => out.push(FieldRole {
                offset: at + offset,
                bytes: f.extent().0,
                role: f.role,
                format: format(f),
            }),
        }
    }
}
