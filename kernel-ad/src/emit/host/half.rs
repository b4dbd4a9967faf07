//! Conversions of half formats that LLVM calls by name where the processor has no instruction for them.

use super::ops::Collected;
use crate::emit::text::{global_name, ModuleText};
use crate::kernel::{FloatTy, Kernel, Lane, Type};

/// (name, from, to)
const CONVERSIONS: [(&str, &str, &str); 5] = [
    ("__truncdfhf2", "double", "half"),
    ("__truncsfhf2", "float", "half"),
    ("__truncdfbf2", "double", "bfloat"),
    ("__truncsfbf2", "float", "bfloat"),
    ("__extendhfsf2", "half", "float"),
];

/// True when a kernel computes with half formats.
pub(super) fn used(k: &Kernel) -> bool {
    k.values.values().any(|v| {
        let halves = [FloatTy::F16, FloatTy::Bf16];
        matches!(v.ty, Type::Float(f) | Type::Vec(Lane::Float(f), _) if halves.contains(&f))
    })
}

/// Defines the conversions, as calls of the device's; gives their names. Code generation may refer to them after the
/// optimiser is done, so they must be kept.
pub(super) fn define(m: &mut ModuleText, collected: &mut Collected, attributes: &str) -> Vec<String> {
    let imports = global_name(shadow_mem::host::IMPORTS_SYMBOL);
    for (name, from, to) in CONVERSIONS {
        let slot = collected.import(&format!("kad{name}")) * 8;
        let (takes, gives) = if from == "half" { ("i16", to) } else { (from, "i16") };
        let (before, argument) = match from {
            "half" => ("  %a = bitcast half %x to i16\n", "%a"),
            _ => ("", "%x"),
        };
        let after = match to {
            "float" => "  ret float %r".to_string(),
            _ => format!("  %h = bitcast i16 %r to {to}\n  ret {to} %h"),
        };
        m.define(format!(
            "define hidden {to} @{name}({from} %x) {attributes} {{
  %f = load ptr, ptr getelementptr inbounds (i8, ptr {imports}, i64 {slot}), align 8
{before}  %r = call {gives} %f({takes} {argument})
{after}
}}
"
        ));
    }
    CONVERSIONS.iter().map(|c| c.0.to_string()).collect()
}
