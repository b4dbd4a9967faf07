//! A small evaluation of straight-line Kernel IR, which shares no code with the interpreter.

use crate::kernel::*;
use crate::mathlib::{eval, round_to, Num};
use std::collections::HashMap;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum M {
    F(f64),
    I(u128),
    Many(Vec<M>),
}

impl M {
    pub(crate) fn f(&self) -> f64 {
        match self {
            M::F(x) => *x,
            m => panic!("{m:?} is no float"),
        }
    }

    pub(crate) fn i(&self) -> u128 {
        match self {
            M::I(x) => *x,
            m => panic!("{m:?} is no integer"),
        }
    }

    pub(crate) fn many(&self) -> &[M] {
        match self {
            M::Many(v) => v,
            m => panic!("{m:?} is no vector"),
        }
    }
}

/// A kernel without parameters for tests.
pub(crate) fn empty_kernel() -> Kernel {
    let source = Source {
        arch: Arch::Nvptx,
        triple: "nvptx64-nvidia-cuda".into(),
        data_layout: String::new(),
        cpu: None,
        features: None,
        warp_size: 32,
        file: "test".into(),
    };
    Kernel::new("test", source)
}

/// Adds a parameter of a type.
pub(crate) fn param(k: &mut Kernel, name: &str, ty: Type) -> Value {
    k.add_param(Param::new(name, ty))
}

/// Values of everything in one block, from those of the parameters.
pub(crate) fn run(k: &Kernel, block: Block, params: &HashMap<Value, M>) -> HashMap<Value, M> {
    let mut env = params.clone();
    for &inst in &k.blocks[block].insts {
        if let Some(r) = k.insts[inst].result {
            let v = step(k, &env, &k.insts[inst].op, k.ty(r));
            env.insert(r, v);
        }
    }
    env
}

/// The value of an operand.
pub(crate) fn get(k: &Kernel, env: &HashMap<Value, M>, v: Value) -> M {
    match k.as_const(v) {
        None => env[&v].clone(),
        Some(c) => constant(k, k.ty(v), c),
    }
}

fn constant(k: &Kernel, ty: Type, c: &Const) -> M {
    let many = |n: usize, f: &dyn Fn(usize) -> Type| {
        M::Many((0..n).map(|i| constant(k, f(i), &Const::Zero)).collect())
    };
    match (c, ty) {
        (Const::Elems(vs), _) => M::Many(vs.iter().map(|&v| get(k, &HashMap::new(), v)).collect()),
        (_, Type::Vec(l, n)) => many(n.into(), &|_| l.ty()),
        (_, Type::Agg(id)) => match &k.aggs[id] {
            AggTy::Struct { fields, .. } => many(fields.len(), &|i| fields[i]),
            AggTy::Array { elem, len, .. } => many(*len as usize, &|_| *elem),
        },
        (Const::Int(n), _) => M::I(*n),
        (Const::Float(bits), Type::Float(f)) => M::F(match f {
            FloatTy::F16 => half::f16::from_bits(*bits as u16).to_f64(),
            FloatTy::Bf16 => half::bf16::from_bits(*bits as u16).to_f64(),
            FloatTy::F32 => f32::from_bits(*bits as u32).into(),
            FloatTy::F64 => f64::from_bits(*bits),
        }),
        (_, Type::Float(_)) => M::F(0.0),
        _ => M::I(0),
    }
}

fn step(k: &Kernel, env: &HashMap<Value, M>, op: &Op, ty: Type) -> M {
    let v = |x: Value| get(k, env, x);
    let args: Vec<M> = op.operands().iter().map(|&x| v(x)).collect();
    match op {
        Op::ExtractElement { .. } => args[0].many()[args[1].i() as usize].clone(),
        Op::InsertElement { .. } => with(&args[0], &[args[2].i() as u32], &args[1]),
        Op::ShuffleVector { a, mask, .. } => {
            let n = k.ty(*a).lanes() as usize;
            let pick = |m: i32| match m {
                m if m < 0 => M::F(f64::NAN),
                m if (m as usize) < n => args[0].many()[m as usize].clone(),
                m => args[1].many()[m as usize - n].clone(),
            };
            M::Many(mask.iter().map(|&m| pick(m)).collect())
        }
        Op::ExtractValue { path, .. } => {
            path.iter().fold(args[0].clone(), |m, &i| m.many()[i as usize].clone())
        }
        Op::InsertValue { path, .. } => with(&args[0], path, &args[1]),
        Op::Freeze { .. } => args[0].clone(),
        Op::Select { .. } if matches!(args[0], M::I(_)) => args[if args[0].i() != 0 { 1 } else { 2 }].clone(),
        _ => match ty {
            Type::Vec(l, n) => M::Many(
                (0..n.into())
                    .map(|i| {
                        lane(k, op, l.ty(), &args.iter().map(|a| a.many()[i].clone()).collect::<Vec<_>>())
                    })
                    .collect(),
            ),
            _ => lane(k, op, ty, &args),
        },
    }
}

fn with(agg: &M, path: &[u32], elem: &M) -> M {
    let Some((&first, rest)) = path.split_first() else { return elem.clone() };
    let mut parts = agg.many().to_vec();
    parts[first as usize] = with(&parts[first as usize], rest, elem);
    M::Many(parts)
}

fn lane(k: &Kernel, op: &Op, ty: Type, args: &[M]) -> M {
    let round = |x: f64| M::F(round_to(ty.float().expect("a float result"), x));
    let cut = |n: u128| match ty {
        Type::Int(w) if w < 128 => M::I(n & ((1 << w) - 1)),
        _ => M::I(n),
    };
    let source = op.operands().first().map(|&a| k.ty(a).scalar());
    match op {
        Op::Binary { op: BinOp::FRem, .. } => round(libm::fmod(args[0].f(), args[1].f())),
        Op::Binary { op, .. } if op.is_float() => {
            let (a, b) = (args[0].f(), args[1].f());
            round(match op {
                BinOp::FAdd => a + b,
                BinOp::FSub => a - b,
                BinOp::FMul => a * b,
                _ => a / b,
            })
        }
        Op::Binary { op, .. } => {
            let (a, b) = (args[0].i(), args[1].i());
            cut(match op {
                BinOp::Add => a.wrapping_add(b),
                BinOp::Sub => a.wrapping_sub(b),
                BinOp::And => a & b,
                BinOp::Or => a | b,
                BinOp::Xor => a ^ b,
                other => panic!("{other:?} is not needed here"),
            })
        }
        Op::FNeg { .. } => M::F(-args[0].f()),
        Op::Select { .. } => args[if args[0].i() != 0 { 1 } else { 2 }].clone(),
        Op::FCmp { pred, .. } => {
            use FloatPred::*;
            let (a, b) = (args[0].f(), args[1].f());
            let unordered = a.is_nan() || b.is_nan();
            M::I(u128::from(match pred {
                Oeq => a == b,
                Ogt => a > b,
                Oge => a >= b,
                Olt => a < b,
                Ole => a <= b,
                Uno => unordered,
                other => panic!("{other:?} is not needed here"),
            }))
        }
        Op::ICmp { pred: IntPred::Ne, .. } => M::I(u128::from(args[0].i() != args[1].i())),
        Op::Cast { op: CastOp::FpExt | CastOp::FpTrunc, .. } => round(args[0].f()),
        Op::Cast { op: CastOp::SiToFp, .. } => round(signed(&args[0], source) as f64),
        Op::Cast { op: CastOp::Bitcast, .. } => args[0].clone(),
        Op::Math { func, flavor, .. } => {
            let types = op.operands();
            let nums: Vec<Num> = args
                .iter()
                .zip(&types)
                .map(|(a, &t)| match a {
                    M::F(x) => Num::Float(*x),
                    m => Num::Int(signed(m, Some(k.ty(t).scalar()))),
                })
                .collect();
            match eval(*func, *flavor, ty, &nums) {
                Num::Float(x) => M::F(x),
                Num::Int(n) => cut(n as u128),
            }
        }
        other => panic!("{other:?} is not needed here"),
    }
}

fn signed(m: &M, ty: Option<Type>) -> i128 {
    let Some(Type::Int(w)) = ty else { panic!("integer expected") };
    let shift = 128 - u32::from(w);
    ((m.i() << shift) as i128) >> shift
}

/// The value of a call of one float and perhaps a constant i32.
pub(crate) fn eval_unary_call(callee: &str, arg: Type, x: f64, int: Option<i128>, ret: Type) -> f64 {
    let mut k = empty_kernel();
    let p = param(&mut k, "x", arg);
    let mut b = KernelBuilder::new(&mut k);
    let block = b.block("entry");
    b.switch_to(block);
    let mut args = vec![p];
    args.extend(int.map(|n| b.k.int(Type::I32, n)));
    let call = crate::mathlib::from_callee(callee).expect("known callee");
    let v =
        crate::mathlib::build(&mut b, &call, &args, ret, Fmf::empty()).expect("buildable").expect("result");
    let env = run(&k, block, &HashMap::from([(p, M::F(x))]));
    match get(&k, &env, v) {
        M::F(x) => x,
        m => m.i() as f64,
    }
}
