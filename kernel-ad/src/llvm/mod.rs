//! LLVM's C interface behind safe functions: the only module that names `llvm_sys`.
//!
//! Reading half: [`Ir`] owns a module; [`Func`], [`Blk`], [`Val`] and [`Ty`] are views into it that borrow the `Ir`, so
//! that whatever changes the module (passes, linking, edits) takes it mutably and ends them first.
//!
//! Building half: [`Unit`] takes assembly text to code for a [`MachineSpec`].

mod build;
mod read;
mod read_edit;
mod read_inst;
mod read_meta;
mod read_module;

pub use build::{data_layout, host_cpu, host_triple, MachineSpec, Unit};
pub use read::{
    Blk, LLVMAtomicOrdering, LLVMAtomicRMWBinOp, LLVMIntPredicate, LLVMRealPredicate, Opcode, Ty, TypeKind,
    Val, ValueKind,
};
pub use read_meta::{Annotation, DebugLoc, Meta};
pub use read_module::{guard, Ir, ParseError};
