//! Adjoint of an atomic maximum or minimum: the thread whose value is the final one takes the adjoint out of the shadow.
//! Of several the first one to come takes it; if none does, it stays with what was in memory before.

use super::sweep::Sweep;
use crate::diag::Result;
use crate::kernel::*;
use std::collections::HashMap;

/// The bits of what is compared with memory, behind which nothing may round: as integers they are computed again
/// only if that is exact.
pub fn mark(k: &mut Kernel) -> HashMap<Inst, Value> {
    let mut out = HashMap::new();
    for block in k.layout.clone() {
        for i in k.blocks[block].insts.clone() {
            let Op::AtomicRmw { op: RmwOp::FMax | RmwOp::FMin, val, .. } = k.insts[i].op else { continue };
            if !matches!(k.ty(val), Type::F32 | Type::F64) {
                continue;
            }
            let at = k.blocks[block].insts.iter().position(|&x| x == i).expect("in its block");
            let mut b = KernelBuilder::new(k);
            b.loc = b.k.insts[i].loc;
            b.at = Cursor::At(block, at);
            let bits = Type::Int(8 * b.k.bytes(b.k.ty(val)) as u16);
            out.insert(i, b.cast(CastOp::Bitcast, val, bits));
        }
    }
    out
}

impl Sweep<'_> {
    /// The reverse of an atomic maximum or minimum at `ptr` with a value of these bits.
    pub fn extremum(&mut self, b: &mut KernelBuilder<'_>, i: Inst, ptr: Value, bits: Value) -> Result<()> {
        let Op::AtomicRmw { val, mem, .. } = b.k.insts[i].op else { return Ok(()) };
        let shadow = self.shadow(b, ptr)?;
        let (place, mine) = (self.get(b, ptr), self.get(b, bits));
        let (ty, int) = (b.k.ty(val), b.k.ty(bits));
        let last = b.load(ty, place, MemFlags::plain(mem.align));
        let last = b.cast(CastOp::Bitcast, last, int);
        let won = b.icmp(IntPred::Eq, mine, last);
        let region = self.region[b.current()];
        let (take, on) = (b.block("take.rev"), b.block("taken.rev"));
        self.region[take] = region;
        self.region[on] = region;
        let taken = self.local(b, ty);
        let zero = b.k.zero(ty);
        self.set(b, taken, zero);
        b.cond_br(won, take, on);
        b.switch_to(take);
        let mem = MemFlags { ordering: Some(Ordering::Monotonic), volatile: false, ..mem };
        let adj = b.value(Op::AtomicRmw { op: RmwOp::Xchg, ptr: shadow, val: zero, mem }, ty);
        self.set(b, taken, adj);
        b.br(on);
        b.switch_to(on);
        let adj = self.read(b, taken, ty);
        self.add(b, val, adj);
        Ok(())
    }
}
