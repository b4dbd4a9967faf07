//! The closed set of floating-point functions, named by meaning and not by library.
//!
//! The reader turns `__nv_expf`, `__ocml_exp_f32`, `llvm.exp.f32` and `ex2.approx` into [`MathFn`] with a
//! [`Flavor`]; emission turns the pair back into whatever the target has. Functions with pointer results
//! (`sincos`, `modf`, `frexp`, `remquo`) are split by the reader into the functions below and stores, so
//! that every one of them is pure.

/// What a function computes. All take and return the float type of the instruction's result unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[rustfmt::skip]
#[allow(missing_docs)] // the names are those of C and of libdevice
pub enum MathFn {
    // one argument
    Sqrt, Rsqrt, Rcp, Cbrt, Rcbrt,
    Exp, Exp2, Exp10, Expm1, Log, Log2, Log10, Log1p, Logb,
    Sin, Cos, Tan, Sinpi, Cospi, Tanpi, Asin, Acos, Atan,
    Sinh, Cosh, Tanh, Asinh, Acosh, Atanh,
    Erf, Erfc, Erfcx, Erfinv, Erfcinv, Normcdf, Normcdfinv,
    Tgamma, Lgamma, J0, J1, Y0, Y1, CylBesselI0, CylBesselI1,
    Fabs, Floor, Ceil, Trunc, /** half away from zero */ Round, /** half to even: rint, nearbyint */ Rint,
    /** clamp to [0, 1], NaN to 0 */ Saturate,
    /** x - trunc(x), sign kept */ ModfFrac, /** x - floor(x), below 1 (AMD fract) */ Fract,
    /** mantissa of frexp, in [0.5, 1) */ FrexpMant,
    // two arguments
    Add, Sub, Mul, Div, Pow, Atan2, Hypot, Rhypot, Fmod, Remainder, Fdim, /** NaN ignored */ Fmax, /** NaN ignored */ Fmin,
    /** NaN kept */ Fmaximum, /** NaN kept */ Fminimum, Copysign, Nextafter,
    // (float, i32)
    Powi, Ldexp,
    // (i32, float)
    Jn, Yn,
    // three and four arguments
    Fma, Norm3d, Rnorm3d, Norm4d, Rnorm4d,
    /** median of three (AMD fmed3) */ Fmed3,
    // float in, i32 or i64 out (the result type says which); no derivative
    Ilogb, FrexpExp, /** (x, y) */ RemquoQuo, /** half away from zero, to integer */ Lround, /** half to even, to integer */ Lrint,
    /** directed conversion to integer, `Flavor::Rounded`, saturating, NaN to 0 as cvt.*i does */ ToInt,
    ToUint,
    // float in, i32 out: zero or not
    IsNan, IsInf, IsFinite, SignBit,
    // integer in, float out with a rounding direction
    FromInt, FromUint,
    // float to float with a rounding direction
    Convert,
    // marks of the pass `retype`, in kernels to be differentiated only
    /** the first argument's value with the second's derivative */ Pin,
    /** the first argument's value, with a derivative by the second that nobody knows */ Opaque,
}

/// Rounding direction of an operation that names one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Rounding {
    /// To nearest, ties to even.
    Nearest,
    /// Toward zero.
    Zero,
    /// Toward minus infinity.
    Down,
    /// Toward plus infinity.
    Up,
}

/// How a function is computed. Derivatives do not depend on it; emission and accuracy do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Flavor {
    /// The device library's accurate version: `__nv_*`, `__ocml_*`, libm on the host.
    Library,
    /// An LLVM intrinsic such as `llvm.sqrt.f32`.
    Llvm,
    /// The device library's fast version: `__nv_fast_*`, `__ocml_native_*`.
    Fast,
    /// The hardware's approximation, `llvm.nvvm.*.approx[.ftz]`, `llvm.amdgcn.*`.
    Approx {
        /// Subnormal inputs and results become zero.
        ftz: bool,
    },
    /// A named rounding direction: `__nv_fadd_rn`, `llvm.nvvm.add.rn.f`.
    Rounded {
        /// Direction.
        mode: Rounding,
        /// Subnormal inputs and results become zero.
        ftz: bool,
    },
}

impl MathFn {
    /// Number of arguments.
    pub fn arity(self) -> usize {
        use MathFn::*;
        match self {
            Add | Sub | Mul | Div | Pow | Atan2 | Hypot | Rhypot | Fmod | Remainder | Fdim | Fmax | Fmin
            | Fmaximum | Fminimum | Pin | Opaque | Copysign | Nextafter | Powi | Ldexp | Jn | Yn
            | RemquoQuo => 2,
            Fma | Norm3d | Rnorm3d | Fmed3 => 3,
            Norm4d | Rnorm4d => 4,
            _ => 1,
        }
    }
}

/// Integer functions that are not single instructions. Result and arguments share one type unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[rustfmt::skip]
#[allow(missing_docs)]
pub enum IntFn {
    Ctpop, /** zero input gives the bit width */ Ctlz, /** zero input gives the bit width */ Cttz, Bswap, Bitreverse,
    Fshl, Fshr, Smin, Smax, Umin, Umax, Abs,
    /** high half of the signed product */ MulhiS, /** high half of the unsigned product */ MulhiU,
    /** low 24 bits, signed */ Mul24S, /** low 24 bits, unsigned */ Mul24U,
    /** 1-based position of the lowest set bit, 0 if none; result i32 */ Ffs,
    /** (a, b, selector), PTX prmt */ BytePerm,
    /** (value, start, length) PTX bfe */ BfeS, BfeU, /** (insert, base, start, length) PTX bfi */ Bfi,
    /** |a-b|+c */ SadS, SadU,
    /** (a+b)>>1 without overflow */ HaddS, HaddU, /** (a+b+1)>>1 */ RhaddS, RhaddU,
    SaddSat, UaddSat, SsubSat, UsubSat,
    /** result {T, i1} */ SaddOv, UaddOv, SsubOv, UsubOv, SmulOv, UmulOv,
}
