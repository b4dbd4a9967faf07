//! Loops around a compare-and-swap that add to a float, or keep the larger or the smaller one, become one atomic operation.
//!
//! Such a loop has one `cmpxchg`. What it expects is the content of memory: loaded in the iteration, or given back by the
//! `cmpxchg` of the one before. It ends when the exchange succeeds, or, where a maximum is kept, when there is
//! nothing to exchange.

use super::{bits_of, float_behind};
use crate::canon::drop_unreachable;
use crate::cfg::{Cfg, DomTree, LoopData, LoopForest};
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// Replaces all of them; true if there was one.
pub(super) fn replace_loops(k: &mut Kernel) -> bool {
    let mut any = false;
    if !k.iter_insts().any(|(_, i)| matches!(k.insts[i].op, Op::CmpXchg { .. })) {
        return false;
    }
    while let Some(found) = find(k, &|_| Some(Wanted::Atomic)) {
        replace(k, &found);
        drop_unreachable(k);
        any = true;
    }
    any
}

/// Replaces the loops that multiply, but those whose `cmpxchg` is among `but`. Hardware has no such operation: an atomic *add* stands for
/// each, which comes out here beside the `cmpxchg`, and has to be replaced in its turn.
pub(super) fn take_products(k: &mut Kernel, but: &HashSet<Inst>) -> Vec<(Inst, Inst)> {
    let mut out = Vec::new();
    while let Some(found) = find(k, &|i| (!but.contains(&i)).then_some(Wanted::Product)) {
        let swap = found.swap;
        out.extend(replace(k, &found).map(|atomic| (swap, atomic)));
        drop_unreachable(k);
    }
    out
}

/// What a loop has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Atomic,
    Product,
}

/// A recognised loop.
struct Found {
    swap: Inst,
    op: RmwOp,
    /// The other operand of the operation; the same in all iterations.
    val: Value,
    header: Block,
    entering: Vec<Block>,
    inside: HashSet<Block>,
    /// The edge that a successful exchange takes.
    success: (Block, Block),
    /// The edge that is taken when nothing needs to be exchanged; its condition, and whether that is then true.
    guard: Option<((Block, Block), Value, bool)>,
    /// Values that hold the content of memory when the loop ends, as integers.
    contents: HashSet<Value>,
}

fn find(k: &Kernel, wanted: &dyn Fn(Inst) -> Option<Wanted>) -> Option<Found> {
    let cfg = Cfg::new(k);
    let dom = DomTree::new(k, &cfg);
    let forest = LoopForest::new(k, &cfg, &dom).ok()?;
    cfg.rpo().iter().find_map(|&b| {
        let swap = *k.blocks[b].insts.iter().find(|&&i| matches!(k.insts[i].op, Op::CmpXchg { .. }))?;
        let wanted = wanted(swap)?;
        let l = forest.of(b)?;
        let data = &forest.loops[l];
        // An inner loop would have blocks of its own.
        data.blocks
            .iter()
            .all(|&x| forest.of(x) == Some(l))
            .then(|| Loop::new(k, &cfg, data, swap, wanted)?.recognise())?
    })
}

/// A loop with a `cmpxchg`, being looked at.
struct Loop<'a> {
    k: &'a Kernel,
    cfg: &'a Cfg,
    data: &'a LoopData,
    inside: HashSet<Block>,
    /// Values that are defined in the loop.
    own: HashSet<Value>,
    swap: Inst,
    ptr: Value,
    new: Value,
    /// What the exchange gives: content and success.
    pair: Value,
    contents: HashSet<Value>,
    wanted: Wanted,
}

impl<'a> Loop<'a> {
    fn new(k: &'a Kernel, cfg: &'a Cfg, data: &'a LoopData, swap: Inst, wanted: Wanted) -> Option<Loop<'a>> {
        let Op::CmpXchg { ptr, expected, new, .. } = k.insts[swap].op else { return None };
        let inside: HashSet<Block> = data.blocks.iter().copied().collect();
        let insts = || data.blocks.iter().flat_map(|&b| &k.blocks[b].insts).copied();
        let own: HashSet<Value> = insts().filter_map(|i| k.insts[i].result).collect();
        let harmless = |i: Inst| match &k.insts[i].op {
            Op::Phi { .. } | Op::Br { .. } | Op::CondBr { .. } | Op::Freeze { .. } => true,
            Op::Load { ptr: p, mem } => {
                uncast(k, *p) == uncast(k, ptr) || (!mem.volatile && mem.ordering.is_none())
            }
            op => i == swap || op.is_pure(),
        };
        if own.contains(&ptr) || !insts().all(harmless) {
            return None;
        }
        let mut l = Loop {
            k,
            cfg,
            data,
            inside,
            own,
            swap,
            ptr,
            new,
            pair: k.insts[swap].result?,
            contents: HashSet::new(),
            wanted,
        };
        l.find_contents(expected);
        l.contents.contains(&expected).then_some(l)
    }

    fn is_place(&self, ptr: Value) -> bool {
        uncast(self.k, ptr) == uncast(self.k, self.ptr)
    }

    fn member(&self, v: Value, index: u32) -> bool {
        matches!(self.k.def_op(v), Some(Op::ExtractValue { agg, path }) if *agg == self.pair && path[..] == [index])
    }

    /// What the exchange gives back, what it expects, and what of the iteration before it expects.
    fn find_contents(&mut self, expected: Value) {
        let k = self.k;
        let ty = k.ty(expected);
        let gives: Vec<Value> = self.own.iter().copied().filter(|&v| self.member(v, 0)).collect();
        self.contents.extend(gives);
        let from_memory = match k.def_op(expected) {
            Some(Op::Load { ptr, .. }) => self.is_place(*ptr) && self.own.contains(&expected),
            Some(Op::Phi { incoming }) => {
                k.blocks[self.data.header].insts.iter().any(|&i| k.insts[i].result == Some(expected))
                    && incoming
                        .iter()
                        .all(|(p, v)| !self.inside.contains(p) || *v == expected || self.contents.contains(v))
            }
            _ => false,
        };
        if from_memory && matches!(ty, Type::Int(16 | 32 | 64)) {
            self.contents.insert(expected);
        }
    }

    /// The content of memory, as an integer or as a float.
    fn is_content(&self, v: Value) -> bool {
        self.contents.contains(&v) || bits_of(self.k, v).is_some_and(|a| self.contents.contains(&a))
    }

    /// A float from outside of the loop, also as its bits.
    fn invariant(&self, v: Value) -> Option<Value> {
        let k = self.k;
        let f = match k.ty(v) {
            Type::Float(_) => v,
            Type::Int(_) => float_behind(k, v)?,
            _ => return None,
        };
        (self.is_hoistable(f, 0) && k.bytes(k.ty(f)) == k.bytes(k.ty(self.new))).then_some(f)
    }

    /// True when a value is the same in every iteration, and can be had before the first: other memory that is loaded
    /// there cannot change meanwhile, since that would be a race.
    fn is_hoistable(&self, v: Value, depth: u32) -> bool {
        if !self.own.contains(&v) {
            return true;
        }
        let hoistable = |v: Value| self.is_hoistable(v, depth + 1);
        match self.k.def_op(v) {
            Some(Op::Load { ptr, mem }) => {
                let header = &self.k.blocks[self.data.header].insts;
                let always = header.iter().any(|&i| self.k.insts[i].result == Some(v));
                always && !mem.volatile && mem.ordering.is_none() && !self.is_place(*ptr) && hoistable(*ptr)
            }
            Some(op) if op.is_pure() && depth < 16 => op.operands().into_iter().all(hoistable),
            _ => false,
        }
    }

    fn recognise(&self) -> Option<Found> {
        let (mut success, mut guard) = (None, None);
        for &(from, to) in &self.data.exits {
            let Op::CondBr { cond, then, els } = self.k.insts[self.k.terminator(from)].op else {
                return None;
            };
            if then == els || (self.inside.contains(&then) == self.inside.contains(&els)) {
                return None;
            }
            let leaves_if = then == to;
            let slot = match self.is_success(cond) {
                Some(when) if when == leaves_if => &mut success,
                Some(_) => return None,
                None => {
                    if guard.replace(((from, to), cond, leaves_if)).is_some() {
                        return None;
                    }
                    continue;
                }
            };
            if slot.replace((from, to)).is_some() {
                return None;
            }
        }
        let success = success?;
        let (op, val) = self.update()?;
        let (op, val) = match guard {
            None => (op, val),
            Some((_, cond, leaves_if)) => {
                let (kept, bound) = self.comparison(cond)?;
                // The loop is left when memory holds the larger one already: it keeps the maximum.
                let keeps = if kept == leaves_if { RmwOp::FMax } else { RmwOp::FMin };
                if bound != val || !(op == keeps || op == RmwOp::Xchg) || !self.starts_from_memory() {
                    return None;
                }
                (keeps, val)
            }
        };
        let found = Found {
            swap: self.swap,
            op,
            val,
            header: self.data.header,
            entering: self.data.entering.clone(),
            inside: self.inside.clone(),
            success,
            guard,
            contents: self.contents.clone(),
        };
        self.can_be_replaced(&found).then_some(found)
    }

    /// Whether a condition says that the exchange succeeded (true), or failed.
    fn is_success(&self, cond: Value) -> Option<bool> {
        if self.member(cond, 1) {
            return Some(true);
        }
        let Op::CmpXchg { expected, .. } = self.k.insts[self.swap].op else { return None };
        match self.k.def_op(cond)? {
            Op::ICmp { pred: pred @ (IntPred::Eq | IntPred::Ne), a, b } => {
                let pair = (*a == expected && self.member(*b, 0)) || (*b == expected && self.member(*a, 0));
                pair.then_some(*pred == IntPred::Eq)
            }
            _ => None,
        }
    }

    /// The operation that makes the new content from the old one, and its other operand.
    fn update(&self) -> Option<(RmwOp, Value)> {
        let k = self.k;
        if let Some(v) = self.invariant(self.new) {
            return (self.wanted == Wanted::Atomic).then_some((RmwOp::Xchg, v));
        }
        let made = float_behind(k, self.new).unwrap_or(self.new);
        let either = |a: Value, b: Value| match (self.is_content(a), self.is_content(b)) {
            (true, false) => self.invariant(b),
            (false, true) => self.invariant(a),
            _ => None,
        };
        if self.wanted == Wanted::Product {
            return match k.def_op(made)? {
                Op::Binary { op: BinOp::FMul, a, b, .. } => Some((RmwOp::FAdd, either(*a, *b)?)),
                _ => None,
            };
        }
        match k.def_op(made)? {
            Op::Binary { op: BinOp::FAdd, a, b, .. } => Some((RmwOp::FAdd, either(*a, *b)?)),
            Op::Binary { op: BinOp::FSub, a, b, .. } if self.is_content(*a) => {
                Some((RmwOp::FSub, self.invariant(*b)?))
            }
            Op::Math {
                func: MathFn::Add,
                args,
                flavor: Flavor::Rounded { mode: Rounding::Nearest, ftz: false },
                ..
            } => Some((RmwOp::FAdd, either(args[0], args[1])?)),
            Op::Math { func: MathFn::Fmax, args, .. } => Some((RmwOp::FMax, either(args[0], args[1])?)),
            Op::Math { func: MathFn::Fmin, args, .. } => Some((RmwOp::FMin, either(args[0], args[1])?)),
            Op::Select { cond, a, b, .. } => {
                let (kept, bound) = self.comparison(*cond)?;
                let val = either(*a, *b)?;
                // `memory > val ? memory : val` keeps the larger one.
                let keeps = if kept == self.is_content(*a) { RmwOp::FMax } else { RmwOp::FMin };
                (bound == val).then_some((keeps, val))
            }
            _ => None,
        }
    }

    /// A comparison of the content of memory with a float from outside: true if it says that the content is larger.
    fn comparison(&self, cond: Value) -> Option<(bool, Value)> {
        let Op::FCmp { pred, a, b, .. } = self.k.def_op(cond)? else { return None };
        use FloatPred::*;
        let larger = match pred {
            Ogt | Oge | Ugt | Uge => true,
            Olt | Ole | Ult | Ule => false,
            _ => return None,
        };
        match (self.is_content(*a), self.is_content(*b)) {
            (true, false) => Some((larger, self.invariant(*b)?)),
            (false, true) => Some((!larger, self.invariant(*a)?)),
            _ => None,
        }
    }

    /// True when the first iteration expects what was just loaded: a guess would not tell what memory holds.
    fn starts_from_memory(&self) -> bool {
        let k = self.k;
        let Op::CmpXchg { expected, .. } = k.insts[self.swap].op else { return false };
        let Some(Op::Phi { incoming }) = k.def_op(expected) else { return true };
        incoming.iter().filter(|(p, _)| !self.inside.contains(p)).all(|(p, v)| {
            let source = bits_of(k, *v).unwrap_or(*v);
            let Some(Op::Load { ptr, .. }) = k.def_op(source) else { return false };
            self.is_place(*ptr) && self.just_loaded(*p, source)
        })
    }

    /// Nothing is written between a load and the end of a block.
    fn just_loaded(&self, mut block: Block, loaded: Value) -> bool {
        for _ in 0..8 {
            for &i in self.k.blocks[block].insts.iter().rev() {
                if self.k.insts[i].result == Some(loaded) {
                    return true;
                }
                if self.k.insts[i].op.has_side_effects() && !self.k.insts[i].op.is_terminator() {
                    return false;
                }
            }
            let [above] = self.cfg.preds(block) else { return false };
            block = *above;
        }
        false
    }

    /// Everything that is used outside of the loop can be made from the old content.
    fn can_be_replaced(&self, found: &Found) -> bool {
        let k = self.k;
        let outside = |b: &Block| !self.inside.contains(b);
        let guard = found.guard.iter().all(|(_, cond, _)| self.can_be_made(*cond, 0));
        guard
            && self.cfg.rpo().iter().filter(|b| outside(b)).flat_map(|&b| &k.blocks[b].insts).all(|&i| {
                let operands = k.insts[i].op.operands();
                operands.iter().all(|v| !self.own.contains(v) || self.can_be_made(*v, 0))
            })
    }

    fn can_be_made(&self, v: Value, depth: u32) -> bool {
        if !self.own.contains(&v) || self.contents.contains(&v) || self.member(v, 1) {
            return true;
        }
        match self.k.def_op(v) {
            Some(op) if op.is_pure() && v != self.pair && depth < 16 => {
                op.operands().iter().all(|&a| a != self.pair && self.can_be_made(a, depth + 1))
            }
            _ => false,
        }
    }
}

/// A pointer before casts between address spaces.
fn uncast(k: &Kernel, mut ptr: Value) -> Value {
    while let Some(Op::Cast { op: CastOp::AddrSpaceCast, a, .. }) = k.def_op(ptr) {
        ptr = *a;
    }
    ptr
}

/// Puts the atomic operation before the loop's exits and takes the loop out of the flow. Gives the operation.
fn replace(k: &mut Kernel, found: &Found) -> Option<Inst> {
    let Op::CmpXchg { ptr, new, mem, .. } = k.insts[found.swap].op else { return None };
    let own: HashSet<Value> =
        found.inside.iter().flat_map(|&b| &k.blocks[b].insts).filter_map(|&i| k.insts[i].result).collect();
    let (bits, float, loc) = (k.ty(new), k.ty(found.val), k.insts[found.swap].loc);
    let mut b = KernelBuilder::new(k);
    b.loc = loc;
    let block = b.block("atomic");
    b.switch_to(block);
    let mem = MemFlags { ordering: mem.ordering.or(Some(Ordering::Monotonic)), ..mem };
    let (contents, swap) = (&found.contents, found.swap);
    let mut made =
        Made { own: &own, contents, swap, old: found.val, old_bits: found.val, map: HashMap::new() };
    let val = made.value(&mut b, found.val);
    made.old = b.value(Op::AtomicRmw { op: found.op, ptr, val, mem }, float);
    let atomic = b.k.def_inst(made.old);
    made.old_bits = b.cast(CastOp::Bitcast, made.old, bits);
    let leave = found.guard.as_ref().map(|&(edge, cond, when)| (edge, made.value(&mut b, cond), when));
    // Phis behind the loop, then all other uses.
    let mut targets = vec![found.success.1];
    targets.extend(leave.iter().map(|(e, ..)| e.1).filter(|t| *t != found.success.1));
    for t in targets {
        for i in b.k.blocks[t].insts.clone() {
            let Op::Phi { incoming } = b.k.insts[i].op.clone() else { break };
            let from = |p: Block| incoming.iter().find(|(q, _)| *q == p).map(|(_, v)| *v);
            let kept: Vec<_> = incoming.iter().copied().filter(|(p, _)| !found.inside.contains(p)).collect();
            let success = (found.success.1 == t).then(|| from(found.success.0)).flatten();
            let success = success.map(|v| made.value(&mut b, v));
            let other = leave.as_ref().filter(|(e, ..)| e.1 == t).and_then(|(e, ..)| from(e.0));
            let other = other.map(|v| made.value(&mut b, v));
            let v = match (success, other, &leave) {
                (Some(s), Some(o), Some((_, cond, when))) if s != o => match when {
                    true => b.select(*cond, o, s),
                    false => b.select(*cond, s, o),
                },
                (Some(v), ..) | (None, Some(v), _) => v,
                (None, None, _) => continue,
            };
            let incoming = kept.into_iter().chain([(block, v)]).collect();
            b.k.insts[i].op = Op::Phi { incoming };
        }
    }
    for x in b.k.layout.clone() {
        if x == block || found.inside.contains(&x) {
            continue;
        }
        for i in b.k.blocks[x].insts.clone() {
            for v in b.k.insts[i].op.operands() {
                if own.contains(&v) {
                    let with = made.value(&mut b, v);
                    b.k.insts[i].op.map_operands(|o| if o == v { with } else { o });
                }
            }
        }
    }
    match leave {
        Some(((_, to), cond, when)) if to != found.success.1 => {
            let (then, els) = if when { (to, found.success.1) } else { (found.success.1, to) };
            b.cond_br(cond, then, els);
        }
        _ => b.br(found.success.1),
    }
    for &p in &found.entering {
        let t = k.terminator(p);
        k.insts[t].op.map_blocks(|x| if x == found.header { block } else { x });
    }
    // It stands where the loop stood.
    k.layout.pop();
    let at = k.layout.iter().position(|&x| x == found.header).unwrap_or(k.layout.len());
    k.layout.insert(at, block);
    atomic
}

/// Values of the loop, made again from the old content of memory.
struct Made<'a> {
    own: &'a HashSet<Value>,
    contents: &'a HashSet<Value>,
    swap: Inst,
    old: Value,
    old_bits: Value,
    map: HashMap<Value, Value>,
}

impl Made<'_> {
    fn value(&mut self, b: &mut KernelBuilder<'_>, v: Value) -> Value {
        if !self.own.contains(&v) {
            return v;
        }
        if self.contents.contains(&v) {
            return self.old_bits;
        }
        if let Some(&m) = self.map.get(&v) {
            return m;
        }
        let Some(inst) = b.k.def_inst(v) else { return v };
        let mut op = b.k.insts[inst].op.clone();
        let made = match &op {
            Op::ExtractValue { agg, .. } if b.k.def_inst(*agg) == Some(self.swap) => b.k.int(Type::I1, 1),
            Op::Cast { op: CastOp::Bitcast, a, .. }
                if self.contents.contains(a) && b.k.ty(v) == b.k.ty(self.old) =>
            {
                self.old
            }
            _ => {
                let operands: Vec<Value> = op.operands().iter().map(|&a| self.value(b, a)).collect();
                let mut next = operands.into_iter();
                op.map_operands(|o| next.next().unwrap_or(o));
                let ty = b.k.ty(v);
                b.value(op, ty)
            }
        };
        self.map.insert(v, made);
        made
    }
}
