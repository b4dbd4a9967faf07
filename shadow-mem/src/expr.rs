//! Formulas over a launch: how large a tape must be.

use serde::{Deserialize, Serialize};

/// An integer formula over the dimensions of a launch and its scalar arguments. Evaluated in 128 bits;
/// a result that does not fit 64 bits, or is negative, is an error of the caller's.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expr {
    /// A constant.
    Const(i64),
    /// Primal parameter of that index, an integer scalar, sign-extended.
    Param(u32),
    /// Threads per block along an axis.
    BlockDim(u8),
    /// Blocks along an axis.
    GridDim(u8),
    /// Sum.
    Add(Vec<Expr>),
    /// Product.
    Mul(Vec<Expr>),
    /// Quotient, rounded toward plus infinity; the divisor must be positive.
    CeilDiv(Box<Expr>, Box<Expr>),
    /// Largest.
    Max(Vec<Expr>),
    /// Smallest.
    Min(Vec<Expr>),
}
