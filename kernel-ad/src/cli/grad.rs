//! `kernel-ad grad` and `kernel-ad emit`.

use super::args::{EmitArgs, FormatArg, GradArgs, OutputArgs, SourceArgs};
use super::progress::Progress;
use super::{output, Outcome};
use crate::diag::{Code, Diagnostic, Result};
use crate::emit::{self, Artifact, Format, Target};
use crate::grad::{self, Roles};
use crate::kernel::{Arch, Kernel};
use crate::plan::PlanOptions;
use serde_json::json;
use shadow_mem::Role;
use std::path::Path;

pub fn grad(a: &GradArgs) -> Result<Outcome> {
    let progress = Progress::start("reading");
    let kernel = read(&a.file, &a.kernel, &a.source)?;
    let mut roles = Roles::of(&a.roles.iter().map(|&r| r.into()).collect::<Vec<_>>());
    for g in &a.global {
        roles.globals.push(global(g)?);
    }
    progress.step("differentiating");
    let mut gradient = match a.mode.as_str() {
        "reverse" => grad::reverse(&kernel, &roles, &PlanOptions::default())?,
        "forward" => grad::tangent(&kernel, &roles)?,
        "augmented,reverse" => {
            let d =
                Diagnostic::new(Code::Usage, "augmented and reverse as two kernels are not supported yet");
            return Err(d.help("--mode reverse makes one kernel with both sweeps").into());
        }
        other => {
            let d = Diagnostic::new(Code::Usage, format!("unknown mode `{other}`"));
            return Err(d.help("the modes are reverse, forward and augmented,reverse").into());
        }
    };
    if let Some(symbol) = &a.symbol {
        gradient.kernel.name.clone_from(symbol);
    }
    progress.step("emitting");
    let (target, format) = target_and_format(&kernel, &a.output)?;
    let artifact = emit::emit(&gradient, &target, format)?;
    drop(progress);
    finish(&artifact, &a.output, a.json)
}

pub fn emit(a: &EmitArgs) -> Result<Outcome> {
    let progress = Progress::start("reading");
    let kernel = read(&a.file, &a.kernel, &a.source)?;
    progress.step("emitting");
    let (target, format) = target_and_format(&kernel, &a.output)?;
    let artifact = emit::emit(&kernel, &target, format)?;
    drop(progress);
    finish(&artifact, &a.output, a.json)
}

fn read(file: &Path, kernel: &str, source: &SourceArgs) -> Result<Kernel> {
    output::load_for(file, &source.options(), Some(kernel))?.callable(kernel)
}

fn global(text: &str) -> Result<(String, Role)> {
    let wrong = || Diagnostic::new(Code::Usage, format!("--global {text}: NAME=const, NAME=dup or NAME=out"));
    let (name, role) = text.split_once('=').ok_or_else(wrong)?;
    let role = match role {
        "const" => Role::Const,
        "dup" => Role::Dup,
        "out" => Role::Out,
        _ => return Err(wrong().into()),
    };
    Ok((name.to_string(), role))
}

/// What was asked for; else what the file was compiled for, in the format that the ending of the output file says.
fn target_and_format(k: &Kernel, out: &OutputArgs) -> Result<(Target, Format)> {
    let target = match (&out.target, k.source.arch) {
        (Some(t), _) => t.clone(),
        (None, Arch::Nvptx) => format!("nvptx:{}", k.source.cpu.as_deref().unwrap_or("sm_70")),
        (None, Arch::Amdgpu) => format!("amdgpu:{}", k.source.cpu.as_deref().unwrap_or("gfx90a")),
    };
    let ending = out.output.extension().and_then(|e| e.to_str()).unwrap_or("");
    let format = match (out.emit, ending) {
        (Some(FormatArg::Asm), _) | (None, "ptx" | "s") => Format::Asm,
        (Some(FormatArg::Obj), _) | (None, "hsaco" | "so" | "o" | "co") => Format::Obj,
        (Some(FormatArg::Bc), _) | (None, "bc") => Format::Bc,
        (Some(FormatArg::Llvm), _) | (None, "ll") => Format::Llvm,
        (None, _) if target.starts_with("nvptx") => Format::Asm,
        (None, _) => Format::Obj,
    };
    Ok((Target::parse(&target)?, format))
}

fn finish(artifact: &Artifact, out: &OutputArgs, json: bool) -> Result<Outcome> {
    let to_stdout = out.output.to_str() == Some("-");
    if json && to_stdout {
        return Err(Diagnostic::new(Code::Usage, "--json and -o - both want standard output").into());
    }
    output::write(&out.output, &artifact.bytes)?;
    let m = &artifact.manifest;
    let manifest = match (&out.manifest, to_stdout) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => None,
        (None, false) => {
            let mut name = out.output.clone().into_os_string();
            name.push(".json");
            Some(name.into())
        }
    };
    if let Some(path) = &manifest {
        output::write(path, format!("{}\n", m.to_json()).as_bytes())?;
    }
    if json {
        output::print_json(&json!({
            "output": out.output.display().to_string(), "bytes": artifact.bytes.len(),
            "manifest": manifest.map(|p| p.display().to_string()), "symbol": m.symbol, "kernel": m.kernel,
            "mode": m.mode, "target": m.target, "stats": m.stats, "tape": m.tape, "assumptions": m.assumptions,
        }));
    } else {
        eprint!("{}", summary(artifact, out));
    }
    Ok(Outcome::Done)
}

fn summary(artifact: &Artifact, out: &OutputArgs) -> String {
    let m = &artifact.manifest;
    let size = output::bytes(artifact.bytes.len() as u64);
    let mut text = format!("{}: `{}` for {}, {size}\n", out.output.display(), m.symbol, m.target);
    if m.mode == shadow_mem::Mode::Primal {
        return text;
    }
    let tape = match &m.tape {
        None => "no tape".to_string(),
        Some(t) if t.bytes_per_thread.is_some() => {
            "a tape whose size is a formula over the launch".to_string()
        }
        Some(_) => "a tape whose size a counting kernel finds".to_string(),
    };
    let s = &m.stats;
    text.push_str(&format!(
        "  {tape}; {} values saved, {} recomputed, {} reloaded; {} atomic and {} plain adds into shadows\n",
        s.saved, s.recomputed, s.reloaded, s.atomic_adds, s.plain_adds
    ));
    text
}
