//! Moving instructions: each direction against the other by dot products; edges and refusals.

use super::micro::*;
use crate::diag::Code;
use crate::kernel::*;
use crate::rules::{carries, jvp, needs, vjp, Need};
use smallvec::{smallvec, SmallVec};
use std::collections::HashMap;

/// Numbers of a value, flat; integers count as zero.
fn flat(m: &M) -> Vec<f64> {
    match m {
        M::F(x) => vec![*x],
        M::I(_) => vec![0.0],
        M::Many(v) => v.iter().flat_map(flat).collect(),
    }
}

/// A value of a type with numbers that are small and all different.
fn sample(k: &Kernel, ty: Type, seed: &mut u32) -> M {
    *seed += 1;
    match ty {
        Type::Float(_) => M::F(f64::from((*seed * 37) % 23) * 0.5 - 4.0),
        Type::Vec(l, n) => M::Many((0..n).map(|_| sample(k, l.ty(), seed)).collect()),
        Type::Agg(id) => match k.aggs[id].clone() {
            AggTy::Struct { fields, .. } => M::Many(fields.iter().map(|&f| sample(k, f, seed)).collect()),
            AggTy::Array { elem, len, .. } => M::Many((0..len).map(|_| sample(k, elem, seed)).collect()),
        },
        _ => M::I(1),
    }
}

/// <w, J u> against <J^T w, u>, and the tangent's own value against `expected`, for one instruction whose operands are all
/// parameters (of which those with a float are active).
fn check(
    types: &[Type],
    ty: Type,
    make: impl Fn(&[Value]) -> Op,
    expected: impl Fn(&[M]) -> Option<Vec<f64>>,
) {
    let mut k = empty_kernel();
    let params: Vec<Value> =
        types.iter().enumerate().map(|(i, &t)| param(&mut k, &format!("x{i}"), t)).collect();
    let tangents: Vec<Value> =
        types.iter().enumerate().map(|(i, &t)| param(&mut k, &format!("t{i}"), t)).collect();
    let adj = param(&mut k, "w", ty);
    let mut b = KernelBuilder::new(&mut k);
    let block = b.block("entry");
    b.switch_to(block);
    let inst = b.insert(make(&params), ty);
    let active = |v: Value| params.contains(&v);
    let listed = needs(b.k, inst, &active);
    let given: Vec<Option<Value>> = params
        .iter()
        .zip(&tangents)
        .enumerate()
        .map(|(i, (_, &t))| carries(b.k, inst, i).then_some(t))
        .collect();
    let forward = jvp(&mut b, inst, &given).expect("a rule").expect("a tangent");
    let mut primal = |_: &mut KernelBuilder, need: Need| {
        assert!(listed.contains(&need), "{need:?} is not listed");
        match need {
            Need::Operand(i) => params[i],
            Need::Result => panic!("not needed"),
        }
    };
    let grown = vjp(&mut b, inst, &mut primal, adj, &active).expect("a rule");
    let mut seed = 0;
    let mut env = HashMap::new();
    for &v in params.iter().chain(&tangents).chain([&adj]) {
        env.insert(v, sample(&k, k.ty(v), &mut seed));
    }
    let done = run(&k, block, &env);
    let value = |v: Value| flat(&get(&k, &done, v));
    let dot = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(x, y)| x * y).sum::<f64>();
    let left = dot(value(adj), value(forward));
    let right: f64 = grown.iter().map(|&(i, g)| dot(value(g), value(tangents[i]))).sum();
    assert!((left - right).abs() < 1e-9, "{:?}: {left} forward, {right} in reverse", k.insts[inst].op);
    assert!(left != 0.0, "the test must not compare zeros");
    let ts: Vec<M> = tangents.iter().map(|&t| get(&k, &done, t)).collect();
    if let Some(want) = expected(&ts) {
        assert_eq!(value(forward), want);
    }
}

const F4: Type = Type::Vec(Lane::Float(FloatTy::F64), 4);
const F3: Type = Type::Vec(Lane::Float(FloatTy::F64), 3);

/// Catches: a select that gives the adjoint to the wrong side, lanes in the wrong place, lost or doubled lanes of shuffles.
#[test]
fn moving_instructions_transpose() {
    let lanes = |m: &M| flat(m);
    check(
        &[Type::I1, Type::F64, Type::F64],
        Type::F64,
        |p| Op::Select { cond: p[0], a: p[1], b: p[2], fmf: Fmf::empty() },
        |t| Some(lanes(&t[1])),
    );
    let mask_ty = Type::Vec(Lane::Int(1), 4);
    check(
        &[mask_ty, F4, F4],
        F4,
        |p| Op::Select { cond: p[0], a: p[1], b: p[2], fmf: Fmf::empty() },
        |t| Some(lanes(&t[1])),
    );
    check(&[Type::F64], Type::F64, |p| Op::Freeze { a: p[0] }, |t| Some(lanes(&t[0])));
    check(
        &[Type::F32],
        Type::F64,
        |p| Op::Cast { op: CastOp::FpExt, a: p[0], flags: IntFlags::empty() },
        |t| Some(lanes(&t[0])),
    );
    check(
        &[Type::F64],
        Type::F32,
        |p| Op::Cast { op: CastOp::FpTrunc, a: p[0], flags: IntFlags::empty() },
        |t| Some(lanes(&t[0])),
    );
    check(
        &[Type::F64],
        Type::F64,
        |p| Op::FNeg { a: p[0], fmf: Fmf::empty() },
        |t| Some(vec![-lanes(&t[0])[0]]),
    );
    check(
        &[F4, Type::I32],
        Type::F64,
        |p| Op::ExtractElement { vec: p[0], index: p[1] },
        |t| Some(vec![lanes(&t[0])[1]]),
    );
    check(
        &[F4, Type::F64, Type::I32],
        F4,
        |p| Op::InsertElement { vec: p[0], elem: p[1], index: p[2] },
        |t| {
            let mut v = lanes(&t[0]);
            v[1] = lanes(&t[1])[0];
            Some(v)
        },
    );
    for mask in [vec![0, 4, 1], vec![6, 6, 6], vec![3, 2, 5], vec![0, 0, 4]] {
        let want = mask.clone();
        check(
            &[F4, F4],
            F3,
            move |p| Op::ShuffleVector { a: p[0], b: p[1], mask: mask.clone() },
            |t| {
                let both: Vec<f64> = t.iter().flat_map(lanes).collect();
                Some(want.iter().map(|&m| both[m as usize]).collect())
            },
        );
    }
    let convert = |p: &[Value]| Op::Math {
        func: MathFn::Convert,
        flavor: Flavor::Rounded { mode: Rounding::Down, ftz: false },
        args: smallvec![p[0]],
        fmf: Fmf::empty(),
    };
    check(&[Type::F64], Type::F32, convert, |t| Some(lanes(&t[0])));
}

/// Catches: a member in the wrong place of an adjoint struct, and sums that forget members.
#[test]
fn aggregates_transpose() {
    let pair = AggTy::Struct {
        fields: vec![Type::F64, Type::I32, F3],
        offsets: vec![0, 8, 16],
        size: 48,
        align: 16,
        packed: false,
    };
    let make = |path: u32| {
        let mut k = empty_kernel();
        (Type::Agg(k.agg(pair.clone())), path)
    };
    // Ids are given in order, so that the same type has the same id in every new kernel.
    let (agg, _) = make(0);
    let with_agg = |k: &mut Kernel| k.agg(pair.clone());
    for (path, member) in [(0u32, Type::F64), (2, F3)] {
        let mut k = empty_kernel();
        with_agg(&mut k);
        let x = param(&mut k, "x", agg);
        let e = param(&mut k, "e", member);
        let (tx, te, w, v) = (
            param(&mut k, "tx", agg),
            param(&mut k, "te", member),
            param(&mut k, "w", agg),
            param(&mut k, "v", member),
        );
        let mut b = KernelBuilder::new(&mut k);
        let block = b.block("entry");
        b.switch_to(block);
        let insert = b.insert(Op::InsertValue { agg: x, elem: e, path: smallvec![path] }, agg);
        let extract = b.insert(Op::ExtractValue { agg: x, path: smallvec![path] }, member);
        let mut none = |_: &mut KernelBuilder, _: Need| -> Value { panic!("nothing is needed") };
        let ti = jvp(&mut b, insert, &[Some(tx), Some(te)]).expect("rule").expect("tangent");
        let tv = jvp(&mut b, extract, &[Some(tx)]).expect("rule").expect("tangent");
        let gi = vjp(&mut b, insert, &mut none, w, &|_| true).expect("rule");
        let ge = vjp(&mut b, extract, &mut none, v, &|_| true).expect("rule");
        let sum = crate::rules::add(&mut b, gi[0].1, ge[0].1);
        let mut seed = 3;
        let env: HashMap<Value, M> =
            [x, e, tx, te, w, v].into_iter().map(|p| (p, sample(&k, k.ty(p), &mut seed))).collect();
        let done = run(&k, block, &env);
        let value = |p: Value| flat(&get(&k, &done, p));
        let dot = |a: Value, b: Value| value(a).iter().zip(value(b)).map(|(x, y)| x * y).sum::<f64>();
        let left = dot(w, ti) + dot(v, tv);
        let right = dot(sum, tx) + dot(gi[1].1, te);
        assert!(
            left != 0.0 && (left - right).abs() < 1e-9,
            "member {path}: {left} forward, {right} in reverse"
        );
    }
}

fn slope(func: MathFn, ty: Type, args: &[f64], d: f64, by: usize) -> f64 {
    let mut k = empty_kernel();
    let params: Vec<Value> =
        args.iter().enumerate().map(|(i, _)| param(&mut k, &format!("x{i}"), ty)).collect();
    let mut b = KernelBuilder::new(&mut k);
    let block = b.block("entry");
    b.switch_to(block);
    let op =
        Op::Math { func, flavor: Flavor::Library, args: SmallVec::from_slice(&params), fmf: Fmf::empty() };
    let inst = b.insert(op, ty);
    let mut tangents = vec![None; args.len()];
    tangents[by] = Some(b.k.float(ty, d));
    let t = jvp(&mut b, inst, &tangents).expect("rule").expect("tangent");
    let env = params.iter().zip(args).map(|(&p, &x)| (p, M::F(x))).collect();
    get(&k, &run(&k, block, &env), t).f()
}

/// Catches: a change of the documented conventions at kinks and poles, above all NaN where a zero derivative comes in.
#[test]
fn edges_follow_the_conventions() {
    use MathFn::*;
    let at = |f, args: &[f64], by| slope(f, Type::F64, args, 1.0, by);
    assert_eq!(slope(Sqrt, Type::F64, &[0.0], 0.0, 0), 0.0);
    assert_eq!(at(Sqrt, &[0.0], 0), f64::INFINITY);
    assert_eq!(slope(Cbrt, Type::F32, &[0.0], 0.0, 0), 0.0);
    assert_eq!(slope(Atan2, Type::F64, &[0.0, 0.0], 0.0, 0), 0.0);
    assert_eq!(slope(Asin, Type::F64, &[1.0], 0.0, 0), 0.0);
    assert_eq!(at(Hypot, &[0.0, 0.0], 0), 0.0);
    assert_eq!(at(Norm3d, &[0.0, 0.0, 0.0], 2), 0.0);
    assert_eq!(at(Fabs, &[0.0], 0), 0.0);
    assert_eq!(at(Saturate, &[0.0], 0), 1.0);
    assert_eq!((at(Fmax, &[1.0, 1.0], 0), at(Fmax, &[1.0, 1.0], 1)), (0.0, 1.0));
    assert_eq!((at(Fmin, &[1.0, 1.0], 0), at(Fmin, &[1.0, 1.0], 1)), (1.0, 0.0));
    assert_eq!(at(Pow, &[0.0, 2.0], 0), 0.0);
    assert_eq!(at(Pow, &[0.0, 1.0], 0), 1.0);
    assert_eq!(at(Pow, &[0.0, 0.5], 0), f64::INFINITY);
    assert_eq!(at(Pow, &[0.0, 0.0], 0), 0.0);
    assert_eq!(at(Pow, &[0.0, 3.0], 1), 0.0);
    assert_eq!(at(Pow, &[-2.0, 3.0], 0), 12.0);
    assert_eq!(at(J1, &[0.0], 0), 0.5);
    assert_eq!(at(CylBesselI1, &[0.0], 0), 0.5);
    // Far out the two terms of the slope nearly cancel; the value is mpmath's.
    let (got, want) = (at(Erfcx, &[14.0], 0), -0.002_856_764_889_395_713_3);
    assert!(((got - want) / want).abs() < 1e-14, "{got} instead of {want}");
    // In half precision the formula is computed in f32: 1 - y^2 of a y rounded to f16 would otherwise lose all digits.
    let h = Type::Float(FloatTy::F16);
    let y = half::f16::from_f64(0.5f64.tanh()).to_f64();
    assert_eq!(slope(Tanh, h, &[0.5], 1.0, 0), half::f16::from_f32(((1.0 - y) * (1.0 + y)) as f32).to_f64());
}

/// Catches: a wrong shortcut for constant operands: quotients of constants, constant exponents.
#[test]
fn constant_operands_are_folded() {
    let ty = Type::F64;
    let x0 = 1.7;
    let derivative = |make: &dyn Fn(&mut KernelBuilder, Value) -> Inst| {
        let mut k = empty_kernel();
        let x = param(&mut k, "x", ty);
        let mut b = KernelBuilder::new(&mut k);
        let block = b.block("entry");
        b.switch_to(block);
        let inst = make(&mut b, x);
        let result = b.k.insts[inst].result.expect("result");
        let one = b.k.float(ty, 1.0);
        let before = b.k.blocks[block].insts.len();
        let tangents: Vec<Option<Value>> =
            b.k.insts[inst].op.operands().iter().map(|&v| (v == x).then_some(one)).collect();
        let t = jvp(&mut b, inst, &tangents).expect("rule").expect("tangent");
        let mut primal = |_: &mut KernelBuilder, need: Need| if need == Need::Result { result } else { x };
        let grown = vjp(&mut b, inst, &mut primal, one, &|v| v == x).expect("rule");
        let added: Vec<String> =
            k.blocks[block].insts[before..].iter().map(|&i| crate::rules::op_name(&k.insts[i].op)).collect();
        let done = run(&k, block, &HashMap::from([(x, M::F(x0))]));
        assert_eq!(get(&k, &done, t), get(&k, &done, grown[0].1));
        (get(&k, &done, t).f(), added)
    };
    let divide = |b: &mut KernelBuilder, x: Value| {
        let c = b.k.float(ty, -3.0);
        b.insert(Op::Binary { op: BinOp::FDiv, a: c, b: x, flags: IntFlags::empty(), fmf: Fmf::empty() }, ty)
    };
    let (got, _) = derivative(&divide);
    assert!((got - 3.0 / (x0 * x0)).abs() < 1e-15);
    let by_constant = |b: &mut KernelBuilder, x: Value| {
        let c = b.k.float(ty, -3.0);
        b.insert(Op::Binary { op: BinOp::FDiv, a: x, b: c, flags: IntFlags::empty(), fmf: Fmf::empty() }, ty)
    };
    assert!((derivative(&by_constant).0 + 1.0 / 3.0).abs() < 1e-15);
    let square = |b: &mut KernelBuilder, x: Value| {
        b.insert(Op::Binary { op: BinOp::FMul, a: x, b: x, flags: IntFlags::empty(), fmf: Fmf::empty() }, ty)
    };
    assert_eq!(derivative(&square).0, 2.0 * x0);
    let power = |func: MathFn, ty2: Type| {
        move |b: &mut KernelBuilder, x: Value| {
            let n = if ty2.is_int() { b.k.int(ty2, 5) } else { b.k.float(ty2, 5.0) };
            b.insert(Op::Math { func, flavor: Flavor::Library, args: smallvec![x, n], fmf: Fmf::empty() }, ty)
        }
    };
    for make in [power(MathFn::Powi, Type::I32), power(MathFn::Pow, Type::F64)] {
        let (got, added) = derivative(&make);
        assert!((got - 5.0 * x0.powi(4)).abs() < 1e-13, "{got}");
        assert!(!added.iter().any(|op| op == "sitofp"), "{added:?}");
    }
}

/// Catches: a formula with a function that could not be differentiated once more.
#[test]
fn the_table_is_closed() {
    use crate::rules::formula::Node;
    use crate::rules::table::{rule, Rule};
    for &f in crate::mathlib::tests::all::ALL {
        let Rule::Lanewise(formulas) = rule(f, FloatTy::F64) else { continue };
        for formula in formulas.iter().flatten() {
            formula.visit(&mut |n| {
                if let Node::Call(g, args) = n {
                    assert!(!matches!(rule(*g, FloatTy::F64), Rule::Unknown), "{f:?} needs {g:?}");
                    assert_eq!(args.len(), g.arity(), "{f:?} calls {g:?}");
                }
            });
        }
    }
}

/// Catches: a function without a derivative rule that passes in silence, and a flat one that is taken for active.
#[test]
fn refusals_and_zeros() {
    let mut k = empty_kernel();
    let x = param(&mut k, "x", Type::F32);
    let mut b = KernelBuilder::new(&mut k);
    let block = b.block("entry");
    b.switch_to(block);
    let math = |func, args: &[Value]| Op::Math {
        func,
        flavor: Flavor::Library,
        args: SmallVec::from_slice(args),
        fmf: Fmf::empty(),
    };
    let next = b.insert(math(MathFn::Nextafter, &[x, x]), Type::F32);
    let bits = b.insert(Op::Cast { op: CastOp::Bitcast, a: x, flags: IntFlags::empty() }, Type::I32);
    let floor = b.insert(math(MathFn::Floor, &[x]), Type::F32);
    let to_int = b.insert(Op::Cast { op: CastOp::FpToSi, a: x, flags: IntFlags::empty() }, Type::I32);
    let compare = b.insert(Op::FCmp { pred: FloatPred::Olt, a: x, b: x, fmf: Fmf::empty() }, Type::I1);
    let one = b.k.float(Type::F32, 1.0);
    for inst in [next, bits] {
        assert!(carries(b.k, inst, 0));
        let e = jvp(&mut b, inst, &[Some(one), None]).expect_err("no rule");
        assert_eq!(e.0[0].code, Code::NoRule);
        let adj = b.k.insts[inst].result.expect("result");
        let mut none = |_: &mut KernelBuilder, _: Need| -> Value { panic!("nothing is needed") };
        let e = vjp(&mut b, inst, &mut none, adj, &|_| true).expect_err("no rule");
        assert_eq!(e.0[0].code, Code::NoRule);
    }
    for inst in [floor, to_int, compare] {
        assert!(!carries(b.k, inst, 0));
        assert_eq!(jvp(&mut b, inst, &[Some(one), Some(one)]).expect("zero"), None);
    }
    // Constants are never asked for, and an inactive exponent costs nothing.
    let two = b.k.float(Type::F32, 2.0);
    let scaled = b.insert(
        Op::Binary { op: BinOp::FMul, a: x, b: two, flags: IntFlags::empty(), fmf: Fmf::empty() },
        Type::F32,
    );
    assert!(needs(b.k, scaled, &|v| v == x).is_empty());
    let pow = b.insert(math(MathFn::Pow, &[x, two]), Type::F32);
    assert_eq!(needs(b.k, pow, &|v| v == x).as_slice(), [Need::Operand(0), Need::Result]);
}
