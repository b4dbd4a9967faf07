;; Catches a sum of numbers over the block taken for a count of threads.
; test read
target triple = "amdgcn-amd-amdhsa"

define amdgpu_kernel void @k(ptr addrspace(1) %x, i32 %n) {
  %c = icmp sgt i32 %n, 3
  %p = zext i1 %c to i32
  %a = call i32 @__ockl_wgred_add_i32(i32 %n)
  %s = add i32 %a, 0
  %t = add i32 %s, 0
  store i32 %t, ptr addrspace(1) %x
  ret void
}

declare i32 @__ockl_wgred_add_i32(i32) convergent
;= read
;=   error[KAD0100]: `__ockl_wgred_add_i32` of numbers other than 0 and 1
;=      = ir: %a = call i32 @__ockl_wgred_add_i32(i32 %n)
