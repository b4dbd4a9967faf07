//! Kernels for the CPU device: LLVM assembly of their regions, and the table that [`shadow_mem::host`] describes.

mod base;
mod cheap;
mod cpu;
mod graph;
mod half;
mod math;
mod ops;
mod printf;
mod region;
mod register;
mod slots;
mod split;
mod tape;
mod wrap;

#[cfg(test)]
mod tests;

pub use cpu::HostCpu;
pub use region::Hidden;
pub use split::{split, Region, Split};

use super::codegen::{compile, Recipe};
use super::lower::Lower;
use super::text::{escape, ModuleText, Operand};
use super::{link, Format};
use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::*;
use crate::lanes::widen;
use crate::llvm;
use base::{bases, Base};
use ops::{Collected, HostOps, SharedLayout};
use shadow_mem::host::{HostGlobal, HostKernel, HostModule, RegionSpec};
use shadow_mem::host::{HOST_ABI_VERSION, IMPORTS_SYMBOL, TABLE_SYMBOL};
use shadow_mem::{Assumption, Manifest, Mode, Purpose, TapeLayout};
use std::collections::BTreeSet;

/// A kernel with what its launcher is told.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Its manifest; the symbol is the one there.
    pub manifest: &'a Manifest,
}

/// The machine to compile for.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// LLVM triple.
    pub triple: &'a str,
    /// LLVM data layout.
    pub data_layout: &'a str,
    /// CPU name.
    pub cpu: &'a str,
    /// CPU features, as LLVM writes them.
    pub features: &'a str,
    /// Extensions that the code may use, which the device looks for.
    pub extensions: &'a [String],
}

/// LLVM assembly of a host object.
#[derive(Clone, Debug)]
pub struct HostText {
    /// The module.
    pub text: String,
    /// Symbols that must stay visible.
    pub keep: Vec<String>,
    /// Functions of libm that it calls.
    pub external: Vec<String>,
}

/// How the device lays out the tape of a kernel on the host: every thread's own part when something after the kernel reads it, else
/// one part for each thread that runs.
pub fn tape_layout(mode: Mode) -> TapeLayout {
    match mode {
        Mode::Augmented | Mode::Split => TapeLayout::Contiguous,
        _ => TapeLayout::Reused,
    }
}

/// Emits kernels as one host object. The manifest is that of the first; those of the others are inside.
pub fn emit(kernels: &[&Kernel], manifest: &Manifest, cpu: &HostCpu, format: Format) -> Result<Vec<u8>> {
    let (spec, extensions) = cpu.machine();
    let machine = spec.machine().map_err(|e| Diagnostic::new(Code::ToolMissing, e))?;
    let data_layout = llvm::data_layout(&machine);
    let mut inputs = Vec::new();
    let mut manifests = manifest.kernels().into_iter();
    for kernel in kernels {
        let manifest = manifests
            .next()
            .ok_or_else(|| Diagnostic::new(Code::Bug, format!("kernel `{}` has no manifest", kernel.name)))?;
        inputs.push(Input { kernel, manifest });
    }
    let target = Machine {
        triple: &spec.triple,
        data_layout: &data_layout,
        cpu: &spec.cpu,
        features: &spec.features,
        extensions: &extensions,
    };
    let made = module(&inputs, &target)?;
    let recipe = Recipe {
        machine: spec,
        libraries: Vec::new(),
        keep: made.keep,
        external: made.external.into_iter().chain(KNOWN_TO_LLVM.iter().map(|s| s.to_string())).collect(),
        passes: "default<O3>",
        output: super::output(format),
    };
    let code = compile(&made.text, &recipe)?;
    match format {
        Format::Obj => link::shared_object(&code, &libm()),
        _ => Ok(code),
    }
}

/// Functions of libm and libc that LLVM makes calls of by itself.
#[rustfmt::skip]
const KNOWN_TO_LLVM: &[&str] = &[
    "memcpy", "memmove", "memset", "bcmp", "exp2", "exp2f", "ldexp", "ldexpf", "pow", "powf", "exp", "expf", "exp10", "exp10f",
    "log", "logf", "log2", "log2f", "log10", "log10f", "sin", "sinf", "cos", "cosf", "sincos", "sincosf", "fmod", "fmodf",
    "sqrt", "sqrtf", "cbrt", "cbrtf", "frexp", "frexpf", "round", "roundf", "floor", "floorf", "ceil", "ceilf", "trunc", "truncf",
    "fabs", "fabsf", "fmin", "fminf", "fmax", "fmaxf", "tan", "tanf", "atan", "atanf", "tanh", "tanhf", "strlen",
];

/// Arguments that let the linker note that the object needs libm, where there is a separate one.
fn libm() -> Vec<&'static str> {
    const PLACES: [&str; 5] = [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/usr/lib/x86_64-linux-gnu/libm.so.6",
        "/lib64/libm.so.6",
        "/usr/lib64/libm.so.6",
        "/usr/lib/libm.so.6",
    ];
    PLACES.into_iter().find(|p| std::path::Path::new(p).is_file()).into_iter().collect()
}

/// LLVM assembly of some kernels for the CPU device.
pub fn module(inputs: &[Input], machine: &Machine) -> Result<HostText> {
    let mut m = ModuleText::new(machine.triple, machine.data_layout);
    let mut collected = Collected::default();
    let attributes = m.attribute_group(&format!(
        "nounwind \"no-trapping-math\"=\"true\" \"target-cpu\"=\"{}\" \"target-features\"=\"{}\"",
        machine.cpu, machine.features
    ));
    let mut kernels = Vec::new();
    for input in inputs {
        kernels.push(kernel(&mut m, &mut collected, *input, &attributes)?);
    }
    let mut keep = vec![TABLE_SYMBOL.to_string()];
    if inputs.iter().any(|i| half::used(i.kernel)) {
        keep.extend(half::define(&mut m, &mut collected, &attributes));
    }
    for k in &kernels {
        keep.extend(k.regions.iter().flat_map(|r| r.private.iter().chain([&r.symbol])).cloned());
    }
    keep.extend(collected.globals.iter().map(|(_, symbol, _)| symbol.clone()));
    if !collected.imports.is_empty() {
        keep.push(IMPORTS_SYMBOL.to_string());
        m.global(
            IMPORTS_SYMBOL,
            format!("global [{} x ptr] zeroinitializer, align 8", collected.imports.len()),
        );
    }
    let table = HostModule {
        abi: HOST_ABI_VERSION,
        features: machine.extensions.to_vec(),
        imports: collected.imports,
        kernels,
        globals: collected
            .globals
            .into_iter()
            .map(|(name, symbol, bytes)| HostGlobal { name, symbol, bytes })
            .collect(),
    };
    let json = serde_json::to_string(&table)
        .map_err(|e| Diagnostic::new(Code::Bug, format!("the table cannot be written: {e}")))?;
    let text = format!("constant [{} x i8] c\"{}\\00\", align 16", json.len() + 1, escape(json.as_bytes()));
    m.global(TABLE_SYMBOL, text);
    let external = collected.external.into_iter().collect();
    Ok(HostText { text: m.to_string(), keep, external })
}

fn kernel(
    m: &mut ModuleText,
    collected: &mut Collected,
    Input { kernel, manifest }: Input,
    attributes: &str,
) -> Result<HostKernel> {
    let mut k = kernel.clone();
    base::own_structs(&mut k);
    base::mark_indices(&mut k);
    let pieces = split(&k)?;
    let shared = SharedLayout::of(&k);
    let (param_offsets, param_bytes) = parameter_area(manifest);
    let noalias = unaliased(&k, manifest);
    let params = wrap::passed(&k, manifest.params.len(), &param_offsets, &noalias);
    let private: BTreeSet<u32> = manifest
        .params
        .iter()
        .zip(0..)
        .filter(|(p, _)| p.accumulate_only.is_some())
        .map(|(_, i)| i)
        .collect();
    let in_pieces = !pieces.cuts.is_empty();
    let own_tape = manifest.tape.as_ref().is_some_and(|t| t.layout != TapeLayout::Reused);
    let has_allocas = k.iter_insts().any(|(_, i)| matches!(k.insts[i].op, Op::Alloca { .. }));
    let mut sites = Vec::new();
    let mut regions = Vec::new();
    let mut lanes = 1;
    for (index, region) in pieces.regions.iter().enumerate() {
        // A tape that is not reused has a place for every thread.
        let together = !in_pieces && !own_tape;
        let width = lanes_of(&region.kernel);
        let wide = together.then(|| widen(&region.kernel, width)).flatten().map(|k| (k, width));
        let mut one = |symbol: &str, private: &BTreeSet<u32>| -> Result<()> {
            let group = m.distinct(|_| "!{}".into());
            let mut define = |m: &mut ModuleText, k: &Kernel, symbol: &str, lanes: u16| -> Result<()> {
                let mut ops = HostOps {
                    collected,
                    sites: &mut sites,
                    shared: &shared,
                    in_pieces,
                    own_tape,
                    private: private.clone(),
                    own_params: manifest.params.len() as u32,
                    group: group.clone(),
                    has_allocas,
                    tape: None,
                    scratch: None,
                    lanes,
                };
                let header = wrap::body_header(symbol, &params, attributes);
                let text = body(m, &mut ops, k, &params, &pieces.hidden, &header)?;
                m.define(text);
                Ok(())
            };
            define(m, &region.kernel, symbol, 1)?;
            // What cannot be said in vectors is no error: the threads run one by one.
            let wide = wide.as_ref().filter(|(k, n)| define(m, k, &format!("{symbol}.wide"), *n).is_ok());
            lanes = lanes.max(wide.map_or(1, |(_, n)| *n));
            wrap::define(m, symbol, &params, pieces.local_bytes, &group, attributes, wide.map(|(_, n)| *n));
            Ok(())
        };
        let symbol = format!("{}.kad{index}", manifest.symbol);
        one(&symbol, &BTreeSet::new())?;
        let adds = adds_privately(&region.kernel, &private);
        let private_symbol = adds.then(|| format!("{symbol}.private"));
        if let Some(s) = &private_symbol {
            one(s, &private)?;
        }
        regions.push(RegionSpec { symbol, private: private_symbol, exit: region.exit, order: region.order });
    }
    Ok(HostKernel {
        symbol: manifest.symbol.clone(),
        param_offsets,
        param_bytes,
        static_shared: shared.bytes,
        dynamic_offset: shared.dynamic,
        warp_size: k.source.warp_size,
        lockstep: k.source.arch == Arch::Amdgpu,
        regions,
        cuts: pieces.cuts,
        slot_bytes: pieces.slot_bytes,
        local_bytes: pieces.local_bytes,
        sites,
        tape_per_thread: in_pieces,
        lanes: lanes.into(),
    })
}

/// How many threads go together: two vector registers of the widest floats, so that one operation hides the other's latency.
fn lanes_of(k: &Kernel) -> u16 {
    let double = |v: &ValueData| v.ty.float() == Some(FloatTy::F64);
    if k.values.values().any(double) {
        8
    } else {
        16
    }
}

/// Offsets in the parameter area, as C lays out a struct of the parameters, and its size.
fn parameter_area(m: &Manifest) -> (Vec<u64>, u64) {
    let mut end = 0u64;
    let offsets = m
        .params
        .iter()
        .map(|p| {
            let at = end.next_multiple_of(u64::from(p.align.max(1)));
            end = at + p.bytes;
            at
        })
        .collect();
    (offsets, end.next_multiple_of(16))
}

/// Parameters whose memory nothing else reaches: promised by the source, or assumed by the plan and checked at every launch.
fn unaliased(k: &Kernel, m: &Manifest) -> Vec<bool> {
    let pointers: Vec<u32> =
        (0..k.params.len() as u32).filter(|&i| k.params[i as usize].ty.is_ptr()).collect();
    let strangers = k.iter_insts().any(|(_, i)| {
        let pointer = match &k.insts[i].op {
            Op::Load { ptr, .. } | Op::Store { ptr, .. } | Op::Accumulate { ptr, .. } => *ptr,
            Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => *ptr,
            _ => return false,
        };
        bases(k, pointer).contains(&Base::Unknown)
    });
    let ours = |i: u32| {
        let purpose = m.params.get(i as usize).map(|p| &p.purpose);
        !matches!(purpose, None | Some(Purpose::Primal { .. }))
    };
    let shadow = |i: u32| {
        let purpose = m.params.get(i as usize).map(|p| &p.purpose);
        matches!(purpose, Some(Purpose::Shadow { .. } | Purpose::GlobalShadow { .. }))
    };
    let distinct = |x: u32, y: u32| {
        // The launcher keeps what belongs to the gradient apart from everything but shadows from each other.
        let kept_apart = (ours(x) || ours(y)) && !(shadow(x) && shadow(y));
        kept_apart
            || m.assumptions.iter().any(
                |s| matches!(s, Assumption::Distinct { a, b } if (*a, *b) == (x, y) || (*a, *b) == (y, x)),
            )
    };
    (0..k.params.len() as u32)
        .map(|i| {
            let p = &k.params[i as usize];
            p.ty.is_ptr()
                && (p.noalias
                    || p.by_value.is_none()
                        && !strangers
                        && pointers.iter().all(|&j| j == i || distinct(i, j) || k.params[j as usize].noalias))
        })
        .collect()
}

/// True when the region adds into parameters of which workers may have copies.
fn adds_privately(k: &Kernel, private: &BTreeSet<u32>) -> bool {
    k.iter_insts().any(|(_, i)| match &k.insts[i].op {
        Op::Accumulate { ptr, atomic: true, .. } => {
            bases(k, *ptr).iter().any(|b| matches!(b, Base::Param(p) if private.contains(p)))
        }
        _ => false,
    })
}

fn body(
    m: &mut ModuleText,
    ops: &mut HostOps,
    k: &Kernel,
    params: &[wrap::Passed],
    hidden: &Hidden,
    header: &str,
) -> Result<String> {
    let cfg = Cfg::new(k);
    let mut cx = Lower::new(k, m, "entry");
    for (i, p) in params.iter().enumerate() {
        cx.bind(k.param_value(i as u32), Operand::new(p.ty.clone(), format!("%{}", p.name)));
    }
    for (v, ty, name) in [
        (hidden.slots, "ptr", "slots"),
        (hidden.stride, "i64", "stride"),
        (hidden.thread, "i64", "thread"),
        (hidden.next, "ptr", "next"),
        (hidden.local, "ptr", "local"),
    ] {
        cx.bind(v, Operand::new(ty, format!("%kad.{name}")));
    }
    let first = cx.label(k.entry());
    cx.f.line(format_args!("br label %{first}"));
    cx.blocks(ops, cfg.rpo())?;
    cx.finish(ops, header)
}
