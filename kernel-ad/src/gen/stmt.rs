//! Random statements: assignments, memory, control flow.

use super::params::{HALVES, OWN, STRUCT, SUMS};
use super::team::{Mode, Team};
use super::{Gen, GenOptions, Inputs, State};
use crate::kernel::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Elements of a local array; a power of two.
pub(super) const ARRAY: usize = 8;

/// Blocks that `break`, `continue` and `return` go to, with the variables as they are there.
pub(super) struct Exits {
    breaks: Vec<(Block, State)>,
    continues: Vec<(Block, State)>,
    /// All threads go through the loop together, with these modes of shared memory where an iteration begins.
    together: Option<Vec<Mode>>,
}

impl<'k, 'o> Gen<'k, 'o> {
    pub(super) fn new(
        k: &'k mut Kernel,
        float: Type,
        fmf: Fmf,
        options: &'o GenOptions,
        mut rng: ChaCha8Rng,
        block: u32,
    ) -> Self {
        let param = |k: &Kernel, i| k.param_value(i);
        let p: Vec<Value> = (0..=STRUCT).map(|i| param(k, i)).collect();
        let size = k.bytes(float);
        let mut b = KernelBuilder::new(k);
        let entry = b.block("entry");
        b.switch_to(entry);
        let space = if options.arch == Arch::Amdgpu { AddrSpace::Local } else { AddrSpace::Generic };
        let mut array = |want: bool| want.then(|| b.alloca(size * ARRAY as u64, size as u32, space));
        let (array, spare) = (array(options.local_arrays), array(options.local_arrays && options.copies));
        let (tid, bid, dim) = (
            b.special(Special::ThreadId(0)),
            b.special(Special::BlockId(0)),
            b.special(Special::BlockDim(0)),
        );
        let first = b.binary(BinOp::Mul, bid, dim);
        let gid = b.binary(BinOp::Add, first, tid);
        let field = |b: &mut KernelBuilder, offset: u64, ty: Type| {
            let o = b.k.int(Type::I64, offset.into());
            let at = b.ptr_add(p[STRUCT as usize], o);
            b.load(ty, at, MemFlags::plain(b.k.bytes(ty) as u32))
        };
        let (f, g, m) =
            (field(&mut b, 0, float), field(&mut b, size, float), field(&mut b, 2 * size, Type::I32));
        let inputs = Inputs {
            gid,
            gathered: p[0],
            in_place: p[1],
            out: p[2],
            sums: p[3],
            indices: p[4],
            table: p[5],
            halves: options.half.then(|| b.k.param_value(HALVES)),
            scalars: vec![p[6], f, g],
            array,
            spare,
            tid,
            dim,
        };
        let state = State { floats: vec![p[6], f, g], ints: vec![gid, p[7], m] };
        let team = Team::new(&mut b, &mut rng, options, float, vec![p[7], m, bid]);
        Gen { b, rng, float, fmf, options, fuel: options.statements, state, inputs, team, block }
    }

    pub(super) fn body(&mut self) {
        if let Some(array) = self.inputs.array {
            for i in 0..ARRAY {
                let v = self.float_expr(1);
                let i = self.int_lit(i as i128);
                self.store(array, i, ARRAY, v);
            }
        }
        for i in 0..self.state.floats.len() {
            self.state.floats[i] = self.float_expr(1);
        }
        self.fill_spare();
        self.fill_shared();
        while self.fuel > 0 {
            self.statement(0, &mut None);
        }
        let mut results = self.state.floats.clone();
        if let Some(array) = self.inputs.array {
            for i in 0..ARRAY {
                let (i, quarter) = (self.int_lit(i as i128), self.lit(0.25));
                let v = self.load(array, i, ARRAY);
                results.push(self.fbin(BinOp::FMul, v, quarter));
            }
        }
        results.extend(self.read_all_shared());
        let sum = results.into_iter().reduce(|a, b| self.fbin(BinOp::FAdd, a, b));
        let (out, gid, size, mem) = (self.inputs.out, self.inputs.gid, self.size(), self.mem());
        let at = self.element(out, gid, size);
        self.b.store(at, sum.expect("there are variables"), mem);
        self.b.ret();
    }

    fn statements(&mut self, depth: u32, exits: &mut Option<Exits>) {
        for _ in 0..self.rng.random_range(1..=3) {
            if self.fuel > 0 {
                self.statement(depth, exits);
            }
        }
    }

    fn statement(&mut self, depth: u32, exits: &mut Option<Exits>) {
        self.fuel -= 1;
        let nested = depth < self.options.depth;
        if self.rng.random_bool(0.3) && self.team_statement() {
            return;
        }
        match self.rng.random_range(0..20) {
            0..=5 => self.assign(),
            6 => self.assign_int(),
            7 if self.options.vectors && self.rng.random_bool(0.4) => self.update_vector(),
            7 | 8 => self.update_in_place(),
            9 => self.write_out(),
            10 if self.options.atomics => self.add_to_sum(),
            11 if self.options.copies && self.rng.random_bool(0.7) => self.copy_arrays(),
            11 | 12 if self.options.local_arrays => self.touch_array(),
            13 | 14 if nested => self.branch(depth, exits),
            15 if nested => self.switch(depth, exits),
            16 | 17 if nested && self.options.loops => self.counted_loop(depth),
            18 if nested && self.options.while_loops => self.while_loop(depth),
            19 if self.options.early_exits => self.leave(exits),
            _ => self.assign(),
        }
    }

    fn assign(&mut self) {
        let v = self.float_expr(2);
        let v = if self.rng.random_bool(0.5) { self.squash(v) } else { v };
        self.set_float(v);
    }

    /// Changes a variable. More often than not the old value stays in it, so that most of what a kernel computes reaches its
    /// outputs: a gradient that is zero shows no error.
    pub(super) fn set_float(&mut self, v: Value) {
        let i = self.rng.random_range(0..self.state.floats.len());
        let v = if self.rng.random_bool(0.7) { self.mean(self.state.floats[i], v) } else { v };
        self.state.floats[i] = v;
    }

    pub(super) fn mean(&mut self, a: Value, b: Value) -> Value {
        let sum = self.fbin(BinOp::FAdd, a, b);
        let half = self.lit(0.5);
        self.fbin(BinOp::FMul, sum, half)
    }

    fn assign_int(&mut self) {
        let v = self.small_int(2);
        let i = self.rng.random_range(0..self.state.ints.len());
        self.state.ints[i] = v;
    }

    pub(super) fn store(&mut self, base: Value, index: Value, len: usize, v: Value) {
        let (size, mem) = (self.size(), self.mem());
        let at = self.address(base, index, len, size);
        self.b.store(at, v, mem);
    }

    /// `in_place[OWN * gid + i] = f(in_place[OWN * gid + j], ..)`.
    fn update_in_place(&mut self) {
        let (base, gid, size) = (self.inputs.in_place, self.inputs.gid, self.size());
        let own = self.element(base, gid, size * OWN as u64);
        let (i, j) = (self.small_int(1), self.small_int(1));
        let old = self.load(own, j, OWN);
        let f = self.float_expr(1);
        let new = self.fbin(BinOp::FMul, old, f);
        let new = self.squash(new);
        self.store(own, i, OWN, new);
        if self.rng.random_bool(0.5) {
            self.set_float(old);
        }
    }

    fn write_out(&mut self) {
        let v = self.float_expr(1);
        let (out, gid, size, mem) = (self.inputs.out, self.inputs.gid, self.size(), self.mem());
        let at = self.element(out, gid, size);
        self.b.store(at, v, mem);
    }

    fn add_to_sum(&mut self) {
        let (sums, i, size) = (self.inputs.sums, self.small_int(1), self.size());
        let val = self.float_expr(1);
        let ptr = self.address(sums, i, SUMS, size);
        let ty = self.float;
        self.b.insert(Op::AtomicRmw { op: RmwOp::FAdd, ptr, val, mem: MemFlags::relaxed(size as u32) }, ty);
    }

    fn touch_array(&mut self) {
        let (Some(array), i) = (self.inputs.array, self.small_int(1)) else { return };
        if self.rng.random_bool(0.5) {
            let (old, new) = (self.load(array, i, ARRAY), self.float_expr(1));
            let v = if self.rng.random_bool(0.5) { self.mean(old, new) } else { new };
            self.store(array, i, ARRAY, v);
        } else {
            let v = self.load(array, i, ARRAY);
            self.set_float(v);
        }
    }

    fn branch(&mut self, depth: u32, exits: &mut Option<Exits>) {
        let together = self.team.together && self.rng.random_bool(0.5);
        let cond = if together { self.uniform_condition() } else { self.condition() };
        let (then, els, join) = (self.b.block("then"), self.b.block("else"), self.b.block("join"));
        self.b.cond_br(cond, then, els);
        self.arms(depth, exits, together, vec![then, els], join);
    }

    /// The ways through a branch. Shared memory is at their ends as it was before.
    fn arms(&mut self, depth: u32, exits: &mut Option<Exits>, together: bool, arms: Vec<Block>, join: Block) {
        let before = self.state.clone();
        let outside = self.team.enter(together);
        let modes = self.team.modes();
        let mut ends = Vec::new();
        for arm in arms {
            self.state = before.clone();
            self.b.switch_to(arm);
            self.statements(depth + 1, exits);
            self.back_to(&modes);
            ends.push((self.b.current(), self.state.clone()));
            self.b.br(join);
            self.team.forget(&outside);
        }
        self.team.leave(outside);
        self.b.switch_to(join);
        self.state = self.merge(&ends);
    }

    fn switch(&mut self, depth: u32, exits: &mut Option<Exits>) {
        let together = self.team.together && self.rng.random_bool(0.5);
        let i = if together { self.uniform_int() } else { self.small_int(1) };
        let mask = self.int_lit(3);
        let val = self.b.binary(BinOp::And, i, mask);
        let arms: Vec<Block> = (0..3).map(|i| self.b.block(&format!("case{i}"))).collect();
        let join = self.b.block("join");
        // Two values share an arm, so that an edge stands for both.
        let cases = vec![(0, arms[0]), (1, arms[1]), (2, arms[1])];
        self.b.insert(Op::Switch { val, default: arms[2], cases }, Type::Void);
        self.arms(depth, exits, together, arms, join);
    }

    /// `for (i = 0; i < trips; i++)` with `break` and `continue` inside; trips from a constant, an argument or the thread.
    fn counted_loop(&mut self, depth: u32) {
        let kind = self.rng.random_range(0..3);
        let together = self.team.together && (kind < 2 || self.rng.random_bool(0.5));
        let trips = match kind {
            0 => {
                let n = self.rng.random_range(1..5);
                self.int_lit(n)
            }
            1 => self.b.k.param_value(7),
            _ => {
                let i = if together { self.uniform_int() } else { self.small_int(1) };
                let mask = self.int_lit(3);
                self.b.binary(BinOp::And, i, mask)
            }
        };
        self.loop_while(depth, together, |g, i, _| g.b.icmp(IntPred::Slt, i, trips));
    }

    /// `while (x > about 0.3 && i < 12) x *= something below 0.9`: the trip count depends on active data.
    fn while_loop(&mut self, depth: u32) {
        let x = self.rng.random_range(0..self.state.floats.len());
        let start = self.float_expr(1);
        let sq = self.fbin(BinOp::FMul, start, start);
        let one = self.lit(1.0);
        self.state.floats[x] = self.fbin(BinOp::FAdd, sq, one);
        // A round number could be where the loop's values converge to, and rounding alone decide when it ends.
        let limit = self.rng.random_range(0.25..0.35);
        let (limit, most) = (self.lit(limit), self.int_lit(12));
        self.loop_while(depth, false, |g, i, s| {
            let more = g.b.fcmp(FloatPred::Ogt, s.floats[x], limit);
            let few = g.b.icmp(IntPred::Slt, i, most);
            g.b.binary(BinOp::And, more, few)
        });
    }

    fn loop_while(
        &mut self,
        depth: u32,
        together: bool,
        cond: impl FnOnce(&mut Self, Value, &State) -> Value,
    ) {
        let (header, body, latch, exit) =
            (self.b.block("loop"), self.b.block("body"), self.b.block("latch"), self.b.block("exit"));
        let entering = self.b.current();
        let before = self.state.clone();
        let zero = self.int_lit(0);
        self.b.br(header);
        self.b.switch_to(header);
        let i = self.b.phi(Type::I32, vec![(entering, zero)]);
        let phi = |g: &mut Self, v: Value| {
            let ty = g.b.k.ty(v);
            g.b.phi(ty, vec![(entering, v)])
        };
        let at_header = State {
            floats: before.floats.iter().map(|&v| phi(self, v)).collect(),
            ints: before.ints.iter().map(|&v| phi(self, v)).collect(),
        };
        let more = cond(self, i, &at_header);
        self.b.cond_br(more, body, exit);

        self.b.switch_to(body);
        self.state = at_header.clone();
        // The counter is not among the variables, so that no statement can make the loop endless.
        let slot = self.rng.random_range(0..self.state.ints.len());
        self.state.ints[slot] = i;
        let outside = self.team.enter(together);
        let modes = self.team.modes();
        if together {
            self.team.uniform.push(i);
        }
        let together = together.then(|| modes.clone());
        let mut exits = Some(Exits { breaks: Vec::new(), continues: Vec::new(), together });
        self.statements(depth + 1, &mut exits);
        self.back_to(&modes);
        self.team.leave(outside);
        let shrink = self.lit(0.6);
        for x in 0..self.state.floats.len() {
            let v = self.state.floats[x];
            self.state.floats[x] = self.fbin(BinOp::FMul, v, shrink);
        }
        let Exits { breaks, mut continues, .. } = exits.expect("set above");
        continues.push((self.b.current(), self.state.clone()));
        self.b.br(latch);

        self.b.switch_to(latch);
        let end = self.merge(&continues);
        let one = self.int_lit(1);
        let next = self.b.binary(BinOp::Add, i, one);
        self.b.br(header);
        self.add_incoming(i, latch, next);
        for (&p, &v) in at_header.floats.iter().chain(&at_header.ints).zip(end.floats.iter().chain(&end.ints))
        {
            self.add_incoming(p, latch, v);
        }

        self.b.switch_to(exit);
        let mut ends = vec![(header, at_header)];
        ends.extend(breaks);
        self.state = self.merge(&ends);
    }

    /// `if (c) break;`, `continue` or `return`. Out of a loop that all threads go through together they go together, too.
    fn leave(&mut self, exits: &mut Option<Exits>) {
        let modes = exits.as_ref().and_then(|e| e.together.clone());
        let all = self.team.together;
        let from_loop = exits.is_some() && (modes.is_none() || all) && self.rng.random_bool(0.8);
        let cond = match (from_loop, all) {
            (true, _) if modes.is_some() => self.uniform_condition(),
            (true, _) => self.condition(),
            (false, _) if !self.team.whole => self.condition(),
            (false, true) => self.uniform_condition(),
            // No thread may return without the others.
            (false, false) => return self.assign(),
        };
        let (away, stay) = (self.b.block("leave"), self.b.block("stay"));
        self.b.cond_br(cond, away, stay);
        self.b.switch_to(away);
        match exits {
            Some(e) if from_loop => {
                let now = self.team.modes();
                if let Some(modes) = &modes {
                    self.back_to(modes);
                    self.team.set_modes(&now);
                }
                // The targets do not exist yet: patched when the loop is complete.
                let list = if self.rng.random_bool(0.5) { &mut e.breaks } else { &mut e.continues };
                list.push((away, self.state.clone()));
            }
            _ => {
                let v = self.float_expr(1);
                let (out, gid, size, mem) = (self.inputs.out, self.inputs.gid, self.size(), self.mem());
                let at = self.element(out, gid, size);
                self.b.store(at, v, mem);
                self.b.ret();
            }
        }
        self.b.switch_to(stay);
    }

    /// Variables where control flow meets, at the start of the current block. Blocks that have no terminator yet get a
    /// branch to it.
    fn merge(&mut self, ends: &[(Block, State)]) -> State {
        let here = self.b.current();
        for (from, _) in ends {
            let done =
                self.b.k.blocks[*from].insts.last().is_some_and(|&i| self.b.k.insts[i].op.is_terminator());
            if !done {
                self.b.switch_to(*from);
                self.b.br(here);
            }
        }
        self.b.switch_to(here);
        let mut join = |pick: &dyn Fn(&State) -> Value| {
            let incoming: Vec<(Block, Value)> = ends.iter().map(|(b, s)| (*b, pick(s))).collect();
            let first = incoming[0].1;
            if incoming.iter().all(|&(_, v)| v == first) {
                return first;
            }
            let ty = self.b.k.ty(first);
            self.b.phi(ty, incoming)
        };
        let first = &ends[0].1;
        State {
            floats: (0..first.floats.len()).map(|i| join(&|s: &State| s.floats[i])).collect(),
            ints: (0..first.ints.len()).map(|i| join(&|s: &State| s.ints[i])).collect(),
        }
    }
}
