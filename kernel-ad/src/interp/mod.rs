//! The reference interpreter: runs Kernel IR thread by thread, sharing no code with LLVM.
//!
//! A thread runs until it ends or has to wait for others at a barrier or a warp operation; when all of a block wait, what can go on
//! goes on. Nothing is in lock-step: a kernel that only works when it were is found out by [`Order`].
//!
//! Every access is checked against the object that its pointer was made from. On request the interpreter also finds
//! reads of unwritten memory and races, and computes in f64 what the kernel computes in smaller floats
//! ([`Options::wide`]), for central differences.

mod arith;
mod block;
mod bounds;
mod calls;
mod decode;
mod exec;
mod launch;
mod memory;
mod memory_ops;
mod order;
mod race;
mod structs;
mod tape;
mod warp;

#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod tests;

pub use launch::run;
pub use memory::{Memory, Pointer};

use crate::diag::Code;

/// An argument of a kernel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Arg {
    /// A pointer into [`Memory`].
    Pointer(Pointer),
    /// An integer, cut to the parameter's width.
    Int(i128),
    /// A float, rounded to the parameter's format unless the run is wide.
    Float(f64),
    /// A struct by value: the buffer that holds its contents. Pointers in it are the addresses of [`Pointer::addr`].
    Struct(Pointer),
}

/// One launch.
#[derive(Clone, PartialEq, Debug)]
pub struct Launch {
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Threads of a block along each axis.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared: u64,
    /// One argument for every parameter.
    pub args: Vec<Arg>,
}

/// In which order threads run, and blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// By number.
    #[default]
    Forward,
    /// By number, from the last to the first.
    Backward,
    /// A permutation, another for every seed.
    Shuffled(u64),
}

/// What a run does beyond running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Compute and keep every smaller float in f64.
    pub wide: bool,
    /// Keep beside every float how far rounding may have moved it ([`Memory::bound`]); for wide runs.
    pub bounds: bool,
    /// Reading memory that nothing has written is an error.
    pub unwritten: bool,
    /// Races are errors.
    pub races: bool,
    /// Order of threads.
    pub order: Order,
    /// Instructions after which the run is given up, over all threads.
    pub max_steps: u64,
    /// Start with the tapes that the run before left in the memory.
    pub keep_tapes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            wide: false,
            bounds: false,
            unwritten: false,
            races: false,
            order: Order::Forward,
            max_steps: 20_000_000_000,
            keep_tapes: false,
        }
    }
}

impl Options {
    /// All checks.
    pub fn sanitize() -> Self {
        Options { unwritten: true, races: true, ..Options::default() }
    }

    /// f64 throughout.
    pub fn wide() -> Self {
        Options { wide: true, ..Options::default() }
    }
}

/// What a run tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Instructions executed, over all threads.
    pub steps: u64,
    /// What the kernel printed, a string for each call.
    pub printed: Vec<String>,
    /// Atomic operations executed, accumulations included.
    pub atomics: u64,
    /// Largest number of tape bytes that a thread used.
    pub tape_bytes: u64,
}

/// A scalar of a thread: an integer, the bits of a float, or a pointer with its object in `hi`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Slot {
    lo: u64,
    hi: u64,
}

impl Slot {
    fn of_pointer(p: Pointer) -> Slot {
        Slot { lo: p.addr, hi: u64::from(p.object) }
    }

    fn pointer(self) -> Pointer {
        Pointer { addr: self.lo, object: self.hi as u32 }
    }
}

/// What stops a run; thread and place are added when it gets out of the thread.
#[derive(Debug)]
struct Fault {
    code: Code,
    message: String,
    help: Option<&'static str>,
}

impl Fault {
    fn new(code: Code, message: String) -> Fault {
        Fault { code, message, help: None }
    }

    fn help(mut self, help: &'static str) -> Fault {
        self.help = Some(help);
        self
    }
}
