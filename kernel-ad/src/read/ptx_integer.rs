//! Integer arithmetic of PTX.

use super::asm::Statement;
use super::ptx::{literal, Machine};
use crate::kernel::*;

/// The value of an integer instruction whose last type word names `ty`.
pub(super) fn compute<'t>(
    m: &mut Machine<'_, 't>,
    b: &mut KernelBuilder,
    s: &Statement<'t>,
    ty: Type,
) -> Option<Value> {
    let words = &s.words[..s.words.len() - 1];
    let signed = s.words.last()?.starts_with('s');
    match words[0] {
        "shl" | "shr" => return shift(m, b, s, ty, signed),
        "bfe" | "bfi" => return field(m, b, s, ty, signed),
        "shf" => return funnel(m, b, s),
        "lop3" => return logic(m, b, s),
        "prmt" if words.len() == 1 => {
            let (x, y) = (m.read(b, s.operands.get(1)?, ty)?, m.read(b, s.operands.get(2)?, ty)?);
            let how = m.read(b, s.operands.get(3)?, ty)?;
            return Some(b.int_math(IntFn::BytePerm, &[x, y, how], ty));
        }
        _ => {}
    }
    if let (["mul" | "mad", "wide"], Type::Int(w @ (16 | 32))) = (words, ty) {
        return wide_product(m, b, s, ty, Type::Int(2 * w), signed);
    }
    let args = match ty {
        Type::I1 => s.operands.iter().skip(1).map(|o| m.predicate(b, o)).collect::<Option<Vec<_>>>()?,
        _ => m.sources(b, s, ty)?,
    };
    let plain = match (words, &args[..]) {
        (["add"], [_, _]) => Some(BinOp::Add),
        (["sub"], [_, _]) => Some(BinOp::Sub),
        (["mul", "lo"], [_, _]) => Some(BinOp::Mul),
        (["div"], [_, _]) => Some(if signed { BinOp::SDiv } else { BinOp::UDiv }),
        (["rem"], [_, _]) => Some(if signed { BinOp::SRem } else { BinOp::URem }),
        (["and"], [_, _]) => Some(BinOp::And),
        (["or"], [_, _]) => Some(BinOp::Or),
        (["xor"], [_, _]) => Some(BinOp::Xor),
        _ => None,
    };
    if let Some(op) = plain {
        return Some(b.binary(op, args[0], args[1]));
    }
    if words.last() == Some(&"cc") || matches!(words[0], "addc" | "subc" | "madc") {
        return extended(m, b, words, &args, signed);
    }
    match (words, &args[..]) {
        (["min" | "max"], &[x, y]) => {
            let less = b.icmp(if signed { IntPred::Slt } else { IntPred::Ult }, x, y);
            Some(if words[0] == "min" { b.select(less, x, y) } else { b.select(less, y, x) })
        }
        (["neg"], &[x]) => {
            let zero = b.k.int(ty, 0);
            Some(b.binary(BinOp::Sub, zero, x))
        }
        (["abs"], &[x]) => {
            let zero = b.k.int(ty, 0);
            let (minus, below) = (b.binary(BinOp::Sub, zero, x), b.icmp(IntPred::Slt, x, zero));
            Some(b.select(below, minus, x))
        }
        (["mul", "hi"], &[x, y]) => {
            Some(b.int_math(if signed { IntFn::MulhiS } else { IntFn::MulhiU }, &[x, y], ty))
        }
        (["mad", "lo"], &[x, y, z]) => {
            let p = b.binary(BinOp::Mul, x, y);
            Some(b.binary(BinOp::Add, p, z))
        }
        (["mad", "hi"], &[x, y, z]) => {
            let p = b.int_math(if signed { IntFn::MulhiS } else { IntFn::MulhiU }, &[x, y], ty);
            Some(b.binary(BinOp::Add, p, z))
        }
        (["sad"], &[x, y, z]) => {
            Some(b.int_math(if signed { IntFn::SadS } else { IntFn::SadU }, &[x, y, z], ty))
        }
        (["bfind", "shiftamt"], &[x]) if !signed => {
            let n = b.int_math(IntFn::Ctlz, &[x], ty);
            let zero = b.k.int(ty, 0);
            let none = b.icmp(IntPred::Eq, x, zero);
            let all = b.k.int(ty, -1);
            Some(b.select(none, all, n))
        }
        (["popc" | "clz"], &[x]) => {
            let n = b.int_math(if words[0] == "popc" { IntFn::Ctpop } else { IntFn::Ctlz }, &[x], ty);
            Some(if ty == Type::I32 { n } else { b.cast(CastOp::Trunc, n, Type::I32) })
        }
        (["brev"], &[x]) => Some(b.int_math(IntFn::Bitreverse, &[x], ty)),
        (["not"], &[x]) => {
            let all = b.k.int(ty, -1);
            Some(b.binary(BinOp::Xor, x, all))
        }
        _ => None,
    }
}

/// Sums, differences and products of extended precision: `addc`, `subc` and `madc` take the carry (or borrow), `.cc` leaves one.
fn extended(
    m: &mut Machine<'_, '_>,
    b: &mut KernelBuilder,
    words: &[&str],
    args: &[Value],
    signed: bool,
) -> Option<Value> {
    let (words, leaves) = match words.split_last()? {
        (&"cc", rest) => (rest, true),
        _ => (words, false),
    };
    let (x, y) = match (words, args) {
        (["add" | "addc" | "sub" | "subc"], &[x, y]) => (x, y),
        (["mad" | "madc", "lo"], &[x, y, z]) => (b.binary(BinOp::Mul, x, y), z),
        (["mad" | "madc", "hi"], &[x, y, z]) => {
            let ty = b.k.ty(x);
            (b.int_math(if signed { IntFn::MulhiS } else { IntFn::MulhiU }, &[x, y], ty), z)
        }
        _ => return None,
    };
    let minus = words[0].starts_with("sub");
    // One step: the result, and whether it went over.
    let step = |b: &mut KernelBuilder, x: Value, y: Value| {
        let r = b.binary(if minus { BinOp::Sub } else { BinOp::Add }, x, y);
        let over = if minus { b.icmp(IntPred::Ult, x, y) } else { b.icmp(IntPred::Ult, r, x) };
        (r, over)
    };
    let (mut r, mut over) = step(b, x, y);
    if words[0].ends_with('c') {
        let ty = b.k.ty(x);
        let carry = m.carry?;
        let carry = b.cast(CastOp::ZExt, carry, ty);
        let (with, again) = step(b, r, carry);
        (r, over) = (with, b.binary(BinOp::Or, over, again));
    }
    if leaves {
        m.carry = Some(over);
    }
    Some(r)
}

/// Shifts. The count has 32 bits; counts beyond the width give zero or the sign in PTX, poison in LLVM.
fn shift(
    m: &mut Machine<'_, '_>,
    b: &mut KernelBuilder,
    s: &Statement<'_>,
    ty: Type,
    signed: bool,
) -> Option<Value> {
    let (x, by) = (s.operands.get(1)?, s.operands.get(2)?);
    let x = m.read(b, x, ty)?;
    let bits = i128::from(b.k.bytes(ty) * 8);
    let op = match (s.words[0], signed) {
        ("shl", _) => BinOp::Shl,
        (_, true) => BinOp::AShr,
        _ => BinOp::LShr,
    };
    if let (None, Some(n)) = (m.get(by), literal(by)) {
        let n = i128::from(n).min(bits - i128::from(op == BinOp::AShr));
        let n = if n == bits { return Some(b.k.int(ty, 0)) } else { b.k.int(ty, n) };
        return Some(b.binary(op, x, n));
    }
    let n = m.read(b, by, Type::I32)?;
    let (width, last) = (b.k.int(Type::I32, bits), b.k.int(Type::I32, bits - 1));
    let inside = b.icmp(IntPred::Ult, n, width);
    let n = b.select(inside, n, last);
    let n = match ty {
        Type::Int(w) if w > 32 => b.cast(CastOp::ZExt, n, ty),
        Type::Int(w) if w < 32 => b.cast(CastOp::Trunc, n, ty),
        _ => n,
    };
    let shifted = b.binary(op, x, n);
    if op == BinOp::AShr {
        return Some(shifted);
    }
    let zero = b.k.int(ty, 0);
    Some(b.select(inside, shifted, zero))
}

/// Bit fields taken out and put in; their places are 32-bit operands.
fn field(
    m: &mut Machine<'_, '_>,
    b: &mut KernelBuilder,
    s: &Statement<'_>,
    ty: Type,
    signed: bool,
) -> Option<Value> {
    let values = if s.words[0] == "bfe" { 1 } else { 2 };
    let mut args = Vec::new();
    for (i, o) in s.operands.iter().skip(1).enumerate() {
        args.push(m.read(b, o, if i < values { ty } else { Type::I32 })?);
    }
    let func = match (s.words[0], signed) {
        ("bfi", _) => IntFn::Bfi,
        (_, true) => IntFn::BfeS,
        _ => IntFn::BfeU,
    };
    (args.len() == values + 2).then(|| b.int_math(func, &args, ty))
}

/// `shf.{l,r}.{wrap,clamp}.b32 d, low, high, n`.
fn funnel(m: &mut Machine<'_, '_>, b: &mut KernelBuilder, s: &Statement<'_>) -> Option<Value> {
    let ["shf", side, mode, "b32"] = s.words[..] else { return None };
    let [low, high, n] = m.sources(b, s, Type::I32)?[..] else { return None };
    let func = if side == "l" { IntFn::Fshl } else { IntFn::Fshr };
    let turned = b.int_math(func, &[high, low, n], Type::I32);
    match mode {
        "wrap" => Some(turned),
        "clamp" => {
            let most = b.k.int(Type::I32, 32);
            let inside = b.icmp(IntPred::Ult, n, most);
            Some(b.select(inside, turned, if side == "l" { low } else { high }))
        }
        _ => None,
    }
}

/// `lop3.b32 d, a, b, c, table`: any function of three bits, by its table.
fn logic(m: &mut Machine<'_, '_>, b: &mut KernelBuilder, s: &Statement<'_>) -> Option<Value> {
    (s.words[..] == ["lop3", "b32"]).then_some(())?;
    let &[_, x, y, z, table] = &s.operands[..] else { return None };
    let table = match m.get(table) {
        Some(v) => b.k.as_int(v)? as u64,
        None => literal(table)?,
    };
    let args = [m.read(b, x, Type::I32)?, m.read(b, y, Type::I32)?, m.read(b, z, Type::I32)?];
    let ones = b.k.int(Type::I32, -1);
    let mut result = b.k.int(Type::I32, 0);
    for (n, bit) in (0..8).map(|n| (n, table >> n & 1)) {
        if bit == 0 {
            continue;
        }
        let mut term = ones;
        for (i, &a) in args.iter().enumerate() {
            let a = if n >> (2 - i) & 1 == 1 { a } else { b.binary(BinOp::Xor, a, ones) };
            term = b.binary(BinOp::And, term, a);
        }
        result = b.binary(BinOp::Or, result, term);
    }
    Some(result)
}

/// Products of twice the width, with or without a sum.
fn wide_product(
    m: &mut Machine<'_, '_>,
    b: &mut KernelBuilder,
    s: &Statement<'_>,
    ty: Type,
    wide: Type,
    signed: bool,
) -> Option<Value> {
    let (x, y) = (m.read(b, s.operands.get(1)?, ty)?, m.read(b, s.operands.get(2)?, ty)?);
    let extend = if signed { CastOp::SExt } else { CastOp::ZExt };
    let (x, y) = (b.cast(extend, x, wide), b.cast(extend, y, wide));
    let product = b.binary(BinOp::Mul, x, y);
    match (s.words[0], s.operands.get(3)) {
        ("mul", None) => Some(product),
        ("mad", Some(z)) => {
            let z = m.read(b, z, wide)?;
            Some(b.binary(BinOp::Add, product, z))
        }
        _ => None,
    }
}
