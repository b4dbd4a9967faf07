//! Kernel IR of a library call.

use super::{MathCall, Shape};
use crate::kernel::*;
use smallvec::SmallVec;

/// Builds what a call of result type `ret` (void: none) means. The error says what the call has that Kernel IR cannot
/// hold, for a diagnostic of the caller's.
///
/// Operations rounded to nearest become plain instructions without the permission to contract, which is the same.
pub fn build(
    b: &mut KernelBuilder,
    call: &MathCall,
    args: &[Value],
    ret: Type,
    fmf: Fmf,
) -> Result<Option<Value>, String> {
    let flavor = call.flavor;
    let need = |n: usize| match args.len() >= n {
        true => Ok(()),
        false => Err(format!("{} arguments where {n} are expected", args.len())),
    };
    let v = match call.shape {
        Shape::Math(f) => {
            need(f.arity())?;
            math(b, f, flavor, &args[..f.arity()], ret, fmf)
        }
        Shape::ScaleArg(k, f) => {
            need(1)?;
            let x = scale(b, args[0], k, fmf);
            math(b, f, flavor, &[x], ret, fmf)
        }
        Shape::ScaleResult(f, k) => {
            need(f.arity())?;
            let y = math(b, f, flavor, &args[..f.arity()], ret, fmf);
            scale(b, y, k, fmf)
        }
        Shape::Then(f, clamp) => {
            need(f.arity())?;
            let y = math(b, f, flavor, &args[..f.arity()], ret, fmf);
            if clamp.arity() == 2 {
                let zero = b.k.zero(ret);
                math(b, clamp, Flavor::Llvm, &[y, zero], ret, fmf)
            } else {
                math(b, clamp, Flavor::Approx { ftz: false }, &[y], ret, fmf)
            }
        }
        Shape::MulAdd => {
            need(3)?;
            let fmf = fmf | Fmf::CONTRACT;
            let p = b.binary_fmf(BinOp::FMul, args[0], args[1], fmf);
            b.binary_fmf(BinOp::FAdd, p, args[2], fmf)
        }
        Shape::Neg => {
            need(1)?;
            b.fneg(args[0], fmf)
        }
        Shape::Ident => {
            need(1)?;
            args[0]
        }
        Shape::Nan => b.k.float(ret, f64::NAN),
        Shape::Stores(result, stores) => return stores_of(b, flavor, result, stores, args, ret, fmf),
        Shape::Pair(f, g) => {
            need(1)?;
            let member = |b: &KernelBuilder, i| b.k.agg_member(ret, &[i]).ok_or("result is not a pair");
            let (ft, gt) = (member(b, 0)?, member(b, 1)?);
            let x = math(b, f, flavor, args, ft, fmf);
            let y = math(b, g, flavor, args, gt, fmf);
            let undef = b.k.constant(ret, Const::Undef);
            let one = b.value(Op::InsertValue { agg: undef, elem: x, path: SmallVec::from_slice(&[0]) }, ret);
            b.value(Op::InsertValue { agg: one, elem: y, path: SmallVec::from_slice(&[1]) }, ret)
        }
        Shape::FpClass => {
            need(2)?;
            let mask = b.k.as_int(args[1]).ok_or("class mask is not a constant")?;
            fp_class(b, args[0], mask as u32)?
        }
        Shape::FpClassMask(mask) => {
            need(1)?;
            let bit = fp_class(b, args[0], mask)?;
            b.cast(CastOp::ZExt, bit, ret)
        }
        Shape::Int(f) => {
            need(int_arity(f))?;
            b.int_math(f, &args[..int_arity(f)], ret)
        }
        Shape::IntNarrow(f) => {
            need(int_arity(f))?;
            let ty = b.k.ty(args[0]);
            let wide = b.int_math(f, &args[..int_arity(f)], ty);
            resize(b, wide, ret)
        }
        Shape::Rotate(left) => {
            need(2)?;
            let n = resize(b, args[1], ret);
            b.int_math(if left { IntFn::Fshl } else { IntFn::Fshr }, &[args[0], args[0], n], ret)
        }
        Shape::SwapHalves => {
            need(1)?;
            let n = b.k.int(ret, 32);
            b.int_math(IntFn::Fshl, &[args[0], args[0], n], ret)
        }
        Shape::Cast(op) => {
            need(1)?;
            if b.k.bytes(b.k.ty(args[0])) != b.k.bytes(ret) && op == CastOp::Bitcast {
                return Err("sizes of a bit cast differ".into());
            }
            b.cast(op, args[0], ret)
        }
        Shape::ToHalfBits => {
            need(1)?;
            let h = b.cast(CastOp::FpTrunc, args[0], Type::Float(FloatTy::F16));
            let bits = b.cast(CastOp::Bitcast, h, Type::Int(16));
            resize(b, bits, ret)
        }
        Shape::FromHalfBits => {
            need(1)?;
            let bits = resize(b, args[0], Type::Int(16));
            let h = b.cast(CastOp::Bitcast, bits, Type::Float(FloatTy::F16));
            b.cast(CastOp::FpExt, h, ret)
        }
        Shape::DoubleHalf(high) => {
            need(1)?;
            let mut bits = b.cast(CastOp::Bitcast, args[0], Type::I64);
            if high {
                let n = b.k.int(Type::I64, 32);
                bits = b.binary(BinOp::LShr, bits, n);
            }
            b.cast(CastOp::Trunc, bits, ret)
        }
        Shape::MakeDouble(high_first) => {
            need(2)?;
            let (hi, lo) = if high_first { (args[0], args[1]) } else { (args[1], args[0]) };
            let hi = b.cast(CastOp::ZExt, hi, Type::I64);
            let lo = b.cast(CastOp::ZExt, lo, Type::I64);
            let n = b.k.int(Type::I64, 32);
            let hi = b.binary(BinOp::Shl, hi, n);
            let bits = b.binary(BinOp::Or, hi, lo);
            b.cast(CastOp::Bitcast, bits, ret)
        }
        Shape::Pack2 => {
            need(2)?;
            let lane = ret.scalar();
            let (hi, lo) = (b.cast(CastOp::FpTrunc, args[0], lane), b.cast(CastOp::FpTrunc, args[1], lane));
            let undef = b.k.constant(ret, Const::Undef);
            let one = insert(b, undef, lo, 0);
            insert(b, one, hi, 1)
        }
        Shape::Reduce(f, with_start) => {
            need(1 + usize::from(with_start))?;
            let vec = args[usize::from(with_start)];
            let mut acc = with_start.then(|| args[0]);
            for i in 0..b.k.ty(vec).lanes() {
                let x = extract(b, vec, i);
                acc = Some(match acc {
                    None => x,
                    Some(a) => {
                        math(b, f, Flavor::Rounded { mode: Rounding::Nearest, ftz: false }, &[a, x], ret, fmf)
                    }
                });
            }
            acc.ok_or("reduction of a vector without lanes")?
        }
    };
    Ok(Some(v))
}

fn stores_of(
    b: &mut KernelBuilder,
    flavor: Flavor,
    result: Option<MathFn>,
    stores: &[(MathFn, usize)],
    args: &[Value],
    ret: Type,
    fmf: Fmf,
) -> Result<Option<Value>, String> {
    let float = args.first().map(|&a| b.k.ty(a)).filter(|t| t.is_float()).ok_or("no float argument")?;
    let v = result.map(|f| math(b, f, flavor, &args[..f.arity()], ret, fmf));
    for &(f, at) in stores {
        let &ptr = args.get(at).ok_or("missing pointer argument")?;
        let int = matches!(f, MathFn::FrexpExp | MathFn::RemquoQuo);
        let ty = if int { float.with_scalar(Lane::Int(32)) } else { float };
        let x = math(b, f, flavor, &args[..f.arity()], ty, fmf);
        let align = b.k.bytes(ty.scalar()) as u32;
        b.store(ptr, x, MemFlags::plain(align));
    }
    Ok(v)
}

/// One function of Kernel IR, as the simplest instruction that means the same.
fn math(b: &mut KernelBuilder, f: MathFn, flavor: Flavor, args: &[Value], ret: Type, fmf: Fmf) -> Value {
    let nearest = matches!(flavor, Flavor::Rounded { mode: Rounding::Nearest, ftz: false });
    let bin = |b: &mut KernelBuilder, op| b.binary_fmf(op, args[0], args[1], fmf);
    match f {
        MathFn::Add if nearest => return bin(b, BinOp::FAdd),
        MathFn::Sub if nearest => return bin(b, BinOp::FSub),
        MathFn::Mul if nearest => return bin(b, BinOp::FMul),
        MathFn::Div if nearest => return bin(b, BinOp::FDiv),
        MathFn::FromInt if nearest => return b.cast(CastOp::SiToFp, args[0], ret),
        MathFn::FromUint if nearest => return b.cast(CastOp::UiToFp, args[0], ret),
        // Exponents for which one instruction is as accurate as can be.
        MathFn::Pow if matches!(flavor, Flavor::Library | Flavor::Llvm | Flavor::Fast) => {
            match float_constant(b.k, args[1]) {
                Some(2.0) => return b.binary_fmf(BinOp::FMul, args[0], args[0], fmf),
                Some(1.0) => return args[0],
                Some(-1.0) => {
                    let one = b.k.float(ret, 1.0);
                    return b.binary_fmf(BinOp::FDiv, one, args[0], fmf);
                }
                _ => {}
            }
        }
        MathFn::Convert if nearest => return b.cast(CastOp::FpTrunc, args[0], ret),
        _ => {}
    }
    // A vector with one exponent for all lanes (`llvm.powi`): lane by lane, since operands of one function agree in shape.
    let lanes = ret.lanes();
    if lanes > 1 && args.iter().any(|&a| b.k.ty(a).lanes() != lanes) {
        let mut out = b.k.constant(ret, Const::Undef);
        for i in 0..lanes {
            let lane_args: SmallVec<[Value; 3]> =
                args.iter().map(|&a| if b.k.ty(a).lanes() == lanes { extract(b, a, i) } else { a }).collect();
            let x = b.value(Op::Math { func: f, flavor, args: lane_args, fmf }, ret.scalar());
            out = insert(b, out, x, i);
        }
        return out;
    }
    b.value(Op::Math { func: f, flavor, args: SmallVec::from_slice(args), fmf }, ret)
}

/// The value of a scalar float constant, in f32 and f64.
pub(crate) fn float_constant(k: &Kernel, v: Value) -> Option<f64> {
    match (k.as_const(v)?, k.ty(v)) {
        (Const::Float(bits), Type::F64) => Some(f64::from_bits(*bits)),
        (Const::Float(bits), Type::F32) => Some(f32::from_bits(*bits as u32).into()),
        _ => None,
    }
}

fn scale(b: &mut KernelBuilder, x: Value, k: f64, fmf: Fmf) -> Value {
    let ty = b.k.ty(x);
    let k = b.k.float(ty, k);
    b.binary_fmf(BinOp::FMul, x, k, fmf)
}

fn extract(b: &mut KernelBuilder, vec: Value, i: u16) -> Value {
    let ty = b.k.ty(vec).scalar();
    let index = b.k.int(Type::I32, i.into());
    b.value(Op::ExtractElement { vec, index }, ty)
}

fn insert(b: &mut KernelBuilder, vec: Value, elem: Value, i: u16) -> Value {
    let ty = b.k.ty(vec);
    let index = b.k.int(Type::I32, i.into());
    b.value(Op::InsertElement { vec, elem, index }, ty)
}

fn resize(b: &mut KernelBuilder, v: Value, to: Type) -> Value {
    match (b.k.ty(v), to) {
        (Type::Int(from), Type::Int(w)) if from > w => b.cast(CastOp::Trunc, v, to),
        (Type::Int(from), Type::Int(w)) if from < w => b.cast(CastOp::ZExt, v, to),
        _ => v,
    }
}

/// Number of arguments of an integer function.
fn int_arity(f: IntFn) -> usize {
    use IntFn::*;
    match f {
        Ctpop | Ctlz | Cttz | Bswap | Bitreverse | Abs | Ffs => 1,
        Fshl | Fshr | BytePerm | BfeS | BfeU | SadS | SadU => 3,
        Bfi => 4,
        _ => 2,
    }
}

/// LLVM's class bits: signalling and quiet NaN, then -inf, -normal, -subnormal, -0, +0, +subnormal, +normal, +inf.
///
/// Comparisons instead of bit tricks, so that an active value is looked at and never reinterpreted.
fn fp_class(b: &mut KernelBuilder, x: Value, mask: u32) -> Result<Value, String> {
    let ty = b.k.ty(x);
    let float = ty.float().ok_or("class test of a value that is not a float")?;
    let bool_ty = ty.with_scalar(Lane::Int(1));
    let nan = mask & 3;
    if nan == 1 || nan == 2 {
        return Err("test for one kind of NaN".into());
    }
    let tiny = b.k.float(ty, min_normal(float));
    let inf = b.k.float(ty, f64::INFINITY);
    let zero = b.k.zero(ty);
    let abs = b.math(MathFn::Fabs, &[x], Fmf::empty());
    // For every magnitude: the bits of both signs, and the test.
    let kinds: [(u32, u32, [(FloatPred, Value); 2]); 4] = [
        (1 << 5, 1 << 6, [(FloatPred::Oeq, zero), (FloatPred::Oeq, zero)]),
        (1 << 4, 1 << 7, [(FloatPred::Olt, tiny), (FloatPred::Ogt, zero)]),
        (1 << 3, 1 << 8, [(FloatPred::Oge, tiny), (FloatPred::Olt, inf)]),
        (1 << 2, 1 << 9, [(FloatPred::Oeq, inf), (FloatPred::Oeq, inf)]),
    ];
    let mut any = if nan == 3 { Some(b.fcmp(FloatPred::Uno, x, x)) } else { None };
    let mut negative = None;
    for (minus, plus, tests) in kinds {
        if mask & (minus | plus) == 0 {
            continue;
        }
        let mut hit = b.fcmp(tests[0].0, abs, tests[0].1);
        if tests[1] != tests[0] {
            let second = b.fcmp(tests[1].0, abs, tests[1].1);
            hit = b.binary(BinOp::And, hit, second);
        }
        if mask & (minus | plus) != (minus | plus) {
            let neg = *negative.get_or_insert_with(|| {
                let int = ty.with_scalar(Lane::Int(32));
                let sign = b.value(
                    Op::Math {
                        func: MathFn::SignBit,
                        flavor: Flavor::Library,
                        args: SmallVec::from_slice(&[x]),
                        fmf: Fmf::empty(),
                    },
                    int,
                );
                let none = b.k.zero(int);
                b.icmp(IntPred::Ne, sign, none)
            });
            let wanted = if mask & minus != 0 {
                neg
            } else {
                let all_ones = all_ones(b, bool_ty);
                b.binary(BinOp::Xor, neg, all_ones)
            };
            hit = b.binary(BinOp::And, hit, wanted);
        }
        any = Some(match any {
            None => hit,
            Some(a) => b.binary(BinOp::Or, a, hit),
        });
    }
    Ok(any.unwrap_or_else(|| b.k.zero(bool_ty)))
}

fn all_ones(b: &mut KernelBuilder, bool_ty: Type) -> Value {
    let one = b.k.int(Type::I1, 1);
    match bool_ty {
        Type::Vec(_, n) => b.k.constant(bool_ty, Const::Elems(vec![one; n.into()])),
        _ => one,
    }
}

fn min_normal(f: FloatTy) -> f64 {
    match f {
        FloatTy::F16 => half::f16::MIN_POSITIVE.to_f64(),
        FloatTy::Bf16 => half::bf16::MIN_POSITIVE.to_f64(),
        FloatTy::F32 => f32::MIN_POSITIVE.into(),
        FloatTy::F64 => f64::MIN_POSITIVE,
    }
}
