//! The canonical form of a kernel, which planning and the reverse sweep rely on.

mod accumulates;
mod drain;
mod form;
mod offsets;
mod records;
mod regions;

pub use accumulates::spell_out_adds;
pub use drain::{arrive, drain};
pub use form::{align_of, canonicalise, drop_unreachable, first_non_phi};
pub use offsets::merge_offsets;
pub use records::copy_fields;
pub use regions::{Counter, LoopRegion, Regions};

#[cfg(test)]
mod tests;
