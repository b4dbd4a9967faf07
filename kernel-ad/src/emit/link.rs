//! Objects into shared objects, by LLVM's lld.

use crate::diag::{Code, Diagnostic, Result};
use std::path::PathBuf;
use std::process::Command;

/// Links one object into a shared object. `extra` are further arguments.
pub fn shared_object(object: &[u8], extra: &[&str]) -> Result<Vec<u8>> {
    let failed =
        |what: &str, e: &dyn std::fmt::Display| Diagnostic::new(Code::ToolFailed, format!("{what}: {e}"));
    let dir = tempfile::tempdir().map_err(|e| failed("cannot make a temporary folder", &e))?;
    let (from, to) = (dir.path().join("kernel.o"), dir.path().join("kernel.so"));
    std::fs::write(&from, object).map_err(|e| failed("cannot write a temporary file", &e))?;
    let lld = find()?;
    let out = Command::new(&lld)
        .arg("-shared")
        .arg("-o")
        .arg(&to)
        .arg(&from)
        .args(extra)
        .output()
        .map_err(|e| failed(&format!("cannot start `{}`", lld.display()), &e))?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        return Err(failed("ld.lld failed", &text.trim()).into());
    }
    Ok(std::fs::read(&to).map_err(|e| failed("cannot read what ld.lld wrote", &e))?)
}

/// lld of LLVM 19, or another of the same name.
fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let named = |name: &str| dirs.iter().map(|d| d.join(name)).find(|p| p.is_file());
    let own = std::env::var_os("KERNEL_AD_LLD").map(PathBuf::from).filter(|p| p.is_file());
    let fixed = PathBuf::from("/usr/lib/llvm-19/bin/ld.lld");
    own.or_else(|| named("ld.lld-19"))
        .or_else(|| fixed.is_file().then_some(fixed))
        .or_else(|| named("ld.lld"))
        .ok_or_else(|| {
            Diagnostic::new(Code::ToolMissing, "the linker ld.lld was not found")
                .because("looked for ld.lld-19 and ld.lld on PATH, and for /usr/lib/llvm-19/bin/ld.lld")
                .help("apt-get install lld-19, or set KERNEL_AD_LLD")
                .into()
        })
}
