//! `cvt` of PTX among floats, and between floats and integers.

use super::asm::Statement;
use super::ptx::{type_of, Machine};
use crate::kernel::*;
use smallvec::smallvec;

/// The value of `cvt[.rounding].<to>.<from> d, a` or of the packing `cvt.rn.<to>x2.f32 d, a, b`.
pub(super) fn convert(m: &Machine<'_, '_>, b: &mut KernelBuilder, s: &Statement<'_>) -> Option<Value> {
    let [.., to, from] = s.words[..] else { return None };
    let modes: Vec<&str> = s.words[1..s.words.len() - 2].iter().copied().filter(|w| *w != "ftz").collect();
    let (rounding, to_integer) = match modes[..] {
        [] | ["rn"] => (Rounding::Nearest, false),
        ["rz"] => (Rounding::Zero, false),
        ["rm"] => (Rounding::Down, false),
        ["rp"] => (Rounding::Up, false),
        ["rni"] => (Rounding::Nearest, true),
        ["rzi"] => (Rounding::Zero, true),
        ["rmi"] => (Rounding::Down, true),
        ["rpi"] => (Rounding::Up, true),
        _ => return None,
    };
    let (to_ty, from_ty) = (type_of(to)?, type_of(from)?);
    if let (Type::Vec(lane, 2), Type::F32, [_, high, low]) = (to_ty, from_ty, &s.operands[..]) {
        // The first source goes to the upper half.
        (modes == ["rn"]).then_some(())?;
        let (high, low) = (m.read(b, high, Type::F32)?, m.read(b, low, Type::F32)?);
        let (high, low) = (b.cast(CastOp::FpTrunc, high, lane.ty()), b.cast(CastOp::FpTrunc, low, lane.ty()));
        let (zero, one) = (b.k.int(Type::I32, 0), b.k.int(Type::I32, 1));
        let undef = b.k.constant(to_ty, Const::Undef);
        let v = b.value(Op::InsertElement { vec: undef, elem: low, index: zero }, to_ty);
        return Some(b.value(Op::InsertElement { vec: v, elem: high, index: one }, to_ty));
    }
    let [_, source] = &s.operands[..] else { return None };
    let flavor = Flavor::Rounded { mode: rounding, ftz: false };
    let math = |b: &mut KernelBuilder, func, x, ty| {
        b.value(Op::Math { func, flavor, args: smallvec![x], fmf: Fmf::empty() }, ty)
    };
    let x = m.read(b, source, from_ty)?;
    let signed = |word: &str| word.starts_with('s');
    match (to_ty, from_ty) {
        (Type::Float(t), Type::Float(f)) if t.bytes() > f.bytes() => Some(b.cast(CastOp::FpExt, x, to_ty)),
        (Type::Float(t), Type::Float(f)) if t == f && to_integer => {
            let func = match rounding {
                Rounding::Nearest => MathFn::Rint,
                Rounding::Zero => MathFn::Trunc,
                Rounding::Down => MathFn::Floor,
                Rounding::Up => MathFn::Ceil,
            };
            Some(b.math(func, &[x], Fmf::empty()))
        }
        (Type::Float(t), Type::Float(f)) if t == f && modes.is_empty() => Some(x),
        (Type::Float(t), Type::Float(f)) if t.bytes() < f.bytes() && !to_integer => Some(match rounding {
            Rounding::Nearest => b.cast(CastOp::FpTrunc, x, to_ty),
            _ => math(b, MathFn::Convert, x, to_ty),
        }),
        (Type::Float(_), Type::Int(_)) if !to_integer => Some(match (rounding, signed(from)) {
            (Rounding::Nearest, true) => b.cast(CastOp::SiToFp, x, to_ty),
            (Rounding::Nearest, false) => b.cast(CastOp::UiToFp, x, to_ty),
            (_, true) => math(b, MathFn::FromInt, x, to_ty),
            (_, false) => math(b, MathFn::FromUint, x, to_ty),
        }),
        (Type::Int(_), Type::Float(_)) if to_integer => {
            Some(math(b, if signed(to) { MathFn::ToInt } else { MathFn::ToUint }, x, to_ty))
        }
        (Type::Int(t), Type::Int(f)) if modes.is_empty() => Some(match t.cmp(&f) {
            std::cmp::Ordering::Less => b.cast(CastOp::Trunc, x, to_ty),
            std::cmp::Ordering::Equal => x,
            std::cmp::Ordering::Greater if signed(from) => b.cast(CastOp::SExt, x, to_ty),
            std::cmp::Ordering::Greater => b.cast(CastOp::ZExt, x, to_ty),
        }),
        _ => None,
    }
}
