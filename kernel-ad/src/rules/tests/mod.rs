//! The rules against central differences, each direction against the other, and the list of needs against what is asked.

mod docs;
mod functions;
mod linear;
pub(crate) mod micro;
