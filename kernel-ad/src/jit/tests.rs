use super::*;
use crate::diag::{Code, Diagnostics};
use shadow_mem::{LaunchError, LaunchProblem, MemoryError, RunError, TapeError};

fn code(d: Diagnostics) -> Code {
    d.0[0].code
}

// Catches: failures of a launch that reach the user under another code, and so another exit status.
#[test]
fn failures_have_their_codes() {
    use gpu_runtime::Error;
    let problem = |problem| RunError::Launch(LaunchError { kernel: "k".into(), problem });
    let overlap = LaunchProblem::Overlap { a: "x".into(), b: "y".into() };
    let no_shadow = LaunchProblem::NoShadow { index: 0, name: "x".into() };
    let cases: Vec<(Code, RunError<Error>)> = vec![
        (Code::AliasedBuffers, problem(overlap)),
        (Code::BadArgument, problem(no_shadow)),
        (Code::TapeTooLarge, TapeError::OverBudget { need: 2, budget: 1 }.into()),
        (Code::TapeTooLarge, TapeError::TooLarge { per_thread: 2, parts: 1 }.into()),
        (Code::OutOfMemory, MemoryError::OutOfMemory { bytes: 1, device: "d".into() }.into()),
        (Code::TapeOverflow, RunError::Overflow { kernel: "k".into(), wanted: 2, capacity: 1 }),
        (Code::NoDevice, RunError::Device(Error::NoDevice { kind: "hip".into(), reason: "none".into() })),
    ];
    for (want, e) in cases {
        assert_eq!(code(errors::run(e)), want);
    }
}

// Catches: a trap whose place the diagnostic does not show.
#[test]
fn traps_have_a_place() {
    let e = gpu_runtime::Error::Trap {
        kernel: "k".into(),
        block: [1, 0, 0],
        thread: [2, 0, 0],
        place: "dir/k.cu:12:5".into(),
        message: "assertion failed".into(),
    };
    let d = errors::device(e);
    let place = d.0[0].place.clone().unwrap();
    assert_eq!((d.0[0].code, place.file.as_str(), place.line, place.col), (Code::Trap, "dir/k.cu", 12, 5));
    assert!(d.to_string().contains("block [1, 0, 0], thread [2, 0, 0]"), "{d}");
}
