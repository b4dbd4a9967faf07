//! AMDGPU.

use super::{accumulate, amdgpu_warp, asm, globals, libraries, libraries::Libraries, math, Header};
use crate::diag::{Code, Result};
use crate::emit::lower::{self, Accumulation, AsmCall, Atomic, BarrierCall, Exchange, Lower, MathCall, Ops};
use crate::emit::tape::{self, TapeBase};
use crate::emit::target::AmdCpu;
use crate::emit::text::{ModuleText, Operand};
use crate::kernel::*;
use crate::llvm::MachineSpec;

/// AMDGPU's side of the translation of one kernel.
pub(super) struct Amdgpu<'a> {
    pub(super) cpu: AmdCpu,
    pub(super) warp_size: u32,
    math: math::Device<'a>,
    libraries: &'a Libraries,
    called_library: bool,
    tape: Option<TapeBase>,
}

impl<'a> Amdgpu<'a> {
    pub(super) fn new(cpu: AmdCpu, warp_size: u32, libraries: &'a Libraries) -> Self {
        let math = math::Device::new(Arch::Amdgpu, libraries);
        Amdgpu { cpu, warp_size, math, libraries, called_library: false, tape: None }
    }

    /// True when a function of ocml or ockl was called.
    pub(super) fn needs_library(&self) -> bool {
        self.math.needs_library || self.called_library
    }

    fn tape(&mut self, cx: &mut Lower<'_>) -> Result<TapeBase> {
        if self.tape.is_none() {
            self.tape = Some(tape::base(cx, self)?);
        }
        Ok(self.tape.clone().expect("set above"))
    }

    /// Whether the hidden arguments say what shape the launch has.
    fn hidden_has_launch(&self) -> bool {
        self.cpu.code_object >= 5
    }

    /// Type of a lane mask.
    fn mask(&self) -> String {
        format!("i{}", self.warp_size)
    }

    pub(super) fn ballot(&self, cx: &mut Lower<'_>, pred: Operand) -> Operand {
        let mask = self.mask();
        cx.call(&mask, &format!("llvm.amdgcn.ballot.{mask}"), &[pred])
    }

    fn lane_id(&self, cx: &mut Lower<'_>) -> Operand {
        let low = cx.call("i32", "llvm.amdgcn.mbcnt.lo", &[Operand::i32(-1), Operand::i32(0)]);
        match self.warp_size {
            32 => low,
            _ => cx.call("i32", "llvm.amdgcn.mbcnt.hi", &[Operand::i32(-1), low]),
        }
    }
}

/// Convention and attributes of a kernel.
pub(super) fn header(m: &mut ModuleText, k: &Kernel, machine: &MachineSpec) -> Header {
    let threads = match k.bounds.required_block {
        Some(b) => {
            let n: u32 = b.iter().product();
            format!("{n},{n}")
        }
        None => format!("1,{}", k.bounds.max_threads.unwrap_or(1024)),
    };
    let features = match machine.features.as_str() {
        "" => String::new(),
        f => format!(" \"target-features\"=\"{f}\""),
    };
    let attributes = format!(
        "nounwind convergent \"target-cpu\"=\"{}\"{features} \"amdgpu-flat-work-group-size\"=\"{threads}\" \
         \"uniform-work-group-size\"=\"true\" \"amdgpu-unsafe-fp-atomics\"=\"true\"",
        machine.cpu
    );
    let mut tail = m.attribute_group(&attributes);
    if let Some([x, y, z]) = k.bounds.required_block {
        tail += &format!(" !reqd_work_group_size {}", m.metadata(&format!("{{i32 {x}, i32 {y}, i32 {z}}}")));
    }
    let convention = if k.is_function { "" } else { "amdgpu_kernel" };
    Header { convention, by_value: "byref", tail }
}

/// The constants by which ocml and ockl know the processor and the wanted accuracy.
pub(super) fn oclc_constants(m: &mut ModuleText, cpu: &AmdCpu, warp_size: u32) {
    let mut define = |name: &str, ty: &str, value: u32| {
        m.global(
            &format!("__oclc_{name}"),
            format!("linkonce_odr hidden addrspace(4) constant {ty} {value}"),
        );
    };
    define("ISA_version", "i32", cpu.isa_version());
    define("ABI_version", "i32", 100 * cpu.code_object);
    define("wavefrontsize64", "i8", u32::from(warp_size == 64));
    define("wavefrontsize_log2", "i8", warp_size.ilog2());
    define("correctly_rounded_sqrt32", "i8", 1);
    for name in ["finite_only_opt", "unsafe_math_opt", "daz_opt"] {
        define(name, "i8", 0);
    }
}

impl Ops for Amdgpu<'_> {
    fn name(&self) -> String {
        format!("amdgpu:{}", self.cpu.name)
    }

    fn scope(&self, scope: Scope) -> &'static str {
        match (scope.level, scope.one_as) {
            (ScopeLevel::Thread, false) => "singlethread",
            (ScopeLevel::Thread, true) => "singlethread-one-as",
            (ScopeLevel::Warp, false) => "wavefront",
            (ScopeLevel::Warp, true) => "wavefront-one-as",
            (ScopeLevel::Block, false) => "workgroup",
            (ScopeLevel::Block, true) => "workgroup-one-as",
            (ScopeLevel::Device, false) => "agent",
            (ScopeLevel::Device, true) => "agent-one-as",
            (ScopeLevel::System, false) => "",
            (ScopeLevel::System, true) => "one-as",
        }
    }

    fn alloca(&mut self, cx: &mut Lower<'_>, bytes: u64, align: u32, space: AddrSpace) -> Result<Operand> {
        let want = self.ptr_ty(space);
        Ok(super::alloca(cx, 5, &want, bytes, align))
    }

    fn global(&mut self, cx: &mut Lower<'_>, g: Global) -> Result<Operand> {
        Ok(globals::address(cx, self, g))
    }

    fn special(&mut self, cx: &mut Lower<'_>, s: Special) -> Result<Operand> {
        let axis = |a: u8| ["x", "y", "z"][usize::from(a.min(2))];
        Ok(match s {
            Special::ThreadId(a) => cx.call("i32", &format!("llvm.amdgcn.workitem.id.{}", axis(a)), &[]),
            Special::BlockId(a) => cx.call("i32", &format!("llvm.amdgcn.workgroup.id.{}", axis(a)), &[]),
            // Offsets of the hidden arguments since version 5 of the code object. Before, the launch is read from its packet.
            Special::GridDim(a) if self.hidden_has_launch() => hidden(cx, 4 * u32::from(a), 4),
            Special::BlockDim(a) if self.hidden_has_launch() => hidden(cx, 12 + 2 * u32::from(a), 2),
            Special::DynamicSharedSize if self.hidden_has_launch() => hidden(cx, 120, 4),
            Special::BlockDim(a) => packet(cx, 4 + 2 * u32::from(a), 2),
            Special::GridDim(a) => {
                // The packet counts threads, and blocks are whole.
                let (threads, block) =
                    (packet(cx, 12 + 4 * u32::from(a), 4), packet(cx, 4 + 2 * u32::from(a), 2));
                cx.f.value("i32", format_args!("udiv exact {threads}, {}", block.name))
            }
            Special::DynamicSharedSize => {
                let (all, own) = (packet(cx, 28, 4), cx.call("i32", "llvm.amdgcn.groupstaticsize", &[]));
                cx.f.value("i32", format_args!("sub {all}, {}", own.name))
            }
            Special::LaneId => self.lane_id(cx),
            Special::WarpSize => Operand::i32(self.warp_size as i32),
            Special::WarpId => {
                let linear = linear_in_block(cx, self)?;
                cx.f.value("i32", format_args!("udiv {linear}, {}", self.warp_size))
            }
            Special::Clock => {
                let c = cx.call("i64", "llvm.readcyclecounter", &[]);
                cx.f.value("i32", format_args!("trunc {c} to i32"))
            }
            Special::TotalSharedSize | Special::LaneMask(_) | Special::SmId | Special::NSmId => {
                return Err(cx.error(Code::NotOnTarget, format!("AMD devices have no register {s:?}")).into())
            }
        })
    }

    fn barrier(&mut self, cx: &mut Lower<'_>, b: &BarrierCall) -> Result<Option<Operand>> {
        if b.kind == BarrierKind::Arrive || b.id.is_some() || b.count.is_some() {
            let message = "AMD devices have one barrier, at which all threads of the block wait";
            return Err(cx.error(Code::NotOnTarget, message).into());
        }
        if let Some(pred) = &b.pred {
            if b.aligned {
                return Ok(Some(super::vote::amdgpu(cx, b.kind, pred)));
            }
            let message =
                "a barrier that votes, at which the lanes of a wave may come by from several places";
            let d = cx.error(Code::NotOnTarget, message);
            let d = d.because("AMD's barrier counts waves, and such a wave would come by more than once");
            return Err(d
                .help("let all threads reach every barrier, or none; the CPU device runs it as it is")
                .into());
        }
        // A barrier of Kernel IR orders memory, the instruction does not.
        cx.f.line("fence syncscope(\"workgroup\") release");
        cx.call("void", "llvm.amdgcn.s.barrier", &[]);
        cx.f.line("fence syncscope(\"workgroup\") acquire");
        Ok(None)
    }

    fn warp(
        &mut self,
        cx: &mut Lower<'_>,
        op: WarpOp,
        args: &[Operand],
        _result: Type,
    ) -> Result<Option<Operand>> {
        amdgpu_warp::warp(cx, self, op, args)
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

    fn atomic_rmw(&mut self, cx: &mut Lower<'_>, a: &Atomic<'_>) -> Result<Operand> {
        // LLVM 19 aborts over atomics of a single byte.
        super::nvptx::width(cx, a.ty, 2)?;
        lower::memory_rmw(cx, self, a)
    }

    fn cmpxchg(&mut self, cx: &mut Lower<'_>, x: &Exchange<'_>) -> Result<Operand> {
        super::nvptx::width(cx, x.ty, 2)?;
        lower::memory_cmpxchg(cx, self, x)
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
        if !callee.starts_with("__ockl_") && !callee.starts_with("__ocml_") {
            let message = format!("nothing defines the function `{callee}` on AMD devices");
            return Err(cx.error(Code::NotOnTarget, message).into());
        }
        if self.libraries.rocm().is_empty() {
            let mut d = self.libraries.missing(callee, libraries::Kind::Rocm);
            d.place = cx.error(Code::Bug, "").place;
            return Err(d.into());
        }
        self.called_library = true;
        let ty = result.map_or("void".to_string(), |r| cx.ty(&*self, r));
        let r = cx.call(&ty, callee, args);
        Ok(result.map(|_| r))
    }

    fn trap(&mut self, cx: &mut Lower<'_>) -> Result<()> {
        cx.call("void", "llvm.trap", &[]);
        Ok(())
    }
}

/// A hidden kernel argument, zero-extended to i32.
fn hidden(cx: &mut Lower<'_>, offset: u32, bytes: u32) -> Operand {
    let p = cx.call("ptr addrspace(4)", "llvm.amdgcn.implicitarg.ptr", &[]);
    field(cx, &p, offset, bytes)
}

/// A field of the packet by which the kernel was launched (`hsa_kernel_dispatch_packet_t`), zero-extended to i32.
fn packet(cx: &mut Lower<'_>, offset: u32, bytes: u32) -> Operand {
    let p = cx.call("ptr addrspace(4)", "llvm.amdgcn.dispatch.ptr", &[]);
    field(cx, &p, offset, bytes)
}

fn field(cx: &mut Lower<'_>, p: &Operand, offset: u32, bytes: u32) -> Operand {
    let p = cx.f.value("ptr addrspace(4)", format_args!("getelementptr inbounds i8, {p}, i64 {offset}"));
    let invariant = cx.m.metadata("{}");
    let ty = format!("i{}", bytes * 8);
    let v = cx.f.value(&ty, format_args!("load {ty}, {p}, align {bytes}, !invariant.load {invariant}"));
    match bytes {
        4 => v,
        _ => cx.f.value("i32", format_args!("zext {v} to i32")),
    }
}

fn linear_in_block(cx: &mut Lower<'_>, t: &mut Amdgpu<'_>) -> Result<Operand> {
    let mut linear = t.special(cx, Special::ThreadId(2))?;
    for axis in [1, 0] {
        let n = t.special(cx, Special::BlockDim(axis))?;
        let i = t.special(cx, Special::ThreadId(axis))?;
        linear = cx.f.value("i32", format_args!("mul {linear}, {}", n.name));
        linear = cx.f.value("i32", format_args!("add {linear}, {}", i.name));
    }
    Ok(linear)
}
