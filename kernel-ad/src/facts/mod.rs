//! Facts about a kernel: one lattice a file, each fact with its reason. Nothing here changes a kernel.

pub mod activity;
pub mod alias;
pub mod bits;
pub mod calls;
pub mod congruence;
pub mod exchange;
pub mod exclusive;
pub mod extremum;
pub mod fields;
pub mod injective;
mod integers;
pub mod layout;
pub mod provenance;
pub mod shared;
pub mod signal;
pub mod trip;
pub mod uniform;
pub mod warp_uniform;

pub use activity::Activity;
pub use alias::Writes;
pub use calls::KnownCall;
pub use exclusive::Exclusive;
pub use fields::Fields;
pub use provenance::{Base, Provenance, PtrFact, PtrKind};
pub use shared::provenance_and_activity;
pub use uniform::Uniform;
pub use warp_uniform::WarpUniform;
