//! Where lanes part: a scalar copy of the rest of the kernel, run lane by lane.
//!
//! What is live is kept in arrays with one element per lane. A loop over the lanes copies a lane's elements to *slots*, which
//! hold all values that live across blocks of the copy (LLVM makes registers of them), and enters the copy where the lanes
//! parted; the end of the copy goes on to the next lane.

use super::emit::{Rep, Widen};
use super::shape::Shape;
use crate::cfg::{Cfg, Liveness};
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// One place where lanes part.
struct Place {
    /// The block that keeps what is live.
    kept: Block,
    from: Block,
    to: Block,
    /// The condition, and where lanes go in which it does not hold.
    otherwise: Option<(Value, Block)>,
}

/// All places, and the memory for what they keep.
#[derive(Default)]
pub(super) struct Parting {
    places: Vec<Place>,
    live: Option<Liveness>,
    kept: HashMap<Value, Value>,
}

/// The lanes part and all go to `to`. Gives the block to jump to.
pub(super) fn to_one(w: &mut Widen, from: Block, to: Block) -> Block {
    keep(w, from, to, None)
}

/// The lanes part, each as its condition says.
pub(super) fn by_condition(w: &mut Widen, from: Block, cond: Value, then: Block, els: Block) -> Block {
    keep(w, from, then, Some((cond, els)))
}

/// Values that a block needs when it is entered from another: those live at its start, and those of its phis.
fn wanted(w: &mut Widen, from: Block, to: Block) -> Vec<Value> {
    let k = &w.src.k;
    let live = w.parting.live.get_or_insert_with(|| Liveness::new(k, &Cfg::new(k)));
    let mut all: Vec<Value> = live.live_in(to).collect();
    all.extend(phis_of(k, from, to).into_iter().map(|(_, v)| v).filter(|&v| k.def_inst(v).is_some()));
    all.retain(|&v| !is_alloca(k, v));
    all.sort_unstable();
    all.dedup();
    all
}

/// Allocas stand in the entry block, so their addresses are at hand everywhere.
fn is_alloca(k: &Kernel, v: Value) -> bool {
    matches!(k.def_op(v), Some(Op::Alloca { .. }))
}

/// Phis of a block with the value that comes from a predecessor.
fn phis_of(k: &Kernel, from: Block, to: Block) -> Vec<(Value, Value)> {
    let phi = |&i: &Inst| match &k.insts[i].op {
        Op::Phi { incoming } => {
            let v = incoming.iter().find(|(p, _)| *p == from).map(|(_, v)| *v)?;
            Some((k.insts[i].result?, v))
        }
        _ => None,
    };
    k.blocks[to].insts.iter().map_while(phi).collect()
}

fn keep(w: &mut Widen, from: Block, to: Block, otherwise: Option<(Value, Block)>) -> Block {
    let kept = w.new_block("part");
    let before = w.cursor;
    w.go_to(Cursor::End(kept));
    let mut all = wanted(w, from, to);
    if let Some((cond, els)) = otherwise {
        all.extend(wanted(w, from, els));
        all.push(cond);
        all.sort_unstable();
        all.dedup();
    }
    for v in all {
        keep_value(w, v);
    }
    w.go_to(before);
    w.parting.places.push(Place { kept, from, to, otherwise });
    kept
}

/// The type that a value has in memory: integers of whole bytes.
fn memory_ty(ty: Type) -> Type {
    match ty {
        Type::Int(w) if w <= 64 => Type::Int(w.next_multiple_of(8).next_power_of_two()),
        ty => ty,
    }
}

fn plain(k: &Kernel, ty: Type) -> MemFlags {
    let bytes = k.bytes(ty);
    MemFlags::plain(if bytes.is_power_of_two() { bytes.min(16) as u32 } else { 1 })
}

/// New memory of the thread, in the entry block.
fn alloca(w: &mut Widen, bytes: u64) -> Value {
    let space = match w.src.k.source.arch {
        Arch::Amdgpu => AddrSpace::Local,
        Arch::Nvptx => AddrSpace::Generic,
    };
    let entry = w.blocks[&w.src.k.entry()];
    let before = w.cursor;
    w.go_to(Cursor::At(entry, 0));
    let p = w.with(|f| f.alloca(bytes.max(1), 64, space));
    w.go_to(match before {
        Cursor::At(b, i) if b == entry => Cursor::At(b, i + 1),
        other => other,
    });
    p
}

fn kept_at(w: &mut Widen, v: Value) -> Value {
    if let Some(&p) = w.parting.kept.get(&v) {
        return p;
    }
    let bytes = w.out.bytes(memory_ty(w.src.k.ty(v))) * u64::from(w.width);
    let p = alloca(w, bytes);
    w.parting.kept.insert(v, p);
    p
}

fn keep_value(w: &mut Widen, v: Value) {
    let ty = w.src.k.ty(v);
    let whole = memory_ty(ty);
    let flags = plain(&w.out, whole);
    let at = kept_at(w, v);
    match w.rep(v) {
        Rep::First(x) => {
            let x = to_memory(w, x, ty);
            w.with(|f| f.store(at, x, flags));
        }
        Rep::Vector(x) => {
            let x = match whole {
                Type::Int(bits) => w.resized(x, Lane::Int(bits), CastOp::ZExt),
                _ => x,
            };
            w.with(|f| f.store(at, x, flags));
        }
        Rep::Each(each) => {
            for (l, x) in each.into_iter().enumerate() {
                let p = w.stepped(at, (l as u64 * w.out.bytes(whole)) as i64);
                w.with(|f| f.store(p, x, flags));
            }
        }
    }
}

fn to_memory(w: &mut Widen, x: Value, ty: Type) -> Value {
    match memory_ty(ty) {
        whole if whole == ty => x,
        whole => w.with(|f| f.cast(CastOp::ZExt, x, whole)),
    }
}

fn from_memory(w: &mut Widen, x: Value, ty: Type) -> Value {
    match memory_ty(ty) {
        whole if whole == ty => x,
        _ => w.with(|f| f.cast(CastOp::Trunc, x, ty)),
    }
}

/// Writes the loop over the lanes and the copy, if there is any place where lanes part.
pub(super) fn emit(w: &mut Widen) {
    let places = std::mem::take(&mut w.parting.places);
    if places.is_empty() {
        return;
    }
    w.loc = None;
    let (head, latch, done) = (w.new_block("lane"), w.new_block("nextlane"), w.new_block("lanesdone"));
    let mut copy = Copy {
        blocks: HashMap::new(),
        slots: HashMap::new(),
        phis: HashMap::new(),
        lane: Value::from_u32(0),
        latch,
    };
    let (zero, one) = (w.out.int(Type::I32, 0), w.out.int(Type::I32, 1));
    w.go_to(Cursor::End(head));
    let lane = w.with(|f| f.phi(Type::I32, Vec::new()));
    let which = w.with(|f| f.phi(Type::I32, Vec::new()));
    copy.lane = lane;
    w.go_to(Cursor::End(latch));
    let next = w.with(|f| f.binary(BinOp::Add, lane, one));
    let width = w.out.int(Type::I32, w.width.into());
    let more = w.with(|f| f.icmp(IntPred::Ult, next, width));
    w.with(|f| f.cond_br(more, head, done));
    w.go_to(Cursor::End(done));
    w.with(|f| f.ret());
    let (mut lanes, mut whiches) = (vec![(latch, next)], vec![(latch, which)]);
    let mut cases = Vec::new();
    for (n, place) in places.iter().enumerate() {
        w.go_to(Cursor::End(place.kept));
        w.with(|f| f.br(head));
        lanes.push((place.kept, zero));
        whiches.push((place.kept, w.out.int(Type::I32, n as i128)));
        cases.push((n as i128, copy.resume(w, place)));
    }
    for (phi, incoming) in [(lane, lanes), (which, whiches)] {
        let inst = w.out.def_inst(phi).expect("a phi");
        w.out.insts[inst].op = Op::Phi { incoming };
    }
    w.go_to(Cursor::End(head));
    let default = cases.remove(0).1;
    let op = match cases.is_empty() {
        true => Op::Br { to: default },
        false => Op::Switch { val: which, default, cases },
    };
    w.with(|f| f.insert(op, Type::Void));
    copy.blocks(w);
}

/// The scalar copy.
struct Copy {
    blocks: HashMap<Block, Block>,
    /// Memory of values that live across blocks.
    slots: HashMap<Value, Value>,
    /// Memory of what comes to a phi.
    phis: HashMap<Value, Value>,
    lane: Value,
    latch: Block,
}

impl Copy {
    fn block(&mut self, w: &mut Widen, b: Block) -> Block {
        if let Some(&x) = self.blocks.get(&b) {
            return x;
        }
        let x = w.new_block(&format!("lone{}", b.as_u32()));
        self.blocks.insert(b, x);
        x
    }

    fn slot(&mut self, w: &mut Widen, v: Value) -> Value {
        if let Some(&p) = self.slots.get(&v) {
            return p;
        }
        let p = alloca(w, w.out.bytes(memory_ty(w.src.k.ty(v))));
        self.slots.insert(v, p);
        p
    }

    fn phi_slot(&mut self, w: &mut Widen, v: Value) -> Value {
        if let Some(&p) = self.phis.get(&v) {
            return p;
        }
        let p = alloca(w, w.out.bytes(memory_ty(w.src.k.ty(v))));
        self.phis.insert(v, p);
        p
    }

    fn write(&self, w: &mut Widen, p: Value, x: Value, ty: Type) {
        let x = to_memory(w, x, ty);
        let flags = plain(&w.out, memory_ty(ty));
        w.with(|f| f.store(p, x, flags));
    }

    fn read(&self, w: &mut Widen, p: Value, ty: Type) -> Value {
        let whole = memory_ty(ty);
        let flags = plain(&w.out, whole);
        let x = w.with(|f| f.load(whole, p, flags));
        from_memory(w, x, ty)
    }

    /// This lane's value of what was kept.
    fn kept(&self, w: &mut Widen, v: Value) -> Value {
        let ty = w.src.k.ty(v);
        let at = kept_at(w, v);
        match (w.rep(v), w.shape(v)) {
            (Rep::First(_), Shape::Step(s)) => {
                let x = self.read(w, at, ty);
                if s == 0 {
                    x
                } else {
                    self.step(w, x, s)
                }
            }
            _ => {
                let bytes = w.out.bytes(memory_ty(ty)) as i64;
                let at = self.step(w, at, bytes);
                self.read(w, at, ty)
            }
        }
    }

    /// This lane's part of an alloca.
    fn own_alloca(&self, w: &mut Widen, v: Value) -> Value {
        let all = w.first(v);
        match w.shape(v) {
            Shape::Step(s) => self.step(w, all, s),
            Shape::Varying => all,
        }
    }

    /// `x + lane * step`.
    fn step(&self, w: &mut Widen, x: Value, step: i64) -> Value {
        let lane = self.lane;
        let (ty, pointer) = match w.out.ty(x) {
            Type::Ptr(space) => (w.out.index_ty(space), true),
            ty => (ty, false),
        };
        let lane = match ty {
            Type::I32 => lane,
            Type::Int(bits) if bits > 32 => w.with(|f| f.cast(CastOp::ZExt, lane, ty)),
            _ => w.with(|f| f.cast(CastOp::Trunc, lane, ty)),
        };
        let by = w.out.int(ty, step.into());
        let offset = w.with(|f| f.binary(BinOp::Mul, lane, by));
        w.with(|f| {
            let of = f.k.ty(x);
            match pointer {
                true => f.value(Op::PtrAdd { ptr: x, offset, inbounds: false }, of),
                false => f.binary(BinOp::Add, x, offset),
            }
        })
    }

    /// The block in which a lane takes up its way.
    fn resume(&mut self, w: &mut Widen, place: &Place) -> Block {
        let start = w.new_block("resume");
        w.go_to(Cursor::End(start));
        match place.otherwise {
            None => self.enter(w, place.from, place.to),
            Some((cond, els)) => {
                let cond = self.kept(w, cond);
                let (yes, no) = (w.new_block("resumethen"), w.new_block("resumeelse"));
                w.with(|f| f.cond_br(cond, yes, no));
                w.go_to(Cursor::End(yes));
                self.enter(w, place.from, place.to);
                w.go_to(Cursor::End(no));
                self.enter(w, place.from, els);
            }
        }
        start
    }

    /// Fills the slots of what a block needs, and jumps there.
    fn enter(&mut self, w: &mut Widen, from: Block, to: Block) {
        for v in wanted(w, from, to) {
            let x = self.kept(w, v);
            let (slot, ty) = (self.slot(w, v), w.src.k.ty(v));
            self.write(w, slot, x, ty);
        }
        for (phi, v) in phis_of(&w.src.k, from, to) {
            let x = match w.src.k.def_inst(v) {
                None => v,
                Some(_) if is_alloca(&w.src.k, v) => self.own_alloca(w, v),
                Some(_) => self.kept(w, v),
            };
            let (slot, ty) = (self.phi_slot(w, phi), w.src.k.ty(phi));
            self.write(w, slot, x, ty);
        }
        let to = self.block(w, to);
        w.with(|f| f.br(to));
    }

    /// All blocks that can be reached.
    fn blocks(&mut self, w: &mut Widen) {
        let mut work: Vec<Block> = self.blocks.keys().copied().collect();
        work.sort_unstable();
        let mut seen: HashSet<Block> = work.iter().copied().collect();
        let mut all = Vec::new();
        while let Some(b) = work.pop() {
            all.push(b);
            for s in w.src.k.successors(b) {
                if seen.insert(s) {
                    work.push(s);
                }
            }
        }
        let crossing = crossing(&w.src.k);
        for b in all {
            self.copy(w, b, &crossing);
        }
    }

    fn copy(&mut self, w: &mut Widen, b: Block, crossing: &HashSet<Value>) {
        let at = self.block(w, b);
        w.go_to(Cursor::End(at));
        let mut local: HashMap<Value, Value> = HashMap::new();
        for i in w.src.k.blocks[b].insts.clone() {
            let data = w.src.k.insts[i].clone();
            w.loc = data.loc;
            if data.op.is_terminator() {
                self.pass_to_phis(w, b, &mut local);
                self.terminator(w, &data.op, &mut local);
                continue;
            }
            let ty = data.result.map_or(Type::Void, |r| w.src.k.ty(r));
            let x = self.inst(w, &data, ty, &mut local);
            if let (Some(r), Some(x)) = (data.result, x) {
                local.insert(r, x);
                if crossing.contains(&r) {
                    let slot = self.slot(w, r);
                    self.write(w, slot, x, ty);
                }
            }
        }
    }

    fn operand(&mut self, w: &mut Widen, v: Value, local: &mut HashMap<Value, Value>) -> Value {
        if w.src.k.def_inst(v).is_none() {
            return v;
        }
        if let Some(&x) = local.get(&v) {
            return x;
        }
        if is_alloca(&w.src.k, v) {
            let x = self.own_alloca(w, v);
            local.insert(v, x);
            return x;
        }
        let (slot, ty) = (self.slot(w, v), w.src.k.ty(v));
        let x = self.read(w, slot, ty);
        local.insert(v, x);
        x
    }

    fn inst(
        &mut self,
        w: &mut Widen,
        data: &InstData,
        ty: Type,
        local: &mut HashMap<Value, Value>,
    ) -> Option<Value> {
        match &data.op {
            Op::Phi { .. } => {
                let slot = self.phi_slot(w, data.result?);
                Some(self.read(w, slot, ty))
            }
            Op::Special(Special::ThreadId(0)) => {
                let first = w.with(|f| f.special(Special::ThreadId(0)));
                Some(w.with(|f| f.binary(BinOp::Add, first, self.lane)))
            }
            Op::TapeStore { offset, val } => {
                let of = w.src.k.ty(*val);
                let (offset, val) = (self.operand(w, *offset, local), self.operand(w, *val, local));
                let (at, val) = (self.tape_offset(w, offset, of), to_memory(w, val, of));
                w.with(|f| f.tape_store(at, val));
                None
            }
            Op::TapeLoad { offset } => {
                let offset = self.operand(w, *offset, local);
                let at = self.tape_offset(w, offset, ty);
                let x = w.with(|f| f.tape_load(at, memory_ty(ty)));
                Some(from_memory(w, x, ty))
            }
            op => {
                let mut op = op.clone();
                op.map_operands(|v| self.operand(w, v, local));
                let inst = w.with(|f| f.insert(op, ty));
                w.out.insts[inst].result
            }
        }
    }

    fn tape_offset(&self, w: &mut Widen, offset: Value, ty: Type) -> Value {
        let bytes = w.out.bytes(memory_ty(ty)) as i64;
        let width = w.out.int(Type::I64, w.width.into());
        let wide = w.with(|f| f.binary(BinOp::Mul, offset, width));
        self.step(w, wide, bytes)
    }

    /// Leaves what the successors' phis take. All is read before anything is written.
    fn pass_to_phis(&mut self, w: &mut Widen, b: Block, local: &mut HashMap<Value, Value>) {
        let mut writes = Vec::new();
        for s in w.src.k.successors(b) {
            for (phi, v) in phis_of(&w.src.k, b, s) {
                writes.push((phi, self.operand(w, v, local)));
            }
        }
        for (phi, x) in writes {
            let (slot, ty) = (self.phi_slot(w, phi), w.src.k.ty(phi));
            self.write(w, slot, x, ty);
        }
    }

    fn terminator(&mut self, w: &mut Widen, op: &Op, local: &mut HashMap<Value, Value>) {
        let mut op = op.clone();
        op.map_operands(|v| self.operand(w, v, local));
        op.map_blocks(|b| self.block(w, b));
        if op == Op::Ret {
            op = Op::Br { to: self.latch };
        }
        w.with(|f| f.insert(op, Type::Void));
    }
}

/// Values that are used outside of their block, by phis of other blocks too.
fn crossing(k: &Kernel) -> HashSet<Value> {
    let home: HashMap<Inst, Block> = k.iter_insts().map(|(b, i)| (i, b)).collect();
    let mut out = HashSet::new();
    for (b, i) in k.iter_insts() {
        let mut note = |at: Block, v: Value| {
            if k.def_inst(v).is_some_and(|d| home.get(&d) != Some(&at)) {
                out.insert(v);
            }
        };
        match &k.insts[i].op {
            Op::Phi { incoming } => incoming.iter().for_each(|&(p, v)| note(p, v)),
            op => op.for_each_operand(|v| note(b, v)),
        }
    }
    out
}
