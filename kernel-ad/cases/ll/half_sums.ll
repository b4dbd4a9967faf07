; Atomic sums of halves and of pairs of halves, with scopes and orderings, as compilers newer than CUDA's headers write them.
target datalayout = "e-i64:64-i128:128-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"

define void @half_sums(ptr readonly %x, ptr %s, ptr %pairs, i32 %n) #0 {
entry:
  %tid = tail call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %ctaid = tail call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %ntid = tail call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %base = mul i32 %ctaid, %ntid
  %i = add i32 %base, %tid
  %in = icmp slt i32 %i, %n
  br i1 %in, label %body, label %exit

body:
  %at = sext i32 %i to i64
  %px = getelementptr inbounds half, ptr %x, i64 %at
  %v = load half, ptr %px, align 2
  %sq = fmul contract half %v, %v
  %slot = and i64 %at, 3
  %ps = getelementptr inbounds half, ptr %s, i64 %slot
  %o1 = atomicrmw fadd ptr %ps, half %sq syncscope("device") monotonic, align 2
  %pp = getelementptr inbounds <2 x half>, ptr %pairs, i64 %slot
  %w0 = insertelement <2 x half> undef, half %v, i64 0
  %w = insertelement <2 x half> %w0, half %sq, i64 1
  %o2 = atomicrmw fsub ptr %pp, <2 x half> %w monotonic, align 4
  br label %exit

exit:
  ret void
}

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()

attributes #0 = { "target-cpu"="sm_80" }
!nvvm.annotations = !{!0}
!0 = !{ptr @half_sums, !"kernel", i32 1}
