//! Memory: loads, stores, copies, atomics, fences, the tape and accumulation.

use super::{Accumulation, Lower, Ops};
use crate::diag::{Code, Result};
use crate::emit::text::Operand;
use crate::kernel::*;

/// An atomic read-modify-write with its operands lowered.
#[derive(Clone, Debug)]
pub struct Atomic<'a> {
    /// Operation.
    pub op: RmwOp,
    /// Address.
    pub ptr: &'a Operand,
    /// The space it points into, in Kernel IR.
    pub space: AddrSpace,
    /// Operand.
    pub val: &'a Operand,
    /// Its type.
    pub ty: Type,
    /// Ordering, scope, alignment.
    pub mem: &'a MemFlags,
}

/// A compare-and-exchange with its operands lowered.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// Address.
    pub ptr: &'a Operand,
    /// The space it points into, in Kernel IR.
    pub space: AddrSpace,
    /// What must be there.
    pub expected: &'a Operand,
    /// What is written then.
    pub new: &'a Operand,
    /// Type of the two.
    pub ty: Type,
    /// Ordering on success, scope, alignment.
    pub mem: &'a MemFlags,
    /// Ordering on failure.
    pub failure: Ordering,
    /// May fail for no reason.
    pub weak: bool,
}

pub(super) fn lower(
    cx: &mut Lower<'_>,
    t: &mut dyn Ops,
    op: &Op,
    result: Option<Type>,
) -> Result<Option<Operand>> {
    let ty = result.unwrap_or(Type::Void);
    let k = cx.k;
    let space = |v: Value| k.ty(v).addr_space().unwrap_or(AddrSpace::Generic);
    Ok(match op {
        Op::Alloca { bytes, align } => {
            Some(t.alloca(cx, *bytes, (*align).max(1), ty.addr_space().unwrap_or(AddrSpace::Generic))?)
        }
        Op::PtrAdd { ptr, offset, inbounds } => {
            let (p, o) = (cx.operand(t, *ptr)?, cx.operand(t, *offset)?);
            let word = if *inbounds { "inbounds " } else { "" };
            Some(cx.f.value(&p.ty, format_args!("getelementptr {word}i8, {p}, {o}")))
        }
        Op::Load { ptr, mem } => {
            let p = cx.operand(t, *ptr)?;
            Some(t.load(cx, &p, ty, mem)?)
        }
        Op::Store { ptr, val, mem } => {
            let (p, v) = (cx.operand(t, *ptr)?, cx.operand(t, *val)?);
            t.store(cx, &p, &v, k.ty(*val), mem)?;
            None
        }
        Op::MemCopy { dst, src, len, dst_align, src_align, overlap, volatile } => {
            let (d, s, n) = (cx.operand(t, *dst)?, cx.operand(t, *src)?, cx.operand(t, *len)?);
            let name = if *overlap { "memmove" } else { "memcpy" };
            let name = format!("llvm.{name}.p{}.p{}.{}", space_of(&d.ty), space_of(&s.ty), n.ty);
            let symbol = cx.m.function("void", &name, &[&d.ty, &s.ty, &n.ty, "i1 immarg"]);
            let (da, sa) = (dst_align.max(&1), src_align.max(&1));
            cx.f.line(format_args!(
                "call void {symbol}({} align {da} {}, {} align {sa} {}, {n}, i1 {volatile})",
                d.ty, d.name, s.ty, s.name
            ));
            None
        }
        Op::MemSet { dst, byte, len, align, volatile } => {
            let (d, b, n) = (cx.operand(t, *dst)?, cx.operand(t, *byte)?, cx.operand(t, *len)?);
            let name = format!("llvm.memset.p{}.{}", space_of(&d.ty), n.ty);
            let symbol = cx.m.function("void", &name, &[&d.ty, &b.ty, &n.ty, "i1 immarg"]);
            let align = align.max(&1);
            cx.f.line(format_args!(
                "call void {symbol}({} align {align} {}, {b}, {n}, i1 {volatile})",
                d.ty, d.name
            ));
            None
        }
        Op::AtomicRmw { op, ptr, val, mem } => {
            let (p, v) = (cx.operand(t, *ptr)?, cx.operand(t, *val)?);
            let atomic = Atomic { op: *op, ptr: &p, space: space(*ptr), val: &v, ty: k.ty(*val), mem };
            Some(t.atomic_rmw(cx, &atomic)?)
        }
        Op::CmpXchg { ptr, expected, new, mem, failure, weak } => {
            let (p, e, n) = (cx.operand(t, *ptr)?, cx.operand(t, *expected)?, cx.operand(t, *new)?);
            let (failure, weak, ty) = (*failure, *weak, k.ty(*new));
            let x = Exchange { ptr: &p, space: space(*ptr), expected: &e, new: &n, ty, mem, failure, weak };
            Some(t.cmpxchg(cx, &x)?)
        }
        Op::Fence { ordering, scope } => {
            t.fence(cx, *ordering, *scope)?;
            None
        }
        Op::Accumulate { ptr, val, align, atomic } => {
            let (p, v) = (cx.operand(t, *ptr)?, cx.operand(t, *val)?);
            accumulate(cx, t, (*ptr, &p), (&v, k.ty(*val)), *align, *atomic)?;
            None
        }
        Op::TapeStore { offset, val } => {
            let (o, v) = (cx.operand(t, *offset)?, cx.operand(t, *val)?);
            t.tape_store(cx, &o, &v, k.ty(*val))?;
            None
        }
        Op::TapeLoad { offset } => {
            let o = cx.operand(t, *offset)?;
            Some(t.tape_load(cx, &o, ty)?)
        }
        op => return Err(cx.error(Code::Bug, format!("no lowering for {op:?}")).into()),
    })
}

/// Address space of a pointer, from its LLVM type.
pub fn space_of(ptr_ty: &str) -> u32 {
    let digits: String = ptr_ty.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn accumulate(
    cx: &mut Lower<'_>,
    t: &mut dyn Ops,
    (base, ptr): (Value, &Operand),
    (val, ty): (&Operand, Type),
    align: u32,
    atomic: bool,
) -> Result<()> {
    let space = cx.k.ty(base).addr_space().unwrap_or(AddrSpace::Generic);
    let Some(float) = ty.float() else {
        return Err(cx.error(Code::InvalidKernel, "accumulation of something that is not float").into());
    };
    if ty.lanes() == 1 {
        let lane;
        let val = match ty {
            Type::Vec(..) => {
                lane = extract_lane(cx, t, val, ty, 0);
                &lane
            }
            _ => val,
        };
        return t
            .accumulate(cx, &Accumulation { ptr, space, val, ty: float, align: align.max(1), atomic, base });
    }
    if t.accumulate_lanes(
        cx,
        &Accumulation { ptr, space, val, ty: float, align: align.max(1), atomic, base },
    )? {
        return Ok(());
    }
    for i in 0..ty.lanes() {
        let offset = u32::from(i) * float.bytes();
        let at = cx.f.value(&ptr.ty, format_args!("getelementptr inbounds i8, {ptr}, i64 {offset}"));
        let val = extract_lane(cx, t, val, ty, i);
        let align = if i == 0 { align.max(1) } else { align.max(1).min(1 << offset.trailing_zeros()) };
        t.accumulate(cx, &Accumulation { ptr: &at, space, val: &val, ty: float, align, atomic, base })?;
    }
    Ok(())
}

/// One lane of a vector.
pub(super) fn extract_lane(cx: &mut Lower<'_>, t: &dyn Ops, v: &Operand, ty: Type, lane: u16) -> Operand {
    let scalar = cx.ty(t, ty.scalar());
    cx.f.value(&scalar, format_args!("extractelement {v}, i32 {lane}"))
}

/// LLVM's word for an ordering.
pub fn ordering_text(o: Ordering) -> &'static str {
    match o {
        Ordering::Unordered => "unordered",
        Ordering::Monotonic => "monotonic",
        Ordering::Acquire => "acquire",
        Ordering::Release => "release",
        Ordering::AcqRel => "acq_rel",
        Ordering::SeqCst => "seq_cst",
    }
}

/// LLVM's word for an atomic operation.
pub fn rmw_text(op: RmwOp) -> &'static str {
    match op {
        RmwOp::Xchg => "xchg",
        RmwOp::Add => "add",
        RmwOp::Sub => "sub",
        RmwOp::And => "and",
        RmwOp::Nand => "nand",
        RmwOp::Or => "or",
        RmwOp::Xor => "xor",
        RmwOp::Max => "max",
        RmwOp::Min => "min",
        RmwOp::UMax => "umax",
        RmwOp::UMin => "umin",
        RmwOp::FAdd => "fadd",
        RmwOp::FSub => "fsub",
        RmwOp::FMax => "fmax",
        RmwOp::FMin => "fmin",
        RmwOp::UIncWrap => "uinc_wrap",
        RmwOp::UDecWrap => "udec_wrap",
    }
}

fn scope_text<T: Ops + ?Sized>(t: &T, scope: Scope) -> String {
    match t.scope(scope) {
        "" => String::new(),
        name => format!(" syncscope(\"{name}\")"),
    }
}

fn metadata_text(cx: &mut Lower<'_>, mem: &MemFlags, load: bool) -> String {
    let mut out = String::new();
    if mem.invariant && load {
        out += &format!(", !invariant.load {}", cx.m.metadata("{}"));
    }
    if mem.nontemporal {
        out += &format!(", !nontemporal {}", cx.m.metadata("{i32 1}"));
    }
    out
}

/// A load of LLVM type `ty`.
pub fn load<T: Ops + ?Sized>(
    cx: &mut Lower<'_>,
    t: &T,
    ptr: &Operand,
    ty: &str,
    mem: &MemFlags,
) -> Result<Operand> {
    let metadata = metadata_text(cx, mem, true);
    let (atomic, tail) = access_text(t, mem);
    Ok(cx.f.value(ty, format_args!("load {atomic}{ty}, {ptr}{tail}, align {}{metadata}", mem.align.max(1))))
}

/// A store.
pub fn store<T: Ops + ?Sized>(
    cx: &mut Lower<'_>,
    t: &T,
    ptr: &Operand,
    val: &Operand,
    mem: &MemFlags,
) -> Result<()> {
    let metadata = metadata_text(cx, mem, false);
    let (atomic, tail) = access_text(t, mem);
    cx.f.line(format_args!("store {atomic}{val}, {ptr}{tail}, align {}{metadata}", mem.align.max(1)));
    Ok(())
}

/// What stands between the opcode and the type, and behind the pointer.
fn access_text<T: Ops + ?Sized>(t: &T, mem: &MemFlags) -> (String, String) {
    let volatile = if mem.volatile { "volatile " } else { "" };
    match mem.ordering {
        None => (volatile.to_string(), String::new()),
        Some(o) => {
            (format!("atomic {volatile}"), format!("{} {}", scope_text(t, mem.scope), ordering_text(o)))
        }
    }
}

/// `atomicrmw`.
pub fn atomic_rmw<T: Ops + ?Sized>(cx: &mut Lower<'_>, t: &T, a: &Atomic<'_>) -> Result<Operand> {
    let volatile = if a.mem.volatile { "volatile " } else { "" };
    let ordering = ordering_text(a.mem.ordering.unwrap_or(Ordering::Monotonic));
    let scope = scope_text(t, a.mem.scope);
    let text = format!(
        "atomicrmw {volatile}{} {}, {}{scope} {ordering}, align {}",
        rmw_text(a.op),
        a.ptr,
        a.val,
        a.mem.align.max(1)
    );
    Ok(cx.f.value(&a.val.ty, text))
}

/// `cmpxchg`.
pub fn cmpxchg<T: Ops + ?Sized>(cx: &mut Lower<'_>, t: &T, x: &Exchange<'_>) -> Result<Operand> {
    let weak = if x.weak { "weak " } else { "" };
    let volatile = if x.mem.volatile { "volatile " } else { "" };
    let ordering = ordering_text(x.mem.ordering.unwrap_or(Ordering::Monotonic));
    let (scope, failure) = (scope_text(t, x.mem.scope), ordering_text(x.failure));
    let text = format!(
        "cmpxchg {weak}{volatile}{}, {}, {}{scope} {ordering} {failure}, align {}",
        x.ptr,
        x.expected,
        x.new,
        x.mem.align.max(1)
    );
    let ty = format!("{{ {}, i1 }}", x.new.ty);
    Ok(cx.f.value(&ty, text))
}

/// `fence`.
pub fn fence<T: Ops + ?Sized>(cx: &mut Lower<'_>, t: &T, ordering: Ordering, scope: Scope) -> Result<()> {
    cx.f.line(format_args!("fence{} {}", scope_text(t, scope), ordering_text(ordering)));
    Ok(())
}
