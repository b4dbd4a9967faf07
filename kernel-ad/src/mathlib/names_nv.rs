//! libdevice (`__nv_*`).

use super::{library, rounding, MathCall, Shape, Shape::*};
use crate::kernel::{CastOp, Flavor, IntFn, MathFn, MathFn::*};

/// Functions that exist as `__nv_<name>` for f64 and `__nv_<name>f` for f32. The flag says that C has the name too.
#[rustfmt::skip]
pub(super) const REGULAR: &[(&str, Shape, bool)] = &[
    ("sqrt", Math(Sqrt), true), ("rsqrt", Math(Rsqrt), false), ("cbrt", Math(Cbrt), true), ("rcbrt", Math(Rcbrt), false),
    ("exp", Math(Exp), true), ("exp2", Math(Exp2), true), ("exp10", Math(Exp10), true), ("expm1", Math(Expm1), true),
    ("log", Math(Log), true), ("log2", Math(Log2), true), ("log10", Math(Log10), true), ("log1p", Math(Log1p), true),
    ("logb", Math(Logb), true), ("ilogb", Math(Ilogb), true),
    ("sin", Math(Sin), true), ("cos", Math(Cos), true), ("tan", Math(Tan), true),
    ("sinpi", Math(Sinpi), false), ("cospi", Math(Cospi), false),
    ("asin", Math(Asin), true), ("acos", Math(Acos), true), ("atan", Math(Atan), true), ("atan2", Math(Atan2), true),
    ("sinh", Math(Sinh), true), ("cosh", Math(Cosh), true), ("tanh", Math(Tanh), true),
    ("asinh", Math(Asinh), true), ("acosh", Math(Acosh), true), ("atanh", Math(Atanh), true),
    ("erf", Math(Erf), true), ("erfc", Math(Erfc), true), ("erfcx", Math(Erfcx), false),
    ("erfinv", Math(Erfinv), false), ("erfcinv", Math(Erfcinv), false),
    ("normcdf", Math(Normcdf), false), ("normcdfinv", Math(Normcdfinv), false),
    ("tgamma", Math(Tgamma), true), ("lgamma", Math(Lgamma), true),
    ("j0", Math(J0), true), ("j1", Math(J1), true), ("jn", Math(Jn), true),
    ("y0", Math(Y0), true), ("y1", Math(Y1), true), ("yn", Math(Yn), true),
    ("cyl_bessel_i0", Math(CylBesselI0), false), ("cyl_bessel_i1", Math(CylBesselI1), false),
    ("fabs", Math(Fabs), true), ("floor", Math(Floor), true), ("ceil", Math(Ceil), true), ("trunc", Math(Trunc), true),
    ("round", Math(Round), true), ("rint", Math(Rint), true), ("nearbyint", Math(Rint), true),
    ("llrint", Math(Lrint), true), ("llround", Math(Lround), true),
    ("pow", Math(Pow), true), ("powi", Math(Powi), false), ("ldexp", Math(Ldexp), true), ("scalbn", Math(Ldexp), true),
    ("hypot", Math(Hypot), true), ("rhypot", Math(Rhypot), false),
    ("norm3d", Math(Norm3d), false), ("rnorm3d", Math(Rnorm3d), false),
    ("norm4d", Math(Norm4d), false), ("rnorm4d", Math(Rnorm4d), false),
    ("fmod", Math(Fmod), true), ("remainder", Math(Remainder), true), ("fdim", Math(Fdim), true),
    ("fmax", Math(Fmax), true), ("fmin", Math(Fmin), true),
    ("copysign", Math(Copysign), true), ("nextafter", Math(Nextafter), true), ("fma", Math(Fma), true),
    ("nan", Nan, false),
    ("modf", Stores(Some(ModfFrac), &[(Trunc, 1)]), true),
    ("frexp", Stores(Some(FrexpMant), &[(FrexpExp, 1)]), true),
    ("remquo", Stores(Some(Remainder), &[(RemquoQuo, 2)]), true),
    ("sincos", Stores(None, &[(Sin, 1), (Cos, 2)]), true),
    ("sincospi", Stores(None, &[(Sinpi, 1), (Cospi, 2)]), false),
];

/// Names that follow no pattern.
#[rustfmt::skip]
const SINGLE: &[(&str, Shape)] = &[
    ("saturatef", Math(Saturate)), ("rcp64h", Math(Rcp)),
    ("isnanf", Math(IsNan)), ("isnand", Math(IsNan)), ("isinff", Math(IsInf)), ("isinfd", Math(IsInf)),
    ("finitef", Math(IsFinite)), ("isfinited", Math(IsFinite)), ("signbitf", Math(SignBit)), ("signbitd", Math(SignBit)),
    ("half2float", FromHalfBits), ("float2half_rn", ToHalfBits),
    ("hiloint2double", MakeDouble(true)), ("double2loint", DoubleHalf(false)), ("double2hiint", DoubleHalf(true)),
    ("int_as_float", Cast(CastOp::Bitcast)), ("float_as_int", Cast(CastOp::Bitcast)),
    ("uint_as_float", Cast(CastOp::Bitcast)), ("float_as_uint", Cast(CastOp::Bitcast)),
    ("longlong_as_double", Cast(CastOp::Bitcast)), ("double_as_longlong", Cast(CastOp::Bitcast)),
    ("clz", Int(IntFn::Ctlz)), ("clzll", IntNarrow(IntFn::Ctlz)), ("popc", Int(IntFn::Ctpop)), ("popcll", IntNarrow(IntFn::Ctpop)),
    ("ffs", Int(IntFn::Ffs)), ("ffsll", Int(IntFn::Ffs)),
    ("brev", Int(IntFn::Bitreverse)), ("brevll", Int(IntFn::Bitreverse)), ("byte_perm", Int(IntFn::BytePerm)),
    ("min", Int(IntFn::Smin)), ("llmin", Int(IntFn::Smin)), ("umin", Int(IntFn::Umin)), ("ullmin", Int(IntFn::Umin)),
    ("max", Int(IntFn::Smax)), ("llmax", Int(IntFn::Smax)), ("umax", Int(IntFn::Umax)), ("ullmax", Int(IntFn::Umax)),
    ("mulhi", Int(IntFn::MulhiS)), ("umulhi", Int(IntFn::MulhiU)), ("mul64hi", Int(IntFn::MulhiS)), ("umul64hi", Int(IntFn::MulhiU)),
    ("mul24", Int(IntFn::Mul24S)), ("umul24", Int(IntFn::Mul24U)), ("sad", Int(IntFn::SadS)), ("usad", Int(IntFn::SadU)),
    ("abs", Int(IntFn::Abs)), ("llabs", Int(IntFn::Abs)),
    ("hadd", Int(IntFn::HaddS)), ("uhadd", Int(IntFn::HaddU)), ("rhadd", Int(IntFn::RhaddS)), ("urhadd", Int(IntFn::RhaddU)),
];

/// `__nv_fast_<name>f`.
#[rustfmt::skip]
pub(super) const FAST: &[(&str, Shape)] = &[
    ("sin", Math(Sin)), ("cos", Math(Cos)), ("tan", Math(Tan)), ("tanh", Math(Tanh)),
    ("exp", Math(Exp)), ("exp10", Math(Exp10)), ("log", Math(Log)), ("log2", Math(Log2)), ("log10", Math(Log10)),
    ("pow", Math(Pow)), ("fdivide", Math(Div)), ("sincos", Stores(None, &[(Sin, 1), (Cos, 2)])),
];

/// `__nv_<name>_{rn,rz,rd,ru}`.
#[rustfmt::skip]
pub(super) const ROUNDED: &[(&str, MathFn)] = &[
    ("fadd", Add), ("dadd", Add), ("fsub", Sub), ("dsub", Sub), ("fmul", Mul), ("dmul", Mul), ("fdiv", Div), ("ddiv", Div),
    ("frcp", Rcp), ("drcp", Rcp), ("fsqrt", Sqrt), ("dsqrt", Sqrt), ("frsqrt", Rsqrt),
    ("fmaf", Fma), ("fma", Fma), ("fmaf_ieee", Fma), ("double2float", Convert),
    ("float2int", ToInt), ("float2ll", ToInt), ("double2int", ToInt), ("double2ll", ToInt),
    ("float2uint", ToUint), ("float2ull", ToUint), ("double2uint", ToUint), ("double2ull", ToUint),
    ("int2float", FromInt), ("ll2float", FromInt), ("int2double", FromInt), ("ll2double", FromInt),
    ("uint2float", FromUint), ("ull2float", FromUint), ("uint2double", FromUint), ("ull2double", FromUint),
];

pub(super) fn lookup(name: &str) -> Option<MathCall> {
    if let Some(&(_, shape)) = SINGLE.iter().find(|(n, _)| *n == name) {
        // The only approximation among them that has no other name.
        let approx = name == "rcp64h";
        return Some(MathCall {
            shape,
            flavor: if approx { Flavor::Approx { ftz: true } } else { Flavor::Library },
        });
    }
    if let Some(fast) = name.strip_prefix("fast_") {
        let base = fast.strip_suffix('f')?;
        let &(_, shape) = FAST.iter().find(|(n, _)| *n == base)?;
        return Some(MathCall { shape, flavor: Flavor::Fast });
    }
    if let Some((base, suffix)) = name.rsplit_once('_') {
        if let (Some(mode), Some(&(_, f))) = (rounding(suffix), ROUNDED.iter().find(|(n, _)| *n == base)) {
            return Some(MathCall { shape: Math(f), flavor: Flavor::Rounded { mode, ftz: false } });
        }
    }
    regular(name).map(|&(_, shape, _)| library(shape))
}

/// The C library's names, which clang leaves when a builtin has no intrinsic.
pub(super) fn c_name(name: &str) -> Option<MathCall> {
    regular(name).filter(|r| r.2).map(|&(_, shape, _)| library(shape))
}

fn regular(name: &str) -> Option<&'static (&'static str, Shape, bool)> {
    let find = |n: &str| REGULAR.iter().find(|r| r.0 == n);
    find(name).or_else(|| find(name.strip_suffix('f')?))
}
