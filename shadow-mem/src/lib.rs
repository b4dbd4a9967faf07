//! The contract between a generated gradient and whoever launches it: the [`Manifest`], the arguments of a launch and
//! their checks, pairs of primal and shadow memory, and tapes.
//!
//! A leaf: it knows no compiler and no driver. Devices offer their memory through [`DeviceMemory`].

pub mod account;
pub mod arena;
pub mod args;
pub mod buffer;
pub mod check;
mod copies;
pub mod expr;
pub mod file;
pub mod host;
pub mod launch;
pub mod manifest;
pub mod memory;
pub mod record;
pub mod run;
pub mod split;

pub use account::{Bytes, Ledger, Use};
pub use arena::{TapeArena, TapeError, TapeSize, TAPE_ALIGN};
pub use args::IntoArg;
pub use buffer::{ActiveScalar, Booked, Buffer, Heap, Pair, Place, BUFFER_ALIGN};
pub use check::{check_launch, Bindings, BoundArg, LaunchError, LaunchProblem};
pub use expr::{Expr, ExprError};
pub use file::ManifestError;
pub use launch::{Arg, Dim, Extent, Launch};
pub use manifest::*;
pub use memory::{DeviceBlock, DeviceMemory, HostBlock, HostMemory, MemoryError};
pub use record::{Record, RecordImage};
pub use run::{Execute, RunError, RunReport};
pub use split::{Tape, TapeProblem};
