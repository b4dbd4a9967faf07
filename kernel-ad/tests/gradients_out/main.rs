//! Gradients of all cases as device code: PTX that ptxas takes, HSACO whose descriptors, notes and code fit the manifest.

mod functions;
mod hsaco;
#[path = "../cases/modules.rs"]
mod modules;
mod ptx;
mod tools;

use kernel_ad::case::Case;
use kernel_ad::diag::{Code, Diagnostics};
use kernel_ad::emit::{emit, Artifact, Format, Target};
use kernel_ad::grad::{reverse, split, tangent, Gradient, SplitGradient};
use kernel_ad::kernel::{Arch, Kernel};
use kernel_ad::plan::{Kept, PlanOptions};
use modules::{load_kernel, load_kernel_for};
use rayon::prelude::*;
use shadow_mem::Purpose;
use std::path::{Path, PathBuf};

fn cases(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "refused") {
            cases(&path, out);
        } else if path.extension().is_some_and(|e| e == "toml") {
            out.push(path);
        }
    }
}

/// Everything that a launcher will look up must be in the code, as the manifest says it.
fn check_artifact(a: &Artifact, functions: bool) -> Result<(), String> {
    match a.manifest.target.starts_with("nvptx") {
        true => ptx::check(&a.bytes, &a.manifest, functions),
        false => hsaco::check(&a.bytes, &a.manifest, functions),
    }
}

/// One kernel or two.
enum Made {
    One(Gradient),
    Two(SplitGradient),
}

fn out(made: &Made, target: &str) -> Result<Outcome, String> {
    let target = Target::parse(target).expect("a target");
    let format = if target.arch() == Some(Arch::Nvptx) { Format::Asm } else { Format::Obj };
    let artifact = match made {
        Made::One(g) => emit(g, &target, format),
        Made::Two(s) => emit(s, &target, format),
    };
    match artifact {
        Ok(a) => Ok(Outcome::Emitted(Box::new(a))),
        Err(Diagnostics(d)) if d.iter().all(|d| d.code == Code::ToolMissing) => Ok(Outcome::Skipped),
        Err(Diagnostics(d)) if d.iter().all(|d| d.code == Code::NotOnTarget) => Ok(Outcome::Refused),
        Err(e) => Err(e.to_string()),
    }
}

fn gradients(k: &Kernel, case: &Case) -> Result<Vec<Made>, Diagnostics> {
    let roles = case.roles();
    let kept = PlanOptions { kept: Kept::Everything, ..PlanOptions::default() };
    let one = reverse(k, &roles, &PlanOptions::default())?;
    let mut made = vec![Made::One(one), Made::One(tangent(k, &roles)?)];
    match split(k, &roles, &PlanOptions::default()).or_else(|_| split(k, &roles, &kept)) {
        Ok(two) => made.push(Made::Two(two)),
        // Which cases may be refused so, the test of all cases says.
        Err(Diagnostics(d)) if d.iter().all(|d| d.code == Code::UnsupportedMemory) => {}
        Err(e) => return Err(e),
    }
    Ok(made)
}

/// One artifact: what it is, and whether it was made and is right.
type Checked = (String, Result<Outcome, String>);

enum Outcome {
    Emitted(Box<Artifact>),
    /// A device library is missing.
    Skipped,
    /// The processor lacks what the kernel does.
    Refused,
}

fn checked(what: &str, g: &Made, target: &str, functions: bool) -> Checked {
    let checked = out(g, target).and_then(|o| match &o {
        Outcome::Emitted(a) => check_artifact(a, functions).map(|()| o),
        _ => Ok(o),
    });
    let mode = match g {
        Made::One(g) => g.mode,
        Made::Two(s) => s.augmented.mode,
    };
    (format!("{what}: {mode:?}: {target}"), checked)
}

/// The artifacts of a case's derivatives.
fn device_code(f: &Path) -> Vec<Checked> {
    let fail = |e: Diagnostics| -> ! { panic!("{}: {e}", f.display()) };
    let case = Case::load(f).unwrap_or_else(|e| fail(e));
    let k = load_kernel(&case).unwrap_or_else(|e| fail(e));
    let made = gradients(&k, &case).unwrap_or_else(|e| fail(e));
    // Each mode on another processor, in other versions of PTX and of code objects, of AMD's latter with warps of 64: together they
    // cover what one kernel on all of them would, in less time.
    let targets = match k.source.arch {
        Arch::Nvptx => ["nvptx:sm_70", "nvptx:sm_90+ptx85", "nvptx:sm_80+ptx78"],
        Arch::Amdgpu => ["amdgpu:gfx90a", "amdgpu:gfx942:cov6", "amdgpu:gfx1100:cov4"],
    };
    let what = f.display().to_string();
    let mut all: Vec<Checked> = made.iter().zip(targets).map(|(g, t)| checked(&what, g, t, false)).collect();
    if case.arch.is_none() && case.module.extension().is_some_and(|e| e == "hip") {
        // The same source for warps of 32.
        let k = load_kernel_for(&case, "gfx1100").unwrap_or_else(|e| fail(e));
        let g = reverse(&k, &case.roles(), &PlanOptions::default()).unwrap_or_else(|e| fail(e));
        all.push(checked(&what, &Made::One(g), "amdgpu:gfx1201", false));
    }
    all
}

/// Catches gradients that LLVM's verifier or back end rejects (tape accesses, accumulation, shadow globals), PTX that ptxas rejects,
/// and manifests that do not describe the code beside them.
#[test]
fn gradients_of_all_cases_become_device_code() {
    for tool in ["ptxas", "llvm-objdump-19"] {
        if tools::program(tool).is_none() {
            println!("skipped: {tool} was not found, what it would validate is not validated");
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files = Vec::new();
    cases(&root, &mut files);
    files.sort();
    assert!(files.len() >= 25, "the cases are there");
    let (mut emitted, mut skipped, mut taped, mut refused, mut failures) = (0, 0, 0, Vec::new(), Vec::new());
    // For development: a part of the cases.
    let only = std::env::var("KAD_CASES").unwrap_or_default();
    files.retain(|f| f.to_string_lossy().contains(&only));
    let done: Vec<_> = files.par_iter().flat_map_iter(|f| device_code(f)).collect();
    for (what, outcome) in done {
        match outcome {
            Ok(Outcome::Skipped) => skipped += 1,
            Ok(Outcome::Refused) => refused.push(what),
            Ok(Outcome::Emitted(a)) => {
                emitted += 1;
                taped += usize::from(a.manifest.params.iter().any(|p| p.purpose == Purpose::TapeBase));
            }
            Err(e) => failures.push(format!("{what}: {e}")),
        }
    }
    println!("{emitted} gradients emitted, {taped} with a tape in global memory, {skipped} skipped for want of a device library");
    println!("refused, for the processor lacks what they need:\n{}", refused.join("\n"));
    assert!(failures.is_empty(), "{} of {emitted} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(!only.is_empty() || emitted > 40 && taped > 0, "{emitted} emitted, {taped} with a tape");
}
