//! Memory of all lanes: one access where addresses are the same or neighbours, else one per lane.

use super::{vector_ty, Rep, Widen};
use crate::kernel::*;
use crate::lanes::shape::Shape;

impl Widen<'_> {
    /// True when the lanes' values of that type lie side by side at the pointer.
    fn neighbours(&self, ptr: Value, ty: Type) -> bool {
        let bytes = self.src.k.bytes(ty) as i64;
        matches!(ty, Type::Int(8 | 16 | 32 | 64) | Type::Float(_)) && self.shape(ptr) == Shape::Step(bytes)
    }

    pub(super) fn load(&mut self, ptr: Value, mem: &MemFlags, ty: Type) -> Rep {
        if self.shape(ptr) == Shape::Step(0) {
            let ptr = self.first(ptr);
            return Rep::First(self.with(|f| f.load(ty, ptr, *mem)));
        }
        let wide = vector_ty(ty, self.width);
        match wide {
            Some(wide) if self.neighbours(ptr, ty) => {
                let ptr = self.first(ptr);
                Rep::Vector(self.with(|f| f.load(wide, ptr, *mem)))
            }
            wide => {
                let mut each = Vec::new();
                for l in 0..self.width {
                    let p = self.lane(ptr, l);
                    each.push(self.with(|f| f.load(ty, p, *mem)));
                }
                self.gathered(each, wide)
            }
        }
    }

    pub(super) fn store(&mut self, ptr: Value, val: Value, mem: &MemFlags) {
        let ty = self.src.k.ty(val);
        if self.shape(ptr) == Shape::Step(0) {
            // All lanes store to one place; the last one stays.
            let (p, v) = (self.first(ptr), self.lane(val, self.width - 1));
            return self.with(|f| f.store(p, v, *mem));
        }
        if self.neighbours(ptr, ty) {
            let (p, v) = (self.first(ptr), self.vector(val));
            return self.with(|f| f.store(p, v, *mem));
        }
        for l in 0..self.width {
            let (p, v) = (self.lane(ptr, l), self.lane(val, l));
            self.with(|f| f.store(p, v, *mem));
        }
    }

    pub(super) fn accumulate(&mut self, ptr: Value, val: Value, align: u32, atomic: bool) {
        let ty = self.src.k.ty(val);
        let scalar = matches!(ty, Type::Float(_));
        if scalar && self.shape(ptr) == Shape::Step(0) {
            let p = self.first(ptr);
            let sum = self.sum(val);
            return self.with(|f| f.accumulate(p, sum, align, atomic));
        }
        if scalar && self.neighbours(ptr, ty) {
            let (p, v) = (self.first(ptr), self.vector(val));
            return self.with(|f| f.accumulate(p, v, align, atomic));
        }
        for l in 0..self.width {
            let (p, v) = (self.lane(ptr, l), self.lane(val, l));
            self.with(|f| f.accumulate(p, v, align, atomic));
        }
    }

    /// The sum of a float over all lanes, halving.
    fn sum(&mut self, val: Value) -> Value {
        let mut v = self.vector(val);
        let mut n = self.width;
        let Type::Vec(lane, _) = self.out.ty(v) else { unreachable!("a vector") };
        while n > 1 {
            n /= 2;
            let half = Type::Vec(lane, n);
            let poison = self.out.constant(self.out.ty(v), Const::Poison);
            let part = |from: u16| (from..from + n).map(i32::from).collect::<Vec<_>>();
            let (low, high) = (part(0), part(n));
            v = self.with(|f| {
                let low = f.value(Op::ShuffleVector { a: v, b: poison, mask: low }, half);
                let high = f.value(Op::ShuffleVector { a: v, b: poison, mask: high }, half);
                f.binary(BinOp::FAdd, low, high)
            });
        }
        let zero = self.out.int(Type::I32, 0);
        self.with(|f| f.value(Op::ExtractElement { vec: v, index: zero }, lane.ty()))
    }

    /// The lanes' place on the tape for a thread's offset, which all lanes share.
    fn tape_offset(&mut self, offset: Value) -> Option<Value> {
        if self.shape(offset) != Shape::Step(0) {
            return None;
        }
        let (offset, width) = (self.first(offset), self.out.int(Type::I64, self.width.into()));
        Some(self.with(|f| f.binary(BinOp::Mul, offset, width)))
    }

    pub(super) fn tape_store(&mut self, offset: Value, val: Value) -> Option<()> {
        let ty = self.src.k.ty(val);
        let at = self.tape_offset(offset)?;
        vector_ty(ty, self.width)?;
        let mut v = self.vector(val);
        if let Type::Int(bits) = ty {
            let whole = Lane::Int(bits.next_multiple_of(8).next_power_of_two());
            v = self.resized(v, whole, CastOp::ZExt);
        }
        self.with(|f| f.tape_store(at, v));
        Some(())
    }

    pub(super) fn tape_load(&mut self, offset: Value, ty: Type) -> Option<Rep> {
        let at = self.tape_offset(offset)?;
        let wide = vector_ty(ty, self.width)?;
        let Type::Int(bits) = ty else {
            return Some(Rep::Vector(self.with(|f| f.tape_load(at, wide))));
        };
        let whole = Type::Vec(Lane::Int(bits.next_multiple_of(8).next_power_of_two()), self.width);
        let v = self.with(|f| f.tape_load(at, whole));
        Some(Rep::Vector(self.resized(v, Lane::Int(bits), CastOp::Trunc)))
    }

    /// An integer vector with other lanes.
    pub fn resized(&mut self, v: Value, lane: Lane, op: CastOp) -> Value {
        let to = Type::Vec(lane, self.width);
        if self.out.ty(v) == to {
            return v;
        }
        self.with(|f| f.cast(op, v, to))
    }
}
