//! Calls of device functions with a reverse derivative.

use super::input::Input;
use super::sweep::{bug, Sweep};
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::{KnownCall, PtrKind, Writes};
use crate::grad::calls::CallFacts;
use crate::kernel::*;
use smallvec::SmallVec;
use std::collections::BTreeSet;

impl Input<'_> {
    /// The call whose reverse derivative must run, if the instruction is one.
    pub fn active_call<'k>(&self, k: &'k Kernel, op: &'k Op, result: Option<Value>) -> Option<KnownCall<'k>> {
        let facts = CallFacts { k, prov: self.prov, activity: self.activity };
        KnownCall::new(k, op).filter(|c| facts.is_active(*c, result))
    }

    /// Values of the forward sweep that the reverse derivative takes.
    pub fn needs_of_call(&self, k: &Kernel, call: KnownCall<'_>, need: &mut dyn FnMut(Value)) {
        let Some(reverse) = call.function.reverse() else { return };
        let mut at = 0;
        for &v in call.args {
            if reverse.used[at] {
                need(v);
            }
            at += 1;
            if k.ty(v).is_ptr() {
                if self.prov.kind(v) == PtrKind::Shadowed && reverse.used[at] {
                    self.shadows.of(v).into_iter().for_each(&mut *need);
                }
                at += 1;
            }
        }
    }
}

/// Buffers that must be distinct so that the reverse derivatives find in memory what the functions found there.
///
/// # Errors
/// `KAD0113` for memory that the kernel overwrites.
pub fn unchanged_memory(
    k: &Kernel,
    input: &Input<'_>,
    writes: &Writes,
    assume_distinct: bool,
) -> Result<BTreeSet<(u32, u32)>> {
    let mut distinct = BTreeSet::new();
    for (_, i) in k.iter_insts() {
        let data = &k.insts[i];
        let Some(call) = input.active_call(k, &data.op, data.result) else { continue };
        for ptr in call.read_in_reverse(k) {
            if input.prov.kind(ptr) == PtrKind::Nowhere {
                continue;
            }
            if input.between.is_some_and(|b| !b.lasts(ptr)) {
                let name = call.function.reverse().map_or("", |f| &f.name);
                let message = format!("`{name}` reads memory that may change between the two launches");
                return Err(Diagnostic::new(Code::UnsupportedMemory, message)
                    .at(k, data.loc)
                    .because("it runs in the reverse kernel")
                    .help("pass what it needs by value, or declare the buffer as kept")
                    .into());
            }
            match writes.unchanged(k, input.prov, ptr, &MemFlags::plain(1)) {
                Some(u) if assume_distinct || u.distinct.is_empty() => distinct.extend(u.distinct),
                _ => {
                    let name = call.function.reverse().map_or("", |f| &f.name);
                    let message = format!("`{name}` reads memory that the kernel overwrites");
                    return Err(Diagnostic::new(Code::UnsupportedMemory, message)
                        .at(k, data.loc)
                        .because("when it runs, in the reverse sweep, the memory no longer holds what the function read")
                        .help("pass what it needs by value")
                        .into());
                }
            }
        }
    }
    Ok(distinct)
}

/// Memory that reverse derivatives read, for the launcher to keep apart from shadows.
pub fn read_again(k: &Kernel, input: &Input<'_>) -> Vec<Value> {
    let of = |(_, i): (Block, Inst)| {
        let data = &k.insts[i];
        let call = input.active_call(k, &data.op, data.result)?;
        Some(call.read_in_reverse(k))
    };
    k.iter_insts().filter_map(of).flatten().collect()
}

impl Sweep<'_> {
    /// The reverse of a call. True when the instruction is one of a known function.
    pub fn call(&mut self, b: &mut KernelBuilder<'_>, i: Inst) -> Result<bool> {
        let data = b.k.insts[i].clone();
        let Op::Call { callee, args } = &data.op else { return Ok(false) };
        let Some(function) = b.k.functions.iter().find(|f| f.name == *callee).cloned() else {
            return Ok(false);
        };
        if self.input.active_call(b.k, &data.op, data.result).is_none() {
            return Ok(true);
        }
        let Some(reverse) = function.reverse() else {
            return Err(bug(b.k, "a function without a reverse derivative was kept"));
        };
        let mut given: SmallVec<[Value; 4]> = SmallVec::new();
        for &v in args {
            let ty = b.k.ty(v);
            let used = reverse.used[given.len()];
            given.push(if used { self.get(b, v) } else { b.k.zero(ty) });
            if ty.is_ptr() {
                let used = reverse.used[given.len()] && self.input.prov.kind(v) == PtrKind::Shadowed;
                let shadow = match used {
                    true => self.input.shadows.of(v),
                    false => None,
                };
                given.push(match shadow {
                    Some(s) => self.get(b, s),
                    None => b.k.zero(ty),
                });
            }
        }
        if let Some(r) = data.result.filter(|&r| b.k.ty(r).is_float()) {
            let ty = b.k.ty(r);
            let active = self.input.active(b.k, r);
            given.push(if active { self.take(b, r) } else { b.k.zero(ty) });
        }
        let mut adjoints = Vec::new();
        for &v in args {
            let ty = b.k.ty(v);
            if !ty.is_float() {
                continue;
            }
            let at = b.at;
            let entry = b.k.entry();
            b.at = Cursor::At(entry, 0);
            let slot = b.alloca(b.k.bytes(ty), 16, AddrSpace::Generic);
            b.at = at;
            let zero = b.k.zero(ty);
            b.store(slot, zero, MemFlags::plain(4));
            given.push(slot);
            adjoints.push((v, slot));
        }
        b.insert(Op::Call { callee: reverse.name.clone(), args: given }, Type::Void);
        for (v, slot) in adjoints {
            let ty = b.k.ty(v);
            let adj = b.load(ty, slot, MemFlags::plain(4));
            self.add(b, v, adj);
        }
        Ok(true)
    }
}
