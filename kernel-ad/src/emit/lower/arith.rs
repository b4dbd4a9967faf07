//! Arithmetic, comparisons, casts, selects, vectors and aggregates.

use super::{Lower, Ops};
use crate::diag::{Code, Result};
use crate::emit::text::Operand;
use crate::kernel::*;

/// Fast-math flags as LLVM words, each followed by a blank.
pub fn fmf_text(fmf: Fmf) -> String {
    if fmf == Fmf::all() {
        return "fast ".to_string();
    }
    let words = [
        (Fmf::NNAN, "nnan "),
        (Fmf::NINF, "ninf "),
        (Fmf::NSZ, "nsz "),
        (Fmf::ARCP, "arcp "),
        (Fmf::CONTRACT, "contract "),
        (Fmf::AFN, "afn "),
        (Fmf::REASSOC, "reassoc "),
    ];
    words.iter().filter(|(flag, _)| fmf.contains(*flag)).map(|(_, word)| *word).collect()
}

fn flags_text(flags: IntFlags) -> String {
    let words = [
        (IntFlags::NUW, "nuw "),
        (IntFlags::NSW, "nsw "),
        (IntFlags::EXACT, "exact "),
        (IntFlags::DISJOINT, "disjoint "),
        (IntFlags::NNEG, "nneg "),
    ];
    words.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| *word).collect()
}

pub(super) fn lower(cx: &mut Lower<'_>, t: &mut dyn Ops, op: &Op, result: Type) -> Result<Operand> {
    let ty = cx.ty(t, result);
    let text = match op {
        Op::Binary { op, a, b, flags, fmf } => {
            let (a, b) = (cx.operand(t, *a)?, cx.operand(t, *b)?);
            format!("{} {}{}{a}, {}", binary_word(*op), flags_text(*flags), fmf_text(*fmf), b.name)
        }
        Op::FNeg { a, fmf } => format!("fneg {}{}", fmf_text(*fmf), cx.operand(t, *a)?),
        Op::Freeze { a } => format!("freeze {}", cx.operand(t, *a)?),
        Op::ICmp { pred, a, b } => {
            let (a, b) = (cx.operand(t, *a)?, cx.operand(t, *b)?);
            format!("icmp {} {a}, {}", int_pred(*pred), b.name)
        }
        Op::FCmp { pred, a, b, fmf } => {
            let (a, b) = (cx.operand(t, *a)?, cx.operand(t, *b)?);
            format!("fcmp {}{} {a}, {}", fmf_text(*fmf), float_pred(*pred), b.name)
        }
        Op::Cast { op, a, flags } => return cast(cx, t, *op, *a, *flags, result),
        Op::Select { cond, a, b, fmf } => {
            let (c, a, b) = (cx.operand(t, *cond)?, cx.operand(t, *a)?, cx.operand(t, *b)?);
            format!("select {}{c}, {a}, {b}", fmf_text(*fmf))
        }
        Op::ExtractElement { vec, index } => {
            format!("extractelement {}, {}", cx.operand(t, *vec)?, cx.operand(t, *index)?)
        }
        Op::InsertElement { vec, elem, index } => {
            let (v, e, i) = (cx.operand(t, *vec)?, cx.operand(t, *elem)?, cx.operand(t, *index)?);
            format!("insertelement {v}, {e}, {i}")
        }
        Op::ShuffleVector { a, b, mask } => {
            let (a, b) = (cx.operand(t, *a)?, cx.operand(t, *b)?);
            let lane = |&m: &i32| if m < 0 { "i32 poison".to_string() } else { format!("i32 {m}") };
            let mask: Vec<String> = mask.iter().map(lane).collect();
            format!("shufflevector {a}, {b}, <{} x i32> <{}>", mask.len(), mask.join(", "))
        }
        Op::ExtractValue { agg, path } => {
            format!("extractvalue {}, {}", cx.operand(t, *agg)?, path_text(path))
        }
        Op::InsertValue { agg, elem, path } => {
            let (a, e) = (cx.operand(t, *agg)?, cx.operand(t, *elem)?);
            format!("insertvalue {a}, {e}, {}", path_text(path))
        }
        op => return Err(cx.error(Code::Bug, format!("no lowering for {op:?}")).into()),
    };
    Ok(cx.f.value(&ty, text))
}

fn path_text(path: &[u32]) -> String {
    path.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn cast(
    cx: &mut Lower<'_>,
    t: &mut dyn Ops,
    op: CastOp,
    a: Value,
    flags: IntFlags,
    result: Type,
) -> Result<Operand> {
    let from = cx.k.ty(a);
    let a = cx.operand(t, a)?;
    let to = cx.ty(t, result);
    let word = match op {
        CastOp::Trunc => "trunc",
        CastOp::ZExt => "zext",
        CastOp::SExt => "sext",
        CastOp::FpTrunc => "fptrunc",
        CastOp::FpExt => "fpext",
        CastOp::FpToUi => "fptoui",
        CastOp::FpToSi => "fptosi",
        CastOp::UiToFp => "uitofp",
        CastOp::SiToFp => "sitofp",
        CastOp::Bitcast => "bitcast",
        CastOp::PtrToInt | CastOp::IntToPtr | CastOp::AddrSpaceCast => {
            return t.ptr_cast(cx, op, &a, from, result)
        }
    };
    Ok(cx.f.value(&to, format_args!("{word} {}{a} to {to}", flags_text(flags))))
}

fn binary_word(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "add",
        BinOp::Sub => "sub",
        BinOp::Mul => "mul",
        BinOp::UDiv => "udiv",
        BinOp::SDiv => "sdiv",
        BinOp::URem => "urem",
        BinOp::SRem => "srem",
        BinOp::Shl => "shl",
        BinOp::LShr => "lshr",
        BinOp::AShr => "ashr",
        BinOp::And => "and",
        BinOp::Or => "or",
        BinOp::Xor => "xor",
        BinOp::FAdd => "fadd",
        BinOp::FSub => "fsub",
        BinOp::FMul => "fmul",
        BinOp::FDiv => "fdiv",
        BinOp::FRem => "frem",
    }
}

fn int_pred(p: IntPred) -> &'static str {
    match p {
        IntPred::Eq => "eq",
        IntPred::Ne => "ne",
        IntPred::Ugt => "ugt",
        IntPred::Uge => "uge",
        IntPred::Ult => "ult",
        IntPred::Ule => "ule",
        IntPred::Sgt => "sgt",
        IntPred::Sge => "sge",
        IntPred::Slt => "slt",
        IntPred::Sle => "sle",
    }
}

fn float_pred(p: FloatPred) -> &'static str {
    match p {
        FloatPred::False => "false",
        FloatPred::Oeq => "oeq",
        FloatPred::Ogt => "ogt",
        FloatPred::Oge => "oge",
        FloatPred::Olt => "olt",
        FloatPred::Ole => "ole",
        FloatPred::One => "one",
        FloatPred::Ord => "ord",
        FloatPred::Uno => "uno",
        FloatPred::Ueq => "ueq",
        FloatPred::Ugt => "ugt",
        FloatPred::Uge => "uge",
        FloatPred::Ult => "ult",
        FloatPred::Ule => "ule",
        FloatPred::Une => "une",
        FloatPred::True => "true",
    }
}
