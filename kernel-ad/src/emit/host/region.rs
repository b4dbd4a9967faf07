//! Builds the code of one region.

use super::cheap::Cheap;
use super::graph::{phi_input, Graph};
use super::slots::{slot_size, stored_type, Slot, Slots};
use super::split::{constant, cut_operands, Region, States};
use crate::kernel::*;
use shadow_mem::host::EXITED;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Values of the parameters that regions have behind the kernel's own.
#[derive(Clone, Copy, Debug)]
pub struct Hidden {
    /// Slots, for all threads.
    pub slots: Value,
    /// Threads that each slot has room for, i64.
    pub stride: Value,
    /// Number of the thread in its block, i64.
    pub thread: Value,
    /// States, for all threads.
    pub next: Value,
    /// The thread's local memory.
    pub local: Value,
}

impl Hidden {
    /// Number of the parameters.
    pub const COUNT: usize = 5;

    /// Appends the parameters to a kernel.
    pub fn add(k: &mut Kernel) -> Hidden {
        let mut param = |name: &str, ty: Type| k.add_param(Param::new(format!("kad.{name}"), ty));
        let ptr = Type::Ptr(AddrSpace::Generic);
        Hidden {
            slots: param("slots", ptr),
            stride: param("stride", Type::I64),
            thread: param("thread", Type::I64),
            next: param("next", ptr),
            local: param("local", ptr),
        }
    }
}

/// What all regions of a kernel share.
pub(super) struct Context<'a> {
    pub k: &'a Kernel,
    pub g: &'a Graph,
    pub cheap: &'a Cheap<'a>,
    pub hidden: Hidden,
    pub slots: &'a Slots,
    pub states: &'a States,
    pub forced: &'a BTreeSet<usize>,
    pub locals: &'a BTreeMap<Value, u64>,
}

/// The code of the region with that entry.
///
/// Every instruction of the kernel is in a region once at most, so instructions and values keep their ids. What lives into
/// the region is loaded at its start. A value that both lives in and is computed anew inside (around a loop) goes through an
/// alloca, which LLVM turns into phis.
pub(super) fn build(cx: &Context, entry: usize) -> Region {
    let mut b = Builder::new(cx, entry);
    b.prologue();
    for n in b.nodes.clone() {
        b.reduce_phis(n);
    }
    for n in b.nodes.clone() {
        b.node(n);
    }
    let exit = match b.exits.iter().copied().collect::<Vec<_>>()[..] {
        [] => Some(EXITED),
        [one] => Some(one),
        _ => None,
    };
    if exit.is_none() {
        b.write_states();
    }
    Region { kernel: b.k, exit, order: entry as u32 }
}

struct Builder<'a> {
    cx: &'a Context<'a>,
    k: Kernel,
    entry: usize,
    nodes: BTreeSet<usize>,
    block_of: BTreeMap<usize, Block>,
    start: Block,
    /// What stands for a value at the region's start.
    renamed: HashMap<Value, Value>,
    /// Values that live in and are computed anew: their allocas.
    boxed: HashMap<Value, Value>,
    /// Values that the region computes.
    defined: BTreeSet<Value>,
    exits: BTreeSet<u32>,
    /// Blocks that end a thread's way through the region, with its next state.
    ends: Vec<(Block, u32)>,
}

impl<'a> Builder<'a> {
    fn new(cx: &'a Context<'a>, entry: usize) -> Self {
        let mut k = cx.k.clone();
        let nodes = cx.g.region(entry, cx.forced);
        k.layout.clear();
        let block = |k: &mut Kernel, name: Option<String>| {
            let b = k.blocks.push(BlockData { name, insts: Vec::new() });
            k.layout.push(b);
            b
        };
        let start = block(&mut k, Some("kad.start".into()));
        let mut block_of = BTreeMap::new();
        for &n in &nodes {
            let name = cx.k.blocks[cx.g.nodes[n].block].name.clone();
            block_of.insert(n, block(&mut k, name));
        }
        let mut defined: BTreeSet<Value> = BTreeSet::new();
        for &n in &nodes {
            let forced_head = n == entry && cx.forced.contains(&n);
            for &i in &cx.g.nodes[n].insts {
                if forced_head && matches!(cx.k.insts[i].op, Op::Phi { .. }) {
                    continue;
                }
                defined.extend(cx.k.insts[i].result);
            }
        }
        Builder {
            cx,
            k,
            entry,
            nodes,
            block_of,
            start,
            renamed: HashMap::new(),
            boxed: HashMap::new(),
            defined,
            exits: BTreeSet::new(),
            ends: Vec::new(),
        }
    }

    fn prologue(&mut self) {
        let live: Vec<Value> = self.cx.g.live_in[self.entry].iter().copied().collect();
        for v in live {
            let Some(slot) = self.cx.slots.of(v) else { continue };
            let ty = self.k.ty(v);
            let boxed = self.defined.contains(&v).then(|| {
                let bytes = u64::from(slot_size(&self.k, ty));
                let mut b = self.at(self.start);
                b.alloca(bytes, bytes.min(16) as u32, AddrSpace::Generic)
            });
            let loaded = self.load_slot(self.start, slot, ty);
            match boxed {
                Some(place) => {
                    let mem = MemFlags::plain(slot.size.min(16));
                    self.at(self.start).store(place, loaded, mem);
                    self.boxed.insert(v, place);
                }
                None => drop(self.renamed.insert(v, loaded)),
            }
        }
        // Everything cheap that the region uses, before any of its code.
        for n in self.nodes.clone() {
            let node = &self.cx.g.nodes[n];
            let mut used = Vec::new();
            for &i in node.insts.iter().chain(&node.cut) {
                self.cx.k.insts[i].op.for_each_operand(|v| used.push(v));
            }
            for &s in &node.succs {
                used.extend(self.cx.g.phis(self.cx.k, s).map(|i| phi_input(self.cx.k, i, node.block)));
            }
            for v in used {
                self.remake(v);
            }
        }
        let first = self.block_of[&self.entry];
        self.at(self.start).br(first);
    }

    /// The value at the region's start, made anew if it is cheap.
    fn remake(&mut self, v: Value) -> Value {
        if let Some(&known) = self.renamed.get(&v) {
            return known;
        }
        if !self.cx.cheap.holds(v) {
            return v;
        }
        let made = match self.cx.locals.get(&v) {
            Some(&offset) => {
                let local = self.cx.hidden.local;
                let mut b = self.at(self.start);
                let offset = b.k.int(Type::I64, offset.into());
                b.ptr_add(local, offset)
            }
            None => {
                let inst = self.k.def_inst(v).expect("cheap values are results");
                let mut op = self.k.insts[inst].op.clone();
                op.map_operands(|o| self.remake(o));
                let ty = self.k.ty(v);
                self.at(self.start).value(op, ty)
            }
        };
        self.renamed.insert(v, made);
        made
    }

    fn at(&mut self, block: Block) -> KernelBuilder<'_> {
        let mut b = KernelBuilder::new(&mut self.k);
        b.switch_to(block);
        b
    }

    fn node(&mut self, n: usize) {
        let node = &self.cx.g.nodes[n];
        let block = self.block_of[&n];
        let forced_head = n == self.entry && self.cx.forced.contains(&n);
        let mut boxed_phis = Vec::new();
        for &i in &node.insts {
            let InstData { op, result, .. } = self.k.insts[i].clone();
            match &op {
                Op::Phi { .. } if forced_head => continue,
                Op::Phi { .. } => {
                    self.k.blocks[block].insts.push(i);
                    boxed_phis.extend(result.filter(|v| self.boxed.contains_key(v)));
                    continue;
                }
                Op::Alloca { .. } => continue,
                _ => {}
            }
            for v in std::mem::take(&mut boxed_phis) {
                self.store_boxed(block, v);
            }
            if op.is_terminator() {
                self.terminator(n, i);
                return;
            }
            self.rewrite(block, i);
            self.k.blocks[block].insts.push(i);
            if let Some(v) = result.filter(|v| self.boxed.contains_key(v)) {
                self.store_boxed(block, v);
            }
        }
        for v in boxed_phis {
            self.store_boxed(block, v);
        }
        let cut = node.cut.expect("a node ends with a terminator or a cut");
        self.store_operands(block, cut);
        self.leave(block, n + 1, self.k.insts[cut].result);
        let state = self.cx.states.cut[&n];
        self.end(block, state);
    }

    /// Replaces the operands of an instruction by what stands for them in this region.
    fn rewrite(&mut self, block: Block, i: Inst) {
        let mut op = self.k.insts[i].op.clone();
        op.map_operands(|v| self.current(block, v));
        self.k.insts[i].op = op;
    }

    /// What a value is at the end of what has been built of `block`.
    fn current(&mut self, block: Block, v: Value) -> Value {
        if let Some(&place) = self.boxed.get(&v) {
            let ty = self.k.ty(v);
            let mem = MemFlags::plain(slot_size(&self.k, ty).min(16));
            return self.at(block).load(ty, place, mem);
        }
        self.renamed.get(&v).copied().unwrap_or(v)
    }

    fn store_boxed(&mut self, block: Block, v: Value) {
        let mem = MemFlags::plain(slot_size(&self.k, self.k.ty(v)).min(16));
        let place = self.boxed[&v];
        self.at(block).store(place, v, mem);
    }

    /// Phis keep the entries that come from inside the region.
    fn reduce_phis(&mut self, n: usize) {
        let phis: Vec<Inst> = self.cx.g.phis(self.cx.k, n).collect();
        for i in phis {
            let mut incoming = Vec::new();
            for &p in &self.nodes {
                if self.cx.g.nodes[p].succs.contains(&n) {
                    let v = phi_input(self.cx.k, i, self.cx.g.nodes[p].block);
                    incoming.push((self.block_of[&p], v));
                }
            }
            self.k.insts[i].op = Op::Phi { incoming };
        }
    }

    fn terminator(&mut self, n: usize, i: Inst) {
        let node = &self.cx.g.nodes[n];
        let block = self.block_of[&n];
        if matches!(self.k.insts[i].op, Op::Ret) {
            self.end(block, EXITED);
            return;
        }
        // Entries of phis that were boxed or renamed are fetched here, before control leaves.
        for &s in &node.succs {
            if !self.cx.forced.contains(&s) {
                self.phi_entries(n, s);
            }
        }
        let mut targets = HashMap::new();
        for &s in &node.succs {
            let to = match self.cx.forced.contains(&s) {
                false => self.block_of[&s],
                true => self.exit_block(n, s),
            };
            targets.insert(self.cx.g.nodes[s].block, to);
        }
        self.rewrite(block, i);
        self.k.insts[i].op.map_blocks(|b| targets[&b]);
        self.k.blocks[block].insts.push(i);
    }

    /// Phis of `s` take what their entries from node `n` are at its end.
    fn phi_entries(&mut self, n: usize, s: usize) {
        let block = self.block_of[&n];
        let phis: Vec<Inst> = self.cx.g.phis(self.cx.k, s).collect();
        for i in phis {
            let v = phi_input(self.cx.k, i, self.cx.g.nodes[n].block);
            let now = self.current(block, v);
            if let Op::Phi { incoming } = &mut self.k.insts[i].op {
                incoming.iter_mut().filter(|(b, _)| *b == block).for_each(|(_, x)| *x = now);
            }
        }
    }

    /// A block on the edge to another region's entry.
    fn exit_block(&mut self, n: usize, s: usize) -> Block {
        let block = self.k.blocks.push(BlockData { name: Some("kad.leave".into()), insts: Vec::new() });
        self.k.layout.push(block);
        let phis: Vec<Inst> = self.cx.g.phis(self.cx.k, s).collect();
        let mut taken = Vec::new();
        for &i in &phis {
            let v = phi_input(self.cx.k, i, self.cx.g.nodes[n].block);
            let now = self.current(block, v);
            taken.push((self.cx.k.insts[i].result, now));
        }
        for &(phi, now) in &taken {
            if let Some(slot) = phi.and_then(|p| self.cx.slots.of(p)) {
                self.store_slot(block, slot, now);
            }
        }
        let own: BTreeSet<Value> = taken.iter().filter_map(|(p, _)| *p).collect();
        self.leave_except(block, s, &own);
        self.end(block, self.cx.states.region[&s]);
        block
    }

    /// Stores what the region has computed and what lives on at `entry`.
    fn leave(&mut self, block: Block, entry: usize, result: Option<Value>) {
        self.leave_except(block, entry, &result.into_iter().collect());
    }

    fn leave_except(&mut self, block: Block, entry: usize, except: &BTreeSet<Value>) {
        let live: Vec<Value> = self.cx.g.live_in[entry].difference(except).copied().collect();
        for v in live {
            if let Some(slot) = self.cx.slots.of(v).filter(|_| self.defined.contains(&v)) {
                let now = self.current(block, v);
                self.store_slot(block, slot, now);
            }
        }
    }

    fn store_operands(&mut self, block: Block, cut: Inst) {
        let operands = cut_operands(&self.cx.k.insts[cut].op);
        for (i, v) in operands.into_iter().enumerate() {
            let Some(v) = v.filter(|&v| constant(self.cx.k, v).is_none()) else { continue };
            let slot = self.cx.slots.operand(i, slot_size(&self.k, self.k.ty(v)));
            let now = self.current(block, v);
            self.store_slot(block, slot, now);
        }
    }

    fn end(&mut self, block: Block, state: u32) {
        self.exits.insert(state);
        self.ends.push((block, state));
        self.at(block).ret();
    }

    /// Every end says where the thread goes.
    fn write_states(&mut self) {
        for (block, state) in std::mem::take(&mut self.ends) {
            let (next, thread) = (self.cx.hidden.next, self.cx.hidden.thread);
            let at = Cursor::At(block, self.k.blocks[block].insts.len() - 1);
            let mut b = KernelBuilder::new(&mut self.k);
            b.at = at;
            let four = b.k.int(Type::I64, 4);
            let offset = b.binary(BinOp::Mul, thread, four);
            let place = b.ptr_add(next, offset);
            let state = b.k.int(Type::I32, state.into());
            b.store(place, state, MemFlags::plain(4));
        }
    }

    fn slot_address(&mut self, block: Block, slot: Slot) -> Value {
        let Hidden { slots, stride, thread, .. } = self.cx.hidden;
        let mut b = self.at(block);
        let base = b.k.int(Type::I64, slot.offset.into());
        let base = b.binary(BinOp::Mul, base, stride);
        let array = b.ptr_add(slots, base);
        let size = b.k.int(Type::I64, slot.size.into());
        let offset = b.binary(BinOp::Mul, thread, size);
        b.ptr_add(array, offset)
    }

    fn load_slot(&mut self, block: Block, slot: Slot, ty: Type) -> Value {
        let at = self.slot_address(block, slot);
        let mut b = self.at(block);
        let stored = stored_type(ty);
        let v = b.load(stored, at, MemFlags::plain(slot.size.min(16)));
        if stored == ty {
            v
        } else {
            b.cast(CastOp::Trunc, v, ty)
        }
    }

    fn store_slot(&mut self, block: Block, slot: Slot, v: Value) {
        let at = self.slot_address(block, slot);
        let mut b = self.at(block);
        let (ty, stored) = (b.k.ty(v), stored_type(b.k.ty(v)));
        let v = if stored == ty { v } else { b.cast(CastOp::ZExt, v, stored) };
        b.store(at, v, MemFlags::plain(slot.size.min(16)));
    }
}
