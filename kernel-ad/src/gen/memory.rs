//! Copies of local arrays, vectors, half precision.

use super::params::{GATHERED, OWN};
use super::stmt::ARRAY;
use super::Gen;
use crate::kernel::*;
use rand::Rng;

const HALF: Type = Type::Float(FloatTy::F16);

impl Gen<'_, '_> {
    /// Writes the first contents of the second array.
    pub(super) fn fill_spare(&mut self) {
        let Some(spare) = self.inputs.spare else { return };
        for i in 0..ARRAY {
            let v = self.float_leaf();
            let i = self.int_lit(i as i128);
            self.store(spare, i, ARRAY, v);
        }
    }

    /// memcpy, memmove or memset of local arrays, of constant length or any.
    pub(super) fn copy_arrays(&mut self) {
        let (Some(a), Some(b)) = (self.inputs.array, self.inputs.spare) else { return };
        let (dst, src) = if self.rng.random_bool(0.5) { (a, b) } else { (b, a) };
        let (size, align) = (self.size(), self.size() as u32);
        let len = match self.rng.random_bool(0.5) {
            true => {
                let n = self.rng.random_range(1..=ARRAY as i128);
                self.b.k.int(Type::I64, n * i128::from(size))
            }
            false => {
                let (i, mask) = (self.small_int(1), self.int_lit(ARRAY as i128 - 1));
                let n = self.b.binary(BinOp::And, i, mask);
                let n = self.b.cast(CastOp::ZExt, n, Type::I64);
                let bytes = self.b.k.int(Type::I64, size.into());
                self.b.binary(BinOp::Mul, n, bytes)
            }
        };
        let op = match self.rng.random_bool(0.8) {
            true => Op::MemCopy {
                dst,
                src,
                len,
                dst_align: align,
                src_align: align,
                overlap: self.rng.random_bool(0.3),
                volatile: false,
            },
            false => {
                let byte = self.b.k.int(Type::Int(8), 0);
                Op::MemSet { dst, byte, len, align, volatile: false }
            }
        };
        self.b.insert(op, Type::Void);
    }

    fn lane(&self) -> Lane {
        match self.float {
            Type::F64 => Lane::Float(FloatTy::F64),
            _ => Lane::Float(FloatTy::F32),
        }
    }

    fn vector(&mut self, elems: &[Value]) -> Value {
        let ty = Type::Vec(self.lane(), elems.len() as u16);
        let mut v = self.b.k.constant(ty, Const::Poison);
        for (i, &elem) in elems.iter().enumerate() {
            let index = self.int_lit(i as i128);
            v = self.b.value(Op::InsertElement { vec: v, elem, index }, ty);
        }
        v
    }

    /// Two lanes of a vector, changed and mixed. At most about as large as what it is given.
    pub(super) fn vector_step(&mut self, a: Value) -> Value {
        let (b, c, d) = (self.float_leaf(), self.float_leaf(), self.float_leaf());
        let ty = Type::Vec(self.lane(), 2);
        let (x, y) = (self.vector(&[a, b]), self.vector(&[c, d]));
        let op = self.pick(&[BinOp::FAdd, BinOp::FMul, BinOp::FSub]);
        let z = self.fbin(op, x, y);
        let mask = self.pick(&[[1, 0], [0, 3], [2, 1]]).to_vec();
        let z = self.b.value(Op::ShuffleVector { a: z, b: x, mask }, ty);
        let lane = match self.rng.random_bool(0.5) {
            true => self.int_lit(0),
            false => {
                let (i, one) = (self.small_int(1), self.int_lit(1));
                self.b.binary(BinOp::And, i, one)
            }
        };
        let v = self.b.value(Op::ExtractElement { vec: z, index: lane }, self.float);
        self.squash(v)
    }

    /// The thread's own elements of `in_place`, as one vector.
    pub(super) fn update_vector(&mut self) {
        let (base, gid, size, ty) = (self.inputs.in_place, self.inputs.gid, self.size(), self.float);
        let own = self.element(base, gid, size * OWN as u64);
        // Wider ones than 16 bytes no hardware loads.
        let n = if ty == Type::F64 { 2 } else { self.pick(&[2u16, 4]) };
        let vec = Type::Vec(self.lane(), n);
        let mem = MemFlags::plain(size as u32 * u32::from(self.pick(&[1, n])));
        let old = self.b.load(vec, own, mem);
        let elems: Vec<Value> = (0..n).map(|_| self.float_leaf()).collect();
        let factors = self.vector(&elems);
        let new = self.fbin(BinOp::FMul, old, factors);
        // In [-1, 1] again, lane by lane.
        let elems: Vec<Value> = (0..n)
            .map(|i| {
                let index = self.int_lit(i.into());
                let v = self.b.value(Op::ExtractElement { vec: new, index }, ty);
                self.squash(v)
            })
            .collect();
        let new = self.vector(&elems);
        self.b.store(own, new, mem);
    }

    /// A half from memory.
    pub(super) fn half_leaf(&mut self) -> Value {
        let Some(base) = self.inputs.halves else { return self.lit(0.5) };
        let i = self.small_int(1);
        let at = self.address(base, i, GATHERED, 2);
        let h = self.b.load(HALF, at, MemFlags::plain(2));
        self.b.cast(CastOp::FpExt, h, self.float)
    }

    /// A value taken through half precision.
    pub(super) fn half_step(&mut self, a: Value) -> Value {
        let a = self.squash(a);
        let h = self.b.cast(CastOp::FpTrunc, a, HALF);
        let (scale, shift) = (self.b.k.float(HALF, 0.75), self.b.k.float(HALF, 0.25));
        let h = self.fbin(BinOp::FMul, h, scale);
        let h = self.fbin(BinOp::FAdd, h, shift);
        self.b.cast(CastOp::FpExt, h, self.float)
    }
}
