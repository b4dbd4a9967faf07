//! Removes instructions whose results nobody needs, and local arrays that nobody reads.

use crate::kernel::*;
use cranelift_entity::SecondaryMap;
use std::collections::HashSet;

/// Removes dead instructions. Control flow stays as it is.
pub fn remove_dead_code(k: &mut Kernel) {
    let unread = unread_arrays(k);
    let mut live: SecondaryMap<Inst, bool> = SecondaryMap::new();
    let mut work: Vec<Inst> = Vec::new();
    for (_, i) in k.iter_insts() {
        let op = &k.insts[i].op;
        let into_unread = match op {
            Op::Store { ptr, mem, .. } => !mem.volatile && unread.contains(ptr),
            Op::MemSet { dst, volatile, .. } | Op::MemCopy { dst, volatile, .. } => {
                !volatile && unread.contains(dst)
            }
            _ => false,
        };
        if op.has_side_effects() && !into_unread {
            live[i] = true;
            work.push(i);
        }
    }
    while let Some(i) = work.pop() {
        for v in k.insts[i].op.operands() {
            if let Some(d) = k.def_inst(v) {
                if !std::mem::replace(&mut live[d], true) {
                    work.push(d);
                }
            }
        }
    }
    for b in k.layout.clone() {
        k.blocks[b].insts.retain(|&i| live[i]);
    }
}

/// Pointers into allocas that are written only, never read and never handed on.
fn unread_arrays(k: &Kernel) -> HashSet<Value> {
    let mut root: SecondaryMap<Value, Option<Value>> = SecondaryMap::new();
    let mut changed = true;
    while changed {
        changed = false;
        for (_, i) in k.iter_insts() {
            let data = &k.insts[i];
            let Some(r) = data.result else { continue };
            let from = match &data.op {
                Op::Alloca { .. } => Some(r),
                Op::PtrAdd { ptr, .. } => root[*ptr],
                Op::Cast { op: CastOp::AddrSpaceCast, a, .. } => root[*a],
                _ => None,
            };
            if from.is_some() && root[r] != from {
                root[r] = from;
                changed = true;
            }
        }
    }
    let mut read: HashSet<Value> = HashSet::new();
    for (_, i) in k.iter_insts() {
        let op = &k.insts[i].op;
        let written_only = match op {
            Op::Store { ptr, .. } => Some(*ptr),
            Op::MemSet { dst, .. } | Op::MemCopy { dst, .. } => Some(*dst),
            Op::PtrAdd { ptr, .. } => Some(*ptr),
            Op::Cast { op: CastOp::AddrSpaceCast, a, .. } => Some(*a),
            _ => None,
        };
        let mut through = written_only;
        op.for_each_operand(|v| {
            // The first mention as the written pointer is harmless; any other use of the pointer reads it.
            if through == Some(v) {
                through = None;
            } else if let Some(r) = root[v] {
                read.insert(r);
            }
        });
    }
    root.iter().filter_map(|(v, r)| r.filter(|r| !read.contains(r)).map(|_| v)).collect()
}
