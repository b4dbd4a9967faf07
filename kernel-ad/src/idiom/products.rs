//! Products in shared memory by compare-and-swap become products in the order of the threads.
//!
//! The adjoint of a factor is the product of all others. Many threads that multiply one place leave no trace from which that could be had when
//! a factor is zero. So in a derivative each thread keeps its factors until the next barrier; behind it the threads multiply one after the
//! other, with a barrier between. That is the same product up to rounding, and each step is a load, a multiplication and a store.

use super::cas;
use super::settle::{distance, start_of, variable, Fit, View};
use crate::cfg::Cfg;
use crate::facts::{Activity, Provenance};
use crate::grad::{clean, Roles};
use crate::kernel::*;
use std::collections::{BTreeSet, HashSet};

/// A place that is multiplied, with the variables that remember it until the barrier.
struct Factor {
    /// The place, or the object that it lies in.
    start: Value,
    /// Its distance from there, if that is not constant.
    distance: Option<Value>,
    mem: MemFlags,
    float: Type,
    /// The thread has a factor since the last barrier.
    done: Value,
    /// The product of its factors.
    product: Value,
}

/// True when a derivative multiplies in another order than the kernel.
pub fn has_products(k: &Kernel, roles: &Roles) -> bool {
    order_products(&mut super::recognise(k), roles)
}

/// Rewrites the products of active data that nothing looks at before the next barrier of the whole block. Others stay.
/// True if there was one.
pub fn order_products(k: &mut Kernel, roles: &Roles) -> bool {
    let mut but = HashSet::new();
    loop {
        let mut out = k.clone();
        let taken = cas::take_products(&mut out, &but);
        if taken.is_empty() {
            return false;
        }
        let all: HashSet<Inst> = taken.iter().map(|t| t.1).collect();
        let cfg = Cfg::new(&out);
        let prov = Provenance::new(&out, &cfg, roles);
        let activity = Activity::new(&out, &cfg, &prov, roles);
        let view = View { k: &out, cfg: &cfg, prov: &prov, activity: &activity, together: Some(&all) };
        let candidates = out.iter_insts().filter(|(_, i)| all.contains(i)).collect();
        let unused = |f: &Fit| out.insts[f.inst].result.is_none_or(|r| only_bits(&out, r));
        let found: Vec<Fit> = view.all_that_fit(candidates).into_iter().filter(unused).collect();
        if found.len() == taken.len() {
            rewrite(&mut out, found);
            *k = out;
            return true;
        }
        but.extend(taken.iter().filter(|(_, i)| found.iter().all(|f| f.inst != *i)).map(|(swap, _)| *swap));
    }
}

/// What an operation gives is not used, but for a bitcast that is not used either.
fn only_bits(k: &Kernel, r: Value) -> bool {
    let users = |v: Value| {
        let uses = |i: Inst| k.insts[i].op.operands().contains(&v);
        k.iter_insts().map(|(_, i)| i).filter(|&i| uses(i)).collect::<Vec<_>>()
    };
    users(r).into_iter().all(|i| {
        let cast = matches!(k.insts[i].op, Op::Cast { op: CastOp::Bitcast, .. });
        cast && k.insts[i].result.is_none_or(|c| users(c).is_empty())
    })
}

fn rewrite(k: &mut Kernel, found: Vec<Fit>) {
    let mut locals = Vec::new();
    let mut barriers = BTreeSet::new();
    let mut factors = Vec::new();
    for fit in found {
        factors.push(remember(k, &fit, &mut locals));
        barriers.extend(fit.ends);
    }
    for barrier in barriers {
        multiply_behind(k, barrier, &factors);
    }
    clean::promote(k, &locals);
    clean::simplify(k);
    clean::remove_dead_code(k);
}

/// Takes the operation away, and notes its factor.
fn remember(k: &mut Kernel, fit: &Fit, locals: &mut Vec<(Value, Type)>) -> Factor {
    let Fit { inst, block, repeated, .. } = *fit;
    let Op::AtomicRmw { ptr, val, mem, .. } = k.insts[inst].op else { unreachable!("an atomic operation") };
    let float = k.ty(val);
    let start = start_of(k, ptr);
    let index = k.index_ty(k.ty(ptr).addr_space().unwrap_or(AddrSpace::Generic));
    let mut b = KernelBuilder::new(k);
    b.loc = b.k.insts[inst].loc;
    let plain = MemFlags::plain(1);
    let mut starting = |b: &mut KernelBuilder<'_>, first: Value| {
        let var = variable(b, b.k.ty(first), locals);
        b.store(var, first, plain);
        var
    };
    let (no, one, zero) = (b.k.int(Type::I1, 0), b.k.float(float, 1.0), b.k.int(index, 0));
    let (done, product) = (starting(&mut b, no), starting(&mut b, one));
    let far = (start != ptr).then(|| starting(&mut b, zero));
    let at = b.k.blocks[block].insts.iter().position(|&i| i == inst).expect("in its block");
    b.k.blocks[block].insts.remove(at);
    b.at = Cursor::At(block, at);
    let before = b.load(float, product, plain);
    let value = if repeated { b.binary_fmf(BinOp::FMul, before, val, Fmf::empty()) } else { val };
    b.store(product, value, plain);
    let yes = b.k.int(Type::I1, 1);
    b.store(done, yes, plain);
    if let Some(far) = far {
        let d = distance(&mut b, start, ptr, index);
        b.store(far, d, plain);
    }
    Factor {
        start,
        distance: far,
        mem: MemFlags { ordering: None, volatile: false, ..mem },
        float,
        done,
        product,
    }
}

/// Lets the threads multiply one after the other behind a barrier.
fn multiply_behind(k: &mut Kernel, barrier: Inst, factors: &[Factor]) {
    let Some(block) = k.iter_insts().find(|x| x.1 == barrier).map(|x| x.0) else { return };
    let n = k.blocks[block].insts.iter().position(|&i| i == barrier).unwrap_or(0);
    let rest = k.blocks[block].insts.split_off(n + 1);
    let name = k.blocks[block].name.clone().unwrap_or_default();
    let Op::Barrier { id, count, aligned, .. } = k.insts[barrier].op else { return };
    let plain = MemFlags::plain(1);
    let mut b = KernelBuilder::new(k);
    b.loc = b.k.insts[barrier].loc;
    let [turn, on, last] = ["turn", "next", "multiplied"].map(|s| b.block(&format!("{name}.{s}")));
    b.switch_to(block);
    let (own, threads) = b.thread_number();
    b.br(turn);
    b.switch_to(turn);
    let (zero, one) = (b.k.int(Type::I32, 0), b.k.int(Type::I32, 1));
    let t = b.phi(Type::I32, vec![(block, zero)]);
    let mine = b.icmp(IntPred::Eq, t, own);
    let multiply: Vec<(Block, Block)> = factors
        .iter()
        .map(|_| (b.block(&format!("{name}.multiply")), b.block(&format!("{name}.multiplied"))))
        .collect();
    for (f, &(work, then)) in factors.iter().zip(&multiply) {
        let done = b.load(Type::I1, f.done, plain);
        let go = b.binary(BinOp::And, done, mine);
        b.cond_br(go, work, then);
        b.switch_to(work);
        let place = match f.distance {
            None => f.start,
            Some(var) => {
                let index = b.k.index_ty(b.k.ty(f.start).addr_space().unwrap_or(AddrSpace::Generic));
                let d = b.load(index, var, plain);
                b.ptr_add(f.start, d)
            }
        };
        let (old, by) = (b.load(f.float, place, f.mem), b.load(f.float, f.product, plain));
        let new = b.binary_fmf(BinOp::FMul, old, by, Fmf::empty());
        b.store(place, new, f.mem);
        b.br(then);
        b.switch_to(then);
    }
    b.sync(id, count, aligned);
    let next = b.binary(BinOp::Add, t, one);
    let more = b.icmp(IntPred::Ult, next, threads);
    b.cond_br(more, on, last);
    b.switch_to(on);
    b.br(turn);
    if let Some(Op::Phi { incoming }) = b.k.def_inst(t).map(|i| &mut b.k.insts[i].op) {
        incoming.push((on, next));
    }
    b.switch_to(last);
    for f in factors {
        let (no, unit) = (b.k.int(Type::I1, 0), b.k.float(f.float, 1.0));
        b.store(f.done, no, plain);
        b.store(f.product, unit, plain);
    }
    k.blocks[last].insts.extend(rest);
    k.end_moved(block, last);
}
