//! Every function with a rule, in f32 and f64, over its domain.

use super::micro::*;
use crate::kernel::MathFn::{self, *};
use crate::kernel::*;
use crate::mathlib::{eval, Num};
use crate::rules::{jvp, needs, vjp, Need};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Intervals from which the float arguments are drawn; where a function has kinks, they are excluded by `away_from`.
#[rustfmt::skip]
const DOMAINS: &[(MathFn, &[(f64, f64)])] = &[
    (Sqrt, &[(1e-3, 1e3)]), (Rsqrt, &[(1e-3, 1e3)]), (Rcp, &[(0.01, 50.0)]), (Rcp, &[(-50.0, -0.01)]),
    (Cbrt, &[(1e-3, 1e3)]), (Cbrt, &[(-30.0, -1e-2)]), (Rcbrt, &[(1e-3, 1e3)]), (Rcbrt, &[(-30.0, -1e-2)]),
    (Exp, &[(-20.0, 20.0)]), (Exp2, &[(-30.0, 30.0)]), (Exp10, &[(-8.0, 8.0)]), (Expm1, &[(-10.0, 10.0)]),
    (Log, &[(1e-3, 1e3)]), (Log2, &[(1e-3, 1e3)]), (Log10, &[(1e-3, 1e3)]), (Log1p, &[(-0.95, 10.0)]),
    (Sin, &[(-10.0, 10.0)]), (Cos, &[(-10.0, 10.0)]), (Tan, &[(-1.4, 1.4)]),
    (Sinpi, &[(-5.0, 5.0)]), (Cospi, &[(-5.0, 5.0)]), (Tanpi, &[(-0.45, 0.45)]),
    (Asin, &[(-0.98, 0.98)]), (Acos, &[(-0.98, 0.98)]), (Atan, &[(-20.0, 20.0)]),
    (Sinh, &[(-8.0, 8.0)]), (Cosh, &[(-8.0, 8.0)]), (Tanh, &[(-3.0, 3.0)]),
    (Asinh, &[(-50.0, 50.0)]), (Acosh, &[(1.05, 50.0)]), (Atanh, &[(-0.95, 0.95)]),
    (Erf, &[(-3.0, 3.0)]), (Erfc, &[(-3.0, 4.0)]), (Erfcx, &[(-4.0, 5.0)]), (Erfcx, &[(9.0, 100.0)]),
    (Erfinv, &[(-0.99, 0.99)]), (Erfcinv, &[(0.01, 1.99)]), (Normcdf, &[(-4.0, 4.0)]), (Normcdfinv, &[(0.01, 0.99)]),
    (Tgamma, &[(0.1, 12.0)]), (Tgamma, &[(-2.9, -2.1)]), (Lgamma, &[(0.1, 60.0)]), (Lgamma, &[(-1.9, -1.1)]),
    (J0, &[(0.1, 20.0)]), (J1, &[(0.1, 20.0)]), (Y0, &[(0.3, 20.0)]), (Y1, &[(0.3, 20.0)]),
    (CylBesselI0, &[(-8.0, 8.0)]), (CylBesselI1, &[(-8.0, 8.0)]),
    (Fabs, &[(0.1, 5.0)]), (Fabs, &[(-5.0, -0.1)]),
    (Saturate, &[(0.01, 0.99)]), (Saturate, &[(1.01, 3.0)]), (Saturate, &[(-3.0, -0.01)]),
    (ModfFrac, &[(1.1, 1.9)]), (ModfFrac, &[(-1.9, -1.1)]), (Fract, &[(-1.9, -1.1)]), (FrexpMant, &[(2.1, 3.9)]), (FrexpMant, &[(-0.24, -0.13)]),
    (Add, &[(-9.0, 9.0), (-9.0, 9.0)]), (Sub, &[(-9.0, 9.0), (-9.0, 9.0)]), (Mul, &[(-9.0, 9.0), (-9.0, 9.0)]), (Div, &[(-9.0, 9.0), (0.2, 9.0)]),
    (Pow, &[(0.1, 6.0), (-4.0, 4.0)]), (Atan2, &[(-3.0, 3.0), (0.2, 3.0)]), (Atan2, &[(0.2, 3.0), (-3.0, 3.0)]),
    (Hypot, &[(-3.0, 3.0), (0.2, 3.0)]), (Rhypot, &[(-3.0, 3.0), (0.2, 3.0)]),
    (Fmod, &[(7.1, 7.9), (2.1, 2.3)]), (Fmod, &[(-7.9, -7.1), (2.1, 2.3)]), (Remainder, &[(7.9, 8.1), (1.9, 2.1)]),
    (Fdim, &[(2.0, 3.0), (0.0, 1.0)]), (Fdim, &[(0.0, 1.0), (2.0, 3.0)]),
    (Fmax, &[(2.0, 3.0), (0.0, 1.0)]), (Fmax, &[(0.0, 1.0), (2.0, 3.0)]), (Fmin, &[(2.0, 3.0), (0.0, 1.0)]), (Fmin, &[(0.0, 1.0), (2.0, 3.0)]),
    (Fmaximum, &[(2.0, 3.0), (0.0, 1.0)]), (Fmaximum, &[(0.0, 1.0), (2.0, 3.0)]),
    (Fminimum, &[(2.0, 3.0), (0.0, 1.0)]), (Fminimum, &[(0.0, 1.0), (2.0, 3.0)]),
    (Copysign, &[(0.1, 3.0), (-3.0, -0.1)]), (Copysign, &[(-3.0, -0.1), (-3.0, -0.1)]), (Copysign, &[(-3.0, -0.1), (0.1, 3.0)]),
    (Fma, &[(-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0)]), (Norm3d, &[(-3.0, 3.0), (0.3, 3.0), (-3.0, 3.0)]), (Rnorm3d, &[(-3.0, 3.0), (0.3, 3.0), (-3.0, 3.0)]),
    (Norm4d, &[(-3.0, 3.0), (0.3, 3.0), (-3.0, 3.0), (-2.0, 2.0)]), (Rnorm4d, &[(-3.0, 3.0), (0.3, 3.0), (-3.0, 3.0), (-2.0, 2.0)]),
    (Fmed3, &[(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)]), (Fmed3, &[(2.0, 3.0), (4.0, 5.0), (0.0, 1.0)]), (Fmed3, &[(4.0, 5.0), (0.0, 1.0), (2.0, 3.0)]),
];

/// Functions with an integer argument: its position and values.
#[rustfmt::skip]
const WITH_INT: &[(MathFn, usize, &[i128], (f64, f64))] = &[
    (Powi, 1, &[-3, -1, 0, 1, 2, 5], (0.3, 2.0)), (Powi, 1, &[-3, 0, 1, 2, 5], (-2.0, -0.3)), (Ldexp, 1, &[-3, 0, 7], (-2.0, 2.0)),
    (Jn, 0, &[0, 1, 2, 5], (0.5, 12.0)), (Yn, 0, &[0, 1, 3], (1.0, 12.0)),
];

/// One call `f(args)` in a kernel of its own.
struct Case {
    k: Kernel,
    block: Block,
    params: Vec<Value>,
    inst: Inst,
}

fn case(f: MathFn, ty: Type, int_at: Option<usize>) -> Case {
    let mut k = empty_kernel();
    let params: Vec<Value> = (0..f.arity())
        .map(|i| param(&mut k, &format!("x{i}"), if int_at == Some(i) { Type::I32 } else { ty }))
        .collect();
    let mut b = KernelBuilder::new(&mut k);
    let block = b.block("entry");
    b.switch_to(block);
    let op =
        Op::Math { func: f, flavor: Flavor::Library, args: SmallVec::from_slice(&params), fmf: Fmf::empty() };
    let inst = b.insert(op, ty);
    Case { k, block, params, inst }
}

fn env_of(c: &Case, args: &[Num]) -> HashMap<Value, M> {
    let m = |n: &Num| match n {
        Num::Float(x) => M::F(*x),
        Num::Int(i) => M::I(*i as u128 & 0xffff_ffff),
    };
    c.params.iter().copied().zip(args.iter().map(m)).collect()
}

/// Both directions at a point: the tangent for unit tangents of one operand after the other, and the growths of the
/// operands' adjoints for a unit adjoint.
fn derivatives(f: MathFn, ty: Type, int_at: Option<usize>, args: &[Num]) -> (Vec<f64>, Vec<f64>) {
    let floats: Vec<usize> = (0..f.arity()).filter(|i| int_at != Some(*i)).collect();
    let mut forward = Vec::new();
    for &i in &floats {
        let Case { mut k, block, params, inst } = case(f, ty, int_at);
        let mut b = KernelBuilder::new(&mut k);
        b.switch_to(block);
        let unit = b.k.float(ty, 1.0);
        let mut tangents = vec![None; params.len()];
        tangents[i] = Some(unit);
        let t = jvp(&mut b, inst, &tangents).expect("a rule");
        let c = Case { k, block, params, inst };
        let env = run(&c.k, block, &env_of(&c, args));
        forward.push(t.map_or(0.0, |t| get(&c.k, &env, t).f()));
    }
    let Case { mut k, block, params, inst } = case(f, ty, int_at);
    let adj = k.float(ty, 1.0);
    let result = k.insts[inst].result.expect("result");
    let listed = needs(&k, inst, &|_| true);
    let mut asked = Vec::new();
    let mut b = KernelBuilder::new(&mut k);
    b.switch_to(block);
    let mut primal = |_: &mut KernelBuilder, need: Need| {
        asked.push(need);
        match need {
            Need::Operand(i) => params[i],
            Need::Result => result,
        }
    };
    let grown = vjp(&mut b, inst, &mut primal, adj, &|_| true).expect("a rule");
    asked.sort();
    let mut sorted = listed.to_vec();
    sorted.sort();
    assert_eq!(asked, sorted, "{f:?}: asked for what is not listed, or the reverse");
    let c = Case { k, block, params, inst };
    let env = run(&c.k, block, &env_of(&c, args));
    let mut reverse = vec![0.0; floats.len()];
    for (i, v) in grown {
        let at = floats.iter().position(|&j| j == i).expect("a float operand");
        reverse[at] += get(&c.k, &env, v).f();
    }
    (forward, reverse)
}

/// Central differences in f64 with Richardson's extrapolation; the step with the smallest change wins.
fn difference(f: MathFn, args: &[Num], i: usize) -> f64 {
    let at = |h: f64| {
        let mut moved = args.to_vec();
        let Num::Float(x) = moved[i] else { panic!("float argument") };
        moved[i] = Num::Float(x + h);
        match eval(f, Flavor::Library, Type::F64, &moved) {
            Num::Float(y) => y,
            n => panic!("{n:?}"),
        }
    };
    let Num::Float(x) = args[i] else { panic!("float argument") };
    let scale = x.abs().max(0.1);
    let central = |h: f64| (at(h) - at(-h)) / (2.0 * h);
    let rich = |h: f64| (64.0 * central(h / 4.0) - 20.0 * central(h / 2.0) + central(h)) / 45.0;
    let ladder: Vec<f64> = [3e-2, 1e-2, 3e-3, 1e-3, 3e-4].iter().map(|s| rich(s * scale)).collect();
    let best = (1..ladder.len())
        .filter(|&j| ladder[j].is_finite() && ladder[j - 1].is_finite())
        .min_by(|&p, &q| (ladder[p] - ladder[p - 1]).abs().total_cmp(&(ladder[q] - ladder[q - 1]).abs()))
        .expect("finite differences");
    ladder[best]
}

fn check(f: MathFn, int_at: Option<usize>, args: &[Num]) {
    for (ty, tolerance) in [(Type::F64, 2e-9), (Type::F32, 2e-5)] {
        // Arguments exact in the format, so that both sides mean the same point.
        let args: Vec<Num> = args
            .iter()
            .map(|a| match a {
                Num::Float(x) => Num::Float(crate::mathlib::round_to(ty.float().expect("float"), *x)),
                n => *n,
            })
            .collect();
        let (forward, reverse) = derivatives(f, ty, int_at, &args);
        let floats = (0..f.arity()).filter(|i| int_at != Some(*i));
        for (j, i) in floats.enumerate() {
            let want = difference(f, &args, i);
            let scale = want.abs().max(1e-3);
            // Cancellation of larger terms near a zero of the derivative.
            let room = tolerance
                * if matches!(f, Erfcx | Y1 | J1 | Jn | Yn | Tgamma | Lgamma | Fmod | Remainder) {
                    20.0
                } else {
                    1.0
                };
            let err = (forward[j] - want).abs() / scale;
            assert!(
                err <= room,
                "{f:?}{args:?} by {i} in {ty:?}: {} instead of {want}, off by {err:e}",
                forward[j]
            );
            assert!(
                (forward[j] - reverse[j]).abs() <= 1e-12 * scale,
                "{f:?}{args:?} by {i}: forward {}, reverse {}",
                forward[j],
                reverse[j]
            );
        }
    }
}

/// Catches: a wrong factor, sign or operand in any line of the table, in either direction.
#[test]
fn every_function_agrees_with_differences() {
    let mut state = 7u64;
    let mut unit = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    for &(f, domain) in DOMAINS {
        assert_eq!(f.arity(), domain.len(), "{f:?}");
        for _ in 0..40 {
            let args: Vec<Num> = domain.iter().map(|&(lo, hi)| Num::Float(lo + (hi - lo) * unit())).collect();
            check(f, None, &args);
        }
    }
    for &(f, int_at, ints, (lo, hi)) in WITH_INT {
        for &n in ints {
            for _ in 0..20 {
                let mut args = vec![Num::Float(lo + (hi - lo) * unit())];
                args.insert(int_at, Num::Int(n));
                check(f, Some(int_at), &args);
            }
        }
    }
}
