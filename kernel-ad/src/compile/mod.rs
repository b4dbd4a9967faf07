//! Compiling `.cu` and `.hip` sources to bitcode with clang, without a CUDA or ROCm toolkit unless one is given.
//!
//! Only the device side is compiled, without device libraries: their functions stay calls, whose names say what they
//! mean. Headers of our own, on top of those that clang brings, stand in for the toolkit's.

mod headers;

use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How to compile a source.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// `sm_80`, `gfx90a`, ...; by default `sm_80` for `.cu` and `gfx90a` for `.hip`.
    pub arch: Option<String>,
    /// Threads of a warp, for AMD processors that can run with 32 and with 64 (gfx10 and later); by default the processor's own.
    pub warp_size: Option<u32>,
    /// A CUDA toolkit, whose headers are used instead of ours.
    pub cuda_path: Option<PathBuf>,
    /// A ROCm installation, whose headers are used instead of ours.
    pub rocm_path: Option<PathBuf>,
    /// Further include directories (`-I`).
    pub includes: Vec<PathBuf>,
    /// Macros (`-D`), as `NAME` or `NAME=VALUE`.
    pub defines: Vec<String>,
    /// Further arguments for clang.
    pub extra_args: Vec<String>,
    /// Keep device functions that no kernel calls: derivatives of other functions, or functions to be differentiated.
    pub keep_functions: bool,
    /// The clang to use; by default `clang-19`, then `clang`, on PATH.
    pub clang: Option<PathBuf>,
}

/// The two languages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Language {
    Cuda,
    Hip,
}

/// Compiles the device side of a `.cu` or `.hip` file.
pub fn compile_to_bitcode(path: &Path, opts: &CompileOptions) -> Result<Vec<u8>> {
    if let Err(e) = std::fs::metadata(path) {
        return Err(
            Diagnostic::new(Code::FileUnreadable, format!("cannot read `{}`: {e}", path.display())).into()
        );
    }
    let language = if path.extension().is_some_and(|e| e == "hip") { Language::Hip } else { Language::Cuda };
    let clang = find_clang(opts)?;
    let scratch = tempfile::Builder::new()
        .prefix("kernel-ad-")
        .tempdir()
        .map_err(|e| Diagnostic::new(Code::ToolFailed, format!("cannot make a temporary directory: {e}")))?;
    let output = scratch.path().join("device.bc");
    let mut command = Command::new(&clang);
    command.args([
        "--cuda-device-only",
        "-emit-llvm",
        "-c",
        "-O1",
        "-fno-unroll-loops",
        "-fno-slp-vectorize",
    ]);
    // Places in our headers must not name the temporary directory.
    command.arg(format!("-ffile-prefix-map={}=<kernel-ad>", scratch.path().join("include").display()));
    command.args(["-fno-discard-value-names", "-gline-tables-only", "-fno-caret-diagnostics", "-nogpulib"]);
    // What the file itself says comes after these, so that it can override them.
    match language {
        Language::Cuda => cuda_arguments(&mut command, opts, scratch.path())?,
        Language::Hip => hip_arguments(&mut command, opts, scratch.path(), &clang)?,
    }
    command.arg("-isystem").arg(headers::write(scratch.path(), headers::OWN)?.join("own"));
    command.args(opts.includes.iter().map(|i| format!("-I{}", i.display())));
    command.args(opts.defines.iter().map(|d| format!("-D{d}")));
    command.args(&opts.extra_args);
    command.arg(path).arg("-o").arg(&output);
    let done = command
        .output()
        .map_err(|e| Diagnostic::new(Code::ToolFailed, format!("cannot run `{}`: {e}", clang.display())))?;
    let messages = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        return Err(compile_errors(path, &messages, opts));
    }
    std::fs::read(&output).map_err(|e| {
        Diagnostic::new(Code::ToolFailed, format!("clang left no output: {e}")).because(messages).into()
    })
}

/// Without device libraries clang is told neither the toolkit's version, and then takes every launch in the host half for an
/// error, nor the PTX version, and then takes the warp operations for unsupported; so both are always given.
fn cuda_arguments(command: &mut Command, opts: &CompileOptions, scratch: &Path) -> Result<()> {
    let arch = opts.arch.as_deref().unwrap_or("sm_80");
    if !arch.starts_with("sm_") {
        return Err(bad_arch(arch, "a CUDA source needs one like `sm_80`").into());
    }
    if opts.warp_size.is_some_and(|n| n != 32) {
        return Err(Diagnostic::new(Code::BadTarget, "NVIDIA's processors have warps of 32 threads").into());
    }
    command
        .args(["-x", "cuda", "-std=c++17", "-Wno-unknown-cuda-version"])
        .arg(format!("--offload-arch={arch}"));
    match &opts.cuda_path {
        Some(toolkit) => {
            if !toolkit.join("include/cuda_runtime.h").is_file() {
                return Err(no_toolkit("CUDA", toolkit, "include/cuda_runtime.h").into());
            }
            let version = toolkit_version(toolkit).unwrap_or((12, 4));
            command.arg(format!("--cuda-path={}", toolkit.display()));
            command.arg("-Xclang").arg(format!("-target-sdk-version={}.{}", version.0, version.1));
            command.arg("--cuda-feature=+ptx83");
        }
        None => {
            let headers = headers::write(scratch, headers::CUDA)?;
            command.args(["-nocudainc", "-Xclang", "-target-sdk-version=12.4", "--cuda-feature=+ptx83"]);
            command.arg("-isystem").arg(headers.join("cuda")).args(["-include", "kad_cuda.h"]);
        }
    }
    Ok(())
}

fn hip_arguments(command: &mut Command, opts: &CompileOptions, scratch: &Path, clang: &Path) -> Result<()> {
    let arch = opts.arch.as_deref().unwrap_or("gfx90a");
    if !arch.starts_with("gfx") {
        return Err(bad_arch(arch, "a HIP source needs one like `gfx90a`").into());
    }
    command.args(["-x", "hip", "-std=c++17"]).arg(format!("--offload-arch={arch}"));
    match (opts.warp_size, arch.starts_with("gfx9")) {
        (None, _) | (Some(64), true) => {}
        (Some(32), false) => drop(command.arg("-mno-wavefrontsize64")),
        (Some(64), false) => drop(command.arg("-mwavefrontsize64")),
        (Some(n), _) => {
            let sizes = if arch.starts_with("gfx9") { "64" } else { "32 and 64" };
            let d = Diagnostic::new(Code::BadTarget, format!("`{arch}` has no warps of {n} threads"));
            return Err(d.help(format!("it has warps of {sizes}")).into());
        }
    }
    if opts.keep_functions {
        // Otherwise everything but kernels becomes internal, and what is not called goes.
        command.arg("-fgpu-rdc");
    }
    match &opts.rocm_path {
        Some(rocm) => {
            if !rocm.join("include/hip/hip_runtime.h").is_file() {
                return Err(no_toolkit("ROCm", rocm, "include/hip/hip_runtime.h").into());
            }
            command.arg(format!("--rocm-path={}", rocm.display()));
        }
        None => {
            let headers = headers::write(scratch, headers::HIP)?;
            command.args(["-nogpuinc", "-fdeclspec", "-isystem"]).arg(headers.join("hip"));
            if let Some(dir) = resource_dir(clang) {
                command.arg("-isystem").arg(dir.join("include/cuda_wrappers"));
            }
            command.args(["-include", "kad_hip.h"]);
        }
    }
    Ok(())
}

/// Major and minor version that a toolkit's `cuda.h` names.
fn toolkit_version(toolkit: &Path) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string(toolkit.join("include/cuda.h")).ok()?;
    let line = text.lines().find_map(|l| l.trim().strip_prefix("#define CUDA_VERSION "))?;
    let n: u32 = line.trim().parse().ok()?;
    Some((n / 1000, n % 1000 / 10))
}

fn bad_arch(arch: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::BadTarget, format!("architecture `{arch}` does not fit the source")).help(help)
}

fn no_toolkit(what: &str, path: &Path, file: &str) -> Diagnostic {
    Diagnostic::new(Code::ToolMissing, format!("no {what} installation at `{}`", path.display()))
        .because(format!("`{file}` is not there"))
        .help("leave the path out to compile with the built-in headers")
}

/// Where clang keeps its own headers.
fn resource_dir(clang: &Path) -> Option<PathBuf> {
    let out = Command::new(clang).arg("-print-resource-dir").output().ok()?;
    let dir = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    dir.is_dir().then_some(dir)
}

/// The clang to use: the given one, or `clang-19`, `clang` on PATH or where Debian puts LLVM 19. Other versions would
/// write bitcode that LLVM 19 may not read.
fn find_clang(opts: &CompileOptions) -> Result<PathBuf> {
    let candidates: Vec<PathBuf> = match &opts.clang {
        Some(c) => vec![c.clone()],
        None => ["clang-19", "/usr/lib/llvm-19/bin/clang", "clang"].iter().map(PathBuf::from).collect(),
    };
    let mut tried = Vec::new();
    for c in &candidates {
        match Command::new(c).arg("--version").output() {
            Ok(out) => {
                let text = String::from_utf8_lossy(&out.stdout);
                let version = text.split("clang version ").nth(1).and_then(|v| v.split('.').next());
                match version.and_then(|v| v.parse::<u32>().ok()) {
                    Some(17..=19) => return Ok(c.clone()),
                    Some(v) => tried.push(format!("`{}` is clang {v}", c.display())),
                    None => tried.push(format!("`{}` is not clang", c.display())),
                }
            }
            Err(e) => tried.push(format!("`{}`: {e}", c.display())),
        }
    }
    let mut d = Diagnostic::new(Code::ToolMissing, "no clang 19 to compile CUDA or HIP sources with");
    d.because = tried;
    Err(d.help("install clang-19 (Debian: apt install clang-19), or give .ll or .bc files instead").into())
}

/// clang's errors, each with its place.
fn compile_errors(path: &Path, messages: &str, opts: &CompileOptions) -> Diagnostics {
    let mut all = Vec::new();
    for line in messages.lines() {
        let Some((place, message)) =
            line.split_once(": error: ").or_else(|| line.split_once(": fatal error: "))
        else {
            continue;
        };
        let mut d = Diagnostic::new(Code::CompileFailed, message.trim());
        let mut parts = place.rsplitn(3, ':');
        if let (Some(Ok(col)), Some(Ok(row)), Some(file)) =
            (parts.next().map(str::parse), parts.next().map(str::parse), parts.next())
        {
            d.place =
                Some(Place { file: file.into(), line: row, col, function: None, inlined_at: Vec::new() });
        }
        if message.contains("file not found") && opts.cuda_path.is_none() {
            d.help = Some(
                "built-in headers cover the runtime's basics; give a toolkit for more (--cuda-path)".into(),
            );
        }
        all.push(d);
    }
    if all.is_empty() {
        let d = Diagnostic::new(Code::CompileFailed, format!("clang rejected `{}`", path.display()));
        all.push(d.because(messages.trim()));
    }
    all.truncate(20);
    Diagnostics(all)
}
