//! Cutting the computation of one value out of a kernel, to run it alone.

use crate::cfg::{Cfg, DomTree};
use crate::interp::{self, Arg, Launch, Memory, Options};
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashSet;

/// What cutting needs to know of a kernel.
pub struct Whole<'k> {
    pub k: &'k Kernel,
    pub cfg: Cfg,
    pub dom: DomTree,
    /// Where instructions stand.
    at: SecondaryMap<Inst, Option<(Block, usize)>>,
    /// Stores, with the variable they write to.
    stores: Vec<(Inst, Option<Value>)>,
}

impl<'k> Whole<'k> {
    pub fn new(k: &'k Kernel) -> Whole<'k> {
        let cfg = Cfg::new(k);
        let dom = DomTree::new(k, &cfg);
        let mut at = SecondaryMap::new();
        let mut stores = Vec::new();
        for &b in &k.layout {
            for (p, &i) in k.blocks[b].insts.iter().enumerate() {
                at[i] = Some((b, p));
                if let Op::Store { ptr, .. } = &k.insts[i].op {
                    stores.push((i, root(k, *ptr)));
                }
            }
        }
        Whole { k, cfg, dom, at, stores }
    }

    /// The block that defines a value; the entry for what is no instruction's result.
    pub fn block_of(&self, v: Value) -> Block {
        self.k.def_inst(v).and_then(|i| self.at[i]).map_or(self.k.entry(), |(b, _)| b)
    }

    /// Stores through pointers into a local variable.
    pub fn stores_to(&self, variable: Value) -> impl Iterator<Item = Inst> + '_ {
        self.stores.iter().filter(move |(_, r)| *r == Some(variable)).map(|(i, _)| *i)
    }
}

/// The local variable or the module-level variable that a pointer was formed from.
pub fn root(k: &Kernel, mut ptr: Value) -> Option<Value> {
    for _ in 0..32 {
        ptr = match k.def_op(ptr) {
            Some(Op::PtrAdd { ptr, .. }) => *ptr,
            Some(Op::Cast { op: CastOp::AddrSpaceCast, a, .. }) => *a,
            Some(Op::Alloca { .. }) => return Some(ptr),
            None if matches!(k.as_const(ptr), Some(Const::Global(_))) => return Some(ptr),
            _ => return None,
        };
    }
    None
}

/// The module-level variable, when it never changes.
pub fn constant_table(k: &Kernel, root: Value) -> Option<Global> {
    match k.as_const(root)? {
        Const::Global(g) if k.globals[*g].is_const && !k.globals[*g].external => Some(*g),
        _ => None,
    }
}

/// A kernel that computes `target` as the kernel does between `head`, which dominates it, and itself: block `i` of its launch takes element `i`
/// of `input` and stores element `i` of its second array, unless control leaves for where `target` is not computed.
///
/// `None` when `target` depends on anything but `input` there.
pub fn cut(w: &Whole<'_>, target: Value, input: Value, head: Block) -> Option<Kernel> {
    let last = w.block_of(target);
    let region = region(&w.cfg, head, last);
    let mut s = Slice { w, input, head, region, needed: HashSet::new(), outside: HashSet::new() };
    s.visit(target)?;
    let decided = s.conditions(last)?;
    Some(s.build(target, last, &decided))
}

/// The blocks on the ways from one block to another that come back to neither.
fn region(cfg: &Cfg, head: Block, last: Block) -> HashSet<Block> {
    let reach = |from: Block, stop: Block, next: &dyn Fn(Block) -> Vec<Block>| {
        let (mut seen, mut work) = (HashSet::from([from]), vec![from]);
        while let Some(b) = work.pop() {
            if b == stop {
                continue;
            }
            work.extend(next(b).into_iter().filter(|&n| seen.insert(n)));
        }
        seen
    };
    let ahead = reach(head, last, &|b| cfg.succs(b).to_vec());
    let back = reach(last, head, &|b| cfg.preds(b).to_vec());
    ahead.intersection(&back).copied().collect()
}

struct Slice<'w, 'k> {
    w: &'w Whole<'k>,
    input: Value,
    head: Block,
    region: HashSet<Block>,
    /// Instructions of the region.
    needed: HashSet<Inst>,
    /// Instructions from before it, which depend on nothing but the input either.
    outside: HashSet<Inst>,
}

impl Slice<'_, '_> {
    fn visit(&mut self, v: Value) -> Option<()> {
        let mut work = vec![v];
        while let Some(v) = work.pop() {
            if v == self.input || self.w.k.as_const(v).is_some() {
                continue;
            }
            let i = self.w.k.def_inst(v)?;
            if !self.needed.contains(&i) && !self.outside.contains(&i) {
                self.take(i, &mut work)?;
            }
        }
        Some(())
    }

    /// True behind the head's start and, when the input is made in the head, behind the input.
    fn is_inside(&self, i: Inst) -> bool {
        let Some((b, at)) = self.w.at[i] else { return false };
        let input = self.w.k.def_inst(self.input).and_then(|i| self.w.at[i]);
        self.region.contains(&b) && input.is_none_or(|(ib, p)| ib != b || at > p)
    }

    fn take(&mut self, i: Inst, work: &mut Vec<Value>) -> Option<()> {
        let k = self.w.k;
        let inside = self.is_inside(i);
        let op = &k.insts[i].op;
        match op {
            Op::Alloca { .. } => {
                self.outside.insert(i);
                return Some(());
            }
            Op::Phi { incoming } => {
                let (b, _) = self.w.at[i]?;
                if !inside || b == self.head {
                    return None;
                }
                work.extend(incoming.iter().filter(|(p, _)| self.region.contains(p)).map(|(_, v)| *v));
            }
            Op::Load { ptr, mem } if !mem.volatile && mem.ordering.is_none() => {
                let from = root(k, *ptr)?;
                work.push(*ptr);
                if constant_table(k, from).is_none() {
                    if !inside || !self.is_private(from) {
                        return None;
                    }
                    for s in self.w.stores_to(from) {
                        if self.is_inside(s) && self.needed.insert(s) {
                            work.extend(k.insts[s].op.operands());
                        }
                    }
                }
            }
            Op::Special(_) => return None,
            Op::Freeze { a } => work.push(*a),
            op if op.is_pure() => work.extend(op.operands()),
            _ => return None,
        }
        if inside {
            self.needed.insert(i);
        } else {
            self.outside.insert(i);
        }
        Some(())
    }

    /// A local variable that is only loaded and stored.
    fn is_private(&self, variable: Value) -> bool {
        let k = self.w.k;
        if !matches!(k.def_op(variable), Some(Op::Alloca { .. })) {
            return false;
        }
        k.iter_insts().all(|(_, i)| match &k.insts[i].op {
            Op::Load { .. } | Op::PtrAdd { .. } | Op::Cast { op: CastOp::AddrSpaceCast, .. } => true,
            Op::Store { val, .. } => root(k, *val) != Some(variable),
            op => op.operands().iter().all(|&v| !k.ty(v).is_ptr() || root(k, v) != Some(variable)),
        })
    }

    /// The branches that the region takes for any input: those whose condition depends on something else, where one side only leads on.
    fn conditions(&mut self, last: Block) -> Option<Vec<(Block, Block)>> {
        let k = self.w.k;
        let mut decided = Vec::new();
        let mut blocks: Vec<Block> = self.region.iter().copied().filter(|&b| b != last).collect();
        blocks.sort_by_key(|&b| self.w.cfg.rpo_index(b));
        for b in blocks {
            let cond = match &k.insts[k.terminator(b)].op {
                Op::CondBr { cond, .. } => *cond,
                Op::Switch { val, .. } => *val,
                _ => continue,
            };
            let before = (self.needed.clone(), self.outside.clone());
            if self.visit(cond).is_some() {
                continue;
            }
            (self.needed, self.outside) = before;
            let on: Vec<Block> = k.successors(b).into_iter().filter(|s| self.leads_on(*s)).collect();
            match on[..] {
                [one] => decided.push((b, one)),
                _ => return None,
            }
        }
        Some(decided)
    }

    fn leads_on(&self, b: Block) -> bool {
        self.region.contains(&b) && b != self.head
    }

    fn build(&self, target: Value, last: Block, decided: &[(Block, Block)]) -> Kernel {
        let w = self.w;
        let mut k = w.k.clone();
        for (_, d) in k.values.iter_mut() {
            if matches!(d.def, ValueDef::Param(_)) {
                d.def = ValueDef::Const(Const::Undef);
            }
        }
        (k.params, k.tape, k.functions) = (Vec::new(), None, Vec::new());
        (k.bounds, k.is_function) = (LaunchBounds::default(), false);
        let miss = k.blocks.push(BlockData::default());
        let start = k.blocks.push(BlockData::default());
        let mut region: Vec<Block> = self.region.iter().copied().collect();
        region.sort_by_key(|&b| w.cfg.rpo_index(b));
        for &b in &region {
            let end = k.terminator(b);
            let mut insts: Vec<Inst> =
                k.blocks[b].insts.iter().copied().filter(|i| self.needed.contains(i)).collect();
            for &i in &insts {
                if let Op::Phi { incoming } = &mut k.insts[i].op {
                    incoming.retain(|(p, _)| self.region.contains(p) && *p != last);
                }
            }
            if b != last {
                if let Some((_, to)) = decided.iter().find(|(d, _)| *d == b) {
                    k.insts[end].op = Op::Br { to: *to };
                } else {
                    k.insts[end].op.map_blocks(|s| if self.leads_on(s) { s } else { miss });
                }
                insts.push(end);
            }
            k.blocks[b].insts = insts;
        }
        let pointer = |name: &str| Param { align: 8, ..Param::new(name, Type::Ptr(AddrSpace::Global)) };
        let (from, to) = (k.add_param(pointer("input")), k.add_param(pointer("target")));
        let mut outside: Vec<(Option<u32>, usize, Inst)> =
            self.outside.iter().filter_map(|&i| w.at[i].map(|(b, p)| (w.cfg.rpo_index(b), p, i))).collect();
        outside.sort();
        let ty = k.ty(self.input);
        let bytes = k.bytes(ty);
        let mut b = KernelBuilder::new(&mut k);
        b.switch_to(start);
        let block = b.special(Special::BlockId(0));
        let size = b.k.int(Type::I32, bytes.into());
        let offset = b.binary(BinOp::Mul, block, size);
        let place = b.ptr_add(from, offset);
        let element = b.load(ty, place, MemFlags::plain(bytes as u32));
        b.k.blocks[start].insts.extend(outside.into_iter().map(|(.., i)| i));
        b.br(self.head);
        b.switch_to(last);
        let place = b.ptr_add(to, offset);
        b.store(place, target, MemFlags::plain(bytes as u32));
        b.ret();
        b.switch_to(miss);
        b.ret();
        k.layout = std::iter::once(start).chain(region).chain([miss]).collect();
        for (_, i) in k.iter_insts().collect::<Vec<_>>() {
            k.insts[i].op.map_operands(|v| if v == self.input { element } else { v });
        }
        crate::canon::drop_unreachable(&mut k);
        k
    }
}

/// Runs what [`cut`] gave, for arguments and results of format `ty`: for every input the target, or `None` where control leaves. An error of the run (a table that
/// is read beyond its end, a variable that was written before the head) makes it `None` as a whole.
pub fn evaluate(k: &Kernel, ty: FloatTy, inputs: &[f64]) -> Option<Vec<Option<f64>>> {
    let size = ty.bytes() as usize;
    let mut memory = Memory::new();
    let [from, to] = ["input", "target"].map(|n| memory.alloc(n, &vec![0xff; inputs.len() * size]));
    for (i, &x) in inputs.iter().enumerate() {
        memory.set_float(from, ty, i, x);
    }
    let launch = Launch {
        grid: [inputs.len() as u32, 1, 1],
        block: [1, 1, 1],
        shared: 0,
        args: vec![Arg::Pointer(from), Arg::Pointer(to)],
    };
    let options = Options { unwritten: true, max_steps: 20_000 * inputs.len() as u64, ..Options::default() };
    interp::run(k, &launch, &mut memory, &options).ok()?;
    let untouched = |i: usize| memory.bytes(to)[i * size..(i + 1) * size].iter().all(|&b| b == 0xff);
    let result = |i: usize| if untouched(i) { None } else { memory.float(to, ty, i) };
    Some((0..inputs.len()).map(result).collect())
}
