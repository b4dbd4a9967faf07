//! Atomic maxima and minima in shared memory are settled behind the next barrier: the threads whose value is the one
//! that lies there exchange it for itself. That changes nothing, but says whose value it is: the derivative follows the
//! exchange, and the atomic operation itself needs none. A second barrier keeps the exchange apart from what comes.

use crate::cfg::{Cfg, PostDomTree};
use crate::facts::uniform::{between, Uniform};
use crate::facts::{Activity, Base, Provenance};
use crate::grad::{clean, Roles};
use crate::kernel::*;
use std::collections::HashSet;

/// What was settled, and how.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// Atomic maxima and minima whose derivative follows an exchange.
    pub extrema: HashSet<Inst>,
    /// Exchanges of a winner's value for itself.
    pub exchanges: HashSet<Inst>,
}

/// One atomic operation with the variables that remember it until the barrier.
struct Record {
    inst: Inst,
    /// It was executed since the last barrier.
    done: Value,
    /// Its address as an object and the distance from its start, if that is not constant. A distance can be saved for a
    /// reverse sweep in another launch; an address in shared memory can not.
    place: Option<(Value, Value)>,
    /// Its value, the best one if it is executed repeatedly.
    best: Value,
    /// The barriers that may be the next ones behind it.
    ends: HashSet<Inst>,
}

/// An operation that can be settled.
pub(super) struct Fit {
    pub block: Block,
    pub inst: Inst,
    /// It may be executed repeatedly before a barrier.
    pub repeated: bool,
    /// The barriers that may be the next ones behind it.
    pub ends: HashSet<Inst>,
}

/// Settles all that can be. The others stay as they are.
pub fn settle(k: &mut Kernel, roles: &Roles) -> Settled {
    let mut out = Settled::default();
    let candidates: Vec<(Block, Inst)> = k.iter_insts().filter(|&(_, i)| is_extremum(k, i)).collect();
    if candidates.is_empty() {
        return out;
    }
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, roles);
    let activity = Activity::new(k, &cfg, &prov, roles);
    let view = View { k, cfg: &cfg, prov: &prov, activity: &activity, together: None };
    let found = view.all_that_fit(candidates);
    if found.is_empty() {
        return out;
    }
    let mut locals = Vec::new();
    let mut records = Vec::new();
    for fit in found {
        out.extrema.insert(fit.inst);
        records.push(remember(k, fit, &mut locals));
    }
    for block in k.layout.clone() {
        // Each barrier ends a block; what comes behind it goes to a new one.
        let mut at = block;
        while let Some(n) = k.blocks[at].insts.iter().position(|i| records.iter().any(|r| r.ends.contains(i)))
        {
            at = behind_barrier(k, at, n, &records, &mut out.exchanges);
        }
    }
    clean::promote(k, &locals);
    out
}

fn is_extremum(k: &Kernel, i: Inst) -> bool {
    match k.insts[i].op {
        Op::AtomicRmw { op: RmwOp::FMax | RmwOp::FMin, val, .. } => {
            matches!(k.ty(val), Type::F32 | Type::F64)
        }
        _ => false,
    }
}

/// A barrier of the whole block.
fn is_barrier(op: &Op) -> bool {
    matches!(op, Op::Barrier { kind, count: None, .. } if *kind != BarrierKind::Arrive)
}

/// True when the threads that meet at a barrier have all come to the same instruction.
fn meet_alike(k: &Kernel, cfg: &Cfg) -> bool {
    let (uniform, post) = (Uniform::new(k, cfg), PostDomTree::new(k, cfg));
    let waits = |b: Block| k.blocks[b].insts.iter().any(|&i| matches!(k.insts[i].op, Op::Barrier { .. }));
    let waits_from = |b: Block, to: Option<Block>| waits(b) || between(cfg, b, to).into_iter().any(waits);
    cfg.rpo().iter().copied().filter(|&b| uniform.is_divergent_branch(b)).all(|b| {
        let meet = post.ipdom(b);
        let sides = cfg.succs(b).iter().filter(|&&s| Some(s) != meet && waits_from(s, meet)).count();
        sides == 0 || (sides == 1 && meet.is_none_or(|m| !waits_from(m, None)))
    })
}

pub(super) struct View<'a> {
    pub k: &'a Kernel,
    pub cfg: &'a Cfg,
    pub prov: &'a Provenance,
    pub activity: &'a Activity,
    /// Operations that go together with each other; without it those of one kind do.
    pub together: Option<&'a HashSet<Inst>>,
}

impl View<'_> {
    /// Those of these operations that can be settled.
    pub(super) fn all_that_fit(&self, candidates: Vec<(Block, Inst)>) -> Vec<Fit> {
        let k = self.k;
        let mut found: Vec<Fit> = candidates.into_iter().filter_map(|(b, i)| self.fits(b, i)).collect();
        if !meet_alike(k, self.cfg) {
            // A second barrier behind one of those that meet must stand behind all of them.
            let all: HashSet<Inst> =
                k.iter_insts().map(|(_, i)| i).filter(|&i| is_barrier(&k.insts[i].op)).collect();
            found.iter_mut().for_each(|f| f.ends.clone_from(&all));
        }
        found
    }

    /// Whether an operation can be settled.
    fn fits(&self, block: Block, inst: Inst) -> Option<Fit> {
        let k = self.k;
        let Op::AtomicRmw { ptr, .. } = k.insts[inst].op else { return None };
        let base = self.prov.of(ptr).single()?;
        let shared = matches!(base, Base::Global(g) if k.globals[g].space == AddrSpace::Shared);
        if !shared || !self.activity.is_useful_memory(self.prov, ptr) {
            return None;
        }
        k.as_const(start_of(k, ptr))?;
        let (after, ends) = self.until_barrier(block, inst);
        let touches = |p: Value| self.prov.of(p).bases.contains(&base);
        let disturbs = |i: Inst| match &k.insts[i].op {
            Op::Load { ptr, .. } => {
                touches(*ptr) && k.insts[i].result.is_some_and(|r| self.activity.is_active(k, r))
            }
            Op::Store { ptr, .. } | Op::CmpXchg { ptr, .. } => touches(*ptr),
            Op::AtomicRmw { op, ptr, .. } => {
                let Op::AtomicRmw { op: own, .. } = k.insts[inst].op else { return true };
                let other = self.together.map_or(*op != own, |t| !t.contains(&i));
                other && touches(*ptr)
            }
            Op::MemCopy { dst, src, .. } => touches(*dst) || touches(*src),
            Op::MemSet { dst, .. } => touches(*dst),
            // Others may wait for fewer threads than the block has.
            Op::Barrier { .. } => !is_barrier(&k.insts[i].op),
            _ => false,
        };
        if after.iter().any(|&i| disturbs(i)) || ends.is_empty() {
            return None;
        }
        let repeated = after.contains(&inst);
        let moves = k.def_inst(ptr).is_some_and(|d| after.contains(&d));
        (!(repeated && moves)).then_some(Fit { block, inst, repeated, ends })
    }

    /// Everything that may be executed behind an instruction before the next barrier, and the barriers that may be that one.
    fn until_barrier(&self, block: Block, inst: Inst) -> (HashSet<Inst>, HashSet<Inst>) {
        let k = self.k;
        let (mut out, mut ends) = (HashSet::new(), HashSet::new());
        let mut seen: HashSet<Block> = HashSet::new();
        let start = k.blocks[block].insts.iter().position(|&i| i == inst).map_or(0, |n| n + 1);
        let mut work = vec![(block, start)];
        while let Some((b, start)) = work.pop() {
            let rest = &k.blocks[b].insts[start..];
            let end = rest.iter().position(|&i| is_barrier(&k.insts[i].op));
            out.extend(rest[..end.unwrap_or(rest.len())].iter().copied());
            match end {
                Some(n) => drop(ends.insert(rest[n])),
                None => work.extend(self.cfg.succs(b).iter().filter(|&&s| seen.insert(s)).map(|&s| (s, 0))),
            }
        }
        (out, ends)
    }
}

/// The pointer that another one was made from by address arithmetic.
pub(super) fn start_of(k: &Kernel, mut ptr: Value) -> Value {
    while let Some(Op::PtrAdd { ptr: p, .. }) = k.def_op(ptr) {
        ptr = *p;
    }
    ptr
}

/// The sum of the distances between the two.
pub(super) fn distance(b: &mut KernelBuilder<'_>, start: Value, ptr: Value, index: Type) -> Value {
    let (mut at, mut sum) = (ptr, None);
    while at != start {
        let Some(&Op::PtrAdd { ptr: p, offset, .. }) = b.k.def_op(at) else { break };
        let step = b.resize(offset, index, true);
        sum = Some(sum.map_or(step, |s| b.binary(BinOp::Add, s, step)));
        at = p;
    }
    sum.unwrap_or_else(|| b.k.int(index, 0))
}

/// A variable, at the start of the kernel and so before everything that was there; the builder stands behind it.
pub(super) fn variable(b: &mut KernelBuilder<'_>, ty: Type, locals: &mut Vec<(Value, Type)>) -> Value {
    b.at = Cursor::At(b.k.entry(), 0);
    let bytes = b.k.bytes(ty).max(1);
    let var = b.alloca(bytes, bytes.next_power_of_two() as u32, AddrSpace::Generic);
    locals.push((var, ty));
    var
}

/// Stores what is needed behind the barrier in variables.
fn remember(k: &mut Kernel, fit: Fit, locals: &mut Vec<(Value, Type)>) -> Record {
    let Fit { block, inst, repeated, ends } = fit;
    let Op::AtomicRmw { op, ptr, val, .. } = k.insts[inst].op else { unreachable!("an extremum") };
    let mut b = KernelBuilder::new(k);
    let entry = b.k.entry();
    let (space, float) = (b.k.ty(ptr), b.k.ty(val));
    let done = variable(&mut b, Type::I1, locals);
    let best = variable(&mut b, float, locals);
    let index = b.k.index_ty(space.addr_space().unwrap_or(AddrSpace::Generic));
    let place = b.k.def_inst(ptr).map(|_| (start_of(b.k, ptr), variable(&mut b, index, locals)));
    let plain = MemFlags::plain(1);
    let first = b.k.blocks[entry].insts.iter().rposition(|&i| matches!(b.k.insts[i].op, Op::Alloca { .. }));
    b.at = Cursor::At(entry, first.map_or(0, |n| n + 1));
    let (no, zero) = (b.k.int(Type::I1, 0), b.k.zero(float));
    b.store(done, no, plain);
    b.store(best, zero, plain);
    b.loc = b.k.insts[inst].loc;
    let at = b.k.blocks[block].insts.iter().position(|&i| i == inst).expect("in its block");
    b.at = Cursor::At(block, at + 1);
    let mut value = val;
    if repeated {
        let (before, known) = (b.load(float, best, plain), b.load(Type::I1, done, plain));
        let pred = if op == RmwOp::FMax { FloatPred::Olt } else { FloatPred::Ogt };
        let better = b.fcmp(pred, before, val);
        let yes = b.k.int(Type::I1, 1);
        let new = b.binary(BinOp::Xor, known, yes);
        let take = b.binary(BinOp::Or, new, better);
        value = b.select(take, val, before);
    }
    b.store(best, value, plain);
    let yes = b.k.int(Type::I1, 1);
    b.store(done, yes, plain);
    if let Some((start, var)) = place {
        let distance = distance(&mut b, start, ptr, index);
        b.store(var, distance, plain);
    }
    Record { inst, done, place, best, ends }
}

/// Splits a block behind its barrier and settles there. Gives the block with the rest.
fn behind_barrier(
    k: &mut Kernel,
    block: Block,
    n: usize,
    records: &[Record],
    exchanges: &mut HashSet<Inst>,
) -> Block {
    let barrier = k.blocks[block].insts[n];
    let rest = k.blocks[block].insts.split_off(n + 1);
    let name = k.blocks[block].name.clone().unwrap_or_default();
    let loc = k.insts[barrier].loc;
    let mut b = KernelBuilder::new(k);
    b.loc = loc;
    b.switch_to(block);
    for r in records.iter().filter(|r| r.ends.contains(&barrier)) {
        settle_one(&mut b, r, exchanges);
    }
    // Unlike the first barrier this one gives nothing, whatever kind that is.
    if let Op::Barrier { id, count, aligned, .. } = b.k.insts[barrier].op {
        b.sync(id, count, aligned);
    }
    let end = b.current();
    let last = b.block(&format!("{name}.settled"));
    b.switch_to(end);
    b.br(last);
    k.blocks[last].insts = rest;
    k.end_moved(block, last);
    last
}

fn settle_one(b: &mut KernelBuilder<'_>, r: &Record, exchanges: &mut HashSet<Inst>) {
    let Op::AtomicRmw { ptr, val, mem, .. } = b.k.insts[r.inst].op else { return };
    let (space, float) = (b.k.ty(ptr), b.k.ty(val));
    let bits = Type::Int(8 * b.k.bytes(float) as u16);
    let plain = MemFlags::plain(1);
    let relaxed = MemFlags { ordering: Some(Ordering::Monotonic), volatile: false, ..mem };
    let (look, put, on) = (b.block("settle.look"), b.block("settle.put"), b.block("settle.on"));
    let from = b.current();
    debug_assert!(from != on);
    let done = b.load(Type::I1, r.done, plain);
    b.cond_br(done, look, on);
    b.switch_to(look);
    let place = r.place.map_or(ptr, |(start, var)| {
        let index = b.k.index_ty(space.addr_space().unwrap_or(AddrSpace::Generic));
        let distance = b.load(index, var, plain);
        b.ptr_add(start, distance)
    });
    let best = b.load(float, r.best, plain);
    let last = b.load(bits, place, relaxed);
    let mine = b.cast(CastOp::Bitcast, best, bits);
    let won = b.icmp(IntPred::Eq, mine, last);
    b.cond_br(won, put, on);
    b.switch_to(put);
    let op = Op::AtomicRmw { op: RmwOp::Xchg, ptr: place, val: best, mem: relaxed };
    exchanges.insert(b.insert(op, float));
    b.br(on);
    b.switch_to(on);
    let (no, zero) = (b.k.int(Type::I1, 0), b.k.zero(float));
    b.store(r.done, no, plain);
    b.store(r.best, zero, plain);
}
