//! Where floats lie in the objects of memory, and in which format: told by the accesses to them.
//!
//! Objects are arrays of records: offsets are known modulo the size of a record ([`super::congruence`]), so that fields of
//! different formats are told apart as long as they do not overlap.

mod declared;

use super::congruence::{Residue, Residues};
use super::integers::{computed_with, float_bits, handed_on, is_number, numbers, stored, used_as_integers};
use super::provenance::{Base, Provenance, PtrKind};
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Records longer than this are not told apart field by field.
const LONGEST: u64 = 1 << 16;

/// A float in a record, and the access that says so.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Cell {
    format: FloatTy,
    by: Option<Inst>,
}

/// Two accesses that take the same bytes for different floats.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Clash {
    /// An object that both may touch.
    pub base: Base,
    /// The one that came first, with its format.
    pub first: (Option<Inst>, FloatTy),
    /// The other.
    pub second: (Option<Inst>, FloatTy),
}

/// The floats of one object, or of several that pointers do not tell apart.
#[derive(Clone, Debug, Default)]
struct Record {
    /// Size; 0 when every offset is a constant.
    modulus: u64,
    /// Nothing but floats of one format.
    alike: bool,
    cells: BTreeMap<i64, Cell>,
    /// Bytes of integers that the kernel computes with.
    integers: BTreeSet<i64>,
    clashes: Vec<Clash>,
}

/// Floats of all objects.
#[derive(Clone, Debug)]
pub struct Fields {
    residues: Residues,
    group: HashMap<Base, usize>,
    records: Vec<Record>,
}

/// A part of an access: byte offset in it, and what is accessed there.
type Leaf = (u64, Type);

/// The scalars of a type, with their byte offsets.
pub fn leaves(k: &Kernel, ty: Type) -> Vec<Leaf> {
    let mut out = Vec::new();
    push_leaves(k, ty, 0, &mut out);
    out
}

fn push_leaves(k: &Kernel, ty: Type, at: u64, out: &mut Vec<Leaf>) {
    match ty {
        Type::Vec(l, n) => {
            let size = k.bytes(l.ty());
            out.extend((0..u64::from(n)).map(|i| (at + i * size, l.ty())));
        }
        Type::Agg(id) => match k.aggs[id].clone() {
            AggTy::Struct { fields, offsets, .. } => {
                for (f, o) in fields.into_iter().zip(offsets) {
                    push_leaves(k, f, at + u64::from(o), out);
                }
            }
            AggTy::Array { elem, len, stride, .. } => {
                for i in 0..len {
                    push_leaves(k, elem, at + u64::from(i) * u64::from(stride), out);
                }
            }
        },
        ty => out.push((at, ty)),
    }
}

/// Pointer and type of what an instruction accesses.
pub fn access(k: &Kernel, i: Inst) -> Option<(Value, Type)> {
    match &k.insts[i].op {
        Op::Load { ptr, .. } => Some((*ptr, k.ty(k.insts[i].result?))),
        Op::Store { ptr, val, .. } | Op::AtomicRmw { ptr, val, .. } => Some((*ptr, k.ty(*val))),
        Op::CmpXchg { ptr, new, .. } => Some((*ptr, k.ty(*new))),
        _ => None,
    }
}

impl Fields {
    /// Gathers what the accesses say of which `counts` is true. `also` gives formats of whole objects, for what no
    /// access says anything of.
    pub fn new(
        k: &Kernel,
        cfg: &Cfg,
        prov: &Provenance,
        counts: &dyn Fn(Inst) -> bool,
        also: &dyn Fn(Base) -> Option<FloatTy>,
    ) -> Fields {
        let mut l = Fields { residues: Residues::new(k, cfg), group: HashMap::new(), records: Vec::new() };
        let insts: Vec<Inst> = cfg.rpo().iter().flat_map(|&b| k.blocks[b].insts.iter().copied()).collect();
        l.gather_objects(k, prov, &insts);
        let meant = meant_as_floats(k, &insts);
        for &i in &insts {
            let Some((ptr, ty)) = access(k, i).filter(|_| counts(i)) else { continue };
            let ty = meant.get(&i).copied().unwrap_or(ty);
            let (Some(g), Some(base)) = (l.group_of(prov, ptr), prov.of(ptr).bases.first().copied()) else {
                continue;
            };
            for (at, leaf) in leaves(k, ty) {
                if let Type::Float(format) = leaf {
                    let start = l.residues.of(ptr).rest.wrapping_add(at as i64);
                    l.records[g].put(start, Cell { format, by: Some(i) }, base);
                }
            }
        }
        l.counters(k, prov, &insts);
        l.integers(k, prov, &insts);
        l.declared(k, prov, &insts, also);
        l.copies(k, prov, &insts);
        l
    }

    /// Integers that are used as such and copied, in records with floats. As bits they may be called floats of their size: what shadow
    /// there is of them is zero, in any format; and then they are copied with the rest.
    fn integers(&mut self, k: &Kernel, prov: &Provenance, insts: &[Inst]) {
        let (used, stored) = (used_as_integers(k, insts), stored(k, insts));
        let back = self.put_back(k, prov, insts);
        for &i in insts {
            let Op::Load { ptr, .. } = k.insts[i].op else { continue };
            let Some(r) =
                k.insts[i].result.filter(|r| back.contains(r) || used.contains(r) && stored.contains(r))
            else {
                continue;
            };
            let format = match k.ty(r) {
                Type::Int(16) => FloatTy::F16,
                Type::Int(32) => FloatTy::F32,
                Type::Int(64) => FloatTy::F64,
                _ => continue,
            };
            let (Some(g), Some(base)) = (self.group_of(prov, ptr), prov.of(ptr).bases.first().copied())
            else {
                continue;
            };
            let Some(at) = self.place(g, ptr) else { continue };
            let record = &mut self.records[g];
            if record.has_other(at, format.bytes().into()) && !record.counts(at, format.bytes().into()) {
                record.put(at, Cell { format, by: Some(i) }, base);
            }
        }
    }

    /// Loads whose value is stored, unchanged, to where it came from and to no other place: padding, and members that a record brings along.
    fn put_back(&self, k: &Kernel, prov: &Provenance, insts: &[Inst]) -> BTreeSet<Value> {
        let place =
            |ptr: Value, v: Value| Some((self.group_of(prov, ptr)?, self.residues.of(ptr).rest, k.ty(v)));
        let mut homes: HashMap<Value, bool> = HashMap::new();
        for &i in insts {
            let Op::Store { ptr, val, .. } = &k.insts[i].op else { continue };
            for v in handed_on(k, *val) {
                let Some(Op::Load { ptr: from, .. }) = k.def_op(v) else { continue };
                let home = place(*from, v).is_some() && place(*from, v) == place(*ptr, *val);
                *homes.entry(v).or_insert(true) &= home;
            }
        }
        homes.into_iter().filter(|(_, home)| *home).map(|(v, _)| v).collect()
    }

    /// Integers that the kernel computes with, in records whose floats are elsewhere: they are no bits of floats. Nothing that is one, or
    /// becomes one, passes through the same bytes.
    fn counters(&mut self, k: &Kernel, prov: &Provenance, insts: &[Inst]) {
        let (computed, bits) = (computed_with(k, insts), float_bits(k, insts));
        let mut spoilt: Vec<(usize, i64)> = Vec::new();
        for &i in insts {
            let Some((ptr, ty)) = access(k, i).filter(|(_, ty)| matches!(ty, Type::Int(_))) else { continue };
            let Some(g) = self.group_of(prov, ptr) else { continue };
            let (Some(at), bytes) = (self.place(g, ptr), k.bytes(ty)) else { continue };
            let own = |v: Option<Value>, set: &BTreeSet<Value>| v.is_some_and(|v| set.contains(&v));
            let stored = match &k.insts[i].op {
                Op::Store { val, .. } | Op::AtomicRmw { val, .. } => Some(*val),
                Op::CmpXchg { new, .. } => Some(*new),
                _ => None,
            };
            let result = k.insts[i].result;
            let record = &mut self.records[g];
            let range = (0..bytes as i64).map(|n| record.reduce(at.wrapping_add(n)));
            if own(result, &bits) || own(stored, &bits) {
                spoilt.extend(range.map(|n| (g, n)));
                continue;
            }
            let number = |v: &Value| {
                is_number(k, *v)
                    || matches!(k.def_op(*v), Some(Op::Load { ptr, .. }) if prov.kind(*ptr) == PtrKind::Plain)
            };
            let counts = matches!(&k.insts[i].op, Op::AtomicRmw { op: RmwOp::Add | RmwOp::Sub, .. })
                || stored.is_some_and(|v| handed_on(k, v).iter().any(number));
            if (counts || own(result, &computed)) && record.has_other(at, bytes) {
                let range: Vec<i64> = range.collect();
                record.integers.extend(range);
            }
        }
        for (g, n) in spoilt {
            self.records[g].integers.remove(&n);
        }
    }

    /// True when what is accessed is an integer that the kernel computes with, and no bits of a float.
    pub fn is_integer(&self, prov: &Provenance, ptr: Value, bytes: u64) -> bool {
        self.group_of(prov, ptr).is_some_and(|g| {
            let (record, at) = (&self.records[g], self.place(g, ptr));
            record.clashes.is_empty() && at.is_some_and(|at| record.counts(at, bytes))
        })
    }

    /// The floats among `bytes` bytes at a pointer, as (offset, format), in order. `None` when accesses contradict each
    /// other, or a float lies across the end.
    pub fn floats(&self, prov: &Provenance, ptr: Value, bytes: u64) -> Option<Vec<(u64, FloatTy)>> {
        let g = self.group_of(prov, ptr)?;
        let (record, rest) = (&self.records[g], self.place(g, ptr)?);
        if !record.clashes.is_empty() {
            return None;
        }
        let (mut at, mut out) = (0, Vec::new());
        while at < bytes {
            match record.at(rest.wrapping_add(at as i64)) {
                Some((0, format)) if at + u64::from(format.bytes()) <= bytes => {
                    out.push((at, format));
                    at += u64::from(format.bytes());
                }
                Some(_) => return None,
                None => at += 1,
            }
        }
        Some(out)
    }

    /// The contradictions, one for each object.
    pub fn clashes(&self) -> impl Iterator<Item = &Clash> {
        self.records.iter().filter_map(|r| r.clashes.first())
    }

    fn group_of(&self, prov: &Provenance, ptr: Value) -> Option<usize> {
        self.group.get(prov.of(ptr).bases.first()?).copied()
    }

    /// Where in its record a pointer points, if that is known as well as for the record's floats.
    fn place(&self, g: usize, ptr: Value) -> Option<i64> {
        let own = self.residues.of(ptr);
        let known = match (self.records[g].modulus, own.modulus) {
            (_, 0) => true,
            _ if self.records[g].alike => true,
            (0, _) => false,
            (record, own) => own % record == 0,
        };
        known.then_some(own.rest)
    }

    /// Objects that one pointer may point into are one; sizes of their records.
    fn gather_objects(&mut self, k: &Kernel, prov: &Provenance, insts: &[Inst]) {
        let known = |b: &Base| !matches!(b, Base::Unknown | Base::Field { offset: None, .. });
        let mut sets: Vec<BTreeSet<Base>> = Vec::new();
        let mut pointers: BTreeSet<Value> = BTreeSet::new();
        for &i in insts {
            match &k.insts[i].op {
                Op::MemCopy { dst, src, .. } => pointers.extend([*dst, *src]),
                _ => pointers.extend(access(k, i).map(|(p, _)| p)),
            }
        }
        for &p in &pointers {
            let mut own = prov.of(p).bases;
            if own.is_empty() || !own.iter().all(known) {
                // What lies at other places of an object that is reached through unknown pointers too is not known.
                own.insert(Base::Unknown);
            }
            let (touching, apart): (Vec<_>, Vec<_>) = sets.into_iter().partition(|s| !s.is_disjoint(&own));
            sets = apart;
            touching.into_iter().for_each(|s| own.extend(s));
            sets.push(own);
        }
        for set in sets.into_iter().filter(|s| s.iter().all(known)) {
            let g = self.records.len();
            self.records.push(Record::default());
            self.group.extend(set.into_iter().map(|b| (b, g)));
        }
        // Numbers in arrays within a record are found at offsets that say nothing of where its floats lie.
        let (mut tells, numbers) = (BTreeSet::new(), numbers(k, insts));
        for &i in insts {
            match &k.insts[i].op {
                Op::MemCopy { dst, src, .. } => tells.extend([*dst, *src]),
                _ if numbers.contains(&i) => {}
                _ => tells.extend(access(k, i).map(|(p, _)| p)),
            }
        }
        for &p in tells.iter().chain(pointers.difference(&tells)) {
            let Some(g) = self.group_of(prov, p) else { continue };
            let old = match self.records[g].modulus {
                0 => Residue::exact(0),
                modulus => Residue { modulus, rest: 0 },
            };
            // Constant offsets tell nothing about the size of a record.
            if self.residues.of(p).modulus != 0 {
                let own = Residue { rest: 0, ..self.residues.of(p) };
                let modulus = old.join(own).modulus;
                if tells.contains(&p) || old.modulus == 0 && modulus >= 8 {
                    self.records[g].modulus = modulus;
                }
            }
        }
        for r in &mut self.records {
            if r.modulus > LONGEST {
                r.modulus = 1 << r.modulus.trailing_zeros().min(16);
            }
        }
    }

    /// What lies in one of two objects lies in the other too, when bytes are copied between them.
    fn copies(&mut self, k: &Kernel, prov: &Provenance, insts: &[Inst]) {
        let mut rounds = 0;
        loop {
            let mut changed = false;
            for &i in insts {
                let Op::MemCopy { dst, src, len, .. } = k.insts[i].op else { continue };
                let (Some(g), Some(h)) = (self.group_of(prov, dst), self.group_of(prov, src)) else {
                    continue;
                };
                let Some(base) = prov.of(dst).bases.first().copied() else { continue };
                let whole = self.records[g].modulus.max(self.records[h].modulus).max(8);
                let len = match k.as_int(len) {
                    Some(n) if n >= 0 => (n as u64).min(LONGEST),
                    _ => whole,
                };
                let (to, from) = (self.residues.of(dst).rest, self.residues.of(src).rest);
                for (a, b, x, y) in [(h, g, from, to), (g, h, to, from)] {
                    for (n, format) in self.records[a].whole(x, len) {
                        let cell = Cell { format, by: Some(i) };
                        changed |= self.records[b].put(y.wrapping_add(n as i64), cell, base);
                    }
                }
            }
            rounds += 1;
            if !changed || rounds > 8 {
                return;
            }
        }
    }
}

impl Record {
    fn reduce(&self, at: i64) -> i64 {
        match self.modulus {
            0 => at,
            m => at.rem_euclid(m as i64),
        }
    }

    /// True when the record has floats, and none among these bytes.
    fn has_other(&self, at: i64, bytes: u64) -> bool {
        let free = (0..bytes as i64).all(|n| self.at(at.wrapping_add(n)).is_none());
        free && !self.cells.is_empty() && (self.modulus == 0 || self.modulus > bytes)
    }

    /// True when all these bytes are of integers that the kernel computes with.
    fn counts(&self, at: i64, bytes: u64) -> bool {
        (0..bytes as i64).all(|n| self.integers.contains(&self.reduce(at.wrapping_add(n))))
    }

    /// The float that the byte at an offset belongs to, and the byte's place in it.
    fn at(&self, offset: i64) -> Option<(u64, FloatTy)> {
        // Offsets may be known less well than a float is long; then all floats of the object are alike and aligned.
        (0..8).find_map(|back| {
            let c = self.cells.get(&self.reduce(offset.wrapping_sub(back)))?;
            (u64::from(c.format.bytes()) > back as u64).then_some((back as u64, c.format))
        })
    }

    /// The floats that lie whole in `len` bytes, as (distance, format).
    fn whole(&self, from: i64, len: u64) -> Vec<(u64, FloatTy)> {
        let (mut n, mut out) = (0, Vec::new());
        while n < len {
            // Where only the format is known there is one at every byte: they lie side by side.
            n += match self.at(from.wrapping_add(n as i64)) {
                Some((0, f)) if n + u64::from(f.bytes()) <= len => {
                    out.push((n, f));
                    u64::from(f.bytes())
                }
                _ => 1,
            };
        }
        out
    }

    /// Notes a float. True when it was not known yet.
    fn put(&mut self, offset: i64, cell: Cell, base: Base) -> bool {
        let size = i64::from(cell.format.bytes());
        // Records shorter than a float, or no multiple of it: its place is not known, but all floats may be alike.
        let start = match self.modulus {
            m if m > 0 && m < size as u64 => 0,
            _ => self.reduce(offset),
        };
        let unplaced = self.modulus > 0 && self.modulus < size as u64;
        // Cells that begin up to seven bytes before, or inside.
        let other = (-7..size).find_map(|d| {
            let at = if unplaced { 0 } else { self.reduce(start.wrapping_add(d)) };
            let c = *self.cells.get(&at)?;
            let overlaps = d > -i64::from(c.format.bytes());
            (overlaps && (c.format != cell.format || at != start)).then_some(c)
        });
        if let Some(c) = other {
            let clash = Clash { base, first: (c.by, c.format), second: (cell.by, cell.format) };
            if self.clashes.is_empty() {
                self.clashes.push(clash);
                return true;
            }
            return false;
        }
        if self.cells.contains_key(&start) {
            return false;
        }
        self.cells.insert(start, cell);
        true
    }
}

/// Accesses of integers that are made from floats or made into floats, with the float type of the same size.
fn meant_as_floats(k: &Kernel, insts: &[Inst]) -> HashMap<Inst, Type> {
    let mut out = HashMap::new();
    let mut note = |i: Inst, width: u64, float: Type| {
        let size = k.bytes(float);
        let ty = match float {
            ty if size == width => ty,
            Type::Float(f) if width % size == 0 => Type::Vec(Lane::Float(f), (width / size) as u16),
            _ => return,
        };
        out.insert(i, ty);
    };
    for &i in insts {
        match &k.insts[i].op {
            Op::Cast { op: CastOp::Bitcast, a, .. } => {
                let ty = k.insts[i].result.map_or(Type::Void, |r| k.ty(r));
                if let (true, Some((load, width))) = (ty.is_float(), taken_from(k, *a, k.bytes(ty) * 8)) {
                    note(load, width, ty);
                }
            }
            Op::Store { val, .. } => {
                if let Some(ty) = made_of(k, *val, 8) {
                    note(i, k.bytes(k.ty(*val)), ty);
                }
            }
            _ => {}
        }
    }
    out
}

/// The load of an integer of which `v` is a part, `bits` wide, and its size.
fn taken_from(k: &Kernel, mut v: Value, bits: u64) -> Option<(Inst, u64)> {
    loop {
        match k.def_op(v)? {
            Op::Load { .. } => return Some((k.def_inst(v)?, k.bytes(k.ty(v)))),
            Op::Cast { op: CastOp::Trunc, a, .. } => v = *a,
            Op::Binary { op: BinOp::LShr, a, b, .. } if k.as_int(*b)? as u64 % bits == 0 => v = *a,
            _ => return None,
        }
    }
}

/// The float that an integer was made of, whole or packed with others.
pub fn made_of(k: &Kernel, v: Value, depth: u32) -> Option<Type> {
    let deeper = |v: Value| made_of(k, v, depth.checked_sub(1)?);
    match k.def_op(v)? {
        Op::Cast { op: CastOp::Bitcast, a, .. } if k.ty(*a).is_float() => Some(k.ty(*a)),
        Op::Cast { op: CastOp::ZExt, a, .. } => deeper(*a).filter(|ty| matches!(ty, Type::Float(_))),
        Op::Binary { op: BinOp::Shl, a, b, .. } => {
            let by = k.as_int(*b)? as u64;
            deeper(*a).filter(|ty| matches!(ty, Type::Float(_)) && by % (k.bytes(*ty) * 8) == 0)
        }
        Op::Binary { op: BinOp::Or, a, b, .. } => deeper(*a).or_else(|| deeper(*b)),
        _ => None,
    }
}
