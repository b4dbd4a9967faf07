//! Small changes to a kernel, gathered and then made at once.

use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use smallvec::smallvec;

/// Replaces values by others in every operand; chains are followed.
pub(super) fn replace(k: &mut Kernel, pairs: &[(Value, Value)]) {
    if pairs.is_empty() {
        return;
    }
    let mut map: SecondaryMap<Value, Option<Value>> = SecondaryMap::new();
    for &(from, to) in pairs {
        if from != to {
            map[from] = Some(to);
        }
    }
    let follow = |mut v: Value| {
        while let Some(next) = map[v] {
            v = next;
        }
        v
    };
    for b in k.layout.clone() {
        for i in k.blocks[b].insts.clone() {
            k.insts[i].op.map_operands(follow);
        }
    }
}

/// As [`replace`], with new values that are made of the old ones: their own instructions keep those.
pub(super) fn replace_by_own(k: &mut Kernel, pairs: &[(Value, Value)]) {
    replace(k, pairs);
    for &(old, new) in pairs {
        put_back(k, new, new, old);
    }
}

/// The instruction of `at` uses `old` where a replacement has put `new`.
pub(super) fn put_back(k: &mut Kernel, at: Value, new: Value, old: Value) {
    let i = k.def_inst(at).expect("just made");
    k.insts[i].op.map_operands(|v| if v == new { old } else { v });
}

/// A value that is `v`, with the derivative of `slope`.
pub(super) fn pinned(b: &mut KernelBuilder<'_>, v: Value, slope: Value) -> Value {
    let ty = b.k.ty(v);
    let args = smallvec![v, slope];
    b.value(Op::Math { func: MathFn::Pin, flavor: Flavor::Library, args, fmf: Fmf::empty() }, ty)
}

/// The place behind a value's definition where other instructions may stand; constants and parameters: the entry.
pub(super) fn behind(k: &Kernel, v: Value) -> Cursor {
    let Some(i) = k.def_inst(v) else { return Cursor::At(k.entry(), 0) };
    for &b in &k.layout {
        if let Some(at) = k.blocks[b].insts.iter().position(|&x| x == i) {
            return Cursor::At(b, (at + 1).max(crate::canon::first_non_phi(k, b)));
        }
    }
    Cursor::At(k.entry(), 0)
}

/// Visits every instruction but phis in order, with a builder that stands before it; what `f` gives replaces its result.
pub(super) fn each(k: &mut Kernel, mut f: impl FnMut(&mut KernelBuilder<'_>, Inst) -> Option<Value>) -> bool {
    let mut pairs = Vec::new();
    for block in k.layout.clone() {
        let old = std::mem::take(&mut k.blocks[block].insts);
        for i in old {
            if !matches!(k.insts[i].op, Op::Phi { .. }) {
                let mut b = KernelBuilder::new(k);
                b.switch_to(block);
                b.loc = b.k.insts[i].loc;
                if let (Some(v), Some(r)) = (f(&mut b, i), b.k.insts[i].result) {
                    pairs.push((r, v));
                }
            }
            k.blocks[block].insts.push(i);
        }
    }
    replace(k, &pairs);
    !pairs.is_empty()
}

/// Bits of a value as another type of the same size; nothing when the types are the same.
pub(super) fn bitcast(b: &mut KernelBuilder<'_>, v: Value, to: Type) -> Value {
    if b.k.ty(v) == to {
        return v;
    }
    if let Some(c) = constant_as(b.k, v, to) {
        return c;
    }
    match b.k.def_op(v) {
        Some(Op::Cast { op: CastOp::Bitcast, a, .. }) if b.k.ty(*a) == to => *a,
        _ => b.cast(CastOp::Bitcast, v, to),
    }
}

/// A constant in another type of the same size.
pub(super) fn constant_as(k: &mut Kernel, v: Value, to: Type) -> Option<Value> {
    let c = k.as_const(v)?.clone();
    match (c, k.ty(v), to) {
        (Const::Int(bits), Type::Int(_), Type::Float(_)) => {
            Some(k.constant(to, Const::Float(u64::try_from(bits).ok()?)))
        }
        (Const::Float(bits), Type::Float(_), Type::Int(_)) => Some(k.constant(to, Const::Int(bits.into()))),
        (Const::Int(bits), Type::Int(_), Type::Vec(l, n)) => {
            let width = k.bytes(l.ty()) * 8;
            let lanes = (0..u64::from(n))
                .map(|i| {
                    let part = (bits >> (i * width)) & ((1u128 << width) - 1);
                    let part = if matches!(l, Lane::Float(_)) {
                        Const::Float(part as u64)
                    } else {
                        Const::Int(part)
                    };
                    k.constant(l.ty(), part)
                })
                .collect();
            Some(k.constant(to, Const::Elems(lanes)))
        }
        (Const::Undef, ..) => Some(k.constant(to, Const::Undef)),
        (Const::Poison, ..) => Some(k.constant(to, Const::Poison)),
        (Const::Zero, ..) => Some(k.zero(to)),
        _ => None,
    }
}

/// The float type of a value of an integer type's size, when bits go straight from the one to the other.
pub(super) fn from_float(k: &Kernel, v: Value) -> Option<(Value, Type)> {
    match k.def_op(v)? {
        Op::Cast { op: CastOp::Bitcast, a, .. } if k.ty(*a).is_float() => Some((*a, k.ty(*a))),
        _ => None,
    }
}

/// Pins results of instructions to values that `f` gives, which may stand before the instruction.
pub(super) fn pin(k: &mut Kernel, mut f: impl FnMut(&mut KernelBuilder<'_>, Inst) -> Option<Value>) {
    let all: Vec<Inst> = k.iter_insts().map(|(_, i)| i).collect();
    let mut pairs = Vec::new();
    for i in all {
        let Some(r) = k.insts[i].result else { continue };
        let at = behind(k, r);
        let mut b = KernelBuilder::new(k);
        b.at = at;
        b.loc = b.k.insts[i].loc;
        let Some(slope) = f(&mut b, i) else { continue };
        pairs.push((r, pinned(&mut b, r, slope)));
    }
    replace_by_own(k, &pairs);
}

/// The instructions that use each value.
pub(super) type Users = SecondaryMap<Value, Vec<Inst>>;

/// Who uses what.
pub(super) fn users(k: &Kernel) -> Users {
    let mut of: Users = SecondaryMap::new();
    for (_, i) in k.iter_insts() {
        for v in k.insts[i].op.operands() {
            of[v].push(i);
        }
    }
    of
}
