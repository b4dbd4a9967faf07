//! Floats as carriers of narrower floats, or of halves of wider ones: a pair of floats that is loaded, moved or stored as one double. The bits
//! are all that counts; such accesses become accesses of integers, whose contents the other steps then find.

use super::edit;
use crate::cfg::Cfg;
use crate::facts::Provenance;
use crate::kernel::*;
use std::collections::{HashMap, HashSet};

/// Rewrites loads and stores whose float is taken apart, or put together, as other floats, or whose memory holds others as `declared`.
pub(super) fn neutralise(
    k: &mut Kernel,
    cfg: &Cfg,
    prov: &Provenance,
    declared: &dyn Fn(crate::facts::Base) -> Option<FloatTy>,
) {
    let users = users(k);
    let contradicts = |ptr: Value, format: FloatTy| {
        prov.of(ptr).bases.iter().any(|&b| declared(b).is_some_and(|d| d != format))
    };
    let mut carriers: HashSet<Inst> = HashSet::new();
    for &i in cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts) {
        match k.insts[i].op {
            Op::Load { ptr, .. } => {
                let Some(r) = k.insts[i].result else { continue };
                let Type::Float(format) = k.ty(r) else { continue };
                // Functions look at the high word of a double as at a float, too; but those compute with the double.
                if !is_number(k, &users, r) && (contradicts(ptr, format) || taken_apart(k, &users, r)) {
                    carriers.insert(i);
                }
            }
            Op::Store { ptr, val, .. } => {
                let Type::Float(format) = k.ty(val) else { continue };
                let moved = !is_computed(k, val) && k.as_const(val).is_none();
                if contradicts(ptr, format) && moved || put_together(k, val) {
                    carriers.insert(i);
                }
            }
            _ => {}
        }
    }
    edit::each(k, |b, i| {
        if !carriers.contains(&i) {
            return None;
        }
        match b.k.insts[i].op.clone() {
            Op::Load { ptr, mem } => {
                let float = b.k.ty(b.k.insts[i].result?);
                let bits = b.load(Type::Int(b.k.bytes(float) as u16 * 8), ptr, mem);
                b.k.insts[i].op = Op::Cast { op: CastOp::Bitcast, a: bits, flags: IntFlags::empty() };
            }
            Op::Store { val, .. } => {
                let bits = edit::bitcast(b, val, Type::Int(b.k.bytes(b.k.ty(val)) as u16 * 8));
                if let Op::Store { val, .. } = &mut b.k.insts[i].op {
                    *val = bits;
                }
            }
            _ => {}
        }
        None
    });
    // The bits of what was loaded are at hand.
    edit::each(k, |b, i| {
        let Op::Cast { op: CastOp::Bitcast, a, .. } = b.k.insts[i].op else { return None };
        let to = b.k.ty(b.k.insts[i].result?);
        match b.k.def_op(a) {
            Some(Op::Cast { op: CastOp::Bitcast, a: inner, .. }) if b.k.ty(*inner) == to => Some(*inner),
            Some(Op::Cast { op: CastOp::Bitcast, a: inner, .. })
                if b.k.ty(*inner).is_int() && to.is_int() =>
            {
                Some(*inner)
            }
            _ => None,
        }
    });
}

fn users(k: &Kernel) -> HashMap<Value, Vec<Inst>> {
    let mut out: HashMap<Value, Vec<Inst>> = HashMap::new();
    for (_, i) in k.iter_insts() {
        k.insts[i].op.for_each_operand(|v| out.entry(v).or_default().push(i));
    }
    out
}

/// True when arithmetic of floats is done with it.
fn is_number(k: &Kernel, users: &HashMap<Value, Vec<Inst>>, v: Value) -> bool {
    users.get(&v).into_iter().flatten().any(|&u| match &k.insts[u].op {
        Op::Binary { op, .. } => op.is_float(),
        Op::FNeg { .. } | Op::FCmp { .. } | Op::Math { .. } => true,
        Op::Cast { op, .. } => *op != CastOp::Bitcast,
        _ => false,
    })
}

fn is_computed(k: &Kernel, v: Value) -> bool {
    !matches!(
        k.def_op(v),
        Some(
            Op::Load { .. }
                | Op::Phi { .. }
                | Op::Select { .. }
                | Op::Freeze { .. }
                | Op::Cast { op: CastOp::Bitcast, .. }
        )
    )
}

/// True when a part of its bits, or all as several, become floats.
fn taken_apart(k: &Kernel, users: &HashMap<Value, Vec<Inst>>, v: Value) -> bool {
    let whole = k.bytes(k.ty(v));
    let mut seen: HashSet<Value> = HashSet::from([v]);
    let mut work = vec![v];
    while let Some(v) = work.pop() {
        for &u in users.get(&v).into_iter().flatten() {
            let Some(r) = k.insts[u].result else { continue };
            let on = match &k.insts[u].op {
                Op::Cast { op: CastOp::Bitcast, .. } => {
                    let ty = k.ty(r);
                    if ty.is_float() && k.bytes(ty.scalar()) < whole {
                        return true;
                    }
                    ty.is_int()
                }
                Op::Cast { op: CastOp::Trunc, .. } => true,
                Op::Binary { op: BinOp::LShr, b, .. } => k.as_int(*b).is_some_and(|n| n % 16 == 0),
                _ => false,
            };
            if on && seen.insert(r) {
                work.push(r);
            }
        }
    }
    false
}

/// True when its bits are those of narrower floats, side by side.
fn put_together(k: &Kernel, v: Value) -> bool {
    let whole = k.bytes(k.ty(v));
    let Some(Op::Cast { op: CastOp::Bitcast, a, .. }) = k.def_op(v) else { return false };
    let narrower = |ty: Type| ty.is_float() && k.bytes(ty.scalar()) < whole;
    narrower(k.ty(*a)) || crate::facts::fields::made_of(k, *a, 8).is_some_and(narrower)
}
