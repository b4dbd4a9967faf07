//! The symbols of the CUDA driver and of the HIP runtime, as forwarders.
//!
//! cust and hip-sys call `cuInit`, `hipMalloc` and so on as functions that the linker finds. Here they are: each hands its arguments to
//! the function of the same name in `libcuda.so.1` or `libamdhip64.so`, which [`cuda::load`] and [`hip::load`] open when a program asks for
//! a GPU. So a program is built and starts on machines without either, and learns from an error value what is missing.
//!
//! Arguments of these functions are integers and pointers, at most eleven, each of which fills one register or one slot of the
//! stack on the 64-bit System V and AArch64 conventions; a forwarder passes them on as words without knowing their types.
//! What a newer driver may answer and the closed enumerations of the bindings do not hold becomes "unknown" (999 in both).

mod codes;
pub mod cuda;
mod forward;
pub mod hip;

pub use forward::{LoadError, Loaded};
