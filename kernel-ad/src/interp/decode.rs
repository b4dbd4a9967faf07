//! A kernel in the form that the interpreter runs: instructions in one row, operands as numbers of slots.
//!
//! Vectors and aggregates take one slot for each scalar in them. Wide runs are decoded with f64 in place of every
//! smaller float, except where memory or bits are meant.

use super::structs::written_structs;
use super::{Fault, Slot};
use crate::diag::Code;
use crate::kernel::asm::{register, Register};
use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use smallvec::SmallVec;

/// Slots that one thread may have.
const MAX_SLOTS: u32 = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub(super) enum K {
    Bin(BinOp),
    FNeg,
    Move,
    ICmp(IntPred),
    FCmp(FloatPred),
    /// With the type of the result.
    Cast(CastOp, Type),
    /// From and to, numbers of shapes.
    Bitcast(u32, u32),
    /// With one condition for each lane, or one for all.
    Select(bool),
    /// Width of the offset.
    PtrAdd(u16),
    /// Number of the shape in memory.
    Load(u32),
    Store(u32),
    Rmw(RmwOp, u32),
    CmpXchg(u32),
    Accumulate(u32, bool),
    MemCopy(AddrSpace, AddrSpace),
    MemSet(AddrSpace),
    ExtractElement,
    InsertElement,
    Shuffle(u32),
    Math(u32),
    IntMath(IntFn, u32),
    Special(Special),
    Barrier,
    Warp(WarpOp),
    TapeStore(u32),
    TapeLoad(u32),
    Call,
    Trap,
    Unreachable,
    Nop,
    Fence(ScopeLevel),
    /// Number of the edge.
    Jump(u32),
    /// Edges for true and false.
    Branch(u32, u32),
    Switch(u32),
    Ret,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ins {
    pub k: K,
    /// Lanes.
    pub n: u32,
    /// Scalar type of the first operand, or of what is accessed.
    pub ty: Type,
    pub dst: u32,
    pub a: u32,
    pub b: u32,
    pub c: u32,
    pub inst: Inst,
}

/// How a type lies in memory.
pub(super) struct Shape {
    pub ty: Type,
    pub bytes: u64,
    pub leaves: SmallVec<[(u32, Type); 1]>,
    pub space: AddrSpace,
    pub atomic: Option<ScopeLevel>,
    /// The access orders what came before it, as a fence would.
    pub releases: bool,
}

pub(super) struct MathCall {
    pub func: MathFn,
    pub flavor: Flavor,
    /// Scalar type of the result.
    pub result: Type,
    /// First slot and scalar type of every argument.
    pub args: SmallVec<[(u32, Type); 3]>,
}

/// A jump with the phis of its target.
#[derive(Default)]
pub(super) struct Edge {
    pub to: u32,
    /// (to, from, slots)
    pub moves: Vec<(u32, u32, u32)>,
    /// A move overwrites what a later one reads.
    pub parallel: bool,
}

pub(super) struct SwitchTable {
    pub width: u16,
    pub cases: Vec<(u128, u32)>,
    pub default: u32,
}

/// An alloca, or a struct by value that the kernel writes to.
pub(super) struct LocalVar {
    pub slot: u32,
    pub bytes: u64,
    pub align: u32,
    /// Parameter whose contents it starts with.
    pub param: Option<u32>,
    pub name: String,
}

#[derive(Default)]
pub(super) struct Program {
    pub code: Vec<Ins>,
    pub edges: Vec<Edge>,
    pub switches: Vec<SwitchTable>,
    pub shapes: Vec<Shape>,
    pub maths: Vec<MathCall>,
    pub args: Vec<SmallVec<[(u32, u16); 4]>>,
    pub masks: Vec<Vec<i32>>,
    pub locals: Vec<LocalVar>,
    /// Constants, zeroes elsewhere.
    pub template: Vec<Slot>,
    pub param_slots: Vec<u32>,
    pub global_slots: Vec<(u32, Global)>,
    /// Some instruction waits for other threads.
    pub synchronises: bool,
}

pub(super) struct Decoder<'k> {
    k: &'k Kernel,
    wide: bool,
    slots: SecondaryMap<Value, Option<u32>>,
    starts: SecondaryMap<Block, u32>,
    p: Program,
}

type Decoded<T> = Result<T, Fault>;

fn unsupported(message: String) -> Fault {
    Fault::new(Code::UnsupportedIr, message)
}

/// Decodes a verified kernel.
pub(super) fn decode(k: &Kernel, wide: bool) -> Result<Program, (Fault, Option<Inst>)> {
    let mut d =
        Decoder { k, wide, slots: SecondaryMap::new(), starts: SecondaryMap::new(), p: Program::default() };
    for i in 0..k.params.len() as u32 {
        let slot = d.slot(k.param_value(i)).map_err(|f| (f, None))?;
        d.p.param_slots.push(slot);
    }
    let mut edges = Vec::new();
    for &b in &k.layout {
        d.starts[b] = d.p.code.len() as u32;
        for &i in &k.blocks[b].insts {
            d.inst(b, i, &mut edges).map_err(|f| (f, Some(i)))?;
        }
    }
    for (from, to) in edges {
        let e = d.edge(from, to).map_err(|f| (f, None))?;
        d.p.edges.push(e);
    }
    let structs = written_structs(k, &d.p);
    d.p.locals.extend(structs);
    Ok(d.p)
}

impl Decoder<'_> {
    /// The type that arithmetic is done in.
    fn calc(&self, ty: Type) -> Type {
        match ty {
            Type::Float(_) if self.wide => Type::F64,
            t => t,
        }
    }

    fn leaves(&self, ty: Type, at: u32, out: &mut SmallVec<[(u32, Type); 1]>) -> Decoded<()> {
        if out.len() as u32 > MAX_SLOTS {
            return Err(Fault::new(Code::TooLarge, format!("a value of more than {MAX_SLOTS} scalars")));
        }
        match ty {
            Type::Vec(l, n) => {
                let size = match l {
                    Lane::Int(w) if w % 8 != 0 => 0,
                    l => self.k.bytes(l.ty()) as u32,
                };
                out.extend((0..u32::from(n)).map(|i| (at + i * size, l.ty())));
            }
            Type::Agg(id) => match &self.k.aggs[id] {
                AggTy::Struct { fields, offsets, .. } => {
                    for (&f, &o) in fields.iter().zip(offsets) {
                        self.leaves(f, at + o, out)?;
                    }
                }
                AggTy::Array { elem, len, stride, .. } => {
                    for i in 0..*len {
                        self.leaves(*elem, at + i * stride, out)?;
                    }
                }
            },
            t => out.push((at, t)),
        }
        Ok(())
    }

    fn width(&self, ty: Type) -> Decoded<u32> {
        Ok(match ty {
            Type::Void => 0,
            Type::Vec(_, n) => n.into(),
            Type::Agg(_) => {
                let mut out = SmallVec::new();
                self.leaves(ty, 0, &mut out)?;
                out.len() as u32
            }
            _ => 1,
        })
    }

    /// First slot of a value.
    fn slot(&mut self, v: Value) -> Decoded<u32> {
        if let Some(s) = self.slots[v] {
            return Ok(s);
        }
        let ty = self.k.ty(v);
        let s = self.p.template.len() as u32;
        let n = self.width(ty)?;
        if s + n > MAX_SLOTS {
            return Err(Fault::new(
                Code::TooLarge,
                format!("values of a thread take more than {MAX_SLOTS} slots"),
            ));
        }
        self.p.template.resize((s + n) as usize, Slot::default());
        self.slots[v] = Some(s);
        if let ValueDef::Const(c) = &self.k.values[v].def {
            self.constant(s, ty, &c.clone())?;
        }
        Ok(s)
    }

    fn constant(&mut self, at: u32, ty: Type, c: &Const) -> Decoded<()> {
        let slot = match c {
            Const::Int(n) => Slot { lo: *n as u64, hi: (*n >> 64) as u64 },
            Const::Float(bits) => match (self.calc(ty), ty) {
                (Type::F64, Type::Float(f)) if f != FloatTy::F64 => {
                    Slot { lo: super::memory::float_of_bits(f, *bits).to_bits(), hi: 0 }
                }
                _ => Slot { lo: *bits, hi: 0 },
            },
            Const::Null | Const::Undef | Const::Poison | Const::Zero => Slot::default(),
            Const::Global(g) => {
                self.p.global_slots.push((at, *g));
                Slot::default()
            }
            Const::Elems(elems) => {
                let mut at = at;
                for &e in elems {
                    let ty = self.k.ty(e);
                    if let ValueDef::Const(c) = &self.k.values[e].def {
                        self.constant(at, ty, &c.clone())?;
                    }
                    at += self.width(ty)?;
                }
                return Ok(());
            }
        };
        if let Some(s) = self.p.template.get_mut(at as usize) {
            *s = slot;
        }
        Ok(())
    }

    fn shape(&mut self, ty: Type, ptr: Value, atomic: Option<ScopeLevel>) -> Decoded<u32> {
        let mut leaves = SmallVec::new();
        self.leaves(ty, 0, &mut leaves)?;
        let odd = |t: &Type| matches!(t, Type::Int(w) if w % 8 != 0);
        if matches!(ty, Type::Vec(..)) && leaves.iter().any(|(_, t)| odd(t)) {
            return Err(unsupported(format!("{} in memory", print_type(self.k, ty))));
        }
        let space = self.k.ty(ptr).addr_space().unwrap_or(AddrSpace::Generic);
        self.p.shapes.push(Shape { ty, bytes: self.k.bytes(ty), leaves, space, atomic, releases: false });
        Ok(self.p.shapes.len() as u32 - 1)
    }

    /// The shape of an access that may be atomic. NVPTX gives read-modify-write operations no ordering, whatever the IR says.
    fn access(&mut self, ty: Type, ptr: Value, mem: &MemFlags, plain: bool) -> Decoded<u32> {
        let scope = match mem.ordering {
            Some(_) => Some(mem.scope.level),
            None => mem.volatile.then_some(ScopeLevel::System),
        };
        let at = self.shape(ty, ptr, scope)?;
        let kept = plain || self.k.source.arch == Arch::Amdgpu;
        self.p.shapes[at as usize].releases = kept && mem.ordering.is_some_and(releases);
        Ok(at)
    }

    fn edge(&mut self, from: Block, to: Block) -> Decoded<Edge> {
        let mut e = Edge { to: self.starts[to], ..Edge::default() };
        for &i in &self.k.blocks[to].insts {
            let Op::Phi { incoming } = &self.k.insts[i].op else { break };
            let Some((_, v)) = incoming.iter().find(|(b, _)| *b == from) else { continue };
            let Some(r) = self.k.insts[i].result else { continue };
            let (dst, src, n) = (self.slot(r)?, self.slot(*v)?, self.width(self.k.ty(r))?);
            if dst != src {
                e.parallel |= e.moves.iter().any(|&(d, _, m)| d < src + n && src < d + m);
                e.moves.push((dst, src, n));
            }
        }
        Ok(e)
    }

    fn target(&mut self, edges: &mut Vec<(Block, Block)>, from: Block, to: Block) -> u32 {
        edges.push((from, to));
        edges.len() as u32 - 1
    }

    fn inst(&mut self, b: Block, i: Inst, edges: &mut Vec<(Block, Block)>) -> Decoded<()> {
        let d = &self.k.insts[i];
        if matches!(d.op, Op::Phi { .. }) {
            return Ok(());
        }
        let dst = match d.result {
            Some(r) => self.slot(r)?,
            None => 0,
        };
        let result = d.result.map_or(Type::Void, |r| self.k.ty(r));
        let operands = d.op.operands();
        let mut abc = [0; 3];
        for (s, &v) in abc.iter_mut().zip(&operands) {
            *s = self.slot(v)?;
        }
        let first = operands.first().map_or(Type::Void, |&v| self.k.ty(v));
        let mut ins = Ins {
            k: K::Nop,
            n: self.width(result)?,
            ty: self.calc(first.scalar()),
            dst,
            a: abc[0],
            b: abc[1],
            c: abc[2],
            inst: i,
        };
        ins.k = match &d.op {
            Op::Br { to } => K::Jump(self.target(edges, b, *to)),
            Op::CondBr { then, els, .. } => {
                let then = self.target(edges, b, *then);
                K::Branch(then, self.target(edges, b, *els))
            }
            Op::Switch { default, cases, .. } => {
                let Type::Int(width) = first else { return Err(unsupported("switch on no integer".into())) };
                let default = self.target(edges, b, *default);
                let cases = cases
                    .iter()
                    .map(|(n, to)| (*n as u128 & super::arith::mask(width), self.target(edges, b, *to)))
                    .collect();
                self.p.switches.push(SwitchTable { width, cases, default });
                K::Switch(self.p.switches.len() as u32 - 1)
            }
            Op::Cast { op, .. } => self.cast(*op, first, result, &mut ins)?,
            Op::InsertValue { agg, elem, path } => {
                self.p.code.push(Ins { k: K::Move, ..ins });
                let at = self.member_slot(self.k.ty(*agg), path)?;
                ins = Ins { dst: dst + at, a: ins.b, n: self.width(self.k.ty(*elem))?, ..ins };
                K::Move
            }
            Op::ExtractValue { path, .. } => {
                ins.a += self.member_slot(first, path)?;
                K::Move
            }
            op => self.plain(op, first, result, &mut ins)?,
        };
        self.p.code.push(ins);
        Ok(())
    }

    fn cast(&mut self, op: CastOp, from: Type, to: Type, ins: &mut Ins) -> Decoded<K> {
        Ok(match op {
            CastOp::AddrSpaceCast => K::Move,
            CastOp::Bitcast if from == to => K::Move,
            CastOp::Bitcast => {
                let mut shape = |ty: Type| -> Decoded<u32> {
                    let mut leaves = SmallVec::new();
                    self.leaves(ty, 0, &mut leaves)?;
                    let bytes = self.k.bytes(ty);
                    let space = AddrSpace::Generic;
                    self.p.shapes.push(Shape { ty, bytes, leaves, space, atomic: None, releases: false });
                    Ok(self.p.shapes.len() as u32 - 1)
                };
                let (from, to) = (shape(from)?, shape(to)?);
                ins.n = 1;
                K::Bitcast(from, to)
            }
            CastOp::PtrToInt | CastOp::IntToPtr => {
                // Conversions need the true pointer type for its width.
                ins.ty = from.scalar();
                K::Cast(op, to.scalar())
            }
            op => K::Cast(op, self.calc(to.scalar())),
        })
    }

    fn plain(&mut self, op: &Op, first: Type, result: Type, ins: &mut Ins) -> Decoded<K> {
        Ok(match op {
            Op::Binary { op, .. } => K::Bin(*op),
            Op::FNeg { .. } => K::FNeg,
            Op::Freeze { .. } => K::Move,
            Op::ICmp { pred, .. } => K::ICmp(*pred),
            Op::FCmp { pred, .. } => K::FCmp(*pred),
            Op::Select { .. } => K::Select(first != Type::I1),
            Op::PtrAdd { offset, .. } => match self.k.ty(*offset) {
                Type::Int(w) => K::PtrAdd(w),
                _ => return Err(unsupported("pointer offset that is no integer".into())),
            },
            Op::Alloca { bytes, align } => {
                let name = format!("local memory {}", self.p.locals.len());
                self.p.locals.push(LocalVar {
                    slot: ins.dst,
                    bytes: *bytes,
                    align: *align,
                    param: None,
                    name,
                });
                K::Nop
            }
            Op::Load { ptr, mem } => K::Load(self.access(result, *ptr, mem, true)?),
            Op::Store { ptr, val, mem } => K::Store(self.access(self.k.ty(*val), *ptr, mem, true)?),
            Op::AtomicRmw { op, ptr, val, mem } => {
                K::Rmw(*op, self.access(self.k.ty(*val), *ptr, mem, false)?)
            }
            Op::CmpXchg { ptr, new, mem, .. } => {
                K::CmpXchg(self.access(self.k.ty(*new), *ptr, mem, false)?)
            }
            Op::Accumulate { ptr, val, atomic, .. } => {
                let scope = atomic.then_some(ScopeLevel::Device);
                K::Accumulate(self.shape(self.k.ty(*val), *ptr, scope)?, *atomic)
            }
            Op::MemCopy { dst, src, len, .. } => {
                let space = |v: Value| self.k.ty(v).addr_space().unwrap_or(AddrSpace::Generic);
                ins.ty = self.k.ty(*len);
                K::MemCopy(space(*dst), space(*src))
            }
            Op::MemSet { dst, len, .. } => {
                ins.ty = self.k.ty(*len);
                K::MemSet(self.k.ty(*dst).addr_space().unwrap_or(AddrSpace::Generic))
            }
            Op::ExtractElement { .. } => {
                ins.n = self.width(first)?;
                K::ExtractElement
            }
            Op::InsertElement { .. } => K::InsertElement,
            Op::ShuffleVector { mask, .. } => {
                ins.n = self.width(first)?;
                self.p.masks.push(mask.clone());
                K::Shuffle(self.p.masks.len() as u32 - 1)
            }
            Op::Math { func, flavor, args, .. } => {
                let args = args
                    .iter()
                    .map(|&a| Ok((self.slot(a)?, self.calc(self.k.ty(a).scalar()))))
                    .collect::<Decoded<_>>()?;
                let flavor = if self.wide { Flavor::Library } else { *flavor };
                self.p.maths.push(MathCall { func: *func, flavor, result: self.calc(result.scalar()), args });
                K::Math(self.p.maths.len() as u32 - 1)
            }
            Op::IntMath { func, args } => {
                let list = self.arg_list(args)?;
                ins.n = self.width(first)?;
                K::IntMath(*func, list)
            }
            Op::Special(s) => K::Special(*s),
            Op::Barrier { .. } => {
                self.p.synchronises = true;
                K::Barrier
            }
            Op::Warp { op, args } => {
                // More than three operands: they are looked up through the list.
                ins.c = self.arg_list(args)?;
                ins.n = self.width(result)?;
                if !matches!(op, WarpOp::MbcntLo | WarpOp::MbcntHi) {
                    self.p.synchronises = true;
                }
                K::Warp(*op)
            }
            Op::TapeStore { val, .. } => K::TapeStore(self.shape(self.k.ty(*val), *val, None)?),
            Op::TapeLoad { offset } => K::TapeLoad(self.shape(result, *offset, None)?),
            Op::Call { args, .. } => {
                ins.c = self.arg_list(args)?;
                K::Call
            }
            Op::Asm { text, .. } if register(text).is_some() => match register(text) {
                Some(Register::Clock { upper: false }) => K::Special(Special::Clock),
                _ => K::Special(Special::SmId),
            },
            Op::Asm { .. } => return Err(unsupported("the interpreter does not run inline assembly".into())),
            Op::Trap => K::Trap,
            Op::Unreachable => K::Unreachable,
            Op::Ret => K::Ret,
            Op::Fence { ordering, scope } if releases(*ordering) => K::Fence(scope.level),
            Op::Fence { .. } => K::Nop,
            _ => return Err(Fault::new(Code::Bug, "operation that the decoder does not know".into())),
        })
    }

    fn arg_list(&mut self, args: &[Value]) -> Decoded<u32> {
        let list = args
            .iter()
            .map(|&a| {
                let w = match self.k.ty(a).scalar() {
                    Type::Int(w) => w,
                    t => self.k.bytes(t) as u16 * 8,
                };
                Ok((self.slot(a)?, w))
            })
            .collect::<Decoded<_>>()?;
        self.p.args.push(list);
        Ok(self.p.args.len() as u32 - 1)
    }

    /// Slots before a member of an aggregate.
    fn member_slot(&self, ty: Type, path: &[u32]) -> Decoded<u32> {
        let Some((&first, rest)) = path.split_first() else { return Ok(0) };
        let mut at = 0;
        for i in 0..first {
            at += self.width(self.k.agg_member(ty, &[i]).unwrap_or(Type::Void))?;
        }
        let inner = self.k.agg_member(ty, &[first]).unwrap_or(Type::Void);
        Ok(at + self.member_slot(inner, rest)?)
    }
}

fn releases(o: Ordering) -> bool {
    matches!(o, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
}
