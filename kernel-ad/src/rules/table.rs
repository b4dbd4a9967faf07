//! The derivatives, one line a function.
//!
//! Every function here works on one lane, so its Jacobian is a number for every operand, and multiplication by it is its
//! own transpose: one formula in the incoming derivative `d` serves both directions. Forward, `d` is the operand's tangent
//! and the formulas of all operands are summed; in reverse, `d` is the result's adjoint, and each formula is what its
//! operand's adjoint grows by.
//!
//! Conventions where there is no derivative:
//! * `fmax`, `fmin`: all of it goes to the chosen operand. When both are equal, `fmax` takes the second one and `fmin` the first, so that
//!   code which sorts two numbers has the derivative of both; the second one when one is NaN.
//! * `fabs`, `hypot`, `norm*` at zero: 0, which is a subgradient. `saturate` at 0 and 1: 1.
//! * `sqrt`, `cbrt`, `atan2` at zero, `asin`, `acos` at 1: infinite (NaN for `atan2`), unless the incoming derivative is zero;
//!   then 0, so that values which were selected away do no harm.
//! * `floor`, `ceil`, `trunc`, `round`, `rint`: 0 everywhere.
//! * `pow` at base 0: the limit in the base; 0 in the exponent. Negative bases have no derivative in the exponent: NaN.

use super::formula::*;
use crate::kernel::{FloatPred::*, FloatTy, MathFn, MathFn::*};
use std::f64::consts::{FRAC_2_SQRT_PI, LN_10, LN_2, LOG10_E, LOG2_E, PI};

/// How a function depends on an operand.
pub(super) enum Rule {
    /// For every operand a formula, or `None` where the derivative is zero (integer operands too).
    Lanewise(Vec<Option<Formula>>),
    /// The result has no derivative: it is an integer, or constant almost everywhere.
    Zero,
    /// Not known.
    Unknown,
}

const SQRT_PI_HALF: f64 = 0.886_226_925_452_758;
const SQRT_2PI: f64 = 2.506_628_274_631_000_7;

/// The rule of a function that computes in the format `ty` (which decides about the length of series).
#[rustfmt::skip]
pub(super) fn rule(f: MathFn, ty: FloatTy) -> Rule {
    let one = |p: Formula| Rule::Lanewise(vec![Some(p)]);
    let all = |ps: Vec<Formula>| Rule::Lanewise(ps.into_iter().map(Some).collect());
    let x0 = || x(0);
    let x1 = || x(1);
    match f {
        Sqrt => one(unless_zero(0.5 * d() / y())),
        Rsqrt => one(-0.5 * d() * (y() * y() * y())),
        Rcp => one(-(d() * (y() * y()))),
        Cbrt => one(unless_zero(d() / (3.0 * (y() * y())))),
        Rcbrt => one((-1.0 / 3.0) * d() * (sq(&(y() * y())))),
        Exp => one(d() * y()),
        Exp2 => one(d() * (y() * LN_2)),
        Exp10 => one(d() * (y() * LN_10)),
        Expm1 => one(d() * call(Exp, [x0()])),
        Log => one(d() / x0()),
        Log2 => one(LOG2_E * d() / x0()),
        Log10 => one(LOG10_E * d() / x0()),
        Log1p => one(d() / (1.0 + x0())),
        Sin => one(d() * call(Cos, [x0()])),
        Cos => one(-(d() * call(Sin, [x0()]))),
        Tan => one(d() * (1.0 + y() * y())),
        Sinpi => one(PI * d() * call(Cospi, [x0()])),
        Cospi => one(-PI * d() * call(Sinpi, [x0()])),
        Tanpi => one(PI * d() * (1.0 + y() * y())),
        Asin => one(unless_zero(d() * call(Rsqrt, [(1.0 - x0()) * (1.0 + x0())]))),
        Acos => one(unless_zero(-(d() * call(Rsqrt, [(1.0 - x0()) * (1.0 + x0())])))),
        Atan => one(d() / (1.0 + x0() * x0())),
        Sinh => one(d() * call(Cosh, [x0()])),
        Cosh => one(d() * call(Sinh, [x0()])),
        Tanh => one(d() * ((1.0 - y()) * (1.0 + y()))),
        Asinh => one(d() * call(Rsqrt, [1.0 + x0() * x0()])),
        Acosh => one(d() * call(Rsqrt, [(x0() - 1.0) * (x0() + 1.0)])),
        Atanh => one(d() / ((1.0 - x0()) * (1.0 + x0()))),
        Erf => one(FRAC_2_SQRT_PI * d() * call(Exp, [-(x0() * x0())])),
        Erfc => one(-FRAC_2_SQRT_PI * d() * call(Exp, [-(x0() * x0())])),
        Erfcx => one(d() * erfcx_slope(ty)),
        Erfinv => one(SQRT_PI_HALF * d() * call(Exp, [y() * y()])),
        Erfcinv => one(-SQRT_PI_HALF * d() * call(Exp, [y() * y()])),
        Normcdf => one((1.0 / SQRT_2PI) * d() * call(Exp, [-0.5 * (x0() * x0())])),
        Normcdfinv => one(SQRT_2PI * d() * call(Exp, [0.5 * (y() * y())])),
        Tgamma => one(d() * (y() * digamma(ty))),
        Lgamma => one(d() * digamma(ty)),
        J0 => one(-(d() * call(J1, [x0()]))),
        J1 => one(d() * when(x0(), Oeq, c(0.0), c(0.5), call(J0, [x0()]) - y() / x0())),
        Y0 => one(-(d() * call(Y1, [x0()]))),
        Y1 => one(d() * (call(Y0, [x0()]) - y() / x0())),
        CylBesselI0 => one(d() * call(CylBesselI1, [x0()])),
        CylBesselI1 => one(d() * when(x0(), Oeq, c(0.0), c(0.5), call(CylBesselI0, [x0()]) - y() / x0())),
        // f' = n/x f - f of the next order; device libraries have no negative orders.
        Jn => {
            let at_zero = when(to_float(0), Oeq, c(1.0), c(0.5), c(0.0));
            let slope = to_float(0) * y() / x1() - call(Jn, [int(0, 1), x1()]);
            Rule::Lanewise(vec![None, Some(d() * when(x1(), Oeq, c(0.0), at_zero, slope))])
        }
        Yn => Rule::Lanewise(vec![None, Some(d() * (to_float(0) * y() / x1() - call(Yn, [int(0, 1), x1()])))]),
        Fabs => one(when(x0(), Ogt, c(0.0), d(), when(x0(), Olt, c(0.0), -d(), c(0.0)))),
        Saturate => one(when(x0(), Oge, c(0.0), when(x0(), Ole, c(1.0), d(), c(0.0)), c(0.0))),
        ModfFrac | Fract => one(d()),
        // The quotient is a power of two, exactly.
        FrexpMant => one(when(x0(), Oeq, c(0.0), c(0.0), d() * (y() / x0()))),

        Add => all(vec![d(), d()]),
        Sub => all(vec![d(), -d()]),
        Mul => all(vec![d() * x1(), d() * x0()]),
        Div => {
            let by_x0 = d() / x1();
            all(vec![by_x0.clone(), -(by_x0 * y())])
        }
        Pow => {
            // From the result, which is at hand; base 0 by cases: 0 above exponent 1, 1 at it, infinite below, 0 at exponent 0.
            let below_one = when(x1(), Oeq, c(0.0), c(0.0), x1() * f64::INFINITY);
            let at_zero = when(x1(), Ogt, c(1.0), c(0.0), when(x1(), Oeq, c(1.0), c(1.0), below_one));
            let by_base = unless_zero(d() * when(x0(), Oeq, c(0.0), at_zero, x1() * (y() / x0())));
            let by_exponent = d() * when(x0(), Oeq, c(0.0), c(0.0), y() * call(Log, [x0()]));
            all(vec![by_base, by_exponent])
        }
        Atan2 => {
            let r2 = x0() * x0() + x1() * x1();
            all(vec![unless_zero(d() * (x1() / r2.clone())), unless_zero(-(d() * (x0() / r2)))])
        }
        Hypot | Norm3d | Norm4d => all((0..f.arity()).map(|i| when(y(), Oeq, c(0.0), c(0.0), d() * (x(i) / y()))).collect()),
        Rhypot | Rnorm3d | Rnorm4d => all((0..f.arity()).map(|i| -(d() * (x(i) * y()) * (y() * y()))).collect()),
        // The integral quotient, from the result.
        Fmod | Remainder => all(vec![d(), -(d() * call(Rint, [(x0() - y()) / x1()]))]),
        Fdim => all(vec![when(x0(), Ogt, x1(), d(), c(0.0)), when(x0(), Ogt, x1(), -d(), c(0.0))]),
        Fmax | Fmaximum => all(vec![when(x0(), Ogt, x1(), d(), c(0.0)), when(x0(), Ogt, x1(), c(0.0), d())]),
        Fmin | Fminimum => all(vec![when(x0(), Ole, x1(), d(), c(0.0)), when(x0(), Ole, x1(), c(0.0), d())]),
        Copysign => {
            let sign = |f: Formula| call(Copysign, [c(1.0), f]);
            Rule::Lanewise(vec![Some(d() * (sign(x0()) * sign(x1()))), None])
        }
        Powi => {
            let slope = to_float(1) * call(Powi, [x0(), int(1, -1)]);
            Rule::Lanewise(vec![Some(d() * when(to_float(1), Oeq, c(0.0), c(0.0), slope)), None])
        }
        Ldexp => Rule::Lanewise(vec![Some(call(Ldexp, [d(), int(1, 0)])), None]),
        Fma => all(vec![d() * x1(), d() * x0(), d()]),
        Fmed3 => {
            let first = |then, otherwise| when(y(), Oeq, x0(), then, otherwise);
            let second = |then, otherwise| when(y(), Oeq, x1(), then, otherwise);
            all(vec![first(d(), c(0.0)), first(c(0.0), second(d(), c(0.0))), first(c(0.0), second(c(0.0), d()))])
        }

        Floor | Ceil | Trunc | Round | Rint | Logb => Rule::Zero,
        Ilogb | FrexpExp | RemquoQuo | Lround | Lrint | ToInt | ToUint | IsNan | IsInf | IsFinite | SignBit => Rule::Zero,
        FromInt | FromUint => Rule::Zero,
        // Translated by a step that depends on the operand's size; nobody differentiates this on purpose.
        Nextafter => Rule::Unknown,
        Pin => Rule::Lanewise(vec![None, Some(d())]),
        Opaque => Rule::Unknown,
        // Formats of operand and result differ: a cast, which the caller treats.
        Convert => Rule::Unknown,
    }
}

/// d erfcx / dx = 2 x erfcx(x) - 2/sqrt(pi); both terms meet as x grows, so a series from 10 on.
fn erfcx_slope(ty: FloatTy) -> Formula {
    let terms = if ty == FloatTy::F64 { 15 } else { 6 };
    let r2 = 1.0 / (2.0 * (x(0) * x(0)));
    // -(1 - 3 r (1 - 5 r (1 - 7 r (...)))) r * 2/sqrt(pi), with r = 1/(2 x^2)
    let mut series = c(1.0);
    for k in (1..=terms).rev() {
        series = 1.0 - f64::from(2 * k + 1) * r2.clone() * series;
    }
    let far = -FRAC_2_SQRT_PI * r2 * series;
    when(x(0), Ogt, c(10.0), far, 2.0 * (x(0) * y()) - FRAC_2_SQRT_PI)
}

/// Digamma of operand 0, the logarithmic derivative of the gamma function, in terms that every target has: reflection below
/// one half, recurrence upward, asymptotic series.
fn digamma(ty: FloatTy) -> Formula {
    // (steps of the recurrence, terms of the series): the first term left out is below the format's precision.
    let (steps, terms) = if ty == FloatTy::F64 { (10, 7) } else { (6, 3) };
    const SERIES: [f64; 7] =
        [1.0 / 12.0, 1.0 / 120.0, 1.0 / 252.0, 1.0 / 240.0, 1.0 / 132.0, 691.0 / 32760.0, 1.0 / 12.0];
    let small = |then: Formula, otherwise: Formula| when(x(0), Olt, c(0.5), then, otherwise);
    let z = small(1.0 - x(0), x(0));
    // 1/(z+k) + 1/(z+k+1), with one division for both.
    let pairs = (0..steps).step_by(2).map(|k| {
        let (a, b) = (z.clone() + f64::from(k), z.clone() + f64::from(k + 1));
        (a.clone() + b.clone()) / (a * b)
    });
    let below = pairs.reduce(|s, p| s + p).expect("at least one step");
    let w = z.clone() + f64::from(steps);
    let r = 1.0 / w.clone();
    let r2 = sq(&r);
    let series = SERIES[..terms].iter().rev().fold(c(0.0), |s, &t| t - r2.clone() * s);
    let upper = call(Log, [w]) - 0.5 * r - r2 * series - below;
    // psi(x) = psi(1 - x) - pi / tan(pi x)
    let reflected = upper.clone() - PI * call(Cospi, [x(0)]) / call(Sinpi, [x(0)]);
    small(reflected, upper)
}
