//! The contract between a generated gradient and whoever launches it.

pub mod expr;
pub mod manifest;

pub use expr::Expr;
pub use manifest::*;
