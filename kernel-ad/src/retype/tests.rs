//! What becomes a float, and what does not.

use super::*;
use shadow_mem::Role;

fn retyped(text: &str, roles: &[Role]) -> Kernel {
    let mut k = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    retype(&mut k, &Roles::of(roles));
    verify(&k).unwrap_or_else(|e| panic!("{e}\n{}", print(&k)));
    k
}

fn has(k: &Kernel, what: &str) -> bool {
    print(k).contains(what)
}

const DUP: [Role; 2] = [Role::Dup, Role::Dup];

/// Catches a copy of a float as an integer that stays one, though another access says what it is.
#[test]
fn moves_of_floats() {
    let k = retyped(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx { entry: %i = load i32, %x store i32 %i, %y
           %p = ptradd ptr.global %x, i64 4 %f = load f32, %p %q = ptradd ptr.global %y, i64 4 store f32 %f, %q ret }",
        &DUP,
    );
    // Constant offsets: nothing says that the first element is as the second.
    assert!(has(&k, "load i32"), "{}", print(&k));
    let k = retyped(
        "kernel @k(ptr.global %x, ptr.global %y, i64 %n) nvptx { entry: %o = shl i64 %n, 2
           %a = ptradd ptr.global %x, i64 %o %i = load i32, %a
           %b = ptradd ptr.global %y, i64 %o store i32 %i, %b
           %p = ptradd ptr.global %x, i64 4 %f = load f32, %p store f32 %f, %y ret }",
        &[Role::Dup, Role::Dup, Role::Const],
    );
    assert!(!has(&k, "i32"), "{}", print(&k));
}

/// Catches halves of an integer that are not told apart.
#[test]
fn pairs_in_one_integer() {
    let k = retyped(
        "kernel @k(ptr.global %x, ptr.global %y, i64 %n) nvptx { entry: %i = load i64, %x
           %l = trunc i64 %i to i32 %h = lshr i64 %i, 32 %m = trunc i64 %h to i32
           %f = bitcast i32 %l to f32 %g = bitcast i32 %m to f32 %s = fmul f32 %f, %g store f32 %s, %y ret }",
        &[Role::Dup, Role::Dup, Role::Const],
    );
    assert!(has(&k, "load <2 x f32>") && !has(&k, "bitcast"), "{}", print(&k));
}

/// Catches masks of the sign that stay bits.
#[test]
fn masks_of_the_sign() {
    let k = retyped(
        "kernel @k(ptr.global %x, ptr.global %y) nvptx { entry: %v = load f32, %x %i = bitcast f32 %v to i32
           %a = and i32 %i, 2147483647 %f = bitcast i32 %a to f32
           %s = xor i32 %i, 2147483648 %g = bitcast i32 %s to f32
           %r = fsub f32 %f, %g store f32 %r, %y ret }",
        &DUP,
    );
    assert!(has(&k, "fabs") && has(&k, "fneg") && !has(&k, "bitcast"), "{}", print(&k));
}

/// Catches arithmetic on bits that loses its mark: a twin where there is a derivative, opaque where nobody knows.
#[test]
fn arithmetic_on_bits_is_marked() {
    let of = |op: &str| {
        let text = format!(
            "kernel @k(ptr.global %x, ptr.global %y) nvptx {{ entry: %v = load f32, %x %i = bitcast f32 %v to i32
               {op} %f = bitcast i32 %j to f32 store f32 %f, %y ret }}"
        );
        retyped(&text, &DUP)
    };
    let k = of("%h = lshr i32 %i, 1 %j = sub i32 1597463007, %h");
    assert!(has(&k, "pin") && !has(&k, "opaque"), "{}", print(&k));
    // A bit of the mantissa is turned over; bits are counted; the mantissa is multiplied by itself.
    for op in ["%j = xor i32 %i, 4194304", "%j = int.ctpop i32 %i", "%j = mul i32 %i, %i"] {
        let k = of(op);
        assert!(has(&k, "opaque"), "{op}: {}", print(&k));
    }
    // The exponent alone changes in jumps.
    let k = of("%j = and i32 %i, 2139095040");
    assert!(has(&k, "pin") && !has(&k, "fpext"), "{}", print(&k));
}
