//! NVPTX.

use super::{accumulate, asm, globals, libraries::Libraries, math, Header};
use crate::diag::{Code, Result};
use crate::emit::lower::{self, Accumulation, AsmCall, Atomic, BarrierCall, Exchange, Lower, MathCall, Ops};
use crate::emit::tape::{self, TapeBase};
use crate::emit::target::NvptxCpu;
use crate::emit::text::{global_name, ModuleText, Operand};
use crate::kernel::*;

/// NVPTX's side of the translation of one kernel.
pub(super) struct Nvptx<'a> {
    pub(super) cpu: NvptxCpu,
    math: math::Device<'a>,
    tape: Option<TapeBase>,
}

impl<'a> Nvptx<'a> {
    pub(super) fn new(cpu: NvptxCpu, libraries: &'a Libraries) -> Self {
        Nvptx { cpu, math: math::Device::new(Arch::Nvptx, libraries), tape: None }
    }

    /// True when a function of libdevice was called.
    pub(super) fn needs_library(&self) -> bool {
        self.math.needs_library
    }

    fn tape(&mut self, cx: &mut Lower<'_>) -> Result<TapeBase> {
        if self.tape.is_none() {
            self.tape = Some(tape::base(cx, self)?);
        }
        Ok(self.tape.clone().expect("set above"))
    }
}

/// Convention and attributes of a kernel, and its entries in `nvvm.annotations`.
pub(super) fn header(m: &mut ModuleText, k: &Kernel, cpu: &NvptxCpu) -> Header {
    let name = global_name(&k.name);
    let mut annotate = |key: &str, value: u32| {
        m.named_metadata("nvvm.annotations", &format!("{{ptr {name}, !\"{key}\", i32 {value}}}"));
    };
    if !k.is_function {
        annotate("kernel", 1);
    }
    if let Some(block) = k.bounds.required_block {
        for (axis, n) in ["x", "y", "z"].iter().zip(block) {
            annotate(&format!("reqntid{axis}"), n);
        }
    } else if let Some(n) = k.bounds.max_threads {
        annotate("maxntidx", n);
    }
    if let Some(n) = k.bounds.min_blocks {
        annotate("minctasm", n);
    }
    let machine = cpu.machine();
    let attributes = format!(
        "nounwind convergent \"target-cpu\"=\"{}\" \"target-features\"=\"{}\"",
        machine.cpu, machine.features
    );
    let convention = if k.is_function { "" } else { "ptx_kernel" };
    Header { convention, by_value: "byval", tail: m.attribute_group(&attributes) }
}

impl Ops for Nvptx<'_> {
    fn name(&self) -> String {
        format!("nvptx:{}", self.cpu.name)
    }

    /// LLVM 19 takes no notice of scopes on NVPTX; the names are those of later versions.
    fn scope(&self, scope: Scope) -> &'static str {
        match scope.level {
            ScopeLevel::Thread => "singlethread",
            ScopeLevel::Warp | ScopeLevel::Block => "block",
            ScopeLevel::Device => "device",
            ScopeLevel::System => "",
        }
    }

    fn alloca(&mut self, cx: &mut Lower<'_>, bytes: u64, align: u32, space: AddrSpace) -> Result<Operand> {
        let want = self.ptr_ty(space);
        Ok(super::alloca(cx, 0, &want, bytes, align))
    }

    fn global(&mut self, cx: &mut Lower<'_>, g: Global) -> Result<Operand> {
        Ok(globals::address(cx, self, g))
    }

    fn special(&mut self, cx: &mut Lower<'_>, s: Special) -> Result<Operand> {
        let axis = |a: u8| ["x", "y", "z"][usize::from(a.min(2))];
        let register = match s {
            Special::ThreadId(a) => format!("tid.{}", axis(a)),
            Special::BlockId(a) => format!("ctaid.{}", axis(a)),
            Special::BlockDim(a) => format!("ntid.{}", axis(a)),
            Special::GridDim(a) => format!("nctaid.{}", axis(a)),
            Special::LaneId => "laneid".to_string(),
            Special::WarpId => "warpid".to_string(),
            Special::WarpSize => return Ok(Operand::i32(32)),
            Special::LaneMask(mask) => format!(
                "lanemask.{}",
                match mask {
                    LaneMask::Eq => "eq",
                    LaneMask::Lt => "lt",
                    LaneMask::Le => "le",
                    LaneMask::Gt => "gt",
                    LaneMask::Ge => "ge",
                }
            ),
            Special::Clock => "clock".to_string(),
            Special::SmId => "smid".to_string(),
            Special::NSmId => "nsmid".to_string(),
            Special::DynamicSharedSize => return Ok(register(cx, "%dynamic_smem_size")),
            Special::TotalSharedSize => return Ok(register(cx, "%total_smem_size")),
        };
        Ok(cx.call("i32", &format!("llvm.nvvm.read.ptx.sreg.{register}"), &[]))
    }

    fn barrier(&mut self, cx: &mut Lower<'_>, b: &BarrierCall) -> Result<Option<Operand>> {
        super::nvptx_warp::barrier(cx, b)
    }

    fn warp(
        &mut self,
        cx: &mut Lower<'_>,
        op: WarpOp,
        args: &[Operand],
        result: Type,
    ) -> Result<Option<Operand>> {
        super::nvptx_warp::warp(cx, self, op, args, result)
    }

    fn math(&mut self, cx: &mut Lower<'_>, call: &MathCall) -> Result<Operand> {
        let result = cx.ty(self, call.result);
        self.math.lower(cx, call, &result)
    }

    fn accumulate(&mut self, cx: &mut Lower<'_>, add: &Accumulation<'_>) -> Result<()> {
        accumulate::accumulate(cx, self, add)
    }

    fn tape_store(&mut self, cx: &mut Lower<'_>, offset: &Operand, val: &Operand, ty: Type) -> Result<()> {
        let base = self.tape(cx)?;
        tape::store(cx, self, &base, offset, val, ty)
    }

    fn tape_load(&mut self, cx: &mut Lower<'_>, offset: &Operand, ty: Type) -> Result<Operand> {
        let base = self.tape(cx)?;
        tape::load(cx, self, &base, offset, ty)
    }

    /// LLVM 19 selects relaxed loads and stores only: what is stronger gets fences around it.
    fn load(&mut self, cx: &mut Lower<'_>, ptr: &Operand, ty: Type, mem: &MemFlags) -> Result<Operand> {
        let llty = cx.ty(self, ty);
        let strong = matches!(mem.ordering, Some(Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst));
        if mem.ordering == Some(Ordering::SeqCst) {
            membar(cx, mem.scope);
        }
        let mem = MemFlags { ordering: mem.ordering.map(|_| Ordering::Monotonic), ..*mem };
        let v = lower::memory_load(cx, self, ptr, &llty, &mem)?;
        if strong {
            membar(cx, mem.scope);
        }
        Ok(v)
    }

    fn store(
        &mut self,
        cx: &mut Lower<'_>,
        ptr: &Operand,
        val: &Operand,
        _: Type,
        mem: &MemFlags,
    ) -> Result<()> {
        if matches!(mem.ordering, Some(Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)) {
            membar(cx, mem.scope);
        }
        let weak = MemFlags { ordering: mem.ordering.map(|_| Ordering::Monotonic), ..*mem };
        lower::memory_store(cx, self, ptr, val, &weak)?;
        if mem.ordering == Some(Ordering::SeqCst) {
            membar(cx, mem.scope);
        }
        Ok(())
    }

    fn atomic_rmw(&mut self, cx: &mut Lower<'_>, a: &Atomic<'_>) -> Result<Operand> {
        width(cx, a.ty, 1)?;
        lower::memory_rmw(cx, self, a)
    }

    fn cmpxchg(&mut self, cx: &mut Lower<'_>, x: &Exchange<'_>) -> Result<Operand> {
        width(cx, x.ty, 1)?;
        lower::memory_cmpxchg(cx, self, x)
    }

    fn fence(&mut self, cx: &mut Lower<'_>, _: Ordering, scope: Scope) -> Result<()> {
        membar(cx, scope);
        Ok(())
    }

    fn asm(&mut self, cx: &mut Lower<'_>, a: &AsmCall<'_>, result: Option<Type>) -> Result<Option<Operand>> {
        Ok(asm(cx, self, a, result))
    }

    fn call(
        &mut self,
        cx: &mut Lower<'_>,
        callee: &str,
        args: &[Operand],
        result: Option<Type>,
    ) -> Result<Option<Operand>> {
        if !matches!(callee, "vprintf" | "__assertfail" | "malloc" | "free") {
            let message = format!("nothing defines the function `{callee}` on NVIDIA devices");
            return Err(cx.error(Code::NotOnTarget, message).into());
        }
        let ty = result.map_or("void".to_string(), |r| cx.ty(&*self, r));
        let r = cx.call(&ty, callee, args);
        Ok(result.map(|_| r))
    }

    fn trap(&mut self, cx: &mut Lower<'_>) -> Result<()> {
        cx.call("void", "llvm.trap", &[]);
        Ok(())
    }
}

fn register(cx: &mut Lower<'_>, name: &str) -> Operand {
    cx.f.value("i32", format_args!("call i32 asm \"mov.u32 $0, {name};\", \"=r\"()"))
}

/// Refuses atomics of other sizes than from `least` to 8 bytes: wider ones would become calls of functions that no device has.
pub(super) fn width(cx: &Lower<'_>, ty: Type, least: u64) -> Result<()> {
    let bytes = cx.k.bytes(ty);
    if (least..=8).contains(&bytes) {
        return Ok(());
    }
    let message = format!("an atomic access of {bytes} bytes, the target has them from {least} to 8 bytes");
    Err(cx.error(Code::NotOnTarget, message).into())
}

/// LLVM 19 cannot select `fence`; the device's own is sequentially consistent.
fn membar(cx: &mut Lower<'_>, scope: Scope) {
    let level = match scope.level {
        ScopeLevel::Thread => return,
        ScopeLevel::Warp | ScopeLevel::Block => "cta",
        ScopeLevel::Device => "gl",
        ScopeLevel::System => "sys",
    };
    cx.call("void", &format!("llvm.nvvm.membar.{level}"), &[]);
}
