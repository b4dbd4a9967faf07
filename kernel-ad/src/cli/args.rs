//! The command line, as clap reads it. The long help is the manual.

use crate::case::Case;
use crate::compile::CompileOptions;
use crate::emit::Target;
use crate::read::{Functions, ReadOptions, Registered};
use clap::{Args, Parser, Subcommand, ValueEnum};
use gpu_runtime::{DeviceInfo, DeviceKind};
use shadow_mem::Role;
use std::path::{Path, PathBuf};

/// Gradients of existing GPU kernels.
///
/// Reads a kernel from LLVM IR (.ll, .bc) or from a CUDA or HIP source (.cu, .hip, compiled with clang 19; no toolkit is
/// needed), and makes the kernel that computes its derivative, for NVIDIA (PTX), AMD (HSACO) or the CPU.
#[derive(Parser, Debug)]
#[command(name = "kernel-ad", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  What is in a file:
      kernel-ad list forces.cu
  The gradient of one of its kernels, as PTX with its manifest beside it:
      kernel-ad grad forces.cu --kernel forces --roles dup,dup,const --target nvptx:sm_90 -o forces_grad.ptx
  Run a case (see the README for the format) on the CPU, with its gradient, and check the gradient:
      kernel-ad run forces.toml --mode reverse --out results
      kernel-ad check forces.toml

Exit status:
  0 all well   1 a check found a wrong result   2 wrong usage or input
  3 the kernel holds something that is not supported   4 a device or a tool is missing or failed

Environment:
  KERNEL_AD_LOG=debug      what happens inside, on standard error
  KERNEL_AD_THREADS=4      worker threads of the CPU device
  KERNEL_AD_PTXAS=FILE     the ptxas that makes cubin
  KERNEL_AD_LIBDEVICE=FILE, KERNEL_AD_ROCM_DEVICE_LIBS=DIR   device libraries
  NO_COLOR=1               no colours";

#[derive(Subcommand, Debug)]
pub enum Command {
    List(ListArgs),
    Grad(GradArgs),
    Emit(EmitArgs),
    Run(RunArgs),
    Check(CheckArgs),
    Survey(SurveyArgs),
    Conformance(ConformanceArgs),
    Pack(PackArgs),
    Devices(DevicesArgs),
}

impl Command {
    /// Whether the result is wanted as JSON.
    pub fn json(&self) -> bool {
        match self {
            Command::List(a) => a.json,
            Command::Grad(a) => a.json,
            Command::Emit(a) => a.json,
            Command::Run(a) => a.json,
            Command::Check(a) => a.json,
            Command::Survey(a) => a.json,
            Command::Conformance(a) => a.json,
            Command::Pack(_) => false,
            Command::Devices(a) => a.json,
        }
    }
}

/// Show the kernels of a file: parameters, shared memory, launch bounds
#[derive(Args, Debug)]
pub struct ListArgs {
    /// .ll, .bc, .cu or .hip; `-` reads LLVM IR or bitcode from standard input
    pub file: PathBuf,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Make the gradient of a kernel: PTX, HSACO or a host shared object, with a manifest
///
/// The manifest (JSON) says all that a launcher must know: the parameters in order, which of them are shadows, the tape
/// and its size, and what was assumed.
#[derive(Args, Debug)]
#[command(after_long_help = GRAD_EXAMPLES)]
pub struct GradArgs {
    /// .ll, .bc, .cu or .hip; `-` reads LLVM IR or bitcode from standard input
    pub file: PathBuf,
    /// Name of the kernel, as `list` shows it
    #[arg(long, value_name = "NAME")]
    pub kernel: String,
    /// One role for each parameter: const (no derivative), dup (has a shadow), out (has a shadow, result not needed),
    /// active (a differentiated scalar)
    #[arg(long, value_name = "ROLE,...", value_delimiter = ',', required = true)]
    pub roles: Vec<RoleArg>,
    /// A differentiated module-level variable: NAME=dup; may be repeated
    #[arg(long, value_name = "NAME=ROLE")]
    pub global: Vec<String>,
    /// reverse (adjoints), forward (tangents), or augmented,reverse for two kernels
    #[arg(long, default_value = "reverse", value_name = "MODE")]
    pub mode: String,
    /// With two kernels: parameters whose buffers keep their contents between the two launches, by name or number, or
    /// `all`; the reverse kernel loads from them again what would be saved otherwise
    #[arg(long, value_name = "PARAM,...", value_delimiter = ',')]
    pub kept: Vec<String>,
    /// Name of the generated kernel [default: as the compiler chooses; the manifest says it]; of two, that of the first,
    /// and the second gets `_reverse` behind it
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// One JSON object on standard output: target, symbol, tape, figures
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

const GRAD_EXAMPLES: &str = "\
Examples:
  Reverse mode for an H100, manifest in saxpy.json:
      kernel-ad grad saxpy.cu --kernel saxpy --roles active,dup,dup,const --target nvptx:sm_90 -o saxpy.ptx --manifest saxpy.json
  Forward mode for an MI300:
      kernel-ad grad saxpy.hip --kernel saxpy --roles active,dup,dup,const --mode forward --target amdgpu:gfx942 -o saxpy.hsaco
  Augmented primal and reverse sweep as two kernels, with a tape between the launches:
      kernel-ad grad saxpy.cu --kernel saxpy --roles active,dup,dup,const --mode augmented,reverse -o saxpy.ptx
  Look at the optimised LLVM IR:
      kernel-ad grad saxpy.cu --kernel saxpy --roles active,dup,dup,const --emit llvm -o -";

/// Send the primal through the same road, undifferentiated
#[derive(Args, Debug)]
pub struct EmitArgs {
    /// .ll, .bc, .cu or .hip; `-` reads LLVM IR or bitcode from standard input
    pub file: PathBuf,
    /// Name of the kernel, as `list` shows it
    #[arg(long, value_name = "NAME")]
    pub kernel: String,
    #[command(flatten)]
    pub output: OutputArgs,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// What is written, and where.
#[derive(Args, Debug)]
pub struct OutputArgs {
    /// nvptx:sm_70 ... sm_90a, amdgpu:gfx90a, amdgpu:gfx942, ..., host [default: what the file was compiled for]; with the
    /// version of PTX (nvptx:sm_90+ptx83) or of the code object (amdgpu:gfx90a:cov4)
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// asm (PTX or assembly), obj (HSACO, shared object, cubin), cubin (with NVIDIA's ptxas), bc or llvm [default: by the
    /// ending of OUT, then by the target]
    #[arg(long, value_name = "FORMAT")]
    pub emit: Option<FormatArg>,
    /// Output file; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Manifest file [default: OUT.json; none with -o -]
    #[arg(long, value_name = "OUT.json")]
    pub manifest: Option<PathBuf>,
}

/// Format of an artifact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FormatArg {
    Asm,
    Obj,
    Cubin,
    Bc,
    Llvm,
}

/// A role on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum RoleArg {
    Const,
    Dup,
    Out,
    Active,
}

impl From<RoleArg> for Role {
    fn from(r: RoleArg) -> Role {
        match r {
            RoleArg::Const => Role::Const,
            RoleArg::Dup => Role::Dup,
            RoleArg::Out => Role::Out,
            RoleArg::Active => Role::Active,
        }
    }
}

/// Run a case: the kernel, or its derivative, with its data
///
/// Writes DIR/<arg>.npy (contents after) and DIR/<arg>.shadow.npy, and prints times and sizes.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Case file (TOML); `-` reads it from standard input
    pub case: PathBuf,
    /// What to run
    #[arg(long, value_enum, default_value = "primal")]
    pub mode: ModeArg,
    /// Where
    #[arg(long, default_value = "auto", value_name = "cpu|cuda|hip|auto")]
    pub device: String,
    /// Folder for the results; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// What to run of a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ModeArg {
    /// The kernel as it is
    Primal,
    /// Adjoints: the shadows of the case are seeds
    Reverse,
    /// Tangents: the shadows of the case are directions
    Forward,
    /// Adjoints by two kernels, one after the other, the tape between them
    #[value(name = "augmented,reverse")]
    Split,
}

/// Check the primal and the gradient of a case by independent oracles
///
/// The primal on the device against the interpreter; the gradient against central differences in f64, against
/// forward mode, and on the device against the interpreter; races and writes outside of buffers. Prints a table with the
/// relative errors and what is allowed. Exit status 1 when an oracle finds something wrong.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Case file (TOML); `-` reads it from standard input
    pub case: PathBuf,
    /// Where compiled kernels run; none for the interpreter alone
    #[arg(long, default_value = "auto", value_name = "cpu|cuda|hip|auto|none")]
    pub device: String,
    /// Directions for central differences
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub directions: usize,
    /// Seed of directions and adjoints
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Instructions that a run may interpret, and all central differences together; what needs more is skipped
    #[arg(long, default_value_t = 2_000_000_000, value_name = "N")]
    pub max_steps: u64,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Check many cases on one device and measure them: verdict, time of primal and gradient, one row a case
///
/// Times are the device's own (events around the kernel), the shortest of several launches. GB/s are the bytes of all buffers (of the gradient:
/// and their shadows) by that time, with the part of the rate of a copy inside the device's memory. What went wrong stands below its row.
#[derive(Args, Debug)]
pub struct SurveyArgs {
    /// Case files (TOML)
    #[arg(required = true)]
    pub cases: Vec<PathBuf>,
    /// Where compiled kernels run
    #[arg(long, default_value = "auto", value_name = "cpu|cuda|hip|auto")]
    pub device: String,
    /// Launches of which the fastest counts
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub repeat: u32,
    /// Instructions that a run may interpret, and all central differences together; what needs more is skipped
    #[arg(long, default_value_t = 2_000_000_000, value_name = "N")]
    pub max_steps: u64,
    /// For a driver whose kernels do nothing: compile, load and launch, and look at errors alone
    #[arg(long)]
    pub rehearse: bool,
    /// Rows only, for scripts that put tables together
    #[arg(long)]
    pub rows_only: bool,
    /// Width of the first column, at least
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub width: usize,
    /// Rate of a copy inside the device's memory, in bytes per second [default: measured]
    #[arg(long, value_name = "RATE")]
    pub copy_rate: Option<f64>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Try on a device what every device must do: transfers, limits, streams, exhaustion, refusals, loading again and again, a trap
///
/// No kernel or case is needed. Exit status 1 when something is not as it must be. The last probe traps on purpose: on some drivers it takes
/// the process with it.
#[derive(Args, Debug)]
pub struct ConformanceArgs {
    /// Which device
    #[arg(long, default_value = "auto", value_name = "cpu|cuda|hip|auto")]
    pub device: String,
    /// How often an artifact is loaded and unloaded
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub loads: u32,
    /// For a driver whose kernels do nothing: errors count, results do not
    #[arg(long)]
    pub rehearse: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Show the devices of this machine, and why others are not there
#[derive(Args, Debug)]
pub struct DevicesArgs {
    /// Measure how fast each copies inside its memory
    #[arg(long)]
    pub measure: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Copy cases with all that they need into one folder, sources compiled to bitcode: for machines without clang, and for reports
#[derive(Args, Debug)]
pub struct PackArgs {
    /// Case files (TOML)
    #[arg(required = true)]
    pub cases: Vec<PathBuf>,
    /// Folder; made if it is not there
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// How .cu and .hip files are compiled.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Compiling .cu and .hip")]
pub struct SourceArgs {
    /// GPU that the source is compiled for [default: sm_70, gfx90a]
    #[arg(long, value_name = "sm_80|gfx90a")]
    pub arch: Option<String>,
    /// Threads of a warp, for a .hip file and processors that have both (gfx10 and later) [default: the processor's]
    #[arg(long, value_name = "32|64")]
    pub warp_size: Option<u32>,
    /// Folder of included files; may be repeated
    #[arg(long, short = 'I', value_name = "DIR")]
    pub include: Vec<PathBuf>,
    /// Macro, as NAME or NAME=VALUE; may be repeated
    #[arg(long, short = 'D', value_name = "NAME[=VALUE]")]
    pub define: Vec<String>,
    /// A CUDA toolkit whose headers are used instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub cuda_path: Option<PathBuf>,
    /// A ROCm installation whose headers are used instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub rocm_path: Option<PathBuf>,
    /// Derivatives of a device function: the functions that compute its tangent and its adjoints; may be repeated
    #[arg(long, value_name = "F=FORWARD,REVERSE", value_parser = registered, help_heading = "Device functions")]
    pub derivative: Vec<Registered>,
    /// A device function without a derivative: what it computes counts as constant; may be repeated
    #[arg(long, value_name = "F", help_heading = "Device functions")]
    pub inactive: Vec<String>,
}

impl SourceArgs {
    /// As options of the reader.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            compile: CompileOptions {
                arch: self.arch.clone(),
                warp_size: self.warp_size,
                cuda_path: self.cuda_path.clone(),
                rocm_path: self.rocm_path.clone(),
                includes: self.include.clone(),
                defines: self.define.clone(),
                ..CompileOptions::default()
            },
            functions: Functions { derivatives: self.derivative.clone(), inactive: self.inactive.clone() },
        }
    }
}

impl SourceArgs {
    /// The same for the case of a launch on a device: a HIP source is compiled for an AMD device's own processor unless somebody said
    /// otherwise, since the source can ask for the size of a warp.
    pub fn options_on(&self, device: Option<&DeviceInfo>, case: &Case) -> ReadOptions {
        let mut options = self.options();
        let own = device.and_then(|info| hip_processor(info, &case.module));
        if options.compile.arch.is_none() && case.arch.is_none() {
            options.compile.arch = own;
        }
        options
    }
}

/// The processor of an AMD device, for a HIP source; `None` for others, and for processors that no code is made for.
fn hip_processor(info: &DeviceInfo, module: &Path) -> Option<String> {
    let hip = info.kind == DeviceKind::Hip && module.extension().is_some_and(|e| e == "hip");
    let known = hip && Target::parse(&info.target).is_ok();
    known.then(|| info.processor.split(':').next().unwrap_or("").to_string())
}

/// `f=f_fwd,f_rev`; either may be missing, as in `f=,f_rev`.
fn registered(text: &str) -> Result<Registered, String> {
    let wrong = || "F=FORWARD,REVERSE; either may be left out, as in F=,REVERSE".to_string();
    let (function, rest) = text.split_once('=').filter(|(f, _)| !f.is_empty()).ok_or_else(wrong)?;
    let (forward, reverse) = rest.split_once(',').unwrap_or((rest, ""));
    let name = |s: &str| (!s.is_empty()).then(|| s.to_string());
    let out = Registered { function: function.into(), forward: name(forward), reverse: name(reverse) };
    match reverse.contains(',') || (out.forward.is_none() && out.reverse.is_none()) {
        true => Err(wrong()),
        false => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a HIP source that is compiled for warps of 64 and run on a device with warps of 32, and other sources or devices that are
    /// touched.
    #[test]
    fn hip_sources_are_compiled_for_the_device() {
        let info = |kind, target: &str| DeviceInfo {
            kind,
            target: target.into(),
            processor: target.split_once(':').map_or("", |t| t.1).into(),
            ..gpu_runtime::Device::cpu().info()
        };
        let of = |kind, target, module: &str| hip_processor(&info(kind, target), Path::new(module));
        let some = |s: &str| Some(s.to_string());
        assert_eq!(of(DeviceKind::Hip, "amdgpu:gfx1100", "a/k.hip"), some("gfx1100"));
        assert_eq!(of(DeviceKind::Hip, "amdgpu:gfx90a:sramecc+:xnack-", "k.hip"), some("gfx90a"));
        assert_eq!(of(DeviceKind::Hip, "amdgpu:gfx1100", "k.bc"), None);
        assert_eq!(of(DeviceKind::Hip, "amdgpu:gfx9999", "k.hip"), None);
        assert_eq!(of(DeviceKind::Cuda, "nvptx:sm_80", "k.cu"), None);
        assert_eq!(of(DeviceKind::Cpu, "host", "k.hip"), None);
    }
}
