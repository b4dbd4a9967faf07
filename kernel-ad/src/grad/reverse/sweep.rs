//! Builds the reverse sweep: for every block of the forward sweep one that undoes it, joined by reversed edges.

use super::input::Input;
use super::tape::Tape;
use crate::canon::{align_of, first_non_phi};
use crate::cfg::LoopId;
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::facts::trip::DefBlocks;
use crate::kernel::*;
use crate::plan::{Decision, Plan};
use crate::rules::{self, Need};
use cranelift_entity::SecondaryMap;
use shadow_mem::Stats;
use std::collections::{HashMap, HashSet};

/// Where the two sweeps meet.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The block of the forward sweep that returns.
    pub exit: Block,
    /// The first block of the reverse sweep.
    pub first: Block,
}

/// State of the construction. The kernel itself travels in the builder.
pub struct Sweep<'a> {
    /// Facts.
    pub input: &'a Input<'a>,
    /// Decisions.
    pub plan: &'a Plan,
    /// Where saved values go.
    pub tape: Tape,
    /// Blocks of the forward definitions.
    pub blocks: &'a DefBlocks,
    /// For each block of the forward sweep, where its reverse starts.
    pub start: SecondaryMap<Block, Option<Block>>,
    /// ... and where it ends, before the jump to the predecessor.
    pub end: SecondaryMap<Block, Option<Block>>,
    /// Which iteration a block of the reverse sweep runs in.
    pub region: SecondaryMap<Block, Option<LoopId>>,
    /// Local variables, to be promoted at the end.
    pub locals: Vec<(Value, Type)>,
    /// Variables of values that are kept or saved.
    pub kept: HashMap<Value, Value>,
    /// Variables of values that are computed on entry to an inner loop; (value, loop).
    pub hoisted: HashMap<(Value, LoopId), Value>,
    /// Hoisted values still to be computed.
    pub to_hoist: Vec<(Value, LoopId)>,
    /// What was computed again already, by the block that it happened in.
    pub memo: HashMap<(Value, Block), Value>,
    /// Variables that count down iterations.
    pub counts: HashMap<LoopId, Value>,
    /// Adjoints of forward values.
    slots: HashMap<Value, Value>,
    /// Variables to clear at the start of the reverse sweep.
    cleared: Vec<(Value, Type)>,
    /// Loads and stores of shadows that need no atomics.
    pub private: &'a dyn Fn(Value) -> bool,
    /// Figures.
    pub stats: Stats,
    /// First broken invariant, if any.
    pub bug: Option<Diagnostics>,
}

impl<'a> Sweep<'a> {
    /// Starts a construction.
    pub fn new(
        input: &'a Input<'a>,
        plan: &'a Plan,
        blocks: &'a DefBlocks,
        tape: Tape,
        private: &'a dyn Fn(Value) -> bool,
    ) -> Self {
        Sweep {
            input,
            plan,
            tape,
            blocks,
            start: SecondaryMap::new(),
            end: SecondaryMap::new(),
            region: SecondaryMap::new(),
            locals: Vec::new(),
            kept: HashMap::new(),
            hoisted: HashMap::new(),
            to_hoist: Vec::new(),
            memo: HashMap::new(),
            counts: HashMap::new(),
            slots: HashMap::new(),
            cleared: Vec::new(),
            private,
            stats: Stats::default(),
            bug: None,
        }
    }

    /// Builds the whole sweep behind the forward sweep's return, but does not enter it from there. `None` when the kernel never
    /// returns, so that there is nothing to differentiate.
    pub fn build(&mut self, k: &mut Kernel, reversed: &HashSet<Block>) -> Result<Option<Ends>> {
        let order: Vec<Block> =
            self.input.cfg.rpo().iter().rev().copied().filter(|b| reversed.contains(b)).collect();
        let Some(&exit) = order.iter().find(|&&b| k.insts[k.terminator(b)].op == Op::Ret) else {
            return Ok(None);
        };
        let mut b = KernelBuilder::new(k);
        for &f in &order {
            let name = b.k.blocks[f].name.clone().unwrap_or_else(|| f.to_string());
            let r = b.block(&format!("{name}.rev"));
            self.start[f] = Some(r);
            self.region[r] = self.input.regions.of[f];
        }
        for l in self.input.regions.loops.keys() {
            if let Some(c) = &self.input.regions.loops[l].counter {
                let ty = b.k.ty(c.count);
                let var = self.local(&mut b, ty);
                self.counts.insert(l, var);
            }
        }
        for (v, d) in self.plan.of.iter() {
            if matches!(d, Some(Decision::Keep | Decision::Save)) {
                let ty = b.k.ty(v);
                let var = self.local(&mut b, ty);
                self.kept.insert(v, var);
            }
        }
        for &f in &order {
            self.body(&mut b, f)?;
        }
        let mut jumps = Vec::new();
        for &f in &order {
            if let Some(jump) = self.connect(&mut b, f)? {
                jumps.push(jump);
            }
        }
        self.hoist(&mut b);
        for (from, to) in jumps {
            b.switch_to(from);
            b.br(to);
        }
        b.loc = None;
        self.forward_stores(&mut b);
        self.forward_tape(&mut b);
        let first = self.start[exit].expect("the exit is reversed");
        b.at = Cursor::At(first, 0);
        for (var, ty) in std::mem::take(&mut self.cleared) {
            let zero = b.k.zero(ty);
            self.set(&mut b, var, zero);
        }
        match self.bug.take() {
            Some(d) => Err(d),
            None => Ok(Some(Ends { exit, first })),
        }
    }

    /// A new local variable.
    pub fn local(&mut self, b: &mut KernelBuilder<'_>, ty: Type) -> Value {
        let at = b.at;
        let entry = b.k.entry();
        b.at = Cursor::At(entry, 0);
        let (bytes, align) = (b.k.room(ty), align_of(b.k, ty));
        let var = b.alloca(bytes, align, AddrSpace::Generic);
        b.at = at;
        self.locals.push((var, ty));
        var
    }

    /// Reads a local variable.
    pub fn read(&self, b: &mut KernelBuilder<'_>, var: Value, ty: Type) -> Value {
        b.load(ty, var, MemFlags::plain(1))
    }

    /// Writes a local variable.
    pub fn set(&self, b: &mut KernelBuilder<'_>, var: Value, v: Value) {
        b.store(var, v, MemFlags::plain(1));
    }

    fn slot(&mut self, b: &mut KernelBuilder<'_>, v: Value) -> Value {
        if let Some(&s) = self.slots.get(&v) {
            return s;
        }
        let ty = b.k.ty(v);
        let s = self.local(b, ty);
        self.slots.insert(v, s);
        self.cleared.push((s, ty));
        s
    }

    /// Takes a value's adjoint: gives it, and leaves zero for the iteration before.
    pub fn take(&mut self, b: &mut KernelBuilder<'_>, v: Value) -> Value {
        let slot = self.slot(b, v);
        let ty = b.k.ty(v);
        let adj = self.read(b, slot, ty);
        let zero = b.k.zero(ty);
        self.set(b, slot, zero);
        adj
    }

    /// Adds to a value's adjoint.
    pub fn add(&mut self, b: &mut KernelBuilder<'_>, v: Value, contribution: Value) {
        if !self.input.active(b.k, v) {
            return;
        }
        let slot = self.slot(b, v);
        let ty = b.k.ty(v);
        let old = self.read(b, slot, ty);
        let sum = add_values(b, old, contribution);
        self.set(b, slot, sum);
    }

    /// The reverse of a block, up to the choice of the predecessor.
    fn body(&mut self, b: &mut KernelBuilder<'_>, f: Block) -> Result<()> {
        b.switch_to(self.start[f].expect("reversed"));
        for i in b.k.blocks[f].insts.clone().into_iter().rev() {
            b.loc = b.k.insts[i].loc;
            if matches!(b.k.insts[i].op, Op::Phi { .. }) {
                break; // phis belong to the edges
            }
            if self.call(b, i)? || self.barrier(b, i) || self.warp(b, i) || self.memory(b, i)? {
                continue;
            }
            let Some(r) = b.k.insts[i].result else { continue };
            if self.input.active(b.k, r) {
                self.pure(b, i, r)?;
            }
        }
        b.loc = None;
        self.end[f] = Some(b.current());
        Ok(())
    }

    fn pure(&mut self, b: &mut KernelBuilder<'_>, i: Inst, r: Value) -> Result<()> {
        let adj = self.take(b, r);
        let operands = b.k.insts[i].op.operands();
        let input = self.input;
        // Activity is asked for while the builder holds the kernel, so it is looked up before.
        let active: HashSet<Value> = operands.iter().copied().filter(|&v| input.active(b.k, v)).collect();
        let mut primal = |b: &mut KernelBuilder<'_>, need: Need| {
            let v = match need {
                Need::Operand(n) => operands[n],
                Need::Result => r,
            };
            self.get(b, v)
        };
        let parts = rules::vjp(b, i, &mut primal, adj, &|v| active.contains(&v)).map_err(|mut d| {
            let why = input.activity.because(b.k, r);
            d.0.iter_mut().filter(|d| d.because.is_empty()).for_each(|d| d.because = why.clone());
            d
        })?;
        for (n, part) in parts {
            self.add(b, operands[n], part);
        }
        Ok(())
    }

    /// Ends the reverse of a block: adjoints of its phis, and the jump to the predecessor that was taken. For the pads
    /// of loops the last jump is left open, since values may still be computed there; it is given back.
    fn connect(&mut self, b: &mut KernelBuilder<'_>, f: Block) -> Result<Option<(Block, Block)>> {
        b.switch_to(self.end[f].expect("its body is built"));
        let mut phis: Vec<(Inst, Value)> = Vec::new();
        for i in b.k.blocks[f].insts.clone() {
            if !matches!(b.k.insts[i].op, Op::Phi { .. }) {
                break;
            }
            let r = b.k.insts[i].result.expect("a phi has a result");
            if self.input.active(b.k, r) {
                b.loc = b.k.insts[i].loc;
                phis.push((i, self.take(b, r)));
            }
        }
        b.loc = None;
        let preds = self.input.cfg.preds(f).to_vec();
        let regions = self.input.regions;
        if preds.is_empty() {
            self.active_scalars(b);
            b.ret();
            return Ok(None);
        }
        if let Some(l) = regions.headed_by(f) {
            self.header(b, l, &phis);
            return Ok(None);
        }
        if let [p] = preds[..] {
            if let Some(l) = regions.left_by(f) {
                self.enter_loop(b, l, f);
            }
            self.edge(b, p, &phis);
            let to = self.start[p].ok_or_else(|| bug(b.k, "a predecessor is not reversed"))?;
            return Ok(Some((b.current(), to)));
        }
        let selector = regions.selectors[f].ok_or_else(|| bug(b.k, "a merge has no selector"))?;
        let which = self.get(b, selector);
        let from = b.current();
        let mut targets = Vec::new();
        for &p in &preds {
            let to = self.start[p].ok_or_else(|| bug(b.k, "a predecessor is not reversed"))?;
            let edge = b.block("edge.rev");
            self.region[edge] = regions.of[f];
            b.switch_to(edge);
            self.edge(b, p, &phis);
            b.br(to);
            targets.push(edge);
        }
        b.switch_to(from);
        if let [first, second] = targets[..] {
            b.cond_br(which, second, first);
        } else {
            let cases = targets.iter().enumerate().skip(1).map(|(n, &t)| (n as i128, t)).collect();
            b.insert(Op::Switch { val: which, default: targets[0], cases }, Type::Void);
        }
        Ok(None)
    }

    /// What the edge from `p` passed to phis goes back to where it came from.
    fn edge(&mut self, b: &mut KernelBuilder<'_>, p: Block, phis: &[(Inst, Value)]) {
        for &(i, adj) in phis {
            let Op::Phi { incoming } = &b.k.insts[i].op else { continue };
            let Some(v) = incoming.iter().find(|(q, _)| *q == p).map(|(_, v)| *v) else { continue };
            self.add(b, v, adj);
        }
    }

    /// The last iteration of a loop is entered from its pad.
    fn enter_loop(&mut self, b: &mut KernelBuilder<'_>, l: LoopId, pad: Block) {
        let Some(counter) = &self.input.regions.loops[l].counter else { return };
        let Some(&(_, last)) = counter.at_exit.iter().find(|(p, _)| *p == pad) else { return };
        let last = self.get(b, last);
        self.set(b, self.counts[&l], last);
        self.pop(b, l);
    }

    /// At a header: back into the iteration before, or out of the loop.
    fn header(&mut self, b: &mut KernelBuilder<'_>, l: LoopId, phis: &[(Inst, Value)]) {
        let region = &self.input.regions.loops[l];
        let var = self.counts[&l];
        let ty = self.locals.iter().find(|(v, _)| *v == var).map(|(_, t)| *t).unwrap_or(Type::I64);
        let count = self.read(b, var, ty);
        let zero = b.k.int(ty, 0);
        let first = b.icmp(IntPred::Eq, count, zero);
        let (out, again) = (b.block("enter.rev"), b.block("next.rev"));
        self.region[out] = region.parent;
        self.region[again] = Some(l);
        b.cond_br(first, out, again);
        b.switch_to(out);
        self.edge(b, region.preheader, phis);
        b.br(self.start[region.preheader].expect("the preheader reaches what its loop reaches"));
        b.switch_to(again);
        let one = b.k.int(ty, 1);
        let less = b.binary(BinOp::Sub, count, one);
        self.set(b, var, less);
        self.pop(b, l);
        self.edge(b, region.latch, phis);
        match self.start[region.latch] {
            Some(to) => b.br(to),
            None => {
                b.insert(Op::Unreachable, Type::Void);
            }
        }
    }

    /// Adjoints of active scalar parameters go to their one-element shadows.
    fn active_scalars(&mut self, b: &mut KernelBuilder<'_>) {
        for (i, shadow) in self.input.params.of_param.iter().enumerate() {
            let v = b.k.param_value(i as u32);
            let (Some(shadow), Some(&slot)) = (*shadow, self.slots.get(&v)) else { continue };
            let ty = b.k.ty(v);
            let adj = self.read(b, slot, ty);
            let align = b.k.bytes(ty.scalar()) as u32;
            // A function gets a number from its caller, whose thread has an adjoint of its own for it.
            let atomic = !b.k.is_function;
            self.accumulate(b, shadow, adj, align, atomic);
        }
    }

    /// Stores kept and saved values into their variables, behind their definitions.
    fn forward_stores(&mut self, b: &mut KernelBuilder<'_>) {
        let mut by_block: HashMap<Block, Vec<(Value, Value)>> = HashMap::new();
        for (&v, &var) in &self.kept {
            let block = self.blocks.of(v).expect("kept values are defined by instructions");
            by_block.entry(block).or_default().push((v, var));
        }
        for (block, mut list) in by_block {
            list.sort();
            for (v, var) in list {
                let inst = b.k.def_inst(v).expect("kept values are defined by instructions");
                let at = b.k.blocks[block].insts.iter().position(|&i| i == inst).expect("in its block");
                b.at = Cursor::At(block, (at + 1).max(first_non_phi(b.k, block)));
                self.set(b, var, v);
            }
        }
    }
}

/// Sum of two adjoints of the same type.
pub fn add_values(b: &mut KernelBuilder<'_>, x: Value, y: Value) -> Value {
    let ty = b.k.ty(x);
    let Type::Agg(id) = ty else {
        return b.binary_fmf(BinOp::FAdd, x, y, Fmf::CONTRACT | Fmf::NSZ);
    };
    let members: Vec<Type> = match &b.k.aggs[id] {
        AggTy::Struct { fields, .. } => fields.clone(),
        AggTy::Array { elem, len, .. } => vec![*elem; *len as usize],
    };
    let mut sum = x;
    for (n, t) in members.into_iter().enumerate() {
        if !crate::facts::activity::holds_float(b.k, t) {
            continue;
        }
        let (p, q) = (b.extract_value(x, n as u32), b.extract_value(y, n as u32));
        let s = add_values(b, p, q);
        sum = b.value(Op::InsertValue { agg: sum, elem: s, path: smallvec::smallvec![n as u32] }, ty);
    }
    sum
}

/// A broken invariant of our own.
pub fn bug(k: &Kernel, what: &str) -> Diagnostics {
    Diagnostic::new(Code::Bug, format!("while reversing `{}`: {what}", k.name))
        .help("this is a bug in kernel-ad: please report it with the kernel")
        .into()
}
