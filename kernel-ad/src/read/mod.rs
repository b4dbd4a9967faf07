//! Reading: an LLVM module, textual or bitcode, becomes one [`Kernel`] for each kernel that is asked for.
//!
//! The order of work is the order of the functions in [`ModuleSource::kernel`]: find the kernel, keep nothing else,
//! normalise with LLVM's passes, translate. What Kernel IR cannot hold is refused with a place, never dropped.

mod amdgpu;
mod asm;
mod call;
mod consts;
mod flags;
mod functions;
mod halves;
mod inst;
mod marks;
mod module;
mod names;
mod normalise;
mod nvptx;
mod ptx;
mod ptx_convert;
mod ptx_integer;
mod ptx_memory;
mod ptx_warp;
mod result;
mod shuffles;
mod split;
mod translate;
mod trial;
mod types;
mod units;

#[cfg(test)]
mod intrinsic_tests;
#[cfg(test)]
mod tests;

pub use functions::{Functions, Registered};
pub use halves::join as join_halves;
pub use shuffles::name_floats;

use crate::compile::{self, CompileOptions};
use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use crate::kernel::{AddrSpace, Arch, Kernel, LaunchBounds, Type};
use crate::llvm::{Ir, ParseError};
use inkwell::context::Context;
use std::path::Path;

/// How to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// For `.cu` and `.hip` files.
    pub compile: CompileOptions,
    /// What is said of device functions: their derivatives, or that they have none.
    pub functions: Functions,
}

/// A module that was read and found valid; kernels are taken from it one by one.
#[derive(Clone, Debug)]
pub struct ModuleSource {
    file: String,
    bitcode: Vec<u8>,
    kernels: Vec<KernelInfo>,
    device_functions: Vec<KernelInfo>,
    functions: Functions,
}

/// What is read as a kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// A kernel.
    Kernel,
    /// A device function as a kernel, in which every thread calls it; a result goes into an array with an element for each.
    Threads,
    /// A device function whose calls stay calls: pointers may point anywhere, a result goes through a last parameter.
    Body,
}

/// What `list` shows of a kernel or a device function.
#[derive(Clone, PartialEq, Debug)]
pub struct KernelInfo {
    /// It is a device function.
    pub is_function: bool,
    /// LLVM type of a function's result; empty for none.
    pub result: String,
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
        "cu" | "hip" => {
            let keep_functions = opts.compile.keep_functions || !opts.functions.is_empty();
            let bitcode = compile::compile_to_bitcode(
                path,
                &CompileOptions { keep_functions, ..opts.compile.clone() },
            )?;
            return Ok(parse(&bitcode, &path.display().to_string())?.with_functions(&opts.functions));
        }
        _ => std::fs::read(path).map_err(|e| {
            Diagnostic::new(Code::FileUnreadable, format!("cannot read `{}`: {e}", path.display()))
        })?,
    };
    Ok(read_module(&bytes, &path.display().to_string())?.with_functions(&opts.functions))
}

/// As [`load`], for one kernel or device function: a compiler that dropped the function is told to keep it.
pub fn load_for(path: &Path, opts: &ReadOptions, name: &str) -> Result<ModuleSource> {
    let first = load(path, opts);
    let source = path.extension().is_some_and(|e| e == "hip" || e == "cu");
    let found = match &first {
        Ok(module) => module.find(name).is_ok(),
        Err(e) => e.0.iter().all(|d| d.code != Code::NoKernel),
    };
    if found || !source || opts.compile.keep_functions {
        return first;
    }
    let compile = CompileOptions { keep_functions: true, ..opts.compile.clone() };
    match load(path, &ReadOptions { compile, functions: opts.functions.clone() }) {
        Ok(kept) if kept.find(name).is_ok() => Ok(kept),
        _ => first,
    }
}

/// Reads LLVM IR or bitcode, told apart by content. `file` names it in messages.
pub fn read_module(bytes: &[u8], file: &str) -> Result<ModuleSource> {
    if module::is_bitcode(bytes, file)? {
        trial::survives(bytes, file)?;
    }
    parse(bytes, file)
}

fn parse(bytes: &[u8], file: &str) -> Result<ModuleSource> {
    let ctx = Context::create();
    let ir = Ir::parse(&ctx, bytes, file).map_err(|e| module::malformed(file, e))?;
    ir.verify().map_err(|message| {
        module::malformed(file, ParseError { message: message.trim().to_string(), at: None, line: None })
    })?;
    let arch = module::arch(file, &ir.triple())?;
    let kernels: Vec<KernelInfo> =
        module::kernels(&ir, arch).into_iter().map(|f| module::info(&ir, arch, f)).collect();
    let device_functions: Vec<KernelInfo> =
        module::functions(&ir, arch).into_iter().map(|f| module::info(&ir, arch, f)).collect();
    if kernels.is_empty() && device_functions.is_empty() {
        let d = Diagnostic::new(Code::NoKernel, format!("`{file}` holds no kernel"));
        let help =
            "kernels are `__global__` functions; one that nothing instantiates (a template) leaves no code";
        return Err(d.help(help).into());
    }
    Ok(ModuleSource {
        file: file.to_string(),
        bitcode: ir.bitcode(),
        kernels,
        device_functions,
        functions: Functions::default(),
    })
}

impl ModuleSource {
    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The module as it was read, as LLVM bitcode.
    pub fn bitcode(&self) -> &[u8] {
        &self.bitcode
    }

    /// All kernels, in the module's order.
    pub fn kernels(&self) -> &[KernelInfo] {
        &self.kernels
    }

    /// The device functions that the module holds, in its order, without those of device libraries.
    pub fn device_functions(&self) -> &[KernelInfo] {
        &self.device_functions
    }

    /// What is known of one kernel or, when there is none of that name, of a device function. `name` is its symbol or, when only one fits, its name in the source language, with or
    /// without namespaces and template arguments.
    pub fn find(&self, name: &str) -> Result<&KernelInfo> {
        match self.find_in(&self.kernels, name)? {
            Some(k) => Ok(k),
            None => self.find_in(&self.device_functions, name)?.ok_or_else(|| self.not_there(name)),
        }
    }

    fn find_in<'s>(&self, all: &'s [KernelInfo], name: &str) -> Result<Option<&'s KernelInfo>> {
        if let Some(k) = all.iter().find(|k| k.name == name) {
            return Ok(Some(k));
        }
        for fits in [(|k, n| k == n) as fn(&str, &str) -> bool, |k, n| names::base_name(k) == n] {
            let found: Vec<&KernelInfo> = all.iter().filter(|k| fits(&k.source_name, name)).collect();
            match found[..] {
                [] => {}
                [one] => return Ok(Some(one)),
                _ => {
                    let all: Vec<&str> = found.iter().map(|k| k.name.as_str()).collect();
                    let what = if found[0].is_function { "functions" } else { "kernels" };
                    let d = Diagnostic::new(
                        Code::NoSuchKernel,
                        format!("`{name}` names {} {what} of `{}`", found.len(), self.file),
                    );
                    return Err(d.help(format!("give the symbol: {}", all.join(", "))).into());
                }
            }
        }
        Ok(None)
    }

    fn not_there(&self, name: &str) -> Diagnostics {
        let d = Diagnostic::new(Code::NoSuchKernel, format!("no kernel `{name}` in `{}`", self.file));
        let all = || self.kernels.iter().chain(&self.device_functions);
        let near = names::similar(name, all().map(|k| k.source_name.as_str()));
        let help = if near.is_empty() {
            let all: Vec<&str> = all().map(|k| k.source_name.as_str()).take(10).collect();
            format!("it has {}", all.join(", "))
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        d.help(help).into()
    }

    /// The same module, with derivatives of device functions.
    pub fn with_functions(mut self, functions: &Functions) -> ModuleSource {
        self.functions.extend(functions);
        self
    }

    /// One kernel, normalised. For `name` see [`ModuleSource::find`]. A device function becomes a kernel in which every
    /// thread calls it with the kernel's parameters; its result goes to the thread's element of a last parameter `result`.
    pub fn kernel(&self, name: &str) -> Result<Kernel> {
        let info = self.find(name)?;
        self.whole(info, if info.is_function { Root::Threads } else { Root::Kernel })
    }

    /// One kernel, or one device function as a function that other device code calls: its result goes through a last
    /// parameter `result`.
    pub fn callable(&self, name: &str) -> Result<Kernel> {
        let info = self.find(name)?;
        let mut k = self.whole(info, if info.is_function { Root::Body } else { Root::Kernel })?;
        k.is_function = info.is_function;
        Ok(k)
    }

    fn whole(&self, info: &KernelInfo, root: Root) -> Result<Kernel> {
        let mut k = self.without_marks(info, root)?.0;
        self.weave(&mut k, &[])?;
        Ok(k)
    }

    /// A device function as one that other code calls, and whether it returns a number (through its last parameter).
    fn function_to_mark(&self, symbol: &str) -> Result<(Kernel, bool)> {
        let (mut k, result) = self.without_marks(self.find(symbol)?, Root::Body)?;
        k.is_function = true;
        Ok((k, result != Type::Void))
    }

    fn without_marks(&self, info: &KernelInfo, root: Root) -> Result<(Kernel, Type)> {
        if self.functions.is_empty() {
            return self.root(&info.name, root, &[]);
        }
        let ctx = Context::create();
        let ir = Ir::parse(&ctx, &self.bitcode, &self.file).map_err(|e| module::malformed(&self.file, e))?;
        let known = functions::resolve(&ir, &self.file, &self.functions)?;
        let keep: Vec<String> = known.iter().map(|k| k.symbol.clone()).collect();
        let keep: Vec<String> = keep.into_iter().filter(|s| *s != info.name).collect();
        let (mut k, result) = self.root(&info.name, root, &keep)?;
        self.attach(&mut k, &known)?;
        Ok((k, result))
    }

    /// A function with all that it calls, but for the functions `keep`; and the type of its result.
    fn root(&self, symbol: &str, root: Root, keep: &[String]) -> Result<(Kernel, Type)> {
        let ctx = Context::create();
        let mut ir =
            Ir::parse(&ctx, &self.bitcode, &self.file).map_err(|e| module::malformed(&self.file, e))?;
        let gone = || Diagnostic::new(Code::Bug, "a function vanished");
        let arch = module::arch(&self.file, &ir.triple())?;
        let f = ir.function(symbol).ok_or_else(gone)?;
        let mut k = Kernel::new(symbol, module::source(&ir, arch, f, &self.file));
        k.bounds = module::bounds(&ir, f);
        refuse_recursion(&ir, symbol)?;
        if let Some(p) = module::local_param(f).filter(|_| root != Root::Kernel) {
            return Err(module::returns_through_memory(symbol, &p).into());
        }
        normalise::normalise(&mut ir, arch, symbol, root != Root::Body, keep)?;
        let f = ir.function(symbol).ok_or_else(gone)?;
        translate::translate(&ir, f, k, keep, root == Root::Threads)
    }

    /// The LLVM module of one kernel as normalised, for people who want to see it.
    pub fn normalised_text(&self, name: &str) -> Result<String> {
        let info = self.find(name)?;
        let ctx = Context::create();
        let mut ir =
            Ir::parse(&ctx, &self.bitcode, &self.file).map_err(|e| module::malformed(&self.file, e))?;
        normalise::normalise(&mut ir, info.arch, &info.name, true, &[])?;
        Ok(ir.text())
    }
}

fn refuse_recursion(ir: &Ir<'_>, kernel: &str) -> Result<()> {
    let Some((cycle, call)) = ir.recursion(kernel) else { return Ok(()) };
    let names: Vec<String> = cycle.iter().map(|n| format!("`{}`", names::source_name(n))).collect();
    let mut d = Diagnostic::new(Code::UnsupportedCall, format!("recursion of {}", names.join(" and ")));
    d.ir = Some(call.to_string());
    if let Some(at) = ir.location_of(call) {
        let l = ir.location(at);
        d.place = Some(Place {
            file: l.file,
            line: l.line,
            col: l.col,
            function: Some(l.function),
            inlined_at: Vec::new(),
        });
    }
    Err(d.help("write the recursion as a loop").into())
}
