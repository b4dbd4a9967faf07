//! What reverse mode does not support is refused here, with its place and the reason; several errors a run.

use super::input::Input;
use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use crate::facts::activity::{base_name, holds_float};
use crate::facts::alias::writes_nothing;
use crate::facts::exchange::{acquires, Exchange};
use crate::facts::extremum::Extremum;
use crate::facts::fields::{Clash, Fields};
use crate::facts::provenance::holds_pointer;
use crate::facts::signal::{self, Signal};
use crate::facts::{Base, KnownCall, PtrKind};
use crate::grad::calls::CallFacts;
use crate::grad::order;
use crate::grad::pointers::stored_pointer;
use crate::grad::Roles;
use crate::kernel::*;
use crate::retype::declared;
use std::collections::HashSet;

/// Checks every instruction of the reachable code.
///
/// # Errors
/// One diagnostic for each instruction that has no adjoint.
pub fn check(k: &Kernel, input: &Input<'_>, roles: &Roles) -> Result<()> {
    let mut errors: Vec<Diagnostic> = Vec::new();
    let mut seen: HashSet<(Code, Option<Loc>)> = HashSet::new();
    let mut found: Vec<(Block, Inst, Diagnostic)> = Vec::new();
    for &b in input.cfg.rpo() {
        let insts = k.blocks[b].insts.iter();
        found.extend(insts.filter_map(|&i| Some((b, i, refusal(k, input, roles, i)?))));
    }
    let swaps: Vec<(Block, Inst)> = found.iter().map(|f| (f.0, f.1)).collect();
    let belongs = |block: Block, i: Inst| {
        swaps.iter().any(|&(home, swap)| {
            let l = input.regions.of[home];
            let inside = |b: Block| l.is_some() && input.regions.within(input.regions.of[b], l);
            order::part_of_exchange(k, &inside, swap, i, block)
        })
    };
    for (b, i, d) in found {
        if !belongs(b, i) && seen.insert((d.code, k.insts[i].loc)) && errors.len() < 20 {
            errors.push(d.at(k, k.insts[i].loc));
        }
    }
    errors.extend(mixed_formats(k, input).into_iter().take(4));
    errors.extend(other_format(k, input, roles).into_iter().take(4));
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(errors))
    }
}

fn refusal(k: &Kernel, input: &Input<'_>, roles: &Roles, i: Inst) -> Option<Diagnostic> {
    let data = &k.insts[i];
    let active = |v: Value| input.active(k, v);
    let carries = |v: Value| active(v) || (k.as_const(v).is_none() && input.activity.is_hidden(k, v));
    let because =
        |d: Diagnostic, v: Value| input.activity.because(k, v).into_iter().fold(d, |d, line| d.because(line));
    let result_carries = data.result.is_some_and(carries);
    if let Some(d) = handed_on(k, input, i) {
        return Some(d);
    }
    match &data.op {
        Op::Barrier { .. } | Op::Fence { .. } => super::barrier::refusal(k, input, i),
        Op::Warp { op, .. } => {
            let r = data.result.filter(|&r| carries(r))?;
            warp(k, input, i, *op, active(r)).map(|d| because(d, r))
        }
        Op::Asm { text, args, side_effects, .. } => {
            let v = data.result.filter(|&r| carries(r));
            let reaches = args.iter().find(|&&a| input.prov.kind(a) == PtrKind::Shadowed);
            if v.is_none() && (reaches.is_none() || !side_effects) {
                return None;
            }
            let d = Diagnostic::new(Code::AsmOnActive, "inline assembly on active data")
                .ir(text.clone())
                .help("use the builtin or the library function that the assembly stands for");
            Some(match v {
                Some(v) => because(d, v),
                None => d.because("it is given a pointer into memory that has a shadow"),
            })
        }
        op @ Op::Call { callee, args } => {
            if let Some(call) = KnownCall::new(k, op) {
                let facts = CallFacts { k, prov: input.prov, activity: input.activity };
                return facts.refusal(call, data.result, roles);
            }
            let v = data.result.filter(|&r| carries(r));
            let reaches = args.iter().any(|&a| {
                !matches!(input.prov.kind(a), PtrKind::Plain | PtrKind::Nowhere) && k.ty(a).is_ptr()
            });
            if v.is_none() && (!reaches || writes_nothing(callee)) {
                return None;
            }
            let d = Diagnostic::new(Code::OpaqueCall, format!("call of `{callee}` on active data"))
                .help("give the function's body, so that it can be inlined");
            Some(match v {
                Some(v) => because(d, v),
                None => d.because("it is given a pointer into memory that has a shadow"),
            })
        }
        Op::Load { ptr, mem } => {
            let r = data.result?;
            if !carries(r) {
                return None;
            }
            if let Some(d) = place(k, input, *ptr).or_else(|| through_const(k, input, *ptr)) {
                return Some(because(d, r));
            }
            if !active(r) {
                return Some(because(int_typed(), r));
            }
            if matches!(k.ty(r), Type::Agg(_)) {
                return Some(because(aggregate(), r));
            }
            let ordered = mem.volatile || !matches!(mem.ordering, None | Some(Ordering::Unordered));
            if let Some(why) = ordered.then(|| exchange(k, input).seen_by(i)).flatten() {
                let d = Diagnostic::new(
                    Code::UnsupportedMemory,
                    "a volatile or atomic load of data that threads hand to each other",
                )
                .because(why)
                .because("the reverse sweep would have to follow the order of the threads backwards")
                .help("put a barrier between writing and reading, or end the kernel there");
                return Some(because(d, r));
            }
            None
        }
        Op::Store { ptr, val, .. } => {
            if let Some(d) = holds_pointer(k, k.ty(*val))
                .then(|| stored_pointer(k, input.cfg, input.prov, *ptr, *val))
                .flatten()
            {
                return Some(d);
            }
            if let (false, true) = (carries(*val), input.prov.kind(*ptr) != PtrKind::Plain) {
                // Whatever is overwritten loses its adjoint, so the shadow must be known.
                return unknown(k, input, *ptr);
            }
            if !carries(*val) || super::barrier::lost_in_shared(k, input, *ptr) {
                return None;
            }
            if let Some(d) = place(k, input, *ptr) {
                return Some(because(d, *val));
            }
            if !active(*val) {
                return Some(because(int_typed(), *val));
            }
            if matches!(k.ty(*val), Type::Agg(_)) {
                return Some(because(aggregate(), *val));
            }
            None
        }
        Op::AtomicRmw { op, ptr, val, .. } => {
            if !carries(*val) && !result_carries && !input.has_adjoint_memory(*ptr) {
                return unknown(k, input, *ptr);
            }
            if matches!(op, RmwOp::FAdd | RmwOp::FSub) && !result_carries {
                if let Some(d) = carries(*val).then(|| place(k, input, *ptr)).flatten() {
                    return Some(because(d, *val));
                }
                return None;
            }
            // The bits of a float are not added to: what lies there is an integer, though floats lie beside it.
            if matches!(op, RmwOp::Add | RmwOp::Sub) && !carries(*val) && !result_carries {
                return unknown(k, input, *ptr);
            }
            if input.settled.extrema.contains(&i) || input.settled.exchanges.contains(&i) {
                return place(k, input, *ptr);
            }
            let extremum = matches!(op, RmwOp::FMax | RmwOp::FMin) && !result_carries;
            let mut why = None;
            if extremum {
                if let Some(d) = place(k, input, *ptr) {
                    return Some(d.because(objects(k, input, *ptr)));
                }
                let Input { cfg, prov, activity, .. } = *input;
                let split = input.is_final(*ptr);
                why = match input.between {
                    Some(_) if !split => {
                        Some("between the two launches the memory may change; declare it as kept")
                    }
                    _ => Extremum { k, cfg, prov, activity, split }.objection(i),
                };
                why?;
            }
            let reason = order::reason(*op, result_carries);
            let what = if result_carries { " whose result is used" } else { "" };
            let d = Diagnostic::new(
                Code::AtomicNoRule,
                format!(
                    "no adjoint rule for `atomicrmw {}`{what} on active memory",
                    format!("{op:?}").to_lowercase()
                ),
            )
            .because(reason.0)
            .help(reason.1);
            let d = why.into_iter().fold(d, |d, why| d.because(why));
            let v = if carries(*val) { Some(*val) } else { data.result.filter(|&r| carries(r)) };
            Some(match v {
                Some(v) => because(d, v),
                None => d.because(objects(k, input, *ptr)),
            })
        }
        Op::CmpXchg { ptr, new, .. } => {
            if !carries(*new) && !result_carries && !input.has_adjoint_memory(*ptr) {
                return unknown(k, input, *ptr);
            }
            let reason = order::exchange_reason(k, *new);
            let d = Diagnostic::new(Code::AtomicNoRule, "no adjoint rule for `cmpxchg` on active memory")
                .because(objects(k, input, *ptr))
                .because(reason.0)
                .help(reason.1);
            Some(d)
        }
        Op::MemCopy { dst, src, .. } => {
            if input.activity.is_useful_memory(input.prov, *dst) {
                place(k, input, *dst).or_else(|| unknown(k, input, *src))
            } else {
                None
            }
        }
        Op::MemSet { dst, .. } => unknown(k, input, *dst),
        Op::Cast { op: CastOp::Bitcast, a, .. } if result_carries && !carries_alike(k, *a, data.result) => {
            let d = Diagnostic::new(
                Code::NoRule,
                "the bits of an active float are used as an integer, or the reverse",
            )
            .help("write what the bits are for with fabsf, copysignf, ldexpf or a comparison");
            Some(because(d, data.result?))
        }
        _ => None,
    }
}

/// Why a warp operation on active data has no adjoint.
fn warp(k: &Kernel, input: &Input<'_>, i: Inst, op: WarpOp, as_float: bool) -> Option<Diagnostic> {
    let name = op.name();
    if op.handed_on().is_empty() {
        let d = Diagnostic::new(
            Code::WarpOpInGradient,
            format!("`{name}` computes with the bits of active data: it has no adjoint"),
        );
        return Some(d.help("exchange the floats by shuffles and compute with them"));
    }
    if !as_float {
        let d = Diagnostic::new(Code::WarpOpInGradient, format!("`{name}` moves active data as integers"));
        return Some(d.help("load, shuffle and store it as floating-point numbers"));
    }
    if k.has_lane_masks() {
        return None;
    }
    let block = input.cfg.rpo().iter().find(|&&b| k.blocks[b].insts.contains(&i))?;
    let ragged = input
        .regions
        .enclosing(input.regions.of[*block])
        .find(|&l| !input.regions.loops[l].exits.iter().all(|&(from, _)| input.lanes.stays_together(from)))?;
    let d = Diagnostic::new(
        Code::WarpOpInGradient,
        format!("`{name}` in a loop that the lanes of a warp may leave one by one"),
    );
    let d = match k.insts[k.terminator(input.regions.loops[ragged].header)].loc {
        Some(loc) => {
            let at = Place::of(k, loc);
            d.because(format!("the loop stands at {}:{}", at.file, at.line))
        }
        None => d,
    };
    let d = d.because(
        "backwards the lanes come by in another company, and the operation has no mask that says in which",
    );
    Some(d.help("let all lanes of the warp go the same number of rounds"))
}

fn exchange<'a>(k: &'a Kernel, input: &'a Input<'_>) -> Exchange<'a> {
    let Input { cfg, prov, activity, exclusive, .. } = *input;
    Exchange { k, cfg, prov, activity, exclusive }
}

/// Why an atomic operation may order differentiated data that one thread writes and another one reads.
fn handed_on(k: &Kernel, input: &Input<'_>, i: Inst) -> Option<Diagnostic> {
    let ours = |i: Inst| {
        let settled = input.settled;
        settled.extrema.contains(&i) || settled.exchanges.contains(&i) || input.extrema.contains_key(&i)
    };
    let (what, shared) = match (acquires(k, &k.insts[i].op), signal::of(k, i, &ours)?) {
        (Some(scope), _) => (
            "an atomic operation that orders memory in a kernel to be reversed",
            scope.level == ScopeLevel::Block,
        ),
        (_, Signal::Lock) => ("a lock in a kernel to be reversed", true),
        (_, Signal::Fence) => {
            ("a fence between threads that signal to each other, in a kernel to be reversed", true)
        }
        (None, Signal::Order) => return None,
    };
    let base = exchange(k, input).object(shared)?;
    let d = Diagnostic::new(Code::BarrierInGradient, what)
        .because(format!(
            "threads may hand each other differentiated data through {} by it",
            base_name(k, base)
        ))
        .because("the reverse sweep would have to follow the order of the threads backwards")
        .help(
            "use relaxed ordering if it orders nothing, a barrier within the block, or end the kernel there",
        );
    Some(d)
}

fn carries_alike(k: &Kernel, a: Value, r: Option<Value>) -> bool {
    r.is_some_and(|r| holds_float(k, k.ty(a)) && holds_float(k, k.ty(r)))
}

fn int_typed() -> Diagnostic {
    Diagnostic::new(Code::UnknownMemoryType, "active memory is accessed as integers")
        .help("load and store it as floating-point numbers, or mark the buffer const if it holds integers")
}

fn aggregate() -> Diagnostic {
    Diagnostic::new(Code::UnsupportedMemory, "an active struct or array is loaded or stored as one value")
        .help("access its members one by one")
}

fn objects(k: &Kernel, input: &Input<'_>, ptr: Value) -> String {
    let names: Vec<String> = input.prov.of(ptr).bases.iter().map(|b| base_name(k, *b)).collect();
    format!("it works on {}", names.join(", "))
}

/// Active data that was stored into memory without a derivative comes back.
fn through_const(k: &Kernel, input: &Input<'_>, ptr: Value) -> Option<Diagnostic> {
    (input.prov.kind(ptr) == PtrKind::Plain).then(|| {
        Diagnostic::new(
            Code::UnsupportedMemory,
            "active data is stored into memory whose role is const, and loaded again",
        )
        .because(objects(k, input, ptr))
        .help("give that buffer the role dup, with a shadow of zeros")
    })
}

/// Bytes of objects that active data is accessed at in more than one floating-point format: those of one number would be taken
/// for those of another. Fields of records are told apart.
fn mixed_formats(k: &Kernel, input: &Input<'_>) -> Vec<Diagnostic> {
    let counts = |i: Inst| match &k.insts[i].op {
        Op::Load { .. } => k.insts[i].result.is_some_and(|r| input.active(k, r)),
        Op::Store { val, .. } | Op::AtomicRmw { val, .. } => input.active(k, *val),
        _ => false,
    };
    let fields = Fields::new(k, input.cfg, input.prov, &counts, &|_| None);
    let diagnostic = |c: &Clash| {
        let (base, one, other) = (base_name(k, c.base), c.first.1.name(), c.second.1.name());
        let (message, help) = match one == other {
            true => (
                format!("accesses to {base} take it for numbers of {one} at places that overlap"),
                format!("access them at distances that are multiples of {} bytes", c.first.1.bytes()),
            ),
            false => (
                format!("the same bytes of {base} are accessed as {one} and as {other}"),
                "keep numbers of different formats in different buffers, or in fields of their own".into(),
            ),
        };
        let d = Diagnostic::new(Code::UnknownMemoryType, message)
            .at(k, c.second.0.and_then(|i| k.insts[i].loc))
            .help(help);
        match c.first.0 {
            Some(first) => d.because(format!("the first access is {}", print_inst(k, first))),
            None => d,
        }
    };
    fields.clashes().map(diagnostic).collect()
}

/// Active data in a buffer that the caller says holds numbers of another format: the shadow would be added to as those.
fn other_format(k: &Kernel, input: &Input<'_>, roles: &Roles) -> Vec<Diagnostic> {
    let check = |i: Inst| {
        let (ptr, v) = match &k.insts[i].op {
            Op::Load { ptr, .. } => (*ptr, k.insts[i].result?),
            Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. } => (*ptr, *val),
            _ => return None,
        };
        let Type::Float(format) = k.ty(v).scalar() else { return None };
        let bases = input.prov.of(ptr).bases;
        let (base, is) =
            bases.iter().find_map(|&b| Some((b, declared(roles, b).filter(|&f| f != format)?)))?;
        let message =
            format!("{}, a buffer of {}, is accessed as {}", base_name(k, base), is.name(), format.name());
        let d = Diagnostic::new(Code::UnknownMemoryType, message).at(k, k.insts[i].loc);
        input.active(k, v).then(|| d.help("access it in its own format, or as integers of the same size"))
    };
    input.cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts).filter_map(|&i| check(i)).collect()
}

/// Why active data cannot lie behind a pointer.
fn place(k: &Kernel, input: &Input<'_>, ptr: Value) -> Option<Diagnostic> {
    let fact = input.prov.of(ptr);
    match fact.kind {
        PtrKind::Shadowed if input.shadows.of(ptr).is_some() => None,
        PtrKind::Plain => {
            let b = fact.bases.iter().find(|b| matches!(b, Base::Global(_)))?;
            Some(
                Diagnostic::new(
                    Code::UnsupportedMemory,
                    format!("active data in {}, which has no role", base_name(k, *b)),
                )
                .help("give the variable the role dup"),
            )
        }
        _ => unknown(k, input, ptr).or_else(|| {
            Some(
                Diagnostic::new(Code::UnknownProvenance, "the shadow of an active pointer cannot be formed")
                    .because(objects(k, input, ptr)),
            )
        }),
    }
}

/// Refuses accesses through pointers that may or may not have a shadow.
fn unknown(k: &Kernel, input: &Input<'_>, ptr: Value) -> Option<Diagnostic> {
    let fact = input.prov.of(ptr);
    let (what, help) = match fact.kind {
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
    Some(
        Diagnostic::new(Code::UnknownProvenance, format!("active memory is accessed through {what}"))
            .because(objects(k, input, ptr))
            .help(help),
    )
}
