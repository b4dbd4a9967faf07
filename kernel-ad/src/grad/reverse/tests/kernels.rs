//! Kernels over the features of reverse mode.

use super::{check, noise, Arg};
use shadow_mem::Role::{Dup, Out};

fn data(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|i| noise(1000 * seed + i)).collect()
}

fn positive(n: usize, seed: usize) -> Vec<f64> {
    data(n, seed).into_iter().map(|x| 0.3 + 0.5 * x.abs()).collect()
}

fn buf(n: usize, seed: usize) -> Arg {
    Arg::Buf(Dup, data(n, seed))
}

fn out(n: usize) -> Arg {
    Arg::Buf(Out, data(n, 77))
}

const HEAD: &str = "%t = tid.x %w = zext i32 %t to i64 %o = shl i64 %w, 3";

/// Catches a store whose shadow is not taken and cleared, and operands that are mixed up.
#[test]
fn straight_line() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, ptr %y, f64 %a) nvptx {{ entry: {HEAD}
             %px = ptradd ptr %x, i64 %o %py = ptradd ptr %y, i64 %o
             %v = load f64, ptr %px, align 8 %u = load f64, ptr %py, align 8
             %m = fmul f64 %v, %a %d = fdiv f64 %m, %u %s = fsub f64 %d, %v
             store f64 %s, ptr %py, align 8 ret }}"
        ),
        3,
        &[buf(3, 1), Arg::Buf(Dup, positive(3, 2)), Arg::Active(0.7)],
    );
    assert_eq!((g.tape.is_none(), g.stats.saved), (true, 0), "nothing is saved outside of loops");
}

/// Catches phis whose adjoint goes to the wrong side, and guards that are not reversed.
#[test]
fn branches() {
    check(
        &format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: {HEAD} %in = icmp slt i32 %t, %n br i1 %in, work, done
             work: %px = ptradd ptr %x, i64 %o %py = ptradd ptr %y, i64 %o %v = load f64, ptr %px, align 8
             %pos = fcmp ogt f64 %v, 0.0 br i1 %pos, up, down
             up: %sq = fmul f64 %v, %v %small = fcmp olt f64 %sq, 0.25 br i1 %small, tiny, join
             tiny: %cu = fmul f64 %sq, %v br join
             down: %e = math.exp f64 %v br join
             join: %r = phi f64 [%sq, up], [%cu, tiny], [%e, down] %q = phi f64 [2.0, up], [%v, tiny], [3.0, down]
             %p = fmul f64 %r, %q store f64 %p, ptr %py, align 8 br done
             done: ret }}"
        ),
        6,
        &[Arg::Buf(Dup, vec![0.2, 0.9, -0.4, 0.3, -0.8, 0.6]), out(6), Arg::Int(5)],
    );
}

/// Catches loop counters that run one iteration too many or too few, and induction variables rebuilt wrongly.
#[test]
fn counted_loop_without_tape() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: {HEAD} %pi = ptradd ptr %x, i64 %o %xi = load f64, ptr %pi, align 8 br head
             head: %j = phi i32 [0, entry], [%j2, body] %s = phi f64 [0.0, entry], [%s2, body] %more = icmp slt i32 %j, %n br i1 %more, body, end
             body: %jw = zext i32 %j to i64 %jo = shl i64 %jw, 3 %pj = ptradd ptr %x, i64 %jo %xj = load f64, ptr %pj, align 8
             %d = fsub f64 %xj, %xi %q = fmul f64 %d, %d %q2 = fadd f64 %q, 0.1 %r = math.rsqrt f64 %q2 %f = fmul f64 %r, %d
             %s2 = fadd f64 %s, %f %j2 = add nsw i32 %j, 1 br head
             end: %py = ptradd ptr %y, i64 %o store f64 %s, ptr %py, align 8 ret }}"
        ),
        4,
        &[buf(4, 3), out(4), Arg::Int(4)],
    );
    assert!(g.tape.is_none(), "everything can be computed again from the positions");
    assert_eq!(g.stats.saved, 0);
}

/// Catches tape slots that are off by one record, and records that are popped in the wrong order.
#[test]
fn recurrence_on_the_tape() {
    let text = format!(
        "kernel @k(ptr %x, f64 %r, i32 %n) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %x0 = load f64, ptr %px, align 8
         %any = icmp sgt i32 %n, 0 br i1 %any, loop, end
         loop: %j = phi i32 [0, entry], [%j2, loop] %v = phi f64 [%x0, entry], [%v2, loop]
         %m = fsub f64 1.0, %v %rv = fmul f64 %r, %v %v2 = fmul f64 %rv, %m %j2 = add nuw nsw i32 %j, 1
         %stop = icmp eq i32 %j2, %n br i1 %stop, end, loop
         end: %z = phi f64 [%x0, entry], [%v2, loop] store f64 %z, ptr %px, align 8 ret }}"
    );
    for n in [0, 1, 5] {
        let g = check(&text, 2, &[Arg::Buf(Dup, vec![0.3, 0.6]), Arg::Active(3.1), Arg::Int(n)]);
        assert_eq!(g.stats.saved, 1, "one number an iteration");
        assert!(g.tape.expect("a tape").bytes_per_thread.is_some(), "the trip count is a parameter");
    }
}

/// Catches trip counts and conditions of data-dependent loops that are not kept.
#[test]
fn while_loop_with_data() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %x0 = load f64, ptr %px, align 8 br head
             head: %v = phi f64 [%x0, entry], [%v2, body] %big = fcmp ogt f64 %v, 0.2 br i1 %big, body, end
             body: %s = math.sin f64 %v %v2 = fmul f64 %s, 0.7 br head
             end: %py = ptradd ptr %y, i64 %o %p = fmul f64 %v, %x0 store f64 %p, ptr %py, align 8 ret }}"
        ),
        3,
        &[Arg::Buf(Dup, vec![0.9, 0.1, 0.5]), out(3)],
    );
    assert!(g.counter.is_some(), "only a run can tell how long the tape is");
}

/// Catches early exits, `continue`, and merges inside of loops whose predecessor is forgotten.
#[test]
fn break_continue_and_return() {
    check(
        &format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %x0 = load f64, ptr %px, align 8 %py = ptradd ptr %y, i64 %o br head
             head: %j = phi i32 [0, entry], [%j2, next] %v = phi f64 [%x0, entry], [%w3, next] %more = icmp slt i32 %j, %n br i1 %more, body, end
             body: %v2 = fmul f64 %v, %v %v3 = fadd f64 %v2, 0.3 %big = fcmp ogt f64 %v3, 1.5 br i1 %big, early, on
             early: %e = fmul f64 %v3, %v store f64 %e, ptr %py, align 8 ret
             on: %odd = and i32 %j, 1 %is = icmp eq i32 %odd, 0 br i1 %is, next, other
             other: %low = fcmp olt f64 %v3, 0.45 br i1 %low, stop, more
             more: %c = math.cos f64 %v3 br next
             next: %w3 = phi f64 [%v3, on], [%c, more] %j2 = add nsw i32 %j, 1 br head
             stop: %st = fmul f64 %v3, %v3 br end
             end: %z = phi f64 [%v, head], [%st, stop] %z2 = fmul f64 %z, %x0 store f64 %z2, ptr %py, align 8 ret }}"
        ),
        6,
        &[Arg::Buf(Dup, vec![0.2, 1.3, 0.05, 0.9, -0.3, 0.7]), out(6), Arg::Int(6)],
    );
}

/// Catches records of outer iterations that are mixed with those of inner ones, and inner trip counts that are lost.
#[test]
fn nested_loops() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %x0 = load f64, ptr %px, align 8 br outer
             outer: %i = phi i32 [0, entry], [%i2, latch] %v = phi f64 [%x0, entry], [%v3, latch] %go = icmp slt i32 %i, %n br i1 %go, pre, end
             pre: %scale = fmul f64 %v, 0.5 %m = add nsw i32 %i, 1 br inner
             inner: %j = phi i32 [0, pre], [%j2, inner] %u = phi f64 [%v, pre], [%u2, inner]
             %us = fmul f64 %u, %scale %u2 = fadd f64 %us, 0.4 %j2 = add nuw nsw i32 %j, 1 %stop = icmp sge i32 %j2, %m br i1 %stop, latch, inner
             latch: %l = phi f64 [%u2, inner] %v3 = math.sin f64 %l %i2 = add nsw i32 %i, 1 br outer
             end: %py = ptradd ptr %y, i64 %o store f64 %v, ptr %py, align 8 ret }}"
        ),
        2,
        &[buf(2, 5), out(2), Arg::Int(4)],
    );
    assert!(g.counter.is_none(), "a triangle of iterations fits its square");
}

/// Catches a break out of two loops at once.
#[test]
fn break_out_of_two_loops() {
    check(
        &format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %x0 = load f64, ptr %px, align 8 %py = ptradd ptr %y, i64 %o br outer
             outer: %i = phi i32 [0, entry], [%i2, latch] %v = phi f64 [%x0, entry], [%u, latch] %go = icmp slt i32 %i, %n br i1 %go, inner, end
             inner: %j = phi i32 [0, outer], [%j2, cont] %u = phi f64 [%v, outer], [%u2, cont] %in = icmp slt i32 %j, 3 br i1 %in, body, latch
             body: %sq = fmul f64 %u, %u %u2 = fadd f64 %sq, 0.35 %big = fcmp ogt f64 %u2, 1.2 br i1 %big, out, cont
             cont: %j2 = add nsw i32 %j, 1 br inner
             latch: %i2 = add nsw i32 %i, 1 br outer
             out: %e = fmul f64 %u2, %v store f64 %e, ptr %py, align 8 ret
             end: %f = fmul f64 %v, 3.0 store f64 %f, ptr %py, align 8 ret }}"
        ),
        4,
        &[Arg::Buf(Dup, vec![0.1, 0.8, 0.4, -0.2]), out(4), Arg::Int(3)],
    );
}

/// Catches values that are reloaded although the kernel overwrote them.
#[test]
fn in_place_update_in_a_loop() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, i32 %n) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o br head
             head: %j = phi i32 [0, entry], [%j2, body] %more = icmp slt i32 %j, %n br i1 %more, body, end
             body: %v = load f64, ptr %px, align 8 %w2 = fmul f64 %v, %v %w3 = fadd f64 %w2, 0.2 store f64 %w3, ptr %px, align 8 %j2 = add nsw i32 %j, 1 br head
             end: ret }}"
        ),
        2,
        &[buf(2, 8), Arg::Int(4)],
    );
    assert!(g.stats.saved > 0);
}

/// Catches pointers that are bumped in a loop, and shadow pointers that are not.
#[test]
fn bumped_pointer_and_switch() {
    check(
        &format!(
            "kernel @k(ptr %x, ptr %y, ptr %sel, i32 %n) nvptx {{ entry: {HEAD} br head
             head: %j = phi i32 [0, entry], [%j2, join] %p = phi ptr [%x, entry], [%p2, join] %c = phi ptr [%sel, entry], [%c2, join] %s = phi f64 [0.0, entry], [%s2, join]
             %k = load i32, ptr %c, align 4 %v = load f64, ptr %p, align 8 switch i32 %k, default d, [0: a, 1: b, 2: join]
             a: %va = fmul f64 %v, %v br join
             b: %vb = math.exp f64 %v br join
             d: %vd = fmul f64 %v, %s br join
             join: %m = phi f64 [%va, a], [%vb, b], [%vd, d], [1.0, head] %s2 = fadd f64 %s, %m %p2 = ptradd ptr %p, i64 8 %c2 = ptradd ptr %c, i64 4
             %j2 = add nsw i32 %j, 1 %stop = icmp eq i32 %j2, %n br i1 %stop, end, head
             end: %py = ptradd ptr %y, i64 %o store f64 %s2, ptr %py, align 8 ret }}"
        ),
        1,
        &[buf(6, 4), out(1), Arg::Ints(vec![0, 1, 2, 7, 1, 3]), Arg::Int(6)],
    );
}

/// Catches local arrays without a shadow, and adjoints that stay in it from one write to the next.
#[test]
fn local_array() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: %loc = alloca ptr bytes 32, align 8 {HEAD} br fill
             fill: %i = phi i64 [0, entry], [%i2, fill] %io = shl i64 %i, 3 %pl = ptradd ptr %loc, i64 %io %px = ptradd ptr %x, i64 %io
             %v = load f64, ptr %px, align 8 %vv = fmul f64 %v, %v store f64 %vv, ptr %pl, align 8 %i2 = add nuw nsw i64 %i, 1 %st = icmp eq i64 %i2, 4 br i1 %st, mid, fill
             mid: br loop
             loop: %j = phi i32 [0, mid], [%j2, loop] %a = and i32 %j, 3 %aw = zext i32 %a to i64 %ao = shl i64 %aw, 3 %pa = ptradd ptr %loc, i64 %ao
             %b = add i32 %j, 1 %bm = and i32 %b, 3 %bw = zext i32 %bm to i64 %bo = shl i64 %bw, 3 %pb = ptradd ptr %loc, i64 %bo
             %la = load f64, ptr %pa, align 8 %lb = load f64, ptr %pb, align 8 %pr = fmul f64 %la, %lb %pr2 = fadd f64 %pr, 0.1 store f64 %pr2, ptr %pa, align 8
             %j2 = add nsw i32 %j, 1 %more = icmp slt i32 %j2, %n br i1 %more, loop, end
             end: %p3 = ptradd ptr %loc, i64 8 %r = load f64, ptr %p3, align 8 %py = ptradd ptr %y, i64 %o store f64 %r, ptr %py, align 8 ret }}"
        ),
        1,
        &[buf(4, 6), out(1), Arg::Int(7)],
    );
    assert!(g.stats.plain_adds > 0, "local shadows need no atomics");
}

/// Catches the adjoint of atomic sums, and sums into a buffer that other threads add to as well.
#[test]
fn atomic_sum_and_selects() {
    check(
        &format!(
            "kernel @k(ptr %x, ptr %sum) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %v = load f64, ptr %px, align 8
             %c = fcmp olt f64 %v, 0.0 %n = fneg f64 %v %a = select i1 %c, f64 %n, %v %q = fmul f64 %a, %v
             %old = atomicrmw fadd ptr %sum, f64 %q, align 8 monotonic scope(device) ret }}"
        ),
        5,
        &[buf(5, 9), buf(1, 10)],
    );
}

/// Catches copies and clears of active memory that are not reversed.
#[test]
fn copies_and_clears() {
    check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: %loc = alloca ptr bytes 16, align 8 {HEAD}
             memcpy ptr %loc, ptr %x, i64 16, align 8, align 8 %q = ptradd ptr %loc, i64 8
             %a = load f64, ptr %loc, align 8 %b = load f64, ptr %q, align 8 %p = fmul f64 %a, %b
             memset ptr %y, i8 0, i64 8, align 8 %y1 = ptradd ptr %y, i64 8 store f64 %p, ptr %y1, align 8
             memcpy ptr %x, ptr %y1, i64 8, align 8, align 8 ret }}"
        ),
        1,
        &[buf(3, 11), buf(3, 12)],
    );
}

/// The thread's number in the grid, eight bytes apart.
const GRID: &str = "%t = tid.x %b = bid.x %d = bdim.x %bd = mul i32 %b, %d %g = add i32 %bd, %t %w = sext i32 %g to i64 %o = shl i64 %w, 3";

/// Catches atomics where no other thread can be, and their absence where others can.
#[test]
fn only_own_elements_are_added_plainly() {
    let own = check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: {GRID} %px = ptradd ptr %x, i64 %o %py = ptradd ptr %y, i64 %o
             %v = load f64, ptr %px, align 8 %q = fmul f64 %v, %v store f64 %q, ptr %py, align 8 ret }}"
        ),
        4,
        &[buf(4, 13), out(4)],
    );
    assert_eq!((own.stats.atomic_adds, own.stats.plain_adds), (0, 1));
    assert!(own.assumptions.contains(&shadow_mem::Assumption::OneAlong { axes: vec![1, 2] }));
    // The neighbour's element is read as well: x is shared, although y is not.
    let gather = check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: {GRID} %px = ptradd ptr %x, i64 %o %py = ptradd ptr %y, i64 %o %pn = ptradd ptr %px, i64 8
             %v = load f64, ptr %px, align 8 %u = load f64, ptr %pn, align 8 %q = fmul f64 %v, %u store f64 %q, ptr %py, align 8 ret }}"
        ),
        4,
        &[buf(5, 14), out(4)],
    );
    assert_eq!((gather.stats.atomic_adds, gather.stats.plain_adds), (2, 0));
    // Two threads share an element of half the stride.
    let halved = check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: {GRID} %h = lshr i64 %w, 1 %oh = shl i64 %h, 3 %px = ptradd ptr %x, i64 %oh %py = ptradd ptr %y, i64 %o
             %v = load f64, ptr %px, align 8 %q = fmul f64 %v, %v store f64 %q, ptr %py, align 8 ret }}"
        ),
        4,
        &[buf(4, 15), out(4)],
    );
    assert_eq!((halved.stats.atomic_adds, halved.stats.plain_adds), (1, 0));
    // Records of two numbers, both read by their own thread.
    let records = check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: {GRID} %o2 = shl i64 %w, 4 %px = ptradd ptr %x, i64 %o2 %p2 = ptradd ptr %px, i64 8 %py = ptradd ptr %y, i64 %o
             %v = load f64, ptr %px, align 8 %u = load f64, ptr %p2, align 8 %q = fmul f64 %v, %u store f64 %q, ptr %py, align 8 ret }}"
        ),
        3,
        &[buf(6, 16), out(3)],
    );
    assert_eq!((records.stats.atomic_adds, records.stats.plain_adds), (0, 2));
}

/// Catches branch bits that go to the tape although integers decide, and those that do not although sums decide.
#[test]
fn branches_on_integers_are_recomputed_in_loops() {
    let text = |cond: &str| {
        format!(
            "kernel @k(ptr %x, ptr %y, i32 %n) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %xi = load f64, ptr %px, align 8 br head
             head: %j = phi i32 [0, entry], [%j2, next] %s = phi f64 [0.0, entry], [%s2, next] %jw = zext i32 %j to i64 %jo = shl i64 %jw, 3
             %pj = ptradd ptr %x, i64 %jo %xj = load f64, ptr %pj, align 8 %d = fsub contract f64 %xj, %xi {cond} br i1 %c, skip, work
             skip: br next
             work: %q = fmul f64 %d, %d br next
             next: %a = phi f64 [%xj, skip], [%q, work] %s2 = fadd f64 %s, %a %j2 = add nsw i32 %j, 1 %stop = icmp eq i32 %j2, %n br i1 %stop, end, head
             end: %py = ptradd ptr %y, i64 %o store f64 %s2, ptr %py, align 8 ret }}"
        )
    };
    let args = [buf(4, 17), out(4), Arg::Int(4)];
    let integers = check(&text("%c = icmp eq i32 %j, %t"), 4, &args);
    assert!(integers.tape.is_none() && integers.stats.saved == 0);
    let sums = check(&text("%c = fcmp olt f64 %d, 0.1"), 4, &args);
    assert_eq!(sums.stats.saved, 1, "a sum that the compiler may fuse must not decide twice");
}

/// Catches pointers that are copied with a struct while their shadows are left behind.
#[test]
fn pointers_copied_as_bytes() {
    let k = crate::kernel::parse(&format!(
        "kernel @k(ptr.param byval(16, 8, {{ptr, ptr}}) %s, i32 %sel) nvptx {{ entry: %loc = alloca ptr bytes 16, align 8 {HEAD}
         memcpy ptr %loc, ptr.param %s, i64 16, align 8, align 8 %c = zext i32 %sel to i64 %co = shl i64 %c, 3 %pp = ptradd ptr %loc, i64 %co
         %p = load ptr, ptr %pp, align 8 %px = ptradd ptr %p, i64 %o %v = load f64, ptr %px, align 8 %q = fmul f64 %v, %v
         %p1 = ptradd ptr %loc, i64 8 %y = load ptr, ptr %p1, align 8 store f64 %q, ptr %y, align 8 ret }}"
    ))
    .unwrap_or_else(|e| panic!("{e}"));
    let g = super::reverse(&k, &crate::grad::Roles::of(&[Dup, shadow_mem::Role::Const]), &Default::default())
        .unwrap_or_else(|e| panic!("{e}"));
    let text = crate::kernel::print(&g.kernel);
    assert!(text.contains("%s.shadow, i64 16"), "the shadow struct is copied beside the struct\n{text}");
}

/// Catches rows that are taken to be apart although a thread may run over the end of its row.
#[test]
fn rows_are_apart_only_behind_their_guard() {
    let text = |guard: &str| {
        format!(
            "kernel @k(ptr %x, ptr %y, i32 %nx, i32 %ny) nvptx {{ entry: %t = tid.x %b = bid.x %d = bdim.x %bd = mul i32 %b, %d %gx = add i32 %bd, %t
             %ty = tid.y %by = bid.y %dy = bdim.y %byd = mul i32 %by, %dy %gy = add i32 %byd, %ty
             %in = icmp slt i32 %gx, %nx %iny = icmp slt i32 %gy, %ny %both = and i1 %in, %iny br i1 {guard}, work, done
             work: %row = mul nsw i32 %gy, %nx %i = add nsw i32 %row, %gx %w = sext i32 %i to i64 %o = shl nsw i64 %w, 3
             %px = ptradd ptr %x, i64 %o %py = ptradd ptr %y, i64 %o %v = load f64, ptr %px, align 8 %q = fmul f64 %v, %v store f64 %q, ptr %py, align 8 br done
             done: ret }}"
        )
    };
    let args = [buf(4, 18), out(4), Arg::Int(3), Arg::Int(1)];
    let guarded = check(&text("%both"), 4, &args);
    assert_eq!((guarded.stats.atomic_adds, guarded.stats.plain_adds), (0, 1));
    assert!(guarded.assumptions.contains(&shadow_mem::Assumption::OneAlong { axes: vec![2] }));
    let open = check(&text("%iny"), 4, &args);
    assert_eq!((open.stats.atomic_adds, open.stats.plain_adds), (1, 0));
}

/// Catches a loop that goes on while equal, and is taken to run once or for ever.
#[test]
fn loop_of_two_iterations() {
    let g = check(
        &format!(
            "kernel @k(ptr %x, ptr %y) nvptx {{ entry: {HEAD} %px = ptradd ptr %x, i64 %o %x0 = load f64, ptr %px, align 8 br loop
             loop: %j = phi i32 [0, entry], [%j2, loop] %v = phi f64 [%x0, entry], [%v2, loop] %s = math.sin f64 %v %v2 = fmul f64 %s, %v
             %j2 = add nuw nsw i32 %j, 1 %first = icmp eq i32 %j, 0 br i1 %first, loop, end
             end: %py = ptradd ptr %y, i64 %o store f64 %v2, ptr %py, align 8 ret }}"
        ),
        2,
        &[buf(2, 19), out(2)],
    );
    assert!(g.tape.is_none() && g.counter.is_none(), "two records fit local memory");
}
