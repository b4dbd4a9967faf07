//! Building half: assembly text becomes a module, is linked, optimised and turned into code.

use inkwell::attributes::AttributeLoc;
use inkwell::context::{AsContextRef, Context};
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::{Linkage, Module};
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::{
    CodeModel, FileType, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple,
};
use inkwell::OptimizationLevel;
use llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription, LLVMGetDiagInfoSeverity,
};
use llvm_sys::prelude::LLVMDiagnosticInfoRef;
use llvm_sys::LLVMDiagnosticSeverity;
use std::ffi::{c_void, CStr};
use std::sync::{Mutex, Once, PoisonError};

/// What LLVM reported as errors while a [`Unit`] was worked on.
type Errors = Mutex<Vec<String>>;

extern "C" fn collect(info: LLVMDiagnosticInfoRef, errors: *mut c_void) {
    // SAFETY: LLVM gives a live diagnostic; its description is ours to free; `errors` is the `Errors` that the `Unit` which
    // installed this handler keeps alive for as long as it is installed.
    unsafe {
        if LLVMGetDiagInfoSeverity(info) as u32 != LLVMDiagnosticSeverity::LLVMDSError as u32 {
            return;
        }
        let text = LLVMGetDiagInfoDescription(info);
        let message = CStr::from_ptr(text).to_string_lossy().into_owned();
        LLVMDisposeMessage(text);
        (*errors.cast::<Errors>()).lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}

extern "C" fn swallow(_: LLVMDiagnosticInfoRef, _: *mut c_void) {}

/// What code is generated for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MachineSpec {
    /// LLVM triple.
    pub triple: String,
    /// Processor. LLVM only warns about names it does not know, so they must be checked before.
    pub cpu: String,
    /// Features, `+a,-b`.
    pub features: String,
    /// Position-independent code.
    pub pic: bool,
}

impl MachineSpec {
    /// The machine, or what LLVM said.
    pub fn machine(&self) -> Result<TargetMachine, String> {
        static TARGETS: Once = Once::new();
        TARGETS.call_once(|| {
            let config = InitializationConfig::default();
            Target::initialize_x86(&config);
            Target::initialize_nvptx(&config);
            Target::initialize_amd_gpu(&config);
        });
        let triple = TargetTriple::create(&self.triple);
        let target = Target::from_triple(&triple).map_err(|e| e.to_string_lossy().into_owned())?;
        let reloc = if self.pic { RelocMode::PIC } else { RelocMode::Default };
        target
            .create_target_machine(
                &triple,
                &self.cpu,
                &self.features,
                OptimizationLevel::Aggressive,
                reloc,
                CodeModel::Default,
            )
            .ok_or_else(|| format!("LLVM has no target machine for `{}`, `{}`", self.triple, self.cpu))
    }
}

/// A module on its way from text to code.
pub struct Unit<'c> {
    module: Module<'c>,
    ctx: &'c Context,
    errors: Box<Errors>,
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        // SAFETY: the context outlives the unit; the new handler needs no data, so none can dangle.
        unsafe { LLVMContextSetDiagnosticHandler(self.ctx.as_ctx_ref(), Some(swallow), std::ptr::null_mut()) }
    }
}

impl<'c> Unit<'c> {
    /// Parses assembly text or bitcode.
    pub fn parse(ctx: &'c Context, bytes: &[u8]) -> Result<Self, String> {
        let buffer = MemoryBuffer::create_from_memory_range_copy(bytes, "emitted");
        let errors = Box::new(Errors::default());
        install(ctx, &errors);
        match ctx.create_module_from_ir(buffer) {
            Ok(module) => Ok(Unit { module, ctx, errors }),
            Err(e) => {
                // SAFETY: as in `drop`.
                unsafe {
                    LLVMContextSetDiagnosticHandler(ctx.as_ctx_ref(), Some(swallow), std::ptr::null_mut())
                }
                Err(e.to_string_lossy().into_owned())
            }
        }
    }

    /// LLVM's verifier.
    pub fn verify(&self) -> Result<(), String> {
        self.module.verify().map_err(|e| e.to_string_lossy().into_owned())
    }

    /// Links a library, text or bitcode, into this module. Its triple and layout are taken to be those of this module. Intrinsics
    /// that this LLVM does not know (`llvm.x`) become functions `kad.x`.
    pub fn link(&mut self, library: &[u8]) -> Result<(), String> {
        let buffer = MemoryBuffer::create_from_memory_range_copy(library, "library");
        let other = self.ctx.create_module_from_ir(buffer).map_err(|e| e.to_string_lossy().into_owned())?;
        other.set_triple(&self.module.get_triple());
        other.set_data_layout(&self.module.get_data_layout());
        // Functions of device libraries are compiled for some processor; they are to follow the kernel's.
        for f in other.get_functions() {
            for name in ["target-cpu", "target-features"] {
                f.remove_string_attribute(AttributeLoc::Function, name);
            }
        }
        // Intrinsics of a later LLVM: plain functions to this one, which may not be defined under their own names.
        for f in other.get_functions().filter(|f| f.count_basic_blocks() == 0 && f.get_intrinsic_id() == 0) {
            if let Some(rest) = f.get_name().to_string_lossy().strip_prefix("llvm.") {
                f.as_global_value().set_name(&format!("kad.{rest}"));
            }
        }
        let result = self.module.link_in_module(other);
        // `link_in_module` leaves a handler behind whose data is gone.
        install(self.ctx, &self.errors);
        result.map_err(|e| e.to_string_lossy().into_owned())
    }

    /// Makes every definition internal but those that `keep` says.
    pub fn internalize(&mut self, keep: impl Fn(&str) -> bool) {
        for f in self.module.get_functions() {
            if f.count_basic_blocks() > 0 && !keep(&f.get_name().to_string_lossy()) {
                f.set_linkage(Linkage::Internal);
            }
        }
    }

    /// Names of functions that are declared and no intrinsics; a name that LLVM only looks like having (`llvm.x`) is one of them.
    pub fn undefined(&self) -> Vec<String> {
        self.module
            .get_functions()
            .filter(|f| f.count_basic_blocks() == 0 && f.get_intrinsic_id() == 0)
            .map(|f| f.get_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Runs a textual pass pipeline.
    pub fn run_passes(&mut self, machine: &TargetMachine, passes: &str) -> Result<(), String> {
        let options = PassBuilderOptions::create();
        options.set_verify_each(false);
        options.set_loop_vectorization(true);
        options.set_loop_interleaving(true);
        options.set_loop_slp_vectorization(true);
        options.set_loop_unrolling(true);
        self.module.run_passes(passes, machine, options).map_err(|e| e.to_string_lossy().into_owned())?;
        self.reported()
    }

    /// Assembly (`object` false) or an object file. Code generation changes the module: emit last.
    pub fn code(self, machine: &TargetMachine, object: bool) -> Result<Vec<u8>, String> {
        let kind = if object { FileType::Object } else { FileType::Assembly };
        let out = machine
            .write_to_memory_buffer(&self.module, kind)
            .map_err(|e| e.to_string_lossy().into_owned())?;
        self.reported()?;
        Ok(out.as_slice().to_vec())
    }

    /// The module as text.
    pub fn text(&self) -> String {
        self.module.print_to_string().to_string_lossy().into_owned()
    }

    /// The module as bitcode.
    pub fn bitcode(&self) -> Vec<u8> {
        self.module.write_bitcode_to_memory().as_slice().to_vec()
    }

    fn reported(&self) -> Result<(), String> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.is_empty() {
            return Ok(());
        }
        Err(errors.join("\n"))
    }
}

fn install(ctx: &Context, errors: &Errors) {
    let data = std::ptr::from_ref(errors).cast_mut().cast::<c_void>();
    // SAFETY: the context is alive; `errors` is boxed in the unit, which takes the handler away when it goes.
    unsafe { LLVMContextSetDiagnosticHandler(ctx.as_ctx_ref(), Some(collect), data) }
}

/// Layout of a target's data, as LLVM's assembly writes it.
pub fn data_layout(machine: &TargetMachine) -> String {
    machine.get_target_data().get_data_layout().as_str().to_string_lossy().into_owned()
}

/// Name and features of this machine's processor.
pub fn host_cpu() -> (String, String) {
    (
        TargetMachine::get_host_cpu_name().to_string_lossy().into_owned(),
        TargetMachine::get_host_cpu_features().to_string_lossy().into_owned(),
    )
}

/// Triple of this machine.
pub fn host_triple() -> String {
    TargetMachine::get_default_triple().as_str().to_string_lossy().into_owned()
}
