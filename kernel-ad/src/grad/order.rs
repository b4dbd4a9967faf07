//! Why an atomic operation on differentiated memory has no derivative: it depends on the order of the threads.

use crate::kernel::RmwOp;

const RESULT: &str =
    "what it gives depends on the order in which the threads come, and no thread can follow that backwards";

/// The reason and what to do about it, for an operation whose result carries derivatives or not.
pub fn reason(op: RmwOp, result: bool) -> (&'static str, &'static str) {
    use RmwOp::*;
    match op {
        FAdd | FSub if result => (
            RESULT,
            "give every thread an element of its own, or do not compute with the result",
        ),
        FMax | FMin if result => (
            RESULT,
            "do not compute with the result; read the extremum behind a barrier",
        ),
        FMax | FMin => (
            "the derivative belongs to the thread whose value wins, which is known only when all have come",
            "in global memory use --mode augmented,reverse; in shared memory read the result behind a barrier",
        ),
        Xchg => (
            "the value that stays is that of the thread that comes last, and nobody knows which one that is",
            "give every thread an element of its own, and address it by the thread's number in the grid",
        ),
        _ => ("it computes with integers", "mark the memory const if it holds no differentiable data"),
    }
}
