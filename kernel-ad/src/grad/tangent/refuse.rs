//! What forward mode does not support is refused here, with its place and the reason; several errors a run.

use super::{bits, build, Input};
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::facts::activity::base_name;
use crate::facts::alias::writes_nothing;
use crate::facts::exchange::Exchange;
use crate::facts::provenance::holds_pointer;
use crate::facts::{Base, KnownCall, PtrKind};
use crate::grad::calls::CallFacts;
use crate::grad::order;
use crate::grad::pointers::stored_pointer;
use crate::grad::Roles;
use crate::kernel::*;
use crate::rules::op_name;
use std::collections::HashSet;

/// Checks every instruction of the reachable code.
pub(super) fn check(k: &Kernel, input: &Input<'_>, roles: &Roles) -> Result<()> {
    let mut errors: Vec<Diagnostic> = Vec::new();
    let mut seen: HashSet<(Code, Loc)> = HashSet::new();
    for &b in input.cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let Some(d) = refusal(k, input, roles, i) else { continue };
            let loc = k.insts[i].loc;
            if errors.len() < 20 && loc.is_none_or(|l| seen.insert((d.code, l))) {
                errors.push(d.at(k, loc).ir(print_inst(k, i)));
            }
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(errors))
    }
}

fn refusal(k: &Kernel, input: &Input<'_>, roles: &Roles, i: Inst) -> Option<Diagnostic> {
    let data = &k.insts[i];
    let because =
        |d: Diagnostic, v: Value| input.activity.because(k, v).into_iter().fold(d, |d, line| d.because(line));
    let result = data.result.filter(|&r| input.carries(k, r));
    match &data.op {
        Op::TapeStore { .. } | Op::TapeLoad { .. } => Some(Diagnostic::new(
            Code::UnsupportedMemory,
            "the derivative of a reverse kernel is not supported yet",
        )),
        Op::Load { ptr, mem } => {
            let r = result?;
            let ordered = mem.volatile || !matches!(mem.ordering, None | Some(Ordering::Unordered));
            let Input { cfg, prov, activity, exclusive, .. } = *input;
            let seen = || Exchange { k, cfg, prov, activity, exclusive }.seen_by(i);
            if let Some(why) = ordered.then(seen).flatten() {
                let d = Diagnostic::new(
                    Code::UnsupportedMemory,
                    "a volatile or atomic load of data that threads hand to each other",
                )
                .because(why)
                .because("a value and its tangent are two words, and another thread may come between them")
                .help("put a barrier between writing and reading, or end the kernel there");
                return Some(because(d, r));
            }
            place(k, input, *ptr).map(|d| because(d, r))
        }
        Op::Store { ptr, val, .. } => {
            if holds_pointer(k, k.ty(*val)) {
                return stored_pointer(k, input.cfg, input.prov, *ptr, *val);
            }
            match input.carries(k, *val) {
                true => lost(k, input, *ptr).map(|d| because(d, *val)),
                false => unknown(k, input, *ptr),
            }
        }
        Op::MemCopy { dst, src, .. } => {
            if !input.activity.is_useful_memory(input.prov, *dst) {
                return unknown(k, input, *dst);
            }
            place(k, input, *dst).or_else(|| unknown(k, input, *src))
        }
        Op::MemSet { dst, .. } => unknown(k, input, *dst),
        // The bits of a float are not added to: what lies there is an integer, though floats lie beside it.
        Op::AtomicRmw { op: RmwOp::Add | RmwOp::Sub, ptr, val, .. }
            if !input.carries(k, *val) && !data.result.is_some_and(|r| input.carries(k, r)) =>
        {
            return unknown(k, input, *ptr);
        }
        Op::AtomicRmw { op, ptr, val, .. } => {
            if input.settled.extrema.contains(&i) || input.settled.exchanges.contains(&i) {
                return place(k, input, *ptr);
            }
            if input.prov.kind(*ptr) == PtrKind::Shadowed {
                let sum = matches!(op, RmwOp::FAdd | RmwOp::FSub);
                if sum && result.is_none() {
                    return None;
                }
                let reason = order::reason(*op, result.is_some());
                let used = if sum { " whose result is used" } else { "" };
                let name = format!("{op:?}").to_lowercase();
                let d = Diagnostic::new(
                    Code::AtomicNoRule,
                    format!("no tangent rule for `atomicrmw {name}`{used} on active memory"),
                )
                .because(objects(k, input, *ptr))
                .because(reason.0)
                .help(reason.1);
                return Some(d);
            }
            match result.or(Some(*val).filter(|&v| input.carries(k, v))) {
                Some(v) => place(k, input, *ptr).map(|d| because(d, v)),
                None => unknown(k, input, *ptr),
            }
        }
        Op::CmpXchg { ptr, new, .. } => {
            let active = result.or(Some(*new).filter(|&v| input.carries(k, v)));
            if input.prov.kind(*ptr) == PtrKind::Plain && active.is_none() {
                return None;
            }
            let reason = order::exchange_reason(k, *new);
            let d = Diagnostic::new(Code::AtomicNoRule, "no tangent rule for `cmpxchg` on active memory");
            Some(d.because(objects(k, input, *ptr)).because(reason.0).help(reason.1))
        }
        op @ Op::Call { callee, args } => {
            if let Some(call) = KnownCall::new(k, op) {
                let facts = CallFacts { k, prov: input.prov, activity: input.activity };
                return facts.refusal(call, data.result, roles);
            }
            let reached = args.iter().find(|&&a| k.ty(a).is_ptr() && has_shadow(input, a));
            if result.is_none() && (reached.is_none() || writes_nothing(callee)) {
                return None;
            }
            let d = Diagnostic::new(Code::OpaqueCall, format!("call of `{callee}` on active data"))
                .help("give the function's body, so that it can be inlined");
            Some(match result {
                Some(r) => because(d, r),
                None => d.because("it is given a pointer into memory that has a shadow"),
            })
        }
        Op::Asm { text, args, .. } => {
            let reached = args.iter().find(|&&a| k.ty(a).is_ptr() && has_shadow(input, a));
            if result.is_none() && reached.is_none() {
                return None;
            }
            let d = Diagnostic::new(Code::AsmOnActive, format!("inline assembly `{text}` on active data"))
                .help("use the builtin or the library function that the assembly stands for");
            Some(match result {
                Some(r) => because(d, r),
                None => d.because("it is given a pointer into memory that has a shadow"),
            })
        }
        Op::Warp { op, .. } if op.handed_on().is_empty() => {
            let d = Diagnostic::new(
                Code::WarpOpInGradient,
                format!("warp operation `{op:?}` on active data has no tangent rule"),
            );
            result.map(|r| because(d, r))
        }
        Op::Warp { .. } | Op::Phi { .. } => None,
        op => {
            let r = result?;
            let ty = k.ty(r);
            if !build::moves_bits(k, op, ty) || bits::moves(k, op, ty).is_some() {
                return None;
            }
            let d = Diagnostic::new(Code::UnknownMemoryType, format!("arithmetic (`{}`) on the bits of active data", op_name(op)))
                .help("mark the buffer const if it holds integers; write what the bits are for with fabsf, copysignf or ldexpf");
            Some(because(d, r))
        }
    }
}

fn has_shadow(input: &Input<'_>, ptr: Value) -> bool {
    !matches!(input.prov.kind(ptr), PtrKind::Plain | PtrKind::Nowhere)
}

fn objects(k: &Kernel, input: &Input<'_>, ptr: Value) -> String {
    let names: Vec<String> = input.prov.of(ptr).bases.iter().map(|b| base_name(k, *b)).collect();
    format!("it works on {}", names.join(", "))
}

/// Why an active value cannot be stored through a pointer. Into memory that the caller called const it can: its
/// derivative ends there, as asked for.
fn lost(k: &Kernel, input: &Input<'_>, ptr: Value) -> Option<Diagnostic> {
    let plain = matches!(input.prov.kind(ptr), PtrKind::Plain | PtrKind::Nowhere);
    if plain && !input.activity.is_useful_memory(input.prov, ptr) {
        return None;
    }
    place(k, input, ptr)
}

/// Why active data cannot lie behind a pointer.
fn place(k: &Kernel, input: &Input<'_>, ptr: Value) -> Option<Diagnostic> {
    let fact = input.prov.of(ptr);
    if fact.kind != PtrKind::Plain {
        return unknown(k, input, ptr);
    }
    let base = fact.bases.iter().find(|b| matches!(b, Base::Global(_)))?;
    let what = format!("active data in {}, which has no role", base_name(k, *base));
    Some(Diagnostic::new(Code::UnsupportedMemory, what).help("give the variable the role dup"))
}

/// Refuses accesses through pointers that may or may not have a shadow.
fn unknown(k: &Kernel, input: &Input<'_>, ptr: Value) -> Option<Diagnostic> {
    let (what, help) = match input.prov.kind(ptr) {
        PtrKind::Mixed => (
            "a pointer that points into memory with or without a shadow, depending on control flow",
            "give all buffers that it may point into the same kind of role",
        ),
        PtrKind::Unknown => (
            "a pointer of unknown origin",
            "form pointers from the kernel's parameters by pointer arithmetic, not through integers",
        ),
        _ => return None,
    };
    let d = Diagnostic::new(Code::UnknownProvenance, format!("active memory is accessed through {what}"));
    Some(d.because(objects(k, input, ptr)).help(help))
}
