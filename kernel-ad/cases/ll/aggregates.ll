; Structs and arrays as values: loaded, stored, chosen, carried through a loop.
target datalayout = "e-i64:64-i128:128-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"

define void @aggregates(ptr %x, ptr %y, i32 %n) {
entry:
  %tid = tail call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %in = icmp slt i32 %tid, %n
  br i1 %in, label %body, label %exit

body:
  %t = sext i32 %tid to i64
  %px = getelementptr inbounds [2 x { float, float }], ptr %x, i64 %t
  %both = load [2 x { float, float }], ptr %px, align 8
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
  %py = getelementptr inbounds { float, float }, ptr %y, i64 %t
  store { float, float } %frozen, ptr %py, align 4
  br label %exit

exit:
  ret void
}

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()

!nvvm.annotations = !{!0}
!0 = !{ptr @aggregates, !"kernel", i32 1}
