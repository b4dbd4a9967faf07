//! Adds into shadows, as other code writes them: what a gradient needs to be differentiated in its turn.

use crate::kernel::*;

/// Replaces every [`Op::Accumulate`]: atomic ones by atomic adds, plain ones by a load, an add and a store.
pub fn spell_out_adds(k: &mut Kernel) {
    for b in k.layout.clone() {
        let mut at = 0;
        while let Some(&i) = k.blocks[b].insts.get(at) {
            let Op::Accumulate { ptr, val, align, atomic } = k.insts[i].op else {
                at += 1;
                continue;
            };
            k.blocks[b].insts.remove(at);
            let loc = k.insts[i].loc;
            let mut b = KernelBuilder { at: Cursor::At(b, at), loc, k };
            match atomic {
                true => atomic_adds(&mut b, ptr, val),
                false => {
                    let ty = b.k.ty(val);
                    let old = b.load(ty, ptr, MemFlags::plain(align));
                    let sum = b.binary_fmf(BinOp::FAdd, old, val, Fmf::empty());
                    b.store(ptr, sum, MemFlags::plain(align));
                }
            }
            let Cursor::At(_, next) = b.at else { return };
            at = next;
        }
    }
}

fn atomic_adds(b: &mut KernelBuilder<'_>, ptr: Value, val: Value) {
    let ty = b.k.ty(val);
    let scalar = ty.scalar();
    let size = b.k.bytes(scalar);
    let space = b.k.ty(ptr).addr_space().unwrap_or(AddrSpace::Generic);
    for n in 0..ty.lanes() {
        let (at, x) = match ty {
            Type::Vec(..) => {
                let lane = b.k.int(Type::I32, n.into());
                let x = b.value(Op::ExtractElement { vec: val, index: lane }, scalar);
                let index = b.k.index_ty(space);
                let offset = b.k.int(index, (u64::from(n) * size).into());
                (b.ptr_add(ptr, offset), x)
            }
            _ => (ptr, val),
        };
        let mem = MemFlags::relaxed(size as u32);
        b.value(Op::AtomicRmw { op: RmwOp::FAdd, ptr: at, val: x, mem }, scalar);
    }
}
