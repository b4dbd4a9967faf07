//! ROCm's ocml and ockl, and AMDGPU's scalar intrinsics.

use super::{library, rounding, MathCall, Shape, Shape::*};
use crate::kernel::{Flavor, IntFn, MathFn, MathFn::*};
use std::f64::consts::FRAC_1_PI;

/// `__ocml_<name>_{f16,f32,f64,2f16}`.
#[rustfmt::skip]
pub(super) const OCML: &[(&str, Shape)] = &[
    ("sqrt", Math(Sqrt)), ("rsqrt", Math(Rsqrt)), ("cbrt", Math(Cbrt)), ("rcbrt", Math(Rcbrt)),
    ("exp", Math(Exp)), ("exp2", Math(Exp2)), ("exp10", Math(Exp10)), ("expm1", Math(Expm1)),
    ("log", Math(Log)), ("log2", Math(Log2)), ("log10", Math(Log10)), ("log1p", Math(Log1p)), ("logb", Math(Logb)), ("ilogb", Math(Ilogb)),
    ("sin", Math(Sin)), ("cos", Math(Cos)), ("tan", Math(Tan)), ("sinpi", Math(Sinpi)), ("cospi", Math(Cospi)), ("tanpi", Math(Tanpi)),
    ("asin", Math(Asin)), ("acos", Math(Acos)), ("atan", Math(Atan)), ("atan2", Math(Atan2)),
    ("asinpi", ScaleResult(Asin, FRAC_1_PI)), ("acospi", ScaleResult(Acos, FRAC_1_PI)), ("atanpi", ScaleResult(Atan, FRAC_1_PI)),
    ("atan2pi", ScaleResult(Atan2, FRAC_1_PI)),
    ("sinh", Math(Sinh)), ("cosh", Math(Cosh)), ("tanh", Math(Tanh)), ("asinh", Math(Asinh)), ("acosh", Math(Acosh)), ("atanh", Math(Atanh)),
    ("erf", Math(Erf)), ("erfc", Math(Erfc)), ("erfcx", Math(Erfcx)), ("erfinv", Math(Erfinv)), ("erfcinv", Math(Erfcinv)),
    ("ncdf", Math(Normcdf)), ("ncdfinv", Math(Normcdfinv)), ("tgamma", Math(Tgamma)), ("lgamma", Math(Lgamma)),
    ("j0", Math(J0)), ("j1", Math(J1)), ("y0", Math(Y0)), ("y1", Math(Y1)), ("i0", Math(CylBesselI0)), ("i1", Math(CylBesselI1)),
    ("fabs", Math(Fabs)), ("floor", Math(Floor)), ("ceil", Math(Ceil)), ("trunc", Math(Trunc)), ("round", Math(Round)),
    ("rint", Math(Rint)), ("nearbyint", Math(Rint)),
    ("pow", Math(Pow)), ("powr", Math(Pow)), ("pown", Math(Powi)), ("ldexp", Math(Ldexp)), ("scalbn", Math(Ldexp)),
    ("hypot", Math(Hypot)), ("rhypot", Math(Rhypot)), ("len3", Math(Norm3d)), ("rlen3", Math(Rnorm3d)), ("len4", Math(Norm4d)), ("rlen4", Math(Rnorm4d)),
    ("fmod", Math(Fmod)), ("remainder", Math(Remainder)), ("fdim", Math(Fdim)),
    ("fmax", Math(Fmax)), ("fmin", Math(Fmin)), ("max", Math(Fmax)), ("min", Math(Fmin)),
    ("copysign", Math(Copysign)), ("nextafter", Math(Nextafter)), ("fma", Math(Fma)), ("fmuladd", MulAdd), ("mad", MulAdd),
    ("isnan", Math(IsNan)), ("isinf", Math(IsInf)), ("isfinite", Math(IsFinite)), ("signbit", Math(SignBit)), ("isnormal", FpClassMask(0x108)),
    ("sincos", Stores(Some(Sin), &[(Cos, 1)])), ("sincospi", Stores(Some(Sinpi), &[(Cospi, 1)])),
    ("modf", Stores(Some(ModfFrac), &[(Trunc, 1)])), ("fract", Stores(Some(Fract), &[(Floor, 1)])),
    ("frexp", Stores(Some(FrexpMant), &[(FrexpExp, 1)])), ("remquo", Stores(Some(Remainder), &[(RemquoQuo, 2)])),
    ("nan", Nan),
];

/// `__ocml_native_<name>_{f16,f32,f64}`.
#[rustfmt::skip]
pub(super) const NATIVE: &[(&str, MathFn)] = &[
    ("sin", Sin), ("cos", Cos), ("exp", Exp), ("exp2", Exp2), ("exp10", Exp10), ("log", Log), ("log2", Log2), ("log10", Log10),
    ("recip", Rcp), ("rcp", Rcp), ("rsqrt", Rsqrt), ("sqrt", Sqrt),
];

/// `__ocml_<name>_{rte,rtz,rtn,rtp}_{f32,f64}`.
const ROUNDED: &[(&str, MathFn)] =
    &[("add", Add), ("sub", Sub), ("mul", Mul), ("div", Div), ("sqrt", Sqrt), ("fma", Fma)];

#[rustfmt::skip]
const OCKL: &[(&str, Shape)] = &[
    ("clz_u32", Int(IntFn::Ctlz)), ("clz_u64", Int(IntFn::Ctlz)), ("ctz_u32", Int(IntFn::Cttz)), ("ctz_u64", Int(IntFn::Cttz)),
    ("popcount_u32", Int(IntFn::Ctpop)), ("popcount_u64", Int(IntFn::Ctpop)),
    ("mul_hi_i32", Int(IntFn::MulhiS)), ("mul_hi_i64", Int(IntFn::MulhiS)), ("mul_hi_u32", Int(IntFn::MulhiU)), ("mul_hi_u64", Int(IntFn::MulhiU)),
    ("mul24_i32", Int(IntFn::Mul24S)), ("mul24_u32", Int(IntFn::Mul24U)), ("sadd_u32", Int(IntFn::SadU)),
    ("add_sat_i32", Int(IntFn::SaddSat)), ("add_sat_i64", Int(IntFn::SaddSat)), ("add_sat_u32", Int(IntFn::UaddSat)), ("add_sat_u64", Int(IntFn::UaddSat)),
    ("sub_sat_i32", Int(IntFn::SsubSat)), ("sub_sat_i64", Int(IntFn::SsubSat)), ("sub_sat_u32", Int(IntFn::UsubSat)), ("sub_sat_u64", Int(IntFn::UsubSat)),
    ("median3_f32", Math(Fmed3)), ("median3_f16", Math(Fmed3)),
];

/// `llvm.amdgcn.<name>[.<types>]`. The hardware's sine and cosine take revolutions; its logarithm is to base 2.
#[rustfmt::skip]
const AMDGCN: &[(&str, Shape)] = &[
    ("rcp", Math(Rcp)), ("rsq", Math(Rsqrt)), ("sqrt", Math(Sqrt)), ("exp2", Math(Exp2)), ("log", Math(Log2)),
    ("sin", ScaleArg(2.0, Sinpi)), ("cos", ScaleArg(2.0, Cospi)), ("fract", Math(Fract)), ("fmed3", Math(Fmed3)),
    ("ldexp", Math(Ldexp)), ("frexp.mant", Math(FrexpMant)), ("frexp.exp", Math(FrexpExp)),
    ("fdiv.fast", Math(Div)), ("fmad.ftz", MulAdd), ("tanh", Math(Tanh)),
    ("mul.i24", Int(IntFn::Mul24S)), ("mul.u24", Int(IntFn::Mul24U)), ("sbfe", Int(IntFn::BfeS)), ("ubfe", Int(IntFn::BfeU)),
];

pub(super) fn ocml(name: &str) -> Option<MathCall> {
    let (base, ty) = name.rsplit_once('_')?;
    if !matches!(ty, "f16" | "f32" | "f64" | "2f16") {
        return None;
    }
    if let Some(native) = base.strip_prefix("native_") {
        let &(_, f) = NATIVE.iter().find(|(n, _)| *n == native)?;
        return Some(MathCall { shape: Math(f), flavor: Flavor::Fast });
    }
    if let Some((b, mode)) = base.rsplit_once('_').and_then(|(b, s)| Some((b, rounding(s)?))) {
        let &(_, f) = ROUNDED.iter().find(|(n, _)| *n == b)?;
        return Some(MathCall { shape: Math(f), flavor: Flavor::Rounded { mode, ftz: false } });
    }
    OCML.iter().find(|(n, _)| *n == base).map(|&(_, shape)| library(shape))
}

pub(super) fn ockl(name: &str) -> Option<MathCall> {
    OCKL.iter().find(|(n, _)| *n == name).map(|&(_, shape)| library(shape))
}

pub(super) fn amdgcn(name: &str) -> Option<MathCall> {
    let mut base = name;
    loop {
        if let Some(&(_, shape)) = AMDGCN.iter().find(|(n, _)| *n == base) {
            let flavor = match shape {
                Math(Fract | Fmed3 | Ldexp | FrexpMant | FrexpExp) => Flavor::Llvm,
                _ => Flavor::Approx { ftz: false },
            };
            return Some(MathCall { shape, flavor });
        }
        base = base.rsplit_once('.')?.0;
    }
}
