; AMDGPU after the device libraries were linked: work-item intrinsics, block size as a constant.
target datalayout = "e-p:64:64-p1:64:64-p2:32:32-p3:32:32-p4:64:64-p5:32:32-p6:32:32-p7:160:256:256:32-p8:128:128-p9:192:256:256:32-i64:64-v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512-v1024:1024-v2048:2048-n32:64-S32-A5-G1-ni:7:8:9"
target triple = "amdgcn-amd-amdhsa"

define amdgpu_kernel void @scale(ptr addrspace(1) noalias %x, double %a, i32 %n) #0 {
entry:
  %tid = tail call i32 @llvm.amdgcn.workitem.id.x()
  %group = tail call i32 @llvm.amdgcn.workgroup.id.x()
  %base = shl i32 %group, 5
  %i = or disjoint i32 %base, %tid
  %in = icmp ult i32 %i, %n
  br i1 %in, label %body, label %exit

body:
  %at = zext i32 %i to i64
  %p = getelementptr inbounds double, ptr addrspace(1) %x, i64 %at
  %v = load double, ptr addrspace(1) %p, align 8
  %m = fmul double %v, %a
  %e = tail call double @llvm.sqrt.f64(double %m)
  %s = tail call double @llvm.fma.f64(double %e, double %v, double %a)
  store double %s, ptr addrspace(1) %p, align 8
  br label %exit

exit:
  ret void
}

declare i32 @llvm.amdgcn.workitem.id.x()
declare i32 @llvm.amdgcn.workgroup.id.x()
declare double @llvm.sqrt.f64(double)
declare double @llvm.fma.f64(double, double, double)

attributes #0 = { "target-cpu"="gfx90a" "amdgpu-flat-work-group-size"="1,1024" }
