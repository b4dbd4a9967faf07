//! Operations among the lanes of a warp.

use super::Gen;
use crate::kernel::*;
use rand::Rng;
use smallvec::{smallvec, SmallVec};

impl Gen<'_, '_> {
    fn warp(&mut self, op: WarpOp, args: &[Value], ty: Type) -> Value {
        self.b.value(Op::Warp { op, args: SmallVec::from_slice(args) }, ty)
    }

    fn mask(&mut self) -> Value {
        let ty = if self.amd() { Type::I64 } else { Type::I32 };
        self.b.k.int(ty, -1)
    }

    pub(super) fn warp_statement(&mut self) {
        match self.rng.random_range(0..8) {
            0 => self.vote(),
            1 => {
                let op = if self.amd() { WarpOp::WaveBarrier } else { WarpOp::Sync };
                let mask = self.mask();
                let args = if self.amd() { smallvec![] } else { smallvec![mask] };
                self.b.insert(Op::Warp { op, args }, Type::Void);
            }
            2 | 3 => self.warp_sum(),
            4 if !self.amd() => self.some_lanes(),
            _ => {
                let v = self.float_expr(1);
                let v = self.shuffle(v, None);
                self.set_float(v);
            }
        }
    }

    /// Lanes with a condition exchange among themselves: each with its neighbour if that is there, else with the first one.
    fn some_lanes(&mut self) {
        let (cond, all, ty) = (self.condition(), self.mask(), self.float);
        let v = self.float_expr(1);
        let here = self.warp(WarpOp::Ballot, &[all, cond], Type::I32);
        let (inside, behind) = (self.b.block("some"), self.b.block("others"));
        let from = self.b.current();
        self.b.cond_br(cond, inside, behind);
        self.b.switch_to(inside);
        let (lane, one, clamp) = (self.b.special(Special::LaneId), self.int_lit(1), self.int_lit(31));
        let partner = self.b.binary(BinOp::Xor, lane, one);
        let bit = self.b.binary(BinOp::LShr, here, partner);
        let there = self.b.cast(CastOp::Trunc, bit, Type::I1);
        let first = self.b.int_math(IntFn::Cttz, &[here], Type::I32);
        let at = self.b.select(there, partner, first);
        let other = self.warp(WarpOp::ShflIdx, &[here, v, at, clamp], ty);
        let sum = self.fbin(BinOp::FAdd, v, other);
        let half = self.lit(0.5);
        let mean = self.fbin(BinOp::FMul, sum, half);
        self.b.br(behind);
        self.b.switch_to(behind);
        let out = self.b.phi(ty, vec![(from, v), (inside, mean)]);
        self.set_float(out);
    }

    /// Votes and the like, into an integer variable.
    fn vote(&mut self) {
        let (cond, mask) = (self.condition(), self.mask());
        let seven = self.int_lit(7);
        let n = match self.rng.random_range(0..if self.amd() { 2 } else { 5 }) {
            0 if self.amd() => {
                let i = self.small_int(1);
                self.warp(WarpOp::ReadFirstLane, &[i], Type::I32)
            }
            1 if self.amd() => {
                let lanes = self.warp(WarpOp::Ballot, &[mask, cond], Type::I64);
                let n = self.b.int_math(IntFn::Ctpop, &[lanes], Type::I64);
                self.b.cast(CastOp::Trunc, n, Type::I32)
            }
            0 => {
                let op = self.pick(&[WarpOp::VoteAll, WarpOp::VoteAny, WarpOp::VoteUni]);
                let yes = self.warp(op, &[mask, cond], Type::I1);
                self.b.cast(CastOp::ZExt, yes, Type::I32)
            }
            1 => {
                let lanes = self.warp(WarpOp::Ballot, &[mask, cond], Type::I32);
                self.b.int_math(IntFn::Ctpop, &[lanes], Type::I32)
            }
            2 => {
                let (i, three) = (self.small_int(1), self.int_lit(3));
                let i = self.b.binary(BinOp::And, i, three);
                let lanes = self.warp(WarpOp::MatchAny, &[mask, i], Type::I32);
                self.b.int_math(IntFn::Ctpop, &[lanes], Type::I32)
            }
            3 => self.warp(WarpOp::ActiveMask, &[], Type::I32),
            _ => {
                let i = self.small_int(1);
                let op = self.pick(&[WarpOp::ReduxAdd, WarpOp::ReduxXor, WarpOp::ReduxSMax]);
                self.warp(op, &[mask, i], Type::I32)
            }
        };
        let n = self.b.binary(BinOp::And, n, seven);
        let slot = self.rng.random_range(0..self.state.ints.len());
        self.state.ints[slot] = n;
    }

    /// The mean over segments of a warp, by butterflies.
    fn warp_sum(&mut self) {
        let mut v = self.float_expr(1);
        let width = self.segment();
        let half = self.lit(0.5);
        let mut step = width / 2;
        while step > 0 {
            let other = self.shuffle(v, Some(step));
            let sum = self.fbin(BinOp::FAdd, v, other);
            v = self.fbin(BinOp::FMul, sum, half);
            step /= 2;
        }
        self.set_float(v);
    }

    /// Lanes that a shuffle goes over: all of them exist, whatever the block's size.
    fn segment(&mut self) -> u32 {
        let most = if self.amd() { 64 } else { 32 };
        let all = (self.block & self.block.wrapping_neg()).min(most);
        all >> self.rng.random_range(0..=all.trailing_zeros().min(2))
    }

    /// The value of another lane: of a random one, or by a butterfly. Where the shuffle says that there is none, the own one.
    fn shuffle(&mut self, v: Value, butterfly: Option<u32>) -> Value {
        let width = butterfly.map_or_else(|| self.segment(), |step| 2 * step);
        let (moved, inside) = match self.float {
            Type::F64 => {
                let (i64_, i32_) = (Type::I64, Type::I32);
                let bits = self.b.cast(CastOp::Bitcast, v, i64_);
                let by = self.b.k.int(i64_, 32);
                let high = self.b.binary(BinOp::LShr, bits, by);
                let (low, high) =
                    (self.b.cast(CastOp::Trunc, bits, i32_), self.b.cast(CastOp::Trunc, high, i32_));
                let (words, inside) = self.lanes(&[low, high], width, butterfly);
                let (low, high) =
                    (self.b.cast(CastOp::ZExt, words[0], i64_), self.b.cast(CastOp::ZExt, words[1], i64_));
                let high = self.b.binary(BinOp::Shl, high, by);
                let bits = self.b.binary(BinOp::Or, high, low);
                (self.b.cast(CastOp::Bitcast, bits, Type::F64), inside)
            }
            _ if self.amd() || self.rng.random_bool(0.4) => {
                let bits = self.b.cast(CastOp::Bitcast, v, Type::I32);
                let (words, inside) = self.lanes(&[bits], width, butterfly);
                (self.b.cast(CastOp::Bitcast, words[0], Type::F32), inside)
            }
            _ => {
                let (words, inside) = self.lanes(&[v], width, butterfly);
                (words[0], inside)
            }
        };
        inside.map_or(moved, |inside| self.b.select(inside, moved, v))
    }

    /// Words of another lane, the same one for all of them; and, where the operation says so, whether there is such a lane.
    fn lanes(&mut self, words: &[Value], width: u32, butterfly: Option<u32>) -> (Vec<Value>, Option<Value>) {
        let step = butterfly.unwrap_or_else(|| self.rng.random_range(0..width));
        let by = self.int_lit(step.into());
        match self.amd() {
            true => (self.lanes_of_wave(words, width, by, butterfly.is_some()), None),
            false => self.lanes_of_warp(words, width, by, butterfly.is_some()),
        }
    }

    fn lanes_of_warp(
        &mut self,
        words: &[Value],
        width: u32,
        by: Value,
        butterfly: bool,
    ) -> (Vec<Value>, Option<Value>) {
        use WarpOp::*;
        let kind = if butterfly { 3 } else { self.rng.random_range(0..4) };
        let (plain, flagged) =
            [(ShflIdx, ShflIdxP), (ShflUp, ShflUpP), (ShflDown, ShflDownP), (ShflBfly, ShflBflyP)][kind];
        let lane = match kind {
            0 if self.rng.random_bool(0.5) => self.small_int(1),
            _ => by,
        };
        let clamp = self.int_lit(((32 - i128::from(width)) << 8) | if kind == 1 { 0 } else { 31 });
        let mask = self.mask();
        let flag = self.rng.random_bool(0.3);
        let (mut out, mut inside) = (Vec::new(), None);
        for &w in words {
            let ty = self.b.k.ty(w);
            let args = [mask, w, lane, clamp];
            if !flag {
                out.push(self.warp(plain, &args, ty));
                continue;
            }
            let pair = self.b.k.struct_ty(&[ty, Type::I1]);
            let both = self.warp(flagged, &args, pair);
            out.push(self.b.extract_value(both, 0));
            inside = Some(self.b.extract_value(both, 1));
        }
        (out, inside)
    }

    fn lanes_of_wave(&mut self, words: &[Value], width: u32, by: Value, butterfly: bool) -> Vec<Value> {
        if width >= 4 && !butterfly && self.rng.random_bool(0.3) {
            return words.iter().map(|&w| self.neighbour(w)).collect();
        }
        let lane = self.b.special(Special::LaneId);
        let (inside, four) = (self.int_lit(i128::from(width) - 1), self.int_lit(4));
        let from = match self.rng.random_range(0..3) {
            _ if butterfly => self.b.binary(BinOp::Xor, lane, by),
            0 => {
                let moved = self.b.binary(BinOp::Add, lane, by);
                let crossed = self.b.binary(BinOp::Xor, lane, moved);
                let (not, zero) = (self.int_lit(-i128::from(width)), self.int_lit(0));
                let beyond = self.b.binary(BinOp::And, crossed, not);
                let same = self.b.icmp(IntPred::Eq, beyond, zero);
                self.b.select(same, moved, lane)
            }
            _ => {
                let i = self.small_int(1);
                let i = self.b.binary(BinOp::And, i, inside);
                let not = self.int_lit(-i128::from(width));
                let base = self.b.binary(BinOp::And, lane, not);
                self.b.binary(BinOp::Or, base, i)
            }
        };
        let at = self.b.binary(BinOp::Mul, from, four);
        words.iter().map(|&w| self.warp(WarpOp::DsBpermute, &[at, w], Type::I32)).collect()
    }

    /// The neighbour in a pair, by AMD's data-parallel primitives or a swizzle.
    fn neighbour(&mut self, w: Value) -> Value {
        if self.rng.random_bool(0.5) {
            let pattern = self.int_lit(0x041f);
            return self.warp(WarpOp::DsSwizzle, &[w, pattern], Type::I32);
        }
        let (control, all, bound) = (self.int_lit(0xb1), self.int_lit(15), self.b.k.int(Type::I1, 1));
        self.warp(WarpOp::UpdateDpp, &[w, w, control, all, all, bound], Type::I32)
    }
}
