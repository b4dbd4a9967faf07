//! Kernel IR to code: LLVM assembly, LLVM's optimiser, then PTX, HSACO or a host shared object.

pub mod lower;
pub mod text;
