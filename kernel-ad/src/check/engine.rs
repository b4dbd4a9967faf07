//! Who can run a kernel on the memory of a case.

use crate::case::{Case, Image};
use crate::diag::Result;
use crate::grad::{inline, primal_specs, Gradient, Roles, SplitGradient};
use crate::kernel::Kernel;
use shadow_mem::ParamSpec;

/// A kernel with what its parameters are for: a primal or a gradient.
#[derive(Clone, Debug)]
pub struct Program {
    /// The kernel.
    pub kernel: Kernel,
    /// One entry for each of its parameters.
    pub params: Vec<ParamSpec>,
    /// The gradient that it was made from; `None` for a primal.
    pub gradient: Option<Gradient>,
}

impl Program {
    /// The primal.
    pub fn primal(kernel: &Kernel, roles: &Roles) -> Result<Program> {
        let params = primal_specs(kernel, roles)?;
        Ok(Program { kernel: inline::expanded(kernel).into_owned(), params, gradient: None })
    }

    /// A gradient.
    pub fn gradient(g: &Gradient) -> Program {
        Program { kernel: g.kernel.clone(), params: g.params.clone(), gradient: Some(g.clone()) }
    }
}

/// The augmented and the reverse kernel of one split gradient.
#[derive(Clone, Debug)]
pub struct SplitProgram {
    /// Writes the tape.
    pub augmented: Program,
    /// Reads it.
    pub reverse: Program,
    /// What both were made from.
    pub gradient: SplitGradient,
}

impl SplitProgram {
    /// A split gradient.
    pub fn new(s: &SplitGradient) -> SplitProgram {
        SplitProgram {
            augmented: Program::gradient(&s.augmented),
            reverse: Program::gradient(&s.reverse),
            gradient: s.clone(),
        }
    }
}

/// What a run took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RunInfo {
    /// Instructions executed, where they are counted.
    pub steps: u64,
    /// Tape, in bytes per thread.
    pub tape_per_thread: u64,
}

/// Runs programs.
pub trait Engine {
    /// Runs a program with the launch of a case on `image`, which holds the contents before and gets those after.
    fn run(&self, program: &Program, case: &Case, image: &mut Image) -> Result<RunInfo>;

    /// The same; also says, if it can, how far rounding in the kernel's own formats may have moved every float.
    fn run_measured(
        &self,
        program: &Program,
        case: &Case,
        image: &mut Image,
    ) -> Result<(RunInfo, Option<Image>)> {
        self.run(program, case, image).map(|info| (info, None))
    }

    /// Runs both kernels of a split gradient, the tape between them. `meanwhile` changes the contents of buffers and variables between
    /// the two launches; `image` gets the contents that the augmented launch left, and the shadows that the reverse launch left.
    fn run_split(
        &self,
        program: &SplitProgram,
        case: &Case,
        image: &mut Image,
        meanwhile: &dyn Fn(&mut Image),
    ) -> Result<RunInfo>;
}
