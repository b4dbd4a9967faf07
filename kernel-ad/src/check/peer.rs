//! A GPU against the CPU device: the one comparison that is there for launches of every size.

use super::compare::{compare, Reference, Side};
use super::engine::{Engine, Program};
use super::oracles::{brief, judge, keeps};
use super::report::Finding;
use crate::case::{Case, Image, Leaf};

/// Primal and gradient by their oracles' names.
pub(super) const PRIMAL_PEER: &str = "primal: device = CPU device";
pub(super) const PEER: &str = "gradient: device = CPU device";

/// Where nothing was interpreted, nobody knows how much the kernel amplifies rounding: that much more is allowed.
const UNKNOWN: f64 = 16.0;

/// Which memory of a program is compared.
pub(super) fn compared(oracle: &'static str) -> (Side, fn(&Leaf) -> bool) {
    match oracle {
        PRIMAL_PEER => (Side::Primal, Leaf::is_memory),
        _ => (Side::Shadow, Leaf::active),
    }
}

/// Runs a program on both. `want` is the same run interpreted, where it was.
pub(super) fn against(
    oracle: &'static str,
    (device, cpu): (&dyn Engine, &dyn Engine),
    program: &Program,
    case: &Case,
    before: &Image,
    want: Option<&Reference>,
) -> Finding {
    let (mut one, mut other) = (before.clone(), before.clone());
    if let Err(e) = device.run(program, case, &mut one).and_then(|_| cpu.run(program, case, &mut other)) {
        return Finding::of(oracle, false, brief(&e));
    }
    let (side, counts) = compared(oracle);
    let mut d = match want {
        // Each may be as far from the reference as is allowed.
        Some(want) => compare(&one, &other, want, side, counts).scaled(2.0),
        None => compare(&one, &other, &Reference::unknown(&other), side, counts).scaled(UNKNOWN),
    };
    if oracle == PEER {
        let reference = Reference::unknown(&other);
        let kept = compare(&one, &other, want.unwrap_or(&reference), Side::Primal, keeps).scaled(UNKNOWN);
        d = if kept.error > kept.limit { kept } else { d };
    }
    judge(oracle, d)
}
