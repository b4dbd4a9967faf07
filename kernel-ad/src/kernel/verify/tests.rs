use super::*;
use crate::kernel::parse;

/// Messages of the verifier about a kernel in text form.
fn errors(text: &str) -> Vec<String> {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}"));
    verify(&k).expect_err("should not verify").0.into_iter().map(|d| d.message).collect()
}

fn body(insts: &str) -> String {
    format!("kernel @k(ptr.global %x, i32 %n, f32 %f, f64 %d, <4 x f32> %v) nvptx {{ e: {insts} ret }}")
}

/// Each kernel breaks one rule, and is reported for that rule and nothing else.
#[test]
fn one_rule_at_a_time() {
    let cases = [
        ("kernel @k() { e: br f f: br e }", "the entry block `e` has a predecessor"),
        ("kernel @k() { e: ret f: ret }", "block `f` cannot be reached"),
        ("kernel @k() { e: ret f: }", "block f is empty"),
        ("kernel @k() { e: ret ret }", "a terminator is the last"),
        ("kernel @k() { e: trap }", "the last instruction of a block ends it"),
        (
            "kernel @k(i1 %c) { e: br %c, a, b a: %x = laneid br b b: %y = add i32 %x, 1 ret }",
            "the definition of %x does not dominate this use",
        ),
        (
            "kernel @k() { e: %x = add i32 %y, 1 %y = add i32 %x, 1 ret }",
            "the definition of %y does not dominate this use",
        ),
        ("kernel @k() { e: br f f: %x = phi i32 ret }", "no entry for predecessor `e`"),
        ("kernel @k() { e: br f f: %x = phi i32 [1, e], [2, f] ret }", "`f` is not a predecessor"),
        ("kernel @k() { e: br f f: %x = phi i32 [1, e], [2, e] ret }", "two entries for predecessor `e`"),
        (
            "kernel @k() { e: br f f: %x = laneid %y = phi i32 [1, e] ret }",
            "phis are the first instructions of their block",
        ),
        ("kernel @k() { e: br f f: %x = alloca ptr bytes 4 ret }", "allocas stand in the entry block"),
        (
            "kernel @k(ptr %t, i32 %c, ptr %s) tape(base 0, capacity 1, status 2) { e: ret }",
            "the tape's capacity is parameter 1, which is not an i64",
        ),
        (
            "kernel @k(ptr %x, i32 %n) distinct(0, 2) { e: ret }",
            "distinct(0, 2): parameter 2 is not a pointer",
        ),
        (
            "global ptr.shared @g bytes 4 align 3 kernel @k() { e: ret }",
            "global `g` (g0): alignment 3 is not a power of two",
        ),
        (
            "global ptr.shared @g bytes 4 align 4 init \"00\" kernel @k() { e: ret }",
            "global `g` (g0): size 4 differs from that of its contents",
        ),
        (
            "kernel @k({f32 at 0, f32 at 4 : size 4 align 4} %s) { e: ret }",
            "type agg0: the member at 4 ends behind the struct's 4 bytes",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(errors(text), [wanted], "{text}");
    }
}

#[test]
fn operand_types() {
    let cases = [
        ("%a = add i32 %n, 1 %b = fadd i32 %a, 1", "i32 where a float is needed"),
        ("%a = xor f32 %f, %f", "f32 where an integer is needed"),
        ("%a = fadd f32 %f, f64 %d", "operands of types f32 and f64"),
        ("%a = fneg i32 %n", "i32 where a float is needed"),
        ("%a = icmp eq f32 %f, %f", "f32 where an integer or a pointer is needed"),
        ("%a = sext i32 %n to i16", "no `sext` from i32 to i16"),
        ("%a = fpext f64 %d to f32", "no `fpext` from f64 to f32"),
        ("%a = bitcast i32 %n to f64", "no `bitcast` from i32 to f64"),
        ("%a = fptosi <4 x f32> %v to i32", "no `fptosi` from <4 x f32> to i32"),
        (
            "%a = addrspacecast ptr.global %x to ptr.global",
            "no `addrspacecast` from ptr.global to ptr.global",
        ),
        ("%a = select i32 %n, f32 %f, %f", "i32 where i1, or i1 for every lane, is needed"),
        ("%a = ptradd ptr.global %x, i8 1", "i8 where an integer of [32, 64] bits is needed"),
        ("%a = load f32, ptr.global %x, align 3", "alignment 3 is not a power of two"),
        ("%a = load f32, i32 %n", "i32 where a pointer is needed"),
        ("%a = load {i32, i32}, ptr.global %x, align 4 monotonic", "an atomic load of {i32, i32}"),
        ("%a = atomicrmw fadd ptr.global %x, i32 1", "i32 where an operand of `fadd` is needed"),
        ("%a = atomicrmw add ptr.global %x, f32 1.0", "f32 where an operand of `add` is needed"),
        ("%a = cmpxchg ptr.global %x, f32 1.0, 2.0", "f32 where an integer or a pointer is needed"),
        ("%a = extractelement f32 %f, i32 0", "f32 where a vector is needed"),
        ("%a = shufflevector <4 x f32> %v, %v, [8]", "the mask names a lane that the 8 do not have"),
        ("%a = insertvalue {i32, f32} zero, i32 1, 1", "i32 where f32 is needed"),
        ("%a = math.pow f32 %f", "`pow` takes 2 arguments, not 1"),
        ("%a = math.powi f32 %f, %f", "argument 1 of `powi` is f32"),
        ("%a = math.hypot f32 %f, f64 %d", "argument 1 of `hypot` is f64"),
        ("%a = math.exp f32 %f -> f64", "`exp` does not give f64"),
        ("%a = int.umin i32 %n, i64 1", "arguments of `umin` differ in type"),
        ("%a = add i32 %n, 1 -> i64", "the result is i32, not i64"),
        ("barrier.sync pred i1 true", "a predicate belongs to a reducing barrier, and to no other"),
        ("%a = warp.shfl_up i32 -1, f32 %f, i32 1, i64 0", "argument 3 of `shfl_up` is i64"),
        ("%a = warp.ds_swizzle i32 %n, %n", "`ds_swizzle` needs constants as its last arguments"),
        ("tape.store i64 0, f32 %f", "the kernel has no tape"),
        ("accumulate ptr.global %x, i32 %n", "i32 where a float is needed"),
        ("switch i32 %n, default g, [1: g, 1: g] g:", "two cases of the same value"),
    ];
    for (insts, wanted) in cases {
        assert_eq!(errors(&body(insts)), [wanted], "{insts}");
    }
}

/// Catches a verifier that stops at the first violation.
#[test]
fn all_violations_are_reported() {
    let found = errors(&body("%a = fneg i32 %n %b = fneg i32 %n %c = fneg i32 %n"));
    assert_eq!(found.len(), 3);
}

/// Catches a verifier that looks things up before it knows that they are there.
#[test]
fn broken_tables_are_errors() {
    let sound =
        parse(&body("%a = add i32 %n, 1 br g g: %b = phi i32 [%a, e]")).unwrap_or_else(|e| panic!("{e}"));
    let breaks: [fn(&mut Kernel); 8] = [
        |k| k.layout.clear(),
        |k| k.layout.push(Block::from_u32(99)),
        |k| k.layout.push(k.layout[0]),
        |k| k.blocks[k.layout[0]].insts.push(Inst::from_u32(99)),
        |k| k.insts[Inst::from_u32(0)].op.map_operands(|_| Value::from_u32(99)),
        |k| k.insts[Inst::from_u32(0)].result = Some(Value::from_u32(0)),
        |k| k.insts[Inst::from_u32(1)].op.map_blocks(|_| Block::from_u32(99)),
        |k| k.values[Value::from_u32(0)].ty = Type::Agg(AggId::from_u32(99)),
    ];
    verify(&sound).unwrap_or_else(|e| panic!("{e}"));
    for (n, f) in breaks.into_iter().enumerate() {
        let mut k = sound.clone();
        f(&mut k);
        assert!(verify(&k).is_err(), "break {n}");
    }
}
