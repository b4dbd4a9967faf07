//! Round trip: every kernel source in the tree is read and emitted again without differentiation; LLVM verifies the module
//! before it makes code of it.

use kernel_ad::diag::{Code, Diagnostics};
use kernel_ad::emit::{emit, Format, Target};
use kernel_ad::kernel::{Arch, Kernel};
use kernel_ad::read::{load, ReadOptions};
use std::path::{Path, PathBuf};

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| ["cu", "hip", "ll", "bc"].iter().any(|x| e == *x)) {
            out.push(path);
        }
    }
}

fn emits(k: &Kernel, target: &str) -> Result<(), Diagnostics> {
    emit(k, &Target::parse(target)?, Format::Asm).map(|_| ())
}

/// Catches: anything that reading or emission loses or gets wrong enough for LLVM's verifier or back end to notice.
#[test]
fn every_source_comes_back_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for dir in ["tests/corpus", "cases", "../examples"] {
        sources(&root.join(dir), &mut files);
    }
    files.sort();
    assert!(files.len() >= 10, "the corpus is there");
    let mut failures = Vec::new();
    let (mut kernels, mut skipped) = (0, 0);
    for f in &files {
        // `cases/refused` holds what reading itself must refuse.
        let may_refuse = f.components().any(|c| c.as_os_str() == "refused");
        let module = match load(f, &ReadOptions::default()) {
            Ok(m) => m,
            Err(_) if may_refuse => continue,
            // A file of device functions alone.
            Err(e) if e.0.iter().all(|d| d.code == Code::NoKernel) => continue,
            Err(e) => {
                failures.push(format!("{}: {e}", f.display()));
                continue;
            }
        };
        for info in module.kernels() {
            let k = match module.kernel(&info.name) {
                Ok(k) => k,
                Err(_) if may_refuse => continue,
                Err(e) => {
                    failures.push(format!("{}: {}: {e}", f.display(), info.name));
                    continue;
                }
            };
            kernels += 1;
            let target = if k.source.arch == Arch::Nvptx { "nvptx:sm_80" } else { "amdgpu:gfx90a" };
            if let Err(e) = emits(&k, target) {
                // A call of what nobody defines is among the refused cases.
                if may_refuse && e.0.iter().all(|d| d.code == Code::NotOnTarget) {
                    continue;
                }
                // Without the vendor's library of functions there is nothing to link against.
                if e.0.iter().all(|d| d.code == Code::ToolMissing) {
                    skipped += 1;
                    continue;
                }
                failures.push(format!("{}: {}: {target}: {e}", f.display(), info.name));
            }
        }
    }
    println!("{kernels} kernels, {skipped} of them skipped for want of a device library");
    assert!(kernels > 2 * skipped, "most kernels need no library");
    assert!(failures.is_empty(), "{} of {kernels} kernels failed:\n{}", failures.len(), failures.join("\n"));
}
