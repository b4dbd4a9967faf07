//! Collects what the reverse sweep needs of the forward sweep.

use super::input::{Input, MemoryAdjoint};
use crate::kernel::warp::warp_op;
use crate::kernel::*;
use crate::plan::Needed;
use crate::rules::{self, Need};
use std::collections::HashSet;

/// Every value that the reverse sweep will ask for, with the instruction that asks.
pub fn collect(k: &Kernel, input: &Input<'_>, reversed: &HashSet<Block>) -> Vec<Needed> {
    let mut out = Vec::new();
    for &b in input.cfg.rpo() {
        if !reversed.contains(&b) {
            continue;
        }
        for &i in &k.blocks[b].insts {
            of_inst(k, input, i, &mut |value| out.push(Needed { value, by: i }));
        }
        let by = k.terminator(b);
        if let Some(s) = input.regions.selectors[b] {
            out.push(Needed { value: s, by });
        }
    }
    for l in input.regions.loops.values() {
        let Some(c) = &l.counter else { continue };
        for &(pad, v) in &c.at_exit {
            if reversed.contains(&pad) {
                out.push(Needed { value: v, by: k.terminator(pad) });
            }
        }
    }
    out
}

fn of_inst(k: &Kernel, input: &Input<'_>, i: Inst, need: &mut dyn FnMut(Value)) {
    let shadow = |ptr: Value| input.shadows.of(ptr);
    match input.memory_adjoint(k, i) {
        MemoryAdjoint::Load(p)
        | MemoryAdjoint::Take(p)
        | MemoryAdjoint::Store(p)
        | MemoryAdjoint::Add(p, _) => {
            shadow(p).into_iter().for_each(need);
            return;
        }
        MemoryAdjoint::Copy { dst, src, len } => {
            shadow(dst).into_iter().chain(src.and_then(shadow)).chain([len]).for_each(need);
            return;
        }
        MemoryAdjoint::Extremum(ptr, bits) => {
            shadow(ptr).into_iter().chain([ptr, bits]).for_each(need);
            return;
        }
        MemoryAdjoint::Clear { dst, len } => {
            shadow(dst).into_iter().chain([len]).for_each(need);
            return;
        }
        MemoryAdjoint::None => {}
    }
    let data = &k.insts[i];
    if let Some((op, args)) = warp_op(&data.op).filter(|(op, _)| op.only_waits()) {
        return super::warp::needs(op, args, false).into_iter().for_each(need);
    }
    if let Some(call) = input.active_call(k, &data.op, data.result) {
        input.needs_of_call(k, call, need);
        return;
    }
    if let Op::Barrier { id, count, .. } = data.op {
        return [id, count].into_iter().flatten().for_each(need);
    }
    let Some(r) = data.result else { return };
    if matches!(data.op, Op::Phi { .. }) || !input.active(k, r) {
        return;
    }
    if let Some((op, args)) = warp_op(&data.op) {
        return super::warp::needs(op, args, true).into_iter().for_each(need);
    }
    let operands = data.op.operands();
    for n in rules::needs(k, i, &|v| input.active(k, v)) {
        need(match n {
            Need::Operand(n) => operands[n],
            Need::Result => r,
        });
    }
}
