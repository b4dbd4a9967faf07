//! Says clearly what is missing when LLVM 19 is not there; finding and linking it is llvm-sys's work.

use std::path::PathBuf;
use std::process::Command;

const PREFIX: &str = "LLVM_SYS_191_PREFIX";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={PREFIX}");
    println!("cargo:rerun-if-env-changed=PATH");
    let prefix = std::env::var_os(PREFIX);
    let tools: Vec<PathBuf> = match &prefix {
        Some(p) => vec![PathBuf::from(p).join("bin/llvm-config")],
        None => ["llvm-config-19", "llvm-config19", "llvm-config"].map(PathBuf::from).to_vec(),
    };
    let mut found = Vec::new();
    for tool in &tools {
        let Ok(out) = Command::new(tool).arg("--version").output() else { continue };
        let version = String::from_utf8_lossy(&out.stdout).trim().to_string();
        if version.starts_with("19.") {
            return;
        }
        found.push(format!("{} is LLVM {version}", tool.display()));
    }
    let looked: Vec<_> = tools.iter().map(|t| t.display().to_string()).collect();
    eprintln!("kernel-ad needs LLVM 19, and it is not there.");
    eprintln!("  looked for: {}{}", looked.join(", "), if prefix.is_some() { "" } else { " on PATH" });
    found.iter().for_each(|f| eprintln!("  found: {f}"));
    eprintln!("  on Debian 12 or later: run ci/setup, or apt-get install llvm-19-dev lld-19 clang-19 g++");
    eprintln!("  elsewhere: set {PREFIX} to a folder whose bin/llvm-config is LLVM 19 with a shared library");
    std::process::exit(1);
}
