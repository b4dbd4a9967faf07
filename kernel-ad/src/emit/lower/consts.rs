//! Types and constants as LLVM text.

use super::{Lower, Ops};
use crate::diag::Result;
use crate::emit::text::Operand;
use crate::kernel::*;

/// LLVM type of a type of the kernel.
pub(super) fn type_text<T: Ops + ?Sized>(k: &Kernel, t: &T, ty: Type) -> String {
    match ty {
        Type::Void => "void".to_string(),
        Type::Int(w) => format!("i{w}"),
        Type::Float(f) => float_text(f).to_string(),
        Type::Ptr(space) => t.ptr_ty(space),
        Type::Vec(lane, n) => format!("<{n} x {}>", type_text(k, t, lane.ty())),
        Type::Agg(id) => match &k.aggs[id] {
            AggTy::Struct { fields, packed, .. } => {
                let fields: Vec<String> = fields.iter().map(|&f| type_text(k, t, f)).collect();
                let (open, close) = if *packed { ("<{", "}>") } else { ("{", "}") };
                format!("{open} {} {close}", fields.join(", "))
            }
            AggTy::Array { elem, len, .. } => format!("[{len} x {}]", type_text(k, t, *elem)),
        },
    }
}

/// LLVM's name of a float format.
pub fn float_text(f: FloatTy) -> &'static str {
    match f {
        FloatTy::F16 => "half",
        FloatTy::Bf16 => "bfloat",
        FloatTy::F32 => "float",
        FloatTy::F64 => "double",
    }
}

/// A float constant, bit for bit. LLVM writes floats as the hexadecimal bits of the double of the same value.
pub fn float_constant(f: FloatTy, bits: u64) -> String {
    match f {
        FloatTy::F16 => format!("0xH{bits:04X}"),
        FloatTy::Bf16 => format!("0xR{bits:04X}"),
        FloatTy::F64 => format!("0x{bits:016X}"),
        FloatTy::F32 => {
            let single = bits as u32;
            let wide = if f32::from_bits(single).is_nan() {
                // A conversion would quiet a signalling NaN.
                (u64::from(single >> 31) << 63) | (0x7ff << 52) | (u64::from(single & 0x007f_ffff) << 29)
            } else {
                f64::from(f32::from_bits(single)).to_bits()
            };
            format!("0x{wide:016X}")
        }
    }
}

/// The operand of a constant. What cannot be written as a literal is built in the prologue.
pub(super) fn constant(cx: &mut Lower<'_>, t: &mut dyn Ops, v: Value) -> Result<Operand> {
    let k = cx.k;
    let ty = k.ty(v);
    let text = cx.ty(t, ty);
    let Some(c) = k.as_const(v) else { unreachable!("called for constants") };
    let name = match c {
        Const::Int(bits) => match ty {
            Type::Int(1) => if bits & 1 == 1 { "true" } else { "false" }.to_string(),
            _ => bits.to_string(),
        },
        Const::Float(bits) => float_constant(ty.float().unwrap_or(FloatTy::F64), *bits),
        Const::Null => "null".to_string(),
        Const::Undef => "undef".to_string(),
        Const::Poison => "poison".to_string(),
        Const::Zero => "zeroinitializer".to_string(),
        Const::Global(g) => return global(cx, t, *g),
        Const::Elems(elems) => {
            let parts = cx.operands(t, elems)?;
            if parts.iter().any(|p| p.name.starts_with('%')) {
                return Ok(assemble(cx, &text, &parts, matches!(ty, Type::Vec(..))));
            }
            let list: Vec<String> = parts.iter().map(Operand::to_string).collect();
            let (open, close) = match ty {
                Type::Vec(..) => ("<", ">"),
                _ if text.starts_with("<{") => ("<{", "}>"),
                _ if text.starts_with('{') => ("{", "}"),
                _ => ("[", "]"),
            };
            format!("{open} {} {close}", list.join(", "))
        }
    };
    Ok(Operand::new(text, name))
}

fn global(cx: &mut Lower<'_>, t: &mut dyn Ops, g: Global) -> Result<Operand> {
    // The address may be needed by a phi or by any block, so what computes it stands before everything else.
    let was = cx.f.enter_prologue();
    let address = t.global(cx, g);
    cx.f.leave_prologue(was);
    address
}

fn assemble(cx: &mut Lower<'_>, ty: &str, parts: &[Operand], vector: bool) -> Operand {
    cx.f.in_prologue(|f| {
        let mut whole = Operand::new(ty, "poison");
        for (i, p) in parts.iter().enumerate() {
            whole = match vector {
                true => f.value(ty, format_args!("insertelement {whole}, {p}, i32 {i}")),
                false => f.value(ty, format_args!("insertvalue {whole}, {p}, {i}")),
            };
        }
        whole
    })
}
