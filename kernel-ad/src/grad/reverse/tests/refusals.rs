//! What is not supported is refused, with its code; never differentiated wrongly.

use super::reverse;
use crate::diag::{Code, Diagnostics};
use crate::grad::Roles;
use crate::kernel::{parse, print};
use crate::plan::PlanOptions;
use shadow_mem::Role;

fn refused(text: &str, roles: &[Role]) -> Diagnostics {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}"));
    match reverse(&k, &Roles::of(roles), &PlanOptions::default()) {
        Ok(g) => panic!("was differentiated:\n{}", print(&g.kernel)),
        Err(d) => d,
    }
}

/// Catches each kind of kernel being let through.
#[test]
fn each_has_its_code() {
    let (d, c) = (Role::Dup, Role::Const);
    let cases: &[(Code, &str, &[Role])] = &[
        (Code::BarrierInGradient, "kernel @k(ptr %x) nvptx { e: %v = load f32, ptr %x, align 4 barrier.arrive id i32 1 count i32 64 store f32 %v, ptr %x, align 4 ret }", &[d]),
        (Code::BarrierInGradient, "kernel @k(ptr %x) nvptx { e: %t = tid.x barrier.sync id i32 %t ret }", &[d]),
        (Code::SharedMemory, "global ptr.shared @s bytes 4 align 4 kernel @k(ptr %x) nvptx { e: %v = load f32, ptr %x, align 4 store f32 %v, ptr.shared @s, align 4 %u = load f32, ptr.shared @s, align 4 store f32 %u, ptr %x, align 4 %n = total_shared_size %f = sitofp i32 %n to f32 store f32 %f, ptr %x, align 4 ret }", &[d]),
        (Code::WarpOpInGradient, "kernel @k(ptr %x) amdgpu { e: %v = load f32, ptr %x, align 4 %t = tid.x br l l: %i = phi i32 [0, e], [%j, l] %w = phi f32 [%v, e], [%s, l] %s = warp.readfirstlane f32 %w %j = add %i, 1 %c = icmp ult %j, %t br %c, l, z z: store f32 %s, ptr %x, align 4 ret }", &[d]),
        (Code::AtomicNoRule, "kernel @k(ptr %x, ptr %y) nvptx { e: %v = load f32, ptr %x, align 4 %o = atomicrmw fmax ptr %y, f32 %v, align 4 monotonic scope(device) ret }", &[d, d]),
        (Code::AtomicNoRule, "kernel @k(ptr %x, ptr %y) nvptx { e: %v = load f32, ptr %x, align 4 %o = atomicrmw fadd ptr %y, f32 %v, align 4 monotonic scope(device) store f32 %o, ptr %x, align 4 ret }", &[d, d]),
        (Code::AsmOnActive, "kernel @k(ptr %x) nvptx { e: %v = load f32, ptr %x, align 4 %s = asm \"foo $0, $1;\", \"=f,f\"(f32 %v) -> f32 store f32 %s, ptr %x, align 4 ret }", &[d]),
        (Code::OpaqueCall, "kernel @k(ptr %x) nvptx { e: %v = load f32, ptr %x, align 4 %s = call @mystery(f32 %v) -> f32 store f32 %s, ptr %x, align 4 ret }", &[d]),
        (Code::UnknownMemoryType, "kernel @k(ptr %x, ptr %y) nvptx { e: %v = load i32, ptr %x, align 4 store i32 %v, ptr %y, align 4 ret }", &[d, d]),
        (Code::UnknownProvenance, "kernel @k(ptr %x, ptr %y, i1 %c) nvptx { e: %p = select i1 %c, ptr %x, %y %v = load f32, ptr %p, align 4 store f32 %v, ptr %x, align 4 ret }", &[d, c, c]),
        (Code::UnknownProvenance, "kernel @k(ptr %x, i64 %n) nvptx { e: %p = inttoptr i64 %n to ptr %v = load f32, ptr %x, align 4 store f32 %v, ptr %p, align 4 ret }", &[d, c]),
        (Code::UnsupportedMemory, "kernel @k(ptr %x, ptr %w) nvptx { e: %v = load f32, ptr %x, align 4 store f32 %v, ptr %w, align 4 %u = load f32, ptr %w, align 4 store f32 %u, ptr %x, align 4 ret }", &[d, c]),
        (Code::UnknownMemoryType, "kernel @k(ptr %x, ptr %y) nvptx { e: %v = load f32, ptr %x, align 4 store f32 %v, ptr %y, align 4 %u = load f64, ptr %x, align 8 %p = ptradd ptr %y, i64 8 store f64 %u, ptr %p, align 8 ret }", &[d, d]),
        (Code::IrreducibleFlow, "kernel @k(ptr %x, i1 %c) nvptx { e: br i1 %c, a, b a: br i1 %c, b, z b: br a z: ret }", &[d, c]),
        (Code::BadRoles, "kernel @k(ptr %x) nvptx { e: ret }", &[Role::Active]),
        (Code::BadRoles, "kernel @k(ptr %x) nvptx { e: ret }", &[d, d]),
    ];
    for (code, text, roles) in cases {
        let e = refused(text, roles);
        assert_eq!(e.0[0].code, *code, "{e}\n{text}");
    }
}

/// Catches chains of reasons that lose their ends.
#[test]
fn the_reason_names_input_and_output() {
    let e = refused(
        "kernel @k(ptr %x, ptr %y) nvptx { e: %v = load f32, ptr %x, align 4 %s = call @mystery(f32 %v) -> f32 store f32 %s, ptr %y, align 4 ret }",
        &[Role::Dup, Role::Dup],
    );
    let text = e.to_string();
    assert!(text.contains("`x` (param 0)") && text.contains("store to %y"), "{text}");
}

/// Catches places that overlap being called two formats.
#[test]
fn floats_that_overlap_are_called_that() {
    let e = refused(
        "kernel @k(ptr %x, ptr %y) nvptx { e: %v = load f32, ptr %x, align 4 store f32 %v, ptr %y, align 4 %p = ptradd ptr %x, i64 2 %u = load f32, ptr %p, align 2 store f32 %u, ptr %y, align 4 ret }",
        &[Role::Dup, Role::Dup],
    );
    assert!(
        e.0[0].code == Code::UnknownMemoryType && e.to_string().contains("at places that overlap"),
        "{e}"
    );
}
