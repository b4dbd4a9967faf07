//! Reverse mode.

mod canon;
mod regions;
