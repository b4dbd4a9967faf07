//! Checking a gradient: the ladder of oracles on one case.

mod compare;
mod device;
mod differences;
mod engine;
mod interp;
mod oracles;
mod peer;
mod place;
mod rehearsal;
mod report;
mod spoil;
mod vectors;

pub use compare::epsilon;
pub use device::Compiled;
pub use engine::{Engine, Program, RunInfo, SplitProgram};
pub use interp::Interpreter;
pub use oracles::{ladder, primal_only, Engines, Options, Subject};
pub use place::{place, Placed};
pub use rehearsal::rehearse;
pub use report::{CheckReport, Finding, Verdict};
pub use spoil::spoil;

use crate::case::Case;
use crate::diag::Result;
use crate::grad;
use crate::interp as interpreter;
use crate::jit::Device;
use crate::kernel::Kernel;
use crate::plan::{Kept, PlanOptions};
use crate::read::{self, ModuleSource, ReadOptions};

/// Reads the module of a case. Several cases may share it.
pub fn load_module(case: &Case, options: &ReadOptions) -> Result<ModuleSource> {
    let mut options = options.clone();
    if options.compile.arch.is_none() {
        options.compile.arch.clone_from(&case.arch);
    }
    options.functions.extend(&case.functions);
    read::load_for(&case.module, &options, &case.kernel)
}

/// The kernel of a case out of its module; checks that the case fits it.
pub fn kernel_of(case: &Case, module: &ModuleSource) -> Result<Kernel> {
    let kernel = module.kernel(&case.kernel)?;
    let params =
        grad::primal_specs(&kernel, &grad::Roles::of(&vec![shadow_mem::Role::Const; kernel.params.len()]))?;
    let variables: Vec<_> =
        kernel.globals.values().filter(|g| g.external).map(|g| (g.name.as_str(), g.bytes)).collect();
    case.fits(&kernel.name, &params, &variables)?;
    Ok(kernel)
}

/// Reads the kernel of a case, and checks that the case fits it.
pub fn load_kernel(case: &Case, options: &ReadOptions) -> Result<Kernel> {
    kernel_of(case, &load_module(case, options)?)
}

/// Reads the kernel of a case and differentiates it.
pub fn subject(case: &Case, options: &ReadOptions) -> Result<Subject> {
    subject_of(case, load_kernel(case, options)?)
}

/// Differentiates the kernel of a case.
pub fn subject_of(case: &Case, primal: Kernel) -> Result<Subject> {
    let roles = case.roles();
    let reverse = grad::reverse(&primal, &roles, &Default::default())?;
    let why = |e: crate::diag::Diagnostics| {
        e.0.first().map_or(String::new(), |d| format!("{}: {}", d.code, d.message))
    };
    let forward = grad::tangent(&primal, &roles).map_err(why);
    // Some need memory again, and cannot save it.
    let kept = PlanOptions { kept: Kept::Everything, ..PlanOptions::default() };
    let split = grad::split(&primal, &roles, &PlanOptions::default())
        .or_else(|_| grad::split(&primal, &roles, &kept))
        .map_err(why);
    Ok(Subject { case: case.clone(), primal, reverse, forward, split })
}

/// Runs a function with the three interpreters and, if there is one, a device.
pub fn with_engines<T>(device: Option<&Device>, f: impl FnOnce(&Engines) -> T) -> T {
    with_limited_engines(device, Options::default().max_steps, f)
}

/// Runs a function with the three interpreters, which give up after `max_steps` instructions, and, if there is one, a device.
pub fn with_limited_engines<T>(device: Option<&Device>, max_steps: u64, f: impl FnOnce(&Engines) -> T) -> T {
    let compiled = device.map(Compiled::new);
    with_compiled(compiled.as_ref(), max_steps, f)
}

/// The same with a device as an engine, which keeps its programs. A GPU has the CPU device beside it.
pub fn with_compiled<T>(compiled: Option<&Compiled>, max_steps: u64, f: impl FnOnce(&Engines) -> T) -> T {
    let narrow = Interpreter(interpreter::Options { max_steps, ..interpreter::Options::default() });
    let sanitizer = Interpreter(interpreter::Options { max_steps, ..interpreter::Options::sanitize() });
    let wide = Interpreter(interpreter::Options { max_steps, ..interpreter::Options::wide() });
    let cpu = compiled.filter(|c| c.is_gpu()).map(|_| Compiled::new(&Device::cpu()));
    let peer = cpu.as_ref().map(|c| c as &dyn Engine);
    let device = compiled.map(|c| c as &dyn Engine).ok_or_else(|| "no device was asked for".to_string());
    f(&Engines { narrow: &narrow, sanitizer: &sanitizer, wide: &wide, device, peer })
}

/// Differentiates the kernel of a case and runs all oracles on it; without a device, those that need none.
pub fn check(
    case: &Case,
    read: &ReadOptions,
    device: Option<&Device>,
    options: &Options,
    progress: &mut dyn FnMut(&'static str),
) -> Result<CheckReport> {
    let subject = subject(case, read)?;
    let name = device.map_or("none".to_string(), |d| d.context().device().info().name);
    with_limited_engines(device, options.max_steps, |e| ladder(&subject, e, options, &name, progress))
}
