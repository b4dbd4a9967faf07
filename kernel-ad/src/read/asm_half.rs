//! Half and bf16 arithmetic, which CUDA's headers write as assembly on integer registers.

use super::asm::{AsmCall, Statement};
use crate::kernel::*;
use smallvec::smallvec;

/// Builds what the statements compute, when they are one of the known forms.
pub(super) fn build(b: &mut KernelBuilder, statements: &[Statement<'_>], c: &AsmCall) -> Option<Value> {
    // Registers are declared in front of the statements of a block.
    let body: Vec<&Statement> = statements.iter().filter(|s| !s.words.starts_with(&["reg"])).collect();
    match body[..] {
        [s] => single(b, s, c),
        [test, pick] => compare(b, test, pick, c).or_else(|| half_of_pair(b, test, pick, c)),
        _ => None,
    }
}

/// Format and number of lanes of a type word.
fn format(word: &str) -> Option<(FloatTy, u16)> {
    Some(match word {
        "f16" => (FloatTy::F16, 1),
        "f16x2" => (FloatTy::F16, 2),
        "bf16" => (FloatTy::Bf16, 1),
        "bf16x2" => (FloatTy::Bf16, 2),
        "f32" => (FloatTy::F32, 1),
        "f64" => (FloatTy::F64, 1),
        _ => return None,
    })
}

fn shape((f, lanes): (FloatTy, u16)) -> Type {
    if lanes == 1 {
        Type::Float(f)
    } else {
        Type::Vec(Lane::Float(f), lanes)
    }
}

/// A register's bits as a value of that type.
fn view(b: &mut KernelBuilder, v: Value, ty: Type) -> Option<Value> {
    let have = b.k.ty(v);
    if have == ty {
        return Some(v);
    }
    (b.k.bytes(have) == b.k.bytes(ty)).then(|| b.cast(CastOp::Bitcast, v, ty))
}

fn single(b: &mut KernelBuilder, s: &Statement<'_>, c: &AsmCall) -> Option<Value> {
    let (&last, head) = s.words.split_last()?;
    if s.words.first() == Some(&"cvt") {
        return convert(b, s, c);
    }
    if s.words.first() == Some(&"mov") {
        return pack(b, s, c);
    }
    let form = format(last).filter(|f| matches!(f.0, FloatTy::F16 | FloatTy::Bf16))?;
    let ty = shape(form);
    let args: Vec<Value> = s
        .operands
        .iter()
        .skip(1)
        .map(|o| c.input(o))
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .map(|v| view(b, v, ty))
        .collect::<Option<_>>()?;
    let none = Fmf::empty();
    let math = |b: &mut KernelBuilder, func, flavor| {
        let args = args.iter().copied().collect();
        b.value(Op::Math { func, flavor, args, fmf: none }, ty)
    };
    let approx = Flavor::Approx { ftz: false };
    let clamp = head.contains(&"sat");
    let plain: Vec<&str> =
        head.iter().copied().filter(|w| !matches!(*w, "rn" | "ftz" | "sat" | "NaN" | "xorsign")).collect();
    if plain.len() > 2 || head.contains(&"relu") {
        return None;
    }
    let r = match (plain[..].first().copied()?, args.len()) {
        ("add", 2) => b.binary_fmf(BinOp::FAdd, args[0], args[1], none),
        ("sub", 2) => b.binary_fmf(BinOp::FSub, args[0], args[1], none),
        ("mul", 2) => b.binary_fmf(BinOp::FMul, args[0], args[1], none),
        ("neg", 1) => b.fneg(args[0], none),
        ("abs", 1) => math(b, MathFn::Fabs, Flavor::Llvm),
        ("fma", 3) => math(b, MathFn::Fma, Flavor::Llvm),
        ("max", 2) => {
            math(b, if head.contains(&"NaN") { MathFn::Fmaximum } else { MathFn::Fmax }, Flavor::Llvm)
        }
        ("min", 2) => {
            math(b, if head.contains(&"NaN") { MathFn::Fminimum } else { MathFn::Fmin }, Flavor::Llvm)
        }
        ("ex2", 1) => math(b, MathFn::Exp2, approx),
        ("tanh", 1) => math(b, MathFn::Tanh, approx),
        _ => return None,
    };
    let r = if clamp {
        b.value(Op::Math { func: MathFn::Saturate, flavor: approx, args: smallvec![r], fmf: none }, ty)
    } else {
        r
    };
    view(b, r, c.ret)
}

/// `cvt[.rounding].<to>.<from> d, a`, and the packing `cvt.rn.<to>x2.f32 d, a, b`.
fn convert(b: &mut KernelBuilder, s: &Statement<'_>, c: &AsmCall) -> Option<Value> {
    let [.., to, from] = s.words[..] else { return None };
    let modes: Vec<&str> = s.words[1..s.words.len() - 2].iter().copied().filter(|w| *w != "ftz").collect();
    let a = c.input(s.operands.get(1)?)?;
    if let (Some((f, 2)), "f32", Some(second)) = (format(to), from, s.operands.get(2)) {
        // The first source goes to the upper half.
        let low = c.input(second)?;
        (modes == ["rn"]).then_some(())?;
        let pair = Type::Vec(Lane::Float(f), 2);
        let (high, low) =
            (b.cast(CastOp::FpTrunc, a, Type::Float(f)), b.cast(CastOp::FpTrunc, low, Type::Float(f)));
        let (zero, one) = (b.k.int(Type::I32, 0), b.k.int(Type::I32, 1));
        let undef = b.k.constant(pair, Const::Undef);
        let v = b.value(Op::InsertElement { vec: undef, elem: low, index: zero }, pair);
        let v = b.value(Op::InsertElement { vec: v, elem: high, index: one }, pair);
        return view(b, v, c.ret);
    }
    (s.operands.len() == 2).then_some(())?;
    let rounding = match modes[..] {
        [] | ["rn"] | ["rni"] => Rounding::Nearest,
        ["rz"] | ["rzi"] => Rounding::Zero,
        ["rm"] | ["rmi"] => Rounding::Down,
        ["rp"] | ["rpi"] => Rounding::Up,
        _ => return None,
    };
    let flavor = Flavor::Rounded { mode: rounding, ftz: false };
    let math = |b: &mut KernelBuilder, func, x, ty| {
        b.value(Op::Math { func, flavor, args: smallvec![x], fmf: Fmf::empty() }, ty)
    };
    let int = |word: &str| -> Option<(bool, u16)> {
        let bits = word.get(1..)?.parse().ok()?;
        matches!(word.as_bytes().first(), Some(b's' | b'u')).then_some((word.starts_with('s'), bits))
    };
    let small = |f: Option<(FloatTy, u16)>| matches!(f, Some((FloatTy::F16 | FloatTy::Bf16, 1)));
    if !small(format(to)) && !small(format(from)) {
        return None;
    }
    let r = match (format(to), format(from)) {
        (Some((t, 1)), Some((f, 1))) => {
            let x = view(b, a, Type::Float(f))?;
            let ty = Type::Float(t);
            if t.bytes() > f.bytes() {
                b.cast(CastOp::FpExt, x, ty)
            } else if t == f {
                let func = match rounding {
                    Rounding::Nearest => MathFn::Rint,
                    Rounding::Zero => MathFn::Trunc,
                    Rounding::Down => MathFn::Floor,
                    Rounding::Up => MathFn::Ceil,
                };
                // Without a rounding to integers this is a plain move.
                if modes.iter().any(|m| m.ends_with('i')) {
                    b.math(func, &[x], Fmf::empty())
                } else {
                    x
                }
            } else if t.bytes() == f.bytes() {
                return None;
            } else if rounding == Rounding::Nearest {
                b.cast(CastOp::FpTrunc, x, ty)
            } else {
                math(b, MathFn::Convert, x, ty)
            }
        }
        (Some((t, 1)), None) => {
            let (signed, bits) = int(from)?;
            let x = if b.k.ty(a) == Type::Int(bits) { a } else { return None };
            if rounding == Rounding::Nearest {
                b.cast(if signed { CastOp::SiToFp } else { CastOp::UiToFp }, x, Type::Float(t))
            } else {
                math(b, if signed { MathFn::FromInt } else { MathFn::FromUint }, x, Type::Float(t))
            }
        }
        (None, Some((f, 1))) => {
            let (signed, bits) = int(to)?;
            let x = view(b, a, Type::Float(f))?;
            math(b, if signed { MathFn::ToInt } else { MathFn::ToUint }, x, Type::Int(bits))
        }
        _ => return None,
    };
    view(b, r, c.ret)
}

/// `mov.b32 d, {lo, hi}`: two 16-bit registers side by side.
fn pack(b: &mut KernelBuilder, s: &Statement<'_>, c: &AsmCall) -> Option<Value> {
    let [_, lo, hi] = s.operands[..] else { return None };
    (s.words == ["mov", "b32"] && c.ret == Type::I32).then_some(())?;
    let (lo, hi) = (c.input(lo)?, c.input(hi)?);
    let (lo, hi) = (view(b, lo, Type::Int(16))?, view(b, hi, Type::Int(16))?);
    let (lo, hi) = (b.cast(CastOp::ZExt, lo, Type::I32), b.cast(CastOp::ZExt, hi, Type::I32));
    let n = b.k.int(Type::I32, 16);
    let hi = b.binary(BinOp::Shl, hi, n);
    Some(b.binary(BinOp::Or, lo, hi))
}

/// `mov.b32 {low,high}, $1; mov.b16 $0, low`: one half of a 32-bit register.
fn half_of_pair(
    b: &mut KernelBuilder,
    split: &Statement<'_>,
    pick: &Statement<'_>,
    c: &AsmCall,
) -> Option<Value> {
    let ([lo, hi, whole], [_, taken]) = (&split.operands[..], &pick.operands[..]) else { return None };
    (split.words == ["mov", "b32"] && pick.words == ["mov", "b16"]).then_some(())?;
    let mut x = c.input(whole)?;
    (b.k.ty(x) == Type::I32 && c.ret == Type::Int(16)).then_some(())?;
    if taken == hi {
        let n = b.k.int(Type::I32, 16);
        x = b.binary(BinOp::LShr, x, n);
    } else if taken != lo {
        return None;
    }
    Some(b.cast(CastOp::Trunc, x, Type::Int(16)))
}

/// `setp.<cmp>.f16 p, $1, $2; selp.u16 $0, 1, 0, p`.
fn compare(b: &mut KernelBuilder, test: &Statement<'_>, pick: &Statement<'_>, c: &AsmCall) -> Option<Value> {
    let (["setp", rel, ty], [p, x, y]) = (&test.words[..], &test.operands[..]) else { return None };
    let ([_, "1", "0", q], Some(&"selp")) = (&pick.operands[..], pick.words.first()) else { return None };
    let form = format(ty).filter(|f| f.1 == 1)?;
    (p == q).then_some(())?;
    let pred = match *rel {
        "eq" => FloatPred::Oeq,
        "ne" => FloatPred::One,
        "lt" => FloatPred::Olt,
        "le" => FloatPred::Ole,
        "gt" => FloatPred::Ogt,
        "ge" => FloatPred::Oge,
        "equ" => FloatPred::Ueq,
        "neu" => FloatPred::Une,
        "ltu" => FloatPred::Ult,
        "leu" => FloatPred::Ule,
        "gtu" => FloatPred::Ugt,
        "geu" => FloatPred::Uge,
        "nan" => FloatPred::Uno,
        "num" => FloatPred::Ord,
        _ => return None,
    };
    let (x, y) = (c.input(x)?, c.input(y)?);
    let (x, y) = (view(b, x, shape(form))?, view(b, y, shape(form))?);
    let bit = b.fcmp(pred, x, y);
    c.ret.is_int().then(|| b.cast(CastOp::ZExt, bit, c.ret))
}
