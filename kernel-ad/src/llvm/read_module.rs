//! A module with its context: parsing, verifying, linking, passes.

use super::read::Val;
use inkwell::context::{AsContextRef, Context};
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::TargetMachine;
use llvm_sys::core::*;
use llvm_sys::debuginfo::*;
use llvm_sys::prelude::*;
use std::ffi::{c_void, CStr, CString};
use std::sync::Once;

/// LLVM prints errors and ends the process unless a context has a handler; this one swallows them. Functions that can
/// fail give their message back by themselves.
extern "C" fn swallow(_: LLVMDiagnosticInfoRef, _: *mut c_void) {}

/// Installs the diagnostic handler on a context. To be called for each new context, before it is used.
pub fn guard(ctx: &Context) {
    // SAFETY: the context is alive, and the handler touches neither argument.
    unsafe { LLVMContextSetDiagnosticHandler(ctx.as_ctx_ref(), Some(swallow), std::ptr::null_mut()) }
}

/// When debug information needs an upgrade, LLVM verifies the module while it parses it, and ends the process when that
/// fails; so the upgrade is switched off, and debug information of another version is dropped instead.
fn never_abort_on_debug_info() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let args = [c"kernel-ad".as_ptr(), c"-disable-auto-upgrade-debug-info".as_ptr()];
        // SAFETY: two strings that end with NUL; the option exists in LLVM 19, which is what this is linked against.
        unsafe { llvm_sys::support::LLVMParseCommandLineOptions(2, args.as_ptr(), std::ptr::null()) }
    });
}

/// Why LLVM rejected a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// LLVM's message, without position.
    pub message: String,
    /// Line and column, from 1, when LLVM knows them.
    pub at: Option<(u32, u32)>,
    /// The line of the text that it is about.
    pub line: Option<String>,
}

impl ParseError {
    /// Takes `name:line:col: error: message\n<line>\n   ^` apart.
    fn new(name: &str, text: &str) -> Self {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or("").to_string();
        let rest = first.strip_prefix(name).and_then(|r| r.strip_prefix(':')).unwrap_or(&first);
        let mut parts = rest.splitn(3, ':');
        let at = match (parts.next().map(str::parse), parts.next().map(str::parse)) {
            (Some(Ok(l)), Some(Ok(c))) => Some((l, c)),
            _ => None,
        };
        let tail = if at.is_some() { parts.next().unwrap_or("") } else { rest };
        let message = tail.trim().trim_start_matches("error: ").to_string();
        ParseError {
            message,
            at,
            line: lines.next().map(|l| l.trim_end().to_string()).filter(|l| !l.is_empty()),
        }
    }
}

/// A module, and the only way to it.
pub struct Ir<'c> {
    pub(super) module: Module<'c>,
    pub(super) ctx: &'c Context,
}

impl<'c> Ir<'c> {
    /// Parses text or bitcode, told apart by content. The module is not verified yet.
    pub fn parse(ctx: &'c Context, bytes: &[u8], name: &str) -> Result<Self, ParseError> {
        never_abort_on_debug_info();
        guard(ctx);
        // A name with a NUL cannot be told to LLVM.
        let name = name.replace('\0', "?");
        let buffer = MemoryBuffer::create_from_memory_range_copy(bytes, &name);
        match ctx.create_module_from_ir(buffer) {
            Ok(module) => {
                let m = module.as_mut_ptr();
                // SAFETY: the module is alive.
                unsafe {
                    if LLVMGetModuleDebugMetadataVersion(m) != LLVMDebugMetadataVersion() {
                        LLVMStripModuleDebugInfo(m);
                    }
                }
                Ok(Ir { module, ctx })
            }
            Err(e) => Err(ParseError::new(&name, &e.to_string_lossy())),
        }
    }

    /// LLVM's verifier; the message can have several lines.
    pub fn verify(&self) -> Result<(), String> {
        self.module.verify().map_err(|e| e.to_string_lossy().into_owned())
    }

    /// The module as bitcode.
    pub fn bitcode(&self) -> Vec<u8> {
        self.module.write_bitcode_to_memory().as_slice().to_vec()
    }

    /// The module as text.
    pub fn text(&self) -> String {
        self.module.print_to_string().to_string_lossy().into_owned()
    }

    /// Target triple.
    pub fn triple(&self) -> String {
        self.module.get_triple().as_str().to_string_lossy().into_owned()
    }

    /// Data layout.
    pub fn data_layout(&self) -> String {
        // SAFETY: the module is alive; LLVM owns the string, which is copied at once.
        unsafe { text(LLVMGetDataLayoutStr(self.raw())) }
    }

    /// Sets the data layout of a module that has none.
    pub fn set_data_layout(&mut self, layout: &str) {
        let Ok(layout) = CString::new(layout) else { return };
        // SAFETY: the module is alive, the string ends with NUL.
        unsafe { LLVMSetDataLayout(self.raw(), layout.as_ptr()) }
    }

    /// Module-level inline assembly; empty for nearly all modules.
    pub fn inline_asm(&self) -> String {
        let mut len = 0;
        // SAFETY: the module is alive; pointer and length describe memory of LLVM's that is copied at once.
        unsafe { bytes_text(LLVMGetModuleInlineAsm(self.raw(), &mut len), len) }
    }

    /// Runs a textual pass pipeline, as `opt -passes=` takes it.
    pub fn run_passes(&mut self, machine: &TargetMachine, passes: &str) -> Result<(), String> {
        let options = PassBuilderOptions::create();
        options.set_verify_each(false);
        let done = self.module.run_passes(passes, machine, options);
        guard(self.ctx);
        done.map_err(|e| e.to_string_lossy().into_owned())
    }

    /// Links the definitions of a textual module into this one.
    pub fn link_text(&mut self, source: &str) -> Result<(), String> {
        let other = Ir::parse(self.ctx, source.as_bytes(), "linked").map_err(|e| e.message)?;
        let result = self.module.link_in_module(other.module);
        guard(self.ctx);
        result.map_err(|e| e.to_string_lossy().into_owned())
    }

    /// Functions, defined and declared, in order.
    pub fn functions(&self) -> impl Iterator<Item = Val<'_>> {
        // SAFETY: the module is alive for the borrow; LLVM ends the list with null.
        let first = unsafe { LLVMGetFirstFunction(self.raw()) };
        // SAFETY: `v` is a function of the module.
        std::iter::successors(Val::wrap(first), |v| Val::wrap(unsafe { LLVMGetNextFunction(v.raw()) }))
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<Val<'_>> {
        let name = CString::new(name).ok()?;
        // SAFETY: the module is alive, the name ends with NUL; null when there is none.
        Val::wrap(unsafe { LLVMGetNamedFunction(self.raw(), name.as_ptr()) })
    }

    pub(super) fn raw(&self) -> LLVMModuleRef {
        self.module.as_mut_ptr()
    }
}

/// Copies a C string of LLVM's.
///
/// # Safety
/// `p` is null or a NUL-terminated string.
pub(super) unsafe fn text(p: *const std::ffi::c_char) -> String {
    if p.is_null() {
        return String::new();
    }
    // SAFETY: by contract.
    unsafe { CStr::from_ptr(p) }.to_string_lossy().into_owned()
}

/// Copies a string of LLVM's that the caller must free.
///
/// # Safety
/// `p` is null or a NUL-terminated message made by LLVM, not used afterwards.
pub(super) unsafe fn owned_text(p: *mut std::ffi::c_char) -> String {
    // SAFETY: by contract.
    unsafe {
        let s = text(p);
        if !p.is_null() {
            LLVMDisposeMessage(p);
        }
        s
    }
}

/// Copies `len` bytes of LLVM's as text.
///
/// # Safety
/// `p` is null or points to `len` bytes.
pub(super) unsafe fn bytes_text(p: *const std::ffi::c_char, len: usize) -> String {
    if p.is_null() || len == 0 {
        return String::new();
    }
    // SAFETY: by contract.
    String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(p.cast::<u8>(), len) }).into_owned()
}
