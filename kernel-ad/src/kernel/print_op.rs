//! Printing of operations.

use super::names::Named;
use super::print::{flags, quote, Printer};
use super::*;
use std::fmt::Write;

impl Printer<'_> {
    /// `a, b` with the type written once when both have the same.
    fn pair(&self, a: Value, b: Value) -> String {
        self.list(&[a, b])
    }

    /// Operands; a type is written when it differs from that of the one before.
    fn list(&self, args: &[Value]) -> String {
        let mut last = None;
        let mut parts = Vec::with_capacity(args.len());
        for &a in args {
            let ty = self.k.values.get(a).map(|d| d.ty);
            parts.push(if ty.is_some() && ty == last { self.value(a) } else { self.typed(a) });
            last = ty;
        }
        parts.join(", ")
    }

    pub(super) fn op(&self, s: &mut String, op: &Op, result: Type) {
        let none = (Fmf::empty(), IntFlags::empty());
        let _ = match op {
            Op::Binary { op, a, b, flags: int, fmf } => {
                write!(s, "{}{} {}", op.name(), flags(*fmf, *int), self.pair(*a, *b))
            }
            Op::FNeg { a, fmf } => write!(s, "fneg{} {}", flags(*fmf, none.1), self.typed(*a)),
            Op::Freeze { a } => write!(s, "freeze {}", self.typed(*a)),
            Op::ICmp { pred, a, b } => write!(s, "icmp {} {}", pred.name(), self.pair(*a, *b)),
            Op::FCmp { pred, a, b, fmf } => {
                write!(s, "fcmp{} {} {}", flags(*fmf, none.1), pred.name(), self.pair(*a, *b))
            }
            Op::Cast { op, a, flags: int } => {
                write!(s, "{}{} {} to {}", op.name(), flags(none.0, *int), self.typed(*a), self.ty(result))
            }
            Op::Select { cond, a, b, fmf } => {
                write!(s, "select{} {}, {}", flags(*fmf, none.1), self.typed(*cond), self.pair(*a, *b))
            }
            Op::Phi { incoming } => {
                let edges = incoming.iter().map(|(b, v)| format!("[{}, {}]", self.value(*v), self.block(*b)));
                write!(s, "phi {} {}", self.ty(result), edges.collect::<Vec<_>>().join(", "))
            }
            Op::PtrAdd { ptr, offset, inbounds } => {
                let word = if *inbounds { " inbounds" } else { "" };
                write!(s, "ptradd{word} {}, {}", self.typed(*ptr), self.typed(*offset))
            }
            Op::ExtractElement { vec, index } => {
                write!(s, "extractelement {}, {}", self.typed(*vec), self.typed(*index))
            }
            Op::InsertElement { vec, elem, index } => {
                write!(s, "insertelement {}, {}, {}", self.typed(*vec), self.typed(*elem), self.typed(*index))
            }
            Op::ShuffleVector { a, b, mask } => {
                let mask = mask.iter().map(|m| m.to_string()).collect::<Vec<_>>().join(", ");
                write!(s, "shufflevector {}, [{mask}]", self.pair(*a, *b))
            }
            Op::ExtractValue { agg, path } => {
                write!(s, "extractvalue {}{}", self.typed(*agg), member_path(path))
            }
            Op::InsertValue { agg, elem, path } => {
                write!(s, "insertvalue {}, {}{}", self.typed(*agg), self.typed(*elem), member_path(path))
            }
            Op::Math { func, flavor, args, fmf } => {
                let flavor = match flavor {
                    Flavor::Library => String::new(),
                    f => format!(" {}", f.name()),
                };
                write!(s, "math.{}{flavor}{} {}", func.name(), flags(*fmf, none.1), self.list(args))
            }
            Op::IntMath { func, args } => write!(s, "int.{} {}", func.name(), self.list(args)),
            Op::Special(special) => s.write_str(special.name()),
            Op::Asm { text, constraints, side_effects, args } => {
                let word = if *side_effects { " volatile" } else { "" };
                write!(s, "asm{word} {}, {}({})", quote(text), quote(constraints), self.list(args))
            }
            Op::Call { callee, args } => {
                write!(s, "call {}({})", super::print::global_name(callee), self.list(args))
            }
            Op::Trap => s.write_str("trap"),
            Op::Br { to } => write!(s, "br {}", self.block(*to)),
            Op::CondBr { cond, then, els } => {
                write!(s, "br {}, {}, {}", self.typed(*cond), self.block(*then), self.block(*els))
            }
            Op::Switch { val, default, cases } => {
                let cases = cases.iter().map(|(n, b)| format!("{n}: {}", self.block(*b)));
                let cases = cases.collect::<Vec<_>>().join(", ");
                write!(s, "switch {}, default {}, [{cases}]", self.typed(*val), self.block(*default))
            }
            Op::Ret => s.write_str("ret"),
            Op::Unreachable => s.write_str("unreachable"),
            _ => self.memory_op(s, op, result),
        };
        if !matches!(
            op,
            Op::Cast { .. } | Op::Phi { .. } | Op::Alloca { .. } | Op::Load { .. } | Op::TapeLoad { .. }
        ) {
            self.arrow(s, op, result);
        }
    }

    fn memory_op(&self, s: &mut String, op: &Op, result: Type) -> std::fmt::Result {
        match op {
            Op::Alloca { bytes, align } => {
                write!(s, "alloca {} bytes {bytes}, align {align}", self.ty(result))
            }
            Op::Load { ptr, mem } => {
                write!(s, "load {}, {}, {}", self.ty(result), self.typed(*ptr), mem_flags(mem))
            }
            Op::Store { ptr, val, mem } => {
                write!(s, "store {}, {}, {}", self.typed(*val), self.typed(*ptr), mem_flags(mem))
            }
            Op::MemCopy { dst, src, len, dst_align, src_align, overlap, volatile } => write!(
                s,
                "{} {}, {}, {}, align {dst_align}, align {src_align}{}",
                if *overlap { "memmove" } else { "memcpy" },
                self.typed(*dst),
                self.typed(*src),
                self.typed(*len),
                if *volatile { " volatile" } else { "" }
            ),
            Op::MemSet { dst, byte, len, align, volatile } => write!(
                s,
                "memset {}, {}, {}, align {align}{}",
                self.typed(*dst),
                self.typed(*byte),
                self.typed(*len),
                if *volatile { " volatile" } else { "" }
            ),
            Op::AtomicRmw { op, ptr, val, mem } => {
                write!(
                    s,
                    "atomicrmw {} {}, {}, {}",
                    op.name(),
                    self.typed(*ptr),
                    self.typed(*val),
                    mem_flags(mem)
                )
            }
            Op::CmpXchg { ptr, expected, new, mem, failure, weak } => write!(
                s,
                "cmpxchg{} {}, {}, {} failure {}",
                if *weak { " weak" } else { "" },
                self.typed(*ptr),
                self.pair(*expected, *new),
                mem_flags(mem),
                failure.name()
            ),
            Op::Fence { ordering, scope } => write!(s, "fence {}{}", ordering.name(), print_scope(*scope)),
            Op::Barrier { kind, id, count, pred, aligned } => {
                let _ = write!(s, "barrier.{}", kind.name());
                s.push_str(if *aligned { "" } else { " unaligned" });
                for (word, v) in [("id", id), ("count", count), ("pred", pred)] {
                    if let Some(v) = v {
                        let _ = write!(s, " {word} {}", self.typed(*v));
                    }
                }
                Ok(())
            }
            Op::Warp { op, args } => {
                let gap = if args.is_empty() { "" } else { " " };
                write!(s, "warp.{}{gap}{}", op.name(), self.list(args))
            }
            Op::TapeStore { offset, val } => {
                write!(s, "tape.store {}, {}", self.typed(*offset), self.typed(*val))
            }
            Op::TapeLoad { offset } => write!(s, "tape.load {}, {}", self.ty(result), self.typed(*offset)),
            Op::Accumulate { ptr, val, align, atomic } => {
                let word = if *atomic { " atomic" } else { "" };
                write!(s, "accumulate{word} {}, {}, align {align}", self.typed(*ptr), self.typed(*val))
            }
            _ => unreachable!("printed by `op`"),
        }
    }
}

fn member_path(path: &[u32]) -> String {
    path.iter().map(|i| format!(", {i}")).collect()
}

fn mem_flags(m: &MemFlags) -> String {
    let mut s = format!("align {}", m.align);
    for (on, word) in
        [(m.volatile, " volatile"), (m.invariant, " invariant"), (m.nontemporal, " nontemporal")]
    {
        s.push_str(if on { word } else { "" });
    }
    if let Some(o) = m.ordering {
        s.push(' ');
        s.push_str(o.name());
    }
    s + &print_scope(m.scope)
}

fn print_scope(scope: Scope) -> String {
    match scope {
        Scope::SYSTEM => String::new(),
        Scope { level, one_as } => format!(" scope({}{})", level.name(), if one_as { " one_as" } else { "" }),
    }
}
