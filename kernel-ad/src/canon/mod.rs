//! The canonical form of a kernel, which planning and the reverse sweep rely on.

mod drain;
mod form;
mod offsets;
mod regions;

pub use drain::drain;
pub use form::{align_of, canonicalise, drop_unreachable, first_non_phi};
pub use offsets::merge_offsets;
pub use regions::{Counter, LoopRegion, Regions};

#[cfg(test)]
mod tests;
