//! Loading with as new a PTX as the driver takes.
//!
//! The driver's version says which PTX it should take ([`Target::for_device`]). Where its compiler refuses that all the same (a driver with a
//! library of another version beside it, as in containers), the kernel is emitted again in an older one, since the source is at hand.

use super::{errors, Compile, Device, Loaded};
use crate::diag::{Diagnostics, Result};
use crate::emit::isa::Isa;
use crate::emit::Target;
use gpu_runtime::driver::Rejection;
use gpu_runtime::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The version that a device's driver turned out to take, once it refused the one that its own version promises.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted(Arc<Mutex<Option<Isa>>>);

impl Accepted {
    fn get(&self) -> MutexGuard<'_, Option<Isa>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target in that version.
    pub(super) fn applied(&self, target: Target) -> Target {
        match (target, *self.get()) {
            (Target::Nvptx(cpu), Some(isa)) if isa < cpu.isa => Target::Nvptx(cpu.in_isa(isa)),
            (target, _) => target,
        }
    }
}

/// Emits for a device and loads, with older PTX if need be.
pub(super) fn load(device: &Device, what: &impl Compile) -> Result<Loaded> {
    let mut target = device.target()?;
    let mut refused: Option<(Error, Vec<String>)> = None;
    loop {
        let artifact = what.artifact(&target)?;
        let e = match device.context.load(&artifact.bytes, &artifact.manifest) {
            Ok(program) => {
                if let (Some(_), Target::Nvptx(cpu)) = (&refused, &target) {
                    *device.accepted.get() = Some(cpu.isa);
                }
                return Ok(Loaded { program });
            }
            Err(e) => e,
        };
        let older = older(&target, &e);
        let (_, tried) = refused.get_or_insert((e, Vec::new()));
        let Some(older) = older else { break };
        tracing::info!("the driver does not take `{target}`, trying `{older}`");
        tried.push(older.to_string());
        target = older;
    }
    // The first answer is about what should have been taken.
    let (e, tried) = refused.expect("the loop ends with an error");
    let mut diagnostics: Diagnostics = errors::device(e);
    if !tried.is_empty() {
        diagnostics.0[0].because.push(format!("it was not taken as {} either", tried.join(", ")));
    }
    Err(diagnostics)
}

/// What to try when the driver's compiler refused a target; `None` when nothing else can help.
fn older(target: &Target, e: &Error) -> Option<Target> {
    let (Target::Nvptx(cpu), Error::Rejected { error, why }) = (target, e) else { return None };
    let isa = match (why, named(&error.text)) {
        (Rejection::Other, _) => None,
        (_, Some(isa)) => Some(isa),
        (Rejection::NewerLanguage, None) => cpu.isa.previous(),
        (Rejection::Invalid, None) => Some(cpu.oldest_isa()),
    };
    isa.filter(|isa| *isa < cpu.isa).map(|isa| Target::Nvptx(cpu.in_isa(isa)))
}

/// The version that the log of the driver's compiler gives as its own: "Unsupported .version 8.5; current version is '8.2'".
fn named(log: &str) -> Option<Isa> {
    let version = log.split("current version is").nth(1)?;
    Isa::at_most(version.trim_start().trim_start_matches('\'').split('\'').next()?)
}
