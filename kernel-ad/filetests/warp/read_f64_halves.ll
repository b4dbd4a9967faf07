;; Catches a double that the CUDA headers shuffle in halves through inline assembly and that stays two integers.
; test read
target triple = "nvptx64-nvidia-cuda"

define ptx_kernel void @k(ptr addrspace(1) %x) {
  %v = load double, ptr addrspace(1) %x, align 8
  %halves = call { i32, i32 } asm "mov.b64 {$0,$1}, $2;", "=r,=r,d"(double %v)
  %lo = extractvalue { i32, i32 } %halves, 0
  %hi = extractvalue { i32, i32 } %halves, 1
  %l = call i32 @llvm.nvvm.shfl.sync.down.i32(i32 -1, i32 %lo, i32 4, i32 31)
  %h = call i32 @llvm.nvvm.shfl.sync.down.i32(i32 -1, i32 %hi, i32 4, i32 31)
  %w = call double asm "mov.b64 $0, {$1,$2};", "=d,r,r"(i32 %l, i32 %h)
  store double %w, ptr addrspace(1) %x, align 8
  ret void
}

declare i32 @llvm.nvvm.shfl.sync.down.i32(i32, i32, i32, i32)
;= read
;=   kernel @k(ptr.global %x) nvptx layout("") file("module.ll") {
;=   0:
;=     %v = load f64, ptr.global %x, align 8
;=     %0 = bitcast f64 %v to i64
;=     %lo = trunc i64 %0 to i32
;=     %1 = lshr i64 %0, 32
;=     %hi = trunc i64 %1 to i32
;=     %2 = insertvalue {i32, i32} undef, i32 %lo, 0
;=     %halves = insertvalue {i32, i32} %2, i32 %hi, 1
;=     %3 = warp.shfl_down i32 -1, f64 %v, i32 4, 31
;=     store f64 %3, ptr.global %x, align 8
;=     ret
;=   }
