//! Reading: an LLVM module, textual or bitcode, becomes one [`Kernel`] for each kernel that is asked for.
//!
//! The order of work is the order of the functions in [`ModuleSource::kernel`]: find the kernel, keep nothing else,
//! normalise with LLVM's passes, translate. What Kernel IR cannot hold is refused with a place, never dropped.

use crate::compile::{self, CompileOptions};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::{AddrSpace, Arch, Kernel, LaunchBounds, Type};
use std::path::Path;

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// For `.cu` and `.hip` files.
    pub compile: CompileOptions,
}

/// A module that was read and found valid; kernels are taken from it one by one.
#[derive(Clone, Debug)]
pub struct ModuleSource {
    file: String,
    bitcode: Vec<u8>,
    kernels: Vec<KernelInfo>,
}

/// What `list` shows of a kernel.
#[derive(Clone, PartialEq, Debug)]
pub struct KernelInfo {
    /// Symbol name.
    pub name: String,
    /// Name in the source language, if the symbol is mangled.
    pub source_name: String,
    /// Architecture.
    pub arch: Arch,
    /// Parameters, in order.
    pub params: Vec<ParamInfo>,
    /// Bytes of static shared memory that the kernel and the functions it calls name.
    pub shared_bytes: u64,
    /// It names dynamic shared memory.
    pub dynamic_shared: bool,
    /// Promises about launches.
    pub bounds: LaunchBounds,
}

/// What `list` shows of a parameter.
#[derive(Clone, PartialEq, Debug)]
pub struct ParamInfo {
    /// Name in the IR, or `arg<i>`.
    pub name: String,
    /// LLVM type as text; of the struct itself when it is passed by value.
    pub ty: String,
    /// Type of the value, when Kernel IR has it.
    pub value_ty: Option<Type>,
    /// Address space, of pointers that are not structs by value.
    pub space: Option<AddrSpace>,
    /// Bytes in the parameter area.
    pub bytes: u64,
    /// Alignment in the parameter area, in bytes.
    pub align: u32,
    /// A struct passed by value.
    pub by_value: bool,
}

/// Reads a file by its extension: `.cu` and `.hip` are compiled with clang first, everything else is LLVM IR or bitcode.
pub fn load(path: &Path, opts: &ReadOptions) -> Result<ModuleSource> {
    let ext = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let bytes = match ext {
        "cu" | "hip" => compile::compile_to_bitcode(path, &opts.compile)?,
        _ => std::fs::read(path).map_err(|e| {
            Diagnostic::new(Code::FileUnreadable, format!("cannot read `{}`: {e}", path.display()))
        })?,
    };
    read_module(&bytes, &path.display().to_string())
}

/// Reads LLVM IR or bitcode, told apart by content. `file` names it in messages.
pub fn read_module(bytes: &[u8], file: &str) -> Result<ModuleSource> {
    let _ = bytes;
    Err(Diagnostic::new(Code::Bug, format!("reading `{file}` is not there yet")).into())
}

impl ModuleSource {
    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// All kernels, in the module's order.
    pub fn kernels(&self) -> &[KernelInfo] {
        &self.kernels
    }

    /// One kernel, normalised. `name` is its symbol or, when only one fits, its name in the source language.
    pub fn kernel(&self, name: &str) -> Result<Kernel> {
        let _ = &self.bitcode;
        Err(Diagnostic::new(Code::NoSuchKernel, format!("no kernel `{name}` in `{}`", self.file)).into())
    }
}
