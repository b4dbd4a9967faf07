//! Arguments of a launch against the manifest: put together, and checked before any device sees them.

use crate::expr::ExprError;
use crate::launch::{Arg, Extent, Launch};
use crate::manifest::{Assumption, Manifest, Mode, ParamSpec, Passing, Purpose};
use thiserror::Error;

/// A launch that does not fit the manifest of its kernel.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("kernel `{kernel}`: {problem}")]
pub struct LaunchError {
    /// The kernel's symbol.
    pub kernel: String,
    /// What does not fit.
    pub problem: LaunchProblem,
}

/// What does not fit.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum LaunchProblem {
    #[error("{want} arguments wanted, {got} given")]
    Count { want: usize, got: usize },
    #[error("argument {index} (`{name}`): {want} wanted, {got} given")]
    Kind { index: usize, name: String, want: String, got: String },
    #[error("argument {index} (`{name}`): {want} bytes wanted, {got} given")]
    Size { index: usize, name: String, want: u64, got: u64 },
    #[error("argument {index} (`{name}`): address {address:#x} is not aligned to {align} bytes")]
    Misaligned { index: usize, name: String, address: u64, align: u64 },
    #[error("argument {index} (`{name}`): the pointer is null")]
    Null { index: usize, name: String },
    #[error("argument {index} (`{name}`): the device cannot reach address {address:#x}: it is memory of the host, or was freed")]
    NotOnDevice { index: usize, name: String, address: u64 },
    #[error("argument {index} (`{name}`): it needs a shadow and has none")]
    NoShadow { index: usize, name: String },
    #[error("argument {index} (`{name}`): its shadow has {got} bytes, less than the {want} of the primal")]
    ShortShadow { index: usize, name: String, want: u64, got: u64 },
    #[error("no shadow is given for the module's variable `{0}`")]
    NoGlobalShadow(String),
    #[error("the kernel takes a tape and none is given")]
    NoTape,
    #[error("the buffers of `{a}` and `{b}` overlap, and the kernel was made for distinct ones")]
    Overlap { a: String, b: String },
    #[error("the launch is empty: grid {grid:?}, block {block:?}")]
    Empty { grid: [u32; 3], block: [u32; 3] },
    #[error("grid {grid:?} of blocks {block:?} has more threads than fit 64 bits")]
    TooManyThreads { grid: [u32; 3], block: [u32; 3] },
    #[error("{got} threads in a block, and the kernel allows {most}")]
    BlockTooLarge { most: u32, got: u128 },
    #[error("the kernel was made for one thread and one block along {axis}, and the launch has {threads} and {blocks}")]
    NotOneAlong { axis: char, threads: u32, blocks: u32 },
    #[error("the kernel was made for blocks of {want:?} threads, and the launch has {got:?}")]
    WrongBlock { want: [u32; 3], got: [u32; 3] },
    #[error("{0} bytes of dynamic shared memory, and as many for their shadow, do not fit 32 bits")]
    SharedTooLarge(u32),
    #[error("the size of the tape: {0}")]
    TapeFormula(#[from] ExprError),
}

/// A primal argument, and the shadow that goes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundArg {
    /// The primal argument.
    pub primal: Arg,
    /// Its shadow in device memory, as [`Purpose::Shadow`] says.
    pub shadow: Option<Extent>,
}

/// Everything that a launch may pass to a generated kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bindings {
    /// Arguments of the primal, in its order.
    pub args: Vec<BoundArg>,
    /// Shadows of module-level variables by name.
    pub globals: Vec<(String, Extent)>,
    /// The tape and its capacity per thread.
    pub tape: Option<(Extent, u64)>,
    /// Bytes of dynamic shared memory of the primal's launch; [`crate::run::launch`] fills it in.
    pub shared: u32,
    /// The status or count word.
    pub word: Option<Extent>,
}

impl Bindings {
    /// The arguments of a kernel, in launch order.
    pub fn arguments(&self, m: &Manifest) -> Result<Vec<Arg>, LaunchError> {
        let wanted = m.params.iter().filter_map(primal_index).max().map_or(0, |i| i + 1);
        // Kernels that go with another may do without its last parameters; these take all of the primal's.
        let all = matches!(m.mode, Mode::Primal | Mode::Forward | Mode::Reverse | Mode::Augmented);
        if wanted > self.args.len() || (all && wanted < self.args.len()) {
            return Err(m.refuse(LaunchProblem::Count { want: wanted, got: self.args.len() }));
        }
        m.params.iter().map(|p| self.argument(p).map_err(|e| m.refuse(e))).collect()
    }

    fn argument(&self, p: &ParamSpec) -> Result<Arg, LaunchProblem> {
        match &p.purpose {
            Purpose::Primal { index, .. } => Ok(self.args[*index as usize].primal.clone()),
            Purpose::Shadow { of } => match self.args[*of as usize].shadow {
                Some(s) => Ok(Arg::Pointer(s)),
                None => Err(LaunchProblem::NoShadow { index: *of as usize, name: p.name.clone() }),
            },
            Purpose::GlobalShadow { name } => match self.globals.iter().find(|(n, _)| n == name) {
                Some((_, s)) => Ok(Arg::Pointer(*s)),
                None => Err(LaunchProblem::NoGlobalShadow(name.clone())),
            },
            Purpose::DynamicSharedSize => Ok(Arg::scalar(self.shared)),
            Purpose::TapeBase => self.tape.map(|(e, _)| Arg::Pointer(e)).ok_or(LaunchProblem::NoTape),
            Purpose::TapeCapacity => self.tape.map(|(_, n)| Arg::scalar(n)).ok_or(LaunchProblem::NoTape),
            Purpose::TapeStatus | Purpose::CountResult => {
                self.word.map(Arg::Pointer).ok_or(LaunchProblem::NoTape)
            }
        }
    }

    /// The integer scalar arguments of the primal, for formulas.
    pub fn int_param(&self, index: u32) -> Option<i64> {
        self.args.get(index as usize)?.primal.as_int()
    }
}

fn primal_index(p: &ParamSpec) -> Option<usize> {
    match p.purpose {
        Purpose::Primal { index, .. } | Purpose::Shadow { of: index } => Some(index as usize),
        _ => None,
    }
}

impl Manifest {
    pub(crate) fn refuse(&self, problem: LaunchProblem) -> LaunchError {
        LaunchError { kernel: self.symbol.clone(), problem }
    }
}

/// Checks a launch against its kernel's manifest: the shape, then each argument, then what the plan assumed.
pub fn check_launch(m: &Manifest, launch: &Launch, args: &[Arg]) -> Result<(), LaunchError> {
    let check = || -> Result<(), LaunchProblem> {
        check_shape(m, launch)?;
        if args.len() != m.params.len() {
            return Err(LaunchProblem::Count { want: m.params.len(), got: args.len() });
        }
        for (index, (p, a)) in m.params.iter().zip(args).enumerate() {
            check_argument(m, index, p, a)?;
        }
        check_apart(m, args)
    };
    check().map_err(|e| m.refuse(e))
}

fn check_shape(m: &Manifest, launch: &Launch) -> Result<(), LaunchProblem> {
    let Launch { grid, block, .. } = *launch;
    if launch.blocks() == 0 || launch.threads_per_block() == 0 {
        return Err(LaunchProblem::Empty { grid, block });
    }
    if launch.threads().is_none() {
        return Err(LaunchProblem::TooManyThreads { grid, block });
    }
    if let Some(most) = m.max_threads {
        if launch.threads_per_block() > most.into() {
            return Err(LaunchProblem::BlockTooLarge { most, got: launch.threads_per_block() });
        }
    }
    for a in &m.assumptions {
        match a {
            Assumption::OneAlong { axes } => {
                for &axis in axes {
                    let i = usize::from(axis);
                    let (threads, blocks) = (block[i], grid[i]);
                    if threads != 1 || blocks != 1 {
                        return Err(LaunchProblem::NotOneAlong { axis: ['x', 'y', 'z'][i], threads, blocks });
                    }
                }
            }
            Assumption::Block { dims } if *dims != block => {
                return Err(LaunchProblem::WrongBlock { want: *dims, got: block });
            }
            Assumption::Block { .. } | Assumption::Distinct { .. } => {}
            // About the time between two launches; see `crate::run::reverse`.
            Assumption::Kept { .. } | Assumption::KeptVariable { .. } | Assumption::KeptAll => {}
        }
    }
    Ok(())
}

fn check_argument(m: &Manifest, index: usize, p: &ParamSpec, a: &Arg) -> Result<(), LaunchProblem> {
    let name = || p.name.clone();
    let kind = |want: &str, got: &str| LaunchProblem::Kind {
        index,
        name: name(),
        want: want.into(),
        got: got.into(),
    };
    let got = match a {
        Arg::Pointer(_) => "a buffer",
        Arg::Scalar(_) => "a scalar",
        Arg::Struct { .. } => "a struct",
    };
    match (&p.passing, a) {
        (Passing::Pointer { .. }, Arg::Pointer(e)) => check_pointer(m, index, p, e),
        (Passing::Scalar { .. }, Arg::Scalar(b)) | (Passing::Struct, Arg::Struct { bytes: b, .. }) => {
            let (want, got) = (p.bytes, b.len() as u64);
            (want == got).then_some(()).ok_or(LaunchProblem::Size { index, name: name(), want, got })
        }
        (Passing::Pointer { .. }, _) => Err(kind("a buffer", got)),
        (Passing::Scalar { .. }, _) => Err(kind("a scalar", got)),
        (Passing::Struct, _) => Err(kind("a struct", got)),
    }
}

fn check_pointer(m: &Manifest, index: usize, p: &ParamSpec, e: &Extent) -> Result<(), LaunchProblem> {
    // An optional buffer may be null when it is empty; what kernel-ad itself passes may not.
    let optional = matches!(p.purpose, Purpose::Primal { .. } | Purpose::Shadow { .. }) && e.bytes == 0;
    if e.address == 0 && !optional {
        return Err(LaunchProblem::Null { index, name: p.name.clone() });
    }
    let align = match p.purpose {
        Purpose::TapeBase => m.tape.as_ref().map_or(1, |t| t.align.into()),
        Purpose::TapeStatus | Purpose::CountResult => 8,
        _ => p.accumulate_only.map_or(1, |t| t.bytes() as u64),
    };
    if e.address % align.max(1) != 0 {
        return Err(LaunchProblem::Misaligned { index, name: p.name.clone(), address: e.address, align });
    }
    Ok(())
}

/// Assumed distinctness, and what every gradient relies on: shadows are as large as their primals, and neither they
/// nor the tape share memory with a primal.
fn check_apart(m: &Manifest, args: &[Arg]) -> Result<(), LaunchProblem> {
    let clash = |a: usize, b: usize| LaunchProblem::Overlap {
        a: m.params[a].name.clone(),
        b: m.params[b].name.clone(),
    };
    for a in &m.assumptions {
        if let Assumption::Distinct { a, b } = a {
            let (a, b) = (*a as usize, *b as usize);
            if overlap(&args[a], &args[b], a == b) {
                return Err(clash(a, b));
            }
        }
    }
    for (i, p) in m.params.iter().enumerate() {
        let ours = !matches!(p.purpose, Purpose::Primal { .. }) && matches!(args[i], Arg::Pointer(_));
        if !ours {
            continue;
        }
        for (j, q) in m.params.iter().enumerate().filter(|&(j, _)| j != i) {
            let two_shadows = is_shadow(p) && is_shadow(q);
            if !two_shadows && overlap(&args[i], &args[j], false) {
                return Err(clash(j, i));
            }
        }
        if let Purpose::Shadow { of } = p.purpose {
            check_shadow_length(m, args, i, of)?;
        }
    }
    Ok(())
}

/// Shadows of primals that alias may alias as well.
fn is_shadow(p: &ParamSpec) -> bool {
    matches!(p.purpose, Purpose::Shadow { .. } | Purpose::GlobalShadow { .. })
}

fn overlap(a: &Arg, b: &Arg, same: bool) -> bool {
    let (a, b) = (a.extents(), b.extents());
    a.iter().enumerate().any(|(i, x)| b.iter().enumerate().any(|(j, y)| !(same && i == j) && x.overlaps(y)))
}

fn check_shadow_length(m: &Manifest, args: &[Arg], shadow: usize, of: u32) -> Result<(), LaunchProblem> {
    let primal =
        m.params.iter().position(|q| matches!(q.purpose, Purpose::Primal { index, .. } if index == of));
    let Some(primal) = primal else { return Ok(()) };
    let want = match &args[primal] {
        Arg::Pointer(e) => e.bytes,
        Arg::Scalar(b) | Arg::Struct { bytes: b, .. } => b.len() as u64,
    };
    let got: u64 = args[shadow].extents().iter().map(|e| e.bytes).sum();
    if got < want {
        return Err(LaunchProblem::ShortShadow {
            index: primal,
            name: m.params[primal].name.clone(),
            want,
            got,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
