;; Catches a double that AMD's permutation moves in halves and that stays two integers; floats travel as integers as well.
; test read
target triple = "amdgcn-amd-amdhsa"

define amdgpu_kernel void @k(ptr addrspace(1) %x) {
  %v = load double, ptr addrspace(1) %x, align 8
  %b = bitcast double %v to i64
  %lo = trunc i64 %b to i32
  %s = lshr i64 %b, 32
  %hi = trunc i64 %s to i32
  %l = call i32 @llvm.amdgcn.ds.bpermute(i32 12, i32 %lo)
  %h = call i32 @llvm.amdgcn.ds.bpermute(i32 12, i32 %hi)
  %lz = zext i32 %l to i64
  %hz = zext i32 %h to i64
  %up = shl i64 %hz, 32
  %both = or i64 %up, %lz
  %w = bitcast i64 %both to double
  %f = fptrunc double %w to float
  %fb = bitcast float %f to i32
  %fs = call i32 @llvm.amdgcn.ds.bpermute(i32 8, i32 %fb)
  %g = bitcast i32 %fs to float
  store float %g, ptr addrspace(1) %x, align 8
  ret void
}

declare i32 @llvm.amdgcn.ds.bpermute(i32, i32)
;= read
;=   kernel @k(ptr.global %x) amdgpu layout("G1-ni:7:8:9-p7:160:256:256:32-p8:128:128-p9:192:256:256:32") file("module.ll") {
;=   0:
;=     %v1 = load i64, ptr.global %x, align 8
;=     %0 = bitcast i64 %v1 to f64
;=     %1 = warp.ds_bpermute i32 12, f64 %0
;=     %f = fptrunc f64 %1 to f32
;=     %2 = warp.ds_bpermute i32 8, f32 %f
;=     %3 = bitcast f32 %2 to i32
;=     store i32 %3, ptr.global %x, align 8
;=     ret
;=   }
