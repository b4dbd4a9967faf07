//! PTX operations among the threads of a warp, in inline assembly.

use super::asm::Statement;
use super::nvptx::shuffle_op;
use super::ptx::Machine;
use crate::kernel::*;
use smallvec::{smallvec, SmallVec};

/// Executes one of them.
pub(super) fn execute<'t>(m: &mut Machine<'_, 't>, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
    let all = b.k.int(Type::I32, -1);
    let (&first, rest) = s.operands.split_first().unwrap_or((&"", &[]));
    let (to, flag) = first.split_once('|').map_or((first, None), |(a, p)| (a.trim(), Some(p.trim())));
    let word = |m: &Machine<'_, 't>, b: &mut KernelBuilder, i: usize| m.read(b, rest.get(i)?, Type::I32);
    let warp = |b: &mut KernelBuilder, op: WarpOp, args: SmallVec<[Value; 4]>, ty: Type| {
        b.value(Op::Warp { op, args }, ty)
    };
    let value = match s.words[..] {
        ["shfl", "sync", mode, "b32"] | ["shfl", mode, "b32"] => {
            let op = shuffle_op(mode, flag.is_some())?;
            let mask = if s.words.len() == 4 { word(m, b, 3)? } else { all };
            let args = smallvec![mask, word(m, b, 0)?, word(m, b, 1)?, word(m, b, 2)?];
            let Some(flag) = flag else {
                let v = warp(b, op, args, Type::I32);
                m.registers.insert(to, v);
                return Some(());
            };
            let pair = b.k.struct_ty(&[Type::I32, Type::I1]);
            let both = warp(b, op, args, pair);
            let ok = b.extract_value(both, 1);
            m.registers.insert(flag, ok);
            b.extract_value(both, 0)
        }
        ["vote", ref rest_words @ ..] => {
            let (sync, words) = match rest_words {
                ["sync", words @ ..] => (true, words),
                words => (false, words),
            };
            let p = m.predicate(b, rest.first()?)?;
            let mask = if sync { word(m, b, 1)? } else { all };
            let (op, ty) = match words {
                ["all", "pred"] => (WarpOp::VoteAll, Type::I1),
                ["any", "pred"] => (WarpOp::VoteAny, Type::I1),
                ["uni", "pred"] => (WarpOp::VoteUni, Type::I1),
                ["ballot", "b32"] => (WarpOp::Ballot, Type::I32),
                _ => return None,
            };
            warp(b, op, smallvec![mask, p], ty)
        }
        ["activemask", "b32"] => warp(b, WarpOp::ActiveMask, smallvec![], Type::I32),
        ["match", "any", "sync", kind @ ("b32" | "b64")] => {
            let x = m.read(b, rest.first()?, if kind == "b32" { Type::I32 } else { Type::I64 })?;
            let mask = word(m, b, 1)?;
            warp(b, WarpOp::MatchAny, smallvec![mask, x], Type::I32)
        }
        ["match", "all", "sync", kind @ ("b32" | "b64")] => {
            let x = m.read(b, rest.first()?, if kind == "b32" { Type::I32 } else { Type::I64 })?;
            let mask = word(m, b, 1)?;
            let pair = b.k.struct_ty(&[Type::I32, Type::I1]);
            let both = warp(b, WarpOp::MatchAll, smallvec![mask, x], pair);
            if let Some(flag) = flag {
                let ok = b.extract_value(both, 1);
                m.registers.insert(flag, ok);
            }
            b.extract_value(both, 0)
        }
        ["redux", "sync", which, kind @ ("s32" | "u32" | "b32")] => {
            let op = match (which, kind) {
                ("add", _) => WarpOp::ReduxAdd,
                ("min", "u32") => WarpOp::ReduxUMin,
                ("max", "u32") => WarpOp::ReduxUMax,
                ("min", "s32") => WarpOp::ReduxSMin,
                ("max", "s32") => WarpOp::ReduxSMax,
                ("and", _) => WarpOp::ReduxAnd,
                ("or", _) => WarpOp::ReduxOr,
                ("xor", _) => WarpOp::ReduxXor,
                _ => return None,
            };
            let (x, mask) = (word(m, b, 0)?, word(m, b, 1)?);
            warp(b, op, smallvec![mask, x], Type::I32)
        }
        ["elect", "sync"] => {
            // Any lane may be elected; here it is the lowest that is there.
            let mask = word(m, b, 0)?;
            let yes = b.k.int(Type::I1, 1);
            let here = warp(b, WarpOp::Ballot, smallvec![mask, yes], Type::I32);
            let lowest = b.int_math(IntFn::Cttz, &[here], Type::I32);
            let me = b.special(Special::LaneId);
            let mine = b.icmp(IntPred::Eq, me, lowest);
            m.registers.insert(flag?, mine);
            lowest
        }
        ["bar", "warp", "sync"] => {
            let mask = m.read(b, first, Type::I32)?;
            b.insert(Op::Warp { op: WarpOp::Sync, args: smallvec![mask] }, Type::Void);
            return Some(());
        }
        ["bar" | "barrier", "sync" | "arrive" | "cta", ..] => return barrier(m, b, s),
        _ => return None,
    };
    m.registers.insert(to, value);
    Some(())
}

/// `bar.sync id[, count]`, `bar.arrive id, count` and their longer names.
fn barrier<'t>(m: &mut Machine<'_, 't>, b: &mut KernelBuilder, s: &Statement<'t>) -> Option<()> {
    let words: Vec<&str> = s.words.iter().copied().filter(|w| *w != "cta").collect();
    use BarrierKind::{Arrive, Sync};
    let (kind, aligned) = match words[..] {
        ["bar", "sync"] | ["barrier", "sync", "aligned"] => (Sync, true),
        ["barrier", "sync"] => (Sync, false),
        ["bar", "arrive"] | ["barrier", "arrive", "aligned"] if s.operands.len() == 2 => (Arrive, true),
        ["barrier", "arrive"] if s.operands.len() == 2 => (Arrive, false),
        _ => return None,
    };
    let first = m.read(b, s.operands.first()?, Type::I32)?;
    let id = (b.k.as_int(first) != Some(0)).then_some(first);
    let count = match s.operands.get(1) {
        Some(o) => Some(m.read(b, o, Type::I32)?),
        None => None,
    };
    let id = if count.is_some() { Some(first) } else { id };
    b.insert(Op::Barrier { kind, id, count, pred: None, aligned }, Type::Void);
    Some(())
}
