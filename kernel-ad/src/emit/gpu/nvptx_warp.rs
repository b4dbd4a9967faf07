//! NVPTX: barriers and operations among the threads of a warp.

use super::nvptx::Nvptx;
use crate::diag::{Code, Result};
use crate::emit::lower::{BarrierCall, Lower};
use crate::emit::text::Operand;
use crate::kernel::*;

pub(super) fn barrier(cx: &mut Lower<'_>, b: &BarrierCall) -> Result<Option<Operand>> {
    let aligned = if b.aligned { ".aligned" } else { "" };
    match (b.kind, &b.id, &b.count) {
        (BarrierKind::Sync, None, None) if b.aligned => {
            cx.call("void", "llvm.nvvm.barrier0", &[]);
        }
        (BarrierKind::Sync, id, None) => {
            let id = id.clone().unwrap_or_else(|| Operand::i32(0));
            let name = if b.aligned { "llvm.nvvm.barrier.n" } else { "llvm.nvvm.barrier.sync" };
            cx.call("void", name, &[id]);
        }
        (BarrierKind::Sync, id, Some(count)) => {
            let id = id.clone().unwrap_or_else(|| Operand::i32(0));
            let name = if b.aligned { "llvm.nvvm.barrier" } else { "llvm.nvvm.barrier.sync.cnt" };
            cx.call("void", name, &[id, count.clone()]);
        }
        (BarrierKind::Arrive, id, Some(count)) => {
            let id = id.clone().unwrap_or_else(|| Operand::i32(0));
            let attribute = cx.m.attribute_group("convergent nounwind");
            let text = format!("call void asm sideeffect \"barrier.arrive{aligned} $0, $1;\", \"r,r,~{{memory}}\"({id}, {count}) {attribute}");
            cx.f.line(text);
        }
        (BarrierKind::Arrive, _, None) => {
            return Err(cx
                .error(Code::InvalidKernel, "an arrival at a barrier without a thread count")
                .into())
        }
        (kind, id, count) => return reducing(cx, kind, id, count, b).map(Some),
    }
    Ok(None)
}

fn reducing(
    cx: &mut Lower<'_>,
    kind: BarrierKind,
    id: &Option<Operand>,
    count: &Option<Operand>,
    b: &BarrierCall,
) -> Result<Operand> {
    let Some(pred) = &b.pred else {
        return Err(cx.error(Code::InvalidKernel, "a reducing barrier without a predicate").into());
    };
    let pred = match pred.ty.as_str() {
        "i32" => pred.clone(),
        _ => cx.f.value("i32", format_args!("zext {pred} to i32")),
    };
    let name = match kind {
        BarrierKind::Popc => "popc",
        BarrierKind::And => "and",
        _ => "or",
    };
    if id.is_none() && count.is_none() && b.aligned {
        return Ok(cx.call("i32", &format!("llvm.nvvm.barrier0.{name}"), &[pred]));
    }
    let aligned = if b.aligned { ".aligned" } else { "" };
    let id = id.clone().unwrap_or_else(|| Operand::i32(0));
    let attribute = cx.m.attribute_group("convergent nounwind");
    let count_operand = count.as_ref().map(|c| format!(", {c}")).unwrap_or_default();
    let (count_text, count_constraint) = if count.is_some() { (" $3,", ",r") } else { ("", "") };
    let body = match kind {
        BarrierKind::Popc => format!("barrier.red.popc{aligned}.u32 $0, $2,{count_text} %p1;"),
        _ => format!("barrier.red.{name}{aligned}.pred %p2, $2,{count_text} %p1; selp.u32 $0, 1, 0, %p2;"),
    };
    let text = format!(
        "call i32 asm sideeffect \"{{ .reg .pred %p1; .reg .pred %p2; setp.ne.u32 %p1, $1, 0; {body} }}\", \"=r,r,r{count_constraint},~{{memory}}\"({pred}, {id}{count_operand}) {attribute}"
    );
    Ok(cx.f.value("i32", text))
}

pub(super) fn warp(
    cx: &mut Lower<'_>,
    t: &Nvptx<'_>,
    op: WarpOp,
    args: &[Operand],
    result: Type,
) -> Result<Option<Operand>> {
    let shuffle = match op {
        WarpOp::ShflIdx | WarpOp::ShflIdxP => Some("idx"),
        WarpOp::ShflUp | WarpOp::ShflUpP => Some("up"),
        WarpOp::ShflDown | WarpOp::ShflDownP => Some("down"),
        WarpOp::ShflBfly | WarpOp::ShflBflyP => Some("bfly"),
        _ => None,
    };
    if op != WarpOp::ActiveMask && args.first().is_some_and(|mask| mask.ty != "i32") {
        return Err(cx
            .error(Code::NotOnTarget, "a mask of lanes that is not i32, for warps of 32 threads")
            .into());
    }
    if let Some(kind) = shuffle {
        let with_predicate =
            matches!(op, WarpOp::ShflIdxP | WarpOp::ShflUpP | WarpOp::ShflDownP | WarpOp::ShflBflyP);
        return self::shuffle(cx, t, kind, with_predicate, args, result).map(Some);
    }
    let name = match op {
        WarpOp::ScatterAdd => return Ok(Some(super::scatter::nvptx(cx, args))),
        WarpOp::Sync => {
            cx.call("void", "llvm.nvvm.bar.warp.sync", &args[..1]);
            return Ok(None);
        }
        WarpOp::VoteAll => return Ok(Some(cx.call("i1", "llvm.nvvm.vote.all.sync", args))),
        WarpOp::VoteAny => return Ok(Some(cx.call("i1", "llvm.nvvm.vote.any.sync", args))),
        WarpOp::VoteUni => return Ok(Some(cx.call("i1", "llvm.nvvm.vote.uni.sync", args))),
        WarpOp::Ballot => return Ok(Some(cx.call("i32", "llvm.nvvm.vote.ballot.sync", args))),
        WarpOp::ActiveMask => {
            let attribute = cx.m.attribute_group("convergent nounwind");
            let text = format!("call i32 asm sideeffect \"activemask.b32 $0;\", \"=r\"() {attribute}");
            return Ok(Some(cx.f.value("i32", text)));
        }
        WarpOp::MatchAny => {
            let v = args[1].ty.clone();
            only_words(cx, &v)?;
            return Ok(Some(cx.call("i32", &format!("llvm.nvvm.match.any.sync.{v}"), args)));
        }
        WarpOp::MatchAll => {
            let v = args[1].ty.clone();
            only_words(cx, &v)?;
            return Ok(Some(cx.call("{ i32, i1 }", &format!("llvm.nvvm.match.all.sync.{v}p"), args)));
        }
        WarpOp::ReduxAdd => "add",
        WarpOp::ReduxUMin => "umin",
        WarpOp::ReduxUMax => "umax",
        WarpOp::ReduxSMin => "min",
        WarpOp::ReduxSMax => "max",
        WarpOp::ReduxAnd => "and",
        WarpOp::ReduxOr => "or",
        WarpOp::ReduxXor => "xor",
        op => {
            let message = format!("{op:?} is an operation of AMD devices");
            return Err(cx.error(Code::NotOnTarget, message).into());
        }
    };
    if t.cpu.sm < 80 {
        let message = format!("`redux.sync` exists from sm_80 on, the target is {}", t.cpu.name);
        return Err(cx.error(Code::NotOnTarget, message).into());
    }
    // (mask, value) in Kernel IR, (value, mask) in LLVM.
    Ok(Some(cx.call("i32", &format!("llvm.nvvm.redux.sync.{name}"), &[args[1].clone(), args[0].clone()])))
}

fn only_words(cx: &Lower<'_>, ty: &str) -> Result<()> {
    if matches!(ty, "i32" | "i64") {
        return Ok(());
    }
    Err(cx
        .error(Code::NotOnTarget, format!("a match of values of type {ty}: NVPTX has it for i32 and i64"))
        .into())
}

/// Shuffles move 32 bits; wider values go in pieces, narrower ones are widened.
fn shuffle(
    cx: &mut Lower<'_>,
    t: &Nvptx<'_>,
    kind: &str,
    with_predicate: bool,
    args: &[Operand],
    result: Type,
) -> Result<Operand> {
    let value = &args[1];
    let value_ty = match (with_predicate, result) {
        (true, _) => cx.k.agg_member(result, &[0]).unwrap_or(Type::I32),
        (false, ty) => ty,
    };
    if value.ty == "float" || value.ty == "i32" {
        let suffix = if value.ty == "float" { "f32" } else { "i32" };
        if with_predicate {
            let ty = format!("{{ {}, i1 }}", value.ty);
            return Ok(cx.call(&ty, &format!("llvm.nvvm.shfl.sync.{kind}.{suffix}p"), args));
        }
        let ty = value.ty.clone();
        return Ok(cx.call(&ty, &format!("llvm.nvvm.shfl.sync.{kind}.{suffix}"), args));
    }
    let bits = match value_ty {
        Type::Agg(_) | Type::Void => {
            return Err(cx
                .error(Code::NotOnTarget, format!("a shuffle of a value of type {}", value.ty))
                .into())
        }
        ty => cx.k.bytes(ty) * 8,
    };
    let integer = to_integer(cx, value, value_ty, bits);
    let words = bits.div_ceil(32);
    let wide = format!("i{}", words * 32);
    let padded = resize(cx, &integer, bits, words * 32);
    let (mut whole, mut predicate) = (Operand::new(wide.clone(), "0"), Operand::new("i1", "false"));
    for i in 0..words {
        let part = match words {
            1 => padded.clone(),
            _ => {
                let down = cx.f.value(&wide, format_args!("lshr {padded}, {}", i * 32));
                cx.f.value("i32", format_args!("trunc {down} to i32"))
            }
        };
        let call = [args[0].clone(), part, args[2].clone(), args[3].clone()];
        let both = cx.call("{ i32, i1 }", &format!("llvm.nvvm.shfl.sync.{kind}.i32p"), &call);
        let moved = cx.f.value("i32", format_args!("extractvalue {both}, 0"));
        predicate = cx.f.value("i1", format_args!("extractvalue {both}, 1"));
        whole = match words {
            1 => moved,
            _ => {
                let up = cx.f.value(&wide, format_args!("zext {moved} to {wide}"));
                let up = cx.f.value(&wide, format_args!("shl {up}, {}", i * 32));
                cx.f.value(&wide, format_args!("or {up}, {}", whole.name))
            }
        };
    }
    let cut = resize(cx, &whole, words * 32, bits);
    let back = from_integer(cx, &cut, value_ty, &value.ty);
    if !with_predicate {
        return Ok(back);
    }
    let ty = cx.ty(t, result);
    let pair = cx.f.value(&ty, format_args!("insertvalue {ty} poison, {back}, 0"));
    Ok(cx.f.value(&ty, format_args!("insertvalue {pair}, {predicate}, 1")))
}

fn resize(cx: &mut Lower<'_>, v: &Operand, from: u64, to: u64) -> Operand {
    let ty = format!("i{to}");
    match from.cmp(&to) {
        std::cmp::Ordering::Equal => v.clone(),
        std::cmp::Ordering::Less => cx.f.value(&ty, format_args!("zext {v} to {ty}")),
        std::cmp::Ordering::Greater => cx.f.value(&ty, format_args!("trunc {v} to {ty}")),
    }
}

fn to_integer(cx: &mut Lower<'_>, v: &Operand, ty: Type, bits: u64) -> Operand {
    let int = format!("i{bits}");
    match ty {
        Type::Int(w) if u64::from(w) == bits => v.clone(),
        Type::Int(_) => cx.f.value(&int, format_args!("zext {v} to {int}")),
        Type::Ptr(_) => cx.f.value(&int, format_args!("ptrtoint {v} to {int}")),
        _ => cx.f.value(&int, format_args!("bitcast {v} to {int}")),
    }
}

fn from_integer(cx: &mut Lower<'_>, v: &Operand, ty: Type, llty: &str) -> Operand {
    match ty {
        _ if v.ty == llty => v.clone(),
        Type::Int(_) => cx.f.value(llty, format_args!("trunc {v} to {llty}")),
        Type::Ptr(_) => cx.f.value(llty, format_args!("inttoptr {v} to {llty}")),
        _ => cx.f.value(llty, format_args!("bitcast {v} to {llty}")),
    }
}
