//! Adjoints of operations among the threads of a warp: what a lane read from another goes back to it. The reverse sweep
//! comes by with the lanes that the forward sweep came with, so the same lanes take part.

use super::sweep::Sweep;
use crate::kernel::warp::{steering, warp_op};
use crate::kernel::*;
use smallvec::{smallvec, SmallVec};

/// The lanes that take part.
struct Lanes {
    /// The mask that operations are given.
    mask: Value,
    /// Those that are there.
    here: Value,
    /// The own number.
    me: Value,
}

/// What the reverse of an operation needs from the forward sweep, when it has one.
pub fn needs(op: WarpOp, args: &[Value], has_adjoint: bool) -> SmallVec<[Value; 4]> {
    match op.only_waits() || has_adjoint {
        true => steering(op, args),
        false => smallvec![],
    }
}

impl Sweep<'_> {
    /// The reverse of a warp operation. True when the instruction is one.
    pub fn warp(&mut self, b: &mut KernelBuilder<'_>, i: Inst) -> bool {
        let Some((op, args)) = warp_op(&b.k.insts[i].op) else { return false };
        let args: Vec<Value> = args.to_vec();
        if op.only_waits() {
            let args = args.iter().map(|&a| self.get(b, a)).collect();
            b.insert(Op::Warp { op, args }, Type::Void);
            return true;
        }
        let Some(r) = b.k.insts[i].result.filter(|&r| self.input.active(b.k, r)) else { return true };
        let mut adj = self.take(b, r);
        if let Type::Agg(_) = b.k.ty(adj) {
            adj = b.extract_value(adj, 0); // behind it stands a predicate
        }
        use WarpOp::*;
        match op {
            ShflBfly | ShflBflyP | ShflUp | ShflUpP | ShflDown | ShflDownP | ShflIdx | ShflIdxP => {
                self.shuffle(b, op, &args, adj);
            }
            DsBpermute => {
                let index = self.get(b, args[0]);
                let lanes = all_lanes(b);
                let from = word_index(b, index);
                let back = scatter(b, &lanes, adj, from);
                self.add(b, args[1], back);
            }
            DsPermute => {
                let index = self.get(b, args[0]);
                let back = pushed_back(b, index, adj);
                self.add(b, args[1], back);
            }
            DsSwizzle => {
                let lanes = all_lanes(b);
                let pattern = b.k.as_int(args[1]).unwrap_or(0) as u32;
                let from = swizzled(b, lanes.me, pattern);
                let back = scatter(b, &lanes, adj, from);
                self.add(b, args[0], back);
            }
            ReadFirstLane => {
                let lanes = all_lanes(b);
                let ty = b.k.ty(lanes.here);
                let first = b.int_math(IntFn::Cttz, &[lanes.here], ty);
                let from = word(b, first);
                let back = scatter(b, &lanes, adj, from);
                self.add(b, args[0], back);
            }
            ReadLane => {
                let lane = self.get(b, args[1]);
                let lanes = all_lanes(b);
                let from = in_warp(b, lane);
                self.trap_unless_there(b, &lanes, from);
                let back = scatter(b, &lanes, adj, from);
                self.add(b, args[0], back);
            }
            UpdateDpp => self.dpp(b, &args, adj),
            _ => {}
        }
        true
    }

    /// PTX shuffles. A lane whose source is out of range, or does not take part, reads itself.
    fn shuffle(&mut self, b: &mut KernelBuilder<'_>, op: WarpOp, args: &[Value], adj: Value) {
        let mask = self.get(b, args[0]);
        let lanes = lanes_of(b, mask);
        let uniform = self.input.lanes.is_uniform(args[2]);
        let segment = b.k.as_int(args[3]).map(|c| c as u32);
        let step = self.get(b, args[2]);
        let five = b.k.int(Type::I32, 31);
        let step = b.binary(BinOp::And, step, five);
        let known = b.k.as_int(args[2]).map(|s| s as u32 & 31);
        let back = match (op, segment.and_then(|c| Segment::of(op, c))) {
            (WarpOp::ShflBfly | WarpOp::ShflBflyP, Some(s))
                if uniform && (s.inside == 31 || known.is_some_and(|d| d & !s.inside == 0)) =>
            {
                let partner = b.binary(BinOp::Xor, lanes.me, step);
                let there = contains(b, &lanes, partner);
                let clamp = b.k.int(Type::I32, s.clamp.into());
                let theirs = warp(b, WarpOp::ShflBfly, &[lanes.mask, adj, step, clamp], adj);
                b.select(there, theirs, adj)
            }
            (WarpOp::ShflUp | WarpOp::ShflUpP, Some(s)) if uniform => {
                shifted(b, &lanes, WarpOp::ShflDown, &s, step, adj)
            }
            (WarpOp::ShflDown | WarpOp::ShflDownP, Some(s)) if uniform => {
                shifted(b, &lanes, WarpOp::ShflUp, &s, step, adj)
            }
            _ => {
                let clamp = self.get(b, args[3]);
                let from = source(b, op, &lanes, step, clamp);
                scatter(b, &lanes, adj, from)
            }
        };
        self.add(b, args[1], back);
    }

    /// Lanes that are switched off, or whose source is not there, keep the old value or get zero.
    fn dpp(&mut self, b: &mut KernelBuilder<'_>, args: &[Value], adj: Value) {
        let constant = |b: &KernelBuilder<'_>, i: usize| b.k.as_int(args[i]).unwrap_or(0) as u32;
        let (control, rows, banks) = (constant(b, 2), constant(b, 3), constant(b, 4));
        let zero_beyond = constant(b, 5) & 1 == 1;
        let lanes = all_lanes(b);
        let on = enabled(b, lanes.me, rows, banks);
        let (from, inside) = dpp_source(b, lanes.me, control);
        let there = contains(b, &lanes, from);
        let moved = both(b, inside, there);
        let moved = both(b, moved, on);
        let ty = b.k.ty(adj);
        let zero = b.k.zero(ty);
        let sent = b.select(moved, adj, zero);
        let back = scatter(b, &lanes, sent, from);
        self.add(b, args[1], back);
        let kept = match zero_beyond {
            true => b.select(on, zero, adj),
            false => b.select(moved, zero, adj),
        };
        self.add(b, args[0], kept);
    }

    /// A lane that was read without being there cannot be given anything back.
    fn trap_unless_there(&mut self, b: &mut KernelBuilder<'_>, lanes: &Lanes, from: Value) {
        let there = contains(b, lanes, from);
        let (go, lost) = (b.block("there.rev"), b.block("lost.rev"));
        let region = self.region[b.current()];
        self.region[go] = region;
        b.cond_br(there, go, lost);
        b.switch_to(lost);
        b.insert(Op::Trap, Type::Void);
        b.br(go);
        b.switch_to(go);
    }
}

/// The parts of a warp in which a shuffle stays, when they are as CUDA's `width` makes them.
struct Segment {
    /// Bits of a lane's number within its segment.
    inside: u32,
    /// The third operand of shuffles to higher lanes.
    clamp: u32,
}

impl Segment {
    fn of(op: WarpOp, c: u32) -> Option<Segment> {
        let (limit, outside) = (c & 31, c >> 8 & 31);
        let inside = !outside & 31;
        let up = matches!(op, WarpOp::ShflUp | WarpOp::ShflUpP);
        let whole = limit & inside == if up { 0 } else { inside };
        (whole && (inside + 1).is_power_of_two()).then_some(Segment { inside, clamp: outside << 8 | inside })
    }
}

/// Undoes a shift by `step` lanes: `to` shifts the other way, and a lane that read itself keeps what it has.
fn shifted(
    b: &mut KernelBuilder<'_>,
    lanes: &Lanes,
    to: WarpOp,
    s: &Segment,
    step: Value,
    adj: Value,
) -> Value {
    let inside = b.k.int(Type::I32, s.inside.into());
    let low = b.binary(BinOp::And, lanes.me, inside);
    let above = b.binary(BinOp::Add, lanes.me, step);
    let end = b.binary(BinOp::Add, low, step);
    let above_inside = b.icmp(IntPred::Ule, end, inside);
    let above_there = contains(b, lanes, above);
    let above_ok = both(b, above_inside, above_there);
    let below = b.binary(BinOp::Sub, lanes.me, step);
    let below_inside = b.icmp(IntPred::Uge, low, step);
    let below_there = contains(b, lanes, below);
    let below_ok = both(b, below_inside, below_there);
    let (read_other, got, clamp) = match to {
        WarpOp::ShflUp => (above_ok, below_ok, s.clamp & 0x1f00),
        _ => (below_ok, above_ok, s.clamp),
    };
    let clamp = b.k.int(Type::I32, clamp.into());
    let theirs = warp(b, to, &[lanes.mask, adj, step, clamp], adj);
    let ty = b.k.ty(adj);
    let zero = b.k.zero(ty);
    let theirs = b.select(got, theirs, zero);
    let own = b.select(read_other, zero, adj);
    b.binary_fmf(BinOp::FAdd, theirs, own, Fmf::CONTRACT | Fmf::NSZ)
}

/// The lane that a PTX shuffle reads; `step` lies below 32.
fn source(b: &mut KernelBuilder<'_>, op: WarpOp, lanes: &Lanes, step: Value, c: Value) -> Value {
    let int = |b: &mut KernelBuilder<'_>, n: i128| b.k.int(Type::I32, n);
    let (five, eight) = (int(b, 31), int(b, 8));
    let clamp = b.binary(BinOp::And, c, five);
    let high = b.binary(BinOp::LShr, c, eight);
    let segment = b.binary(BinOp::And, high, five);
    let inside = b.binary(BinOp::Xor, segment, five);
    let base = b.binary(BinOp::And, lanes.me, segment);
    let top = b.binary(BinOp::And, clamp, inside);
    let limit = b.binary(BinOp::Or, base, top);
    use WarpOp::*;
    let (from, ok) = match op {
        ShflUp | ShflUpP => {
            let least = b.binary(BinOp::Add, limit, step);
            let from = b.binary(BinOp::Sub, lanes.me, step);
            (from, b.icmp(IntPred::Uge, lanes.me, least))
        }
        _ => {
            let from = match op {
                ShflDown | ShflDownP => b.binary(BinOp::Add, lanes.me, step),
                ShflBfly | ShflBflyP => b.binary(BinOp::Xor, lanes.me, step),
                _ => {
                    let low = b.binary(BinOp::And, step, inside);
                    b.binary(BinOp::Or, base, low)
                }
            };
            (from, b.icmp(IntPred::Ule, from, limit))
        }
    };
    let there = contains(b, lanes, from);
    let ok = both(b, ok, there);
    b.select(ok, from, lanes.me)
}

/// What lanes pushed comes back to them; of several that pushed to one lane, to that which won.
fn pushed_back(b: &mut KernelBuilder<'_>, index: Value, adj: Value) -> Value {
    let lanes = all_lanes(b);
    let winner = warp(b, WarpOp::DsPermute, &[index, lanes.me], lanes.me);
    let seen = warp(b, WarpOp::DsBpermute, &[index, winner], winner);
    let back = warp(b, WarpOp::DsBpermute, &[index, adj], adj);
    let won = b.icmp(IntPred::Eq, seen, lanes.me);
    let to = word_index(b, index);
    let there = contains(b, &lanes, to);
    let won = both(b, won, there);
    let ty = b.k.ty(adj);
    let zero = b.k.zero(ty);
    b.select(won, back, zero)
}

/// Source lane of AMD's `ds_swizzle`.
fn swizzled(b: &mut KernelBuilder<'_>, me: Value, pattern: u32) -> Value {
    if pattern & 0x8000 != 0 {
        return of_four(b, me, pattern);
    }
    let (and, or, xor) = (pattern & 31, pattern >> 5 & 31, pattern >> 10 & 31);
    let int = |b: &mut KernelBuilder<'_>, n: u32| b.k.int(Type::I32, n.into());
    let (high, and, or, xor) = (int(b, !31), int(b, and), int(b, or), int(b, xor));
    let base = b.binary(BinOp::And, me, high);
    let low = b.binary(BinOp::And, me, and);
    let low = b.binary(BinOp::Or, low, or);
    let low = b.binary(BinOp::Xor, low, xor);
    b.binary(BinOp::Or, base, low)
}

/// Groups of four lanes, permuted: two bits of the pattern for each.
fn of_four(b: &mut KernelBuilder<'_>, me: Value, pattern: u32) -> Value {
    let int = |b: &mut KernelBuilder<'_>, n: u32| b.k.int(Type::I32, n.into());
    let (three, high, one, bits) = (int(b, 3), int(b, !3), int(b, 1), int(b, pattern & 0xff));
    let base = b.binary(BinOp::And, me, high);
    let low = b.binary(BinOp::And, me, three);
    let at = b.binary(BinOp::Shl, low, one);
    let field = b.binary(BinOp::LShr, bits, at);
    let low = b.binary(BinOp::And, field, three);
    b.binary(BinOp::Or, base, low)
}

/// Source lane of a DPP control word, and whether it lies within the row or the warp.
fn dpp_source(b: &mut KernelBuilder<'_>, me: Value, control: u32) -> (Value, Value) {
    let int = |b: &mut KernelBuilder<'_>, n: i64| b.k.int(Type::I32, n.into());
    let size = i64::from(b.k.source.warp_size);
    let n = i64::from(control & 15);
    let (yes, fifteen) = (b.k.int(Type::I1, 1), int(b, 15));
    let (place, above) = (b.binary(BinOp::And, me, fifteen), int(b, !15));
    let row = b.binary(BinOp::And, me, above);
    let moved = |b: &mut KernelBuilder<'_>, by: i64| {
        let by = b.k.int(Type::I32, by.into());
        b.binary(BinOp::Add, me, by)
    };
    let in_row = |b: &mut KernelBuilder<'_>, place: Value| b.binary(BinOp::Or, row, place);
    match control {
        0..=0xff => (of_four(b, me, control), yes),
        0x101..=0x10f => {
            let (from, last) = (moved(b, n), int(b, 16 - n));
            (from, b.icmp(IntPred::Ult, place, last))
        }
        0x111..=0x11f => {
            let (from, first) = (moved(b, -n), int(b, n));
            (from, b.icmp(IntPred::Uge, place, first))
        }
        0x121..=0x12f => {
            let turned = int(b, 16 - n);
            let turned = b.binary(BinOp::Add, place, turned);
            let turned = b.binary(BinOp::And, turned, fifteen);
            (in_row(b, turned), yes)
        }
        0x130 => {
            let (from, last) = (moved(b, 1), int(b, size - 1));
            (from, b.icmp(IntPred::Ult, me, last))
        }
        0x134 | 0x13c => {
            let from = moved(b, if control == 0x134 { 1 } else { size - 1 });
            (in_warp(b, from), yes)
        }
        0x138 => {
            let (from, zero) = (moved(b, -1), int(b, 0));
            (from, b.icmp(IntPred::Ne, me, zero))
        }
        0x140 | 0x141 => {
            let mirror = int(b, if control == 0x140 { 15 } else { 7 });
            (b.binary(BinOp::Xor, me, mirror), yes)
        }
        0x142 => {
            let one = int(b, 1);
            let from = b.binary(BinOp::Sub, row, one);
            (from, b.icmp(IntPred::Ugt, me, fifteen))
        }
        0x143 => {
            let from = int(b, 31);
            (from, b.icmp(IntPred::Ugt, me, from))
        }
        0x150..=0x15f => {
            let place = int(b, n);
            (in_row(b, place), yes)
        }
        0x160..=0x16f => {
            let bits = int(b, n);
            (b.binary(BinOp::Xor, me, bits), yes)
        }
        _ => (me, b.k.int(Type::I1, 0)),
    }
}

/// Whether DPP's masks of rows and of groups of four let a lane through.
fn enabled(b: &mut KernelBuilder<'_>, me: Value, rows: u32, banks: u32) -> Value {
    let int = |b: &mut KernelBuilder<'_>, n: u32| b.k.int(Type::I32, n.into());
    let (four, two, three) = (int(b, 4), int(b, 2), int(b, 3));
    let (rows, banks) = (int(b, rows), int(b, banks));
    let row = b.binary(BinOp::LShr, me, four);
    let row = b.binary(BinOp::And, row, three);
    let bank = b.binary(BinOp::LShr, me, two);
    let bank = b.binary(BinOp::And, bank, three);
    let (row, bank) = (b.binary(BinOp::LShr, rows, row), b.binary(BinOp::LShr, banks, bank));
    let (row, bank) = (b.cast(CastOp::Trunc, row, Type::I1), b.cast(CastOp::Trunc, bank, Type::I1));
    both(b, row, bank)
}

/// The lanes of a mask that are here.
fn lanes_of(b: &mut KernelBuilder<'_>, mask: Value) -> Lanes {
    let yes = b.k.int(Type::I1, 1);
    let here = warp(b, WarpOp::Ballot, &[mask, yes], mask);
    let me = b.special(Special::LaneId);
    Lanes { mask, here, me }
}

/// Whoever is here, for operations without a mask.
fn all_lanes(b: &mut KernelBuilder<'_>) -> Lanes {
    let ty = b.k.lane_set();
    let mask = b.k.int(ty, -1);
    lanes_of(b, mask)
}

/// Whether a lane, taken modulo the warp's size, takes part.
fn contains(b: &mut KernelBuilder<'_>, lanes: &Lanes, lane: Value) -> Value {
    let lane = in_warp(b, lane);
    let ty = b.k.ty(lanes.here);
    let lane = if ty == Type::I64 { b.cast(CastOp::ZExt, lane, ty) } else { lane };
    let bit = b.binary(BinOp::LShr, lanes.here, lane);
    b.cast(CastOp::Trunc, bit, Type::I1)
}

/// A lane's number modulo the warp's size.
fn in_warp(b: &mut KernelBuilder<'_>, lane: Value) -> Value {
    let last = i128::from(b.k.source.warp_size.max(1)) - 1;
    let last = b.k.int(Type::I32, last);
    b.binary(BinOp::And, lane, last)
}

/// The lane of a byte index of AMD's permutations.
fn word_index(b: &mut KernelBuilder<'_>, index: Value) -> Value {
    let two = b.k.int(Type::I32, 2);
    let lane = b.binary(BinOp::LShr, index, two);
    in_warp(b, lane)
}

fn word(b: &mut KernelBuilder<'_>, v: Value) -> Value {
    if b.k.ty(v) == Type::I64 {
        b.cast(CastOp::Trunc, v, Type::I32)
    } else {
        v
    }
}

fn both(b: &mut KernelBuilder<'_>, x: Value, y: Value) -> Value {
    b.binary(BinOp::And, x, y)
}

/// A warp operation with a result of the type of `like`.
fn warp(b: &mut KernelBuilder<'_>, op: WarpOp, args: &[Value], like: Value) -> Value {
    let ty = b.k.ty(like);
    b.value(Op::Warp { op, args: SmallVec::from_slice(args) }, ty)
}

/// Every lane sends `v` to the lane `to`; gives the sum of what arrives. Small formats are added up in f32.
fn scatter(b: &mut KernelBuilder<'_>, lanes: &Lanes, v: Value, to: Value) -> Value {
    let ty = b.k.ty(v);
    let small = !matches!(ty, Type::F32 | Type::F64);
    let wide = if small { b.cast(CastOp::FpExt, v, Type::F32) } else { v };
    let sum = warp(b, WarpOp::ScatterAdd, &[lanes.mask, wide, to], wide);
    if small {
        b.cast(CastOp::FpTrunc, sum, ty)
    } else {
        sum
    }
}
