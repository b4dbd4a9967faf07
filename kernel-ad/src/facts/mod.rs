//! Facts about a kernel: one lattice a file, each fact with its reason. Nothing here changes a kernel.

pub mod provenance;

pub use provenance::{Base, Provenance, PtrKind};
