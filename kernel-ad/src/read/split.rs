//! Math functions with pointer results (`sincosf`, `modf`, `frexp`, `remquo`) are split before LLVM's passes run: each gets
//! a body of pure calls and stores, so that the variables behind the pointers can become SSA values.

use crate::kernel::MathFn;
use crate::llvm::{Ir, Ty, TypeKind, Val};
use crate::mathlib::{self, MathCall, Shape};
use std::fmt::Write as _;

/// Names of the pure parts: `kad.part.<k>.<function>`, where part 0 is the function's own result and part `k` what it
/// stores through its `k`-th pointer.
const PART: &str = "kad.part.";

/// The meaning of a callee, parts of split functions included.
pub(super) fn callee(name: &str) -> Option<MathCall> {
    let Some(rest) = name.strip_prefix(PART) else { return mathlib::from_callee(name) };
    let (k, name) = rest.split_once('.')?;
    let call = mathlib::from_callee(name)?;
    let Shape::Stores(result, stores) = call.shape else { return None };
    let f = match k.parse::<usize>().ok()? {
        0 => result?,
        k => stores.get(k - 1)?.0,
    };
    Some(MathCall { shape: Shape::Math(f), flavor: call.flavor })
}

/// The callee computes its result from its arguments alone.
pub(super) fn is_pure(name: &str) -> bool {
    callee(name).is_some_and(|c| !matches!(c.shape, Shape::Stores(..)))
}

/// Gives every declared function with pointer results its body.
pub(super) fn split_pointer_results(ir: &mut Ir<'_>) -> Result<(), String> {
    let mut text = String::new();
    for f in ir.functions().filter(|f| f.is_declaration()) {
        if let Some(MathCall { shape: Shape::Stores(result, stores), .. }) = mathlib::from_callee(&f.name()) {
            text.push_str(&body(f, result, stores).unwrap_or_default());
        }
    }
    if text.is_empty() {
        return Ok(());
    }
    let head = format!("target datalayout = \"{}\"\ntarget triple = \"{}\"\n", ir.data_layout(), ir.triple());
    ir.link_text(&(head + &text))
}

/// `None` when the declaration does not look like the library's: the call then stays, and is judged by the reader.
fn body(f: Val<'_>, result: Option<MathFn>, stores: &[(MathFn, usize)]) -> Option<String> {
    let name = f.name();
    let params = f.params();
    let float = params.first()?.ty();
    is_float(float).then_some(())?;
    let arity = result.map_or(1, MathFn::arity);
    let leading = params.get(..arity)?;
    (params.len() == arity + stores.len() && leading.iter().all(|p| p.ty() == float)).then_some(())?;
    let ret = f.return_type()?;
    if result.is_some() { ret == float } else { ret.kind() == TypeKind::LLVMVoidTypeKind }.then_some(())?;

    let list = |with_names: bool, n: usize| {
        let one = |(i, p): (usize, &Val<'_>)| {
            if with_names {
                format!("{} %{i}", p.ty())
            } else {
                p.ty().to_string()
            }
        };
        params[..n].iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
    };
    let args = list(true, arity);
    let types = list(false, arity);
    let mut out = String::new();
    let _ = writeln!(out, "define {ret} @{name}({}) {{", list(true, params.len()));
    let mut declared = String::new();
    for (k, &(part, at)) in stores.iter().enumerate() {
        let ptr = params.get(at)?.ty();
        (ptr.kind() == TypeKind::LLVMPointerTypeKind).then_some(())?;
        let ty = if matches!(part, MathFn::FrexpExp | MathFn::RemquoQuo) {
            "i32".to_string()
        } else {
            float.to_string()
        };
        let k = k + 1;
        let _ = writeln!(declared, "declare {ty} @{PART}{k}.{name}({types})");
        let _ =
            writeln!(out, "  %v{k} = call {ty} @{PART}{k}.{name}({args})\n  store {ty} %v{k}, {ptr} %{at}");
    }
    if result.is_some() {
        let _ = writeln!(declared, "declare {ret} @{PART}0.{name}({types})");
        let _ = writeln!(out, "  %r = call {ret} @{PART}0.{name}({args})\n  ret {ret} %r\n}}");
    } else {
        let _ = writeln!(out, "  ret void\n}}");
    }
    Some(out + &declared)
}

fn is_float(ty: Ty<'_>) -> bool {
    matches!(
        ty.kind(),
        TypeKind::LLVMFloatTypeKind | TypeKind::LLVMDoubleTypeKind | TypeKind::LLVMHalfTypeKind
    )
}
