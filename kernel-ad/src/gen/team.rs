//! What the threads of a block do together: phases of shared memory, barriers, lists.
//!
//! Each array of shared memory is, between two barriers, either written and read by every thread in its own element, or read by
//! everyone everywhere, or added into atomically. Only where all threads come that have not returned may the mode change, with
//! a barrier between; control flow that all go through alike leaves with the modes that it entered with.

use super::params::DYNAMIC;
use super::{Gen, GenOptions};
use crate::kernel::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Elements of an array in static shared memory: threads of the largest block.
const TILE: u64 = 64;

/// What may be done to an array of shared memory until the next barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every thread reads and writes its own element.
    Own,
    /// Everyone reads everything.
    Read,
    /// Everyone adds anywhere.
    Add,
}

#[derive(Clone, Debug)]
struct Tile {
    base: Value,
    mode: Mode,
}

/// Elements that are filled in the order in which threads come.
#[derive(Clone, Debug)]
struct List {
    elems: Value,
    count: Value,
}

/// What a generator knows of the block as a whole.
#[derive(Clone, Debug)]
pub struct Team {
    /// All threads come here that have not returned.
    pub together: bool,
    /// No thread returns without the others.
    pub whole: bool,
    /// Every barrier is a plain one of the block: others cannot be waited for by threads that have returned.
    plain: bool,
    /// Integers that are the same for all threads of the block.
    pub uniform: Vec<Value>,
    tiles: Vec<Tile>,
    list: Option<List>,
}

/// What was true outside of a branch or loop.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    together: bool,
    uniform: usize,
}

impl Team {
    /// Declares shared memory.
    pub fn new(
        b: &mut KernelBuilder,
        rng: &mut ChaCha8Rng,
        options: &GenOptions,
        float: Type,
        uniform: Vec<Value>,
    ) -> Team {
        let size = b.k.bytes(float);
        let mut variable = |b: &mut KernelBuilder, name: &str, ty: Type, bytes: u64| {
            let g = b.k.globals.push(GlobalVar {
                name: name.into(),
                space: AddrSpace::Shared,
                bytes,
                align: b.k.bytes(ty) as u32,
                ty: None,
                is_const: false,
                external: false,
                init: None,
                relocs: Vec::new(),
            });
            let v = b.k.constant(Type::Ptr(AddrSpace::Shared), Const::Global(g));
            match rng.random_bool(0.2) {
                true => b.cast(CastOp::AddrSpaceCast, v, Type::Ptr(AddrSpace::Generic)),
                false => v,
            }
        };
        let (mut tiles, mut list) = (Vec::new(), None);
        if options.shared {
            let tile = variable(b, "tile", float, TILE * size);
            let dynamic = variable(b, "dynamic", float, 0);
            // Until they are filled nobody may read them.
            tiles.extend([tile, dynamic].map(|base| Tile { base, mode: Mode::Add }));
            for i in 1..DYNAMIC {
                let dim = b.special(Special::BlockDim(0));
                let bytes = b.k.int(Type::I32, i as i128 * i128::from(size));
                let offset = b.binary(BinOp::Mul, dim, bytes);
                tiles.push(Tile { base: b.ptr_add(dynamic, offset), mode: Mode::Add });
            }
            list = options.compaction.then(|| List {
                elems: variable(b, "list", float, TILE * size),
                count: variable(b, "count", Type::I32, 4),
            });
        }
        let whole = (options.shared || options.warps) && rng.random_bool(0.6);
        let plain = !whole && rng.random_bool(0.85);
        Team { together: true, whole, plain, uniform, tiles, list }
    }

    /// Goes into a branch or a loop.
    pub fn enter(&mut self, together: bool) -> Outside {
        let outside = Outside { together: self.together, uniform: self.uniform.len() };
        self.together = together;
        outside
    }

    /// Comes out of it.
    pub fn leave(&mut self, outside: Outside) {
        self.forget(&outside);
        self.together = outside.together;
    }

    /// From one arm of a branch to the other: what was computed in the first is not there.
    pub fn forget(&mut self, outside: &Outside) {
        self.uniform.truncate(outside.uniform);
    }

    /// What each array is used for.
    pub fn modes(&self) -> Vec<Mode> {
        self.tiles.iter().map(|t| t.mode).collect()
    }

    /// Says what each array is used for from here.
    pub fn set_modes(&mut self, modes: &[Mode]) {
        self.tiles.iter_mut().zip(modes).for_each(|(t, &m)| t.mode = m);
    }
}

impl Gen<'_, '_> {
    /// Writes the first contents of shared memory.
    pub(super) fn fill_shared(&mut self) {
        let tid = self.inputs.tid;
        for i in 0..self.team.tiles.len() {
            let v = self.float_expr(1);
            self.put(self.team.tiles[i].base, tid, v);
        }
        self.team.tiles.iter_mut().for_each(|t| t.mode = Mode::Own);
        if let Some(elems) = self.team.list.as_ref().map(|l| l.elems) {
            let v = self.lit(0.0);
            self.put(elems, tid, v);
        }
    }

    fn put(&mut self, base: Value, index: Value, v: Value) {
        let (size, mem) = (self.size(), self.mem());
        let at = self.element(base, index, size);
        self.b.store(at, v, mem);
    }

    fn get(&mut self, base: Value, index: Value) -> Value {
        let (size, mem, ty) = (self.size(), self.mem(), self.float);
        let at = self.element(base, index, size);
        self.b.load(ty, at, mem)
    }

    /// The number of some thread of the block.
    fn somebody(&mut self) -> Value {
        let (i, dim) = (self.small_int(1), self.inputs.dim);
        self.b.binary(BinOp::URem, i, dim)
    }

    /// An element of shared memory.
    pub(super) fn shared_leaf(&mut self) -> Option<Value> {
        if self.team.tiles.is_empty() {
            return None;
        }
        let t = self.team.tiles[self.rng.random_range(0..self.team.tiles.len())].clone();
        let index = match t.mode {
            Mode::Own => self.inputs.tid,
            Mode::Read => self.somebody(),
            Mode::Add => return None,
        };
        Some(self.get(t.base, index))
    }

    /// A quarter of every array, at the end.
    pub(super) fn read_all_shared(&mut self) -> Vec<Value> {
        if self.team.tiles.is_empty() {
            return Vec::new();
        }
        self.back_to(&vec![Mode::Read; self.team.tiles.len()]);
        let (tid, one, dim) = (self.inputs.tid, self.int_lit(1), self.inputs.dim);
        let next = self.b.binary(BinOp::Add, tid, one);
        let next = self.b.binary(BinOp::URem, next, dim);
        let quarter = self.lit(0.25);
        (0..self.team.tiles.len())
            .map(|i| {
                let v = self.get(self.team.tiles[i].base, next);
                let v = self.squash(v);
                self.fbin(BinOp::FMul, v, quarter)
            })
            .collect()
    }

    /// Makes the modes what they were, with a barrier if they are not.
    pub(super) fn back_to(&mut self, modes: &[Mode]) {
        if self.team.modes() != modes {
            self.barrier();
            self.team.set_modes(modes);
        }
    }

    /// An integer that is the same for all threads of the block.
    pub(super) fn uniform_int(&mut self) -> Value {
        let known = self.team.uniform.clone();
        match self.rng.random_range(0..4) {
            0 => {
                let n = self.rng.random_range(0..8);
                self.int_lit(n)
            }
            1 => {
                let (a, b) = (self.pick(&known), self.pick(&known));
                let op = self.pick(&[BinOp::Add, BinOp::Xor, BinOp::Mul]);
                self.b.binary(op, a, b)
            }
            _ => self.pick(&known),
        }
    }

    /// A condition that is the same for all threads of the block.
    pub(super) fn uniform_condition(&mut self) -> Value {
        let (a, c) = (self.uniform_int(), self.uniform_int());
        let (mask, zero) = (self.int_lit(3), self.int_lit(0));
        let x = self.b.binary(BinOp::Xor, a, c);
        let x = self.b.binary(BinOp::And, x, mask);
        let pred = self.pick(&[IntPred::Eq, IntPred::Ne]);
        self.b.icmp(pred, x, zero)
    }

    pub(super) fn amd(&self) -> bool {
        self.options.arch == Arch::Amdgpu
    }

    /// A barrier of any form. What it counts becomes an integer that all threads know.
    pub(super) fn barrier(&mut self) {
        let plain = Op::Barrier { kind: BarrierKind::Sync, id: None, count: None, pred: None, aligned: true };
        if self.amd() {
            let scope = Scope { level: ScopeLevel::Block, one_as: self.rng.random_bool(0.5) };
            self.b.insert(Op::Fence { ordering: Ordering::Release, scope }, Type::Void);
            self.b.insert(plain, Type::Void);
            self.b.insert(Op::Fence { ordering: Ordering::Acquire, scope }, Type::Void);
            return;
        }
        if self.team.plain {
            self.b.insert(plain, Type::Void);
            return;
        }
        let number = self.rng.random_range(0..3);
        let id = self.rng.random_bool(0.3).then(|| self.int_lit(number));
        let aligned = self.rng.random_bool(0.7);
        let kind = match self.rng.random_range(0..8) {
            0 => BarrierKind::Popc,
            1 => BarrierKind::And,
            2 => BarrierKind::Or,
            _ => BarrierKind::Sync,
        };
        let pred = (kind != BarrierKind::Sync).then(|| {
            let c = self.condition();
            self.b.cast(CastOp::ZExt, c, Type::I32)
        });
        // All threads of the block, said in numbers.
        let counted = self.team.whole && self.block % 32 == 0 && self.rng.random_bool(0.3);
        let (id, count) = match counted {
            true => (Some(self.int_lit(number)), Some(self.int_lit(self.block.into()))),
            false => (id, None),
        };
        let op = Op::Barrier { kind, id, count, pred, aligned };
        if kind == BarrierKind::Sync {
            self.b.insert(op, Type::Void);
            return;
        }
        let n = self.b.value(op, Type::I32);
        // Only whether it is zero is said of the result of and, or.
        let zero = self.int_lit(0);
        let n = match kind {
            BarrierKind::Popc => n,
            _ => {
                let any = self.b.icmp(IntPred::Ne, n, zero);
                self.b.cast(CastOp::ZExt, any, Type::I32)
            }
        };
        self.team.uniform.push(n);
    }

    /// A statement on shared memory or among the lanes of a warp; false when none fits here.
    pub(super) fn team_statement(&mut self) -> bool {
        let lanes = self.options.warps && self.team.together && self.team.whole;
        if lanes && (self.team.tiles.is_empty() || self.rng.random_bool(0.4)) {
            self.warp_statement();
            return true;
        }
        if self.team.tiles.is_empty() {
            return false;
        }
        if self.team.together && self.rng.random_bool(0.5) {
            if self.team.whole && self.rng.random_bool(0.3) {
                if let Some(list) = self.team.list.clone() {
                    self.compact(&list);
                    return true;
                }
            }
            self.turn();
            return true;
        }
        let t = self.team.tiles[self.rng.random_range(0..self.team.tiles.len())].clone();
        match t.mode {
            Mode::Own => {
                let (tid, v) = (self.inputs.tid, self.float_expr(1));
                let old = self.get(t.base, tid);
                let v = self.mean(old, v);
                self.put(t.base, tid, v);
            }
            Mode::Read => {
                let i = self.somebody();
                let v = self.get(t.base, i);
                self.set_float(v);
            }
            Mode::Add => {
                let (i, v, size) = (self.somebody(), self.float_expr(1), self.size());
                let val = self.squash(v);
                let ptr = self.element(t.base, i, size);
                let (ty, mem) = (self.float, MemFlags::relaxed(size as u32));
                self.b.insert(Op::AtomicRmw { op: RmwOp::FAdd, ptr, val, mem }, ty);
            }
        }
        true
    }

    /// Another mode for one array.
    fn turn(&mut self) {
        let i = self.rng.random_range(0..self.team.tiles.len());
        let mut modes = self.team.modes();
        let add = if self.options.atomics { Mode::Add } else { Mode::Read };
        modes[i] = match modes[i] {
            Mode::Own => self.pick(&[Mode::Read, Mode::Read, add]),
            Mode::Read => self.pick(&[Mode::Own, Mode::Own, add]),
            Mode::Add => self.pick(&[Mode::Read, Mode::Own]),
        };
        self.back_to(&modes);
    }

    /// Threads with a condition put a value each into a list, at the place that an atomic counter gives them; everyone sums
    /// the list.
    fn compact(&mut self, list: &List) {
        let (zero, one) = (self.int_lit(0), self.int_lit(1));
        self.barrier();
        let first = self.b.icmp(IntPred::Eq, self.inputs.tid, zero);
        self.guarded(first, |g| g.b.store(list.count, zero, MemFlags::plain(4)));
        self.barrier();
        let cond = self.condition();
        self.guarded(cond, |g| {
            let mem = MemFlags::relaxed(4);
            let op = Op::AtomicRmw { op: RmwOp::Add, ptr: list.count, val: one, mem };
            let slot = g.b.value(op, Type::I32);
            let v = g.float_expr(1);
            g.put(list.elems, slot, v);
        });
        self.barrier();
        let n = self.b.load(Type::I32, list.count, MemFlags::plain(4));
        let (header, body, exit) = (self.b.block("sum"), self.b.block("element"), self.b.block("summed"));
        let (from, start) = (self.b.current(), self.lit(0.0));
        self.b.br(header);
        self.b.switch_to(header);
        let i = self.b.phi(Type::I32, vec![(from, zero)]);
        let sum = self.b.phi(self.float, vec![(from, start)]);
        let more = self.b.icmp(IntPred::Slt, i, n);
        self.b.cond_br(more, body, exit);
        self.b.switch_to(body);
        let (v, scale) = (self.get(list.elems, i), self.lit(0.25));
        let v = self.fbin(BinOp::FMul, v, scale);
        let next_sum = self.fbin(BinOp::FAdd, sum, v);
        let next = self.b.binary(BinOp::Add, i, one);
        self.b.br(header);
        self.add_incoming(i, body, next);
        self.add_incoming(sum, body, next_sum);
        self.b.switch_to(exit);
        let v = self.squash(sum);
        self.set_float(v);
        self.team.uniform.push(n);
    }

    /// `if (cond) then`, where nothing comes out.
    fn guarded(&mut self, cond: Value, then: impl FnOnce(&mut Self)) {
        let (inside, behind) = (self.b.block("then"), self.b.block("behind"));
        self.b.cond_br(cond, inside, behind);
        self.b.switch_to(inside);
        then(self);
        self.b.br(behind);
        self.b.switch_to(behind);
    }

    pub(super) fn add_incoming(&mut self, phi: Value, from: Block, v: Value) {
        let inst = self.b.k.def_inst(phi).expect("a phi");
        let Op::Phi { incoming } = &mut self.b.k.insts[inst].op else { unreachable!("made as a phi") };
        incoming.push((from, v));
    }
}
