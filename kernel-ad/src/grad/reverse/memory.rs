//! Adjoints of operations on memory.

use super::input::MemoryAdjoint;
use super::sweep::{bug, Sweep};
use crate::diag::Result;
use crate::kernel::*;

impl Sweep<'_> {
    /// The reverse of a memory operation. True when the instruction is done with.
    pub fn memory(&mut self, b: &mut KernelBuilder<'_>, i: Inst) -> Result<bool> {
        match self.input.memory_adjoint(b.k, i) {
            MemoryAdjoint::None => return Ok(!matches!(b.k.insts[i].op, ref op if is_value(op))),
            MemoryAdjoint::Load(ptr) => {
                let Op::Load { mem, .. } = b.k.insts[i].op else { return Ok(true) };
                let r = b.k.insts[i].result.expect("a load has a result");
                let adj = self.take(b, r);
                let shadow = self.shadow(b, ptr)?;
                let atomic = !(self.private)(ptr);
                self.accumulate(b, shadow, adj, mem.align, atomic);
            }
            MemoryAdjoint::Store(ptr) => {
                let Op::Store { val, mem, .. } = b.k.insts[i].op else { return Ok(true) };
                let shadow = self.shadow(b, ptr)?;
                let ty = b.k.ty(val);
                let plain = MemFlags::plain(mem.align);
                if self.input.active(b.k, val) {
                    let adj = b.load(ty, shadow, plain);
                    self.add(b, val, adj);
                }
                let zero = b.k.zero(ty);
                b.store(shadow, zero, plain);
            }
            MemoryAdjoint::Add(ptr, minus) => {
                let Op::AtomicRmw { val, mem, .. } = b.k.insts[i].op else { return Ok(true) };
                let shadow = self.shadow(b, ptr)?;
                let ty = b.k.ty(val);
                let mut adj = b.load(ty, shadow, MemFlags::plain(mem.align));
                if minus {
                    adj = b.fneg(adj, Fmf::NSZ);
                }
                self.add(b, val, adj);
            }
            MemoryAdjoint::Take(ptr) => {
                let Op::AtomicRmw { val, mem, .. } = b.k.insts[i].op else { return Ok(true) };
                let shadow = self.shadow(b, ptr)?;
                let ty = b.k.ty(val);
                let zero = b.k.zero(ty);
                let adj = b.value(Op::AtomicRmw { op: RmwOp::Xchg, ptr: shadow, val: zero, mem }, ty);
                self.add(b, val, adj);
            }
            MemoryAdjoint::Extremum(ptr, bits) => self.extremum(b, i, ptr, bits)?,
            MemoryAdjoint::Copy { dst, src, len } => self.copy(b, i, dst, src, len)?,
            MemoryAdjoint::Clear { dst, len } => {
                let align = if let Op::MemSet { align, .. } = b.k.insts[i].op { align } else { 1 };
                let shadow = self.shadow(b, dst)?;
                let len = self.get(b, len);
                clear(b, shadow, len, align);
            }
        }
        Ok(true)
    }

    /// The shadow of a pointer, in the reverse sweep.
    pub fn shadow(&mut self, b: &mut KernelBuilder<'_>, ptr: Value) -> Result<Value> {
        match self.input.shadows.of(ptr) {
            Some(s) => Ok(self.get(b, s)),
            None => Err(bug(b.k, "an active pointer has no shadow")),
        }
    }

    /// Adds into shadow memory, lane by lane.
    pub fn accumulate(
        &mut self,
        b: &mut KernelBuilder<'_>,
        ptr: Value,
        adj: Value,
        align: u32,
        atomic: bool,
    ) {
        if atomic {
            self.stats.atomic_adds += 1;
        } else {
            self.stats.plain_adds += 1;
        }
        let Type::Vec(lane, n) = b.k.ty(adj) else {
            b.accumulate(ptr, adj, align, atomic);
            return;
        };
        let bytes = b.k.bytes(lane.ty());
        for i in 0..n {
            let index = b.k.int(Type::I32, i.into());
            let x = b.value(Op::ExtractElement { vec: adj, index }, lane.ty());
            let at = offset(b, ptr, u64::from(i) * bytes);
            b.accumulate(at, x, align.min(bytes as u32), atomic);
        }
    }
}

fn is_value(op: &Op) -> bool {
    // These have no derivative of their own, or none that is supported; refusals were given before.
    !matches!(
        op,
        Op::Load { .. }
            | Op::Store { .. }
            | Op::AtomicRmw { .. }
            | Op::CmpXchg { .. }
            | Op::MemCopy { .. }
            | Op::MemSet { .. }
            | Op::Call { .. }
            | Op::Asm { .. }
            | Op::Warp { .. }
            | Op::Barrier { .. }
    )
}

/// Zeroes shadow memory.
pub fn clear(b: &mut KernelBuilder<'_>, dst: Value, len: Value, align: u32) {
    let byte = b.k.int(Type::I8, 0);
    b.insert(Op::MemSet { dst, byte, len, align, volatile: false }, Type::Void);
}

/// A pointer some bytes further on.
pub fn offset(b: &mut KernelBuilder<'_>, ptr: Value, bytes: u64) -> Value {
    if bytes == 0 {
        return ptr;
    }
    let space = b.k.ty(ptr).addr_space().unwrap_or(AddrSpace::Generic);
    let index = b.k.index_ty(space);
    let n = b.k.int(index, bytes.into());
    b.ptr_add(ptr, n)
}
