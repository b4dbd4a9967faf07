//! The page of functions for users, written from the tables.

use crate::kernel::{Arch, BinOp, Flavor, FloatPred, FloatTy};
use crate::mathlib::{callee_for, tests::all::ALL};
use crate::rules::formula::{Formula, Node};
use crate::rules::table::{rule, Rule};

const HEAD: &str = "# Functions and their derivatives

Written from the compiler's tables by `KAD_BLESS=1 cargo test -p kernel-ad --lib functions_page`.

`d` is the incoming derivative, the operand's tangent in forward mode and the result's adjoint in reverse mode; `x0`, `x1`, ... are the
operands, `y` is the result. A dash: the derivative is zero, or the operand is an integer. Formulas are those for f64. Fast and approximate
versions have the same derivative, computed with the fast versions of the functions in it.

| function | libdevice, LLVM | ocml | derivative by each operand |
|---|---|---|---|
";

/// A formula as one reads it.
fn text(f: &Formula) -> String {
    let part = |f: &Formula| match &*f.0 {
        Node::Bin(..) | Node::Neg(_) => format!("({})", text(f)),
        _ => text(f),
    };
    match &*f.0 {
        Node::D => "d".into(),
        Node::X(i) => format!("x{i}"),
        Node::Y => "y".into(),
        Node::C(v) => format!("{v}"),
        Node::Bin(op, a, b) => {
            let sign = match op {
                BinOp::FAdd => "+",
                BinOp::FSub => "-",
                BinOp::FMul => "*",
                _ => "/",
            };
            format!("{} {sign} {}", part(a), part(b))
        }
        Node::Neg(a) => format!("-{}", part(a)),
        Node::Call(g, args) => {
            let args: Vec<String> = args.iter().map(text).collect();
            format!("{}({})", format!("{g:?}").to_lowercase(), args.join(", "))
        }
        Node::Select(pred, [a, b, then, otherwise]) => {
            let sign = match pred {
                FloatPred::Ogt => ">",
                FloatPred::Oge => ">=",
                FloatPred::Olt => "<",
                FloatPred::Ole => "<=",
                _ => "==",
            };
            format!("({} {sign} {} ? {} : {})", text(a), text(b), text(then), text(otherwise))
        }
        Node::Int(i, 0) | Node::ToFloat(i) => format!("x{i}"),
        Node::Int(i, k) => format!("x{i} {} {}", if *k < 0 { "-" } else { "+" }, k.abs()),
    }
}

fn page() -> String {
    let mut out = HEAD.to_string();
    for &f in ALL {
        let name = |arch| {
            callee_for(arch, f, Flavor::Library, FloatTy::F64).map_or("-".into(), |c| format!("`{}`", c.name))
        };
        let derivative = match rule(f, FloatTy::F64) {
            Rule::Zero => "zero".to_string(),
            Rule::Unknown if f == crate::kernel::MathFn::Convert => "`d`, converted".to_string(),
            Rule::Unknown => "none: refused on active data".to_string(),
            Rule::Lanewise(formulas) => {
                let each =
                    formulas.iter().map(|f| f.as_ref().map_or("-".to_string(), |f| format!("`{}`", text(f))));
                let long = "a series; see `rules/table.rs`".to_string();
                each.map(|t| if t.len() > 160 { long.clone() } else { t }).collect::<Vec<_>>().join(", ")
            }
        };
        out += &format!("| {f:?} | {} | {} | {derivative} |\n", name(Arch::Nvptx), name(Arch::Amdgpu));
    }
    out
}

/// Catches: a page that says something else than the tables do.
#[test]
fn functions_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/functions.md");
    let now = page();
    if std::env::var_os("KAD_BLESS").is_some() {
        std::fs::write(path, &now).expect("write the page");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == now,
        "docs/functions.md is old: KAD_BLESS=1 cargo test -p kernel-ad --lib functions_page"
    );
}
