use super::*;
use shadow_mem::host::{CutKind, EXITED};

fn pieces(text: &str) -> Split {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}"));
    let s = split(&k).unwrap_or_else(|e| panic!("{e}"));
    for r in &s.regions {
        verify(&r.kernel).unwrap_or_else(|e| panic!("{e}\n{}", print(&r.kernel)));
    }
    s
}

// Catches: a kernel without barriers that is cut all the same and pays for slots.
#[test]
fn no_barrier_no_cut() {
    let s =
        pieces("kernel @k(i32 %n) nvptx { e: %t = tid.x %c = icmp ult %t, %n br %c, a, b a: br b b: ret }");
    assert_eq!((s.regions.len(), s.cuts.len(), s.slot_bytes), (1, 0, 0));
    assert_eq!(s.regions[0].exit, Some(EXITED));
}

// Catches: regions that are not valid kernels, loop values without a slot, coordinates that needlessly have one, states that
// name the wrong region.
#[test]
fn barrier_in_a_loop() {
    let s = pieces(
        "kernel @k(ptr.global %p, i32 %n) nvptx {
        e: %t = tid.x %w = sext i32 %t to i64 %q = ptradd ptr.global %p, i64 %w br l
        l: %i = phi i32 [0, e], [%j, l] %x = load i32, ptr.global %q %y = add i32 %x, %i barrier.sync
           store i32 %y, ptr.global %q barrier.sync %j = add i32 %i, 1 %c = icmp ult i32 %j, %n br %c, l, r
        r: ret }",
    );
    assert_eq!((s.regions.len(), s.cuts.len()), (3, 2));
    assert!(s.cuts.iter().all(|c| matches!(c.kind, CutKind::Barrier(_))));
    // The start and the part between the barriers have one exit; the loop's end has two.
    assert_eq!(s.regions[0].exit, Some(3));
    assert_eq!(s.regions[1].exit, Some(4));
    assert_eq!(s.regions[2].exit, None);
    // `i` and `y`; the address is made anew.
    assert_eq!(s.slot_bytes, 8);
    assert_eq!((s.cuts[0].resume, s.cuts[1].resume), (1, 2));
}
