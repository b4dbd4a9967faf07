//! Structs and arrays as values are taken apart: their members have types of their own.

use super::edit;
use crate::canon::first_non_phi;
use crate::kernel::*;
use smallvec::SmallVec;

type Path = SmallVec<[u32; 2]>;

/// Members that are no structs or arrays themselves: path, byte offset, type.
fn members(k: &Kernel, ty: Type) -> Vec<(Path, u64, Type)> {
    fn push(k: &Kernel, ty: Type, path: &Path, at: u64, out: &mut Vec<(Path, u64, Type)>) {
        let Type::Agg(id) = ty else {
            out.push((path.clone(), at, ty));
            return;
        };
        let parts: Vec<(Type, u64)> = match &k.aggs[id] {
            AggTy::Struct { fields, offsets, .. } => {
                fields.iter().zip(offsets).map(|(f, o)| (*f, u64::from(*o))).collect()
            }
            AggTy::Array { elem, len, stride, .. } => {
                (0..*len).map(|i| (*elem, u64::from(i) * u64::from(*stride))).collect()
            }
        };
        for (n, (member, offset)) in parts.into_iter().enumerate() {
            let mut path = path.clone();
            path.push(n as u32);
            push(k, member, &path, at + offset, out);
        }
    }
    let mut out = Vec::new();
    push(k, ty, &Path::new(), 0, &mut out);
    out
}

/// Larger ones stay as they are.
const MOST_MEMBERS: usize = 64;

/// Loads, stores, phis and selects of aggregates become those of their members.
pub(super) fn take_apart(k: &mut Kernel) {
    phis(k);
    edit::each(k, |b, i| {
        let op = b.k.insts[i].op.clone();
        let ty = b.k.insts[i].result.map_or(Type::Void, |r| b.k.ty(r));
        match op {
            Op::Load { ptr, mem } if is_small(b.k, ty) && !mem.volatile && mem.ordering.is_none() => {
                Some(whole(b, ty, |b, _, at, member| {
                    let place = offset(b, ptr, at);
                    b.load(member, place, part_of(mem, at))
                }))
            }
            Op::Store { ptr, val, mem }
                if is_small(b.k, b.k.ty(val)) && !mem.volatile && mem.ordering.is_none() =>
            {
                let parts = members(b.k, b.k.ty(val));
                // The store itself is left with the last member.
                let n = parts.len();
                for (m, (path, at, member)) in parts.into_iter().enumerate() {
                    let part = b.value(Op::ExtractValue { agg: val, path }, member);
                    let place = offset(b, ptr, at);
                    if m + 1 < n {
                        b.store(place, part, part_of(mem, at));
                    } else {
                        b.k.insts[i].op = Op::Store { ptr: place, val: part, mem: part_of(mem, at) };
                    }
                }
                None
            }
            Op::Select { cond, a, b: other, fmf } if is_small(b.k, ty) => {
                Some(whole(b, ty, |b, path, _, member| {
                    let x = b.value(Op::ExtractValue { agg: a, path: path.clone() }, member);
                    let y = b.value(Op::ExtractValue { agg: other, path: path.clone() }, member);
                    b.value(Op::Select { cond, a: x, b: y, fmf }, member)
                }))
            }
            Op::Freeze { a } if is_small(b.k, ty) => Some(whole(b, ty, |b, path, _, member| {
                let x = b.value(Op::ExtractValue { agg: a, path: path.clone() }, member);
                b.value(Op::Freeze { a: x }, member)
            })),
            _ => None,
        }
    });
    // Members may stand for members of what was put together before.
    for _ in 0..16 {
        let changed = edit::each(k, |b, i| match &b.k.insts[i].op {
            Op::ExtractValue { agg, path } => member_of(b.k, *agg, &path.clone()),
            _ => None,
        });
        if !changed {
            break;
        }
        crate::grad::clean::remove_dead_code(k);
    }
}

fn is_small(k: &Kernel, ty: Type) -> bool {
    matches!(ty, Type::Agg(_)) && (1..=MOST_MEMBERS).contains(&members(k, ty).len())
}

fn part_of(mem: MemFlags, at: u64) -> MemFlags {
    let align = if at == 0 { mem.align } else { mem.align.min(1 << at.trailing_zeros().min(30)) };
    MemFlags { align, ..mem }
}

fn offset(b: &mut KernelBuilder<'_>, ptr: Value, at: u64) -> Value {
    if at == 0 {
        return ptr;
    }
    let space = b.k.ty(ptr).addr_space().unwrap_or(AddrSpace::Generic);
    let index = b.k.index_ty(space);
    let n = b.k.int(index, at.into());
    b.ptr_add(ptr, n)
}

/// An aggregate put together from its members.
fn whole(
    b: &mut KernelBuilder<'_>,
    ty: Type,
    mut part: impl FnMut(&mut KernelBuilder<'_>, &Path, u64, Type) -> Value,
) -> Value {
    let mut agg = b.k.constant(ty, Const::Undef);
    for (path, at, member) in members(b.k, ty) {
        let elem = part(b, &path, at, member);
        agg = b.value(Op::InsertValue { agg, elem, path }, ty);
    }
    agg
}

fn phis(k: &mut Kernel) {
    let mut pairs = Vec::new();
    for block in k.layout.clone() {
        for i in k.blocks[block].insts.clone() {
            let Op::Phi { incoming } = k.insts[i].op.clone() else { break };
            let Some(r) = k.insts[i].result.filter(|&r| is_small(k, k.ty(r))) else { continue };
            let ty = k.ty(r);
            let mut parts = Vec::new();
            for (path, _, member) in members(k, ty) {
                let mut from = Vec::new();
                for &(pred, v) in &incoming {
                    let end = k.blocks[pred].insts.len() - 1;
                    let mut b = KernelBuilder::new(k);
                    b.at = Cursor::At(pred, end);
                    from.push((pred, b.value(Op::ExtractValue { agg: v, path: path.clone() }, member)));
                }
                let mut b = KernelBuilder::new(k);
                b.at = Cursor::At(block, 0);
                parts.push(b.phi(member, from));
            }
            let at = first_non_phi(k, block);
            let mut b = KernelBuilder::new(k);
            b.at = Cursor::At(block, at);
            let mut parts = parts.into_iter();
            let agg = whole(&mut b, ty, |_, _, _, _| parts.next().expect("one for each member"));
            pairs.push((r, agg));
        }
    }
    edit::replace(k, &pairs);
    let dead: Vec<Value> = pairs.iter().map(|p| p.0).collect();
    for block in k.layout.clone() {
        let insts = std::mem::take(&mut k.blocks[block].insts);
        let live = |i: &Inst| k.insts[*i].result.is_none_or(|r| !dead.contains(&r));
        k.blocks[block].insts = insts.into_iter().filter(live).collect();
    }
}

/// The member of an aggregate, if it was put in by an instruction.
fn member_of(k: &mut Kernel, agg: Value, path: &[u32]) -> Option<Value> {
    let mut agg = agg;
    loop {
        match k.def_op(agg) {
            Some(Op::InsertValue { agg: before, elem, path: at }) => {
                if at.as_slice() == path {
                    return Some(*elem);
                }
                let shared = at.len().min(path.len());
                if at[..shared] == path[..shared] {
                    return None; // a part of it, or a whole with it inside
                }
                agg = *before;
            }
            None => {
                let ty = k.agg_member(k.ty(agg), path)?;
                return match k.as_const(agg)? {
                    Const::Undef => Some(k.constant(ty, Const::Undef)),
                    Const::Poison => Some(k.constant(ty, Const::Poison)),
                    Const::Zero => Some(k.zero(ty)),
                    _ => None,
                };
            }
            _ => return None,
        }
    }
}
