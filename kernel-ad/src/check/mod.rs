//! Checking a gradient: the ladder of oracles on one case.

mod compare;
mod differences;
mod engine;
mod oracles;
mod place;
mod report;
mod vectors;

pub use compare::epsilon;
pub use engine::{Engine, Program, RunInfo};
pub use oracles::{ladder, Engines, Options, Subject};
pub use place::{place, Placed};
pub use report::{CheckReport, Finding, Verdict};
