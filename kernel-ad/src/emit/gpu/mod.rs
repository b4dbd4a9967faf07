//! Kernels for GPUs: what NVPTX and AMDGPU have in common.

mod accumulate;
mod amd_math;
mod amdgpu;
mod amdgpu_warp;
mod globals;
mod libraries;
mod math;
mod nvptx;
mod nvptx_math;
mod nvptx_warp;
mod scatter;
#[cfg(test)]
mod tests;
mod vote;

pub use libraries::Libraries;

use super::codegen::{Output, Recipe};
use super::lower::{Lower, Ops};
use super::target::{AmdCpu, NvptxCpu};
use super::text::{global_name, ModuleText, Operand};
use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::*;

/// A module of kernels, and how it is to be compiled.
pub struct GpuModule<'a> {
    /// Assembly.
    pub text: String,
    /// Recipe; its output is still to be set.
    pub recipe: Recipe<'a>,
}

/// Intrinsics that libdevice of CUDA 12.9 uses and LLVM 19 does not have; [`crate::llvm::Unit::link`] renames them.
const NEWER_INTRINSICS: &str = r#"
define linkonce_odr hidden float @kad.nvvm.tanh.approx.f32(float %x) alwaysinline {
  %r = call float asm "tanh.approx.f32 $0, $1;", "=f,f"(float %x)
  ret float %r
}
"#;

/// Kernels as one NVPTX module.
pub fn nvptx<'a>(kernels: &[&Kernel], cpu: &NvptxCpu, libraries: &'a Libraries) -> Result<GpuModule<'a>> {
    let machine = cpu.machine();
    let mut m = module(kernels, &machine)?;
    kernels.iter().try_for_each(|k| fits_shared(k, NVPTX_SHARED, "ptxas accepts"))?;
    let mut needs_library = false;
    for k in kernels {
        let mut t = nvptx::Nvptx::new(*cpu, libraries);
        let head = nvptx::header(&mut m, k, cpu);
        kernel(&mut m, &mut t, k, head)?;
        needs_library |= t.needs_library();
    }
    let library = libraries.libdevice().filter(|_| needs_library);
    let newer = ("newer intrinsics".to_string(), NEWER_INTRINSICS.as_bytes());
    let libraries = library.map(|l| vec![named(l), newer]).unwrap_or_default();
    let external = ["vprintf", "__assertfail", "malloc", "free"].map(String::from).to_vec();
    let recipe = Recipe {
        machine,
        libraries,
        keep: symbols(kernels),
        external,
        // First away with what the libraries bring and nothing calls.
        passes: "globaldce,default<O3>",
        output: Output::Assembly,
    };
    Ok(GpuModule { text: m.to_string(), recipe })
}

/// Kernels as one AMDGPU module.
pub fn amdgpu<'a>(kernels: &[&Kernel], cpu: &AmdCpu, libraries: &'a Libraries) -> Result<GpuModule<'a>> {
    let warp_size = kernels.first().map_or(64, |k| k.source.warp_size);
    if !cpu.warp_sizes().contains(&warp_size) {
        let message = format!(
            "the kernel was compiled for warps of {warp_size} threads, {} has {:?}",
            cpu.name,
            cpu.warp_sizes()
        );
        return Err(Diagnostic::new(Code::NotOnTarget, message)
            .help("compile the source for this processor, or with `--warp-size`")
            .into());
    }
    let machine = cpu.machine(warp_size);
    let mut m = module(kernels, &machine)?;
    let most = |k: &Kernel| AMDGPU_SHARED - vote::bytes(k);
    kernels.iter().try_for_each(|k| fits_shared(k, most(k), "a work group has"))?;
    let version = format!("{{i32 1, !\"amdhsa_code_object_version\", i32 {}}}", 100 * cpu.code_object);
    m.named_metadata("llvm.module.flags", &version);
    let mut needs_library = false;
    for k in kernels {
        let mut t = amdgpu::Amdgpu::new(cpu.clone(), warp_size, libraries);
        let head = amdgpu::header(&mut m, k, &machine);
        kernel(&mut m, &mut t, k, head)?;
        needs_library |= t.needs_library();
    }
    let mut linked = Vec::new();
    if needs_library {
        amdgpu::oclc_constants(&mut m, cpu, warp_size);
        linked = libraries.rocm().iter().map(named).collect();
    }
    let recipe = Recipe {
        machine,
        libraries: linked,
        keep: symbols(kernels),
        external: Vec::new(),
        // First away with what the libraries bring and nothing calls.
        passes: "globaldce,default<O3>",
        output: Output::Object,
    };
    Ok(GpuModule { text: m.to_string(), recipe })
}

/// A library as a recipe has it.
fn named(library: &libraries::Bitcode) -> (String, &[u8]) {
    (library.path.display().to_string(), &library.bytes)
}

fn module(kernels: &[&Kernel], machine: &crate::llvm::MachineSpec) -> Result<ModuleText> {
    for (i, k) in kernels.iter().enumerate() {
        if kernels[..i].iter().any(|other| other.name == k.name) {
            return Err(Diagnostic::new(
                Code::Bug,
                format!("two kernels of the name `{}` in one module", k.name),
            )
            .into());
        }
    }
    let tm = machine.machine().map_err(|e| Diagnostic::new(Code::ToolMissing, e))?;
    Ok(ModuleText::new(&machine.triple, &crate::llvm::data_layout(&tm)))
}

/// Bytes of variables in shared memory that ptxas allows.
const NVPTX_SHARED: u64 = 48 << 10;
/// Bytes of local data share of a work group.
const AMDGPU_SHARED: u64 = 64 << 10;

/// Refuses kernels whose variables in shared memory, shadows among them, take more than there is.
fn fits_shared(k: &Kernel, most: u64, who: &str) -> Result<()> {
    let variables = || k.globals.values().filter(|v| v.space == AddrSpace::Shared && v.bytes > 0);
    let total =
        variables().fold(0u64, |at, v| at.next_multiple_of(v.align.max(1).into()).saturating_add(v.bytes));
    if total <= most {
        return Ok(());
    }
    let message = format!("kernel `{}` has {total} bytes of static shared memory, and {who} {most}", k.name);
    let sizes: Vec<String> = variables().map(|v| format!("`{}` has {}", v.name, v.bytes)).collect();
    Err(Diagnostic::new(Code::TooLarge, message)
        .because(sizes.join(", "))
        .help("use smaller tiles, or dynamic shared memory (extern __shared__), whose size the launch gives")
        .into())
}

fn symbols(kernels: &[&Kernel]) -> Vec<String> {
    kernels.iter().map(|k| k.name.clone()).collect()
}

/// A kernel's calling convention and what stands behind its parameters.
struct Header {
    convention: &'static str,
    by_value: &'static str,
    tail: String,
}

/// Defines one kernel in a module.
fn kernel(m: &mut ModuleText, t: &mut dyn Ops, k: &Kernel, head: Header) -> Result<()> {
    let entry = format!("b{}", k.entry().as_u32());
    let mut cx = Lower::new(k, m, &entry);
    let mut params = Vec::new();
    for (i, p) in k.params.iter().enumerate() {
        let ty = cx.ty(&*t, p.ty);
        let name = format!("%p{i}");
        // A struct by value is a generic pointer to LLVM's NVPTX, whatever space Kernel IR says that it is in.
        let generic = p.by_value.is_some() && k.source.arch == Arch::Nvptx && ty != "ptr";
        let given = if generic { "ptr".to_string() } else { ty.clone() };
        params.push(format!("{given} {}{name}", param_attributes(p, head.by_value)));
        let operand = match generic {
            true => cx.f.in_prologue(|f| f.value(&ty, format_args!("addrspacecast ptr {name} to {ty}"))),
            false => Operand::new(ty, name),
        };
        cx.bind(k.param_value(i as u32), operand);
    }
    let cfg = Cfg::new(k);
    cx.blocks(t, cfg.rpo())?;
    let header = format!(
        "define {} void {}({}) {}",
        head.convention,
        global_name(&k.name),
        params.join(", "),
        head.tail
    );
    let text = cx.finish(t, &header)?;
    m.define(text);
    Ok(())
}

fn param_attributes(p: &Param, by_value: &str) -> String {
    if let Some(s) = &p.by_value {
        return format!("{by_value}([{} x i8]) align {} ", s.bytes, s.align.max(1));
    }
    if !p.ty.is_ptr() {
        return String::new();
    }
    let mut out = String::new();
    for (on, word) in
        [(p.noalias, "noalias "), (p.readonly, "readonly "), (p.writeonly && !p.readonly, "writeonly ")]
    {
        if on {
            out += word;
        }
    }
    if p.align > 1 {
        out += &format!("align {} ", p.align);
    }
    if p.dereferenceable > 0 {
        out += &format!("dereferenceable({}) ", p.dereferenceable);
    }
    out
}

/// Memory of the thread: `alloca` in the target's own space, cast to the space that the kernel wants.
fn alloca(cx: &mut Lower<'_>, own: u32, want: &str, bytes: u64, align: u32) -> Operand {
    let ty = if own == 0 { "ptr".to_string() } else { format!("ptr addrspace({own})") };
    let space = if own == 0 { String::new() } else { format!(", addrspace({own})") };
    cx.f.in_prologue(|f| {
        let p = f.value(&ty, format_args!("alloca [{bytes} x i8], align {align}{space}"));
        match ty == want {
            true => p,
            false => f.value(want, format_args!("addrspacecast {p} to {want}")),
        }
    })
}

/// Inline assembly, word for word.
fn asm(
    cx: &mut Lower<'_>,
    t: &dyn Ops,
    a: &super::lower::AsmCall<'_>,
    result: Option<Type>,
) -> Option<Operand> {
    let ty = result.map_or("void".to_string(), |r| cx.ty(t, r));
    let args: Vec<String> = a.args.iter().map(Operand::to_string).collect();
    // With side effects it may be a barrier: then it must not move into other control flow.
    let (effects, attribute) = match a.side_effects {
        true => ("sideeffect ", format!(" {}", cx.m.attribute_group("convergent nounwind"))),
        false => ("", String::new()),
    };
    let text = format!(
        "call {ty} asm {effects}\"{}\", \"{}\"({}){attribute}",
        super::text::escape(a.text.as_bytes()),
        super::text::escape(a.constraints.as_bytes()),
        args.join(", ")
    );
    match result {
        Some(_) => Some(cx.f.value(&ty, text)),
        None => {
            cx.f.line(text);
            None
        }
    }
}
