//! Faults planted into what passes from the augmented to the reverse kernel: the oracles of split mode must find every one.

use super::faults::{found, subject, DROPPED_ADD, TAPE_OFF_BY_ONE};
use kernel_ad::check::Subject;
use kernel_ad::grad::SplitGradient;
use kernel_ad::kernel::{Inst, Kernel, Op, Value};

fn all(k: &Kernel) -> Vec<Inst> {
    k.layout.iter().flat_map(|&b| k.blocks[b].insts.iter().copied()).collect()
}

/// The place on the tape, where it is a constant: of the first record.
fn first_record(k: &Kernel, i: Inst) -> Option<Value> {
    match k.insts[i].op {
        Op::TapeLoad { offset } | Op::TapeStore { offset, .. } => k.as_int(offset).map(|_| offset),
        _ => None,
    }
}

/// Plants faults one at a time into the two kernels of a case. A fault is made by `plant`; it says whether it applies.
fn must_be_found(case: &str, what: &str, plant: impl Fn(&mut SplitGradient, usize) -> Option<bool>) {
    let good = subject(case);
    assert_eq!(found(&good), Vec::<&str>::new(), "{case} without a fault");
    let split = good.split.clone().unwrap();
    let mut planted = 0;
    for n in 0.. {
        let mut bad = split.clone();
        match plant(&mut bad, n) {
            None => break,
            Some(false) => continue,
            Some(true) => {}
        }
        planted += 1;
        let failed = found(&Subject { split: Ok(bad), ..good.clone() });
        assert!(failed.iter().any(|o| o.starts_with("split")), "{case}: {what} at {n} was not found");
    }
    assert!(planted > 0, "{case}: no place for {what}");
}

const CASES: [&str; 3] = ["overwrite.toml", "early_exit.toml", "nested_loops.toml"];

// Catches a ladder that does not see a wrong place in a record, be it the first one or one of a loop.
#[test]
fn slots_off_by_one_between_kernels_are_found() {
    for case in CASES {
        must_be_found(case, TAPE_OFF_BY_ONE.name, |s, n| {
            let k = &mut s.reverse.kernel;
            let i = *all(k).get(n)?;
            let applies = (TAPE_OFF_BY_ONE.applies)(k, i);
            if applies {
                (TAPE_OFF_BY_ONE.plant)(k, i);
            }
            Some(applies)
        });
    }
}

// Catches a ladder that does not see two values of one type in each other's place.
#[test]
fn values_in_each_others_place_are_found() {
    must_be_found("black_scholes.toml", "a first record in another order", |s, n| {
        let k = &mut s.augmented.kernel;
        let stores: Vec<_> = all(k).into_iter().filter(|&i| first_record(k, i).is_some()).collect();
        let (a, b) = (*stores.get(n)?, *stores.get((n + 1) % stores.len())?);
        let (Op::TapeStore { val: x, .. }, Op::TapeStore { val: y, .. }) = (&k.insts[a].op, &k.insts[b].op)
        else {
            return Some(false);
        };
        let (x, y) = (*x, *y);
        if x == y || k.ty(x) != k.ty(y) {
            return Some(false);
        }
        for (i, v) in [(a, y), (b, x)] {
            if let Op::TapeStore { val, .. } = &mut k.insts[i].op {
                *val = v;
            }
        }
        Some(true)
    });
}

// Catches a ladder that does not see a value that the augmented kernel does not leave.
#[test]
fn values_that_are_not_left_are_found() {
    for case in CASES {
        must_be_found(case, "a value that is not written", |s, n| {
            let k = &mut s.augmented.kernel;
            let i = *all(k).get(n)?;
            let store = matches!(k.insts[i].op, Op::TapeStore { .. });
            // What nobody reads may as well not be there.
            let place = first_record(k, i).and_then(|v| k.as_int(v));
            let back = &s.reverse.kernel;
            let read = |&i: &Inst| first_record(back, i).and_then(|v| back.as_int(v)) == place;
            let applies = store && place.is_some() && all(back).iter().any(read);
            if applies {
                k.blocks.values_mut().for_each(|b| b.insts.retain(|&j| j != i));
            }
            Some(applies)
        });
    }
}

// Catches a ladder that looks at the one kernel only.
#[test]
fn dropped_adds_of_the_reverse_kernel_are_found() {
    must_be_found("matvec.toml", DROPPED_ADD.name, |s, n| {
        let k = &mut s.reverse.kernel;
        let i = *all(k).get(n)?;
        let applies = (DROPPED_ADD.applies)(k, i);
        if applies {
            (DROPPED_ADD.plant)(k, i);
        }
        Some(applies)
    });
}
