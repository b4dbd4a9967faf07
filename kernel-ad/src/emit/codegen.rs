//! From assembly text to code: parse, verify, link device libraries, optimise, generate.

use crate::diag::{Code, Diagnostic, Result};
use crate::llvm::{MachineSpec, Unit};
use inkwell::context::Context;

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Target assembly; PTX for NVPTX.
    Assembly,
    /// An object file that is not linked yet.
    Object,
    /// Optimised LLVM bitcode.
    Bitcode,
    /// Optimised LLVM assembly.
    Text,
    /// LLVM assembly as emitted, verified only.
    Plain,
}

/// How text is turned into code.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// The machine.
    pub machine: MachineSpec,
    /// Libraries to link, text or bitcode, with names for messages.
    pub libraries: Vec<(String, &'a [u8])>,
    /// Symbols that stay visible.
    pub keep: Vec<String>,
    /// Declared functions that may stay undefined (`vprintf`).
    pub external: Vec<String>,
    /// Pass pipeline, as `opt -passes=` takes it.
    pub passes: &'a str,
    /// What to make.
    pub output: Output,
}

/// Turns LLVM assembly into code.
pub fn compile(text: &str, recipe: &Recipe<'_>) -> Result<Vec<u8>> {
    let context = Context::create();
    let mut unit = Unit::parse(&context, text.as_bytes()).map_err(|e| rejected(text, &e))?;
    unit.verify().map_err(|e| rejected(text, &e))?;
    if recipe.output == Output::Plain {
        return Ok(text.as_bytes().to_vec());
    }
    let failed = |what: &str, e: String| Diagnostic::new(Code::Bug, format!("{what}: {e}"));
    let machine = recipe.machine.machine().map_err(|e| Diagnostic::new(Code::ToolMissing, e))?;
    for (name, bytes) in &recipe.libraries {
        unit.link(bytes).map_err(|e| {
            Diagnostic::new(Code::ToolFailed, format!("LLVM cannot link the device library `{name}`: {e}"))
                .help("LLVM 19 reads the bitcode of its own version and of older ones; KERNEL_AD_LIBDEVICE and KERNEL_AD_ROCM_DEVICE_LIBS name other libraries")
        })?;
    }
    unit.internalize(|name| recipe.keep.iter().any(|k| k == name));
    unit.run_passes(&machine, recipe.passes).map_err(|e| failed("LLVM's optimiser failed", e))?;
    if !recipe.libraries.is_empty() {
        unit.verify().map_err(|e| failed("LLVM's optimiser left an invalid module", e))?;
    }
    let missing: Vec<String> =
        unit.undefined().into_iter().filter(|f| !recipe.external.iter().any(|x| x == f)).collect();
    if !missing.is_empty() {
        let message = format!("functions without a definition: `{}`", missing.join("`, `"));
        return Err(Diagnostic::new(Code::NotOnTarget, message)
            .help("link the device library that defines them into the module")
            .into());
    }
    Ok(match recipe.output {
        Output::Text => unit.text().into_bytes(),
        Output::Bitcode => unit.bitcode(),
        Output::Plain => unreachable!("returned above"),
        output => unit
            .code(&machine, output == Output::Object)
            .map_err(|e| failed("LLVM's code generator failed", e))?,
    })
}

fn rejected(text: &str, message: &str) -> Diagnostic {
    let mut d = Diagnostic::new(Code::InvalidEmission, format!("LLVM rejected what was emitted: {message}"));
    // The parser's messages start with `name:line:column:`.
    let line = message.split(':').nth(1).and_then(|n| n.parse::<usize>().ok());
    if let Some(line) = line.and_then(|n| text.lines().nth(n.saturating_sub(1))) {
        d = d.ir(line.trim());
    }
    d.help("this is a bug in kernel-ad: please report it with the smallest input that shows it")
}
