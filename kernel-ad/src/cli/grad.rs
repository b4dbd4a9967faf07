//! `kernel-ad grad` and `kernel-ad emit`.

use super::args::{EmitArgs, FormatArg, GradArgs, OutputArgs, SourceArgs};
use super::progress::Progress;
use super::{output, Outcome};
use crate::diag::{Code, Diagnostic, Result};
use crate::emit::{self, Artifact, Format, Target};
use crate::grad::{self, Gradient, Roles, SplitGradient};
use crate::kernel::{Arch, Kernel};
use crate::plan::{Kept, PlanOptions};
use serde_json::json;
use shadow_mem::Role;
use std::collections::BTreeSet;
use std::path::Path;

enum Made {
    One(Gradient),
    Two(SplitGradient),
}

pub fn grad(a: &GradArgs) -> Result<Outcome> {
    let progress = Progress::start("reading");
    let kernel = read(&a.file, &a.kernel, &a.source)?;
    let mut roles = Roles::of(&a.roles.iter().map(|&r| r.into()).collect::<Vec<_>>());
    for g in &a.global {
        roles.globals.push(global(g)?);
    }
    progress.step("differentiating");
    let options = PlanOptions { kept: kept(&kernel, &a.kept)?, ..PlanOptions::default() };
    let mut made = match a.mode.as_str() {
        "reverse" => Made::One(grad::reverse(&kernel, &roles, &options)?),
        "forward" => Made::One(grad::tangent(&kernel, &roles)?),
        "augmented,reverse" => Made::Two(grad::split(&kernel, &roles, &options)?),
        other => {
            let d = Diagnostic::new(Code::Usage, format!("unknown mode `{other}`"));
            return Err(d.help("the modes are reverse, forward and augmented,reverse").into());
        }
    };
    if options.kept != Kept::Nothing && matches!(made, Made::One(_)) {
        return Err(Diagnostic::new(Code::Usage, "--kept goes with --mode augmented,reverse").into());
    }
    match (&mut made, &a.symbol) {
        (Made::One(g), Some(symbol)) => g.kernel.name.clone_from(symbol),
        (Made::Two(s), Some(symbol)) => {
            s.augmented.kernel.name.clone_from(symbol);
            s.reverse.kernel.name = format!("{symbol}_reverse");
        }
        (_, None) => {}
    }
    progress.step("emitting");
    let (target, format) = target_and_format(&kernel, &a.output)?;
    let artifact = match &made {
        Made::One(g) => emit::emit(g, &target, format)?,
        Made::Two(s) => emit::emit(s, &target, format)?,
    };
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

/// Parameters by name or number, or `all`.
fn kept(k: &Kernel, texts: &[String]) -> Result<Kept> {
    if texts.iter().any(|t| t == "all") {
        return Ok(Kept::Everything);
    }
    let mut params = BTreeSet::new();
    for t in texts {
        let index = k.params.iter().position(|p| p.name == *t).or_else(|| t.parse().ok());
        let Some(index) = index.filter(|&i| i < k.params.len()) else {
            let names: Vec<&str> = k.params.iter().map(|p| p.name.as_str()).collect();
            let d = Diagnostic::new(Code::Usage, format!("--kept {t}: `{}` has no such parameter", k.name));
            return Err(d.help(format!("its parameters are {}", names.join(", "))).into());
        };
        params.insert(index as u32);
    }
    Ok(if params.is_empty() { Kept::Nothing } else { Kept::Params(params) })
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
    if out.emit == Some(FormatArg::Cubin) && !target.starts_with("nvptx") {
        let d = Diagnostic::new(Code::Usage, format!("--emit cubin: `{target}` is no NVIDIA processor"));
        return Err(d.help("cubin is NVIDIA's machine code; `--emit obj` is the target's own").into());
    }
    let ending = out.output.extension().and_then(|e| e.to_str()).unwrap_or("");
    let format = match (out.emit, ending) {
        (Some(FormatArg::Asm), _) | (None, "ptx" | "s") => Format::Asm,
        (Some(FormatArg::Obj | FormatArg::Cubin), _) | (None, "hsaco" | "so" | "o" | "co" | "cubin") => {
            Format::Obj
        }
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
            "mode": m.mode, "target": m.target, "form": m.form, "stats": m.stats, "tape": m.tape, "assumptions": m.assumptions,
            "reverse": m.reverse.as_ref().map(|r| &r.symbol),
        }));
    } else {
        eprint!("{}", summary(artifact, out));
    }
    Ok(Outcome::Done)
}

fn summary(artifact: &Artifact, out: &OutputArgs) -> String {
    let m = &artifact.manifest;
    let size = output::bytes(artifact.bytes.len() as u64);
    let symbols: Vec<String> = m.kernels().iter().map(|m| format!("`{}`", m.symbol)).collect();
    let symbols = if m.reverse.is_some() { symbols.join(", ") } else { format!("`{}`", m.symbol) };
    let mut text = format!("{}: {symbols} for {}, {size}\n", out.output.display(), m.target);
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
    let s = m.reverse.as_ref().map_or(m.stats, |r| r.stats);
    text.push_str(&format!(
        "  {tape}; {} values saved, {} recomputed, {} reloaded; {} atomic and {} plain adds into shadows\n",
        s.saved, s.recomputed, s.reloaded, s.atomic_adds, s.plain_adds
    ));
    text
}
