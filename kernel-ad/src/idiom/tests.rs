//! Kernels before and after, run side by side.

use super::recognise;
use crate::grad::Roles;
use crate::interp::{self, Arg, Launch, Memory, Options};
use crate::kernel::*;
use shadow_mem::Role;

/// The loop of the CUDA guide, with another update and another way out.
fn around(update: &str, exit: &str) -> String {
    format!(
        "kernel @k(ptr.global %x, ptr.global %m, ptr.global %y) nvptx {{
entry:
  %t = tid.x
  %i = zext i32 %t to i64
  %o = shl i64 %i, 2
  %px = ptradd ptr.global %x, i64 %o
  %py = ptradd ptr.global %y, i64 %o
  %v = load f32, ptr.global %px
  %start = load i32, ptr.global %m
  br loop
loop:
  %seen = phi i32 [%start, entry], [%now, again]
  %f = bitcast i32 %seen to f32
{exit}
swap:
{update}
  %bits = bitcast f32 %n to i32
  %pair = cmpxchg ptr.global %m, i32 %seen, %bits, align 4 monotonic failure monotonic
  %now = extractvalue {{i32, i1}} %pair, 0
  %same = icmp eq i32 %seen, %now
  br i1 %same, done, again
again:
  br loop
done:
  %last = phi f32 [%f, swap] OTHER
  store f32 %last, ptr.global %py
  ret
}}
"
    )
    .replace(" OTHER", if exit.contains("done") { ", [%f, loop]" } else { "" })
}

const ALWAYS: &str = "  br swap";

fn operation(k: &Kernel) -> Option<RmwOp> {
    k.iter_insts().find_map(|(_, i)| match k.insts[i].op {
        Op::AtomicRmw { op, val, .. } if k.ty(val).is_float() => Some(op),
        _ => None,
    })
}

fn run(k: &Kernel, x: &[f64], start: f64) -> Vec<f64> {
    let mut memory = Memory::new();
    let mut args = Vec::new();
    for (name, data) in [("x", x), ("m", &[start][..]), ("y", &vec![0.0; x.len()][..])] {
        let p = memory.alloc(name, &vec![0; 4 * data.len()]);
        for (i, &v) in data.iter().enumerate() {
            assert!(memory.set_float(p, FloatTy::F32, i, v));
        }
        args.push(p);
    }
    let launch = Launch {
        grid: [1; 3],
        block: [x.len() as u32, 1, 1],
        shared: 0,
        args: args.iter().map(|&p| Arg::Pointer(p)).collect(),
    };
    interp::run(k, &launch, &mut memory, &Options::default()).unwrap();
    let mut out = vec![memory.float(args[1], FloatTy::F32, 0).unwrap()];
    out.extend((0..x.len()).map(|i| memory.float(args[2], FloatTy::F32, i).unwrap()));
    out
}

fn same(text: &str, want: Option<RmwOp>) {
    let before = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    verify(&before).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let after = recognise(&before);
    verify(&after).unwrap_or_else(|e| panic!("{e}\n{}", print(&after)));
    assert_eq!(operation(&after), want, "{}", print(&after));
    for start in [-3.0, 0.25, 7.0] {
        let x = [1.5, -2.0, 0.5, 4.0, -5.0, 4.0];
        assert_eq!(run(&before, &x, start), run(&after, &x, start), "{}", print(&after));
    }
}

// Catches an update taken for another, operands exchanged, and an old value that is not what the loop gave.
#[test]
fn loops_keep_their_results() {
    let select = |cmp: &str, a: &str, b: &str| {
        format!("  %c = fcmp {cmp} f32 %f, %v\n  %n = select i1 %c, f32 {a}, {b}")
    };
    for (update, want) in [
        ("  %n = fadd f32 %v, %f".to_string(), Some(RmwOp::FAdd)),
        ("  %w = fmul f32 %v, 0.5\n  %n = fadd f32 %w, %f".to_string(), Some(RmwOp::FAdd)),
        ("  %w = load f32, ptr.global %px\n  %n = fadd f32 %w, %f".to_string(), None),
        ("  %w = load f32, ptr.global %m\n  %n = fadd f32 %w, %f".to_string(), None),
        ("  %w = fmul f32 %f, 0.5\n  %n = fadd f32 %w, %f".to_string(), None),
        ("  %n = fsub f32 %f, %v".to_string(), Some(RmwOp::FSub)),
        ("  %n = fsub f32 %v, %f".to_string(), None),
        ("  %n = fmul f32 %v, %f".to_string(), None),
        ("  %n = fadd f32 %f, %f".to_string(), None),
        ("  %n = math.fmax f32 %v, %f".to_string(), Some(RmwOp::FMax)),
        ("  %n = math.fmin f32 %f, %v".to_string(), Some(RmwOp::FMin)),
        (select("ogt", "%f", "%v"), Some(RmwOp::FMax)),
        (select("olt", "%v", "%f"), Some(RmwOp::FMax)),
        (select("ult", "%f", "%v"), Some(RmwOp::FMin)),
    ] {
        same(&around(&update, ALWAYS), want);
    }
}

// Catches a guard that is dropped, or read the wrong way round.
#[test]
fn loops_that_end_early_keep_their_results() {
    let guard = |cmp: &str, a: &str, b: &str| format!("  %c = fcmp {cmp} f32 %f, %v\n  br i1 %c, {a}, {b}");
    let replacing = |exit: &str| around("", exit).replace("bitcast f32 %n", "bitcast f32 %v");
    for (exit, want) in [
        (guard("oge", "done", "swap"), RmwOp::FMax),
        (guard("olt", "swap", "done"), RmwOp::FMax),
        (guard("ole", "done", "swap"), RmwOp::FMin),
        (guard("ogt", "swap", "done"), RmwOp::FMin),
    ] {
        same(&replacing(&exit), Some(want));
    }
    // An addition that is not always done is none.
    same(&around("  %n = fadd f32 %v, %f", &guard("oge", "done", "swap")), None);
    // What is exchanged is not what was compared.
    let other = around("  %n = freeze f32 %v", &guard("oge", "done", "swap"));
    same(&other, None);
}

// Catches a maximum of integers that is taken for one of floats where the sign is unknown.
#[test]
fn integer_maxima_need_a_sign() {
    let text = |op: &str, value: &str| {
        format!(
            "kernel @k(ptr.global %x, ptr.global %m, ptr.global %y) nvptx {{
entry:
  %t = tid.x
  %i = zext i32 %t to i64
  %o = shl i64 %i, 2
  %px = ptradd ptr.global %x, i64 %o
  %v = load f32, ptr.global %px
{value}
  %bits = bitcast f32 %w to i32
  %old = atomicrmw {op} ptr.global %m, i32 %bits, align 4 monotonic
  ret
}}
"
        )
    };
    let (abs, neg) = ("  %w = math.fabs f32 %v", "  %a = math.fabs f32 %v\n  %w = fneg f32 %a");
    same(&text("max", abs), Some(RmwOp::FMax));
    same(&text("min", abs), Some(RmwOp::FMin));
    same(&text("umin", neg), Some(RmwOp::FMax));
    same(&text("umax", neg), Some(RmwOp::FMin));
    same(&text("max", neg), None);
    same(&text("umax", abs), None);
    same(&text("max", "  %w = fadd f32 %v, 1.0"), None);
    same(&text("xchg", "  %w = fadd f32 %v, 1.0"), Some(RmwOp::Xchg));
}

// Catches an exchange that changes what it should only claim, and a barrier that some threads do not reach.
#[test]
fn settling_keeps_the_results() {
    let text = "global ptr.shared @most type f32
kernel @k(ptr.global %x, ptr.global %m, ptr.global %y) nvptx {
entry:
  %t = tid.x
  %i = zext i32 %t to i64
  %o = shl i64 %i, 2
  %px = ptradd ptr.global %x, i64 %o
  %py = ptradd ptr.global %y, i64 %o
  %first = icmp eq i32 %t, 0
  br i1 %first, init, all
init:
  %start = load f32, ptr.global %m
  store f32 %start, ptr.shared @most
  br all
all:
  barrier.sync
  br head
head:
  %n = phi i32 [0, all], [%next, head]
  %s = uitofp i32 %n to f32
  %v = load f32, ptr.global %px
  %w = fsub f32 %v, %s
  %old = atomicrmw fmax ptr.shared @most, f32 %w, align 4 monotonic
  %next = add i32 %n, 1
  %more = icmp ult i32 %next, 3
  br i1 %more, head, done
done:
  barrier.sync
  %r = load f32, ptr.shared @most
  %q = fmul f32 %r, %v
  store f32 %q, ptr.global %py
  br i1 %first, last, out
last:
  store f32 %r, ptr.global %m
  br out
out:
  ret
}
";
    let before = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    verify(&before).unwrap();
    let mut after = before.clone();
    let roles = Roles::of(&[Role::Dup, Role::Dup, Role::Dup]);
    let settled = super::settle(&mut after, &roles);
    assert_eq!((settled.extrema.len(), settled.exchanges.len()), (1, 1));
    verify(&after).unwrap_or_else(|e| panic!("{e}\n{}", print(&after)));
    for start in [-30.0, 0.25, 7.0] {
        let x = [1.5, -2.0, 0.5, 4.0, -5.0, 4.0];
        assert_eq!(run(&before, &x, start), run(&after, &x, start), "{}", print(&after));
    }
}

// Catches a load of the loop that is forgotten, or that is taken out where the loop may not come to it.
#[test]
fn loads_in_the_loop_go_before_it() {
    let text = around("  %n = fadd f32 %w, %f", "  %w = load f32, ptr.global %px\n  br swap");
    same(&text, Some(RmwOp::FAdd));
    let text = around("  %n = fadd f32 %w, %f", "  %w = load f32, ptr.global %m\n  br swap");
    same(&text, None);
}

/// Every thread multiplies an element of shared memory; what is done `between` that and the next barrier.
fn product(between: &str) -> Kernel {
    let text = format!(
        "global ptr.shared @s bytes 16 align 4
         kernel @k(ptr.global %x, ptr.global %m, ptr.global %y) nvptx {{
         entry: %t = tid.x %i = zext i32 %t to i64 %o = shl i64 %i, 2 %px = ptradd ptr.global %x, i64 %o %py = ptradd ptr.global %y, i64 %o
         %v = load f32, ptr.global %px %w = load f32, ptr.global %m %b = and i64 %i, 3 %bo = shl i64 %b, 2 %q = ptradd ptr.shared @s, i64 %bo
         store f32 %w, ptr.shared %q barrier.sync %start = load i32, ptr.shared %q, align 4 volatile br loop
         loop: %seen = phi i32 [%start, entry], [%now, again] %f = bitcast i32 %seen to f32 %n = fmul f32 %f, %v %bits = bitcast f32 %n to i32
         %pair = cmpxchg ptr.shared %q, i32 %seen, %bits, align 4 monotonic failure monotonic
         %now = extractvalue {{i32, i1}} %pair, 0 %same = icmp eq i32 %seen, %now br i1 %same, done, again
         again: br loop
         done: {between} barrier.sync %all = load f32, ptr.shared %q store f32 %all, ptr.global %py ret }}"
    );
    let k = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    k
}

// Catches: factors that are lost, taken twice, or multiplied into another element.
#[test]
fn products_in_an_order_are_the_same_products() {
    let roles = Roles::of(&[Role::Dup; 3]);
    let before = product("");
    let mut after = before.clone();
    assert!(super::order_products(&mut after, &roles));
    verify(&after).unwrap_or_else(|e| panic!("{e}\n{}", print(&after)));
    assert!(!after.iter_insts().any(|(_, i)| matches!(after.insts[i].op, Op::CmpXchg { .. })));
    let x = [0.5, 2.0, -1.0, 0.0, 4.0, 0.25, 8.0, 3.0, 2.0, 0.5];
    assert_eq!(run(&before, &x, 1.5), run(&after, &x, 1.5));
}

// Catches: a product that is put off although somebody looks at it before the barrier.
#[test]
fn products_that_are_looked_at_stay() {
    let roles = Roles::of(&[Role::Dup; 3]);
    for between in [
        "%look = load f32, ptr.shared %q, align 4 volatile store f32 %look, ptr.global %py",
        "store f32 %v, ptr.shared %q",
        "%was = bitcast i32 %now to f32 store f32 %was, ptr.global %py",
    ] {
        let mut k = product(between);
        assert!(!super::order_products(&mut k, &roles), "{between}");
    }
}
