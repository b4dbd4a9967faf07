; NVPTX as clang writes it, found by its annotation.
target datalayout = "e-i64:64-i128:128-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"

define void @square(ptr nocapture readonly %x, ptr nocapture writeonly %y, i32 %n) {
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
  %px = getelementptr inbounds float, ptr %x, i64 %at
  %v = load float, ptr %px, align 4
  %sq = fmul contract float %v, %v
  %c = fcmp ogt float %sq, 2.500000e-01
  %r = call float @llvm.nvvm.rsqrt.approx.f(float %sq)
  %w = select i1 %c, float %r, float %sq
  %py = getelementptr inbounds float, ptr %y, i64 %at
  store float %w, ptr %py, align 4
  br label %exit

exit:
  ret void
}

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare float @llvm.nvvm.rsqrt.approx.f(float)

!nvvm.annotations = !{!0}
!0 = !{ptr @square, !"kernel", i32 1}
