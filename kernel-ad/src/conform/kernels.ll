; Kernels of the conformance suite. Words between @ signs stand for what differs between the two vendors.
target datalayout = "@LAYOUT@"
target triple = "@TRIPLE@"

@weights = addrspace(1) externally_initialized global [4 x float] [float 1.0, float 2.0, float 3.0, float 4.0], align 16
@pool = external addrspace(3) global [0 x float], align 4

; x[i] += a for i < n
define @KERNEL@ void @add(ptr addrspace(1) %x, i32 %n, float %a, i32 %width) {
  %tid = call i32 @TID@()
  %block = call i32 @BLOCK@()
  %first = mul i32 %block, %width
  %i = add i32 %first, %tid
  %in = icmp slt i32 %i, %n
  br i1 %in, label %body, label %exit
body:
  %at = sext i32 %i to i64
  %p = getelementptr float, ptr addrspace(1) %x, i64 %at
  %v = load float, ptr addrspace(1) %p, align 4
  %s = fadd float %v, %a
  store float %s, ptr addrspace(1) %p, align 4
  br label %exit
exit:
  ret void
}

; y[i] = x[i] * x[i] for i < n
define @KERNEL@ void @square(ptr addrspace(1) %x, ptr addrspace(1) %y, i32 %n, i32 %width) {
  %tid = call i32 @TID@()
  %block = call i32 @BLOCK@()
  %first = mul i32 %block, %width
  %i = add i32 %first, %tid
  %in = icmp slt i32 %i, %n
  br i1 %in, label %body, label %exit
body:
  %at = sext i32 %i to i64
  %p = getelementptr float, ptr addrspace(1) %x, i64 %at
  %q = getelementptr float, ptr addrspace(1) %y, i64 %at
  %v = load float, ptr addrspace(1) %p, align 4
  %s = fmul float %v, %v
  store float %s, ptr addrspace(1) %q, align 4
  br label %exit
exit:
  ret void
}

; A thread traps where x is negative; the others count.
define @KERNEL@ void @trap(ptr addrspace(1) %x) {
  %tid = call i32 @TID@()
  %at = zext i32 %tid to i64
  %p = getelementptr float, ptr addrspace(1) %x, i64 %at
  %v = load float, ptr addrspace(1) %p, align 4
  %bad = fcmp olt float %v, 0.0
  br i1 %bad, label %stop, label %go
stop:
  call void @llvm.trap()
  unreachable
go:
  %s = fadd float %v, 1.0
  store float %s, ptr addrspace(1) %p, align 4
  ret void
}

; out[t] = number of the thread on the other side of the block, by way of the last words of dynamic shared memory
define @KERNEL@ void @turn(ptr addrspace(1) %out, i32 %words, i32 %width) {
  %tid = call i32 @TID@()
  %start = sub i32 %words, %width
  %mine = add i32 %start, %tid
  %m = zext i32 %mine to i64
  %p = getelementptr float, ptr addrspace(3) @pool, i64 %m
  %f = uitofp i32 %tid to float
  store float %f, ptr addrspace(3) %p, align 4
  call void @BARRIER@()
  %last = sub i32 %words, 1
  %other = sub i32 %last, %tid
  %o = zext i32 %other to i64
  %q = getelementptr float, ptr addrspace(3) @pool, i64 %o
  %v = load float, ptr addrspace(3) %q, align 4
  %t = zext i32 %tid to i64
  %r = getelementptr float, ptr addrspace(1) %out, i64 %t
  store float %v, ptr addrspace(1) %r, align 4
  ret void
}

; x[t] = weights[t % 4]
define @KERNEL@ void @weigh(ptr addrspace(1) %x) {
  %tid = call i32 @TID@()
  %k = and i32 %tid, 3
  %j = zext i32 %k to i64
  %w = getelementptr [4 x float], ptr addrspace(1) @weights, i64 0, i64 %j
  %v = load float, ptr addrspace(1) %w, align 4
  %t = zext i32 %tid to i64
  %p = getelementptr float, ptr addrspace(1) %x, i64 %t
  store float %v, ptr addrspace(1) %p, align 4
  ret void
}

declare i32 @TID@()
declare i32 @BLOCK@()
declare void @BARRIER@()
declare void @llvm.trap()
