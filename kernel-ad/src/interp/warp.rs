//! Operations among the threads of a warp.
//!
//! On NVPTX the mask says who takes part, and all of them that have not returned must come. On AMDGPU, and for operations
//! without a mask, those take part that wait at the same instruction when nobody of the warp can run; of several
//! such groups the one whose instruction comes first goes first, so that lanes that went apart come together again.

use super::arith::{float, float_slot, int_slot};
use super::decode::K;
use super::exec::{Machine, Thread};
use super::order::Whole;
use super::*;
use crate::kernel::{Arch, FloatTy, Op, Type, WarpOp};
use std::collections::BTreeMap;

type Group = Vec<u32>;

impl Machine<'_> {
    /// Lets those threads of a warp go on whose partners are there; gives their lanes.
    pub(super) fn meet(&mut self, warp: &mut [Thread]) -> Result<Group, (u32, Fault)> {
        let mut groups: BTreeMap<(u32, u64), Group> = BTreeMap::new();
        for (lane, t) in warp.iter().enumerate().filter(|(_, t)| !t.done) {
            let ins = &self.p.code[t.pc as usize];
            if let K::Warp(op) = ins.k {
                let mask = if self.masked(op) { t.regs[ins.a as usize].lo } else { u64::MAX };
                groups.entry((t.pc, mask)).or_default().push(lane as u32);
            }
        }
        let mut freed = Vec::new();
        for (&(pc, mask), group) in &groups {
            let K::Warp(op) = self.p.code[pc as usize].k else { continue };
            if !self.masked(op) {
                continue;
            }
            let wanted = warp.iter().enumerate().filter(|(l, t)| !t.done && mask >> l & 1 == 1).count();
            if let Some(&outside) = group.iter().find(|&&l| mask >> l & 1 == 0) {
                let message = format!("the lane is not in the mask {mask:#x} of its own warp operation");
                return Err((outside, Fault::new(Code::Sanitizer, message)));
            }
            if group.len() == wanted {
                self.perform(op, warp, group);
                freed.extend_from_slice(group);
            }
        }
        if freed.is_empty() {
            let first = groups.iter().find(|((pc, _), _)| match self.p.code[*pc as usize].k {
                K::Warp(op) => !self.masked(op),
                _ => false,
            });
            if let Some(((pc, _), group)) = first {
                if let K::Warp(op) = self.p.code[*pc as usize].k {
                    self.perform(op, warp, group);
                    freed.extend_from_slice(group);
                }
            }
        }
        Ok(freed)
    }

    fn masked(&self, op: WarpOp) -> bool {
        use WarpOp::*;
        let without = matches!(
            op,
            ActiveMask
                | DsBpermute
                | DsPermute
                | DsSwizzle
                | ReadFirstLane
                | ReadLane
                | UpdateDpp
                | WaveBarrier
        );
        !without && self.k.source.arch == Arch::Nvptx
    }

    fn perform(&mut self, op: WarpOp, warp: &mut [Thread], group: &[u32]) {
        use WarpOp::*;
        let ins = self.p.code[warp[group[0] as usize].pc as usize];
        let args = &self.p.args[ins.c as usize];
        let arg = |lane: u32, i: usize| warp[lane as usize].regs[args[i].0 as usize];
        let number = |lane: u32, i: usize| arg(lane, i).lo;
        let inside = |lane: u32| group.contains(&lane);
        let mask_of =
            |f: &dyn Fn(u32) -> bool| group.iter().filter(|&&l| f(l)).fold(0u64, |m, &l| m | 1 << l);
        let one = |lo: u64| [Slot { lo, hi: 0 }, Slot::default()];
        let two = |value: Slot, flag: bool| [value, Slot { lo: flag.into(), hi: 0 }];
        let vector = matches!(self.k.insts[ins.inst].result.map(|r| self.k.ty(r)), Some(Type::Vec(..)));
        // What is handed on: a scalar, or a vector of two.
        let moved = |lane: u32, i: usize| {
            let at = args[i].0 as usize;
            let regs = &warp[lane as usize].regs;
            [regs[at], if vector { regs[at + 1] } else { Slot::default() }]
        };
        let format = match self.k.insts[ins.inst].result.map(|r| self.k.ty(r)) {
            Some(Type::Float(f)) if !self.options.wide => f,
            _ => FloatTy::F64,
        };
        let result = |lane: u32| -> [Slot; 2] {
            match op {
                Sync | WaveBarrier | MbcntLo | MbcntHi => one(0),
                ShflIdx | ShflUp | ShflDown | ShflBfly | ShflIdxP | ShflUpP | ShflDownP | ShflBflyP => {
                    let (source, ok) =
                        shuffle_source(op, lane, number(lane, 2) as u32, number(lane, 3) as u32);
                    // A lane that does not take part has no value: the asking lane keeps its own.
                    let value = moved(if inside(source) { source } else { lane }, 1);
                    if vector {
                        value
                    } else {
                        two(value[0], ok)
                    }
                }
                VoteAll => one(group.iter().all(|&l| number(l, 1) & 1 == 1).into()),
                VoteAny => one(group.iter().any(|&l| number(l, 1) & 1 == 1).into()),
                VoteUni => one(group.iter().all(|&l| number(l, 1) & 1 == number(group[0], 1) & 1).into()),
                Ballot => one(mask_of(&|l| number(l, 1) & 1 == 1)),
                ActiveMask => one(mask_of(&|_| true)),
                MatchAny => one(mask_of(&|l| arg(l, 1) == arg(lane, 1))),
                MatchAll => {
                    let all = group.iter().all(|&l| arg(l, 1) == arg(group[0], 1));
                    two(Slot { lo: if all { mask_of(&|_| true) } else { 0 }, hi: 0 }, all)
                }
                ScatterAdd => {
                    let named = || group.iter().filter(|&&l| number(l, 2) as u32 % self.warp_size() == lane);
                    let sum = named().fold(0.0, |sum, &l| {
                        // Rounded at each step, as a device adds.
                        float(float_slot(format, sum + float(arg(l, 1), format)), format)
                    });
                    let ty = self.k.insts[ins.inst].result.map(|r| self.k.ty(r));
                    let sum = match self.options.bounds {
                        true => bounds::summed(named().map(|&l| arg(l, 1)), ty, float_slot(format, sum)),
                        false => float_slot(format, sum),
                    };
                    [sum, Slot::default()]
                }
                ReduxAdd | ReduxUMin | ReduxUMax | ReduxSMin | ReduxSMax | ReduxAnd | ReduxOr | ReduxXor => {
                    one(reduce(op, group.iter().map(|&l| number(l, 1) as u32)).into())
                }
                DsBpermute => {
                    let source = (number(lane, 0) as u32 / 4) % self.warp_size();
                    if inside(source) {
                        moved(source, 1)
                    } else {
                        one(0)
                    }
                }
                DsPermute => {
                    let size = self.warp_size();
                    let pushed = group.iter().rev().find(|&&l| (number(l, 0) as u32 / 4) % size == lane);
                    pushed.map_or(one(0), |&l| moved(l, 1))
                }
                DsSwizzle => {
                    let source = swizzle_source(lane, number(lane, 1) as u32);
                    if inside(source) {
                        moved(source, 0)
                    } else {
                        one(0)
                    }
                }
                ReadFirstLane => moved(group[0], 0),
                ReadLane => {
                    let source = number(lane, 1) as u32 % self.warp_size();
                    if (source as usize) < warp.len() {
                        moved(source, 0)
                    } else {
                        one(0)
                    }
                }
                UpdateDpp => {
                    let (row, bank) = (number(lane, 3) as u32, number(lane, 4) as u32);
                    let enabled = row >> (lane / 16) & 1 == 1 && bank >> (lane % 16 / 4) & 1 == 1;
                    match dpp_source(lane, number(lane, 2) as u32, self.warp_size()) {
                        _ if !enabled => moved(lane, 0),
                        Some(s) if inside(s) => moved(s, 1),
                        _ if number(lane, 5) & 1 == 1 => one(0),
                        _ => moved(lane, 0),
                    }
                }
            }
        };
        let results: Vec<[Slot; 2]> = group.iter().map(|&l| result(l)).collect();
        let kind = self.k.insts[ins.inst].result.map(|r| self.k.ty(r));
        for (&lane, [first, second]) in group.iter().zip(results) {
            let t = &mut warp[lane as usize];
            let first = match kind {
                Some(Type::Int(w)) => int_slot(super::arith::uint(first), w),
                _ => first,
            };
            for (i, s) in [first, second].into_iter().take(ins.n as usize).enumerate() {
                t.regs[ins.dst as usize + i] = s;
            }
            t.pc += 1;
        }
        if matches!(op, Sync | WaveBarrier) {
            let whole = warp.iter().filter(|t| !t.done).count() == group.len();
            let members = warp.iter_mut().enumerate().filter(|(l, _)| group.contains(&(*l as u32)));
            self.meet_in_order(members.map(|(_, t)| t), whole.then_some(Whole::Warp), None);
        }
        debug_assert!(matches!(self.k.insts[ins.inst].op, Op::Warp { .. }));
    }
}

/// Source lane of `shfl`, and whether it lies in the segment (PTX ISA, `shfl.sync`).
fn shuffle_source(op: WarpOp, lane: u32, b: u32, c: u32) -> (u32, bool) {
    use WarpOp::*;
    let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let max = lane & segment | clamp & !segment;
    let min = lane & segment;
    let (source, ok) = match op {
        ShflUp | ShflUpP => (lane.wrapping_sub(b), lane >= max + b),
        ShflDown | ShflDownP => (lane + b, lane + b <= max),
        ShflBfly | ShflBflyP => (lane ^ b, lane ^ b <= max),
        _ => (min | b & !segment, min | b & !segment <= max),
    };
    (if ok { source } else { lane }, ok)
}

fn reduce(op: WarpOp, values: impl Iterator<Item = u32>) -> u32 {
    use WarpOp::*;
    values
        .reduce(|a, b| match op {
            ReduxAdd => a.wrapping_add(b),
            ReduxUMin => a.min(b),
            ReduxUMax => a.max(b),
            ReduxSMin => (a as i32).min(b as i32) as u32,
            ReduxSMax => (a as i32).max(b as i32) as u32,
            ReduxAnd => a & b,
            ReduxOr => a | b,
            _ => a ^ b,
        })
        .unwrap_or(0)
}

/// Source lane of `ds_swizzle_b32` within its group of 32.
fn swizzle_source(lane: u32, pattern: u32) -> u32 {
    let (base, l) = (lane & !31, lane & 31);
    if pattern & 0x8000 != 0 {
        return base | l & !3 | pattern >> (2 * (l & 3)) & 3;
    }
    let (and, or, xor) = (pattern & 31, pattern >> 5 & 31, pattern >> 10 & 31);
    base | ((l & and | or) ^ xor) & 31
}

/// Source lane of a DPP control word; `None` beyond the row or the wave.
fn dpp_source(lane: u32, ctrl: u32, size: u32) -> Option<u32> {
    let (row, l, n) = (lane & !15, lane & 15, ctrl & 15);
    match ctrl {
        0..=0xff => Some(lane & !3 | ctrl >> (2 * (lane & 3)) & 3),
        0x101..=0x10f => (l + n < 16).then_some(row + l + n),
        0x111..=0x11f => (l >= n).then(|| row + l - n),
        0x121..=0x12f => Some(row + (l + 16 - n) % 16),
        0x130 => (lane + 1 < size).then_some(lane + 1),
        0x134 => Some((lane + 1) % size),
        0x138 => lane.checked_sub(1),
        0x13c => Some((lane + size - 1) % size),
        0x140 => Some(row + 15 - l),
        0x141 => Some(lane & !7 | 7 - (lane & 7)),
        0x142 => (lane >= 16).then(|| row - 1),
        0x143 => (lane >= 32).then_some(31),
        0x150..=0x15f => Some(row + n),
        0x160..=0x16f => Some(row + (l ^ n)),
        _ => None,
    }
}
