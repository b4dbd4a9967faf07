//! AMD's operations among the threads of a warp, and what processors lack of them.

use super::amdgpu::Amdgpu;
use crate::diag::{Code, Result};
use crate::emit::lower::Lower;
use crate::emit::text::Operand;
use crate::kernel::*;

/// One operation; `None` for those without a result.
pub(super) fn warp(
    cx: &mut Lower<'_>,
    t: &Amdgpu<'_>,
    op: WarpOp,
    args: &[Operand],
) -> Result<Option<Operand>> {
    Ok(Some(match op {
        WarpOp::ScatterAdd => {
            whole_warp(cx, t)?;
            super::scatter::amdgpu(cx, args, t.warp_size)
        }
        WarpOp::DsBpermute | WarpOp::DsPermute => {
            whole_warp(cx, t)?;
            let name =
                if op == WarpOp::DsPermute { "llvm.amdgcn.ds.permute" } else { "llvm.amdgcn.ds.bpermute" };
            by_words(cx, &args[1..], &|cx, w| cx.call("i32", name, &[args[0].clone(), w[0].clone()]))?
        }
        WarpOp::DsSwizzle => {
            constant_operands(cx, &args[1..])?;
            by_words(cx, &args[..1], &|cx, w| {
                cx.call("i32", "llvm.amdgcn.ds.swizzle", &[w[0].clone(), args[1].clone()])
            })?
        }
        WarpOp::ReadFirstLane => {
            by_words(cx, args, &|cx, w| cx.call("i32", "llvm.amdgcn.readfirstlane.i32", w))?
        }
        WarpOp::ReadLane => by_words(cx, &args[..1], &|cx, w| {
            cx.call("i32", "llvm.amdgcn.readlane.i32", &[w[0].clone(), args[1].clone()])
        })?,
        WarpOp::MbcntLo => cx.call("i32", "llvm.amdgcn.mbcnt.lo", args),
        WarpOp::MbcntHi => cx.call("i32", "llvm.amdgcn.mbcnt.hi", args),
        WarpOp::UpdateDpp => {
            constant_operands(cx, &args[2..])?;
            control_word(cx, t, &args[2])?;
            by_words(cx, &args[..2], &|cx, w| {
                let all: Vec<Operand> = w.iter().chain(&args[2..]).cloned().collect();
                cx.call("i32", "llvm.amdgcn.update.dpp.i32", &all)
            })?
        }
        WarpOp::WaveBarrier | WarpOp::Sync => {
            cx.call("void", "llvm.amdgcn.wave.barrier", &[]);
            return Ok(None);
        }
        WarpOp::Ballot => t.ballot(cx, args[1].clone()),
        WarpOp::ActiveMask => t.ballot(cx, Operand::new("i1", "true")),
        WarpOp::VoteAny => {
            let b = t.ballot(cx, args[1].clone());
            cx.f.value("i1", format_args!("icmp ne {b}, 0"))
        }
        WarpOp::VoteAll => {
            let not = cx.f.value("i1", format_args!("xor {}, true", args[1]));
            let b = t.ballot(cx, not);
            cx.f.value("i1", format_args!("icmp eq {b}, 0"))
        }
        op => {
            let message = format!("{op:?} is an operation of NVIDIA devices");
            return Err(cx.error(Code::NotOnTarget, message).into());
        }
    }))
}

/// Refuses permutations of a whole warp where they reach half of it: since gfx10, warps of 64 are two of 32 to `ds_bpermute` and `ds_permute`
/// (RDNA's instruction set, "permute operates across 32 lanes").
fn whole_warp(cx: &Lower<'_>, t: &Amdgpu<'_>) -> Result<()> {
    if t.warp_size == 32 || t.cpu.isa_version() < 10_000 {
        return Ok(());
    }
    let message = format!("{} has no permutation of all 64 threads of a warp", t.cpu.name);
    Err(cx
        .error(Code::NotOnTarget, message)
        .because("its permutations reach the 32 threads of a half")
        .help("compile the source for warps of 32 (`--arch gfx1100 --warp-size 32`), or choose a processor of gfx9")
        .into())
}

/// Refuses control words of DPP that the processor does not have (LLVM's AMDGPU user guide, "DPP control").
fn control_word(cx: &Lower<'_>, t: &Amdgpu<'_>, control: &Operand) -> Result<()> {
    let Ok(word) = control.name.parse::<u32>() else { return Ok(()) };
    let (version, name) = (t.cpu.isa_version(), t.cpu.name);
    let there = match word {
        0..=0xff | 0x101..=0x10f | 0x111..=0x11f | 0x121..=0x12f | 0x140 | 0x141 => true,
        // Shifts and rotations of the whole warp, broadcasts from row to row.
        0x130 | 0x134 | 0x138 | 0x13c | 0x142 | 0x143 => version < 10_000,
        // `row_share`; on gfx90a and later `row_newbcast`.
        0x150..=0x15f => version >= 9010,
        // `row_xmask`.
        0x160..=0x16f => version >= 10_000,
        _ => false,
    };
    if there {
        return Ok(());
    }
    Err(cx
        .error(Code::NotOnTarget, format!("{name} has no movement between lanes with control word {word:#x}"))
        .into())
}

/// Values that move between lanes in words of 32 bits: `one` moves a word of each.
fn by_words(
    cx: &mut Lower<'_>,
    values: &[Operand],
    one: &dyn Fn(&mut Lower<'_>, &[Operand]) -> Operand,
) -> Result<Operand> {
    let ty = values[0].ty.clone();
    let bits = match ty.as_str() {
        "i32" => return Ok(one(cx, values)),
        "float" | "<2 x half>" | "<2 x bfloat>" => 32,
        "i64" | "double" => 64,
        "i16" | "half" | "bfloat" => 16,
        "i8" => 8,
        _ => {
            let message = format!("a value of type {ty} that moves between lanes");
            return Err(cx.error(Code::NotOnTarget, message).into());
        }
    };
    let as_bits = |cx: &mut Lower<'_>, v: &Operand, to: &str| {
        if v.ty == to {
            return v.clone();
        }
        cx.f.value(to, format_args!("bitcast {v} to {to}"))
    };
    if bits == 64 {
        let pair = "<2 x i32>";
        let halves: Vec<Operand> = values.iter().map(|v| as_bits(cx, v, pair)).collect();
        let mut whole = Operand::new(pair, "poison");
        for i in 0..2 {
            let words: Vec<Operand> = (halves.iter())
                .map(|h| cx.f.value("i32", format_args!("extractelement {h}, i32 {i}")))
                .collect();
            let moved = one(cx, &words);
            whole = cx.f.value(pair, format_args!("insertelement {whole}, {moved}, i32 {i}"));
        }
        return Ok(as_bits(cx, &whole, &ty));
    }
    let narrow = format!("i{bits}");
    let words: Vec<Operand> = (values.iter())
        .map(|v| {
            let v = as_bits(cx, v, &narrow);
            if bits == 32 {
                v
            } else {
                cx.f.value("i32", format_args!("zext {v} to i32"))
            }
        })
        .collect();
    let moved = one(cx, &words);
    let moved =
        if bits == 32 { moved } else { cx.f.value(&narrow, format_args!("trunc {moved} to {narrow}")) };
    Ok(as_bits(cx, &moved, &ty))
}

fn constant_operands(cx: &Lower<'_>, args: &[Operand]) -> Result<()> {
    if args.iter().any(|a| a.name.starts_with('%')) {
        return Err(cx.error(Code::NotOnTarget, "an operand must be a constant on AMD devices").into());
    }
    Ok(())
}
