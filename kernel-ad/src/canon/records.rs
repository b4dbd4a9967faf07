//! Copies of records that hold pointers become copies of their fields.
//!
//! A copy of bytes has no derivative of its own when there are pointers among them: numbers have adjoints, which the reverse sweep moves
//! back, and pointers have shadows, which the forward sweep moves along. Loads and stores say which is which.

use crate::cfg::Cfg;
use crate::facts::{layout, Provenance};
use crate::grad::Roles;
use crate::kernel::*;

/// Longer copies are left as they are.
const LONGEST: u64 = 1024;

/// Replaces the copies of known length in which the kernel's accesses show every field, and pointers among them.
pub fn copy_fields(k: &mut Kernel, roles: &Roles) {
    let is_copy = |(_, i): &(Block, Inst)| {
        matches!(k.insts[*i].op, Op::MemCopy { len, volatile: false, overlap: false, .. }
            if k.as_int(len).is_some_and(|n| (1..=LONGEST as i64).contains(&n)))
    };
    let copies: Vec<(Block, Inst)> = k.iter_insts().filter(is_copy).collect();
    if copies.is_empty() {
        return;
    }
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, roles);
    let found: Vec<(Block, Inst, Vec<(u64, Type)>)> = copies
        .into_iter()
        .filter_map(|(b, i)| {
            let Op::MemCopy { dst, src, len, .. } = k.insts[i].op else { return None };
            Some((b, i, layout::records(k, &cfg, &prov, (dst, src), k.as_int(len)? as u64)?))
        })
        .collect();
    for (block, i, fields) in found {
        let Op::MemCopy { dst, src, dst_align, src_align, .. } = k.insts[i].op else { continue };
        let Some(at) = k.blocks[block].insts.iter().position(|&x| x == i) else { continue };
        k.blocks[block].insts.remove(at);
        let loc = k.insts[i].loc;
        let mut b = KernelBuilder { at: Cursor::At(block, at), loc, k };
        for (from, ty) in fields {
            let [p, q] = [dst, src].map(|p| moved(&mut b, p, from));
            let [dst_align, src_align] = [dst_align, src_align].map(|a| align_at(a, from));
            if ty.is_int() {
                // Still a copy: as numbers that are loaded and stored they could be floats in disguise.
                let index = b.k.index_ty(AddrSpace::Generic);
                let len = b.k.int(index, b.k.bytes(ty).into());
                let (volatile, overlap) = (false, false);
                let op = Op::MemCopy { dst: p, src: q, len, dst_align, src_align, overlap, volatile };
                b.insert(op, Type::Void);
            } else {
                let v = b.load(ty, q, MemFlags::plain(src_align));
                b.store(p, v, MemFlags::plain(dst_align));
            }
        }
    }
}

fn moved(b: &mut KernelBuilder<'_>, p: Value, at: u64) -> Value {
    if at == 0 {
        return p;
    }
    let index = b.k.index_ty(b.k.ty(p).addr_space().unwrap_or(AddrSpace::Generic));
    let at = b.k.int(index, at.into());
    b.ptr_add(p, at)
}

fn align_at(align: u32, at: u64) -> u32 {
    match at {
        0 => align.max(1),
        _ => align.max(1).min(1 << at.trailing_zeros().min(16)),
    }
}
