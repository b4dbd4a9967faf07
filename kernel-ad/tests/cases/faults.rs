//! Faults planted into gradient kernels, one at a time: the ladder must find every one of them. Cases that pass prove
//! little when a wrong gradient would pass as well.

use kernel_ad::case::Case;
use kernel_ad::check::{self, Options, Subject};
use kernel_ad::grad::Gradient;
use kernel_ad::kernel::{BinOp, Cursor, Fmf, Inst, Kernel, KernelBuilder, Op, RmwOp, Type, Value, WarpOp};
use kernel_ad::read::ReadOptions;

/// One way to be wrong: where it applies, and what it does there.
pub struct Fault {
    pub name: &'static str,
    pub applies: fn(&Kernel, Inst) -> bool,
    pub plant: fn(&mut Kernel, Inst),
}

fn position(k: &Kernel, inst: Inst) -> Cursor {
    let find = |&b: &kernel_ad::kernel::Block| {
        let i = k.blocks[b].insts.iter().position(|&i| i == inst)?;
        Some(Cursor::At(b, i))
    };
    k.layout.iter().find_map(find).expect("an instruction of the layout")
}

fn remove(k: &mut Kernel, inst: Inst) {
    for b in k.layout.clone() {
        k.blocks[b].insts.retain(|&i| i != inst);
    }
}

/// Inserts before `inst`, and makes `inst` use the result in place of `old`.
fn rewrite(k: &mut Kernel, inst: Inst, old: Value, make: impl FnOnce(&mut KernelBuilder) -> Value) {
    let at = position(k, inst);
    let mut b = KernelBuilder::new(k);
    b.at = at;
    let new = make(&mut b);
    k.insts[inst].op.map_operands(|v| if v == old { new } else { v });
}

const WRONG_SIGN: Fault = Fault {
    name: "a rule with a wrong sign",
    applies: |k, i| matches!(k.insts[i].op, Op::Accumulate { .. }),
    plant: |k, i| {
        let Op::Accumulate { val, .. } = k.insts[i].op else { return };
        rewrite(k, i, val, |b| b.fneg(val, Fmf::empty()));
    },
};

pub const DROPPED_ADD: Fault = Fault {
    name: "a dropped add into a shadow",
    applies: |k, i| matches!(k.insts[i].op, Op::Accumulate { .. }),
    plant: remove,
};

const LOST_UPDATE: Fault = Fault {
    name: "an add into shared memory that is not atomic",
    applies: |k, i| matches!(k.insts[i].op, Op::Accumulate { atomic: true, .. }),
    plant: |k, i| {
        if let Op::Accumulate { atomic, .. } = &mut k.insts[i].op {
            *atomic = false;
        }
    },
};

pub const TAPE_OFF_BY_ONE: Fault = Fault {
    name: "a tape slot that is off by one",
    applies: |k, i| matches!(k.insts[i].op, Op::TapeLoad { .. }),
    plant: |k, i| {
        let Op::TapeLoad { offset } = k.insts[i].op else { return };
        let bytes = k.insts[i].result.map_or(8, |v| k.bytes(k.ty(v)));
        let n = k.int(Type::I64, bytes.into());
        rewrite(k, i, offset, |b| b.binary(BinOp::Add, offset, n));
    },
};

const WRONG_OPERATION: Fault = Fault {
    name: "a sum in place of a difference",
    applies: |k, i| matches!(k.insts[i].op, Op::Binary { op: BinOp::FSub, .. }),
    plant: |k, i| {
        if let Op::Binary { op, .. } = &mut k.insts[i].op {
            *op = BinOp::FAdd;
        }
    },
};

/// Adjoints of overwritten memory that are not taken out of the shadow.
const KEPT_ADJOINT: Fault = Fault {
    name: "a shadow that is not cleared",
    applies: |k, i| match k.insts[i].op {
        Op::Store { val, .. } => k.ty(val).is_float() && is_zero(k, val),
        _ => false,
    },
    plant: remove,
};

const MISSING_BARRIER: Fault = Fault {
    name: "a barrier that is not mirrored",
    applies: |k, i| matches!(k.insts[i].op, Op::Barrier { .. }) && block_name(k, i).ends_with(".rev"),
    plant: remove,
};

const DIRTY_SHARED: Fault = Fault {
    name: "a shadow in shared memory that is not cleared at the start",
    applies: |k, i| matches!(k.insts[i].op, Op::Store { .. }) && block_name(k, i) == "clear.word",
    plant: remove,
};

fn block_name(k: &Kernel, inst: Inst) -> &str {
    let at = k.layout.iter().find(|&&b| k.blocks[b].insts.contains(&inst));
    at.and_then(|&b| k.blocks[b].name.as_deref()).unwrap_or_default()
}

fn is_last(k: &Kernel, inst: Inst, hit: fn(&Op) -> bool) -> bool {
    let all = k.layout.iter().flat_map(|&b| k.blocks[b].insts.iter().copied());
    all.filter(|&i| hit(&k.insts[i].op)).last() == Some(inst)
}

/// The last shuffle carries adjoints.
const WRONG_LANE: Fault = Fault {
    name: "adjoints that go to the wrong lane",
    applies: |k, i| is_last(k, i, |op| matches!(op, Op::Warp { op, .. } if carries(*op))),
    plant: |k, i| {
        let Op::Warp { op, args } = &mut k.insts[i].op else { return };
        match op {
            WarpOp::ShflUp => *op = WarpOp::ShflDown,
            WarpOp::ShflDown => *op = WarpOp::ShflUp,
            _ => {
                let lane = args[2];
                let one = k.int(Type::I32, 1);
                rewrite(k, i, lane, |b| b.binary(BinOp::Xor, lane, one));
            }
        }
    },
};

fn carries(op: WarpOp) -> bool {
    matches!(op, WarpOp::ShflUp | WarpOp::ShflDown | WarpOp::ShflBfly | WarpOp::ShflIdx | WarpOp::ScatterAdd)
}

/// The last instruction that uses the place which an atomic counter gave asks the counter again.
const REPLAYED_INDEX: Fault = Fault {
    name: "an index that is taken from the counter again",
    applies: |k, i| matches!(k.insts[i].op, Op::AtomicRmw { op: RmwOp::Add, .. }),
    plant: |k, i| {
        let Some(slot) = k.insts[i].result else { return };
        let all: Vec<Inst> = k.layout.iter().flat_map(|&b| k.blocks[b].insts.clone()).collect();
        let mut derived = vec![slot];
        let mut last = None;
        for &j in &all {
            if k.insts[j].op.operands().iter().any(|v| derived.contains(v)) {
                match k.insts[j].result.filter(|_| k.insts[j].op.is_pure()) {
                    Some(r) => derived.push(r),
                    None => last = Some(j),
                }
            }
        }
        let Some(user) = last else { return };
        let chain: Vec<Inst> = all
            .into_iter()
            .filter(|&j| j == i || k.insts[j].result.is_some_and(|r| derived.contains(&r)))
            .collect();
        let mut again: Vec<(Value, Value)> = Vec::new();
        for j in chain {
            let (mut op, Some(old)) = (k.insts[j].op.clone(), k.insts[j].result) else { continue };
            let map = |v: Value| again.iter().find(|(o, _)| *o == v).map_or(v, |(_, n)| *n);
            op.map_operands(map);
            let ty = k.ty(old);
            let mut b = KernelBuilder::new(k);
            b.at = position(b.k, user);
            let new = b.value(op, ty);
            again.push((old, new));
        }
        k.insts[user].op.map_operands(|v| again.iter().find(|(o, _)| *o == v).map_or(v, |(_, n)| *n));
    },
};

fn is_zero(k: &Kernel, v: Value) -> bool {
    matches!(k.as_const(v), Some(kernel_ad::kernel::Const::Float(0)))
}

pub fn subject(case: &str) -> Subject {
    let case = Case::load(&super::folder().join(case)).unwrap_or_else(|e| panic!("{e}"));
    check::subject(&case, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// The oracles that found something; without a device, since faults are planted into Kernel IR.
pub fn found(s: &Subject) -> Vec<&'static str> {
    let options = Options { directions: 2, ..Options::default() };
    let report = check::with_engines(None, |e| check::ladder(s, e, &options, "none", &mut |_| ()));
    report.unwrap_or_else(|e| panic!("{e}")).failed()
}

/// Plants the fault at every place of the gradient where it applies, one at a time.
fn must_be_found(fault: &Fault, case: &str) {
    let good = subject(case);
    assert_eq!(found(&good), Vec::<&str>::new(), "{case} without a fault");
    let kernel = &good.reverse.kernel;
    let all = kernel.layout.iter().flat_map(|&b| kernel.blocks[b].insts.iter().copied());
    let sites: Vec<_> = all.filter(|&i| (fault.applies)(kernel, i)).collect();
    assert!(!sites.is_empty(), "{case}: no place for {}", fault.name);
    for site in sites {
        let mut kernel = good.reverse.kernel.clone();
        (fault.plant)(&mut kernel, site);
        let bad = Subject { reverse: Gradient { kernel, ..good.reverse.clone() }, ..good.clone() };
        assert!(!found(&bad).is_empty(), "{case}: {} at {site} was not found", fault.name);
    }
}

#[test]
fn wrong_signs_are_found() {
    ["saxpy.toml", "spmv.toml", "heat.toml", "ll/scale.toml"]
        .iter()
        .for_each(|c| must_be_found(&WRONG_SIGN, c));
}

#[test]
fn dropped_adds_are_found() {
    ["saxpy.toml", "matvec.toml", "black_scholes.toml"].iter().for_each(|c| must_be_found(&DROPPED_ADD, c));
}

// Cases where every atomic add is needed: planners may be careful where a thread's own element is not proved to be its own.
#[test]
fn lost_updates_are_found() {
    ["gather.toml", "convolve.toml", "matmul_tiled.toml"].iter().for_each(|c| must_be_found(&LOST_UPDATE, c));
}

#[test]
fn tape_slots_off_by_one_are_found() {
    ["logistic_map.toml", "overwrite.toml"].iter().for_each(|c| must_be_found(&TAPE_OFF_BY_ONE, c));
}

#[test]
fn wrong_operations_are_found() {
    ["logistic_map.toml", "loss.toml"].iter().for_each(|c| must_be_found(&WRONG_OPERATION, c));
}

#[test]
fn shadows_that_are_not_cleared_are_found() {
    ["saxpy.toml", "overwrite.toml"].iter().for_each(|c| must_be_found(&KEPT_ADJOINT, c));
}

#[test]
fn missing_barriers_are_found() {
    ["transpose_tile.toml", "barrier_exchange.toml", "matmul_tiled.toml"]
        .iter()
        .for_each(|c| must_be_found(&MISSING_BARRIER, c));
}

#[test]
fn dirty_shadows_of_shared_memory_are_found() {
    ["block_sum.toml", "scan_in_place.toml"].iter().for_each(|c| must_be_found(&DIRTY_SHARED, c));
}

#[test]
fn faults_of_threads_together_are_found() {
    must_be_found(&LOST_UPDATE, "halo_by_leavers.toml");
    ["warp_scan.toml", "warp_gather.toml"].iter().for_each(|c| must_be_found(&WRONG_LANE, c));
    must_be_found(&REPLAYED_INDEX, "compact.toml");
}
