//! Gradients against central differences, under every tape policy.

mod corpus;
mod eval;
mod kernels;
mod refusals;

use super::reverse;
use crate::grad::{Gradient, Roles};
use crate::kernel::*;
use crate::plan::{PlanOptions, Policy};
use eval::{run, Mem, Val};
use shadow_mem::{Purpose, Role};

/// An argument of a test kernel; buffers hold f64.
#[derive(Clone)]
enum Arg {
    Buf(Role, Vec<f64>),
    Ints(Vec<i64>),
    Int(i64),
    Active(f64),
}

fn place(mem: &mut Mem, args: &[Arg]) -> Vec<Val> {
    args.iter()
        .map(|a| match a {
            Arg::Buf(_, xs) => Val::Ptr(mem.floats(xs), 0),
            Arg::Ints(xs) => {
                let id = mem.alloc();
                for (i, &x) in xs.iter().enumerate() {
                    mem.cells.insert((id, 4 * i as i64), Val::Int(x));
                }
                Val::Ptr(id, 0)
            }
            Arg::Int(i) => Val::Int(*i),
            Arg::Active(x) => Val::Float(*x),
        })
        .collect()
}

fn roles(args: &[Arg]) -> Roles {
    let of = |a: &Arg| match a {
        Arg::Buf(r, _) => *r,
        Arg::Active(_) => Role::Active,
        _ => Role::Const,
    };
    Roles::of(&args.iter().map(of).collect::<Vec<_>>())
}

/// Numbers without pattern, from the position.
fn noise(n: usize) -> f64 {
    let x = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
}

/// Runs the primal; gives all buffer contents, argument by argument.
fn primal(k: &Kernel, threads: i64, args: &[Arg]) -> Vec<Vec<f64>> {
    let mut mem = Mem::default();
    let vals = place(&mut mem, args);
    run(k, threads, &vals, &mut mem);
    contents(&mem, args, &vals)
}

fn contents(mem: &Mem, args: &[Arg], vals: &[Val]) -> Vec<Vec<f64>> {
    args.iter()
        .zip(vals)
        .map(|(a, v)| match (a, v) {
            (Arg::Buf(_, xs), Val::Ptr(id, _)) => (0..xs.len()).map(|i| mem.get(*id, i)).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// Runs a gradient with noise as the adjoint of everything; gives contents and shadows after.
fn gradient(g: &Gradient, threads: i64, args: &[Arg]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut mem = Mem::default();
    let mut vals = place(&mut mem, args);
    let mut shadows: Vec<Option<u32>> = vec![None; args.len()];
    let capacity = Val::Int(1 << 20);
    for p in &g.params[args.len()..] {
        vals.push(match &p.purpose {
            Purpose::Shadow { of } => {
                let n = *of as usize;
                let init: Vec<f64> = match &args[n] {
                    Arg::Buf(_, xs) => (0..xs.len()).map(|i| noise(100 * n + i)).collect(),
                    _ => vec![0.0],
                };
                let id = mem.floats(&init);
                shadows[n] = Some(id);
                Val::Ptr(id, 0)
            }
            Purpose::TapeBase | Purpose::TapeStatus => Val::Ptr(mem.alloc(), 0),
            Purpose::TapeCapacity => capacity,
            p => panic!("{p:?}"),
        });
    }
    let top = run(&g.kernel, threads, &vals, &mut mem);
    if let Some(t) = &g.tape {
        let bound = match (&t.bytes_per_thread, &g.counter) {
            (Some(e), _) => evaluate(e, threads, args),
            (None, Some(c)) => count(c, threads, args),
            (None, None) => panic!("neither a formula nor a counter"),
        };
        assert!(top <= bound, "{top} bytes were written to a tape of {bound}");
        assert!(bound - top <= bound / 2 + 64, "a tape of {bound} for {top} bytes");
    } else {
        assert_eq!(top, 0);
    }
    let after = contents(&mem, args, &vals);
    let bars = args
        .iter()
        .zip(&shadows)
        .map(|(a, s)| match (a, s) {
            (Arg::Buf(_, xs), Some(id)) => (0..xs.len()).map(|i| mem.get(*id, i)).collect(),
            (Arg::Active(_), Some(id)) => vec![mem.get(*id, 0)],
            _ => Vec::new(),
        })
        .collect();
    (after, bars)
}

fn evaluate(e: &shadow_mem::Expr, threads: i64, args: &[Arg]) -> i64 {
    use shadow_mem::Expr::*;
    let ev = |e: &shadow_mem::Expr| evaluate(e, threads, args);
    match e {
        Const(c) => *c,
        Param(i) => match &args[*i as usize] {
            Arg::Int(n) => *n,
            _ => panic!("a formula over a parameter that is no integer"),
        },
        BlockDim(0) => threads,
        BlockDim(_) | GridDim(_) => 1,
        Add(v) => v.iter().map(ev).sum(),
        Mul(v) => v.iter().map(ev).product(),
        CeilDiv(a, b) => {
            let (a, b) = (ev(a), ev(b));
            a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0)
        }
        Max(v) => v.iter().map(ev).max().expect("not empty"),
        Min(v) => v.iter().map(ev).min().expect("not empty"),
    }
}

fn count(c: &Gradient, threads: i64, args: &[Arg]) -> i64 {
    let mut mem = Mem::default();
    let mut vals = place(&mut mem, args);
    let result = mem.alloc();
    mem.cells.insert((result, 0), Val::Int(0));
    vals.push(Val::Ptr(result, 0));
    assert_eq!(c.params.len(), vals.len());
    run(&c.kernel, threads, &vals, &mut mem);
    match mem.cells[&(result, 0)] {
        Val::Int(n) => n,
        x => panic!("counted {x:?}"),
    }
}

/// All ways to have the tape: the gradient must not depend on it.
fn policies() -> Vec<PlanOptions> {
    let base = PlanOptions::default();
    let mut out = vec![
        base.clone(),
        PlanOptions { local_tape_bytes: 0, ..base.clone() },
        PlanOptions { policy: Policy::Save, local_tape_bytes: 0, ..base.clone() },
        PlanOptions { policy: Policy::Save, local_tape_bytes: 1 << 16, ..base.clone() },
        PlanOptions { assume_distinct: false, ..base.clone() },
    ];
    out.extend((1..5).map(|s| PlanOptions { policy: Policy::Chaos(s), local_tape_bytes: 0, ..base.clone() }));
    out
}

/// Checks the gradient of a kernel in text form. Gives it as made with the default options.
fn check(text: &str, threads: i64, args: &[Arg]) -> Gradient {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    let plain = primal(&k, threads, args);
    let mut first = None;
    for options in policies() {
        let g = reverse(&k, &roles(args), &options).unwrap_or_else(|e| panic!("{e}"));
        if std::env::var_os("KAD_PRINT").is_some() {
            println!("{options:?}\n{}", print(&g.kernel));
        }
        let (after, bars) = gradient(&g, threads, args);
        for (n, a) in args.iter().enumerate() {
            // What a gradient leaves behind is what the primal leaves behind, except where the caller said `out`.
            if !matches!(a, Arg::Buf(Role::Out, _)) {
                assert_eq!(
                    after[n],
                    plain[n],
                    "contents of argument {n} under {options:?}\n{}",
                    print(&g.kernel)
                );
            }
        }
        differences(&k, threads, args, &bars, &format!("{options:?}\n{}", print(&g.kernel)));
        // The gradient is a kernel like any other: it survives printing.
        let text = print(&g.kernel);
        let again = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(print(&again), text);
        first.get_or_insert(g);
    }
    first.expect("at least one policy")
}

/// Every single input against a central difference of the sum of outputs weighted by the seeds.
fn differences(k: &Kernel, threads: i64, args: &[Arg], bars: &[Vec<f64>], what: &str) {
    let weigh = |args: &[Arg]| -> f64 {
        let out = primal(k, threads, args);
        let mut sum = 0.0;
        for (n, (a, xs)) in args.iter().zip(&out).enumerate() {
            if matches!(a, Arg::Buf(Role::Dup | Role::Out, _)) {
                sum += xs.iter().enumerate().map(|(i, x)| x * noise(100 * n + i)).sum::<f64>();
            }
        }
        sum
    };
    let h = 1e-6;
    for (n, a) in args.iter().enumerate() {
        let len = match a {
            Arg::Buf(Role::Dup | Role::Out, xs) => xs.len(),
            Arg::Active(_) => 1,
            _ => 0,
        };
        for i in 0..len {
            let at = |d: f64| {
                let mut moved = args.to_vec();
                match &mut moved[n] {
                    Arg::Buf(_, xs) => xs[i] += d,
                    Arg::Active(x) => *x += d,
                    _ => {}
                }
                weigh(&moved)
            };
            let expected = (at(h) - at(-h)) / (2.0 * h);
            let got = bars[n][i];
            let scale = 1.0f64.max(expected.abs());
            assert!(
                (got - expected).abs() < 2e-6 * scale,
                "argument {n}, element {i}: {got} instead of {expected}\n{what}"
            );
        }
    }
}
