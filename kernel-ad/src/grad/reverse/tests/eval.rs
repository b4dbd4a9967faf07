//! A small evaluator for the tests: one thread after the other, floats in f64, memory as typed cells. It shares no code
//! with the interpreter.

use crate::kernel::*;
use crate::mathlib;
use cranelift_entity::SecondaryMap;
use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Val {
    Int(i64),
    Float(f64),
    /// (object, byte offset)
    Ptr(u32, i64),
    Undef,
}

/// Memory cells by object and byte offset.
#[derive(Clone, Default, Debug)]
pub struct Mem {
    pub cells: HashMap<(u32, i64), Val>,
    next: u32,
}

impl Mem {
    pub fn alloc(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub fn floats(&mut self, xs: &[f64]) -> u32 {
        let id = self.alloc();
        for (i, &x) in xs.iter().enumerate() {
            self.cells.insert((id, 8 * i as i64), Val::Float(x));
        }
        id
    }

    pub fn get(&self, id: u32, i: usize) -> f64 {
        match self.cells.get(&(id, 8 * i as i64)) {
            Some(Val::Float(x)) => *x,
            Some(Val::Int(0)) => 0.0,
            other => panic!("cell {i} of object {id} holds {other:?}"),
        }
    }
}

struct Thread<'a> {
    k: &'a Kernel,
    mem: &'a mut Mem,
    vals: SecondaryMap<Value, Option<Val>>,
    tape: HashMap<i64, Val>,
    tape_top: i64,
    id: i64,
    threads: i64,
    steps: u64,
}

/// Runs the threads of one block; gives the largest tape offset used.
pub fn run(k: &Kernel, threads: i64, args: &[Val], mem: &mut Mem) -> i64 {
    verify(k).unwrap_or_else(|e| panic!("{e}\n{}", print(k)));
    let mut top = 0;
    for id in 0..threads {
        let mut t = Thread {
            k,
            mem,
            vals: SecondaryMap::new(),
            tape: HashMap::new(),
            tape_top: 0,
            id,
            threads,
            steps: 0,
        };
        for (i, a) in args.iter().enumerate() {
            t.vals[k.param_value(i as u32)] = Some(*a);
        }
        t.run();
        top = top.max(t.tape_top);
    }
    top
}

impl Thread<'_> {
    fn val(&self, v: Value) -> Val {
        if let Some(c) = self.k.as_const(v) {
            return match c {
                Const::Int(_) => Val::Int(self.k.as_int(v).unwrap_or(0)),
                Const::Float(bits) => Val::Float(match self.k.ty(v) {
                    Type::F64 => f64::from_bits(*bits),
                    Type::F32 => f64::from(f32::from_bits(*bits as u32)),
                    t => panic!("constant of type {t:?}"),
                }),
                Const::Null => Val::Ptr(0, 0),
                _ => Val::Undef,
            };
        }
        self.vals[v].unwrap_or_else(|| panic!("{v} has no value\n{}", print(self.k)))
    }

    fn int(&self, v: Value) -> i64 {
        match self.val(v) {
            Val::Int(i) => i,
            x => panic!("{v} is {x:?}, not an integer"),
        }
    }

    fn float(&self, v: Value) -> f64 {
        match self.val(v) {
            Val::Float(x) => x,
            x => panic!("{v} is {x:?}, not a float\n{}", print(self.k)),
        }
    }

    fn ptr(&self, v: Value) -> (u32, i64) {
        match self.val(v) {
            Val::Ptr(o, i) => (o, i),
            x => panic!("{v} is {x:?}, not a pointer\n{}", print(self.k)),
        }
    }

    fn run(&mut self) {
        let (mut b, mut from) = (self.k.entry(), None);
        loop {
            self.steps += 1;
            assert!(self.steps < 100_000, "endless loop\n{}", print(self.k));
            let phis: Vec<(Value, Val)> = self.k.blocks[b]
                .insts
                .iter()
                .filter_map(|&i| match &self.k.insts[i].op {
                    Op::Phi { incoming } => {
                        let (_, v) = incoming.iter().find(|(p, _)| Some(*p) == from).expect("entry of a phi");
                        let x =
                            self.k.as_const(*v).map_or(self.vals[*v].unwrap_or(Val::Undef), |_| self.val(*v));
                        Some((self.k.insts[i].result.expect("result"), x))
                    }
                    _ => None,
                })
                .collect();
            for (r, x) in phis {
                self.vals[r] = Some(x);
            }
            for &i in &self.k.blocks[b].insts {
                self.step(i);
            }
            from = Some(b);
            b = match &self.k.insts[self.k.terminator(b)].op {
                Op::Br { to } => *to,
                Op::CondBr { cond, then, els } => {
                    if self.int(*cond) & 1 != 0 {
                        *then
                    } else {
                        *els
                    }
                }
                Op::Switch { val, default, cases } => {
                    let v = i128::from(self.int(*val));
                    cases.iter().find(|(c, _)| *c == v).map_or(*default, |(_, b)| *b)
                }
                Op::Ret => return,
                op => panic!("reached {op:?}"),
            };
        }
    }

    fn step(&mut self, i: Inst) {
        let data = self.k.insts[i].clone();
        let ty = data.result.map(|r| self.k.ty(r)).unwrap_or(Type::Void);
        let out = match &data.op {
            Op::Phi { .. } => return,
            op if op.is_terminator() => return,
            Op::Binary { op, a, b, .. } if op.is_float() => {
                let (x, y) = (self.float(*a), self.float(*b));
                Val::Float(match op {
                    BinOp::FAdd => x + y,
                    BinOp::FSub => x - y,
                    BinOp::FMul => x * y,
                    BinOp::FDiv => x / y,
                    _ => x % y,
                })
            }
            Op::Binary { op, a, b, .. } => {
                let (av, bv) = (self.val(*a), self.val(*b));
                match (av, bv) {
                    (Val::Int(x), Val::Int(y)) => Val::Int(wrap(binary(*op, x, y, width(ty)), ty)),
                    // Unwritten values may pass through dead arithmetic.
                    _ => Val::Undef,
                }
            }
            Op::FNeg { a, .. } => Val::Float(-self.float(*a)),
            Op::Freeze { a } => self.val(*a),
            Op::ICmp { pred, a, b } => {
                let (x, y) = match (self.val(*a), self.val(*b)) {
                    (Val::Int(x), Val::Int(y)) => (x, y),
                    (Val::Ptr(o, x), Val::Ptr(p, y)) => ((i64::from(o) << 32) + x, (i64::from(p) << 32) + y),
                    p => panic!("compares {p:?}"),
                };
                let w = width(self.k.ty(*a));
                let (ux, uy) = (x as u64 & mask(w), y as u64 & mask(w));
                Val::Int(i64::from(match pred {
                    IntPred::Eq => x == y,
                    IntPred::Ne => x != y,
                    IntPred::Ugt => ux > uy,
                    IntPred::Uge => ux >= uy,
                    IntPred::Ult => ux < uy,
                    IntPred::Ule => ux <= uy,
                    IntPred::Sgt => x > y,
                    IntPred::Sge => x >= y,
                    IntPred::Slt => x < y,
                    IntPred::Sle => x <= y,
                }))
            }
            Op::FCmp { pred, a, b, .. } => {
                let (x, y) = (self.float(*a), self.float(*b));
                Val::Int(i64::from(match pred {
                    FloatPred::Oeq | FloatPred::Ueq => x == y,
                    FloatPred::Ogt | FloatPred::Ugt => x > y,
                    FloatPred::Oge | FloatPred::Uge => x >= y,
                    FloatPred::Olt | FloatPred::Ult => x < y,
                    FloatPred::Ole | FloatPred::Ule => x <= y,
                    FloatPred::One | FloatPred::Une => x != y,
                    FloatPred::Ord | FloatPred::True => true,
                    _ => false,
                }))
            }
            Op::Cast { op, a, .. } => match (op, self.val(*a)) {
                (CastOp::ZExt, Val::Int(x)) => Val::Int((x as u64 & mask(width(self.k.ty(*a)))) as i64),
                (CastOp::Trunc | CastOp::SExt, Val::Int(x)) => Val::Int(wrap(x, ty)),
                (CastOp::SiToFp, Val::Int(x)) => Val::Float(x as f64),
                (CastOp::UiToFp, Val::Int(x)) => Val::Float((x as u64 & mask(width(self.k.ty(*a)))) as f64),
                (CastOp::FpToSi, Val::Float(x)) => Val::Int(wrap(x as i64, ty)),
                (_, x) => x,
            },
            Op::Select { cond, a, b, .. } => self.val(if self.int(*cond) & 1 != 0 { *a } else { *b }),
            Op::PtrAdd { ptr, offset, .. } => {
                let (o, at) = self.ptr(*ptr);
                Val::Ptr(o, at + self.int(*offset))
            }
            Op::Alloca { .. } => Val::Ptr(self.mem.alloc(), 0),
            Op::Load { ptr, .. } => {
                let at = self.ptr(*ptr);
                match self.mem.cells.get(&at) {
                    Some(Val::Int(0)) if ty.is_float() => Val::Float(0.0),
                    Some(&x) => x,
                    None => panic!("reads unwritten {at:?}\n{}", print(self.k)),
                }
            }
            Op::Store { ptr, val, .. } => {
                let (at, x) = (self.ptr(*ptr), self.val(*val));
                self.mem.cells.insert(at, x);
                return;
            }
            Op::Accumulate { ptr, val, .. } => {
                let (at, x) = (self.ptr(*ptr), self.float(*val));
                let old = match self.mem.cells.get(&at) {
                    Some(Val::Float(y)) => *y,
                    Some(Val::Int(0)) => 0.0,
                    other => panic!("adds to {other:?} at {at:?}"),
                };
                self.mem.cells.insert(at, Val::Float(old + x));
                return;
            }
            Op::AtomicRmw { op, ptr, val, .. } => {
                let at = self.ptr(*ptr);
                let old = *self.mem.cells.get(&at).expect("written");
                let new = match (op, old, self.val(*val)) {
                    (RmwOp::FAdd, Val::Float(x), Val::Float(y)) => Val::Float(x + y),
                    (RmwOp::FSub, Val::Float(x), Val::Float(y)) => Val::Float(x - y),
                    (RmwOp::Add, Val::Int(x), Val::Int(y)) => Val::Int(x + y),
                    (RmwOp::UMax, Val::Int(x), Val::Int(y)) => Val::Int(x.max(y)),
                    other => panic!("{other:?}"),
                };
                self.mem.cells.insert(at, new);
                old
            }
            Op::MemSet { dst, len, .. } => {
                let ((o, at), n) = (self.ptr(*dst), self.int(*len));
                for i in (0..n).step_by(4) {
                    self.mem.cells.insert((o, at + i), Val::Int(0));
                }
                return;
            }
            Op::MemCopy { dst, src, len, .. } => {
                let ((o, at), (s, from), n) = (self.ptr(*dst), self.ptr(*src), self.int(*len));
                let copied: Vec<(i64, Option<Val>)> =
                    (0..n).map(|i| (i, self.mem.cells.get(&(s, from + i)).copied())).collect();
                for (i, x) in copied {
                    match x {
                        Some(x) => self.mem.cells.insert((o, at + i), x),
                        None => self.mem.cells.remove(&(o, at + i)),
                    };
                }
                return;
            }
            Op::TapeStore { offset, val } => {
                let (at, x) = (self.int(*offset), self.val(*val));
                let size = self.k.bytes(self.k.ty(*val)) as i64;
                assert_eq!(at % size, 0, "tape offset is aligned");
                self.tape_top = self.tape_top.max(at + size);
                self.tape.insert(at, x);
                return;
            }
            Op::TapeLoad { offset } => *self.tape.get(&self.int(*offset)).expect("written tape"),
            Op::Special(s) => Val::Int(match s {
                Special::ThreadId(0) => self.id,
                Special::BlockDim(0) => self.threads,
                Special::BlockDim(_) | Special::GridDim(_) => 1,
                _ => 0,
            }),
            Op::Math { func, flavor, args, .. } => {
                let nums: Vec<mathlib::Num> = args
                    .iter()
                    .map(|&a| match self.val(a) {
                        Val::Float(x) => mathlib::Num::Float(x),
                        Val::Int(x) => mathlib::Num::Int(x.into()),
                        x => panic!("{x:?}"),
                    })
                    .collect();
                let wide = if ty.is_float() { Type::F64 } else { ty };
                match mathlib::eval(*func, *flavor, wide, &nums) {
                    mathlib::Num::Float(x) => Val::Float(x),
                    mathlib::Num::Int(x) => Val::Int(x as i64),
                }
            }
            Op::IntMath { func, args } => {
                let (x, y) = (self.int(args[0]), args.get(1).map_or(0, |&a| self.int(a)));
                Val::Int(match func {
                    IntFn::Smax => x.max(y),
                    IntFn::Smin => x.min(y),
                    f => panic!("{f:?}"),
                })
            }
            op => panic!("the test evaluator does not know {op:?}"),
        };
        if let Some(r) = data.result {
            self.vals[r] = Some(out);
        }
    }
}

fn width(ty: Type) -> u32 {
    match ty {
        Type::Int(w) => u32::from(w),
        _ => 64,
    }
}

fn mask(w: u32) -> u64 {
    if w >= 64 {
        u64::MAX
    } else {
        (1 << w) - 1
    }
}

fn wrap(x: i64, ty: Type) -> i64 {
    let s = 64 - width(ty).min(64);
    (x << s) >> s
}

fn binary(op: BinOp, x: i64, y: i64, w: u32) -> i64 {
    let (ux, uy) = (x as u64 & mask(w), y as u64 & mask(w));
    match op {
        BinOp::Add => x.wrapping_add(y),
        BinOp::Sub => x.wrapping_sub(y),
        BinOp::Mul => x.wrapping_mul(y),
        BinOp::UDiv => (ux / uy) as i64,
        BinOp::SDiv => x / y,
        BinOp::URem => (ux % uy) as i64,
        BinOp::SRem => x % y,
        BinOp::Shl => x << y,
        BinOp::LShr => (ux >> uy) as i64,
        BinOp::AShr => x >> y,
        BinOp::And => x & y,
        BinOp::Or => x | y,
        BinOp::Xor => x ^ y,
        op => panic!("{op:?}"),
    }
}
