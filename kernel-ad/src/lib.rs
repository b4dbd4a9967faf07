//! Gradients of existing GPU kernels.
//!
//! The modules are the pipeline: [`read`](https://docs.rs) a kernel, gather facts, plan, build its gradient, emit it.

pub mod diag;
pub mod kernel;
