//! Gradients of existing GPU kernels.
//!
//! The modules are the pipeline: read a kernel, gather facts, plan, build its gradient, emit it.

pub mod canon;
pub mod case;
pub mod cfg;
pub mod check;
pub mod cli;
pub mod compile;
pub mod conform;
pub mod diag;
pub mod emit;
pub mod facts;
pub mod gen;
pub mod grad;
pub mod idiom;
pub mod interp;
pub mod jit;
pub mod kernel;
pub mod lanes;
pub mod llvm;
pub mod mathlib;
pub mod plan;
pub mod read;
pub mod retype;
pub mod rules;

pub use shadow_mem::args;

/// The code in docs/launching.md compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/launching.md")]
pub struct Launching;
