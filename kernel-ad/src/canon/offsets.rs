//! Addresses that merge within one object become that object plus a merged offset.
//!
//! An address of shared or local memory means nothing in another kernel, and is the thread's own secret in this one; a distance within an
//! object is a number that a tape can hold and that analyses follow. Halos make such merges: two sides of a branch store to two places of one tile.

use super::first_non_phi;
use crate::kernel::*;
use std::collections::HashMap;

/// Rewrites phis of pointers into one shared variable or one `alloca`; returns how many.
pub fn merge_offsets(k: &mut Kernel) -> usize {
    let roots = roots(k);
    let phis: Vec<(Block, Inst)> = k
        .iter_insts()
        .filter(|&(_, i)| matches!(k.insts[i].op, Op::Phi { .. }))
        .filter(|&(_, i)| k.insts[i].result.is_some_and(|r| matches!(roots.get(&r), Some(Root::Object(_)))))
        .collect();
    // All offset phis first: what comes round a loop refers to them.
    let mut offsets = HashMap::new();
    for &(b, i) in &phis {
        let r = k.insts[i].result.expect("a phi has a result");
        let ty = offset_type(k, r);
        let mut at = KernelBuilder::new(k);
        at.at = Cursor::At(b, 0);
        offsets.insert(r, at.phi(ty, Vec::new()));
    }
    for &(b, i) in &phis {
        let r = k.insts[i].result.expect("a phi has a result");
        let Op::Phi { incoming } = k.insts[i].op.clone() else { continue };
        let merged = incoming
            .into_iter()
            .map(|(pred, v)| {
                let end = k.blocks[pred].insts.len() - 1;
                let mut at = KernelBuilder::new(k);
                at.at = Cursor::At(pred, end);
                (pred, offset(&mut at, &offsets, r, v))
            })
            .collect();
        let phi = k.def_inst(offsets[&r]).expect("made above");
        k.insts[phi].op = Op::Phi { incoming: merged };
        let Some(Root::Object(root)) = roots.get(&r).copied() else { continue };
        // The phi's own instruction goes on as the sum, so that its uses stay.
        k.blocks[b].insts.retain(|&x| x != i);
        let first = first_non_phi(k, b);
        let mut at = KernelBuilder::new(k);
        at.at = Cursor::At(b, first);
        let ty = at.k.ty(r);
        let base = if at.k.ty(root) == ty { root } else { at.cast(CastOp::AddrSpaceCast, root, ty) };
        let Cursor::At(_, sum) = at.at else { continue };
        k.insts[i].op = Op::PtrAdd { ptr: base, offset: offsets[&r], inbounds: false };
        k.blocks[b].insts.insert(sum, i);
    }
    phis.len()
}

/// What a pointer is an offset from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    /// Nothing that is known.
    Other,
    /// A shared variable, or the `alloca` of this value.
    Object(Value),
}

/// The roots of all pointers that are made of objects by offsets, casts and merges: from "not seen" down to [`Root::Other`].
fn roots(k: &Kernel) -> HashMap<Value, Root> {
    let mut of: HashMap<Value, Root> = HashMap::new();
    loop {
        let mut changed = false;
        for (_, i) in k.iter_insts() {
            let Some(r) = k.insts[i].result.filter(|&r| matches!(k.ty(r), Type::Ptr(_))) else { continue };
            let root = |v: &Value| match k.values[*v].def {
                ValueDef::Const(Const::Undef | Const::Poison) => None,
                ValueDef::Const(Const::Global(g)) if k.globals[g].space == AddrSpace::Shared => {
                    Some(Root::Object(*v))
                }
                ValueDef::Const(_) | ValueDef::Param(_) => Some(Root::Other),
                _ => of.get(v).copied(),
            };
            let new = match &k.insts[i].op {
                Op::Alloca { .. } => Some(Root::Object(r)),
                Op::PtrAdd { ptr, .. } => root(ptr),
                // Offsets of another width would wrap elsewhere.
                Op::Cast { op: CastOp::AddrSpaceCast, a, .. } if offset_type(k, *a) == offset_type(k, r) => {
                    root(a)
                }
                Op::Select { a, b, .. } => meet([root(a), root(b)]),
                Op::Phi { incoming } => meet(incoming.iter().map(|(_, v)| root(v))),
                _ => Some(Root::Other),
            };
            if let Some(new) = new {
                let lower = meet([of.get(&r).copied(), Some(new)]);
                changed |= of.insert(r, lower.unwrap_or(new)) != lower;
            }
        }
        if !changed {
            return of;
        }
    }
}

fn meet(all: impl IntoIterator<Item = Option<Root>>) -> Option<Root> {
    all.into_iter().flatten().reduce(|a, b| if a == b { a } else { Root::Other })
}

fn offset_type(k: &Kernel, ptr: Value) -> Type {
    match k.ty(ptr) {
        Type::Ptr(space) => k.index_ty(space),
        ty => ty,
    }
}

/// The distance of `v` from its root, in the index type of `like`, computed where `at` stands.
fn offset(at: &mut KernelBuilder<'_>, merged: &HashMap<Value, Value>, like: Value, v: Value) -> Value {
    let ty = offset_type(at.k, like);
    if let Some(&o) = merged.get(&v) {
        return o;
    }
    if matches!(at.k.values[v].def, ValueDef::Const(Const::Undef | Const::Poison)) {
        return at.k.constant(ty, Const::Undef);
    }
    match at.k.def_op(v).cloned() {
        Some(Op::PtrAdd { ptr, offset: by, .. }) => {
            let from = offset(at, merged, like, ptr);
            let by = at.resize(by, ty, true);
            if at.k.as_int(from) == Some(0) {
                by
            } else {
                at.binary(BinOp::Add, from, by)
            }
        }
        Some(Op::Cast { a, .. }) => offset(at, merged, like, a),
        Some(Op::Select { cond, a, b, .. }) => {
            let (a, b) = (offset(at, merged, like, a), offset(at, merged, like, b));
            at.select(cond, a, b)
        }
        _ => at.k.int(ty, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interp::{self, Arg, Launch, Memory, Options};

    fn run(k: &Kernel) -> Vec<u8> {
        let mut memory = Memory::new();
        let x = memory.alloc("x", &[0; 32]);
        let launch = Launch { grid: [1, 1, 1], block: [8, 1, 1], shared: 0, args: vec![Arg::Pointer(x)] };
        interp::run(k, &launch, &mut memory, &Options::sanitize())
            .unwrap_or_else(|e| panic!("{e}\n{}", print(k)));
        memory.bytes(x).to_vec()
    }

    fn kernel(body: &str) -> Kernel {
        let text = format!(
            "global ptr.shared @s bytes 64 align 4
             global ptr.shared @other bytes 64 align 4
             kernel @k(ptr.global %x) nvptx {{
             entry: %t = tid.x %tz = zext i32 %t to i64 %o = shl i64 %tz, 2 %p = ptradd ptr.global %x, i64 %o
             %a = ptradd ptr.shared @s, i64 %o %b = ptradd ptr.shared %a, 32 %c = icmp ult i32 %t, 3 {body} }}"
        );
        let k = parse(&text).unwrap_or_else(|e| panic!("{e}"));
        verify(&k).unwrap_or_else(|e| panic!("{e}"));
        k
    }

    // Catches: an address that lands elsewhere after the rewriting, through branches, selects and loops.
    #[test]
    fn merged_addresses_stay_what_they_were() {
        for body in [
            "br %c, one, two  one: br both  two: br both
             both: %q = phi ptr.shared [%a, one], [%b, two] store i32 %t, %q %v = load i32, %q store i32 %v, %p ret",
            "store i32 %t, %a store i32 7, %b barrier.sync br loop
             loop: %q = phi ptr.shared [%a, entry], [%n, loop] %i = phi i32 [0, entry], [%j, loop] %sum = phi i32 [0, entry], [%u, loop]
             %v = load i32, %q %u = add i32 %sum, %v %n = select %c, ptr.shared %q, %b %j = add i32 %i, 1 %go = icmp ult i32 %j, 3
             br %go, loop, end  end: store i32 %u, %p ret",
        ] {
            let before = kernel(body);
            let mut after = before.clone();
            assert_eq!(merge_offsets(&mut after), 1, "{}", print(&after));
            verify(&after).unwrap_or_else(|e| panic!("{e}\n{}", print(&after)));
            assert_eq!(run(&before), run(&after), "{}", print(&after));
        }
    }

    // Catches: two objects taken for one.
    #[test]
    fn addresses_of_two_objects_are_left_alone() {
        let mut k = kernel(
            "%d = ptradd ptr.shared @other, i64 %o br %c, one, two  one: br both  two: br both
             both: %q = phi ptr.shared [%a, one], [%d, two] store i32 %t, %q ret",
        );
        assert_eq!(merge_offsets(&mut k), 0);
    }
}
