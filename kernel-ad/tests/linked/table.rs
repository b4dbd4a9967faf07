//! The functions of libdevice that have a derivative, with arguments in every range that their code tells apart.

/// One function, in f32 and in f64.
pub struct Function {
    /// What it is called here: its name, and what the arguments are when it stands more than once.
    pub title: &'static str,
    /// The name without `__nv_` and the suffix of f32.
    pub name: &'static str,
    /// Statements that set `r` from `a` and `b`. `F` is the function, `T` the float type, `f` its suffix.
    pub code: &'static str,
    /// First arguments.
    pub a: &'static [f64],
    /// Second arguments, taken in turn.
    pub b: &'static [f64],
}

const fn one(name: &'static str, a: &'static [f64]) -> Function {
    Function { title: name, name, code: "r = F(a);", a, b: &[0.0] }
}

const fn two(name: &'static str, a: &'static [f64], b: &'static [f64]) -> Function {
    Function { title: name, name, code: "r = F(a, b);", a, b }
}

const fn as_written(
    name: &'static str,
    code: &'static str,
    a: &'static [f64],
    b: &'static [f64],
) -> Function {
    Function { title: name, name, code, a, b }
}

const fn again(title: &'static str, f: Function) -> Function {
    Function { title, ..f }
}

/// Zero, whole numbers, and small and middle numbers of both signs.
const REAL: &[f64] = &[
    1.0, 2.0, 3.0, -1.0, -2.0, -5.0, 0.0, -0.0, 1e-30, 1e-5, 0.011, 0.13, 0.37, 0.45, 0.62, 0.77, 0.93, 1.07,
    1.4, 1.9, 2.3, 3.4, 4.9, 6.2, 7.3, 8.7, 9.6, -2e-5, -0.021, -0.17, -0.31, -0.53, -0.81, -0.97, -1.2,
    -1.77, -2.6, -4.3, -5.7, -8.1, -9.3,
];

/// None where the fraction jumps.
const FRACTIONS: &[f64] =
    &[1e-30, 1e-5, 0.13, 0.77, 1.4, 4.9, 9.6, 200.3, -0.021, -0.81, -1.2, -5.7, -9.3, -77.7];

/// Angles up to where the reduction takes its slow way (about 1e5 and more), and far beyond.
const ANGLES: &[f64] = &[
    0.0, 1e-30, 1e-6, 0.3, 0.7, 0.9, 1.4, 2.2, 2.9, 3.6, 4.4, 5.1, 6.0, 8.7, 31.4, 200.3, 5000.7, -0.4, -1.1,
    -2.5, -4.0, -77.7, 104_000.3, 106_000.7, 123_456.7, 3.7e6, 5.55e7, 9.1e8, 4.3e9, 7.7e10, 1.1e13, 2.9e15,
    4.1e19, 3.7e22, 2.5e30, 3.1e38, -107_000.9, -2.2e6, -6.5e9, -8.1e12, -3.3e17, -1.9e25, -2.7e37,
];

const UNIT: &[f64] = &[
    0.0, 1e-30, 1e-6, 0.02, 0.2, 0.41, 0.52, 0.63, 0.74, 0.86, 0.93, 0.985, -1e-5, -0.1, -0.33, -0.49, -0.55,
    -0.7, -0.9, -0.99,
];
const POSITIVE: &[f64] = &[
    1e-30, 3.3e-9, 2e-4, 0.03, 0.2, 0.6, 0.69, 0.72, 0.9, 1.1, 1.39, 1.43, 1.9, 2.9, 4.3, 7.1, 9.3, 15.0,
    40.0, 130.0, 7e3, 5.5e8, 1.7e30,
];
const TINY: &[f64] = &[1e-40, 1.3e-42];
const ABOVE_ONE: &[f64] = &[1.001, 1.2, 1.7, 3.1, 9.0, 44.0, 3e3, 7e8, 2e17];
const EXPONENTS: &[f64] =
    &[0.0, 1e-30, 1e-6, 0.1, 0.8, 1.7, 5.1, 20.0, 36.0, -1e-6, -0.1, -0.9, -1.3, -4.7, -11.0, -30.0, -34.0];
const OPEN_UNIT: &[f64] = &[1e-20, 1e-5, 0.004, 0.03, 0.2, 0.4, 0.55, 0.7, 0.9, 0.98, 0.9985];
const SIDES: &[f64] = &[0.3, -1.7, 2.2, 1e3, 4.5e-3, -9.0, 0.9];
const QUOTIENTS: &[f64] = &[0.3, 5.1, 47.7, 1234.5, -3.4, -99.9, 7.7e6, -8.8];
const DIVISORS: &[f64] = &[0.7, 1.3, -2.9];
const GAMMA: &[f64] = &[
    1e-4, 0.03, 0.2, 0.7, 0.93, 1.07, 1.44, 1.9, 2.1, 2.8, 3.3, 4.4, 6.7, 7.9, 9.2, 13.5, 22.0, 30.5, -0.3,
    -0.7, -1.4, -2.6, -5.3, -7.7,
];
const BESSEL: &[f64] = &[
    0.0, 1e-3, 0.3, 0.8, 1.3, 1.9, 2.7, 3.3, 4.4, 5.2, 6.1, 7.2, 8.9, 10.7, 12.9, 14.1, 18.3, 35.0, 91.0,
    407.0, 3.3e3,
];

/// All of them.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = &[
    one("sin", ANGLES), one("cos", ANGLES), one("tan", ANGLES),
    as_written("sincos", "T s, c; F(a, &s, &c); r = s + (T)0.4 * c;", ANGLES, &[0.0]),
    one("sinpi", REAL), one("cospi", REAL),
    as_written("sincospi", "T s, c; F(a, &s, &c); r = s + (T)0.4 * c;", REAL, &[0.0]),
    one("sqrt", POSITIVE), one("rsqrt", POSITIVE), one("cbrt", REAL), one("rcbrt", REAL),
    again("cbrt_tiny", one("cbrt", TINY)),
    one("exp", EXPONENTS), one("exp2", EXPONENTS), one("exp10", EXPONENTS), one("expm1", EXPONENTS),
    one("log", POSITIVE), one("log2", POSITIVE), one("log10", POSITIVE), one("log1p", POSITIVE),
    again("log1p_unit", one("log1p", UNIT)), again("log_tiny", one("log", TINY)),
    one("logb", POSITIVE), as_written("ilogb", "r = a * F(a);", POSITIVE, &[0.0]),
    one("asin", UNIT), one("acos", UNIT), one("atan", REAL), two("atan2", REAL, SIDES),
    one("sinh", EXPONENTS), one("cosh", EXPONENTS), one("tanh", REAL), one("asinh", REAL), one("acosh", ABOVE_ONE), one("atanh", UNIT),
    again("asinh_wide", one("asinh", POSITIVE)), again("atan_wide", one("atan", POSITIVE)),
    one("erf", REAL), one("erfc", REAL), one("erfcx", REAL), again("erfcx_large", one("erfcx", &[11.0, 20.0, 90.0])),
    one("erfinv", UNIT), one("erfcinv", OPEN_UNIT), one("normcdf", REAL), one("normcdfinv", OPEN_UNIT),
    one("tgamma", GAMMA), one("lgamma", GAMMA),
    one("j0", BESSEL), one("j1", BESSEL), one("y0", BESSEL), one("y1", BESSEL),
    as_written("jn", "r = F(3, a);", BESSEL.split_at(1).1, &[0.0]), as_written("yn", "r = F(2, a);", BESSEL.split_at(1).1, &[0.0]),
    one("cyl_bessel_i0", REAL), one("cyl_bessel_i1", REAL),
    one("fabs", REAL), one("floor", REAL), one("ceil", REAL), one("trunc", REAL), one("round", REAL), one("rint", REAL), one("nearbyint", REAL),
    as_written("llrint", "r = a * F(a);", REAL, &[0.0]), as_written("llround", "r = a * F(a);", REAL, &[0.0]),
    two("pow", POSITIVE, &[0.5, -1.1, 2.0, 0.31, 1.7, -0.4]),
    again("pow_whole", as_written("pow", "r = F(a, (T)3); r += F(-a, (T)2);", &[0.3, 1.2, 7.0, 22.0], &[0.0])),
    again("pow_of_zero", two("pow", &[0.0, -0.0, 0.0, -0.0, 0.0], &[2.0, 3.0, 1.7, 4.0, 5.5])),
    as_written("powi", "r = F(a, 3) + F(a, -2);", REAL, &[0.0]),
    as_written("ldexp", "r = F(a, 3) + F(a, -7);", REAL, &[0.0]), as_written("scalbn", "r = F(a, (int)b);", REAL, &[3.0, -9.0, 40.0]),
    two("hypot", REAL, SIDES), two("rhypot", REAL, SIDES),
    as_written("norm3d", "r = F(a, b, a * b);", REAL, SIDES), as_written("rnorm3d", "r = F(a, b, a * b);", REAL, SIDES),
    as_written("norm4d", "r = F(a, b, a * b, (T)1);", REAL, SIDES), as_written("rnorm4d", "r = F(a, b, a * b, (T)1);", REAL, SIDES),
    two("fmod", QUOTIENTS, DIVISORS), two("remainder", QUOTIENTS, DIVISORS),
    as_written("remquo", "int q; r = F(a, b, &q); r *= (T)(q & 7);", QUOTIENTS, DIVISORS),
    two("fdim", REAL, SIDES), two("fmax", REAL, SIDES), two("fmin", REAL, SIDES), two("copysign", REAL, SIDES),
    as_written("fma", "r = F(a, b, a);", REAL, SIDES),
    as_written("modf", "T whole; r = F(a, &whole); r *= whole;", FRACTIONS, &[0.0]),
    as_written("frexp", "int e; r = F(a, &e); r *= (T)e;", POSITIVE, &[0.0]),
];

/// What is refused, or wrong, and why.
#[rustfmt::skip]
pub const OPEN: &[(&str, &str)] = &[
    ("cbrt_f32", "at 1e-30: the slope of the first approximation is beyond f32, and comes out as infinite"),
    ("rcbrt_f32", "likewise"),
    ("cbrt_tiny_f32", "likewise"),
    ("cbrt_tiny_f64", "likewise: the first approximation is a float"),
    ("tgamma_f64", "right to 1e-8"),
    ("erfcinv_f64", "KAD0103: a mantissa and an exponent that are used in more than one way"),
    ("normcdfinv_f64", "KAD0103: likewise"),
    ("y0_f32", "KAD0103: two reductions of one angle"),
    ("y1_f32", "KAD0103: likewise"),
    ("jn_f32", "KAD0103: likewise"),
    ("yn_f32", "KAD0103: likewise"),
    ("llround_f32", "KAD0103: rounding by bits"),
    ("fmod_f64", "KAD0103: division with integers"), ("remainder_f64", "KAD0103: likewise"),
    ("remquo_f64", "KAD0103: likewise"),
];
