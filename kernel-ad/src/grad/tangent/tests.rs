//! Tangent kernels against central differences, run by the interpreter.

use super::tangent;
use crate::diag::Code;
use crate::grad::{FieldRole, Gradient, Roles};
use crate::interp::{run, Arg, Launch, Memory, Options, Pointer};
use crate::kernel::{parse, print, verify, FloatTy, Kernel};
use shadow_mem::{Purpose, Role};

/// An argument of a test.
#[derive(Clone)]
enum In {
    /// A buffer of f64.
    Buffer(Role, Vec<f64>),
    /// A differentiated scalar.
    Active(f64),
    /// Any other argument.
    Int(i128),
    /// A buffer of bytes without derivative.
    Bytes(Vec<u8>),
}

fn kernel(text: &str) -> Kernel {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    k
}

fn roles_of(inputs: &[In]) -> Roles {
    let roles: Vec<Role> = inputs
        .iter()
        .map(|i| match i {
            In::Buffer(r, _) => *r,
            In::Active(_) => Role::Active,
            _ => Role::Const,
        })
        .collect();
    Roles::of(&roles)
}

fn differentiate(k: &Kernel, roles: &Roles) -> Gradient {
    let g = tangent(k, roles).unwrap_or_else(|e| panic!("{e}"));
    verify(&g.kernel).unwrap_or_else(|e| panic!("{e}\n{}", print(&g.kernel)));
    g
}

fn alloc(m: &mut Memory, xs: &[f64]) -> Pointer {
    let bytes: Vec<u8> = xs.iter().flat_map(|x| x.to_le_bytes()).collect();
    m.alloc("buffer", &bytes)
}

fn read(m: &Memory, p: Pointer, n: usize) -> Vec<f64> {
    (0..n).map(|i| m.float(p, FloatTy::F64, i).expect("inside")).collect()
}

/// The direction of the test: numbers between 1/2 and 1 with changing signs.
fn direction(param: usize, i: usize) -> f64 {
    let h = (param * 31 + i * 17 + 5) % 13;
    (0.5 + h as f64 / 26.0) * if h % 2 == 0 { 1.0 } else { -1.0 }
}

/// Contents of all buffers after the primal, with the inputs moved by `h` along the direction.
fn primal(k: &Kernel, inputs: &[In], threads: u32, h: f64) -> Vec<Vec<f64>> {
    let mut m = Memory::new();
    let mut buffers = Vec::new();
    let args = inputs
        .iter()
        .enumerate()
        .map(|(p, i)| match i {
            In::Buffer(_, xs) => {
                let moved: Vec<f64> = xs.iter().enumerate().map(|(i, x)| x + h * direction(p, i)).collect();
                let at = alloc(&mut m, &moved);
                buffers.push((at, xs.len()));
                Arg::Pointer(at)
            }
            In::Active(x) => Arg::Float(x + h * direction(p, 0)),
            In::Int(n) => Arg::Int(*n),
            In::Bytes(b) => Arg::Pointer(m.alloc("bytes", b)),
        })
        .collect();
    let launch = Launch { grid: [1, 1, 1], block: [threads, 1, 1], shared: 0, args };
    run(k, &launch, &mut m, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    buffers.into_iter().map(|(p, n)| read(&m, p, n)).collect()
}

/// Contents of all buffers and of their shadows after the tangent kernel.
fn forward(g: &Gradient, inputs: &[In], threads: u32) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut m = Memory::new();
    let (mut buffers, mut shadows) = (Vec::new(), Vec::new());
    let args = g
        .params
        .iter()
        .map(|spec| match spec.purpose {
            Purpose::Primal { index, .. } => match &inputs[index as usize] {
                In::Buffer(_, xs) => {
                    let at = alloc(&mut m, xs);
                    buffers.push((at, xs.len()));
                    Arg::Pointer(at)
                }
                In::Active(x) => Arg::Float(*x),
                In::Int(n) => Arg::Int(*n),
                In::Bytes(b) => Arg::Pointer(m.alloc("bytes", b)),
            },
            Purpose::Shadow { of } => {
                let p = of as usize;
                let n = match &inputs[p] {
                    In::Buffer(_, xs) => xs.len(),
                    _ => 1,
                };
                let ds: Vec<f64> = (0..n).map(|i| direction(p, i)).collect();
                let at = alloc(&mut m, &ds);
                if let In::Buffer(..) = inputs[p] {
                    shadows.push((at, n));
                }
                Arg::Pointer(at)
            }
            ref other => panic!("unexpected parameter {other:?}"),
        })
        .collect();
    let launch = Launch { grid: [1, 1, 1], block: [threads, 1, 1], shared: 0, args };
    run(&g.kernel, &launch, &mut m, &Options::default())
        .unwrap_or_else(|e| panic!("{e}\n{}", print(&g.kernel)));
    let all = |v: Vec<(Pointer, usize)>, m: &Memory| v.into_iter().map(|(p, n)| read(m, p, n)).collect();
    (all(buffers, &m), all(shadows, &m))
}

/// The tangent kernel's outputs against the primal's, its shadows against central differences.
fn check(text: &str, inputs: &[In], threads: u32) {
    let k = kernel(text);
    let g = differentiate(&k, &roles_of(inputs));
    let (contents, shadows) = forward(&g, inputs, threads);
    assert_eq!(contents, primal(&k, inputs, threads, 0.0), "the primal part is not the primal");
    let (h, at) = (1e-3, |h: f64| primal(&k, inputs, threads, h));
    let (p1, m1, p2, m2) = (at(h), at(-h), at(2.0 * h), at(-2.0 * h));
    let mut moved = false;
    for (b, shadow) in shadows.iter().enumerate() {
        for (i, &got) in shadow.iter().enumerate() {
            let want = (8.0 * (p1[b][i] - m1[b][i]) - (p2[b][i] - m2[b][i])) / (12.0 * h);
            assert!(
                (got - want).abs() <= 1e-8 * want.abs().max(1.0),
                "buffer {b}[{i}]: {got}, want {want}\n{}",
                print(&g.kernel)
            );
            moved |= want.abs() > 1e-3 && contents[b][i] != 0.0;
        }
    }
    assert!(moved, "the test must not compare zeros");
}

fn refused(text: &str, inputs: &[In]) -> Code {
    let e = tangent(&kernel(text), &roles_of(inputs)).expect_err("should be refused");
    assert!(!e.0[0].because.is_empty(), "{e}");
    e.0[0].code
}

fn dup(n: usize) -> In {
    In::Buffer(Role::Dup, (0..n).map(|i| 0.3 + 0.17 * i as f64).collect())
}

const INDEX: &str = "%t = tid.x %o = zext %t to i64 %o8 = shl %o, 3";

/// Catches: a wrong rule, a missing active scalar, a store that leaves the old tangent in the shadow.
#[test]
fn straight_line_and_overwriting() {
    let text = format!(
        "kernel @k(ptr.global %x, ptr.global %y, f64 %a, i32 %n) nvptx {{ entry: {INDEX}
           %p = ptradd %x, %o8 %q = ptradd %y, %o8
           %v = load f64, %p %s = math.sin f64 %v %e = math.exp f64 %a %m = fmul %s, %e %d = fdiv %m, %v
           store f64 %d, %q store f64 2.0, %p ret }}"
    );
    check(&text, &[dup(4), dup(4), In::Active(0.7), In::Int(0)], 4);
}

/// Catches: loop phis without tangents, or with those of the wrong predecessor; a data-dependent loop.
#[test]
fn loops_and_branches() {
    let text = format!(
        "kernel @k(ptr.global %x, ptr.global %y, i32 %n) nvptx {{ entry: {INDEX}
           %p = ptradd %x, %o8 %q = ptradd %y, %o8 %v = load f64, %p br head
         head: %i = phi i32 [0, entry], [%i2, next] %s = phi f64 [1.0, entry], [%s2, next]
           %c = icmp ult %i, %n br %c, body, done
         body: %big = fcmp ogt %s, 1.5 br %big, high, low
         high: %h = math.sqrt f64 %s br next
         low: %l = fmul %s, %v %l2 = fadd %l, %v br next
         next: %s2 = phi f64 [%h, high], [%l2, low] %i2 = add %i, 1 br head
         done: store f64 %s, %q ret }}"
    );
    check(&text, &[dup(5), dup(5), In::Int(7)], 5);
}

/// Catches: shadows of local arrays that are not cleared, not indexed alike, or not copied.
#[test]
fn local_arrays_and_copies() {
    let text = format!(
        "kernel @k(ptr.global %x, ptr.global %y, ptr.global %pick) nvptx {{ entry: {INDEX}
           %a = alloca ptr bytes 32, align 8 %b = alloca ptr bytes 32, align 8
           memcpy ptr %a, ptr.global %x, i64 32, align 8, align 8
           memset ptr %b, i8 0, i64 32, align 8
           %ip = ptradd %pick, %o8 %at = load i64, %ip %bp = ptradd %b, %at
           %ap = ptradd %a, %o8 %v = load f64, %ap %v2 = fmul %v, %v store f64 %v2, %bp
           %b0 = load f64, %b %b1p = ptradd %b, i64 8 %b1 = load f64, %b1p %s = fadd %b0, %b1
           %w = fadd %s, %v %q = ptradd %y, %o8 store f64 %w, %q ret }}"
    );
    let pick: Vec<u8> = [8u64, 0, 16, 8].iter().flat_map(|i| i.to_le_bytes()).collect();
    check(&text, &[dup(4), dup(4), In::Bytes(pick)], 4);
}

/// Catches: an atomic sum whose tangents are stored instead of added, or are lost.
#[test]
fn atomic_sums() {
    let text = format!(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: {INDEX}
           %p = ptradd %x, %o8 %v = load f64, %p %c = math.cos f64 %v
           %old = atomicrmw fadd ptr.global %y, f64 %c, align 8 monotonic scope(device)
           %y1 = ptradd %y, i64 8
           %old2 = atomicrmw fadd ptr.global %y1, f64 1.0, align 8 monotonic scope(device) ret }}"
    );
    check(&text, &[dup(6), dup(2)], 6);
}

/// Catches: floats that are copied as integers and lose their tangents.
#[test]
fn floats_moved_as_integers() {
    let text = format!(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: {INDEX}
           %p = ptradd %x, %o8 %q = ptradd %y, %o8 %i = load i64, %p
           %odd = and %t, 1 %c = icmp ne %odd, 0 %j = select i1 %c, i64 %i, 0
           store i64 %j, %q
           %hi = and %i, -4294967296 %lo = and %i, 4294967295 %both = or %hi, %lo
           %v = bitcast %both to f64 %v2 = fmul %v, %v
           %h = lshr %both, 32 %h32 = trunc i64 %h to i32 %hz = zext i32 %h32 to i64 %hs = shl %hz, 32
           %l32 = trunc i64 %both to i32 %lz = zext i32 %l32 to i64 %again = or %hs, %lz
           %w = bitcast %again to f64 %v3 = fmul %v2, %w store f64 %v3, %p ret }}"
    );
    check(&text, &[dup(4), dup(4)], 4);
}

/// Catches: a shuffle whose tangent comes from another lane, or from none.
#[test]
fn shuffles_hand_on_tangents() {
    let text = format!(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: {INDEX}
           %p = ptradd %x, %o8 %q = ptradd %y, %o8 %v = load f64, %p %e = math.exp f64 %v %e32 = fptrunc f64 %e to f32
           %s = warp.shfl_bfly i32 -1, f32 %e32, i32 1, 31 %w = fpext f32 %s to f64 %m = fmul %w, %v store f64 %m, %q ret }}"
    );
    let k = parse(&text);
    if let Err(e) = &k {
        panic!("{e}");
    }
    let inputs = [dup(4), dup(4)];
    let g = differentiate(&k.expect("parsed"), &roles_of(&inputs));
    let (_, shadows) = forward(&g, &inputs, 4);
    let In::Buffer(_, xs) = &inputs[0] else { unreachable!() };
    for (t, got) in shadows[1].iter().enumerate() {
        let (e, de) = (xs[t ^ 1].exp(), xs[t ^ 1].exp() * direction(0, t ^ 1));
        let want = de * xs[t] + e * direction(0, t);
        assert!((got - want).abs() < 1e-5, "{t}: {got}, want {want}");
    }
}

/// Catches: wrong places in the shadow struct, tangents taken from const members, shadows of variables that are not used.
#[test]
fn structs_by_value_and_variables() {
    let text = format!(
        "global ptr.const @w bytes 32 align 8 external
         kernel @k(ptr.param byval(32, 8) %s, ptr.global %y) nvptx {{ entry: {INDEX}
           %x = load ptr, ptr.param %s %ap = ptradd %s, i64 8 %a = load f64, ptr.param %ap
           %bp = ptradd %s, i64 16 %b = load f64, ptr.param %bp
           %p = ptradd %x, %o8 %v = load f64, %p %av = fmul %a, %v %bav = fmul %av, %b
           %wp = ptradd ptr.const @w, %o8 %wv = load f64, %wp %r = fmul %bav, %wv
           %q = ptradd %y, %o8 store f64 %r, %q ret }}"
    );
    let k = kernel(&text);
    let mut roles = Roles::of(&[Role::Dup, Role::Dup]);
    // `a` is differentiated, `b` is not.
    roles.params[0].fields.push(FieldRole { offset: 8, bytes: 8, role: Role::Active, format: None });
    roles.params[0].fields.push(FieldRole { offset: 16, bytes: 16, role: Role::Const, format: None });
    roles.globals.push(("w".into(), Role::Dup));
    let g = differentiate(&k, &roles);
    let mut m = Memory::new();
    let (xs, ws): ([f64; 4], [f64; 4]) = ([0.5, -1.5, 2.0, 0.25], [1.0, 2.0, -3.0, 0.5]);
    let (a, b) = (1.75, -0.5);
    let ds: Vec<f64> = (0..4).map(|i| direction(0, i)).collect();
    let dw: Vec<f64> = (0..4).map(|i| direction(1, i)).collect();
    let (x, dx) = (alloc(&mut m, &xs), alloc(&mut m, &ds));
    let w = m.variable("w", 32);
    let bytes: Vec<u8> = ws.iter().flat_map(|v| v.to_le_bytes()).collect();
    m.bytes_mut(w).copy_from_slice(&bytes);
    let dw_at = alloc(&mut m, &dw);
    let strukt = |m: &mut Memory, p: Pointer, rest: [f64; 3]| {
        let mut bytes = p.addr.to_le_bytes().to_vec();
        bytes.extend(rest.iter().flat_map(|v| v.to_le_bytes()));
        m.alloc("struct", &bytes)
    };
    let s = strukt(&mut m, x, [a, b, 0.0]);
    // Garbage where the struct holds const data: it must not be read.
    let shadow = strukt(&mut m, dx, [0.125, 99.0, 99.0]);
    let (y, dy) = (alloc(&mut m, &[0.0; 4]), alloc(&mut m, &[9.0; 4]));
    let args = g
        .params
        .iter()
        .map(|spec| match &spec.purpose {
            Purpose::Primal { index: 0, .. } => Arg::Struct(s),
            Purpose::Primal { .. } => Arg::Pointer(y),
            Purpose::Shadow { of: 0 } => Arg::Pointer(shadow),
            Purpose::Shadow { .. } => Arg::Pointer(dy),
            Purpose::GlobalShadow { name } if name == "w" => Arg::Pointer(dw_at),
            other => panic!("unexpected parameter {other:?}"),
        })
        .collect();
    let launch = Launch { grid: [1, 1, 1], block: [4, 1, 1], shared: 0, args };
    run(&g.kernel, &launch, &mut m, &Options::default())
        .unwrap_or_else(|e| panic!("{e}\n{}", print(&g.kernel)));
    for (i, got) in read(&m, dy, 4).into_iter().enumerate() {
        let want = b * (0.125 * xs[i] * ws[i] + a * ds[i] * ws[i] + a * xs[i] * dw[i]);
        assert!((got - want).abs() < 1e-12, "{i}: {got}, want {want}\n{}", print(&g.kernel));
    }
}

/// Catches: anything without a tangent that passes in silence.
#[test]
fn refusals() {
    let arith = format!(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: {INDEX} %p = ptradd %x, %o8 %q = ptradd %y, %o8
           %i = load i64, %p %j = add %i, 4503599627370496 %v = bitcast %j to f64 store f64 %v, %q ret }}"
    );
    assert_eq!(refused(&arith, &[dup(4), dup(4)]), Code::UnknownMemoryType);
    let shared = format!(
        "global ptr.shared @tile bytes 1024 align 8
         kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: {INDEX} %p = ptradd %x, %o8 %q = ptradd %y, %o8
           %s = ptradd ptr.shared @tile, %o8 %v = load f64, %p store f64 %v, %s %w = load f64, %s store f64 %w, %q
           %n = total_shared_size %f = sitofp i32 %n to f64 store f64 %f, %q ret }}"
    );
    assert_eq!(refused(&shared, &[dup(4), dup(4)]), Code::SharedMemory);
    let fetch = format!(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: {INDEX} %p = ptradd %x, %o8 %q = ptradd %y, %o8
           %v = load f64, %p %old = atomicrmw fadd ptr.global %y, f64 %v, align 8 monotonic scope(device)
           store f64 %old, %q ret }}"
    );
    assert_eq!(refused(&fetch, &[dup(4), dup(4)]), Code::AtomicNoRule);
    let mixed = format!(
        "kernel @k(ptr.global %x, ptr.global %y, i1 %f) nvptx {{ entry: {INDEX} %s = select i1 %f, ptr.global %x, %y
           %p = ptradd %s, %o8 %v = load f64, %p %m = fmul %v, %v store f64 %m, %p ret }}"
    );
    assert_eq!(refused(&mixed, &[dup(4), In::Bytes(vec![0; 32]), In::Int(1)]), Code::UnknownProvenance);
}
