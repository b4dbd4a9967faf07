//! Programs that validate what is emitted, where they are there.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of the repository's tool folder, or on PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/nvidia/cuda_nvcc/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(own).chain(std::env::split_paths(&path).map(|d| d.join(name))).find(|p| p.is_file())
}

/// Runs a program on a file with these contents; what it wrote to standard output.
pub fn run(program: &Path, args: &[&str], bytes: &[u8]) -> Result<String, String> {
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
