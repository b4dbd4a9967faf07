//! Races are found where they are, and nowhere else.

use super::tests::{error, run_words, with_own};
use super::*;

const TILE: &str = "global ptr.shared @s bytes 256 align 4\n";

fn ok(text: &str, grid: u32, block: u32, n: usize) -> Vec<i32> {
    run_words(text, grid, block, n, &Options::sanitize()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn races(text: &str, grid: u32, block: u32, n: usize) {
    let e = error(text, grid, block, n, &Options { races: true, ..Options::default() });
    assert!(e.contains("race on byte"), "{e}");
}

/// Every thread writes its word of shared memory; then, behind `between`, thread `t` reads that of `t ^ 1`.
fn exchange(between: &str) -> String {
    TILE.to_string()
        + &with_own(&format!(
            "%tz = zext i32 %t to i64 %so = shl i64 %tz, 2 %q = ptradd ptr.shared @s, i64 %so store i32 %t, %q {between} \
             %m = xor i32 %t, 1 %mz = zext i32 %m to i64 %mo = shl i64 %mz, 2 \
             %r = ptradd ptr.shared @s, i64 %mo %v = load i32, %r store i32 %v, %p ret"
        ))
}

#[test]
fn what_orders_the_lanes_of_a_warp() {
    let swapped: Vec<i32> = (0..8).map(|t| t ^ 1).collect();
    assert_eq!(ok(&exchange("warp.sync i32 -1"), 1, 8, 8), swapped);
    // A shuffle or a vote brings lanes together and orders no memory.
    races(&exchange("%w = warp.shfl_bfly i32 -1, i32 %t, i32 1, 31"), 1, 8, 8);
    races(&exchange("%c = icmp eq i32 %t, 0 %w = warp.vote_any i32 -1, i1 %c"), 1, 8, 8);
    races(&exchange("fence seq_cst"), 1, 8, 8);
    // Pairs with a mask of their own.
    let pairs = "%pair = and i32 %t, 30 %mask = shl i32 3, %pair warp.sync i32 %mask";
    assert_eq!(ok(&exchange(pairs), 1, 8, 8), swapped);
    let other_pairs = "%up = add i32 %t, 1 %pair = and i32 %up, 6 %two = shl i32 3, %pair %both = lshr i32 %two, 1 \
                       %wrap = icmp eq i32 %pair, 0 %mask = select %wrap, i32 129, i32 %both warp.sync i32 %mask";
    races(&exchange(other_pairs), 1, 8, 8);
    // Warps are not ordered with each other.
    let across = exchange("warp.sync i32 -1").replace("xor i32 %t, 1", "xor i32 %t, 32");
    races(&across, 1, 64, 64);
}

#[test]
fn barriers_of_some_threads_order_those() {
    let half = "%h = lshr i32 %t, 6 %id = add i32 %h, 1 barrier.sync id i32 %id count i32 64";
    let far = |mask: u32| exchange(half).replace("xor i32 %t, 1", &format!("xor i32 %t, {mask}"));
    let far = |mask| far(mask).replace("bytes 256", "bytes 512");
    assert_eq!(ok(&far(32), 1, 128, 128)[..2], [32, 33]);
    races(&far(64), 1, 128, 128);
    // What one half knows from the other goes on through a second barrier.
    let text = "barrier.sync id i32 3 count i32 128";
    assert_eq!(ok(&far(64).replace("count i32 64", &format!("count i32 64 {text}")), 1, 128, 128)[0], 64);
}

#[test]
fn arrivals_hand_on_what_was_done() {
    // Warp 0 writes and arrives; warp 1 waits and reads.
    let text = |first: &str, rest: &str| {
        TILE.to_string()
            + &with_own(&format!(
                "%lane = and i32 %t, 31 %tz = zext i32 %lane to i64 %so = shl i64 %tz, 2 %q = ptradd ptr.shared @s, i64 %so \
                 %c = icmp ult i32 %t, 32 br %c, a, b a: {first} ret \
                 b: barrier.sync id i32 1 count i32 64 %v = load i32, %q store i32 %v, %p {rest} ret"
            ))
    };
    let arrive = "barrier.arrive id i32 1 count i32 64";
    assert_eq!(ok(&text(&format!("store i32 7, %q {arrive}"), ""), 1, 64, 64)[32..34], [7, 7]);
    races(&text(&format!("store i32 7, %q {arrive} store i32 8, %q"), ""), 1, 64, 64);
}

/// Thread 0 of each block writes its word and counts itself; the last one reads all.
fn last_block(fence: &str, scope: &str) -> String {
    with_own(&format!(
        "%v = add i32 %blk, 5 store i32 %v, %p {fence} %n = ptradd ptr.global %x, i64 8 \
         %old = atomicrmw add %n, i32 1 {scope} \
         %last = icmp eq i32 %old, 1 br %last, sum, out \
         sum: %one = ptradd ptr.global %x, i64 4 %a = load i32, %x %b = load i32, %one %ab = add i32 %a, %b \
         %r = ptradd ptr.global %x, i64 12 store i32 %ab, %r ret out: ret"
    ))
}

#[test]
fn fences_publish_to_the_last_block() {
    let (device, block) = ("monotonic scope(device)", "monotonic scope(block)");
    assert_eq!(ok(&last_block("fence seq_cst scope(device)", device), 2, 1, 4), [5, 6, 2, 11]);
    races(&last_block("", device), 2, 1, 4);
    races(&last_block("fence seq_cst scope(block)", device), 2, 1, 4);
    // The counter itself is no meeting place of blocks when it is atomic for one block only.
    races(&last_block("fence seq_cst scope(device)", block), 2, 1, 4);
    // NVIDIA's atomics carry no ordering, whatever the IR says; AMD's do.
    races(&last_block("", "seq_cst scope(device)"), 2, 1, 4);
    let amd = last_block("", "acq_rel scope(device)").replace("nvptx", "amdgpu");
    assert_eq!(ok(&amd, 2, 1, 4)[3], 11);
}

#[test]
fn atomic_and_plain_accesses() {
    // A shadow that is added to by all, and read by one of them without a barrier: also by the one that added last.
    let read = |who: u32| {
        with_own(&format!(
            "accumulate atomic ptr.global %x, f32 1.0 %c = icmp eq i32 %t, {who} br %c, a, out \
             a: %v = load f32, %x %q = ptradd ptr.global %x, i64 4 store f32 %v, %q ret out: ret"
        ))
    };
    (1..4).for_each(|who| races(&read(who), 1, 4, 2));
    let behind = read(3).replace("%c = icmp", "barrier.sync %c = icmp");
    assert_eq!(ok(&behind, 1, 4, 2)[1], 4f32.to_bits() as i32);
    // Adding after a plain read of somebody else.
    let late = with_own("%v = load f32, %x accumulate atomic ptr.global %x, f32 1.0 ret");
    races(&late, 1, 2, 1);
    // Volatile accesses wait for each other.
    let volatile = with_own("store i32 1, %x volatile %v = load i32, %x volatile ret");
    ok(&volatile, 2, 2, 1);
}
