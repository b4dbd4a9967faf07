//! Parameters of generated kernels: their values and their entries in the manifest.

use super::shared::SharedShadow;
use super::Roles;
use crate::diag::Result;
use crate::kernel::{AddrSpace, Const, FloatTy, Global, Inst, Kernel, Param, Type, Value, ValueDef};
use shadow_mem::{ElemType, ParamSpec, Passing, Purpose, Role};

/// Manifest entries of a kernel's own parameters.
pub fn primal_specs(k: &Kernel, roles: &Roles) -> Result<Vec<ParamSpec>> {
    roles.check(k)?;
    Ok(k.params
        .iter()
        .enumerate()
        .map(|(i, p)| ParamSpec {
            name: p.name.clone(),
            passing: passing(p),
            bytes: p.by_value.as_ref().map_or_else(|| k.bytes(p.ty), |s| s.bytes),
            align: p.by_value.as_ref().map_or_else(|| k.bytes(p.ty).next_power_of_two() as u32, |s| s.align),
            purpose: Purpose::Primal { index: i as u32, role: roles.params[i].role },
            accumulate_only: None,
            written: p.by_value.is_none() && p.ty.is_ptr() && !p.readonly,
        })
        .collect())
}

fn passing(p: &Param) -> Passing {
    match p.ty {
        _ if p.by_value.is_some() => Passing::Struct,
        Type::Ptr(a) => Passing::Pointer { space: a.number() },
        ty => Passing::Scalar { ty: elem_type(ty) },
    }
}

/// The case-file type of a scalar.
pub fn elem_type(ty: Type) -> Option<ElemType> {
    Some(match ty {
        Type::Int(8) => ElemType::I8,
        Type::Int(16) => ElemType::I16,
        Type::Int(32) => ElemType::I32,
        Type::Int(64) => ElemType::I64,
        Type::Float(FloatTy::F16) => ElemType::F16,
        Type::Float(FloatTy::Bf16) => ElemType::Bf16,
        Type::Float(FloatTy::F32) => ElemType::F32,
        Type::Float(FloatTy::F64) => ElemType::F64,
        _ => return None,
    })
}

/// Shadow parameters of a generated kernel.
#[derive(Clone, Debug, Default)]
pub struct ShadowParams {
    /// For each primal parameter, the pointer to its shadow.
    pub of_param: Vec<Option<Value>>,
    /// Pointers to the shadows of module-level variables.
    pub of_global: Vec<(Global, Value)>,
    /// Shadows of shared memory; their places are among those of variables.
    pub shared: Vec<SharedShadow>,
    /// The parameter that holds the primal's size of dynamic shared memory.
    pub dynamic_size: Option<Value>,
    /// What was inserted at the start of the kernel to find them.
    pub inserted: Vec<Inst>,
}

impl ShadowParams {
    /// Appends the shadow parameters that the roles ask for to `k`, and their entries to `specs`.
    pub fn add(k: &mut Kernel, roles: &Roles, specs: &mut Vec<ParamSpec>) -> ShadowParams {
        let mut out = ShadowParams::default();
        for i in 0..k.params.len() {
            let p = k.params[i].clone();
            let wanted = roles.params[i].role != Role::Const
                || roles.params[i].fields.iter().any(|f| f.role != Role::Const);
            if !wanted {
                out.of_param.push(None);
                continue;
            }
            // A struct's shadow and an active scalar's lie in device memory, a buffer's where the buffer lies; what a caller on the
            // device gives may be a local variable.
            let space = match (p.ty, &p.by_value) {
                (Type::Ptr(a), None) => a,
                _ if k.is_function => AddrSpace::Generic,
                _ => AddrSpace::Global,
            };
            let align = match &p.by_value {
                Some(s) => s.align,
                None if p.ty.is_ptr() => p.align,
                None => k.bytes(p.ty).next_power_of_two() as u32,
            };
            let name = format!("{}.shadow", p.name);
            let v = pointer_param(k, &name, space, align);
            specs.push(pointer_spec(&name, space, Purpose::Shadow { of: i as u32 }));
            out.of_param.push(Some(v));
        }
        for g in k.globals.keys().collect::<Vec<_>>() {
            let (name, align) = (k.globals[g].name.clone(), k.globals[g].align);
            if roles.global(&name) != Role::Const && k.globals[g].space != AddrSpace::Shared {
                let shadow = format!("{name}.shadow");
                let v = pointer_param(k, &shadow, AddrSpace::Global, align);
                specs.push(pointer_spec(&shadow, AddrSpace::Global, Purpose::GlobalShadow { name }));
                out.of_global.push((g, v));
            }
        }
        out
    }
}

/// Appends a pointer parameter to a kernel.
pub fn pointer_param(k: &mut Kernel, name: &str, space: AddrSpace, align: u32) -> Value {
    k.add_param(Param { align: align.max(1), ..Param::new(name, Type::Ptr(space)) })
}

/// Takes parameters off that nothing in the kernel uses; `keep` is asked with their index and entry.
pub fn drop_params(k: &mut Kernel, specs: &mut Vec<ParamSpec>, keep: impl Fn(u32, &ParamSpec) -> bool) {
    let kept: Vec<bool> = specs.iter().zip(0..).map(|(s, i)| keep(i, s)).collect();
    let moved = |i: u32| kept[..i as usize].iter().filter(|&&k| k).count() as u32;
    for d in k.values.values_mut() {
        if let ValueDef::Param(i) = d.def {
            d.def = match kept[i as usize] {
                true => ValueDef::Param(moved(i)),
                false => ValueDef::Const(Const::Undef),
            };
        }
    }
    if let Some(t) = &mut k.tape {
        (t.base, t.capacity, t.status) = (moved(t.base), moved(t.capacity), moved(t.status));
    }
    let mut flags = kept.iter();
    k.params.retain(|_| *flags.next().unwrap_or(&true));
    let mut flags = kept.iter();
    specs.retain(|_| *flags.next().unwrap_or(&true));
}

/// Manifest entry of a pointer parameter that the generated kernel may write through.
pub fn pointer_spec(name: &str, space: AddrSpace, purpose: Purpose) -> ParamSpec {
    ParamSpec {
        name: name.to_string(),
        passing: Passing::Pointer { space: space.number() },
        bytes: 8,
        align: 8,
        purpose,
        accumulate_only: None,
        written: true,
    }
}
