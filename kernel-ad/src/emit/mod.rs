//! Kernel IR to code: LLVM assembly, LLVM's optimiser, then PTX, HSACO or a host shared object, with a manifest.

pub mod codegen;
pub mod gpu;
pub mod host;
pub mod isa;
pub mod link;
pub mod lower;
pub mod manifest;
pub mod places;
pub mod ptxas;
pub mod tape;
pub mod target;
pub mod text;

pub use target::Target;

use crate::diag::{Code, Diagnostic, Result};
use crate::grad::{inline, Gradient, SplitGradient};
use crate::kernel::{verify, Arch, Kernel};
use codegen::{compile, Output};
use gpu::Libraries;
use shadow_mem::{Form, Manifest, TapeLayout};

/// Form of an artifact.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// Assembly of the target; PTX for NVPTX, which the driver compiles.
    Asm,
    /// Machine code that a driver or `dlopen` loads: cubin (made by ptxas), HSACO, a host shared object.
    Obj,
    /// LLVM bitcode, optimised.
    Bc,
    /// LLVM assembly, optimised.
    Llvm,
}

/// What is emitted.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A kernel as it is.
    Primal(&'a Kernel),
    /// A gradient, with its counting kernel if it has one.
    Gradient(&'a Gradient),
    /// An augmented and a reverse kernel, with the counting kernel if there is one.
    Split(&'a SplitGradient),
}

impl<'a> From<&'a Kernel> for Subject<'a> {
    fn from(k: &'a Kernel) -> Self {
        Subject::Primal(k)
    }
}

impl<'a> From<&'a Gradient> for Subject<'a> {
    fn from(g: &'a Gradient) -> Self {
        Subject::Gradient(g)
    }
}

impl<'a> From<&'a SplitGradient> for Subject<'a> {
    fn from(s: &'a SplitGradient) -> Self {
        Subject::Split(s)
    }
}

impl<'a> Subject<'a> {
    /// The kernels: the one asked for first, then the one that counts its tape, then the reverse kernel that reads it.
    pub fn kernels(&self) -> Vec<&'a Kernel> {
        match self {
            Subject::Primal(k) => vec![k],
            Subject::Gradient(g) => g.kernels(),
            Subject::Split(s) => [s.augmented.kernels(), s.reverse.kernels()].concat(),
        }
    }
}

/// Code with its manifest: all that a launcher needs.
#[derive(Clone, PartialEq, Debug)]
pub struct Artifact {
    /// The code.
    pub bytes: Vec<u8>,
    /// Its form.
    pub format: Format,
    /// The kernel that was asked for; those of the others are inside.
    pub manifest: Manifest,
}

/// The form in which a target's driver takes code.
pub fn loadable(target: &Target) -> Format {
    match target {
        Target::Nvptx(_) => Format::Asm,
        Target::Amdgpu(_) | Target::Host(_) => Format::Obj,
    }
}

/// Emits a kernel or a gradient for a target.
pub fn emit<'a>(subject: impl Into<Subject<'a>>, target: &Target, format: Format) -> Result<Artifact> {
    emit_with(subject, target, format, Libraries::installed())
}

/// As [`emit`], with device libraries of the caller's choice.
pub fn emit_with<'a>(
    subject: impl Into<Subject<'a>>,
    target: &Target,
    format: Format,
    libraries: &Libraries,
) -> Result<Artifact> {
    let expanded;
    let subject = match subject.into() {
        Subject::Primal(k) => {
            expanded = inline::expanded(k);
            Subject::Primal(&expanded)
        }
        gradient => gradient,
    };
    let kernels = subject.kernels();
    for k in &kernels {
        verify(k)?;
        check_architecture(k, target)?;
        if k.is_function && matches!(target, Target::Host(_)) {
            let d = Diagnostic::new(
                Code::NotOnTarget,
                format!("`{}` is a device function, not a kernel", k.name),
            );
            return Err(d
                .because("the CPU device runs kernels")
                .help("`kernel-ad run` and `check` run it in a kernel of its own")
                .into());
        }
    }
    let layout = match (target, &subject) {
        (Target::Host(_), Subject::Gradient(g)) => host::tape_layout(g.mode),
        (Target::Host(_), Subject::Split(s)) => host::tape_layout(s.augmented.mode),
        _ => TapeLayout::Interleaved,
    };
    let manifest = manifest::manifest(&subject, target, form(target, format), layout)?;
    let bytes = match target {
        Target::Nvptx(cpu) => {
            let mut module = gpu::nvptx(&kernels, cpu, libraries)?;
            module.recipe.output = match format {
                Format::Obj => Output::Assembly,
                _ => output(format),
            };
            let code = compile(&module.text, &module.recipe)?;
            match format {
                Format::Obj => ptxas::cubin(&code, cpu, kernels.iter().any(|k| k.is_function))?,
                _ => code,
            }
        }
        Target::Amdgpu(cpu) => {
            let mut module = gpu::amdgpu(&kernels, cpu, libraries)?;
            module.recipe.output = output(format);
            let code = compile(&module.text, &module.recipe)?;
            match format {
                Format::Obj => link::shared_object(&code, &[])?,
                _ => code,
            }
        }
        Target::Host(cpu) => host::emit(&kernels, &manifest, cpu, format)?,
    };
    Ok(Artifact { bytes, format, manifest })
}

/// What the manifest says of the code.
fn form(target: &Target, format: Format) -> Form {
    match (format, target) {
        (Format::Asm, Target::Nvptx(_)) => Form::Ptx,
        (Format::Asm, _) => Form::Assembly,
        (Format::Obj, Target::Nvptx(_)) => Form::Cubin,
        (Format::Obj, Target::Amdgpu(_)) => Form::Hsaco,
        (Format::Obj, Target::Host(_)) => Form::SharedObject,
        (Format::Bc, _) => Form::Bitcode,
        (Format::Llvm, _) => Form::Llvm,
    }
}

fn output(format: Format) -> Output {
    match format {
        Format::Asm => Output::Assembly,
        Format::Obj => Output::Object,
        Format::Bc => Output::Bitcode,
        Format::Llvm => Output::Text,
    }
}

fn check_architecture(k: &Kernel, target: &Target) -> Result<()> {
    match target.arch() {
        Some(arch) if arch != k.source.arch => {
            let name = |a: Arch| if a == Arch::Nvptx { "NVIDIA" } else { "AMD" };
            let message = format!(
                "`{}` was compiled for {} devices and cannot become code for `{target}`",
                k.name,
                name(k.source.arch)
            );
            Err(Diagnostic::new(Code::NotOnTarget, message)
                .because("thread coordinates, address spaces and warp operations differ")
                .help(format!("compile the source for {}, or choose `host`", name(arch)))
                .into())
        }
        _ => Ok(()),
    }
}
