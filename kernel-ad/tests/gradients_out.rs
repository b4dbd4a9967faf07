//! Gradients of all cases as device code: PTX that ptxas takes, HSACO whose notes fit the manifest.

#[path = "cases/modules.rs"]
mod modules;

use kernel_ad::case::Case;
use kernel_ad::diag::{Code, Diagnostics};
use kernel_ad::emit::{emit, Artifact, Format, Target};
use kernel_ad::grad::{reverse, split, tangent, Gradient, SplitGradient};
use kernel_ad::kernel::{Arch, Kernel};
use kernel_ad::plan::{Kept, PlanOptions};
use modules::load_kernel;
use rayon::prelude::*;
use shadow_mem::{Manifest, Purpose};
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A program of the repository's tool folder, or on PATH.
fn program(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/nvidia/cuda_nvcc/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(own).chain(std::env::split_paths(&path).map(|d| d.join(name))).find(|p| p.is_file())
}

fn run(program: &Path, args: &[&str], bytes: &[u8]) -> Result<String, String> {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("k");
    std::fs::write(&file, bytes).expect("write");
    let out = Command::new(program).args(args).arg(&file).output().expect("start");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    match out.status.success() {
        true => Ok(text),
        false => Err(text + &String::from_utf8_lossy(&out.stderr)),
    }
}

/// Bytes of the explicit parameters, laid out one after the other.
fn parameter_bytes(m: &Manifest) -> u64 {
    m.params.iter().fold(0, |at, p| at.next_multiple_of(u64::from(p.align.max(1))) + p.bytes)
}

/// What the notes of a HSACO say of a kernel.
fn check_notes(notes: &str, m: &Manifest) -> Result<(), String> {
    let field = |name: &str, part: &str| {
        part.lines()
            .find_map(|l| l.trim().strip_prefix(name))
            .map(|v| v.trim().trim_matches('\'').to_string())
    };
    let part = notes
        .split("- .agpr_count:")
        .chain(notes.split("  - .args:"))
        .find(|p| field(".symbol:", p).is_some_and(|s| s == format!("{}.kd", m.symbol)))
        .ok_or_else(|| format!("no notes on `{}`", m.symbol))?;
    let size: u64 = field(".kernarg_segment_size:", part).and_then(|v| v.parse().ok()).unwrap_or(0);
    let wanted = parameter_bytes(m);
    if size < wanted {
        return Err(format!("`{}` has {size} bytes of arguments, the manifest {wanted}", m.symbol));
    }
    match field(".wavefront_size:", part) {
        Some(w) if w == m.warp_size.to_string() => Ok(()),
        w => Err(format!("`{}` has warps of {w:?}, the manifest {}", m.symbol, m.warp_size)),
    }
}

/// Everything that a launcher will look up must be in the code, under the name that the manifest gives.
fn check_artifact(a: &Artifact) -> Result<(), String> {
    for m in a.manifest.kernels() {
        if m.target.starts_with("nvptx") {
            let text = String::from_utf8_lossy(&a.bytes);
            let entry = format!(".visible .entry {}(", m.symbol);
            let at = text.find(&entry).ok_or_else(|| format!("no entry `{}`", m.symbol))?;
            let list = text[at..].split(')').next().unwrap_or("");
            if list.matches(".param").count() != m.params.len() {
                return Err(format!("`{}` has other parameters than its manifest", m.symbol));
            }
        } else if let Some(readelf) = program("llvm-readelf-19") {
            check_notes(&run(&readelf, &["--notes"], &a.bytes)?, m)?;
        }
    }
    if a.manifest.target.starts_with("nvptx") {
        if let Some(ptxas) = program("ptxas") {
            let arch = format!("-arch={}", a.manifest.target.trim_start_matches("nvptx:"));
            run(&ptxas, &[&arch, "-o", "/dev/null"], &a.bytes)?;
        }
    }
    Ok(())
}

/// One kernel or two.
enum Made {
    One(Gradient),
    Two(SplitGradient),
}

fn out(made: &Made, target: &str) -> Result<Option<Artifact>, String> {
    let target = Target::parse(target).expect("a target");
    let format = if target.arch() == Some(Arch::Nvptx) { Format::Asm } else { Format::Obj };
    let artifact = match made {
        Made::One(g) => emit(g, &target, format),
        Made::Two(s) => emit(s, &target, format),
    };
    match artifact {
        Ok(a) => Ok(Some(a)),
        Err(Diagnostics(d)) if d.iter().all(|d| d.code == Code::ToolMissing) => Ok(None),
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

/// The artifacts of a case's derivatives, or why there is none.
fn device_code(f: &Path) -> Vec<(String, Result<Option<Artifact>, String>)> {
    let case = Case::load(f).unwrap_or_else(|e| panic!("{}: {e}", f.display()));
    let k = load_kernel(&case).unwrap_or_else(|e| panic!("{}: {e}", f.display()));
    let gradients = gradients(&k, &case).unwrap_or_else(|e| panic!("{}: {e}", f.display()));
    // Each mode on another processor: together they cover what one kernel on all of them would, in half the time.
    let targets = match k.source.arch {
        Arch::Nvptx => ["nvptx:sm_70", "nvptx:sm_90", "nvptx:sm_80"],
        Arch::Amdgpu => ["amdgpu:gfx90a", "amdgpu:gfx942", "amdgpu:gfx90a"],
    };
    let one = |(g, target): (&Made, &str)| {
        let checked = out(g, target).and_then(|a| match a {
            Some(a) => check_artifact(&a).map(|()| Some(a)),
            None => Ok(None),
        });
        let mode = match g {
            Made::One(g) => g.mode,
            Made::Two(s) => s.augmented.mode,
        };
        (format!("{}: {mode:?}: {target}", f.display()), checked)
    };
    gradients.iter().zip(targets).map(one).collect()
}

/// Catches gradients that LLVM's verifier or back end rejects (tape accesses, accumulation, shadow globals), PTX that ptxas rejects,
/// and manifests that do not describe the code beside them.
#[test]
fn gradients_of_all_cases_become_device_code() {
    for tool in ["ptxas", "llvm-readelf-19"] {
        if program(tool).is_none() {
            println!("skipped: {tool} was not found, what it would validate is not validated");
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files = Vec::new();
    cases(&root, &mut files);
    files.sort();
    assert!(files.len() >= 25, "the cases are there");
    let (mut emitted, mut skipped, mut taped, mut failures) = (0, 0, 0, Vec::new());
    let done: Vec<_> = files.par_iter().flat_map_iter(|f| device_code(f)).collect();
    for (what, outcome) in done {
        match outcome {
            Ok(None) => skipped += 1,
            Ok(Some(a)) => {
                emitted += 1;
                taped += usize::from(a.manifest.params.iter().any(|p| p.purpose == Purpose::TapeBase));
            }
            Err(e) => failures.push(format!("{what}: {e}")),
        }
    }
    println!("{emitted} gradients emitted, {taped} with a tape in global memory, {skipped} skipped for want of a device library");
    assert!(failures.is_empty(), "{} of {emitted} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(emitted > 40 && taped > 0, "{emitted} emitted, {taped} with a tape");
}
