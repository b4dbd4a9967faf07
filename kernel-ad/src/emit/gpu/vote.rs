//! A barrier that votes on devices whose barrier has no result: a word of shared memory counts the threads that say yes. Between
//! one vote and the next stands the barrier with which the next one begins, so that nobody clears what another still reads.

use crate::emit::lower::Lower;
use crate::emit::text::Operand;
use crate::kernel::{BarrierKind, Kernel, Op};

/// Bytes of shared memory that the votes of a kernel take.
pub(super) fn bytes(k: &Kernel) -> u64 {
    let votes = |op: &Op| matches!(op, Op::Barrier { kind, .. } if *kind != BarrierKind::Sync);
    4 * u64::from(k.iter_insts().any(|(_, i)| votes(&k.insts[i].op)))
}

/// Calls the function: how many threads of the block say yes, or whether all or any do.
pub(super) fn amdgpu(cx: &mut Lower<'_>, kind: BarrierKind, pred: &Operand) -> Operand {
    cx.m.function("void", "llvm.amdgcn.s.barrier", &[]);
    let yes = match pred.ty.as_str() {
        "i1" => pred.clone(),
        ty => cx.f.value("i1", format_args!("icmp ne {ty} {}, 0", pred.name)),
    };
    // All say yes when nobody says no.
    let counted = match kind {
        BarrierKind::And => cx.f.value("i1", format_args!("xor {yes}, true")),
        _ => yes,
    };
    cx.m.global("kad.votes", "internal unnamed_addr addrspace(3) global i32 undef, align 4");
    let inline = cx.m.attribute_group("convergent nounwind alwaysinline");
    let meet = "fence syncscope(\"workgroup\") release\n  call void @llvm.amdgcn.s.barrier()\n  \
                fence syncscope(\"workgroup\") acquire";
    let access = "ptr addrspace(3) @kad.votes";
    cx.m.helper(format!(
        "define internal i32 @kad.count_votes(i1 %yes) {inline} {{
  {meet}
  store atomic i32 0, {access} syncscope(\"workgroup\") monotonic, align 4
  {meet}
  %one = zext i1 %yes to i32
  %before = atomicrmw add {access}, i32 %one syncscope(\"workgroup\") monotonic, align 4
  {meet}
  %all = load atomic i32, {access} syncscope(\"workgroup\") monotonic, align 4
  ret i32 %all
}}"
    ));
    let call = cx.m.attribute_group("convergent nounwind");
    let n = cx.f.value("i32", format_args!("call i32 @kad.count_votes({counted}) {call}"));
    let test = match kind {
        BarrierKind::Popc => return n,
        BarrierKind::And => "eq",
        _ => "ne",
    };
    let answer = cx.f.value("i1", format_args!("icmp {test} {n}, 0"));
    cx.f.value("i32", format_args!("zext {answer} to i32"))
}
