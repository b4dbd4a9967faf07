//! The host's answers to the instruction translator.

use super::base::{bases, Base};
use super::{math, register, tape};
use crate::diag::{Code, Place, Result};
use crate::emit::lower::{Accumulation, AsmCall, BarrierCall, Lower, MathCall, Ops};
use crate::emit::text::{escape, global_name, Operand};
use crate::kernel::asm;
use crate::kernel::*;
use shadow_mem::host::BlockContext;
use std::collections::{BTreeSet, HashMap};
use std::mem::offset_of;

/// Names and places that a module collects while its kernels are lowered.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Functions called through the import array.
    pub imports: Vec<String>,
    /// Functions of libm.
    pub external: BTreeSet<String>,
    /// Variables that the host may reach: (name, symbol, bytes).
    pub globals: Vec<(String, String, u64)>,
}

impl Collected {
    /// Place of a function in the import array.
    pub fn import(&mut self, name: &str) -> usize {
        self.imports.iter().position(|n| n == name).unwrap_or_else(|| {
            self.imports.push(name.to_string());
            self.imports.len() - 1
        })
    }
}

/// Where the shared variables of a kernel lie.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedLayout {
    pub offset: HashMap<Global, u64>,
    /// End of the static variables.
    pub bytes: u64,
    /// Start of the dynamic ones.
    pub dynamic: u64,
}

impl SharedLayout {
    pub fn of(k: &Kernel) -> SharedLayout {
        let mut s = SharedLayout::default();
        let mut dynamic_align = 16;
        for (g, v) in k.globals.iter().filter(|(_, v)| v.space == AddrSpace::Shared) {
            if v.bytes == 0 {
                dynamic_align = dynamic_align.max(u64::from(v.align));
                continue;
            }
            s.bytes = s.bytes.next_multiple_of(v.align.max(1).into());
            s.offset.insert(g, s.bytes);
            s.bytes += v.bytes;
        }
        s.dynamic = s.bytes.next_multiple_of(dynamic_align.min(shadow_mem::host::HOST_ALIGN));
        s
    }
}

/// How the threads of a block are told apart in a function.
pub(super) struct HostOps<'a> {
    pub collected: &'a mut Collected,
    /// Places of traps, by site number.
    pub sites: &'a mut Vec<String>,
    pub shared: &'a SharedLayout,
    /// The kernel is in pieces: allocas are the thread's own memory, and every thread has its part of the tape.
    pub in_pieces: bool,
    /// Every thread of the launch has its own part of the tape.
    pub own_tape: bool,
    /// Parameters that this variant adds into without atomics.
    pub private: BTreeSet<u32>,
    /// Number of the kernel's own parameters.
    pub own_params: u32,
    /// Metadata of the group of accesses that no other thread of the block conflicts with.
    pub group: String,
    /// The kernel has allocas: a pointer of unknown origin may point to the stack, which threads use in turn.
    pub has_allocas: bool,
    /// The thread's part of the tape, once its address has been computed.
    pub tape: Option<Operand>,
    /// Where accesses beyond the tape go.
    pub scratch: Option<Operand>,
    /// Threads that the function runs together; their tapes are interleaved.
    pub lanes: u16,
}

/// Names of the arguments that every body has behind the kernel's parameters.
pub(super) const BODY_ARGS: &str =
    "ptr %kad.ctx, ptr %kad.shared, i32 %kad.tid0, i32 %kad.tid1, i32 %kad.tid2, \
    i32 %kad.bid0, i32 %kad.bid1, i32 %kad.bid2, i32 %kad.bdim0, i32 %kad.bdim1, i32 %kad.bdim2, \
    i32 %kad.gdim0, i32 %kad.gdim1, i32 %kad.gdim2, i32 %kad.lin";

impl HostOps<'_> {
    /// Calls a function of the CPU device.
    pub fn import(&mut self, cx: &mut Lower<'_>, ret: &str, name: &str, args: &[Operand]) -> Operand {
        let index = self.collected.import(name);
        let imports = global_name(shadow_mem::host::IMPORTS_SYMBOL);
        let slot = format!("getelementptr inbounds (i8, ptr {imports}, i64 {})", index * 8);
        // The array is written once, before any launch.
        let fixed = cx.m.metadata("{}");
        let f = cx.f.value("ptr", format_args!("load ptr, ptr {slot}, align 8, !invariant.load {fixed}"));
        let list: Vec<String> = args.iter().map(Operand::to_string).collect();
        let text = format!("call {ret} {}({})", f.name, list.join(", "));
        if ret == "void" {
            cx.f.line(text);
            return Operand::new("void", "");
        }
        cx.f.value(ret, text)
    }

    /// Notes a function of libm.
    pub fn external(&mut self, name: &str) {
        self.collected.external.insert(name.to_string());
    }

    pub(super) fn context(&self, cx: &mut Lower<'_>, ty: &str, offset: usize) -> Operand {
        let fixed = cx.m.metadata("{}");
        let at = cx.f.value("ptr", format_args!("getelementptr inbounds i8, ptr %kad.ctx, i64 {offset}"));
        cx.f.value(ty, format_args!("load {ty}, {at}, align 4, !invariant.load {fixed}"))
    }

    /// The thread's own memory: an alloca, or what stands for it in a kernel in pieces.
    fn is_own(&self, k: &Kernel, base: Value) -> bool {
        bases(k, base).iter().all(|b| match b {
            Base::Alloca(_) => true,
            Base::Param(p) => *p >= self.own_params,
            _ => false,
        })
    }

    /// Nobody else adds there while this worker runs.
    fn adds_plainly(&self, k: &Kernel, base: Value) -> bool {
        let private = |b: &Base| matches!(b, Base::Param(p) if self.private.contains(p));
        self.is_own(k, base) || bases(k, base).iter().all(private)
    }

    fn site(&mut self, cx: &Lower<'_>) -> Operand {
        let loc = cx.inst().and_then(|i| cx.k.insts[i].loc);
        let place = match loc.map(|l| Place::of(cx.k, l)) {
            Some(p) => format!("{}:{}:{}", p.file, p.line, p.col),
            None => "a place without debug information".to_string(),
        };
        let index = self.sites.iter().position(|s| *s == place).unwrap_or_else(|| {
            self.sites.push(place);
            self.sites.len() - 1
        });
        Operand::i32(index as i32)
    }

    /// True when no other thread of the block touches what an access touches, or only where the kernel has a race.
    fn apart(&self, k: &Kernel, ptr: Value, mem: &MemFlags) -> bool {
        let plain = !mem.volatile && mem.ordering.is_none();
        plain
            && bases(k, ptr).iter().all(|b| match b {
                Base::Param(_) | Base::Global(_) => true,
                Base::Alloca(_) => false,
                Base::Unknown => self.in_pieces || !self.has_allocas,
            })
    }

    fn group_of(&self, cx: &Lower<'_>, mem: &MemFlags) -> String {
        let op = cx.inst().map(|i| &cx.k.insts[i].op);
        match op {
            Some(Op::Load { ptr, .. } | Op::Store { ptr, .. }) if self.apart(cx.k, *ptr, mem) => {
                format!(", !llvm.access.group {}", self.group)
            }
            _ => String::new(),
        }
    }

    /// A pointer that the source keeps in 4 bytes stands in memory as a distance from the start of its space.
    fn narrow_base(&self, cx: &Lower<'_>, ty: Type) -> Result<Option<&'static str>> {
        let narrow = |ty: Type| matches!(ty, Type::Ptr(s) if cx.k.pointer_bytes(s) == 4);
        match ty {
            Type::Ptr(AddrSpace::Shared) if narrow(ty) => Ok(Some("%kad.shared")),
            Type::Ptr(AddrSpace::Local) if narrow(ty) && self.in_pieces => Ok(Some("%kad.local")),
            Type::Vec(lane, _) if narrow(lane.ty()) => self.no_narrow(cx),
            Type::Agg(id) if holds_narrow(cx.k, id) => self.no_narrow(cx),
            ty if narrow(ty) => self.no_narrow(cx),
            _ => Ok(None),
        }
    }

    fn no_narrow<T>(&self, cx: &Lower<'_>) -> Result<T> {
        let message =
            "a pointer to shared or local memory is kept in memory in a way that the CPU device has not";
        Err(cx.error(Code::NotOnTarget, message).into())
    }
}

fn holds_narrow(k: &Kernel, id: AggId) -> bool {
    let narrow = |ty: Type| match ty {
        Type::Ptr(s) => k.pointer_bytes(s) == 4,
        Type::Agg(id) => holds_narrow(k, id),
        _ => false,
    };
    match &k.aggs[id] {
        AggTy::Struct { fields, .. } => fields.iter().any(|&f| narrow(f)),
        AggTy::Array { elem, .. } => narrow(*elem),
    }
}

impl Ops for HostOps<'_> {
    fn name(&self) -> String {
        "host".into()
    }

    fn ptr_ty(&self, _space: AddrSpace) -> String {
        "ptr".into()
    }

    fn scope(&self, _scope: Scope) -> &'static str {
        ""
    }

    fn global(&mut self, cx: &mut Lower<'_>, g: Global) -> Result<Operand> {
        let v = &cx.k.globals[g];
        if v.space == AddrSpace::Shared {
            let offset = self.shared.offset.get(&g).copied().unwrap_or(self.shared.dynamic);
            let was = cx.f.enter_prologue();
            let at =
                cx.f.value("ptr", format_args!("getelementptr inbounds i8, ptr %kad.shared, i64 {offset}"));
            cx.f.leave_prologue(was);
            return Ok(at);
        }
        define_variable(cx, self.collected, g)?;
        Ok(Operand::new("ptr", global_name(&v.name)))
    }

    fn special(&mut self, cx: &mut Lower<'_>, s: Special) -> Result<Operand> {
        let ws = cx.k.source.warp_size;
        let named = |name: &str, axis: u8| Operand::new("i32", format!("%kad.{name}{axis}"));
        Ok(match s {
            Special::ThreadId(a) => named("tid", a),
            Special::BlockId(a) => named("bid", a),
            Special::BlockDim(a) => named("bdim", a),
            Special::GridDim(a) => named("gdim", a),
            Special::LaneId => cx.f.value("i32", format_args!("and i32 %kad.lin, {}", ws - 1)),
            Special::WarpId => cx.f.value("i32", format_args!("lshr i32 %kad.lin, {}", ws.trailing_zeros())),
            Special::WarpSize => Operand::i32(ws as i32),
            Special::DynamicSharedSize => self.context(cx, "i32", offset_of!(BlockContext, dynamic_shared)),
            Special::TotalSharedSize => self.context(cx, "i32", offset_of!(BlockContext, total_shared)),
            Special::SmId => self.context(cx, "i32", offset_of!(BlockContext, worker_id)),
            Special::NSmId => self.context(cx, "i32", offset_of!(BlockContext, workers)),
            Special::LaneMask(mask) => {
                let lane = self.special(cx, Special::LaneId)?;
                let start = if mask == LaneMask::Le || mask == LaneMask::Gt { 2 } else { 1 };
                let bit = cx.f.value("i32", format_args!("shl i32 {start}, {}", lane.name));
                let below = match mask {
                    LaneMask::Eq => return Ok(bit),
                    _ => cx.f.value("i32", format_args!("add {bit}, -1")),
                };
                match mask {
                    LaneMask::Ge | LaneMask::Gt => cx.f.value("i32", format_args!("xor {below}, -1")),
                    _ => below,
                }
            }
            Special::Clock => {
                let now = cx.call("i64", "llvm.readcyclecounter", &[]);
                cx.f.value("i32", format_args!("trunc {now} to i32"))
            }
        })
    }

    fn barrier(&mut self, cx: &mut Lower<'_>, _b: &BarrierCall) -> Result<Option<Operand>> {
        Err(cx.error(Code::Bug, "a barrier inside of a region").into())
    }

    fn warp(
        &mut self,
        cx: &mut Lower<'_>,
        op: WarpOp,
        args: &[Operand],
        _result: Type,
    ) -> Result<Option<Operand>> {
        let high = match op {
            WarpOp::MbcntLo => false,
            WarpOp::MbcntHi => true,
            _ => return Err(cx.error(Code::Bug, "a warp operation inside of a region").into()),
        };
        // Bits of the 64-bit mask below this lane, of which these 32 are asked for.
        let lane = self.special(cx, Special::LaneId)?;
        let wide = cx.f.value("i64", format_args!("zext {lane} to i64"));
        let bit = cx.f.value("i64", format_args!("shl i64 1, {}", wide.name));
        let below = cx.f.value("i64", format_args!("add {bit}, -1"));
        let half = if high { cx.f.value("i64", format_args!("lshr {below}, 32")) } else { below };
        let half = cx.f.value("i32", format_args!("trunc {half} to i32"));
        let bits = cx.f.value("i32", format_args!("and {half}, {}", args[0].name));
        let count = cx.call("i32", "llvm.ctpop.i32", &[bits]);
        Ok(Some(cx.f.value("i32", format_args!("add {count}, {}", args[1].name))))
    }

    fn math(&mut self, cx: &mut Lower<'_>, call: &MathCall) -> Result<Operand> {
        math::lower(self, cx, call)
    }

    fn math_lanes(&mut self, cx: &mut Lower<'_>, call: &MathCall) -> Result<Option<Operand>> {
        Ok(math::lower_lanes(cx, call))
    }

    fn accumulate(&mut self, cx: &mut Lower<'_>, add: &Accumulation<'_>) -> Result<()> {
        let own = self.is_own(cx.k, add.base);
        let ty = &add.val.ty;
        // The threads of a block run one after the other, and no other block sees its shared memory.
        let block_only = add.space == AddrSpace::Shared;
        if add.atomic && !block_only && !self.adds_plainly(cx.k, add.base) {
            let align = add.align.max(add.ty.bytes());
            cx.f.value(ty, format_args!("atomicrmw fadd {}, {} monotonic, align {align}", add.ptr, add.val));
            return Ok(());
        }
        let group = match add.atomic || own {
            true => String::new(),
            false => format!(", !llvm.access.group {}", self.group),
        };
        let old = cx.f.value(ty, format_args!("load {ty}, {}, align {}{group}", add.ptr, add.align));
        let new = cx.f.value(ty, format_args!("fadd {old}, {}", add.val.name));
        cx.f.line(format_args!("store {new}, {}, align {}{group}", add.ptr, add.align));
        Ok(())
    }

    fn accumulate_lanes(&mut self, cx: &mut Lower<'_>, add: &Accumulation<'_>) -> Result<bool> {
        if add.atomic && !self.adds_plainly(cx.k, add.base) {
            return Ok(false);
        }
        self.accumulate(cx, add)?;
        Ok(true)
    }

    fn tape_store(&mut self, cx: &mut Lower<'_>, offset: &Operand, val: &Operand, ty: Type) -> Result<()> {
        let at = self.tape_address(cx, offset, cx.k.bytes(ty), true)?;
        let mem = MemFlags::plain(tape::align(cx.k, ty) as u32);
        self.store(cx, &at, val, ty, &mem)
    }

    fn tape_load(&mut self, cx: &mut Lower<'_>, offset: &Operand, ty: Type) -> Result<Operand> {
        let at = self.tape_address(cx, offset, cx.k.bytes(ty), false)?;
        let mem = MemFlags::plain(tape::align(cx.k, ty) as u32);
        self.load(cx, &at, ty, &mem)
    }

    fn load(&mut self, cx: &mut Lower<'_>, ptr: &Operand, ty: Type, mem: &MemFlags) -> Result<Operand> {
        if let Some(base) = self.narrow_base(cx, ty)? {
            let offset = load_plain(cx, ptr, "i32", mem, "");
            let wide = cx.f.value("i64", format_args!("zext {offset} to i64"));
            return Ok(cx.f.value("ptr", format_args!("getelementptr i8, ptr {base}, {wide}")));
        }
        let llty = cx.ty(self, ty);
        if let Some(o) = mem.ordering {
            let volatile = if mem.volatile { "volatile " } else { "" };
            let (o, align) = (ordering(o), mem.align.max(1));
            return Ok(cx
                .f
                .value(&llty, format_args!("load atomic {volatile}{llty}, {ptr} {o}, align {align}")));
        }
        let group = self.group_of(cx, mem);
        Ok(load_plain(cx, ptr, &llty, mem, &group))
    }

    fn store(
        &mut self,
        cx: &mut Lower<'_>,
        ptr: &Operand,
        val: &Operand,
        ty: Type,
        mem: &MemFlags,
    ) -> Result<()> {
        let narrow;
        let mut val = val;
        if let Some(base) = self.narrow_base(cx, ty)? {
            narrow = distance(cx, val, base, "i32");
            val = &narrow;
        }
        let volatile = if mem.volatile { "volatile " } else { "" };
        if let Some(o) = mem.ordering {
            let (o, align) = (ordering(o), mem.align.max(1));
            cx.f.line(format_args!("store atomic {volatile}{val}, {ptr} {o}, align {align}"));
            return Ok(());
        }
        let group = self.group_of(cx, mem);
        cx.f.line(format_args!("store {volatile}{val}, {ptr}, align {}{group}", mem.align.max(1)));
        Ok(())
    }

    fn ptr_cast(
        &mut self,
        cx: &mut Lower<'_>,
        op: CastOp,
        a: &Operand,
        from: Type,
        to: Type,
    ) -> Result<Operand> {
        let llty = cx.ty(self, to);
        match (op, from, to) {
            // Shared memory is addressed from its start, as on the devices.
            (CastOp::PtrToInt, Type::Ptr(AddrSpace::Shared), _) => Ok(distance(cx, a, "%kad.shared", &llty)),
            (CastOp::IntToPtr, _, Type::Ptr(AddrSpace::Shared)) => {
                let wide = if a.ty == "i64" {
                    a.clone()
                } else {
                    cx.f.value("i64", format_args!("zext {a} to i64"))
                };
                Ok(cx.f.value("ptr", format_args!("getelementptr i8, ptr %kad.shared, {wide}")))
            }
            (CastOp::PtrToInt, Type::Ptr(s), _) | (CastOp::IntToPtr, _, Type::Ptr(s))
                if cx.k.pointer_bytes(s) == 4 =>
            {
                self.no_narrow(cx)
            }
            (CastOp::PtrToInt, ..) => Ok(cx.f.value(&llty, format_args!("ptrtoint {a} to {llty}"))),
            (CastOp::IntToPtr, ..) => Ok(cx.f.value(&llty, format_args!("inttoptr {a} to {llty}"))),
            _ => Ok(a.clone()),
        }
    }

    fn asm(
        &mut self,
        cx: &mut Lower<'_>,
        asm: &AsmCall<'_>,
        result: Option<Type>,
    ) -> Result<Option<Operand>> {
        if asm.text.trim().is_empty() && result.is_none() {
            return Ok(None);
        }
        if let (Some(r), Some(Type::Int(w @ (32 | 64)))) = (asm::register(asm.text), result) {
            return Ok(Some(register::value(cx, r, w)));
        }
        let message = format!("inline assembly `{}` has no meaning on the CPU device", asm.text.trim());
        Err(cx.error(Code::NotOnTarget, message).into())
    }

    fn call(
        &mut self,
        cx: &mut Lower<'_>,
        callee: &str,
        args: &[Operand],
        _result: Option<Type>,
    ) -> Result<Option<Operand>> {
        let (ctx, lin) = (Operand::new("ptr", "%kad.ctx"), Operand::new("i32", "%kad.lin"));
        if let Some((ret, name, args)) = super::printf::import(callee, args, &ctx) {
            return Ok(Some(self.import(cx, ret, name, &args)));
        }
        match (callee, args) {
            ("__assertfail", [message, file, line, function, ..]) => {
                let site = self.site(cx);
                let args = [ctx, lin, site, message.clone(), file.clone(), line.clone(), function.clone()];
                self.import(cx, "void", "kad_assertfail", &args);
                end_thread(cx);
                Ok(None)
            }
            _ => {
                let message = format!("call of `{callee}`, which the CPU device does not have");
                Err(cx.error(Code::NotOnTarget, message).into())
            }
        }
    }

    fn trap(&mut self, cx: &mut Lower<'_>) -> Result<()> {
        let site = self.site(cx);
        let (ctx, lin) = (Operand::new("ptr", "%kad.ctx"), Operand::new("i32", "%kad.lin"));
        self.import(cx, "void", "kad_trap", &[ctx, lin, site]);
        end_thread(cx);
        Ok(())
    }
}

/// The thread leaves its region; the device sees that it trapped.
fn end_thread(cx: &mut Lower<'_>) {
    cx.f.line("ret void");
    let dead = cx.f.fresh_label("trapped");
    cx.f.begin(&dead);
}

fn ordering(o: Ordering) -> &'static str {
    match o {
        Ordering::Unordered => "unordered",
        Ordering::Monotonic => "monotonic",
        Ordering::Acquire => "acquire",
        Ordering::Release => "release",
        Ordering::AcqRel => "acq_rel",
        Ordering::SeqCst => "seq_cst",
    }
}

fn load_plain(cx: &mut Lower<'_>, ptr: &Operand, ty: &str, mem: &MemFlags, group: &str) -> Operand {
    let volatile = if mem.volatile { "volatile " } else { "" };
    let fixed =
        if mem.invariant { format!(", !invariant.load {}", cx.m.metadata("{}")) } else { String::new() };
    cx.f.value(ty, format_args!("load {volatile}{ty}, {ptr}, align {}{fixed}{group}", mem.align.max(1)))
}

/// `a - base` as an integer.
fn distance(cx: &mut Lower<'_>, a: &Operand, base: &str, ty: &str) -> Operand {
    let here = cx.f.value("i64", format_args!("ptrtoint {a} to i64"));
    let start = cx.f.value("i64", format_args!("ptrtoint ptr {base} to i64"));
    let distance = cx.f.value("i64", format_args!("sub {here}, {}", start.name));
    match ty {
        "i64" => distance,
        _ => cx.f.value(ty, format_args!("trunc {distance} to {ty}")),
    }
}

/// Defines a variable of the module, and those that its contents point to.
fn define_variable(cx: &mut Lower<'_>, collected: &mut Collected, g: Global) -> Result<()> {
    let v = &cx.k.globals[g];
    if cx.m.has_global(&v.name) {
        return Ok(());
    }
    let zeros = vec![0; v.bytes as usize];
    let bytes = v.init.as_deref().unwrap_or(&zeros);
    let mut relocs = v.relocs.clone();
    relocs.sort_by_key(|r| r.0);
    let (mut types, mut values, mut at) = (Vec::new(), Vec::new(), 0u64);
    let plain = |from: u64, to: u64, types: &mut Vec<String>, values: &mut Vec<String>| {
        if to > from {
            let ty = format!("[{} x i8]", to - from);
            values.push(format!("{ty} c\"{}\"", escape(&bytes[from as usize..to as usize])));
            types.push(ty);
        }
    };
    for (offset, target, addend) in &relocs {
        let name = global_name(&cx.k.globals[*target].name);
        plain(at, *offset, &mut types, &mut values);
        types.push("ptr".into());
        values.push(format!("ptr getelementptr (i8, ptr {name}, i64 {addend})"));
        at = offset + 8;
    }
    plain(at, v.bytes.max(at), &mut types, &mut values);
    let kind = if v.is_const && !v.external { "constant" } else { "global" };
    let visible = v.external;
    let linkage = if visible { "" } else { "internal " };
    let definition = format!(
        "{linkage}{kind} <{{ {} }}> <{{ {} }}>, align {}",
        types.join(", "),
        values.join(", "),
        v.align.max(16)
    );
    cx.m.global(&v.name, definition);
    if visible {
        collected.globals.push((v.name.clone(), v.name.clone(), v.bytes));
    }
    for (_, target, _) in relocs {
        if cx.k.globals[target].space == AddrSpace::Shared {
            return Err(cx.error(Code::NotOnTarget, "a variable that points into shared memory").into());
        }
        define_variable(cx, collected, target)?;
    }
    Ok(())
}
