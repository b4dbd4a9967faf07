//! Normalising with LLVM's passes: what differentiation wants is one function in SSA form, its memory promoted, its
//! address spaces known, its loops in canonical form, and nothing vectorised or unrolled.

use super::split;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::Arch;
use crate::llvm::Ir;
use crate::mathlib;
use inkwell::targets::{CodeModel, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple};
use inkwell::OptimizationLevel;
use std::sync::Once;

/// Inlining, promotion, first clean-up. Twice, since a pointer to a function can become known only by the first round.
/// `instcombine` in a textual pipeline ends the process when it finds no fixpoint, unless told not to.
const PROMOTE: &str =
    "always-inline,globaldce,function(lower-expect,sroa<modify-cfg>,early-cse<memssa>,REFLECT,\
    simplifycfg,instcombine<no-verify-fixpoint>,lower-constant-intrinsics,simplifycfg),\
    always-inline,globaldce,function(sroa<modify-cfg>,memcpyopt,sroa<modify-cfg>,early-cse<memssa>,\
    instcombine<no-verify-fixpoint>,simplifycfg)";

/// Must run right behind the casts that [`Ir::mark_global_pointers`] makes.
const SPACES: &str = "function(infer-address-spaces)";

/// Loops in canonical form and common values shared. No partial redundancy elimination: the phis of loads that it makes
/// are values which a reverse sweep would have to save.
const CANONICAL: &str = "function(early-cse<memssa>,instcombine<no-verify-fixpoint>,loop-simplify,lcssa,loop(loop-rotate),\
    loop-mssa(licm<allowspeculation>),instcombine<no-verify-fixpoint>,loop(indvars),gvn<no-pre;no-load-pre>,sroa<modify-cfg>,\
    dse,instcombine<no-verify-fixpoint>,infer-address-spaces,adce,simplifycfg,loop-simplify,lcssa),globaldce";

/// Processors that LLVM 19 knows; it prints a warning about others, so they are not told to it.
const NVPTX_CPUS: &[&str] = &[
    "sm_50", "sm_52", "sm_53", "sm_60", "sm_61", "sm_62", "sm_70", "sm_72", "sm_75", "sm_80", "sm_86",
    "sm_87", "sm_89", "sm_90", "sm_90a",
];

/// Leaves `kernel` alone in the module, normalised; calls of the functions `keep` stay. The pointers that the host gives
/// to a kernel (`from_host`) are global.
pub(super) fn normalise(
    ir: &mut Ir<'_>,
    arch: Arch,
    kernel: &str,
    from_host: bool,
    keep: &[String],
) -> Result<()> {
    let cpu = ir.function(kernel).and_then(|f| f.string_attr("target-cpu"));
    let machine = machine(arch, cpu.as_deref())?;
    let internal = |what: &str, e: String| {
        let d = Diagnostic::new(Code::Bug, format!("{what}: {e}")).because(format!("kernel `{kernel}`"));
        d.help("please report this with the module")
    };
    let safe_cpu = machine.get_cpu().to_string_lossy().into_owned();
    // Bodies of device libraries compute by bit tricks; the names say what they mean.
    ir.undefine(|name| is_library(name) && mathlib::from_callee(name).is_some());
    split::split_pointer_results(ir).map_err(|e| internal("linking the split math functions failed", e))?;
    ir.isolate(kernel, &safe_cpu, keep);
    ir.declare_pure(split::is_pure);
    let reflect = match arch {
        Arch::Nvptx => "nvvm-reflect",
        Arch::Amdgpu => "early-cse",
    };
    let run = |ir: &mut Ir<'_>, passes: &str| {
        ir.run_passes(&machine, passes).map_err(|e| internal("a pass pipeline failed", e))
    };
    if arch == Arch::Amdgpu {
        run(ir, "amdgpu-lower-kernel-attributes")?;
    }
    run(ir, &PROMOTE.replace("REFLECT", reflect))?;
    if from_host {
        ir.mark_global_pointers(kernel);
    }
    run(ir, SPACES)?;
    run(ir, CANONICAL)?;
    Ok(())
}

fn machine(arch: Arch, cpu: Option<&str>) -> Result<TargetMachine> {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        Target::initialize_nvptx(&InitializationConfig::default());
        Target::initialize_amd_gpu(&InitializationConfig::default());
    });
    let (triple, cpu) = match arch {
        Arch::Nvptx => ("nvptx64-nvidia-cuda", cpu.filter(|c| NVPTX_CPUS.contains(c)).unwrap_or("sm_70")),
        Arch::Amdgpu => ("amdgcn-amd-amdhsa", cpu.filter(|c| is_known_gfx(c)).unwrap_or("gfx90a")),
    };
    let triple = TargetTriple::create(triple);
    let missing = |e: String| {
        Diagnostic::new(Code::ToolMissing, format!("this LLVM has no {arch:?} target: {e}"))
            .help("install LLVM 19 with all targets (Debian: llvm-19-dev)")
    };
    let target = Target::from_triple(&triple).map_err(|e| missing(e.to_string_lossy().into_owned()))?;
    target
        .create_target_machine(
            &triple,
            cpu,
            "",
            OptimizationLevel::Default,
            RelocMode::PIC,
            CodeModel::Default,
        )
        .ok_or_else(|| missing("no target machine".to_string()).into())
}

fn is_known_gfx(cpu: &str) -> bool {
    const KNOWN: &[&str] = &[
        "gfx900", "gfx906", "gfx908", "gfx90a", "gfx940", "gfx941", "gfx942", "gfx1010", "gfx1030",
        "gfx1031", "gfx1032", "gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1200",
        "gfx1201",
    ];
    KNOWN.contains(&cpu)
}

fn is_library(name: &str) -> bool {
    name.starts_with("__nv_") || name.starts_with("__ocml_")
}
