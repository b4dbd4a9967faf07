//! Builds gradient kernels. Decides nothing: facts and plan did.
//!
//! A [`Gradient`] is a [`Kernel`] again, together with what a launcher must know. New parameters stand behind the primal
//! ones: shadows in the order of their primal parameters, shadows of module-level variables, the size of dynamic
//! shared memory, then the tape's three.

mod calls;
pub mod clean;
pub mod inline;
mod order;
mod params;
mod pointers;
mod prepare;
pub mod reverse;
mod roles;
pub mod shadow;
mod shared;
mod tangent;

pub use params::{primal_specs, ShadowParams};
pub use reverse::{reverse, reverse_for_caller, split};
pub use roles::{FieldRole, RoleSpec, Roles};
pub use tangent::tangent;

use crate::kernel::Kernel;
use shadow_mem::{Assumption, Expr, Mode, ParamSpec, Stats};

/// A generated kernel that computes a derivative of another.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// The kernel.
    pub kernel: Kernel,
    /// Name of the primal kernel.
    pub primal: String,
    /// What it computes.
    pub mode: Mode,
    /// One entry for each parameter of `kernel`, in order.
    pub params: Vec<ParamSpec>,
    /// The tape in global memory, if the kernel has one (then `kernel.tape` is set too).
    pub tape: Option<TapeNeed>,
    /// The kernel that counts tape bytes, when there is no formula for them.
    pub counter: Option<Box<Gradient>>,
    /// What the plan relied on; the launcher checks it.
    pub assumptions: Vec<Assumption>,
    /// Figures for people.
    pub stats: Stats,
}

impl Gradient {
    /// The kernel, and the one that counts its tape if there is one.
    pub fn kernels(&self) -> Vec<&Kernel> {
        let counter = self.counter.iter().flat_map(|c| c.kernels());
        std::iter::once(&self.kernel).chain(counter).collect()
    }
}

/// Reverse mode in two kernels with the tape between them.
#[derive(Clone, Debug)]
pub struct SplitGradient {
    /// The primal that also writes the tape.
    pub augmented: Gradient,
    /// The kernel that reads the tape and adds adjoints into shadows.
    pub reverse: Gradient,
}

/// How much tape a gradient kernel needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapeNeed {
    /// Bytes per thread as a formula over the launch; `None` when only the counting kernel can tell.
    pub bytes_per_thread: Option<Expr>,
    /// Alignment of a thread's part, in bytes.
    pub align: u32,
    /// As [`shadow_mem::TapeSpec::varies`].
    pub varies: bool,
}
