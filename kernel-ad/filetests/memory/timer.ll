;; Catches a kernel that reads a timer or a register of the driver and cannot run on the CPU device; the derivative does not go through it.
; test interp device check
; launch block=2
; arg x f32 [1.5 -2]
; arg y f32 [0 0]
; roles dup dup
target triple = "nvptx64-nvidia-cuda"

define ptx_kernel void @k(ptr addrspace(1) %x, ptr addrspace(1) %y) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %px = getelementptr float, ptr addrspace(1) %x, i32 %t
  %py = getelementptr float, ptr addrspace(1) %y, i32 %t
  %begin = call i64 asm sideeffect "mov.u64 $0, %globaltimer;", "=l"()
  %low = call i32 asm "mov.u32 $0, %reserved_smem_offset_begin;", "=r"()
  %end = call i64 @llvm.nvvm.read.ptx.sreg.globaltimer()
  %went = icmp ult i64 %end, %begin
  %f = select i1 %went, float 2.0, float 3.0
  %n = uitofp i32 %low to float
  %v = load float, ptr addrspace(1) %px
  %q = fmul float %v, %v
  %g = fadd float %f, %n
  %r = fmul float %q, %g
  store float %r, ptr addrspace(1) %py
  ret void
}

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i64 @llvm.nvvm.read.ptx.sreg.globaltimer()
;= interp
;=   x = 1.5 -2.0
;=   y = 6.75 12.0
;= device
;=   x = 1.5 -2.0
;=   y = 6.75 12.0
;= check
;=   14 oracles pass, 0 of 4 directions meet a kink
