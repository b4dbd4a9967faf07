use super::*;

/// One of everything; also used by the verifier's tests.
pub(crate) const EVERYTHING: &str = include_str!("everything.kir");

fn message(text: &str) -> String {
    let e = parse(text).expect_err("should not parse").0.remove(0);
    let p = e.place.expect("a place");
    assert_eq!(e.code, Code::BadKernelText);
    format!("{}:{}: {}", p.line, p.col, e.message)
}

/// Catches an operation, flag or attribute that the printer drops or the parser reads as another.
#[test]
fn everything_prints_as_it_was_read() {
    let k = parse(EVERYTHING).unwrap_or_else(|e| panic!("{e}"));
    let printed = print(&k);
    let (comment, body) = EVERYTHING.split_once("\n\n").expect("comment, blank line, text");
    if std::env::var_os("KAD_BLESS").is_some() && body != printed {
        std::fs::write("src/kernel/parse/everything.kir", format!("{comment}\n\n{printed}")).expect("write");
        return;
    }
    for (n, (a, b)) in body.lines().zip(printed.lines()).enumerate() {
        assert_eq!(a, b, "line {n} of the text");
    }
    assert_eq!(body, printed, "KAD_BLESS=1 rewrites the file");
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
}

/// Catches members of the closed sets that have no name, or share one.
#[test]
fn every_name_reads_back() {
    fn check<T: Named + PartialEq + std::fmt::Debug>() {
        for &t in T::all() {
            assert_eq!(T::from_name(t.name()), Some(t));
        }
    }
    check::<BinOp>();
    check::<IntPred>();
    check::<FloatPred>();
    check::<CastOp>();
    check::<RmwOp>();
    check::<Ordering>();
    check::<ScopeLevel>();
    check::<BarrierKind>();
    check::<WarpOp>();
    check::<MathFn>();
    check::<IntFn>();
    check::<Flavor>();
    check::<Special>();
}

/// Catches a change that makes hand-written tests longer than they need to be.
#[test]
fn short_form() {
    let k = parse(
        "kernel @k(ptr.global %x, i32 %n) nvptx { entry: %t = tid.x %c = icmp ult %t, %n br %c, a, b \
                   a: %o = zext %t to i64 %p = ptradd %x, %o store f32 1.5, %p br b b: ret }",
    )
    .unwrap_or_else(|e| panic!("{e}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(k.source, Source::of_arch(Arch::Nvptx));
    let text = print(&k);
    assert!(text.contains("store f32 1.5, ptr.global %p, align 4"), "{text}");
}

#[test]
fn names_that_are_not_unique_get_numbers() {
    let mut k = Kernel::new("k", Source::of_arch(Arch::Nvptx));
    let mut b = KernelBuilder::new(&mut k);
    let entry = b.block("x");
    b.switch_to(entry);
    let vs = [b.special(Special::LaneId), b.special(Special::LaneId), b.special(Special::LaneId)];
    b.ret();
    for (v, name) in vs.into_iter().zip(["x", "x", "x.1"]) {
        k.values[v].name = Some(name.into());
    }
    let text = print(&k);
    let again = print(&parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}")));
    assert_eq!(text, again);
    assert!(text.contains("%x = ") && text.contains("%x.1 = ") && text.contains("%x.1.1 = "), "{text}");
}

#[test]
fn odd_names_are_quoted() {
    let text = "kernel @\"a b\"(i32 %\"x y\") nvptx {\n\"c d\":\n  br \"true\"\n\n\"true\":\n  ret\n}\n";
    assert_eq!(print(&parse(text).unwrap_or_else(|e| panic!("{e}"))), text);
}

#[test]
fn errors_say_where() {
    let cases = [
        ("", "1:1: expected `kernel`, `global` or a source location, found the end of the text"),
        ("kernel @k() {\nentry:\n  %x = fadd f32 1.0, %y\n  ret }", "3:22: value `%y` is not defined"),
        ("kernel @k() { e: %x = add i32 1, 2.5 ret }", "1:34: `2.5` is not a constant of type i32"),
        ("kernel @k() { e: %x = add i8 256, 1 ret }", "1:30: `256` is not a constant of type i8"),
        ("kernel @k() { e: %x = frobnicate i32 1 ret }", "1:23: unknown instruction `frobnicate`"),
        ("kernel @k() { e: %x = math.frob f32 1.0 ret }", "1:23: unknown instruction `math.frob`"),
        ("kernel @k() { e: %x = laneid %x = laneid ret }", "1:30: `%x` is defined twice"),
        ("kernel @k() { e: br f }", "1:21: block `f` is not defined"),
        ("kernel @k() { e: ret e: ret }", "1:22: block `e` is defined twice"),
        ("kernel @k() { ret }", "1:15: expected the label of the entry block, found `ret`"),
        ("kernel @k() { e: %x = ret }", "1:18: `%x` names an instruction without a result"),
        ("kernel @k() { e: %x = laneid %y = fneg f32 %x ret }", "1:44: `%x` is of type i32, not f32"),
        (
            "kernel @k() { e: %y = fneg %x ret }",
            "1:28: write the type of `%x` before it: it is not defined above this instruction",
        ),
        ("kernel @k(i32 %a, i32 %a) { e: ret }", "1:23: parameter `%a` is defined twice"),
        (
            "kernel @k() { e: ret } kernel @l() { e: ret }",
            "1:24: a text holds one kernel, this is the second",
        ),
        ("kernel @k() { e: %x = load f32, ptr @g ret }", "1:37: global `@g` is not defined above"),
        ("kernel @k() { e: ret !3 }", "1:22: source location `!3` is not defined"),
        ("kernel @k() { e: #", "1:18: unexpected character '#'"),
        ("kernel @k(\"", "1:11: string without an end"),
    ];
    for (text, wanted) in cases {
        assert_eq!(message(text), wanted);
    }
}

/// Catches a parser that recurses, allocates or counts without bound.
#[test]
fn hostile_texts_are_errors() {
    let nested = format!("kernel @k({}", "{".repeat(100_000));
    assert!(message(&nested).contains("nested deeper"));
    assert!(parse("kernel @k([4294967295 x [4294967295 x i64]] %x) { e: ret }").is_ok());
    assert!(message("kernel @k() { e: %x = insertvalue [4294967295 x i8] splat(1), i8 1, 0 ret }")
        .contains("too many"));
    assert!(message("global ptr.global @g bytes 999999999999 init zero").contains("too large"));
    assert!(message("!0 = \"f\":1:1 at !1 !1 = \"f\":1:1 at !0 kernel @k() { e: ret }").contains("circle"));
    // Every prefix of a text is read without panic.
    for n in 0..EVERYTHING.len() {
        if EVERYTHING.is_char_boundary(n) && n % 7 == 0 {
            let _ = parse(&EVERYTHING[..n]);
        }
    }
}
