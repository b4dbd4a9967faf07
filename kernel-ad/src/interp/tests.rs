use super::*;
use crate::diag::Diagnostics;
use crate::kernel::{parse, verify, FloatTy, Kernel};

fn kernel(text: &str) -> Kernel {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    k
}

fn launch(grid: u32, block: u32, args: Vec<Arg>) -> Launch {
    Launch { grid: [grid, 1, 1], block: [block, 1, 1], shared: 0, args }
}

fn floats(xs: &[f32]) -> Vec<u8> {
    xs.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn words(m: &Memory, p: Pointer) -> Vec<i32> {
    m.bytes(p).chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn f32s(m: &Memory, p: Pointer) -> Vec<f32> {
    m.bytes(p).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Runs a kernel with one buffer of `n` words that starts as `fill`.
pub(super) fn run_words(
    text: &str,
    grid: u32,
    block: u32,
    n: usize,
    options: &Options,
) -> Result<Vec<i32>, Diagnostics> {
    let mut m = Memory::new();
    let x = m.alloc("x", &vec![0; 4 * n]);
    run(&kernel(text), &launch(grid, block, vec![Arg::Pointer(x)]), &mut m, options)?;
    Ok(words(&m, x))
}

pub(super) fn error(text: &str, grid: u32, block: u32, n: usize, options: &Options) -> String {
    run_words(text, grid, block, n, options).expect_err("should fail").to_string()
}

/// Index of the thread in the grid, address of its word in `%x`.
const OWN: &str = "%t = tid.x %blk = bid.x %dim = bdim.x %bd = mul i32 %blk, %dim %g = add i32 %bd, %t \
                   %gz = zext i32 %g to i64 %o = shl i64 %gz, 2 %p = ptradd ptr.global %x, i64 %o ";

pub(super) fn with_own(body: &str) -> String {
    format!("kernel @k(ptr.global %x) nvptx {{ e: {OWN} {body} }}")
}

#[test]
fn loops_and_phis() {
    // Fibonacci by parallel phis: catches phis that are moved one after the other.
    let text = with_own(
        "br l l: %a = phi i32 [0, e], [%b2, l] %b2 = phi i32 [1, e], [%s, l] %i = phi i32 [0, e], [%j, l] \
         %s = add i32 %a, %b2 %j = add i32 %i, 1 %c = icmp ult i32 %i, %g br %c, l, out out: store i32 %a, %p ret",
    );
    assert_eq!(run_words(&text, 2, 4, 8, &Options::sanitize()).unwrap(), [0, 1, 1, 2, 3, 5, 8, 13]);
}

#[test]
fn switch_and_select() {
    let text = with_own(
        "switch i32 %g, default d, [0: a, 2: a, 3: b] a: br out b: br out d: br out \
         out: %v = phi i32 [10, a], [20, b], [30, d] %c = icmp eq i32 %g, 5 %w = select %c, %v, -1 store i32 %w, %p ret",
    );
    assert_eq!(run_words(&text, 1, 6, 6, &Options::default()).unwrap(), [-1, -1, -1, -1, -1, 30]);
}

#[test]
fn out_of_bounds_names_object_and_thread() {
    let e = error(&with_own("store i32 1, %p ret"), 2, 4, 6, &Options::default());
    assert!(e.contains("write of 4 bytes at offset 24 of `x`, which has 24 bytes"), "{e}");
    assert!(e.contains("thread (2, 0, 0) of block (1, 0, 0)"), "{e}");
}

/// Catches an interpreter that lets a pointer wander into a neighbouring object.
#[test]
fn pointers_do_not_reach_other_objects() {
    let mut m = Memory::new();
    let (x, y) = (m.alloc("x", &[0; 16]), m.alloc("y", &[0; 16]));
    let k = kernel("kernel @k(ptr.global %x, i64 %d) nvptx { e: %p = ptradd %x, %d store i32 1, %p ret }");
    let distance = i128::from(y.addr - x.addr);
    let l = launch(1, 1, vec![Arg::Pointer(x), Arg::Int(distance)]);
    assert!(run(&k, &l, &mut m, &Options::default()).is_err());
    // Through an integer the address is all there is.
    let k = kernel(
        "kernel @k(ptr.global %x, i64 %d) nvptx { e: %i = ptrtoint %x to i64 %j = add %i, %d \
         %p = inttoptr %j to ptr.global store i32 7, %p ret }",
    );
    run(&k, &l, &mut m, &Options::default()).unwrap();
    assert_eq!(words(&m, y)[0], 7);
}

#[test]
fn unwritten_reads() {
    let text = with_own("%l = alloca ptr bytes 8, align 4 %v = load i32, ptr %l store i32 %v, %p ret");
    assert!(run_words(&text, 1, 1, 1, &Options::default()).is_ok());
    let e = error(&text, 1, 1, 1, &Options::sanitize());
    assert!(e.contains("read of byte 0 of `local memory 0`, which nothing has written"), "{e}");
}

const TILE: &str = "global ptr.shared @s bytes 256 align 4\n";

/// Writes own word of shared memory, reads the neighbour's, with or without a barrier between.
fn neighbour(between: &str) -> String {
    TILE.to_string()
        + &with_own(&format!(
            "%tz = zext i32 %t to i64 %so = shl i64 %tz, 2 %q = ptradd ptr.shared @s, i64 %so store i32 %g, %q {between} \
             %n = add i32 %t, 1 %m = and i32 %n, 63 %mz = zext i32 %m to i64 %mo = shl i64 %mz, 2 \
             %r = ptradd ptr.shared @s, i64 %mo %v = load i32, %r store i32 %v, %p ret"
        ))
}

#[test]
fn barriers_order_shared_memory() {
    for order in [Order::Forward, Order::Backward, Order::Shuffled(3)] {
        let options = Options { order, ..Options::sanitize() };
        let out = run_words(&neighbour("barrier.sync"), 2, 64, 128, &options).unwrap();
        for (i, v) in out.iter().enumerate() {
            assert_eq!(*v as usize, i / 64 * 64 + (i + 1) % 64);
        }
    }
}

#[test]
fn a_missing_barrier_is_a_race() {
    let options = Options { races: true, ..Options::default() };
    let e = error(&neighbour(""), 1, 64, 64, &options);
    assert!(e.contains("race on byte") && e.contains("`s`"), "{e}");
    // Without the check, the order of threads shows it.
    let forward = run_words(&neighbour(""), 1, 64, 64, &Options::default()).unwrap();
    let backward =
        run_words(&neighbour(""), 1, 64, 64, &Options { order: Order::Backward, ..Options::default() })
            .unwrap();
    assert_ne!(forward, backward);
}

#[test]
fn races_between_blocks_and_atomics() {
    let options = Options::sanitize();
    let e = error("kernel @k(ptr.global %x) nvptx { e: store i32 1, %x ret }", 2, 1, 1, &options);
    assert!(e.contains("race on byte 0 of `x`"), "{e}");
    let add = "kernel @k(ptr.global %x) nvptx { e: atomicrmw add %x, i32 1 ret }";
    assert_eq!(run_words(add, 3, 5, 1, &options).unwrap(), [15]);
    let plain = "kernel @k(ptr.global %x) nvptx { e: accumulate ptr.global %x, f32 1.0 ret }";
    assert!(error(plain, 1, 2, 1, &options).contains("race"));
    let atomic = "kernel @k(ptr.global %x) nvptx { e: accumulate atomic ptr.global %x, f32 1.0 ret }";
    assert_eq!(run_words(atomic, 3, 5, 1, &options).unwrap(), [15f32.to_bits() as i32]);
}

#[test]
fn divergent_barriers_are_errors() {
    let text = with_own("%c = icmp ult %t, 2 br %c, a, b a: barrier.sync br o b: barrier.sync br o o: ret");
    let e = error(&text, 1, 4, 4, &Options::default());
    assert!(e.contains("KAD0305") && e.contains("different barriers"), "{e}");
    let e = error(
        "kernel @k(ptr.global %x) nvptx { e: %t = tid.x warp.sync i32 %t ret }",
        1,
        4,
        1,
        &Options::default(),
    );
    assert!(e.contains("not in the mask"), "{e}");
    let text = with_own("%c = icmp ult %t, 2 br %c, a, o a: warp.sync i32 -1 br o o: barrier.sync ret");
    let e = error(&text, 1, 4, 4, &Options::default());
    assert!(e.contains("wait for others that never come") && e.contains("barrier.sync"), "{e}");
    // A thread that has returned is not waited for.
    let text = with_own("%c = icmp ult %t, 2 br %c, a, o a: ret o: barrier.sync store i32 1, %p ret");
    assert_eq!(run_words(&text, 1, 4, 4, &Options::default()).unwrap(), [0, 0, 1, 1]);
}

#[test]
fn barrier_reductions() {
    let text = with_own("%c = icmp ult %t, 3 %n = barrier.popc pred i1 %c store i32 %n, %p ret");
    assert_eq!(run_words(&text, 1, 5, 5, &Options::default()).unwrap(), [3; 5]);
}

#[test]
fn warp_operations() {
    let value = |op: &str| with_own(&format!("%v = {op} store i32 %v, %p ret"));
    let run = |op: &str| run_words(&value(op), 1, 32, 32, &Options::default()).unwrap();
    assert_eq!(run("warp.shfl_down i32 -1, i32 %g, i32 4, 31")[..2], [4, 5]);
    assert_eq!(run("warp.shfl_down i32 -1, i32 %g, i32 4, 31")[28..], [28, 29, 30, 31]);
    assert_eq!(run("warp.shfl_up i32 -1, i32 %g, i32 1, 0")[..3], [0, 0, 1]);
    assert_eq!(run("warp.shfl_bfly i32 -1, i32 %g, i32 16, 31")[..2], [16, 17]);
    // Segments of 8 lanes: clamp 0x1807 is what __shfl_sync(..., 8) passes.
    assert_eq!(run("warp.shfl_idx i32 -1, i32 %g, i32 3, 6175")[6..10], [3, 3, 11, 11]);
    assert_eq!(run("warp.redux_add i32 -1, i32 %g")[7], 31 * 16);
    assert_eq!(run("warp.match_any i32 -1, i32 7")[0], -1);
    assert_eq!(run("warp.activemask")[9], -1);
    let text = with_own("%c = icmp ult %t, 5 %v = warp.ballot i32 -1, i1 %c store i32 %v, %p ret");
    assert_eq!(run_words(&text, 1, 32, 32, &Options::default()).unwrap()[31], 31);
}

#[test]
fn amd_lanes() {
    // Reverses a wave by ds_bpermute, the lane number by mbcnt.
    let text = with_own(
        "%lo = warp.mbcnt_lo i32 -1, 0 %l = warp.mbcnt_hi i32 -1, %lo %r = sub i32 63, %l %i = shl i32 %r, 2 \
         %v = warp.ds_bpermute i32 %i, %g store i32 %v, %p ret",
    )
    .replace("nvptx", "amdgpu");
    let out = run_words(&text, 1, 64, 64, &Options::default()).unwrap();
    assert!(out.iter().enumerate().all(|(i, v)| *v as usize == 63 - i), "{out:?}");
}

#[test]
fn tapes_are_checked() {
    let tape = |body: &str| {
        let k = kernel(&format!("kernel @k(ptr.global %b, i64 %c, ptr.global %s) nvptx tape(base 0, capacity 1, status 2) {{ e: {body} ret }}"));
        let mut m = Memory::new();
        let p = m.alloc("tape", &[0; 8]);
        let l = launch(1, 2, vec![Arg::Pointer(p), Arg::Int(16), Arg::Pointer(p)]);
        run(&k, &l, &mut m, &Options::default()).map(|r| r.tape_bytes).map_err(|e| e.to_string())
    };
    assert_eq!(tape("tape.store i64 8, f64 1.0 %x = tape.load f64, 8"), Ok(16));
    assert!(tape("%x = tape.load f64, i64 8").unwrap_err().contains("no value of the tape begins"));
    assert!(tape("tape.store i64 8, f64 1.0 %x = tape.load i64, 8").unwrap_err().contains("written as"));
    assert!(tape("tape.store i64 8, f64 1.0 tape.store i64 12, f32 1.0 %x = tape.load f64, 8").is_err());
    assert!(tape("tape.store i64 16, f64 1.0").unwrap_err().contains("KAD0306"));
    assert!(tape("tape.store i64 4, f64 1.0").unwrap_err().contains("no multiple"));
}

/// The whole point of wide runs: differences far below f32's resolution survive memory, arithmetic and copies.
#[test]
fn wide_floats() {
    let k = kernel(
        "kernel @k(ptr.global %x, f32 %a) nvptx { e: %l = alloca ptr bytes 8, align 4 %v = load f32, %x %s = fadd %v, %a \
         store f32 %s, ptr %l %q = ptradd %x, i64 4 memcpy %q, %l, i64 4 ret }",
    );
    let mut m = Memory::new();
    let x = m.alloc("x", &floats(&[1.0, 0.0]));
    assert!(m.set_float(x, FloatTy::F32, 0, 1.0 + 1e-12));
    run(&k, &launch(1, 1, vec![Arg::Pointer(x), Arg::Float(1e-13)]), &mut m, &Options::wide()).unwrap();
    let got = m.float(x, FloatTy::F32, 1).unwrap();
    assert_eq!(got, 1.0 + 1e-12 + 1e-13);
    assert_eq!(f32s(&m, x)[1], 1.0);
    // An integer write takes the wide value away.
    let k = kernel("kernel @k(ptr.global %x) nvptx { e: %q = ptradd %x, i64 6 store i16 16448, %q ret }");
    run(&k, &launch(1, 1, vec![Arg::Pointer(x)]), &mut m, &Options::wide()).unwrap();
    assert_eq!(m.float(x, FloatTy::F32, 1), Some(f64::from(f32::from_bits(0x4040_0000))));
}

#[test]
fn floats_round_in_their_format() {
    let text = with_own(
        "%a = fadd f32 16777216.0, 1.0 %b = fadd f16 2048.0, 1.0 %c = fadd bf16 256.0, 1.0 \
         %bf = fpext f16 %b to f32 %cf = fpext bf16 %c to f32 %s = fadd %a, %bf %u = fadd %s, %cf store f32 %u, %p ret",
    );
    let out = run_words(&text, 1, 1, 1, &Options::default()).unwrap();
    assert_eq!(f32::from_bits(out[0] as u32), 16777216.0 + 2048.0 + 256.0);
}

#[test]
fn integers_of_all_widths() {
    let text = with_own(
        "%a = add i128 170141183460469231731687303715884105727, 1 %b = ashr %a, 100 %c = trunc %b to i32 \
         %d = mul i24 4000000, 4000000 %e2 = zext %d to i32 %f = xor %c, %e2 %h = int.ctlz i17 5 %i = zext %h to i32 \
         %j = add %f, %i store i32 %j, %p ret",
    );
    let wide = (i128::MIN >> 100) as i32;
    let wanted = (wide ^ (4_000_000i64 * 4_000_000 & 0xff_ffff) as i32) + 14;
    assert_eq!(run_words(&text, 1, 1, 1, &Options::default()).unwrap(), [wanted]);
}

#[test]
fn vectors_aggregates_and_bits() {
    let text = with_own(
        "%v = insertelement <4 x i32> elems(1, 2, 3, 4), i32 9, i32 2 %w = shufflevector %v, zero, [2, 0, 5, 3] \
         %s = add <4 x i32> %w, splat(10) %a = extractelement %s, i32 0 %i = insertvalue {i32, {f32, i32}} zero, i32 7, 1, 1 \
         %y = extractvalue %i, 1, 1 %bits = bitcast <4 x i8> elems(1, 2, 3, 4) to i32 %z = add %a, %y %u = add %z, %bits \
         store i32 %u, %p ret",
    );
    assert_eq!(run_words(&text, 1, 1, 1, &Options::default()).unwrap(), [19 + 7 + 0x0403_0201]);
}

#[test]
fn structs_by_value() {
    let k = kernel(
        "kernel @k(ptr.param byval(16, 8, {ptr.global, i32}) %s) nvptx { e: %p = load ptr.global, %s %o = ptradd %s, i64 8 \
         %n = load i32, %o store i32 %n, %p ret }",
    );
    let mut m = Memory::new();
    let x = m.alloc("x", &[0; 4]);
    let mut bytes = x.addr.to_le_bytes().to_vec();
    bytes.extend([42, 0, 0, 0, 0, 0, 0, 0]);
    let s = m.alloc("s", &bytes);
    run(&k, &launch(1, 1, vec![Arg::Struct(s)]), &mut m, &Options::sanitize()).unwrap();
    assert_eq!(words(&m, x), [42]);
}

#[test]
fn variables_and_pointers_in_them() {
    let text = "global ptr.const @t bytes 8 align 4 constant init \"0700000009000000\"\n\
                global ptr.global @p bytes 8 align 8 init zero reloc(0, @t, 4)\n\
                kernel @k(ptr.global %x) nvptx { e: %q = load ptr.const, ptr.global @p %v = load i32, %q store i32 %v, %x ret }";
    assert_eq!(run_words(text, 1, 1, 1, &Options::default()).unwrap(), [9]);
}

#[test]
fn printf_and_assert() {
    let text = "global ptr.const @f bytes 14 align 1 constant init \"693d256420783d252e32660a0000\"\n\
                kernel @k(ptr.global %x) nvptx { e: %l = alloca ptr bytes 16, align 8 %t = tid.x store i32 %t, ptr %l \
                %m = ptradd ptr %l, i64 8 store f64 1.5, ptr %m %g = addrspacecast ptr.const @f to ptr \
                %r = call @vprintf(ptr %g, %l) -> i32 ret }";
    let mut m = Memory::new();
    let x = m.alloc("x", &[0; 4]);
    let r = run(&kernel(text), &launch(1, 2, vec![Arg::Pointer(x)]), &mut m, &Options::default()).unwrap();
    assert_eq!(r.printed, ["i=0 x=1.50\n", "i=1 x=1.50\n"]);
}

#[test]
fn endless_loops_end() {
    let options = Options { max_steps: 1000, ..Options::default() };
    let e = error("kernel @k(ptr.global %x) nvptx { e: br l l: br l }", 1, 1, 1, &options);
    assert!(e.contains("not done after 1000 instructions"), "{e}");
}

#[test]
fn wrong_launches_are_errors() {
    let k = kernel("kernel @k(ptr.global %x, f32 %f) nvptx block(4, 1, 1) { e: ret }");
    let mut m = Memory::new();
    let mut fails = |l: Launch| run(&k, &l, &mut m, &Options::default()).is_err();
    assert!(fails(launch(1, 4, vec![])));
    assert!(fails(launch(1, 4, vec![Arg::Int(1), Arg::Float(1.0)])));
    assert!(fails(launch(0, 4, vec![Arg::Pointer(Pointer::default()), Arg::Float(1.0)])));
    assert!(fails(launch(1, 8, vec![Arg::Pointer(Pointer::default()), Arg::Float(1.0)])));
    assert!(!fails(launch(1, 4, vec![Arg::Pointer(Pointer::default()), Arg::Float(1.0)])));
}

/// The trap names the thread; memory written before it stays.
#[test]
fn traps() {
    let text = with_own("store i32 5, %p %c = icmp eq %t, 2 br %c, a, b a: trap unreachable b: ret");
    let e = error(&text, 1, 4, 4, &Options::default());
    assert!(e.contains("KAD0304") && e.contains("thread (2, 0, 0)"), "{e}");
}

#[test]
#[ignore = "prints the speed"]
fn speed() {
    let text = with_own(
        "br l l: %i = phi i32 [0, e], [%j, l] %v = phi f32 [1.0, e], [%w, l] %m = fmul f32 %v, 0.5 %w = fadd %m, 1.0 \
         %q = load i32, %p store i32 %q, %p %j = add i32 %i, 1 %c = icmp ult i32 %i, 100000 br %c, l, out out: ret",
    );
    let (mut m, k) = (Memory::new(), kernel(&text));
    let x = m.alloc("x", &[0; 4 * 64]);
    for options in [Options::default(), Options::wide(), Options::sanitize()] {
        let start = std::time::Instant::now();
        let r = run(&k, &launch(1, 64, vec![Arg::Pointer(x)]), &mut m, &options).unwrap();
        println!("{options:?}: {:.1} M/s", r.steps as f64 / start.elapsed().as_secs_f64() / 1e6);
    }
}
