; Structs and arrays as values: loaded, stored, chosen, carried through a loop.
target datalayout = "e-p:64:64-p1:64:64-p2:32:32-p3:32:32-p4:64:64-p5:32:32-p6:32:32-p7:160:256:256:32-p8:128:128-p9:192:256:256:32-i64:64-v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512-v1024:1024-v2048:2048-n32:64-S32-A5-G1-ni:7:8:9"
target triple = "amdgcn-amd-amdhsa"

define amdgpu_kernel void @aggregates(ptr addrspace(1) %x, ptr addrspace(1) %y, i32 %n) {
entry:
  %tid = tail call i32 @llvm.amdgcn.workitem.id.x()
  %in = icmp slt i32 %tid, %n
  br i1 %in, label %body, label %exit

body:
  %t = sext i32 %tid to i64
  %px = getelementptr inbounds [2 x { float, float }], ptr addrspace(1) %x, i64 %t
  %both = load [2 x { float, float }], ptr addrspace(1) %px, align 8
  %p = extractvalue [2 x { float, float }] %both, 0
  %q = extractvalue [2 x { float, float }] %both, 1
  br label %loop

loop:
  %i = phi i32 [ 0, %body ], [ %next, %loop ]
  %state = phi { float, float } [ %p, %body ], [ %turned, %loop ]
  %re = extractvalue { float, float } %state, 0
  %im = extractvalue { float, float } %state, 1
  %qr = extractvalue { float, float } %q, 0
  %m = fmul float %re, %qr
  %s = fadd float %m, %im
  %half = insertvalue { float, float } undef, float %im, 0
  %turned = insertvalue { float, float } %half, float %s, 1
  %next = add nuw nsw i32 %i, 1
  %more = icmp slt i32 %next, 5
  br i1 %more, label %loop, label %done

done:
  %last = extractvalue { float, float } %turned, 1
  %up = fcmp ogt float %last, 0.0
  %chosen = select i1 %up, { float, float } %turned, { float, float } %q
  %frozen = freeze { float, float } %chosen
  %py = getelementptr inbounds { float, float }, ptr addrspace(1) %y, i64 %t
  store { float, float } %frozen, ptr addrspace(1) %py, align 4
  br label %exit

exit:
  ret void
}

declare i32 @llvm.amdgcn.workitem.id.x()

