//! Arithmetic on scalars. Integers are kept zero-extended, floats as the bits of their format.

use super::memory::{float_bits, float_of_bits};
use super::{Fault, Slot};
use crate::diag::Code;
use crate::kernel::{BinOp, CastOp, FloatPred, FloatTy, IntFn, IntPred, RmwOp, Type};

/// All ones below bit `w`.
#[inline]
pub(super) fn mask(w: u16) -> u128 {
    u128::MAX >> (128 - u32::from(w))
}

/// The integer of a slot, zero-extended.
#[inline]
pub(super) fn uint(s: Slot) -> u128 {
    u128::from(s.lo) | u128::from(s.hi) << 64
}

/// The integer of a slot of that width, sign-extended.
#[inline]
pub(super) fn sint(s: Slot, w: u16) -> i128 {
    let shift = 128 - u32::from(w);
    (uint(s) << shift) as i128 >> shift
}

/// A slot that holds the low `w` bits.
#[inline]
pub(super) fn int_slot(n: u128, w: u16) -> Slot {
    let n = n & mask(w);
    Slot { lo: n as u64, hi: (n >> 64) as u64 }
}

#[inline]
pub(super) fn float(s: Slot, ty: FloatTy) -> f64 {
    float_of_bits(ty, s.lo)
}

#[inline]
pub(super) fn float_slot(ty: FloatTy, x: f64) -> Slot {
    Slot { lo: float_bits(ty, x), hi: 0 }
}

#[cold]
fn undefined(what: &str) -> Fault {
    Fault::new(Code::Sanitizer, what.to_string())
}

#[inline]
pub(super) fn binary(op: BinOp, ty: Type, a: Slot, b: Slot) -> Result<Slot, Fault> {
    match ty {
        Type::Float(f) => Ok(float_binary(op, f, a, b)),
        Type::Int(w) if w <= 64 => small_int_binary(op, w, a.lo, b.lo).map(|lo| Slot { lo, hi: 0 }),
        Type::Int(w) => int_binary(op, w, a, b),
        _ => Err(Fault::new(Code::Bug, "arithmetic on a pointer".into())),
    }
}

#[inline]
fn float_binary(op: BinOp, f: FloatTy, a: Slot, b: Slot) -> Slot {
    macro_rules! go {
        ($a:expr, $b:expr) => {
            match op {
                BinOp::FAdd => $a + $b,
                BinOp::FSub => $a - $b,
                BinOp::FMul => $a * $b,
                BinOp::FDiv => $a / $b,
                _ => $a % $b,
            }
        };
    }
    let lo = match f {
        FloatTy::F32 => {
            let (a, b) = (f32::from_bits(a.lo as u32), f32::from_bits(b.lo as u32));
            u64::from(go!(a, b).to_bits())
        }
        FloatTy::F64 => go!(f64::from_bits(a.lo), f64::from_bits(b.lo)).to_bits(),
        // f64 has more than twice the digits of the small formats: rounding twice is rounding once.
        _ => float_bits(f, go!(float(a, f), float(b, f))),
    };
    Slot { lo, hi: 0 }
}

#[inline]
fn small_int_binary(op: BinOp, w: u16, a: u64, b: u64) -> Result<u64, Fault> {
    let up = 64 - u32::from(w);
    let signed = |x: u64| (x << up) as i64 >> up;
    // A shift by the width or more is poison.
    let over = b >= u64::from(w);
    let r = match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::UDiv => a.checked_div(b).ok_or_else(|| undefined("division by zero"))?,
        BinOp::URem => a.checked_rem(b).ok_or_else(|| undefined("division by zero"))?,
        BinOp::SDiv | BinOp::SRem => {
            let (x, y) = (signed(a), signed(b));
            if y == 0 {
                return Err(undefined("division by zero"));
            }
            (if op == BinOp::SDiv { x.wrapping_div(y) } else { x.wrapping_rem(y) }) as u64
        }
        BinOp::Shl => {
            if over {
                0
            } else {
                a << b
            }
        }
        BinOp::LShr => {
            if over {
                0
            } else {
                a >> b
            }
        }
        BinOp::AShr => {
            if over {
                0
            } else {
                (signed(a) >> b) as u64
            }
        }
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        _ => return Err(Fault::new(Code::Bug, "float operation on integers".into())),
    };
    Ok(r & (u64::MAX >> up))
}

fn int_binary(op: BinOp, w: u16, a: Slot, b: Slot) -> Result<Slot, Fault> {
    let (x, y) = (uint(a), uint(b));
    let (sx, sy) = (sint(a, w), sint(b, w));
    let over = y >= u128::from(w);
    let r = match op {
        BinOp::Add => x.wrapping_add(y),
        BinOp::Sub => x.wrapping_sub(y),
        BinOp::Mul => x.wrapping_mul(y),
        BinOp::UDiv | BinOp::URem | BinOp::SDiv | BinOp::SRem if y == 0 => {
            return Err(undefined("division by zero"))
        }
        BinOp::UDiv => x / y,
        BinOp::URem => x % y,
        BinOp::SDiv => sx.wrapping_div(sy) as u128,
        BinOp::SRem => sx.wrapping_rem(sy) as u128,
        BinOp::Shl | BinOp::LShr | BinOp::AShr if over => 0,
        BinOp::Shl => x << y,
        BinOp::LShr => x >> y,
        BinOp::AShr => (sx >> y) as u128,
        BinOp::And => x & y,
        BinOp::Or => x | y,
        BinOp::Xor => x ^ y,
        _ => return Err(Fault::new(Code::Bug, "float operation on integers".into())),
    };
    Ok(int_slot(r, w))
}

#[inline]
pub(super) fn icmp(pred: IntPred, ty: Type, a: Slot, b: Slot) -> bool {
    let (x, y, w) = match ty {
        Type::Int(w) => (uint(a), uint(b), w),
        // Pointers compare by address.
        _ => (a.lo.into(), b.lo.into(), 64),
    };
    let s = |s: Slot| match ty {
        Type::Int(_) => sint(s, w),
        _ => i128::from(s.lo as i64),
    };
    match pred {
        IntPred::Eq => x == y,
        IntPred::Ne => x != y,
        IntPred::Ugt => x > y,
        IntPred::Uge => x >= y,
        IntPred::Ult => x < y,
        IntPred::Ule => x <= y,
        IntPred::Sgt => s(a) > s(b),
        IntPred::Sge => s(a) >= s(b),
        IntPred::Slt => s(a) < s(b),
        IntPred::Sle => s(a) <= s(b),
    }
}

#[inline]
pub(super) fn fcmp(pred: FloatPred, f: FloatTy, a: Slot, b: Slot) -> bool {
    let (x, y) = (float(a, f), float(b, f));
    let nan = x.is_nan() || y.is_nan();
    match pred {
        FloatPred::False => false,
        FloatPred::Oeq => x == y,
        FloatPred::Ogt => x > y,
        FloatPred::Oge => x >= y,
        FloatPred::Olt => x < y,
        FloatPred::Ole => x <= y,
        FloatPred::One => !nan && x != y,
        FloatPred::Ord => !nan,
        FloatPred::Uno => nan,
        FloatPred::Ueq => nan || x == y,
        FloatPred::Ugt => nan || x > y,
        FloatPred::Uge => nan || x >= y,
        FloatPred::Ult => nan || x < y,
        FloatPred::Ule => nan || x <= y,
        FloatPred::Une => x != y,
        FloatPred::True => true,
    }
}

/// Casts among integers and floats; out of range saturates, NaN gives 0.
#[inline]
pub(super) fn cast(op: CastOp, from: Type, to: Type, a: Slot) -> Slot {
    match (op, from, to) {
        (CastOp::Trunc | CastOp::ZExt, _, Type::Int(w)) => int_slot(uint(a), w),
        (CastOp::SExt, Type::Int(w), Type::Int(v)) => int_slot(sint(a, w) as u128, v),
        (CastOp::FpTrunc | CastOp::FpExt, Type::Float(f), Type::Float(t)) => match f == t {
            true => a,
            false => float_slot(t, float(a, f)),
        },
        (CastOp::FpToSi, Type::Float(f), Type::Int(w)) => {
            let limit = i128::MAX >> (128 - u32::from(w));
            int_slot((float(a, f) as i128).clamp(-limit - 1, limit) as u128, w)
        }
        (CastOp::FpToUi, Type::Float(f), Type::Int(w)) => int_slot((float(a, f) as u128).min(mask(w)), w),
        (CastOp::SiToFp, Type::Int(w), Type::Float(f)) => {
            let n = sint(a, w);
            match f {
                FloatTy::F32 => Slot { lo: u64::from((n as f32).to_bits()), hi: 0 },
                f => float_slot(f, n as f64),
            }
        }
        (CastOp::UiToFp, _, Type::Float(f)) => {
            let n = uint(a);
            match f {
                FloatTy::F32 => Slot { lo: u64::from((n as f32).to_bits()), hi: 0 },
                f => float_slot(f, n as f64),
            }
        }
        _ => a,
    }
}

/// A sign flip, of NaNs too.
pub(super) fn fneg(f: FloatTy, a: Slot) -> Slot {
    Slot { lo: a.lo ^ 1 << (f.bytes() * 8 - 1), hi: 0 }
}

/// New contents of memory after an atomic operation.
pub(super) fn rmw(op: RmwOp, ty: Type, old: Slot, val: Slot) -> Result<Slot, Fault> {
    let pick = |take_old: bool| if take_old { old } else { val };
    let w = match ty {
        Type::Int(w) => w,
        _ => 64,
    };
    let f = match ty {
        Type::Float(f) => f,
        _ => FloatTy::F64,
    };
    Ok(match op {
        RmwOp::Xchg => val,
        RmwOp::Add => binary(BinOp::Add, ty, old, val)?,
        RmwOp::Sub => binary(BinOp::Sub, ty, old, val)?,
        RmwOp::And => binary(BinOp::And, ty, old, val)?,
        RmwOp::Or => binary(BinOp::Or, ty, old, val)?,
        RmwOp::Xor => binary(BinOp::Xor, ty, old, val)?,
        RmwOp::Nand => int_slot(!(uint(old) & uint(val)), w),
        RmwOp::Max => pick(sint(old, w) > sint(val, w)),
        RmwOp::Min => pick(sint(old, w) < sint(val, w)),
        RmwOp::UMax => pick(uint(old) > uint(val)),
        RmwOp::UMin => pick(uint(old) < uint(val)),
        RmwOp::FAdd => binary(BinOp::FAdd, ty, old, val)?,
        RmwOp::FSub => binary(BinOp::FSub, ty, old, val)?,
        RmwOp::FMax => float_slot(f, libm::fmax(float(old, f), float(val, f))),
        RmwOp::FMin => float_slot(f, libm::fmin(float(old, f), float(val, f))),
        RmwOp::UIncWrap => int_slot(if uint(old) >= uint(val) { 0 } else { uint(old) + 1 }, w),
        RmwOp::UDecWrap => {
            int_slot(if uint(old) == 0 || uint(old) > uint(val) { uint(val) } else { uint(old) - 1 }, w)
        }
    })
}

/// Integer functions; the second slot is the overflow bit of the functions that have one.
pub(super) fn int_fn(func: IntFn, w: u16, args: &[Slot]) -> (Slot, Slot) {
    use IntFn::*;
    let u = |i: usize| args.get(i).map_or(0, |&a| uint(a));
    let s = |i: usize| args.get(i).map_or(0, |&a| sint(a, w));
    let (low, high) = (-(mask(w) as i128 / 2) - 1, mask(w) as i128 / 2);
    let (low, high) = if w == 128 { (i128::MIN, i128::MAX) } else { (low, high) };
    let bits = u32::from(w);
    let overflow = |exact: Option<i128>, wrapped: i128| match exact {
        Some(n) => (n as u128, u64::from(n < low || n > high)),
        None => (wrapped as u128, 1),
    };
    let uoverflow = |exact: Option<u128>, wrapped: u128| match exact {
        Some(n) => (n, u64::from(n > mask(w))),
        None => (wrapped, 1),
    };
    let funnel = |left: bool| {
        let n = (u(2) % u128::from(w)) as u32;
        match (n, left) {
            (0, true) => u(0),
            (0, false) => u(1),
            (n, true) => u(0) << n | u(1) >> (bits - n),
            (n, false) => u(1) >> n | u(0) << (bits - n),
        }
    };
    let field = |signed: bool| {
        let (start, len) = (u(1) as u32 & 0xff, u(2) as u32 & 0xff);
        let len_inside = len.min(bits.saturating_sub(start));
        let v = if start >= bits { 0 } else { u(0) >> start & low_ones(len_inside) };
        // The sign is that of the field's top bit, or of the value's when the field reaches beyond.
        let sign_at = (start + len).saturating_sub(1).min(bits - 1);
        if signed && len > 0 && u(0) >> sign_at & 1 == 1 {
            v | !low_ones(len_inside)
        } else {
            v
        }
    };
    let mut extra = 0;
    let r = match func {
        Ctpop => u128::from(u(0).count_ones()),
        Ctlz => u128::from(u(0).leading_zeros() - (128 - bits)),
        Cttz => u128::from(u(0).trailing_zeros().min(bits)),
        Bswap => u(0).swap_bytes() >> (128 - bits),
        Bitreverse => u(0).reverse_bits() >> (128 - bits),
        Fshl => funnel(true),
        Fshr => funnel(false),
        Smin => s(0).min(s(1)) as u128,
        Smax => s(0).max(s(1)) as u128,
        Umin => u(0).min(u(1)),
        Umax => u(0).max(u(1)),
        Abs => s(0).unsigned_abs(),
        MulhiS => (s(0).wrapping_mul(s(1)) >> bits.min(127)) as u128,
        MulhiU => u(0).wrapping_mul(u(1)) >> bits.min(127),
        Mul24S => {
            let cut = |n: u128| (n << 104) as i128 >> 104;
            cut(u(0)).wrapping_mul(cut(u(1))) as u128
        }
        Mul24U => (u(0) & 0xff_ffff) * (u(1) & 0xff_ffff),
        Ffs => {
            if u(0) == 0 {
                0
            } else {
                u128::from(u(0).trailing_zeros() + 1)
            }
        }
        BytePerm => byte_perm(u(0) as u32, u(1) as u32, u(2) as u32).into(),
        BfeS => field(true),
        BfeU => field(false),
        Bfi => {
            let (start, len) = (u(2) as u32 & 0xff, u(3) as u32 & 0xff);
            if start >= bits {
                u(1)
            } else {
                let m = low_ones(len.min(bits - start)) << start;
                u(1) & !m | u(0) << start & m
            }
        }
        SadS => (s(0).abs_diff(s(1))).wrapping_add(u(2)),
        SadU => u(0).abs_diff(u(1)).wrapping_add(u(2)),
        HaddS => ((s(0) & s(1)) + ((s(0) ^ s(1)) >> 1)) as u128,
        HaddU => (u(0) & u(1)) + ((u(0) ^ u(1)) >> 1),
        RhaddS => ((s(0) | s(1)) - ((s(0) ^ s(1)) >> 1)) as u128,
        RhaddU => (u(0) | u(1)) - ((u(0) ^ u(1)) >> 1),
        SaddSat => s(0).saturating_add(s(1)).clamp(low, high) as u128,
        SsubSat => s(0).saturating_sub(s(1)).clamp(low, high) as u128,
        UaddSat => u(0).saturating_add(u(1)).min(mask(w)),
        UsubSat => u(0).saturating_sub(u(1)),
        SaddOv | SsubOv | SmulOv => {
            let (a, b) = (s(0), s(1));
            let (r, o) = match func {
                SaddOv => overflow(a.checked_add(b), a.wrapping_add(b)),
                SsubOv => overflow(a.checked_sub(b), a.wrapping_sub(b)),
                _ => overflow(a.checked_mul(b), a.wrapping_mul(b)),
            };
            extra = o;
            r
        }
        UaddOv | UsubOv | UmulOv => {
            let (a, b) = (u(0), u(1));
            let (r, o) = match func {
                UaddOv => uoverflow(a.checked_add(b), a.wrapping_add(b)),
                UsubOv => uoverflow(a.checked_sub(b), a.wrapping_sub(b)),
                _ => uoverflow(a.checked_mul(b), a.wrapping_mul(b)),
            };
            extra = o;
            r
        }
    };
    let result_width = if func == Ffs { 32 } else { w };
    (int_slot(r, result_width), Slot { lo: extra, hi: 0 })
}

fn low_ones(n: u32) -> u128 {
    u128::MAX.checked_shr(128 - n.min(128)).unwrap_or(0)
}

/// PTX `prmt.b32`, default mode.
fn byte_perm(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    let mut out = [0u8; 4];
    for (i, o) in out.iter_mut().enumerate() {
        let sel = selector >> (4 * i) & 0xf;
        let byte = bytes[(sel & 7) as usize];
        *o = match sel & 8 {
            0 => byte,
            _ => {
                if byte & 0x80 != 0 {
                    0xff
                } else {
                    0
                }
            }
        };
    }
    u32::from_le_bytes(out)
}
