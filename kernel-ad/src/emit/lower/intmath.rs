//! Integer functions by LLVM intrinsics and plain instructions, the same on every target.

use super::{Lower, Ops};
use crate::diag::{Code, Result};
use crate::emit::text::Operand;
use crate::kernel::*;

pub(super) fn lower<T: Ops + ?Sized>(
    cx: &mut Lower<'_>,
    t: &T,
    func: IntFn,
    args: &[Operand],
    result: Type,
) -> Result<Operand> {
    let ty = args[0].ty.clone();
    let result_ty = cx.ty(t, result);
    let bits = i64::from(match result.scalar() {
        Type::Int(w) => w,
        _ => 32,
    });
    let no = Operand::new("i1", "false");
    let intrinsic = |cx: &mut Lower<'_>, name: &str, args: &[Operand], ret: &str| {
        let suffix = suffix(&args[0].ty);
        cx.call(ret, &format!("llvm.{name}.{suffix}"), args)
    };
    let (a, b) = (&args[0], args.get(1));
    let two = [a.clone(), b.cloned().unwrap_or_else(|| a.clone())];
    Ok(match func {
        IntFn::Ctpop => {
            let n = intrinsic(cx, "ctpop", &args[..1], &ty);
            fit(cx, n, &result_ty)
        }
        IntFn::Ctlz => {
            let n = intrinsic(cx, "ctlz", &[a.clone(), no], &ty);
            fit(cx, n, &result_ty)
        }
        IntFn::Cttz => {
            let n = intrinsic(cx, "cttz", &[a.clone(), no], &ty);
            fit(cx, n, &result_ty)
        }
        IntFn::Bswap if bits % 16 != 0 => {
            return Err(cx.error(Code::NotOnTarget, format!("the bytes of {ty} cannot be swapped")).into())
        }
        IntFn::Bswap => intrinsic(cx, "bswap", &args[..1], &ty),
        IntFn::Bitreverse => intrinsic(cx, "bitreverse", &args[..1], &ty),
        IntFn::Fshl => intrinsic(cx, "fshl", args, &ty),
        IntFn::Fshr => intrinsic(cx, "fshr", args, &ty),
        IntFn::Smin => intrinsic(cx, "smin", &two, &ty),
        IntFn::Smax => intrinsic(cx, "smax", &two, &ty),
        IntFn::Umin => intrinsic(cx, "umin", &two, &ty),
        IntFn::Umax => intrinsic(cx, "umax", &two, &ty),
        IntFn::Abs => intrinsic(cx, "abs", &[a.clone(), no], &ty),
        IntFn::SaddSat => intrinsic(cx, "sadd.sat", &two, &ty),
        IntFn::UaddSat => intrinsic(cx, "uadd.sat", &two, &ty),
        IntFn::SsubSat => intrinsic(cx, "ssub.sat", &two, &ty),
        IntFn::UsubSat => intrinsic(cx, "usub.sat", &two, &ty),
        IntFn::SaddOv => intrinsic(cx, "sadd.with.overflow", &two, &result_ty),
        IntFn::UaddOv => intrinsic(cx, "uadd.with.overflow", &two, &result_ty),
        IntFn::SsubOv => intrinsic(cx, "ssub.with.overflow", &two, &result_ty),
        IntFn::UsubOv => intrinsic(cx, "usub.with.overflow", &two, &result_ty),
        IntFn::SmulOv => intrinsic(cx, "smul.with.overflow", &two, &result_ty),
        IntFn::UmulOv => intrinsic(cx, "umul.with.overflow", &two, &result_ty),
        IntFn::MulhiS | IntFn::MulhiU => {
            let (ext, shift) = if func == IntFn::MulhiS { ("sext", "ashr") } else { ("zext", "lshr") };
            let wide = widen(result, 2);
            let (x, y) = (extend(cx, ext, a, &wide), extend(cx, ext, &two[1], &wide));
            let p = cx.f.value(&wide, format_args!("mul {x}, {}", y.name));
            let h = cx.f.value(&wide, format_args!("{shift} {p}, {}", splat(result, bits)));
            cx.f.value(&ty, format_args!("trunc {h} to {ty}"))
        }
        IntFn::Mul24S | IntFn::Mul24U => {
            let shift = if func == IntFn::Mul24S { "ashr" } else { "lshr" };
            let mut low = |v: &Operand| {
                let up = cx.f.value(&ty, format_args!("shl {v}, {}", splat(result, bits - 24)));
                cx.f.value(&ty, format_args!("{shift} {up}, {}", splat(result, bits - 24)))
            };
            let (x, y) = (low(a), low(&two[1]));
            cx.f.value(&ty, format_args!("mul {x}, {}", y.name))
        }
        IntFn::Ffs => {
            let n = intrinsic(cx, "cttz", &[a.clone(), no], &ty);
            let n = cx.f.value(&ty, format_args!("add {n}, 1"));
            let zero = cx.f.value("i1", format_args!("icmp eq {a}, 0"));
            let n = cx.f.value(&ty, format_args!("select {zero}, {ty} 0, {n}"));
            fit(cx, n, &result_ty)
        }
        IntFn::BytePerm if ty != "i32" => {
            return Err(cx
                .error(Code::NotOnTarget, format!("a permutation of the bytes of {ty}, not of i32"))
                .into())
        }
        IntFn::BytePerm => byte_perm(cx, args),
        IntFn::BfeS | IntFn::BfeU => bit_field(cx, func == IntFn::BfeS, args, bits),
        IntFn::Bfi => bit_field_insert(cx, args, bits),
        IntFn::SadS | IntFn::SadU => {
            let (hi, lo) = if func == IntFn::SadS { ("smax", "smin") } else { ("umax", "umin") };
            let (h, l) = (intrinsic(cx, hi, &two, &ty), intrinsic(cx, lo, &two, &ty));
            let d = cx.f.value(&ty, format_args!("sub {h}, {}", l.name));
            cx.f.value(&ty, format_args!("add {d}, {}", args[2].name))
        }
        IntFn::HaddS | IntFn::HaddU | IntFn::RhaddS | IntFn::RhaddU => {
            let signed = matches!(func, IntFn::HaddS | IntFn::RhaddS);
            let (ext, shift) = if signed { ("sext", "ashr") } else { ("zext", "lshr") };
            let wide = widen(result, 2);
            let (x, y) = (extend(cx, ext, a, &wide), extend(cx, ext, &two[1], &wide));
            let mut sum = cx.f.value(&wide, format_args!("add {x}, {}", y.name));
            if matches!(func, IntFn::RhaddS | IntFn::RhaddU) {
                sum = cx.f.value(&wide, format_args!("add {sum}, {}", splat(result, 1)));
            }
            let half = cx.f.value(&wide, format_args!("{shift} {sum}, {}", splat(result, 1)));
            cx.f.value(&ty, format_args!("trunc {half} to {ty}"))
        }
    })
}

/// `i32`, or `v4i32` for `<4 x i32>`.
pub fn suffix(ty: &str) -> String {
    match ty.strip_prefix('<').and_then(|t| t.strip_suffix('>')).and_then(|t| t.split_once(" x ")) {
        Some((n, lane)) => format!("v{n}{}", suffix(lane)),
        None => match ty {
            "half" => "f16".to_string(),
            "bfloat" => "bf16".to_string(),
            "float" => "f32".to_string(),
            "double" => "f64".to_string(),
            _ if ty.starts_with("ptr") => format!("p{}", super::memory::space_of(ty)),
            _ => ty.to_string(),
        },
    }
}

fn widen(ty: Type, factor: u16) -> String {
    match ty {
        Type::Int(w) => format!("i{}", w * factor),
        Type::Vec(Lane::Int(w), n) => format!("<{n} x i{}>", w * factor),
        _ => "i64".to_string(),
    }
}

/// The constant `n` in the shape of `ty`, without its type.
fn splat(ty: Type, n: i64) -> String {
    match ty {
        Type::Vec(Lane::Int(w), _) => format!("splat (i{w} {n})"),
        _ => n.to_string(),
    }
}

fn extend(cx: &mut Lower<'_>, word: &str, v: &Operand, to: &str) -> Operand {
    cx.f.value(to, format_args!("{word} {v} to {to}"))
}

/// Cuts or extends (without sign) an integer to the type of the result.
fn fit(cx: &mut Lower<'_>, v: Operand, to: &str) -> Operand {
    let width = |ty: &str| ty.trim_start_matches('i').parse::<u32>().unwrap_or(0);
    match width(&v.ty).cmp(&width(to)) {
        std::cmp::Ordering::Equal => v,
        std::cmp::Ordering::Greater => cx.f.value(to, format_args!("trunc {v} to {to}")),
        std::cmp::Ordering::Less => cx.f.value(to, format_args!("zext {v} to {to}")),
    }
}

/// PTX `prmt` in its default mode: each nibble of the selector takes a byte of {b, a}, or its sign eight times.
fn byte_perm(cx: &mut Lower<'_>, args: &[Operand]) -> Operand {
    let lo = cx.f.value("i64", format_args!("zext {} to i64", args[0]));
    let hi = cx.f.value("i64", format_args!("zext {} to i64", args[1]));
    let hi = cx.f.value("i64", format_args!("shl {hi}, 32"));
    let pool = cx.f.value("i64", format_args!("or {hi}, {}", lo.name));
    let mut out = Operand::i32(0);
    for byte in 0..4 {
        let nibble = cx.f.value("i32", format_args!("lshr {}, {}", args[2], byte * 4));
        let index = cx.f.value("i32", format_args!("and {nibble}, 7"));
        let shift = cx.f.value("i32", format_args!("shl {index}, 3"));
        let shift = cx.f.value("i64", format_args!("zext {shift} to i64"));
        let picked = cx.f.value("i64", format_args!("lshr {pool}, {}", shift.name));
        let picked = cx.f.value("i8", format_args!("trunc {picked} to i8"));
        let sign = cx.f.value("i8", format_args!("ashr {picked}, 7"));
        let mode = cx.f.value("i32", format_args!("and {nibble}, 8"));
        let signed = cx.f.value("i1", format_args!("icmp ne {mode}, 0"));
        let value = cx.f.value("i8", format_args!("select {signed}, {sign}, {picked}"));
        let value = cx.f.value("i32", format_args!("zext {value} to i32"));
        let value = cx.f.value("i32", format_args!("shl {value}, {}", byte * 8));
        out = cx.f.value("i32", format_args!("or {value}, {}", out.name));
    }
    out
}

/// An integer shift amount, the low 8 bits of `v` as PTX takes them, in type `ty`; and whether it is below the width.
fn shift_amount(cx: &mut Lower<'_>, v: &Operand, ty: &str, bits: i64) -> (Operand, Operand) {
    let v = fit(cx, v.clone(), ty);
    let v = cx.f.value(ty, format_args!("and {v}, 255"));
    let small = cx.f.value("i1", format_args!("icmp ult {v}, {bits}"));
    let safe = cx.f.value(ty, format_args!("select {small}, {v}, {ty} 0"));
    (safe, small)
}

/// PTX `bfe`: `len` bits from `start`, zero- or sign-extended; bits beyond the width repeat the sign.
fn bit_field(cx: &mut Lower<'_>, signed: bool, args: &[Operand], bits: i64) -> Operand {
    let ty = args[0].ty.clone();
    let wide = format!("i{}", bits * 2);
    let ext = if signed { "sext" } else { "zext" };
    let value = extend(cx, ext, &args[0], &wide);
    let start = fit(cx, args[1].clone(), &ty);
    let start = cx.f.value(&ty, format_args!("and {start}, 255"));
    let start = cx.call(
        &ty,
        &format!("llvm.umin.{ty}"),
        &[start, Operand::new(ty.clone(), (bits - 1 + i64::from(!signed)).to_string())],
    );
    let start = extend(cx, "zext", &start, &wide);
    let moved =
        cx.f.value(&wide, format_args!("{} {value}, {}", if signed { "ashr" } else { "lshr" }, start.name));
    let moved = cx.f.value(&ty, format_args!("trunc {moved} to {ty}"));
    let (len, partial) = shift_amount(cx, &args[2], &ty, bits);
    let none = cx.f.value("i1", format_args!("icmp eq {len}, 0"));
    let rest = cx.f.value(&ty, format_args!("sub {ty} {bits}, {}", len.name));
    let rest = cx.f.value(&ty, format_args!("select {none}, {ty} 0, {rest}"));
    let up = cx.f.value(&ty, format_args!("shl {moved}, {}", rest.name));
    let down = cx.f.value(&ty, format_args!("{} {up}, {}", if signed { "ashr" } else { "lshr" }, rest.name));
    let cut = cx.f.value(&ty, format_args!("select {none}, {ty} 0, {down}"));
    cx.f.value(&ty, format_args!("select {partial}, {cut}, {moved}"))
}

/// PTX `bfi`: the low `len` bits of `insert` at `start` of `base`.
fn bit_field_insert(cx: &mut Lower<'_>, args: &[Operand], bits: i64) -> Operand {
    let ty = args[0].ty.clone();
    let (start, inside) = shift_amount(cx, &args[2], &ty, bits);
    let (len, partial) = shift_amount(cx, &args[3], &ty, bits);
    let ones = cx.f.value(&ty, format_args!("shl {ty} 1, {}", len.name));
    let ones = cx.f.value(&ty, format_args!("sub {ones}, 1"));
    let ones = cx.f.value(&ty, format_args!("select {partial}, {ones}, {ty} -1"));
    let mask = cx.f.value(&ty, format_args!("shl {ones}, {}", start.name));
    let mask = cx.f.value(&ty, format_args!("select {inside}, {mask}, {ty} 0"));
    let moved = cx.f.value(&ty, format_args!("shl {}, {}", args[0], start.name));
    let put = cx.f.value(&ty, format_args!("and {moved}, {}", mask.name));
    let keep = cx.f.value(&ty, format_args!("xor {mask}, -1"));
    let kept = cx.f.value(&ty, format_args!("and {}, {}", args[1], keep.name));
    cx.f.value(&ty, format_args!("or {put}, {}", kept.name))
}
