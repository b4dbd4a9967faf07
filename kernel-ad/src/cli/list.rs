//! `kernel-ad list`.

use super::args::ListArgs;
use super::{output, Outcome};
use crate::diag::Result;
use crate::kernel::Arch;
use crate::read::{KernelInfo, ParamInfo};
use serde_json::{json, Value};

pub fn run(a: &ListArgs) -> Result<Outcome> {
    let mut options = a.source.options();
    options.compile.keep_functions = true;
    let module = output::load(&a.file, &options)?;
    if a.json {
        let kernels: Vec<_> = module.kernels().iter().map(to_json).collect();
        let functions: Vec<_> = module.device_functions().iter().map(to_json).collect();
        output::print_json(&json!({ "file": module.file(), "kernels": kernels, "functions": functions }));
    } else {
        let text: Vec<_> = module.kernels().iter().chain(module.device_functions()).map(to_text).collect();
        output::print_text(&text.join("\n"));
    }
    Ok(Outcome::Done)
}

fn arch(k: &KernelInfo) -> &'static str {
    match k.arch {
        Arch::Nvptx => "nvptx",
        Arch::Amdgpu => "amdgpu",
    }
}

fn space(p: &ParamInfo) -> String {
    match p.space {
        Some(s) => format!("{s:?}").to_lowercase(),
        None if p.by_value => "by value".into(),
        None => String::new(),
    }
}

fn to_text(k: &KernelInfo) -> String {
    let what = if k.is_function { ", device function" } else { "" };
    let mut out = format!("{} ({}{what})", k.name, arch(k));
    if k.source_name != k.name {
        out += &format!(", in the source: {}", k.source_name);
    }
    out.push('\n');
    let mut rows = vec![["index", "name", "type", "space", "bytes"].map(String::from).to_vec()];
    for (i, p) in k.params.iter().enumerate() {
        rows.push(vec![i.to_string(), p.name.clone(), p.ty.clone(), space(p), p.bytes.to_string()]);
    }
    if rows.len() > 1 {
        output::table(&rows).lines().for_each(|l| out.push_str(&format!("  {l}\n")));
    }
    if !k.result.is_empty() {
        out.push_str(&format!("  result: {}\n", k.result));
    }
    let dynamic = if k.dynamic_shared { " and what the launch gives" } else { "" };
    out.push_str(&format!("  shared memory: {}{dynamic}\n", output::bytes(k.shared_bytes)));
    if let Some([x, y, z]) = k.bounds.required_block {
        out.push_str(&format!("  block must be {x} x {y} x {z}\n"));
    } else if let Some(n) = k.bounds.max_threads {
        out.push_str(&format!("  at most {n} threads per block\n"));
    }
    out
}

fn to_json(k: &KernelInfo) -> Value {
    let params: Vec<_> = k
        .params
        .iter()
        .enumerate()
        .map(|(i, p)| {
            json!({
                "index": i, "name": p.name, "type": p.ty, "space": p.space.map(|s| s.number()),
                "bytes": p.bytes, "align": p.align, "by_value": p.by_value,
            })
        })
        .collect();
    let mut out = json!({
        "name": k.name, "source_name": k.source_name, "arch": arch(k), "params": params,
        "shared_bytes": k.shared_bytes, "dynamic_shared": k.dynamic_shared,
        "required_block": k.bounds.required_block, "max_threads": k.bounds.max_threads,
    });
    if k.is_function {
        out["result"] = (!k.result.is_empty()).then_some(k.result.as_str()).into();
    }
    out
}
