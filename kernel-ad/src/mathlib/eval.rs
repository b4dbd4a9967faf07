//! Computing the functions in plain Rust: the interpreter's arithmetic.
//!
//! Everything is computed in f64 and rounded to the format of the result. For `+ - * / sqrt` in f32 and smaller that
//! is the correctly rounded result; other functions are within one unit in the last place of f32, and within a few of f64.

use super::special;
use crate::kernel::{Flavor, FloatTy, MathFn, Rounding, Type};

/// A scalar argument or result.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Num {
    /// A float of any format, exactly.
    Float(f64),
    /// An integer, sign-extended when the function reads or gives a signed one.
    Int(i128),
}

impl Num {
    fn f(self) -> f64 {
        match self {
            Num::Float(x) => x,
            Num::Int(n) => n as f64,
        }
    }

    fn i(self) -> i128 {
        match self {
            Num::Float(x) => x as i128,
            Num::Int(n) => n,
        }
    }
}

/// `x` rounded to the nearest value of a format, ties to even.
pub fn round_to(ty: FloatTy, x: f64) -> f64 {
    match ty {
        FloatTy::F16 => half::f16::from_f64(x).to_f64(),
        FloatTy::Bf16 => half::bf16::from_f64(x).to_f64(),
        FloatTy::F32 => f64::from(x as f32),
        FloatTy::F64 => x,
    }
}

/// The value of a function at scalar arguments; `result` is the scalar type of the result. Float arguments must be
/// representable in their own formats; missing arguments count as zero.
///
/// `Fast` and `Approx` flavors are computed as accurately as the others: the reference has no use for their errors. Flushing
/// of f32 denormals is done.
pub fn eval(func: MathFn, flavor: Flavor, result: Type, args: &[Num]) -> Num {
    let ftz = matches!(flavor, Flavor::Approx { ftz: true } | Flavor::Rounded { ftz: true, .. });
    let flush =
        |x: f64| if ftz && x.abs() < f64::from(f32::MIN_POSITIVE) { libm::copysign(0.0, x) } else { x };
    let flush_f32 = |x: f64| if result == Type::F64 { x } else { flush(x) };
    let arg = |i: usize| args.get(i).copied().unwrap_or(Num::Float(0.0));
    let x = |i: usize| flush_f32(arg(i).f());
    match result {
        Type::Int(bits) => Num::Int(eval_to_int(func, flavor, bits, arg(0).f(), arg(1).f())),
        Type::Float(ty) => {
            let y = match flavor {
                Flavor::Rounded { mode, .. } if mode != Rounding::Nearest => {
                    directed(func, mode, ty, [x(0), x(1), x(2)], arg(0))
                }
                _ => None,
            };
            let y = y.unwrap_or_else(|| match func {
                // Fused in the format itself: rounding twice is not the same.
                MathFn::Fma if ty == FloatTy::F32 => {
                    f64::from((x(0) as f32).mul_add(x(1) as f32, x(2) as f32))
                }
                MathFn::Nextafter => nextafter(ty, x(0), x(1)),
                MathFn::FromInt | MathFn::FromUint => from_int(ty, arg(0).i()),
                MathFn::Fract => fract(ty, x(0)),
                MathFn::Jn => libm::jn(clamp_i32(arg(0).i()), x(1)),
                MathFn::Yn => libm::yn(clamp_i32(arg(0).i()), x(1)),
                MathFn::Powi => powi(x(0), arg(1).i()),
                MathFn::Ldexp => ldexp(ty, x(0), clamp_i32(arg(1).i())),
                _ => real(func, x(0), x(1), x(2), x(3)),
            });
            Num::Float(flush_f32(round_to(ty, y)))
        }
        _ => Num::Float(f64::NAN),
    }
}

/// The functions from floats to a float, in f64.
#[rustfmt::skip]
fn real(func: MathFn, x: f64, y: f64, z: f64, w: f64) -> f64 {
    use MathFn::*;
    match func {
        Sqrt => libm::sqrt(x), Rsqrt => 1.0 / libm::sqrt(x), Rcp => 1.0 / x,
        Cbrt => libm::cbrt(x), Rcbrt => special::rcbrt(x),
        Exp => libm::exp(x), Exp2 => libm::exp2(x), Exp10 => libm::exp10(x), Expm1 => libm::expm1(x),
        Log => libm::log(x), Log2 => libm::log2(x), Log10 => libm::log10(x), Log1p => libm::log1p(x),
        Logb => logb(x),
        Sin => libm::sin(x), Cos => libm::cos(x), Tan => libm::tan(x),
        Sinpi => special::sinpi(x), Cospi => special::cospi(x), Tanpi => special::tanpi(x),
        Asin => libm::asin(x), Acos => libm::acos(x), Atan => libm::atan(x), Atan2 => libm::atan2(x, y),
        Sinh => libm::sinh(x), Cosh => libm::cosh(x), Tanh => libm::tanh(x),
        Asinh => libm::asinh(x), Acosh => libm::acosh(x), Atanh => libm::atanh(x),
        Erf => libm::erf(x), Erfc => libm::erfc(x), Erfcx => special::erfcx(x),
        Erfinv => special::erfinv(x), Erfcinv => special::erfcinv(x),
        Normcdf => special::normcdf(x), Normcdfinv => special::normcdfinv(x),
        Tgamma => libm::tgamma(x), Lgamma => libm::lgamma(x),
        J0 => libm::j0(x), J1 => libm::j1(x), Y0 => libm::y0(x), Y1 => libm::y1(x),
        CylBesselI0 => special::bessel_i0(x), CylBesselI1 => special::bessel_i1(x),
        Fabs => x.abs(), Floor => libm::floor(x), Ceil => libm::ceil(x), Trunc => libm::trunc(x),
        Round => libm::round(x), Rint => libm::rint(x),
        Saturate => if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) + 0.0 },
        ModfFrac => if x.is_infinite() { libm::copysign(0.0, x) } else { libm::copysign(x - libm::trunc(x), x) },
        FrexpMant => if x.is_finite() { libm::frexp(x).0 } else { x },
        Add => x + y, Sub => x - y, Mul => x * y, Div => x / y,
        Pow => libm::pow(x, y), Hypot => libm::hypot(x, y), Rhypot => 1.0 / libm::hypot(x, y),
        Norm3d => special::norm(&[x, y, z]), Rnorm3d => 1.0 / special::norm(&[x, y, z]),
        Norm4d => special::norm(&[x, y, z, w]), Rnorm4d => 1.0 / special::norm(&[x, y, z, w]),
        Fmod => libm::fmod(x, y), Remainder => libm::remainder(x, y),
        Fdim => if x.is_nan() || y.is_nan() { f64::NAN } else if x > y { x - y } else { 0.0 },
        Fmax => libm::fmax(x, y), Fmin => libm::fmin(x, y),
        Fmaximum => extremum(x, y, true), Fminimum => extremum(x, y, false),
        Fmed3 => libm::fmax(libm::fmin(x, y), libm::fmin(libm::fmax(x, y), z)),
        Copysign => libm::copysign(x, y), Fma => libm::fma(x, y, z), Convert | Pin | Opaque => x,
        // Handled by `eval`, or without a float result.
        Nextafter | Powi | Ldexp | Jn | Yn | Fract | FromInt | FromUint | Ilogb | FrexpExp | RemquoQuo | Lround | Lrint
        | ToInt | ToUint | IsNan | IsInf | IsFinite | SignBit => f64::NAN,
    }
}

/// IEEE 754-2019 maximum and minimum: NaN is kept, and -0 is less than +0.
fn extremum(x: f64, y: f64, max: bool) -> f64 {
    if x.is_nan() || y.is_nan() {
        f64::NAN
    } else if x == y {
        if x.is_sign_negative() == max {
            y
        } else {
            x
        }
    } else if (x > y) == max {
        x
    } else {
        y
    }
}

fn logb(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x.is_infinite() {
        f64::INFINITY
    } else if x.is_nan() {
        x
    } else {
        libm::ilogb(x).into()
    }
}

fn clamp_i32(n: i128) -> i32 {
    n.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

fn powi(x: f64, n: i128) -> f64 {
    libm::pow(x, n as f64)
}

/// Scaling into the denormals of a smaller format is rounded once, since the product is exact in f64 or far below.
fn ldexp(ty: FloatTy, x: f64, n: i32) -> f64 {
    round_to(ty, libm::ldexp(x, n))
}

fn from_int(ty: FloatTy, n: i128) -> f64 {
    match ty {
        FloatTy::F32 => f64::from(n as f32),
        FloatTy::F64 => n as f64,
        // More than 53 bits are far beyond f16, and bf16 needs 8: round to odd first, so that rounding twice is safe.
        _ => {
            let x = n as f64;
            let back = x as i128;
            if back == n || x.to_bits() & 1 == 1 {
                x
            } else if (back < n) == (x >= 0.0) {
                f64::from_bits(x.to_bits() + 1)
            } else {
                f64::from_bits(x.to_bits() - 1)
            }
        }
    }
}

fn fract(ty: FloatTy, x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    let below_one = match ty {
        FloatTy::F16 => 1.0 - 1.0 / 2048.0,
        FloatTy::Bf16 => 1.0 - 1.0 / 256.0,
        FloatTy::F32 => 1.0 - f64::from(f32::EPSILON) / 2.0,
        FloatTy::F64 => 1.0 - f64::EPSILON / 2.0,
    };
    let r = round_to(ty, x - libm::floor(x));
    if r > below_one {
        below_one
    } else {
        r
    }
}

fn nextafter(ty: FloatTy, x: f64, to: f64) -> f64 {
    if x.is_nan() || to.is_nan() {
        f64::NAN
    } else if x == to {
        to
    } else {
        step(ty, x, to > x)
    }
}

/// The neighbour of `x` in a format, upward or downward.
fn step(ty: FloatTy, x: f64, up: bool) -> f64 {
    macro_rules! neighbour {
        ($from:expr, $bits:ty, $of_bits:expr, $to:expr) => {{
            let v = $from;
            let bits: $bits = v.to_bits();
            let sign: $bits = 1 << (<$bits>::BITS - 1);
            let next = if bits & !sign == 0 {
                if up {
                    1
                } else {
                    sign | 1
                }
            } else if (bits & sign == 0) == up {
                bits + 1
            } else {
                bits - 1
            };
            $to($of_bits(next))
        }};
    }
    if x.is_nan() || x == f64::INFINITY && up || x == f64::NEG_INFINITY && !up {
        return x;
    }
    match ty {
        FloatTy::F16 => neighbour!(half::f16::from_f64(x), u16, half::f16::from_bits, half::f16::to_f64),
        FloatTy::Bf16 => neighbour!(half::bf16::from_f64(x), u16, half::bf16::from_bits, half::bf16::to_f64),
        FloatTy::F32 => neighbour!(x as f32, u32, f32::from_bits, f64::from),
        FloatTy::F64 => neighbour!(x, u64, f64::from_bits, f64::from),
    }
}

/// Results rounded in a named direction, from the result to nearest and the sign of its error.
fn directed(func: MathFn, mode: Rounding, ty: FloatTy, [x, y, z]: [f64; 3], first: Num) -> Option<f64> {
    // hi is the value rounded to f64; the exact value is hi + err, of which only sign and rough size count.
    let (hi, err) = match func {
        MathFn::Add => two_sum(x, y),
        MathFn::Sub => two_sum(x, -y),
        MathFn::Mul => (x * y, libm::fma(x, y, -(x * y))),
        MathFn::Div => quotient(x, y),
        MathFn::Rcp => quotient(1.0, x),
        MathFn::Sqrt => {
            let r = libm::sqrt(x);
            (r, libm::fma(-r, r, x))
        }
        MathFn::Fma => {
            let p = x * y;
            let (s, e) = two_sum(p, z);
            let total = e + libm::fma(x, y, -p);
            let hi = s + total;
            (hi, (s - hi) + total)
        }
        MathFn::Convert => (x, 0.0),
        MathFn::FromInt | MathFn::FromUint => {
            let n = first.i();
            let hi = n as f64;
            (hi, (n - hi as i128) as f64)
        }
        _ => return None,
    };
    if !hi.is_finite() {
        // An overflow of finite arguments stops at the largest value when rounding goes the other way.
        let from_finite = [x, y, z].iter().all(|v| v.is_finite())
            && hi.is_infinite()
            && !(func == MathFn::Div && y == 0.0)
            && !(func == MathFn::Rcp && x == 0.0);
        let keep = match mode {
            Rounding::Up => hi > 0.0,
            Rounding::Down => hi < 0.0,
            _ => false,
        };
        return Some(if from_finite && !keep { step(ty, hi, hi < 0.0) } else { hi });
    }
    let r = round_to(ty, hi);
    if hi == 0.0
        && err == 0.0
        && mode == Rounding::Down
        && matches!(func, MathFn::Add | MathFn::Sub)
        && (x != 0.0 || y != 0.0)
    {
        return Some(-0.0);
    }
    let err = if err.is_nan() { 0.0 } else { err };
    let rest = if r.is_infinite() { -r } else { (hi - r) + if hi == r { err } else { 0.0 } };
    let exact_above = rest > 0.0;
    let exact_below = rest < 0.0;
    let down = match mode {
        Rounding::Down => true,
        Rounding::Up => false,
        _ => r > 0.0 || r == 0.0 && exact_above,
    };
    Some(if down && exact_below {
        step(ty, r, false)
    } else if !down && exact_above {
        step(ty, r, true)
    } else {
        r
    })
}

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let bb = s - a;
    (s, (a - (s - bb)) + (b - bb))
}

fn quotient(a: f64, b: f64) -> (f64, f64) {
    let q = a / b;
    (q, libm::copysign(1.0, b) * libm::fma(-q, b, a))
}

/// The functions from floats to an integer.
fn eval_to_int(func: MathFn, flavor: Flavor, bits: u16, x: f64, y: f64) -> i128 {
    let range = |signed: bool| {
        let b = u32::from(bits.clamp(1, 126));
        if signed {
            (-(1i128 << (b - 1)), (1i128 << (b - 1)) - 1)
        } else {
            (0, (1i128 << b) - 1)
        }
    };
    let saturating = |v: f64, signed: bool| {
        let (lo, hi) = range(signed);
        if v.is_nan() {
            0
        } else {
            (v as i128).clamp(lo, hi)
        }
    };
    let rounded = match flavor {
        Flavor::Rounded { mode: Rounding::Zero, .. } => libm::trunc(x),
        Flavor::Rounded { mode: Rounding::Down, .. } => libm::floor(x),
        Flavor::Rounded { mode: Rounding::Up, .. } => libm::ceil(x),
        _ => libm::rint(x),
    };
    match func {
        MathFn::IsNan => x.is_nan().into(),
        MathFn::IsInf => x.is_infinite().into(),
        MathFn::IsFinite => x.is_finite().into(),
        MathFn::SignBit => x.is_sign_negative().into(),
        MathFn::Ilogb => match x {
            _ if x == 0.0 => i32::MIN.into(),
            _ if x.is_infinite() => i32::MAX.into(),
            _ if x.is_nan() => i32::MIN.into(),
            _ => libm::ilogb(x).into(),
        },
        MathFn::FrexpExp => {
            if x.is_finite() {
                libm::frexp(x).1.into()
            } else {
                0
            }
        }
        MathFn::RemquoQuo => libm::remquo(x, y).1.into(),
        MathFn::Lround => saturating(libm::round(x), true),
        MathFn::Lrint => saturating(libm::rint(x), true),
        MathFn::ToInt => saturating(rounded, true),
        MathFn::ToUint => saturating(rounded, false),
        _ => 0,
    }
}
