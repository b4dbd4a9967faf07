//! Instructions that touch memory or the tape.

use super::arith::*;
use super::decode::{Ins, Shape, K};
use super::exec::{Machine, Thread};
use super::memory::{float_of_bits, LOCAL_BASE, SHARED_BASE};
use super::race::Access;
use super::*;
use crate::kernel::{AddrSpace, CastOp, FloatTy, Kernel, RmwOp, Type};

/// The float format of a leaf that a wide run keeps in f64.
fn widened(ty: Type) -> Option<FloatTy> {
    match ty {
        Type::Float(f) if f != FloatTy::F64 => Some(f),
        _ => None,
    }
}

/// A 32-bit pointer back to a full address.
fn widen_address(space: AddrSpace, low: u64) -> u64 {
    match space {
        AddrSpace::Shared => SHARED_BASE + low,
        AddrSpace::Local => LOCAL_BASE + low,
        _ => low,
    }
}

fn raw_bits(bytes: &[u8]) -> u128 {
    let mut raw = [0; 16];
    raw[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(raw)
}

impl Machine<'_> {
    /// Bytes of a scalar in memory.
    fn size(k: &Kernel, ty: Type) -> usize {
        k.bytes(ty) as usize
    }

    /// Reads a scalar that was resolved and noted.
    #[inline]
    pub(super) fn read_leaf(&self, (id, at): (usize, usize), ty: Type) -> Slot {
        let o = &self.memory.objects[id];
        let size = Self::size(self.k, ty);
        if self.options.wide {
            if let Some(f) = widened(ty) {
                let x = o.wide_at(at, size as u8);
                let x = x.unwrap_or_else(|| float_of_bits(f, raw_bits(&o.bytes[at..at + size]) as u64));
                return Slot { lo: x.to_bits(), hi: o.bound_at(at, size as u8) };
            }
        }
        match ty {
            Type::Float(FloatTy::F32) | Type::Int(32) => {
                let b = &o.bytes[at..at + 4];
                Slot { lo: u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])), hi: 0 }
            }
            Type::Int(w) => int_slot(raw_bits(&o.bytes[at..at + size]), w),
            Type::Ptr(space) => {
                let bits = raw_bits(&o.bytes[at..at + size]) as u64;
                let addr = if size == 4 { widen_address(space, bits) } else { bits };
                Slot::of_pointer(self.memory.pointer_to(addr))
            }
            Type::Float(FloatTy::F64) if self.options.bounds => {
                Slot { lo: raw_bits(&o.bytes[at..at + size]) as u64, hi: o.bound_at(at, size as u8) }
            }
            _ => Slot { lo: raw_bits(&o.bytes[at..at + size]) as u64, hi: 0 },
        }
    }

    /// Writes a scalar that was resolved and noted.
    #[inline]
    pub(super) fn write_leaf(&mut self, (id, at): (usize, usize), ty: Type, v: Slot) {
        let size = Self::size(self.k, ty);
        let o = &mut self.memory.objects[id];
        if self.options.wide {
            if let Some(f) = widened(ty) {
                let x = f64::from_bits(v.lo);
                let bits = super::memory::float_bits(f, x);
                o.bytes[at..at + size].copy_from_slice(&bits.to_le_bytes()[..size]);
                o.set_wide(at, size as u8, x, f64::from_bits(v.hi));
                return;
            }
        }
        if self.options.bounds && ty == Type::Float(FloatTy::F64) {
            o.set_wide(at, size as u8, f64::from_bits(v.lo), f64::from_bits(v.hi));
        }
        if size <= 8 {
            o.bytes[at..at + size].copy_from_slice(&v.lo.to_le_bytes()[..size]);
        } else {
            o.bytes[at..at + size].copy_from_slice(&uint(v).to_le_bytes()[..size]);
        }
    }

    /// Finds an access and makes all checks of it.
    #[inline]
    fn access(
        &mut self,
        t: &mut Thread,
        ptr: usize,
        s: &Shape,
        write: bool,
        what: &str,
    ) -> Result<(usize, usize), Fault> {
        let p = t.regs[ptr].pointer();
        let at = self.memory.resolve(p, s.bytes, s.space, what)?;
        if let (Some(level), true) = (s.atomic, self.options.races) {
            if s.releases {
                self.fence(t, level);
            }
            match write {
                true => self.publish(t, at, false),
                false => self.observe(t, at),
            }
            self.note(at, s.bytes as usize, write, &t.access.with_scope(s.atomic))?;
        } else {
            self.note(at, s.bytes as usize, write, &t.access)?;
        }
        Ok(at)
    }

    #[inline]
    fn note(&mut self, (id, at): (usize, usize), len: usize, write: bool, by: &Access) -> Result<(), Fault> {
        match write {
            true => self.memory.note_write(id, at, len, by),
            false => self.memory.note_read(id, at, len, by),
        }
    }

    pub(super) fn memory_step(&mut self, t: &mut Thread, ins: &Ins) -> Result<(), Fault> {
        let p = self.p;
        let (dst, a, b, c) = (ins.dst as usize, ins.a as usize, ins.b as usize, ins.c as usize);
        match ins.k {
            K::Load(s) => {
                let s = &p.shapes[s as usize];
                let (id, at) = self.access(t, a, s, false, "read")?;
                for (l, &(o, ty)) in s.leaves.iter().enumerate() {
                    t.regs[dst + l] = self.read_leaf((id, at + o as usize), ty);
                }
            }
            K::Store(s) => {
                let s = &p.shapes[s as usize];
                let (id, at) = self.access(t, a, s, true, "write")?;
                for (l, &(o, ty)) in s.leaves.iter().enumerate() {
                    self.write_leaf((id, at + o as usize), ty, t.regs[b + l]);
                }
            }
            K::Rmw(op, s) => {
                let s = &p.shapes[s as usize];
                let at = self.access(t, a, s, false, "atomic operation")?;
                self.update(t, at, s, op, b, dst)?;
            }
            K::Accumulate(s, atomic) => {
                let s = &p.shapes[s as usize];
                let at = self.access(t, a, s, false, "accumulation")?;
                self.report.atomics += u64::from(atomic);
                self.add_in_place(t, at, s, b)?;
            }
            K::CmpXchg(s) => {
                let s = &p.shapes[s as usize];
                let at = self.access(t, a, s, false, "atomic operation")?;
                self.report.atomics += 1;
                let ty = s.leaves[0].1;
                let old = self.read_leaf(at, ty);
                let equal = match ty {
                    Type::Ptr(_) => old.lo == t.regs[b].lo,
                    _ => old == t.regs[b],
                };
                if equal {
                    self.publish(t, at, true);
                    self.note(at, s.bytes as usize, true, &t.access.with_scope(s.atomic))?;
                    self.write_leaf(at, ty, t.regs[c]);
                }
                t.regs[dst] = old;
                t.regs[dst + 1] = Slot { lo: equal.into(), hi: 0 };
            }
            K::MemCopy(to_space, from_space) => {
                let len = self.length(t.regs[c], ins.ty);
                let from = self.memory.resolve(t.regs[b].pointer(), len, from_space, "read")?;
                let to = self.memory.resolve(t.regs[a].pointer(), len, to_space, "write")?;
                self.memory.copy(from, to, len as usize, &t.access)?;
            }
            K::MemSet(space) => {
                let len = self.length(t.regs[c], ins.ty);
                let (id, at) = self.memory.resolve(t.regs[a].pointer(), len, space, "write")?;
                self.memory.note_write(id, at, len as usize, &t.access)?;
                self.memory.objects[id].bytes[at..at + len as usize].fill(t.regs[b].lo as u8);
            }
            K::Bitcast(from, to) => self.bitcast(t, &p.shapes[from as usize], &p.shapes[to as usize], a, dst),
            K::TapeStore(s) => {
                let s = &p.shapes[s as usize];
                let at = t.regs[a].lo;
                let (base, used) = self.tape_at(t, at, s.bytes)?;
                self.report.tape_bytes = self.report.tape_bytes.max(used);
                let tape = self.memory.tapes.entry((base, t.access.at.thread)).or_default();
                tape.store(at, s.bytes, s.ty, &t.regs[b..b + s.leaves.len()]);
            }
            K::TapeLoad(s) => {
                let s = &p.shapes[s as usize];
                let at = t.regs[a].lo;
                let (base, _) = self.tape_at(t, at, s.bytes)?;
                let tape = self.memory.tapes.entry((base, t.access.at.thread)).or_default();
                tape.load(at, s.ty, &mut t.regs[dst..dst + s.leaves.len()])?;
            }
            _ => return Err(Fault::new(Code::Bug, "instruction that the interpreter does not know".into())),
        }
        Ok(())
    }

    fn length(&self, s: Slot, ty: Type) -> u64 {
        match ty {
            Type::Int(w) => uint(int_slot(uint(s), w)) as u64,
            _ => 0,
        }
    }

    fn update(
        &mut self,
        t: &mut Thread,
        at: (usize, usize),
        s: &Shape,
        op: RmwOp,
        val: usize,
        dst: usize,
    ) -> Result<(), Fault> {
        self.report.atomics += 1;
        for (l, &(o, ty)) in s.leaves.iter().enumerate() {
            let place = (at.0, at.1 + o as usize);
            let old = self.read_leaf(place, ty);
            let calc = if self.options.wide && widened(ty).is_some() { Type::F64 } else { ty };
            let new = self.rmw(op, (ty, calc), old, t.regs[val + l])?;
            self.publish(t, place, true);
            self.note(place, Self::size(self.k, ty), true, &t.access.with_scope(s.atomic))?;
            self.write_leaf(place, ty, new);
            t.regs[dst + l] = old;
        }
        Ok(())
    }

    /// New contents of memory, with types in memory and of the arithmetic.
    fn rmw(&self, op: RmwOp, (ty, calc): (Type, Type), old: Slot, val: Slot) -> Result<Slot, Fault> {
        let new = rmw(op, calc, old, val)?;
        Ok(if self.options.bounds { bounds::updated(op, ty, old, val, new) } else { new })
    }

    fn add_in_place(
        &mut self,
        t: &mut Thread,
        at: (usize, usize),
        s: &Shape,
        val: usize,
    ) -> Result<(), Fault> {
        for (l, &(o, ty)) in s.leaves.iter().enumerate() {
            let place = (at.0, at.1 + o as usize);
            let old = self.read_leaf(place, ty);
            let calc = if self.options.wide && widened(ty).is_some() { Type::F64 } else { ty };
            let new = self.rmw(RmwOp::FAdd, (ty, calc), old, t.regs[val + l])?;
            self.note(place, Self::size(self.k, ty), true, &t.access.with_scope(s.atomic))?;
            self.write_leaf(place, ty, new);
        }
        Ok(())
    }

    /// The tape's base, after the bounds were checked, and the bytes in use.
    fn tape_at(&self, t: &Thread, at: u64, bytes: u64) -> Result<(u64, u64), Fault> {
        let Some(info) = &self.k.tape else { return Err(Fault::new(Code::Bug, "no tape".into())) };
        let param = |i: u32| t.regs[self.p.param_slots[i as usize] as usize].lo;
        let (base, capacity) = (param(info.base), param(info.capacity));
        let end = at.checked_add(bytes);
        if let Some(bound) = info.bounded {
            if end.is_none_or(|e| e > bound) {
                let message =
                    format!("tape offset {at} + {bytes} is beyond the {bound} bytes that were promised");
                return Err(Fault::new(Code::Sanitizer, message));
            }
        }
        match end {
            Some(end) if end <= capacity => {}
            _ => {
                let message = format!(
                    "tape offset {at} + {bytes} is beyond the capacity of {capacity} bytes per thread"
                );
                return Err(Fault::new(Code::TapeOverflow, message));
            }
        }
        if at % bytes.max(1).min(8).next_power_of_two() != 0 && bytes.is_power_of_two() {
            let message = format!("tape offset {at} is no multiple of the value's {bytes} bytes");
            return Err(Fault::new(Code::Sanitizer, message));
        }
        Ok((base, at + bytes))
    }

    /// Casts with the conversions that depend on the kind of pointer.
    #[inline]
    pub(super) fn cast(&self, op: CastOp, from: Type, to: Type, s: Slot) -> Slot {
        match (op, from, to) {
            (CastOp::PtrToInt, Type::Ptr(space), Type::Int(w)) => {
                let cut = if self.k.pointer_bytes(space) == 4 { s.lo & 0xffff_ffff } else { s.lo };
                int_slot(cut.into(), w)
            }
            (CastOp::IntToPtr, _, Type::Ptr(space)) => {
                let addr = match self.k.pointer_bytes(space) {
                    4 => widen_address(space, s.lo & 0xffff_ffff),
                    _ => s.lo,
                };
                Slot::of_pointer(self.memory.pointer_to(addr))
            }
            _ => cast(op, from, to, s),
        }
    }

    /// The same bits as another type, through a row of bits.
    fn bitcast(&self, t: &mut Thread, from: &Shape, to: &Shape, src: usize, dst: usize) {
        let k = self.k;
        let width = |ty: Type| match ty {
            Type::Int(w) => usize::from(w),
            ty => Self::size(k, ty) * 8,
        };
        if let ([(_, f), (_, g)], false) = ([from.leaves[0], to.leaves[0]], self.options.wide) {
            if from.leaves.len() == 1
                && to.leaves.len() == 1
                && !matches!(f, Type::Ptr(_))
                && !matches!(g, Type::Ptr(_))
            {
                t.regs[dst] = t.regs[src];
                return;
            }
        }
        let mut bits: Vec<bool> = Vec::new();
        for (l, &(_, ty)) in from.leaves.iter().enumerate() {
            let s = t.regs[src + l];
            let raw = match widened(ty).filter(|_| self.options.wide) {
                Some(f) => super::memory::float_bits(f, f64::from_bits(s.lo)).into(),
                None if matches!(ty, Type::Ptr(_)) => u128::from(s.lo),
                None => uint(s),
            };
            bits.extend((0..width(ty)).map(|i| raw >> i & 1 == 1));
        }
        let mut at = 0;
        for (l, &(_, ty)) in to.leaves.iter().enumerate() {
            let n = width(ty);
            let raw = (0..n).filter(|i| bits.get(at + i) == Some(&true)).fold(0u128, |r, i| r | 1 << i);
            at += n;
            t.regs[dst + l] = match ty {
                Type::Ptr(_) => Slot::of_pointer(self.memory.pointer_to(raw as u64)),
                ty => match widened(ty).filter(|_| self.options.wide) {
                    Some(f) => Slot { lo: float_of_bits(f, raw as u64).to_bits(), hi: 0 },
                    None => Slot { lo: raw as u64, hi: (raw >> 64) as u64 },
                },
            };
        }
    }
}
