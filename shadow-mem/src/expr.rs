//! Formulas over a launch: how large a tape must be.

use crate::launch::Launch;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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

/// Why a formula has no value for a launch.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ExprError {
    /// The formula names a parameter that is not an integer scalar of this launch.
    #[error("the formula needs parameter {0}, which is not an integer scalar of this launch")]
    NoParam(u32),
    /// The formula names an axis other than 0, 1, 2.
    #[error("the formula names axis {0}; axes are 0, 1, 2")]
    NoAxis(u8),
    /// The divisor is zero or negative.
    #[error("the formula divides by {0}; a divisor must be positive")]
    Divisor(i128),
    /// `max` or `min` of nothing.
    #[error("the formula takes the largest or smallest of nothing")]
    Empty,
    /// More than 128 bits.
    #[error("the formula exceeds 128 bits")]
    Overflow,
    /// The result is not a number of bytes.
    #[error("the formula gives {0}, which is not between 0 and 2^63 - 1")]
    Range(i128),
}

impl Expr {
    /// The value for a launch; `param` gives the integer scalar arguments of the primal.
    pub fn eval(&self, launch: &Launch, param: &dyn Fn(u32) -> Option<i64>) -> Result<i128, ExprError> {
        let each = |list: &[Expr]| list.iter().map(|e| e.eval(launch, param)).collect::<Result<Vec<_>, _>>();
        let axis = |dims: [u32; 3], a: u8| dims.get(usize::from(a)).copied().ok_or(ExprError::NoAxis(a));
        match self {
            Expr::Const(c) => Ok((*c).into()),
            Expr::Param(p) => param(*p).map(i128::from).ok_or(ExprError::NoParam(*p)),
            Expr::BlockDim(a) => axis(launch.block, *a).map(i128::from),
            Expr::GridDim(a) => axis(launch.grid, *a).map(i128::from),
            Expr::Add(list) => {
                each(list)?.into_iter().try_fold(0i128, i128::checked_add).ok_or(ExprError::Overflow)
            }
            Expr::Mul(list) => {
                each(list)?.into_iter().try_fold(1i128, i128::checked_mul).ok_or(ExprError::Overflow)
            }
            Expr::CeilDiv(a, b) => {
                let (a, b) = (a.eval(launch, param)?, b.eval(launch, param)?);
                if b <= 0 {
                    return Err(ExprError::Divisor(b));
                }
                Ok(a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0))
            }
            Expr::Max(list) => each(list)?.into_iter().max().ok_or(ExprError::Empty),
            Expr::Min(list) => each(list)?.into_iter().min().ok_or(ExprError::Empty),
        }
    }

    /// The value as a number of bytes.
    pub fn eval_bytes(&self, launch: &Launch, param: &dyn Fn(u32) -> Option<i64>) -> Result<u64, ExprError> {
        let n = self.eval(launch, param)?;
        i64::try_from(n).ok().and_then(|n| u64::try_from(n).ok()).ok_or(ExprError::Range(n))
    }

    /// The primal parameters that the formula names, in ascending order.
    pub fn params(&self) -> Vec<u32> {
        let mut found = Vec::new();
        self.visit(&mut |e| {
            if let Expr::Param(p) = e {
                found.push(*p);
            }
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Calls `f` on this formula and everything inside it.
    pub fn visit(&self, f: &mut dyn FnMut(&Expr)) {
        f(self);
        match self {
            Expr::Add(l) | Expr::Mul(l) | Expr::Max(l) | Expr::Min(l) => l.iter().for_each(|e| e.visit(f)),
            Expr::CeilDiv(a, b) => {
                a.visit(f);
                b.visit(f);
            }
            Expr::Const(_) | Expr::Param(_) | Expr::BlockDim(_) | Expr::GridDim(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn launch() -> Launch {
        Launch { grid: [7, 2, 1], block: [64, 4, 1], shared: 0 }
    }

    fn param(i: u32) -> Option<i64> {
        [10, -3, 1 << 40].get(i as usize).copied()
    }

    // Catches: rounding toward zero instead of up, also for negative dividends.
    #[test]
    fn division_rounds_up() {
        for (a, b, want) in [(7, 2, 4), (8, 2, 4), (0, 3, 0), (-7, 2, -3), (-8, 2, -4), (1, 100, 1)] {
            let e = Expr::CeilDiv(Box::new(Expr::Const(a)), Box::new(Expr::Const(b)));
            assert_eq!(e.eval(&launch(), &param), Ok(want), "ceil({a} / {b})");
        }
    }

    // Catches: errors that turn into a wrong size, which would be a tape too small.
    #[test]
    fn bad_formulas_are_errors() {
        let c = |n| Box::new(Expr::Const(n));
        let cases = [
            (Expr::Param(9), ExprError::NoParam(9)),
            (Expr::BlockDim(3), ExprError::NoAxis(3)),
            (Expr::CeilDiv(c(1), c(0)), ExprError::Divisor(0)),
            (Expr::CeilDiv(c(1), c(-1)), ExprError::Divisor(-1)),
            (Expr::Max(vec![]), ExprError::Empty),
            (Expr::Mul(vec![Expr::Const(i64::MAX); 4]), ExprError::Overflow),
            (Expr::Const(-1), ExprError::Range(-1)),
            (Expr::Add(vec![Expr::Const(i64::MAX), Expr::Const(1)]), ExprError::Range(1 << 63)),
        ];
        for (e, want) in cases {
            assert_eq!(e.eval_bytes(&launch(), &param), Err(want), "{e:?}");
        }
    }

    fn formulas() -> impl Strategy<Value = Expr> {
        let leaf = prop_oneof![
            (-1000i64..1000).prop_map(Expr::Const),
            (0u32..3).prop_map(Expr::Param),
            (0u8..3).prop_map(Expr::BlockDim),
            (0u8..3).prop_map(Expr::GridDim),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 1..4);
            prop_oneof![
                list.clone().prop_map(Expr::Add),
                list.clone().prop_map(Expr::Mul),
                list.clone().prop_map(Expr::Max),
                list.prop_map(Expr::Min),
                (inner.clone(), inner).prop_map(|(a, b)| Expr::CeilDiv(Box::new(a), Box::new(b))),
            ]
        })
    }

    proptest! {
        // Catches: a formula that changes on its way through the manifest.
        #[test]
        fn json_keeps_the_value(e in formulas()) {
            let text = serde_json::to_string(&e).unwrap();
            let back: Expr = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&e, &back);
            prop_assert_eq!(e.eval(&launch(), &param), back.eval(&launch(), &param));
        }

        // Catches: a sum, product or extreme that depends on the order of its terms.
        #[test]
        fn order_of_terms_is_free(mut list in prop::collection::vec(-50i64..50, 1..6)) {
            let of = |l: &[i64], f: fn(Vec<Expr>) -> Expr| {
                f(l.iter().map(|n| Expr::Const(*n)).collect()).eval(&launch(), &param)
            };
            let before = [Expr::Add, Expr::Mul, Expr::Max, Expr::Min].map(|f| of(&list, f));
            list.reverse();
            let after = [Expr::Add, Expr::Mul, Expr::Max, Expr::Min].map(|f| of(&list, f));
            prop_assert_eq!(before, after);
        }

        // Catches: a quotient that is not the least integer with q * b >= a.
        #[test]
        fn quotient_is_the_least_bound(a in -10_000i64..10_000, b in 1i64..200) {
            let q = Expr::CeilDiv(Box::new(Expr::Const(a)), Box::new(Expr::Const(b)))
                .eval(&launch(), &param).unwrap();
            prop_assert!(q * i128::from(b) >= a.into() && (q - 1) * i128::from(b) < a.into());
        }
    }
}
