;; Catches HIP's __syncthreads_or and its relatives, which are calls of ockl, taken for functions that nobody knows.
; test read
target triple = "amdgcn-amd-amdhsa"

define amdgpu_kernel void @k(ptr addrspace(1) %x, i32 %n) {
  %c = icmp sgt i32 %n, 3
  %p = zext i1 %c to i32
  %a = call i32 @__ockl_wgred_add_i32(i32 %p)
  %b = call i32 @__ockl_wgred_and_i32(i32 %p)
  %o = call i32 @__ockl_wgred_or_i32(i32 %p)
  %s = add i32 %a, %b
  %t = add i32 %s, %o
  store i32 %t, ptr addrspace(1) %x
  ret void
}

declare i32 @__ockl_wgred_add_i32(i32) convergent
declare i32 @__ockl_wgred_and_i32(i32) convergent
declare i32 @__ockl_wgred_or_i32(i32) convergent
;= read
;=   kernel @k(ptr.global %x, i32 %n) amdgpu layout("G1-ni:7:8:9-p7:160:256:256:32-p8:128:128-p9:192:256:256:32") file("module.ll") {
;=   0:
;=     %c = icmp sgt i32 %n, 3
;=     %p = zext i1 %c to i32
;=     %a = barrier.popc pred i32 %p
;=     %b = barrier.and pred i32 %p
;=     %o = barrier.or pred i32 %p
;=     %s = add i32 %a, %b
;=     %t = add i32 %s, %o
;=     store i32 %t, ptr.global %x, align 4
;=     ret
;=   }
