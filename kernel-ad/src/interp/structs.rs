//! Structs by value that the kernel writes to: every thread has its own.

use super::decode::{LocalVar, Program};
use crate::kernel::{CastOp, Kernel, Op, Value, ValueDef};

/// The structs that some instruction writes to, as memory of each thread.
pub(super) fn written_structs(k: &Kernel, p: &Program) -> Vec<LocalVar> {
    let mut written = vec![false; k.params.len()];
    for (_, i) in k.iter_insts() {
        let target = match &k.insts[i].op {
            Op::Store { ptr, .. }
            | Op::AtomicRmw { ptr, .. }
            | Op::CmpXchg { ptr, .. }
            | Op::Accumulate { ptr, .. }
            | Op::MemCopy { dst: ptr, .. }
            | Op::MemSet { dst: ptr, .. } => *ptr,
            _ => continue,
        };
        if let Some(p) = root_param(k, target) {
            written[p as usize] = true;
        }
    }
    let mut out = Vec::new();
    for (i, param) in k.params.iter().enumerate() {
        if let (true, Some(b)) = (written[i], &param.by_value) {
            let name = format!("struct `{}`", param.name);
            let align = b.align.max(8);
            out.push(LocalVar { slot: p.param_slots[i], bytes: b.bytes, align, param: Some(i as u32), name });
        }
    }
    out
}

/// The parameter that a pointer is computed from, by offsets and casts alone.
fn root_param(k: &Kernel, mut v: Value) -> Option<u32> {
    loop {
        match (&k.values[v].def, k.def_op(v)) {
            (ValueDef::Param(i), _) => return Some(*i),
            (_, Some(Op::PtrAdd { ptr, .. })) => v = *ptr,
            (_, Some(Op::Cast { op: CastOp::AddrSpaceCast | CastOp::Bitcast, a, .. })) => v = *a,
            _ => return None,
        }
    }
}
