//! The way that all lanes go together.

use super::part::Parting;
use super::prepare::{Guard, Prepared};
use super::shape::{alloca_step, Shape};
use crate::cfg::Cfg;
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// What stands for a value of all lanes.
#[derive(Clone, Debug)]
pub(super) enum Rep {
    /// The value of lane 0; the shape tells the others.
    First(Value),
    /// A vector with one element per lane.
    Vector(Value),
    /// One value per lane: pointers, vectors, aggregates.
    Each(Vec<Value>),
}

/// The kernel under construction. It starts as the prepared one without blocks, so parameters, constants, types and globals
/// keep their ids.
pub(super) struct Widen<'p> {
    pub src: &'p Prepared,
    pub width: u16,
    pub out: Kernel,
    pub reps: HashMap<Value, Rep>,
    /// The new block for each block that all lanes may enter together.
    pub blocks: HashMap<Block, Block>,
    /// Where an edge of the source leaves from in the result.
    exits: HashMap<(Block, Block), Vec<Block>>,
    phis: Vec<(Block, Value)>,
    pub parting: Parting,
    pub cursor: Cursor,
    pub loc: Option<Loc>,
}

pub(super) fn emit(src: &Prepared, width: u16) -> Option<Kernel> {
    let mut out = src.k.clone();
    out.layout.clear();
    let mut w = Widen {
        src,
        width,
        out,
        reps: HashMap::new(),
        blocks: HashMap::new(),
        exits: HashMap::new(),
        phis: Vec::new(),
        parting: Parting::default(),
        cursor: Cursor::End(src.k.entry()),
        loc: None,
    };
    let order = w.together();
    for &b in &order {
        let new = w.new_block(&format!("wide{}", b.as_u32()));
        w.blocks.insert(b, new);
    }
    for &b in &order {
        w.block(b)?;
    }
    w.fill_phis();
    super::part::emit(&mut w);
    Some(w.out)
}

impl Widen<'_> {
    /// Blocks that all lanes may enter together, in reverse postorder.
    fn together(&self) -> Vec<Block> {
        let k = &self.src.k;
        let mut seen = HashSet::from([k.entry()]);
        let mut work = vec![k.entry()];
        while let Some(b) = work.pop() {
            for s in k.successors(b) {
                if !self.src.alone(s) && seen.insert(s) {
                    work.push(s);
                }
            }
        }
        Cfg::new(k).rpo().iter().copied().filter(|b| seen.contains(b)).collect()
    }

    pub fn shape(&self, v: Value) -> Shape {
        self.src.shapes.of(&self.src.k, v)
    }

    pub fn new_block(&mut self, name: &str) -> Block {
        self.build().block(name)
    }

    /// A builder at the current position.
    pub fn build(&mut self) -> KernelBuilder<'_> {
        KernelBuilder { k: &mut self.out, at: self.cursor, loc: self.loc }
    }

    /// Builds at the current position and goes on behind.
    pub fn with<T>(&mut self, f: impl FnOnce(&mut KernelBuilder<'_>) -> T) -> T {
        let mut b = KernelBuilder { k: &mut self.out, at: self.cursor, loc: self.loc };
        let r = f(&mut b);
        self.cursor = b.at;
        r
    }

    pub fn go_to(&mut self, at: Cursor) {
        self.cursor = at;
    }

    fn block(&mut self, b: Block) -> Option<()> {
        self.go_to(Cursor::End(self.blocks[&b]));
        for i in self.src.k.blocks[b].insts.clone() {
            let data = self.src.k.insts[i].clone();
            self.loc = data.loc;
            if data.op.is_terminator() {
                self.terminator(b, &data.op)?;
            } else {
                let rep = self.inst(b, &data)?;
                if let (Some(r), Some(rep)) = (data.result, rep) {
                    self.reps.insert(r, rep);
                }
            }
        }
        Some(())
    }

    fn terminator(&mut self, b: Block, op: &Op) -> Option<()> {
        match op {
            Op::Ret => self.with(|f| f.ret()),
            Op::Br { to } => match self.src.guards.get(&b).copied() {
                None => self.jump(b, *to),
                Some(g) => {
                    let good = self.guard(g);
                    self.parted_unless(b, good, *to);
                }
            },
            Op::CondBr { cond, then, els }
                if then == els || self.src.shapes.is_uniform(&self.src.k, *cond) =>
            {
                let (then, els) = (self.edge(b, *then), self.edge(b, *els));
                let cond = self.first(*cond);
                self.with(|f| f.cond_br(cond, then, els));
            }
            Op::CondBr { cond, then, els } => self.varying_branch(b, *cond, *then, *els),
            Op::Switch { val, default, cases } => {
                let val = self.first(*val);
                let default = self.edge(b, *default);
                let cases = cases.iter().map(|&(n, to)| (n, self.edge(b, to))).collect();
                self.with(|f| f.insert(Op::Switch { val, default, cases }, Type::Void));
            }
            _ => return None,
        }
        Some(())
    }

    /// All lanes one way, all the other way, or they part.
    fn varying_branch(&mut self, b: Block, cond: Value, then: Block, els: Block) {
        let mask = self.vector(cond);
        let bits = Type::Int(self.width);
        let (all, none) = (self.out.int(bits, -1), self.out.int(bits, 0));
        let mask = self.with(|f| f.cast(CastOp::Bitcast, mask, bits));
        let is_all = self.with(|f| f.icmp(IntPred::Eq, mask, all));
        let not_all = self.new_block("notall");
        let to_then = self.edge(b, then);
        self.with(|f| f.cond_br(is_all, to_then, not_all));
        self.go_to(Cursor::End(not_all));
        let is_none = self.with(|f| f.icmp(IntPred::Eq, mask, none));
        let to_els = self.edge(b, els);
        let apart = super::part::by_condition(self, b, cond, then, els);
        self.with(|f| f.cond_br(is_none, to_els, apart));
    }

    fn guard(&mut self, g: Guard) -> Value {
        let v = self.first(g.value);
        let ty = self.out.ty(v);
        let Type::Int(bits) = ty else { unreachable!("steps of integers only") };
        let reach = i128::from(g.step) * i128::from(self.width - 1);
        let (low, high) = match g.signed {
            true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
            false => (0, (1i128 << bits) - 1),
        };
        let (pred, bound) = match (reach > 0, g.signed) {
            (true, true) => (IntPred::Sle, high - reach),
            (true, false) => (IntPred::Ule, high - reach),
            (false, true) => (IntPred::Sge, low - reach),
            (false, false) => (IntPred::Uge, low - reach),
        };
        let bound = self.out.int(ty, bound);
        self.with(|f| f.icmp(pred, v, bound))
    }

    fn parted_unless(&mut self, b: Block, good: Value, to: Block) {
        let target = self.edge(b, to);
        let apart = super::part::to_one(self, b, to);
        self.with(|f| f.cond_br(good, target, apart));
    }

    fn jump(&mut self, b: Block, to: Block) {
        let target = self.edge(b, to);
        self.with(|f| f.br(target));
    }

    fn here(&self) -> Block {
        match self.cursor {
            Cursor::End(b) | Cursor::At(b, _) => b,
        }
    }

    /// Where the edge `b -> to` goes in the result, as an edge from the current block.
    fn edge(&mut self, b: Block, to: Block) -> Block {
        if self.src.alone(to) {
            return super::part::to_one(self, b, to);
        }
        let here = self.here();
        let from = self.exits.entry((b, to)).or_default();
        if !from.contains(&here) {
            from.push(here);
        }
        self.blocks[&to]
    }

    /// An instruction that is no terminator; gives what stands for its result.
    fn inst(&mut self, b: Block, data: &InstData) -> Option<Option<Rep>> {
        let ty = data.result.map_or(Type::Void, |r| self.src.k.ty(r));
        let shape = data.result.map_or(Shape::Varying, |r| self.shape(r));
        let rep = match &data.op {
            Op::Phi { .. } => Some(self.phi(b, data.result?, ty, shape)),
            Op::Alloca { bytes, align } => {
                let bytes = alloca_step(*bytes, *align) * u64::from(self.width);
                let op = Op::Alloca { bytes, align: (*align).max(64) };
                Some(Rep::First(self.with(|f| f.value(op, ty))))
            }
            Op::Load { ptr, mem } => Some(self.load(*ptr, mem, ty)),
            Op::Store { ptr, val, mem } => {
                self.store(*ptr, *val, mem);
                None
            }
            Op::Accumulate { ptr, val, align, atomic } => {
                self.accumulate(*ptr, *val, *align, *atomic);
                None
            }
            Op::TapeStore { offset, val } => {
                self.tape_store(*offset, *val)?;
                None
            }
            Op::TapeLoad { offset } => Some(self.tape_load(*offset, ty)?),
            op if matches!(shape, Shape::Step(_)) => {
                let mut op = op.clone();
                op.map_operands(|v| self.first(v));
                Some(Rep::First(self.with(|f| f.value(op, ty))))
            }
            op => Some(self.varying(op, ty)),
        };
        Some(rep)
    }

    fn phi(&mut self, b: Block, result: Value, ty: Type, shape: Shape) -> Rep {
        self.phis.push((b, result));
        let phi = |w: &mut Self, ty| w.with(|f| f.phi(ty, Vec::new()));
        match (shape, vector_ty(ty, self.width)) {
            (Shape::Step(_), _) => Rep::First(phi(self, ty)),
            (Shape::Varying, Some(wide)) => Rep::Vector(phi(self, wide)),
            (Shape::Varying, None) => Rep::Each((0..self.width).map(|_| phi(self, ty)).collect()),
        }
    }

    fn fill_phis(&mut self) {
        for (b, result) in std::mem::take(&mut self.phis) {
            let Some(Op::Phi { incoming }) = self.src.k.def_op(result).cloned() else { continue };
            let rep = self.reps[&result].clone();
            let mut entries: Vec<Vec<(Block, Value)>> = vec![Vec::new(); self.width.into()];
            for (p, v) in incoming {
                for from in self.exits.get(&(p, b)).cloned().unwrap_or_default() {
                    let end = self.out.blocks[from].insts.len() - 1;
                    self.go_to(Cursor::At(from, end));
                    match &rep {
                        Rep::First(_) => entries[0].push((from, self.first(v))),
                        Rep::Vector(_) => entries[0].push((from, self.vector(v))),
                        Rep::Each(_) => {
                            for l in 0..self.width {
                                let x = self.lane(v, l);
                                entries[usize::from(l)].push((from, x));
                            }
                        }
                    }
                }
            }
            let phis = match rep {
                Rep::First(p) | Rep::Vector(p) => vec![p],
                Rep::Each(p) => p,
            };
            for (phi, incoming) in phis.into_iter().zip(entries) {
                let inst = self.out.def_inst(phi).expect("a phi");
                self.out.insts[inst].op = Op::Phi { incoming };
            }
        }
    }

    /// An operation without memory whose result varies.
    fn varying(&mut self, op: &Op, ty: Type) -> Rep {
        let operands = op.operands();
        let scalars = operands.iter().all(|&v| vector_ty(self.src.k.ty(v), self.width).is_some());
        let simple = match op {
            Op::Binary { .. } | Op::FNeg { .. } | Op::Freeze { .. } | Op::ICmp { .. } | Op::FCmp { .. } => {
                true
            }
            Op::Select { .. } => true,
            Op::Cast { op, .. } => !matches!(op, CastOp::PtrToInt | CastOp::IntToPtr | CastOp::AddrSpaceCast),
            Op::Math { args, .. } => args.iter().all(|&a| self.src.k.ty(a) == ty),
            _ => false,
        };
        match vector_ty(ty, self.width) {
            Some(wide) if simple && scalars => {
                let mut op = op.clone();
                op.map_operands(|v| self.vector(v));
                Rep::Vector(self.with(|f| f.value(op, wide)))
            }
            wide => {
                let each: Vec<Value> = (0..self.width)
                    .map(|l| {
                        let mut op = op.clone();
                        op.map_operands(|v| self.lane(v, l));
                        self.with(|f| f.value(op, ty))
                    })
                    .collect();
                self.gathered(each, wide)
            }
        }
    }

    /// Scalars of all lanes become a vector where there is a type for it.
    fn gathered(&mut self, each: Vec<Value>, wide: Option<Type>) -> Rep {
        match wide {
            None => Rep::Each(each),
            Some(wide) => Rep::Vector(self.pack(&each, wide)),
        }
    }

    fn pack(&mut self, each: &[Value], wide: Type) -> Value {
        let mut v = self.out.constant(wide, Const::Poison);
        for (l, &x) in each.iter().enumerate() {
            let index = self.out.int(Type::I32, l as i128);
            v = self.with(|f| f.value(Op::InsertElement { vec: v, elem: x, index }, wide));
        }
        v
    }

    /// The value of lane 0.
    pub fn first(&mut self, v: Value) -> Value {
        match self.reps.get(&v).cloned() {
            None => v,
            Some(Rep::First(x)) => x,
            Some(_) => self.lane(v, 0),
        }
    }

    /// What stands for a value; parameters and constants stand for themselves.
    pub fn rep(&self, v: Value) -> Rep {
        self.reps.get(&v).cloned().unwrap_or(Rep::First(v))
    }

    /// The value of a lane.
    pub fn lane(&mut self, v: Value, l: u16) -> Value {
        match self.reps.get(&v).cloned() {
            None => v,
            Some(Rep::First(x)) => match self.shape(v) {
                Shape::Step(s) if s != 0 && l > 0 => self.stepped(x, s * i64::from(l)),
                _ => x,
            },
            Some(Rep::Vector(x)) => {
                let (index, ty) = (self.out.int(Type::I32, l.into()), self.src.k.ty(v));
                self.with(|f| f.value(Op::ExtractElement { vec: x, index }, ty))
            }
            Some(Rep::Each(x)) => x[usize::from(l)],
        }
    }

    /// A value with a constant added.
    pub fn stepped(&mut self, x: Value, by: i64) -> Value {
        match self.out.ty(x) {
            Type::Ptr(space) => {
                let offset = self.out.index_ty(space);
                let offset = self.out.int(offset, by.into());
                self.with(|f| {
                    let ty = f.k.ty(x);
                    f.value(Op::PtrAdd { ptr: x, offset, inbounds: false }, ty)
                })
            }
            ty => {
                let by = self.out.int(ty, by.into());
                self.with(|f| f.binary(BinOp::Add, x, by))
            }
        }
    }

    /// The vector of all lanes; the type must have one.
    pub fn vector(&mut self, v: Value) -> Value {
        let ty = self.src.k.ty(v);
        let wide = vector_ty(ty, self.width).expect("a type that vectors have");
        if let Some(Rep::Vector(x)) = self.reps.get(&v) {
            return *x;
        }
        if self.out.as_const(v).is_some() {
            return self.out.constant(wide, Const::Elems(vec![v; self.width.into()]));
        }
        let x = self.first(v);
        let same = self.splat(x, wide);
        match self.shape(v) {
            Shape::Step(s) if s != 0 => {
                let steps =
                    (0..self.width).map(|l| self.out.int(ty, i128::from(s) * i128::from(l))).collect();
                let steps = self.out.constant(wide, Const::Elems(steps));
                self.with(|f| f.binary(BinOp::Add, same, steps))
            }
            _ => same,
        }
    }

    fn splat(&mut self, x: Value, wide: Type) -> Value {
        let poison = self.out.constant(wide, Const::Poison);
        let zero = self.out.int(Type::I32, 0);
        let mask = vec![0; self.width.into()];
        self.with(|f| {
            let one = f.value(Op::InsertElement { vec: poison, elem: x, index: zero }, wide);
            f.value(Op::ShuffleVector { a: one, b: poison, mask }, wide)
        })
    }
}

mod memory;

/// The vector of a scalar type that vectors have.
pub(super) fn vector_ty(ty: Type, width: u16) -> Option<Type> {
    match ty {
        Type::Int(w) if w <= 64 => Some(Type::Vec(Lane::Int(w), width)),
        Type::Float(f) => Some(Type::Vec(Lane::Float(f), width)),
        _ => None,
    }
}
