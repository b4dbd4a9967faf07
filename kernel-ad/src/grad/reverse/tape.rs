//! Writing and reading the records of iterations.

use super::sweep::{Ends, Sweep};
use crate::canon::first_non_phi;
use crate::cfg::LoopId;
use crate::kernel::*;
use crate::plan::Plan;

/// Where the tape lies.
#[derive(Clone, Copy, Debug)]
pub enum Tape {
    /// Nothing is saved.
    None,
    /// An array of the thread's own; the variable holds the offset of the next record.
    Local { array: Value, at: Value },
    /// The launcher's memory.
    Global { at: Value },
}

impl Tape {
    pub fn position(self) -> Option<Value> {
        match self {
            Tape::None => None,
            Tape::Local { at, .. } | Tape::Global { at } => Some(at),
        }
    }
}

/// Bytes of a loop's record, padding included.
pub fn record_bytes(plan: &Plan, l: LoopId) -> u64 {
    let align = crate::plan::tape_align(plan);
    plan.frames.get(&l).map_or(0, |f| f.bytes.next_multiple_of(align))
}

/// From the forward sweep to the reverse sweep, for threads whose tape had room for all: records that were not written would be read as
/// addresses. The others note what they needed and end.
pub fn turn(k: &mut Kernel, ends: &Ends, position: Value) {
    let tape = k.tape.clone().expect("a position on the tape");
    let ret = k.terminator(ends.exit);
    let here = k.blocks[ends.exit].insts.len() - 1;
    let mut b = KernelBuilder::new(k);
    let short = b.block("tape.short");
    b.at = Cursor::At(ends.exit, here);
    let (at, capacity) = (b.load(Type::I64, position, MemFlags::plain(8)), b.k.param_value(tape.capacity));
    let full = b.icmp(IntPred::Ugt, at, capacity);
    b.k.insts[ret].op = Op::CondBr { cond: full, then: short, els: ends.first };
    b.at = Cursor::End(short);
    // A store that does not fit is not made: it notes how far it would have reached.
    let (one, zero) = (b.k.int(Type::I64, 1), b.k.int(Type::Int(8), 0));
    let last = b.binary(BinOp::Sub, at, one);
    b.tape_store(last, zero);
    b.ret();
}

impl Sweep<'_> {
    /// Writes a record at the end of every iteration of the forward sweep, also the last.
    pub fn forward_tape(&mut self, b: &mut KernelBuilder<'_>) {
        let Some(position) = self.tape.position() else { return };
        let entry = b.k.entry();
        b.at = Cursor::At(entry, first_non_alloca(b.k, entry));
        let plan = self.plan;
        let start = b.k.int(Type::I64, crate::plan::root_bytes(plan).into());
        self.set(b, position, start);
        for (&l, frame) in &plan.frames {
            let region = self.input.regions.loops[l].clone();
            let end = b.k.blocks[region.latch].insts.len() - 1;
            b.at = Cursor::At(region.latch, end);
            self.push(b, l);
            for &(_, pad) in &region.exits {
                b.at = Cursor::At(pad, first_non_phi(b.k, pad));
                self.push(b, l);
            }
            // A value that some iterations do not reach is written all the same; let it be zero there.
            for &(v, _) in &frame.slots {
                let def = self.blocks.of(v).expect("saved values are defined by instructions");
                let dom = self.input.dom;
                let always = dom.dominates(def, region.latch)
                    && region.exits.iter().all(|(from, _)| dom.dominates(def, *from));
                if !always {
                    b.at = Cursor::At(region.header, first_non_phi(b.k, region.header));
                    let ty = b.k.ty(v);
                    let zero = b.k.zero(ty);
                    self.set(b, self.kept[&v], zero);
                }
            }
        }
    }

    fn push(&mut self, b: &mut KernelBuilder<'_>, l: LoopId) {
        let Some(position) = self.tape.position() else { return };
        let plan = self.plan;
        let at = self.read(b, position, Type::I64);
        for &(v, offset) in &plan.frames[&l].slots {
            let ty = b.k.ty(v);
            let x = self.read(b, self.kept[&v], ty);
            let x = widen(b, x);
            self.write(b, at, offset, x);
        }
        let bytes = b.k.int(Type::I64, record_bytes(plan, l).into());
        let next = b.binary(BinOp::Add, at, bytes);
        self.set(b, position, next);
    }

    /// Reads the record of an iteration when the reverse sweep enters it.
    pub fn pop(&mut self, b: &mut KernelBuilder<'_>, l: LoopId) {
        let (Some(position), Some(frame)) = (self.tape.position(), self.plan.frames.get(&l)) else { return };
        let bytes = b.k.int(Type::I64, record_bytes(self.plan, l).into());
        let top = self.read(b, position, Type::I64);
        let at = b.binary(BinOp::Sub, top, bytes);
        self.set(b, position, at);
        for &(v, offset) in &frame.slots {
            let ty = b.k.ty(v);
            let stored = stored_type(ty);
            let mut x = self.load_tape(b, at, offset, stored);
            if stored != ty {
                x = b.cast(CastOp::Trunc, x, ty);
            }
            self.set(b, self.kept[&v], x);
            self.stats.saved += u32::from(l == self.home(v));
        }
    }

    fn home(&self, v: Value) -> LoopId {
        self.blocks.region(self.input.regions, v).expect("saved values are defined in loops")
    }

    fn write(&mut self, b: &mut KernelBuilder<'_>, at: Value, offset: u64, x: Value) {
        let place = add_offset(b, at, offset);
        match self.tape {
            Tape::Local { array, .. } => {
                let p = b.ptr_add(array, place);
                let align = b.k.bytes(b.k.ty(x)) as u32;
                b.store(p, x, MemFlags::plain(align));
            }
            _ => b.tape_store(place, x),
        }
    }

    fn load_tape(&mut self, b: &mut KernelBuilder<'_>, at: Value, offset: u64, ty: Type) -> Value {
        let place = add_offset(b, at, offset);
        match self.tape {
            Tape::Local { array, .. } => {
                let p = b.ptr_add(array, place);
                let align = b.k.bytes(ty) as u32;
                b.load(ty, p, MemFlags::plain(align))
            }
            _ => b.tape_load(place, ty),
        }
    }
}

fn add_offset(b: &mut KernelBuilder<'_>, at: Value, offset: u64) -> Value {
    if offset == 0 {
        return at;
    }
    let n = b.k.int(Type::I64, offset.into());
    b.binary(BinOp::Add, at, n)
}

/// Odd integers are stored in the next power of two of bytes.
pub fn stored_type(ty: Type) -> Type {
    match ty {
        Type::Int(w) => Type::Int(w.max(8).next_power_of_two()),
        t => t,
    }
}

pub fn widen(b: &mut KernelBuilder<'_>, v: Value) -> Value {
    let ty = b.k.ty(v);
    let to = stored_type(ty);
    if to == ty {
        v
    } else {
        b.cast(CastOp::ZExt, v, to)
    }
}

pub fn first_non_alloca(k: &Kernel, b: Block) -> usize {
    let insts = &k.blocks[b].insts;
    insts.iter().rposition(|&i| matches!(k.insts[i].op, Op::Alloca { .. })).map_or(0, |i| i + 1)
}
