//! The tape on the host: a thread's bytes side by side, those of threads that run together interleaved.

use super::ops::HostOps;
use crate::diag::{Code, Result};
use crate::emit::lower::Lower;
use crate::emit::text::Operand;
use crate::kernel::{FloatTy, Kernel, Op, Type};
use shadow_mem::host::BlockContext;
use std::mem::offset_of;

impl HostOps<'_> {
    /// Address of byte `offset` of the thread's tape.
    fn tape_part(&mut self, cx: &mut Lower<'_>) -> Result<Operand> {
        if let Some(o) = &self.tape {
            return Ok(o.clone());
        }
        let Some(tape) = cx.k.tape.clone() else {
            return Err(cx.error(Code::InvalidKernel, "the tape is used and the kernel has none").into());
        };
        let base = cx.k.param_value(tape.base);
        let capacity = cx.k.param_value(tape.capacity);
        let (base, capacity) = (cx.operand(self, base)?, cx.operand(self, capacity)?);
        let was = cx.f.enter_prologue();
        let part = if self.own_tape || self.in_pieces {
            let first = self.context(cx, "i64", offset_of!(BlockContext, tape_first));
            let lin = cx.f.value("i64", "zext i32 %kad.lin to i64");
            let part = cx.f.value("i64", format_args!("add {first}, {}", lin.name));
            let offset = cx.f.value("i64", format_args!("mul {part}, {}", capacity.name));
            cx.f.value("ptr", format_args!("getelementptr i8, {base}, {offset}"))
        } else {
            base
        };
        cx.f.leave_prologue(was);
        self.tape = Some(part.clone());
        Ok(part)
    }

    /// The address of a tape access, or of a scratch place when it does not fit: nothing outside of the tape is touched.
    pub(super) fn tape_address(
        &mut self,
        cx: &mut Lower<'_>,
        offset: &Operand,
        bytes: u64,
        store: bool,
    ) -> Result<Operand> {
        let part = self.tape_part(cx)?;
        let at = cx.f.value("ptr", format_args!("getelementptr i8, {part}, {offset}"));
        let Some(tape) = cx.k.tape.clone().filter(|t| t.bounded.is_none()) else { return Ok(at) };
        let (capacity, status) = (cx.k.param_value(tape.capacity), cx.k.param_value(tape.status));
        let (mut capacity, status) = (cx.operand(self, capacity)?, cx.operand(self, status)?);
        let end = cx.f.value("i64", format_args!("add {offset}, {bytes}"));
        if self.lanes > 1 {
            capacity = cx.f.value("i64", format_args!("mul {capacity}, {}", self.lanes));
        }
        let fits = cx.f.value("i1", format_args!("icmp ule {end}, {}", capacity.name));
        if store {
            let (report, done) = (cx.f.fresh_label("tape.full"), cx.f.fresh_label("tape.go"));
            let weights = cx.m.metadata("{!\"branch_weights\", i32 1000000, i32 1}");
            cx.f.line(format_args!("br {fits}, label %{done}, label %{report}, !prof {weights}"));
            cx.f.begin(&report);
            let end = match self.lanes {
                0 | 1 => end,
                n => {
                    let up = cx.f.value("i64", format_args!("add {end}, {}", n - 1));
                    cx.f.value("i64", format_args!("udiv {up}, {n}"))
                }
            };
            cx.f.value("i64", format_args!("atomicrmw umax {status}, {end} monotonic, align 8"));
            cx.f.line(format_args!("br label %{done}"));
            cx.f.begin(&done);
        }
        let scratch = match &self.scratch {
            Some(s) => s.clone(),
            None => {
                let bytes = 64 * u32::from(self.lanes.max(1));
                let hidden = holds_halves(cx.k);
                cx.f.in_prologue(|f| {
                    let scratch = f.value("ptr", format_args!("alloca [{bytes} x i8], align 64"));
                    if !hidden {
                        return scratch;
                    }
                    let slot = f.value("ptr", format_args!("alloca ptr, align 8"));
                    f.line(format_args!("store volatile {scratch}, {slot}, align 8"));
                    f.value("ptr", format_args!("load volatile ptr, {slot}, align 8"))
                })
            }
        };
        self.scratch = Some(scratch.clone());
        Ok(cx.f.value("ptr", format_args!("select {fits}, {at}, {scratch}")))
    }
}

/// True when 16-bit floats lie on the tape. LLVM 19 takes local memory that it sees through apart into bytes, and cannot make code for x86 of
/// a bfloat that becomes bytes.
fn holds_halves(k: &Kernel) -> bool {
    let half = |ty: Type| matches!(ty.scalar(), Type::Float(FloatTy::F16 | FloatTy::Bf16));
    k.iter_insts().any(|(_, i)| match &k.insts[i].op {
        Op::TapeStore { val, .. } => half(k.ty(*val)),
        Op::TapeLoad { .. } => k.insts[i].result.is_some_and(|r| half(k.ty(r))),
        _ => false,
    })
}

/// Alignment of a value on the tape.
pub(super) fn align(k: &Kernel, ty: Type) -> u64 {
    let bytes = k.bytes(ty).max(1);
    (1u64 << bytes.trailing_zeros()).min(8)
}
