//! Errors of devices and launches as diagnostics.

use crate::diag::{Code, Diagnostic, Diagnostics, Place};
use gpu_runtime::driver::Rejection;
use gpu_runtime::Error;
use shadow_mem::{LaunchError, LaunchProblem, MemoryError, RunError, TapeError};

impl From<MemoryError> for Diagnostics {
    fn from(e: MemoryError) -> Diagnostics {
        let code = match &e {
            MemoryError::OutOfMemory { .. } => Code::OutOfMemory,
            MemoryError::OutOfBounds { .. } | MemoryError::Length { .. } => Code::BadArgument,
            MemoryError::Failed { .. } => Code::DeviceFailed,
        };
        Diagnostic::new(code, e.to_string()).into()
    }
}

/// A failure of a device.
pub fn device(e: Error) -> Diagnostics {
    let message = e.to_string();
    let (code, help) = match e {
        Error::NoDevice { .. } => (Code::NoDevice, Some("`kernel-ad devices` lists the devices that are there")),
        Error::Memory(e) => return e.into(),
        Error::Manifest(_) => (Code::BadManifest, Some("make artifact and manifest again, together")),
        Error::Launch(e) => return launch(e),
        Error::BadArtifact(_) => (
            Code::BadArtifact,
            Some("make the artifact for the target that `kernel-ad devices` names, and keep it with its manifest"),
        ),
        Error::Rejected { why: Rejection::NewerLanguage, .. } => (
            Code::BadArtifact,
            Some("emit an older version of PTX (`--target nvptx:sm_80+ptx74`), or install a newer driver"),
        ),
        Error::Rejected { .. } => (Code::BadArtifact, None),
        Error::NoSuchKernel { .. } | Error::NoSuchGlobal(_) => (Code::BadArgument, None),
        Error::TooLarge { .. } => (Code::TooLarge, Some("launch smaller blocks, or fewer of them")),
        Error::Trap { place, .. } => return located(Code::Trap, message, &place),
        Error::DivergentBarrier { place, .. } => return located(Code::DivergentBarrier, message, &place),
        Error::Call(e) if e.lost => (
            Code::DeviceFailed,
            Some("run the case on the CPU device or in the interpreter (`check --device cpu`), which name the thread"),
        ),
        _ => (Code::DeviceFailed, None),
    };
    let d = Diagnostic::new(code, message);
    help.map_or(d.clone(), |h| d.help(h)).into()
}

/// A diagnostic with a place that the device names as `file:line:column`.
fn located(code: Code, message: String, place: &str) -> Diagnostics {
    let mut d = Diagnostic::new(code, message);
    let mut parts = place.rsplitn(3, ':');
    let (col, line, file) = (parts.next(), parts.next(), parts.next());
    if let (Some(Ok(col)), Some(Ok(line)), Some(file)) = (col.map(str::parse), line.map(str::parse), file) {
        d.place = Some(Place { file: file.into(), line, col, function: None, inlined_at: Vec::new() });
    }
    d.into()
}

/// A launch that does not fit.
pub fn launch(e: LaunchError) -> Diagnostics {
    let (code, help) = match &e.problem {
        LaunchProblem::Overlap { .. } => {
            (Code::AliasedBuffers, Some("pass buffers that do not overlap, or copy one of them"))
        }
        LaunchProblem::TooManyThreads { .. } | LaunchProblem::BlockTooLarge { .. } => (Code::TooLarge, None),
        LaunchProblem::NoShadow { .. } => (
            Code::BadArgument,
            Some("pass a pair, or give the parameter the role `const` when the gradient is made"),
        ),
        LaunchProblem::NotOnDevice { .. } => {
            (Code::BadArgument, Some("pass a buffer of this device, and keep it until the launch is done"))
        }
        LaunchProblem::Count { .. } => {
            (Code::BadArgument, Some("give one argument for each parameter of the primal, in its order"))
        }
        LaunchProblem::Null { .. } => (Code::BadArgument, Some("pass a buffer; an empty one may be null")),
        _ => (Code::BadArgument, None),
    };
    let d = Diagnostic::new(code, e.to_string());
    help.map_or(d.clone(), |h| d.help(h)).into()
}

/// A launch with a tape that failed.
pub fn run(e: RunError<Error>) -> Diagnostics {
    let message = e.to_string();
    match e {
        RunError::Launch(e) => launch(e),
        RunError::Memory(e) | RunError::Tape(TapeError::Memory(e)) => e.into(),
        RunError::Tape(_) => Diagnostic::new(Code::TapeTooLarge, message)
            .help("launch fewer threads at a time, or raise the budget")
            .into(),
        RunError::Overflow { .. } => Diagnostic::new(Code::TapeOverflow, message)
            .because("it needed less when it was counted: the order of its threads decides, by atomics or by a data race")
            .help("shadows and outputs of this launch are not valid; fill them again, and launch again")
            .into(),
        RunError::Foreign { .. } => Diagnostic::new(Code::BadArgument, message)
            .help("launch the reverse kernel with the tape and the arguments of one augmented launch")
            .into(),
        RunError::Count { .. } => Diagnostic::new(Code::Bug, message).into(),
        RunError::Device(e) => device(e),
    }
}
