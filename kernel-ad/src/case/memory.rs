//! Pointers in memory: `type = "ptr"` with `targets`, and arrays of structs (`fields` with `len`); structs that are module-level
//! variables.

use super::schema::{args, RawArg, RawType, Reader, Value};
use super::{Arg, ArgKind, Number};
use shadow_mem::Role;
use std::ops::Range;
use toml::Spanned;

/// Structs that an array in a case may have: each is a part of the file, so that more are a mistake.
const MOST: usize = 4096;

/// True when this is the memory of pointers or structs rather than of numbers, or a null pointer.
pub(super) fn is_memory(a: &RawArg) -> bool {
    a.null || a.ty == Some(RawType::Pointer) || (a.fields.is_some() && a.len.is_some())
}

pub(super) fn arg(
    r: &mut Reader,
    a: RawArg,
    span: &Range<usize>,
    inherited: Option<Role>,
    global: bool,
) -> Result<(Role, ArgKind), String> {
    let role = a.role.or(inherited).unwrap_or(Role::Const);
    if a.init.is_some() || a.value.is_some() || a.each.is_some() || a.shadow.is_some() {
        return Err(
            "memory of pointers or structs has no contents of its own: its targets and fields have".into()
        );
    }
    match (a.null, a.ty, a.targets, a.fields, a.len) {
        (true, None, None, None, None) => Ok((role, ArgKind::Null)),
        (true, ..) => Err("null stands alone".into()),
        (_, Some(RawType::Pointer), Some(targets), None, None) => {
            if role == Role::Active {
                return Err("active is for scalars; memory of pointers is dup, out or const".into());
            }
            let elements = args(r, targets, "target", Some(role));
            for e in &elements {
                if matches!(e.kind, ArgKind::Scalar { .. } | ArgKind::Struct { .. }) {
                    return Err(format!("target `{}` is a value; a pointer points to a buffer", e.name));
                }
            }
            Ok((role, ArgKind::Memory { elements }))
        }
        (_, Some(RawType::Pointer), ..) => Err("type = \"ptr\" goes with targets, and nothing else".into()),
        (_, None, None, Some(fields), None) if global => {
            if !matches!(role, Role::Dup | Role::Const) {
                return Err("a struct in memory is dup or const".into());
            }
            Ok((role, ArgKind::Memory { elements: args(r, fields, "field", Some(role)) }))
        }
        (_, None, None, Some(fields), Some(len)) => {
            if !matches!(role, Role::Dup | Role::Const) {
                return Err("an array of structs is dup or const".into());
            }
            if len == 0 || len > MOST {
                return Err(format!("len = {len}; an array of structs has 1 to {MOST}"));
            }
            let mut elements = Vec::new();
            for e in 0..len {
                let mut mine = Vec::new();
                for f in &fields {
                    mine.push(Spanned::new(f.span(), of_element(r, f.get_ref(), e, len)?));
                }
                let fields = args(r, mine, "field", Some(role));
                elements.push(Arg { name: e.to_string(), role, kind: ArgKind::Struct { fields } });
            }
            Ok((role, ArgKind::Memory { elements }))
        }
        _ => Err("an array of structs has fields and len only".into()),
    }
    .inspect_err(|_| tracing::debug!(?span, "argument refused"))
}

/// The field of struct `e` of `len`: its own target, its own number.
fn of_element(r: &Reader, f: &RawArg, e: usize, len: usize) -> Result<RawArg, String> {
    let name = f.name.clone().unwrap_or_default();
    if let (Some(RawType::Pointer), Some(targets)) = (f.ty, &f.targets) {
        let Some(one) = targets.get(e).filter(|_| targets.len() == len) else {
            return Err(format!("field `{name}` has {} targets for {len} structs", targets.len()));
        };
        let one = one.get_ref().clone();
        return Ok(RawArg { name: f.name.clone(), role: one.role.or(f.role), ..one });
    }
    if let (Some(each), Some(RawType::Elem(ty))) = (&f.each, f.ty) {
        if f.value.is_some() || f.len.is_some() || f.init.is_some() {
            return Err(format!("field `{name}`: each stands for value"));
        }
        let all = each.contents(ty, len, r.dir, 1).map_err(|e| format!("each: {e}"))?;
        let number = match ty.is_float() {
            true => Number::Float(all.get(e)),
            false => Number::Int(all.get(e) as i64),
        };
        return Ok(RawArg { each: None, value: Some(Value::One(number)), ..f.clone() });
    }
    let mut out = f.clone();
    for inner in out.fields.iter_mut().flatten().filter(|_| f.len.is_none()) {
        *inner.get_mut() = of_element(r, inner.get_ref(), e, len)?;
    }
    Ok(out)
}
