//! The tape on GPUs: addresses, and the guard against overflow.
//!
//! Thread `t` of `n` finds `size` bytes at offset `off` at `base + off * n + t * size` ([`shadow_mem::TapeLayout::Interleaved`]), so that
//! neighbouring threads touch neighbouring words. An access beyond the capacity is not executed: a store notes the bytes it wanted in the
//! status word, from which the launcher sees that the launch is void, and a load gives zero.

use super::lower::{Lower, Ops};
use super::text::Operand;
use crate::diag::{Code, Result};
use crate::kernel::*;

/// Launch-wide values, computed once in the prologue of a function.
#[derive(Clone, Debug)]
pub struct TapeBase {
    base: Operand,
    capacity: Operand,
    status: Operand,
    threads: Operand,
    thread: Operand,
    guarded: bool,
}

/// The tape of a kernel, from its parameters.
pub fn base(cx: &mut Lower<'_>, t: &mut dyn Ops) -> Result<TapeBase> {
    let k = cx.k;
    let Some(tape) = &k.tape else {
        return Err(cx.error(Code::InvalidKernel, "a tape access in a kernel without a tape").into());
    };
    let mut param = |cx: &mut Lower<'_>, i: u32| cx.operand(t, k.param_value(i));
    let (base, capacity, status) =
        (param(cx, tape.base)?, param(cx, tape.capacity)?, param(cx, tape.status)?);
    let guarded = tape.bounded.is_none();
    let was = cx.f.enter_prologue();
    let linear = linear_thread(cx, t);
    cx.f.leave_prologue(was);
    let (thread, threads) = linear?;
    let base = global_pointer(cx, base);
    let status = global_pointer(cx, status);
    Ok(TapeBase { base, capacity, status, threads, thread, guarded })
}

/// The tape is allocated in global memory: saying so gives better instructions than a generic pointer.
fn global_pointer(cx: &mut Lower<'_>, p: Operand) -> Operand {
    if p.ty != "ptr" {
        return p;
    }
    cx.f.in_prologue(|f| f.value("ptr addrspace(1)", format_args!("addrspacecast {p} to ptr addrspace(1)")))
}

/// This thread's number in the launch and the number of threads, both i64.
fn linear_thread(cx: &mut Lower<'_>, t: &mut dyn Ops) -> Result<(Operand, Operand)> {
    let mut get = |cx: &mut Lower<'_>, s: Special| -> Result<Operand> {
        let v = t.special(cx, s)?;
        Ok(cx.f.value("i64", format_args!("zext {v} to i64")))
    };
    let mul = |cx: &mut Lower<'_>, a: &Operand, b: &Operand| {
        cx.f.value("i64", format_args!("mul nuw nsw {a}, {}", b.name))
    };
    let add = |cx: &mut Lower<'_>, a: &Operand, b: &Operand| {
        cx.f.value("i64", format_args!("add nuw nsw {a}, {}", b.name))
    };
    let mut in_block = get(cx, Special::ThreadId(2))?;
    let mut block = get(cx, Special::BlockId(2))?;
    let mut threads = get(cx, Special::BlockDim(2))?;
    let mut blocks = get(cx, Special::GridDim(2))?;
    for axis in [1, 0] {
        let (bd, gd) = (get(cx, Special::BlockDim(axis))?, get(cx, Special::GridDim(axis))?);
        let (ti, bi) = (get(cx, Special::ThreadId(axis))?, get(cx, Special::BlockId(axis))?);
        in_block = mul(cx, &in_block, &bd);
        in_block = add(cx, &in_block, &ti);
        block = mul(cx, &block, &gd);
        block = add(cx, &block, &bi);
        threads = mul(cx, &threads, &bd);
        blocks = mul(cx, &blocks, &gd);
    }
    let first = mul(cx, &block, &threads);
    let thread = add(cx, &first, &in_block);
    let all = mul(cx, &blocks, &threads);
    Ok((thread, all))
}

/// Bytes and LLVM type of a value on the tape. Single bits take a byte.
fn slot(cx: &Lower<'_>, t: &dyn Ops, ty: Type) -> (u64, String) {
    match ty {
        Type::Int(w) => (
            cx.k.bytes(ty).next_power_of_two(),
            format!("i{}", u64::from(w).div_ceil(8).next_power_of_two() * 8),
        ),
        _ => (cx.k.bytes(ty), cx.ty(t, ty)),
    }
}

fn address(cx: &mut Lower<'_>, tape: &TapeBase, offset: &Operand, size: u64) -> Operand {
    let row = cx.f.value("i64", format_args!("mul nuw nsw {offset}, {}", tape.threads.name));
    let col = cx.f.value("i64", format_args!("mul nuw nsw {}, {size}", tape.thread));
    let at = cx.f.value("i64", format_args!("add nuw nsw {row}, {}", col.name));
    cx.f.value(&tape.base.ty, format_args!("getelementptr inbounds i8, {}, {at}", tape.base))
}

fn alignment(size: u64) -> u64 {
    // An offset is a multiple of the size, a thread's part is `size` apart from its neighbour's: the power of two in it is sure.
    (1 << size.trailing_zeros()).min(16)
}

/// Is `offset + size` within the capacity? And the sum.
fn fits(cx: &mut Lower<'_>, tape: &TapeBase, offset: &Operand, size: u64) -> (Operand, Operand) {
    let end = cx.f.value("i64", format_args!("add nuw nsw {offset}, {size}"));
    let ok = cx.f.value("i1", format_args!("icmp ule {end}, {}", tape.capacity.name));
    (ok, end)
}

/// Writes to the tape.
pub fn store(
    cx: &mut Lower<'_>,
    t: &mut dyn Ops,
    tape: &TapeBase,
    offset: &Operand,
    val: &Operand,
    ty: Type,
) -> Result<()> {
    let (size, llty) = slot(cx, t, ty);
    let val = match llty == val.ty {
        true => val.clone(),
        false => cx.f.value(&llty, format_args!("zext {val} to {llty}")),
    };
    let write = |cx: &mut Lower<'_>| {
        let at = address(cx, tape, offset, size);
        cx.f.line(format_args!("store {val}, {at}, align {}", alignment(size)));
    };
    if !tape.guarded {
        write(cx);
        return Ok(());
    }
    let (ok, end) = fits(cx, tape, offset, size);
    let (inside, over, next) =
        (cx.f.fresh_label("tape.store"), cx.f.fresh_label("tape.over"), cx.f.fresh_label("tape.next"));
    let weights = cx.m.metadata("{!\"branch_weights\", i32 1048576, i32 1}");
    cx.f.line(format_args!("br {ok}, label %{inside}, label %{over}, !prof {weights}"));
    cx.f.begin(&inside);
    write(cx);
    cx.f.line(format_args!("br label %{next}"));
    cx.f.begin(&over);
    let scope = t.scope(Scope::DEVICE);
    cx.f.value(
        "i64",
        format_args!("atomicrmw umax {}, {end} syncscope(\"{scope}\") monotonic, align 8", tape.status),
    );
    cx.f.line(format_args!("br label %{next}"));
    cx.f.begin(&next);
    Ok(())
}

/// Reads the tape.
pub fn load(
    cx: &mut Lower<'_>,
    t: &mut dyn Ops,
    tape: &TapeBase,
    offset: &Operand,
    ty: Type,
) -> Result<Operand> {
    let (size, llty) = slot(cx, t, ty);
    let want = cx.ty(&*t, ty);
    let read = |cx: &mut Lower<'_>| {
        let at = address(cx, tape, offset, size);
        cx.f.value(&llty, format_args!("load {llty}, {at}, align {}", alignment(size)))
    };
    let raw = if tape.guarded {
        let (ok, _) = fits(cx, tape, offset, size);
        let (inside, next) = (cx.f.fresh_label("tape.load"), cx.f.fresh_label("tape.next"));
        let from = cx.f.label().to_string();
        let weights = cx.m.metadata("{!\"branch_weights\", i32 1048576, i32 1}");
        cx.f.line(format_args!("br {ok}, label %{inside}, label %{next}, !prof {weights}"));
        cx.f.begin(&inside);
        let v = read(cx);
        cx.f.line(format_args!("br label %{next}"));
        cx.f.begin(&next);
        let zero = match ty {
            Type::Int(_) => "0",
            Type::Float(_) => "0.0",
            Type::Ptr(_) => "null",
            _ => "zeroinitializer",
        };
        cx.f.value(&llty, format_args!("phi {llty} [ {}, %{inside} ], [ {zero}, %{from} ]", v.name))
    } else {
        read(cx)
    };
    if raw.ty == want {
        return Ok(raw);
    }
    Ok(cx.f.value(&want, format_args!("trunc {raw} to {want}")))
}
