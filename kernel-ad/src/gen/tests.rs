//! Catches generators that break the IR's rules, or that stop making some construct.

use super::*;
use crate::case::Image;
use crate::check::{Engine, Interpreter, Program};
use crate::interp::Options;
use crate::kernel::{parse, print, verify, AddrSpace, CastOp, Op, WarpOp};

#[test]
fn every_seed_verifies_and_prints() {
    for seed in 0..300 {
        let g = generate(seed, &GenOptions::default());
        if let Err(e) = verify(&g.kernel) {
            panic!("seed {seed}: {e}\n{}", print(&g.kernel));
        }
        let text = print(&g.kernel);
        let again = parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        assert_eq!(print(&again), text, "seed {seed} does not survive printing");
    }
}

#[test]
fn every_seed_verifies_with_everything() {
    for options in [GenOptions::everything(), GenOptions::everything().amd()] {
        for seed in 0..150 {
            let g = generate(seed, &options);
            if let Err(e) = verify(&g.kernel) {
                panic!("seed {seed}: {e}\n{}", print(&g.kernel));
            }
        }
    }
}

#[test]
fn seeds_cover_what_threads_do_together() {
    for options in [GenOptions::everything(), GenOptions::everything().amd()] {
        let (mut barriers, mut warps, mut halves, mut copies, mut vectors, mut shared_adds) =
            (0, 0, 0, 0, 0, 0);
        for seed in 0..100 {
            let g = generate(seed, &options);
            for (_, i) in g.kernel.iter_insts() {
                match g.kernel.insts[i].op {
                    Op::Barrier { .. } => barriers += 1,
                    Op::Warp { .. } => warps += 1,
                    Op::Cast { op: CastOp::FpTrunc, .. } => halves += 1,
                    Op::MemCopy { .. } => copies += 1,
                    Op::InsertElement { .. } => vectors += 1,
                    Op::AtomicRmw { ptr, .. } if g.kernel.ty(ptr) == Type::Ptr(AddrSpace::Shared) => {
                        shared_adds += 1
                    }
                    _ => {}
                }
            }
        }
        let all = [barriers, warps, halves, copies, vectors, shared_adds];
        assert!(all.iter().all(|&n| n > 20), "{all:?}");
    }
}

#[test]
fn seeds_cover_the_constructs() {
    let (mut switches, mut phis, mut atomics, mut allocas, mut rets) = (0, 0, 0, 0, 0);
    for seed in 0..100 {
        let g = generate(seed, &GenOptions::default());
        for (_, i) in g.kernel.iter_insts() {
            match g.kernel.insts[i].op {
                Op::Switch { .. } => switches += 1,
                Op::Phi { .. } => phis += 1,
                Op::AtomicRmw { .. } => atomics += 1,
                Op::Alloca { .. } => allocas += 1,
                Op::Ret => rets += 1,
                _ => {}
            }
        }
    }
    assert!(switches > 20 && phis > 200 && atomics > 20 && allocas == 100 && rets > 120);
}

#[test]
fn fewer_statements_make_a_shorter_kernel() {
    let long = generate(7, &GenOptions::default());
    let short = generate(7, &GenOptions { statements: 3, ..GenOptions::default() });
    assert!(short.kernel.insts.len() < long.kernel.insts.len());
    assert_eq!(short.statements, 3);
}

/// Catches a float whose name in a shuffle changes what is computed: every kernel does what the one does that moves integers.
#[test]
fn named_floats_keep_the_results() {
    let mut changed = 0;
    for options in [GenOptions::everything(), GenOptions::everything().amd()] {
        for seed in 0..30 {
            let results = |g: &Generated| {
                let mut image = Image::of(&g.case);
                let p = Program::primal(&g.kernel, &g.case.roles()).unwrap();
                Interpreter(Options::default())
                    .run(&p, &g.case, &mut image)
                    .unwrap_or_else(|e| panic!("{e}"));
                image.leaves.into_iter().map(|l| l.data.bytes).collect::<Vec<_>>()
            };
            let (raw, named) = (generate_raw(seed, &options), generate(seed, &options));
            changed += u32::from(print(&raw.kernel) != print(&named.kernel));
            assert_eq!(results(&raw), results(&named), "seed {seed}\n{}", print(&named.kernel));
        }
    }
    assert!(changed > 10, "{changed}");
}

#[test]
fn seeds_cover_counts_and_masks() {
    let (mut counts, mut masks) = (0, 0);
    for seed in 0..150 {
        let g = generate(seed, &GenOptions::everything());
        let k = &g.kernel;
        for (_, i) in k.iter_insts() {
            match &k.insts[i].op {
                Op::Barrier { count: Some(_), .. } => counts += 1,
                Op::Warp { op: WarpOp::ShflIdx, args } if k.as_const(args[0]).is_none() => masks += 1,
                _ => {}
            }
        }
    }
    assert!(counts > 10 && masks > 10, "{counts} {masks}");
}
