//! Operations among the threads of a warp.

use super::block::BlockRun;
use shadow_mem::host::{CutArg, CutKind, CutResult, CutSpec, WarpKind, EXITED};

/// The block's slots.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    base: *mut u8,
    stride: u64,
}

impl Slots {
    pub fn of(b: &BlockRun) -> Slots {
        Slots { base: b.w.ctx.slots, stride: b.w.ctx.stride }
    }

    fn at(&self, offset: u64, size: u32, thread: usize) -> *mut u8 {
        // SAFETY: the table's slots lie inside the worker's slot memory, which has room for `stride` threads.
        unsafe { self.base.add((offset * self.stride + u64::from(size) * thread as u64) as usize) }
    }

    /// An operand of a thread, zero-extended; wide ones give their low 8 bytes.
    pub fn get(&self, arg: &CutArg, thread: usize) -> u64 {
        match *arg {
            CutArg::None => 0,
            CutArg::Const(c) => c,
            CutArg::Slot { offset, size } => {
                let at = self.at(offset, size, thread);
                // SAFETY: `at` points to `size` bytes of the slot, a power of two, and is aligned to them.
                unsafe {
                    match size {
                        1 => at.read().into(),
                        2 => at.cast::<u16>().read().into(),
                        4 => at.cast::<u32>().read().into(),
                        _ => at.cast::<u64>().read(),
                    }
                }
            }
        }
    }

    /// Writes a thread's result, cut to its size.
    pub fn put(&self, r: &CutResult, thread: usize, value: u64) {
        let n = (r.value as usize).min(8);
        // SAFETY: the slot has `size >= value` bytes for every thread.
        unsafe {
            self.at(r.offset, r.size, thread).copy_from_nonoverlapping(value.to_le_bytes().as_ptr(), n)
        };
    }

    fn put_flag(&self, r: &CutResult, thread: usize, flag: bool) {
        if let Some(offset) = r.flag {
            // SAFETY: the flag lies inside the slot.
            unsafe { self.at(r.offset, r.size, thread).add(offset as usize).write(flag.into()) };
        }
    }

    /// Copies the whole value of an operand of one thread to the result of another.
    fn pass(&self, arg: &CutArg, from: usize, r: &CutResult, to: usize) {
        match *arg {
            CutArg::Slot { offset, size } if size == 4 && r.value == 4 => {
                // SAFETY: both slots hold four aligned bytes for every thread, and are different slots.
                unsafe {
                    let x = self.at(offset, 4, from).cast::<u32>().read();
                    self.at(r.offset, r.size, to).cast::<u32>().write(x);
                }
            }
            CutArg::Slot { offset, size } => {
                let n = size.min(r.value) as usize;
                // SAFETY: as above, for `n` bytes.
                unsafe {
                    self.at(r.offset, r.size, to).copy_from_nonoverlapping(self.at(offset, size, from), n)
                };
            }
            _ => self.put(r, to, self.get(arg, from)),
        }
    }
}

/// Lanes of a warp, as bits.
type Lanes = u64;

fn each(lanes: Lanes) -> impl Iterator<Item = usize> {
    let mut rest = lanes;
    std::iter::from_fn(move || {
        (rest != 0).then(|| {
            let l = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            l
        })
    })
}

/// True for operations whose first operand says which lanes take part.
fn has_mask(kind: WarpKind) -> bool {
    use WarpKind::*;
    !matches!(
        kind,
        ActiveMask | DsBpermute | DsPermute | DsSwizzle | ReadFirstLane | ReadLane | UpdateDpp | WaveBarrier
    )
}

/// All threads of the block are at this cut.
pub(super) fn together(b: &mut BlockRun, cut: &CutSpec, kind: WarpKind) {
    if matches!(kind, WarpKind::Sync | WarpKind::WaveBarrier) {
        return;
    }
    let slots = Slots::of(b);
    let width = b.k.warp_size as usize;
    let ignore_mask = b.k.lockstep || !has_mask(kind);
    for base in (0..b.threads).step_by(width) {
        let here = lanes_below(width.min(b.threads - base));
        let mut rest = here;
        while rest != 0 {
            let group = if ignore_mask { rest } else { group_of(&slots, cut, base, rest, here) };
            execute(&slots, cut, kind, base, width, group);
            rest &= !group;
        }
    }
}

/// Carries out one ready operation in every warp that has one. False when no warp could go on.
pub(super) fn apart(b: &mut BlockRun) -> bool {
    let width = b.k.warp_size as usize;
    let mut any = false;
    for base in (0..b.threads).step_by(width) {
        any |= one_warp(b, base, width.min(b.threads - base));
    }
    any
}

fn one_warp(b: &mut BlockRun, base: usize, count: usize) -> bool {
    let live = (0..count).fold(0, |m, l| m | Lanes::from(b.w.next[base + l] != EXITED) << l);
    let mut tried = None;
    loop {
        // The earliest place first: lanes inside a branch before those that wait behind it.
        let next = (0..count)
            .filter_map(|l| b.cut_of(base + l))
            .filter(|&c| matches!(b.k.cuts[c].kind, CutKind::Warp(_)))
            .map(|c| (b.k.cuts[c].order, c))
            .filter(|&place| tried.is_none_or(|t| place > t))
            .min();
        let Some(place) = next else { return false };
        tried = Some(place);
        let c = place.1;
        let cut = &b.k.cuts[c];
        let CutKind::Warp(kind) = cut.kind else { continue };
        let here = (0..count).fold(0, |m, l| m | Lanes::from(b.cut_of(base + l) == Some(c)) << l);
        let slots = Slots::of(b);
        let mut rest = here;
        while rest != 0 {
            let (group, ready) = if b.k.lockstep || !has_mask(kind) {
                (here, true)
            } else {
                let group = group_of(&slots, cut, base, rest, here);
                let mask = slots.get(&cut.args[0], base + rest.trailing_zeros() as usize);
                (group, mask & live & !group == 0)
            };
            if ready {
                execute(&slots, cut, kind, base, b.k.warp_size as usize, group);
                each(group).for_each(|l| b.resume(base + l, c));
                return true;
            }
            rest &= !group;
        }
    }
}

fn lanes_below(n: usize) -> Lanes {
    if n >= 64 {
        !0
    } else {
        (1 << n) - 1
    }
}

/// The lanes among `here` whose mask is that of the first lane of `rest`.
fn group_of(slots: &Slots, cut: &CutSpec, base: usize, rest: Lanes, here: Lanes) -> Lanes {
    if let CutArg::Const(_) = cut.args[0] {
        return here;
    }
    let mask = slots.get(&cut.args[0], base + rest.trailing_zeros() as usize);
    each(rest).filter(|&l| slots.get(&cut.args[0], base + l) == mask).fold(0, |m, l| m | 1 << l)
}

/// Carries out an operation for a group of lanes of the warp that starts at thread `base`.
fn execute(s: &Slots, cut: &CutSpec, kind: WarpKind, base: usize, width: usize, group: Lanes) {
    use WarpKind::*;
    let Some(r) = &cut.result else { return };
    let arg = |i: usize, lane: usize| s.get(&cut.args[i], base + lane);
    let put_all = |x: u64| each(group).for_each(|l| s.put(r, base + l, x));
    let votes = |i: usize| each(group).filter(|&l| arg(i, l) & 1 != 0).fold(0, |m: Lanes, l| m | 1 << l);
    match kind {
        Sync | WaveBarrier => {}
        ShflIdx | ShflUp | ShflDown | ShflBfly => {
            for l in each(group) {
                let (from, inside) = shuffle_source(kind, l, arg(2, l) as u32, arg(3, l) as u32);
                // The value of a lane that takes no part is undefined; the own value is as good as any.
                let from = if group >> from & 1 != 0 { from } else { l };
                s.pass(&cut.args[1], base + from, r, base + l);
                s.put_flag(r, base + l, inside);
            }
        }
        VoteAll => put_all((votes(1) == group).into()),
        VoteAny => put_all((votes(1) != 0).into()),
        VoteUni => put_all((votes(1) == group || votes(1) == 0).into()),
        Ballot => put_all(votes(1)),
        ActiveMask => put_all(group),
        MatchAny => {
            let mut values = [0; 64];
            each(group).for_each(|l| values[l] = arg(1, l));
            let mut rest = group;
            while rest != 0 {
                let x = values[rest.trailing_zeros() as usize];
                let equal = each(rest).filter(|&o| values[o] == x).fold(0, |m: Lanes, o| m | 1 << o);
                each(equal).for_each(|l| s.put(r, base + l, equal));
                rest &= !equal;
            }
        }
        MatchAll => {
            let x = arg(1, group.trailing_zeros() as usize);
            let equal = each(group).all(|l| arg(1, l) == x);
            put_all(if equal { group } else { 0 });
            each(group).for_each(|l| s.put_flag(r, base + l, equal));
        }
        ScatterAdd if r.value == 4 => {
            let mut sums = [0f32; 64];
            each(group).for_each(|l| {
                sums[arg(2, l) as usize % width] += f32::from_bits(arg(1, l) as u32);
            });
            each(group).for_each(|l| s.put(r, base + l, sums[l].to_bits().into()));
        }
        ScatterAdd => {
            let mut sums = [0f64; 64];
            each(group).for_each(|l| {
                sums[arg(2, l) as usize % width] += f64::from_bits(arg(1, l));
            });
            each(group).for_each(|l| s.put(r, base + l, sums[l].to_bits()));
        }
        ReduxAdd | ReduxUMin | ReduxUMax | ReduxSMin | ReduxSMax | ReduxAnd | ReduxOr | ReduxXor => {
            let values = each(group).map(|l| arg(1, l) as u32);
            put_all(values.reduce(|a, b| redux(kind, a, b)).unwrap_or(0).into());
        }
        DsBpermute => {
            for l in each(group) {
                let from = (arg(0, l) as u32 >> 2) as usize % width;
                let x = if group >> from & 1 != 0 { arg(1, from) } else { 0 };
                s.put(r, base + l, x);
            }
        }
        DsPermute => {
            put_all(0);
            for l in each(group) {
                let to = (arg(0, l) as u32 >> 2) as usize % width;
                if group >> to & 1 != 0 {
                    s.put(r, base + to, arg(1, l));
                }
            }
        }
        DsSwizzle => {
            for l in each(group) {
                let from = swizzle_source(l, arg(1, l) as u32);
                s.put(r, base + l, if group >> from & 1 != 0 { arg(0, from) } else { 0 });
            }
        }
        ReadFirstLane => put_all(arg(0, group.trailing_zeros() as usize)),
        ReadLane => {
            for l in each(group) {
                s.put(r, base + l, arg(0, arg(1, l) as usize % width));
            }
        }
        UpdateDpp => {
            for l in each(group) {
                let x = dpp(&arg, l, width, group);
                s.put(r, base + l, x);
            }
        }
    }
}

/// PTX `shfl`: the lane to read, and whether it lies in the segment.
fn shuffle_source(kind: WarpKind, lane: usize, b: u32, c: u32) -> (usize, bool) {
    let (lane, bval, cval, seg) = (lane as u32, b & 31, c & 31, c >> 8 & 31);
    let max = lane & seg | cval & !seg;
    let min = lane & seg;
    let (from, inside) = match kind {
        WarpKind::ShflUp => {
            let j = i64::from(lane) - i64::from(bval);
            (j as u32, j >= i64::from(max))
        }
        WarpKind::ShflDown => (lane + bval, lane + bval <= max),
        WarpKind::ShflBfly => (lane ^ bval, lane ^ bval <= max),
        _ => {
            let j = min | bval & !seg;
            (j, j <= max)
        }
    };
    (if inside { from as usize } else { lane as usize }, inside)
}

fn redux(kind: WarpKind, a: u32, b: u32) -> u32 {
    match kind {
        WarpKind::ReduxUMin => a.min(b),
        WarpKind::ReduxUMax => a.max(b),
        WarpKind::ReduxSMin => (a as i32).min(b as i32) as u32,
        WarpKind::ReduxSMax => (a as i32).max(b as i32) as u32,
        WarpKind::ReduxAnd => a & b,
        WarpKind::ReduxOr => a | b,
        WarpKind::ReduxXor => a ^ b,
        _ => a.wrapping_add(b),
    }
}

/// AMD `ds_swizzle`: four lanes permuted, or bits of the lane's number masked.
fn swizzle_source(lane: usize, pattern: u32) -> usize {
    let l = lane as u32;
    let from = if pattern & 0x8000 != 0 {
        l & !3 | pattern >> (2 * (l & 3)) & 3
    } else {
        let (and, or, xor) = (pattern & 31, pattern >> 5 & 31, pattern >> 10 & 31);
        l & !31 | ((l & 31 & and) | or) ^ xor
    };
    from as usize
}

/// AMD data-parallel primitives: (old, source, control, row mask, bank mask, bound control).
fn dpp(arg: &dyn Fn(usize, usize) -> u64, lane: usize, width: usize, group: Lanes) -> u64 {
    let (control, rows, banks) = (arg(2, lane) as u32, arg(3, lane), arg(4, lane));
    let (row, inside) = (lane / 16, lane % 16);
    let old = arg(0, lane);
    if rows >> row & 1 == 0 || banks >> (inside / 4) & 1 == 0 {
        return old;
    }
    let n = (control & 15) as usize;
    let in_row = |i: Option<usize>| i.filter(|&i| i < 16).map(|i| row * 16 + i);
    let from = match control {
        0x000..=0x0ff => Some(lane & !3 | (control >> (2 * (lane as u32 & 3)) & 3) as usize),
        0x101..=0x10f => in_row(inside.checked_add(n)),
        0x111..=0x11f => in_row(inside.checked_sub(n)),
        0x121..=0x12f => in_row(Some((inside + 16 - n) % 16)),
        0x130 => (lane + 1 < width).then_some(lane + 1),
        0x134 => Some((lane + 1) % width),
        0x138 => lane.checked_sub(1),
        0x13c => Some((lane + width - 1) % width),
        0x140 => in_row(Some(15 - inside)),
        0x141 => Some(row * 16 + (inside & 8) + (7 - inside % 8)),
        0x142 => (row > 0).then(|| row * 16 - 1),
        0x143 => (row >= 2).then_some(31),
        0x150..=0x15f => in_row(Some(n)),
        0x160..=0x16f => in_row(Some(inside ^ n)),
        _ => None,
    };
    match from.filter(|&f| f < 64 && group >> f & 1 != 0) {
        Some(f) => arg(1, f),
        None if arg(5, lane) & 1 != 0 => 0,
        None => old,
    }
}
