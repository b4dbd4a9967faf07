//! The drain, on kernels whose threads leave after different numbers of barriers.

use super::drain;
use crate::diag::Code;
use crate::interp::{self, Arg, Launch, Memory, Options};
use crate::kernel::*;

fn kernel(body: &str) -> Kernel {
    let text = format!(
        "global ptr.shared @s bytes 256 align 4
         kernel @k(ptr.global %x, i32 %n) nvptx {{
         entry: %t = tid.x %tz = zext i32 %t to i64 %o = shl i64 %tz, 2
         %own = ptradd ptr.shared @s, i64 %o %p = ptradd ptr.global %x, i64 %o {body} }}"
    );
    let k = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    k
}

fn run(k: &Kernel, threads: u32, n: i32) -> Vec<u8> {
    let mut memory = Memory::new();
    let x = memory.alloc("x", &vec![0; 4 * threads as usize]);
    let args = vec![Arg::Pointer(x), Arg::Int(n.into())];
    let launch = Launch { grid: [1, 1, 1], block: [threads, 1, 1], shared: 0, args };
    interp::run(k, &launch, &mut memory, &Options::sanitize())
        .unwrap_or_else(|e| panic!("{e}\n{}", print(k)));
    memory.bytes(x).to_vec()
}

/// A tree in shared memory; threads of the upper half leave after each step.
const LEAVERS: &str = "store i32 %t, %own br loop
    loop: %w = phi i32 [16, entry], [%h, next]
    barrier.sync
    %c = icmp ult i32 %t, %w
    br %c, add, out
    add: %q = add i32 %t, %w %qz = zext i32 %q to i64 %qo = shl i64 %qz, 2 %other = ptradd ptr.shared @s, i64 %qo
    %a = load i32, %own %b = load i32, %other %sum = add i32 %a, %b store i32 %sum, %own
    %h = lshr i32 %w, 1 %z = icmp eq i32 %h, 0 br %z, out, next
    next: br loop
    out: %v = load i32, %own store i32 %v, %p ret";

// Catches: a drain that changes what the kernel computes, or that never ends.
#[test]
fn leavers_take_part_in_later_barriers() {
    let before = kernel(LEAVERS);
    let mut after = before.clone();
    assert!(drain(&mut after).unwrap());
    verify(&after).unwrap_or_else(|e| panic!("{e}\n{}", print(&after)));
    assert!(!print(&after).contains("barrier.sync"), "{}", print(&after));
    for threads in [32] {
        assert_eq!(run(&before, threads, 0), run(&after, threads, 0));
    }
}

// Catches: kernels that pay for a drain though all their threads meet at all barriers, or leave before the first.
#[test]
fn even_kernels_are_left_alone() {
    let uniform_loop = "br loop
        loop: %i = phi i32 [0, entry], [%j, loop]
        store i32 %i, %own barrier.sync %j = add i32 %i, 1 %c = icmp ult i32 %j, %n br %c, loop, out
        out: %v = load i32, %own store i32 %v, %p ret";
    let guard = "%c = icmp ult i32 %t, %n br %c, work, out
        work: store i32 %t, %own barrier.sync %v = load i32, %own store i32 %v, %p br out
        out: ret";
    let last = "store i32 %t, %own barrier.sync %c = icmp eq i32 %t, 0 br %c, one, out
        one: %v = load i32, %own store i32 %v, %p br out
        out: ret";
    let voted =
        "%c = icmp ult i32 %t, %n %all = barrier.and pred i1 %c %z = icmp eq i32 %all, 0 br %z, more, out
        more: barrier.sync br out
        out: ret";
    for body in [uniform_loop, guard, last, voted] {
        let mut k = kernel(body);
        let text = print(&k);
        assert!(!drain(&mut k).unwrap(), "{body}");
        assert_eq!(print(&k), text);
    }
}

// Catches: a thread that turns round while others still use in reverse what it left behind for them.
#[test]
fn guards_behind_which_something_is_left_are_drained() {
    let wrote = "store i32 %t, %own %c = icmp ult i32 %t, %n br %c, work, out
        work: barrier.sync %v = load i32, %own store i32 %v, %p br out
        out: ret";
    let read = "%f = load f32, %p %c = icmp ult i32 %t, %n br %c, work, out
        work: barrier.sync store f32 1.0, %p br out
        out: ret";
    for body in [wrote, read] {
        assert!(drain(&mut kernel(body)).unwrap(), "{body}");
    }
}

// Catches: a divergent branch that is taken for a uniform one, here by the loop that its condition comes from.
#[test]
fn divergence_spreads() {
    let by_loop = "br count
        count: %i = phi i32 [0, entry], [%j, count] %j = add i32 %i, 1 %c = icmp ult i32 %j, %t br %c, count, then
        then: %big = icmp ult i32 %j, 4 barrier.sync br %big, more, out
        more: barrier.sync br out
        out: ret";
    let by_merge = "%c = icmp ult i32 %t, 4 br %c, a, b a: br m b: br m
        m: %i = phi i32 [0, a], [1, b] barrier.sync %z = icmp eq i32 %i, 0 br %z, more, out
        more: barrier.sync br out
        out: ret";
    let by_memory =
        "store i32 %t, %own barrier.sync %v = load i32, %own %z = icmp eq i32 %v, 0 br %z, more, out
        more: barrier.sync br out
        out: ret";
    for body in [by_loop, by_merge, by_memory] {
        assert!(drain(&mut kernel(body)).unwrap(), "{body}");
    }
}

// Catches: a drain around barriers that it cannot stand in for.
#[test]
fn barriers_with_results_or_numbers_are_refused() {
    for wait in ["%r = barrier.popc pred i1 %c", "barrier.sync id i32 1"] {
        let body = format!(
            "%c = icmp ult i32 %t, 4 barrier.sync br %c, more, out
             more: {wait} br out
             out: ret"
        );
        let e = drain(&mut kernel(&body)).unwrap_err();
        assert_eq!(e.0[0].code, Code::BarrierInGradient, "{e}");
    }
}
