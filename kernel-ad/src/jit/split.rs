//! Two launches with a tape between them: augmented primal, then reverse sweep.

use super::errors;
use crate::diag::Result;
use gpu_runtime::{Program, Tape};
use shadow_mem::{Bindings, BoundArg, Launch, Manifest, RunReport};

/// Augmented and reverse kernel on a device.
///
/// ```
/// use kernel_ad::jit::{args, Device, Kernel, Launch, Role::*};
///
/// # fn main() -> kernel_ad::diag::Result<()> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/ll/scale.ll");
/// let kernel = Kernel::load(file, "scale")?; // scale(double *x, double a, int n): x[i] = x[i] sqrt(x[i] a) + a
/// let device = Device::cpu();
/// let gradient = device.compile_split(&kernel.split(&[Dup, Active, Const])?)?;
///
/// let (x, a) = (device.pair(&[2.0f64, 8.0])?, device.active(2.0f64)?);
/// let shape = Launch::new(1, 32);
/// // Safety: the kernel reads and writes `n` elements of `x`, and it has them.
/// let tape = unsafe { gradient.forward(shape, args![&x, &a, 2i32])? };
/// assert_eq!(x.read()?, [6.0, 34.0]);
/// x.seed(&[1.0, 10.0])?;
/// unsafe { gradient.reverse(&tape, args![&x, &a, 2i32])? };
/// assert_eq!(x.shadow()?, [3.0, 60.0]); // 3/2 sqrt(x[i] a), by the seeds
/// # Ok(())
/// # }
/// ```
///
/// Between the two launches the buffers may change, but for those that [`crate::plan::PlanOptions::kept`] named. Several tapes may be
/// held at a time: a simulation of n steps is n augmented launches and then n reverse launches, backwards.
#[derive(Clone, Debug)]
pub struct LoadedSplit {
    pub(super) program: Program,
}

impl LoadedSplit {
    /// Manifest of the augmented kernel; that of the reverse kernel is inside.
    pub fn manifest(&self) -> &Manifest {
        self.program.manifest()
    }

    /// What it stands on.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Launches the augmented kernel with the arguments of the primal and waits: afterwards memory is as the primal leaves it. Shadows
    /// are not touched. The tape holds its memory until it is dropped.
    ///
    /// # Safety
    /// As [`super::Loaded::launch`].
    pub unsafe fn forward(&self, shape: Launch, args: impl Into<Vec<BoundArg>>) -> Result<Tape> {
        let bindings = Bindings::from(args.into());
        // SAFETY: as promised by the caller.
        Ok(unsafe { self.forward_with(shape, &bindings)? }.0)
    }

    /// The same with shadows of module-level variables; says what the launch took.
    ///
    /// # Safety
    /// As [`super::Loaded::launch`].
    pub unsafe fn forward_with(&self, shape: Launch, bindings: &Bindings) -> Result<(Tape, RunReport)> {
        // SAFETY: as promised by the caller.
        unsafe { self.program.augment(&shape, bindings) }.map_err(errors::run)
    }

    /// Launches the reverse kernel on a tape and waits: it adds into the shadows of what the primal read, and takes the adjoints of what
    /// the primal overwrote. A tape may be read more than once.
    ///
    /// # Errors
    /// `KAD0013` for a tape of another program or of other arguments.
    ///
    /// # Safety
    /// As [`super::Loaded::launch`]; and buffers that were declared as kept have the contents that the augmented launch found.
    pub unsafe fn reverse(&self, tape: &Tape, args: impl Into<Vec<BoundArg>>) -> Result<RunReport> {
        let bindings = Bindings::from(args.into());
        // SAFETY: as promised by the caller.
        unsafe { self.reverse_with(tape, &bindings) }
    }

    /// The same with shadows of module-level variables.
    ///
    /// # Safety
    /// As [`LoadedSplit::reverse`].
    pub unsafe fn reverse_with(&self, tape: &Tape, bindings: &Bindings) -> Result<RunReport> {
        // SAFETY: as promised by the caller.
        unsafe { self.program.reverse(tape, bindings) }.map_err(errors::run)
    }
}
