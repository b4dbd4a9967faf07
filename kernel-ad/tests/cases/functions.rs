//! Device functions: derivatives that are given by hand, and mistakes in giving them.

use super::folder;
use kernel_ad::case::Case;
use kernel_ad::check::{self, Options, Verdict};
use kernel_ad::diag::Code;
use kernel_ad::jit::Device;
use kernel_ad::read::{self, Functions, ReadOptions, Registered};

fn registered(function: &str, forward: Option<&str>, reverse: Option<&str>) -> Registered {
    let name = |n: Option<&str>| n.map(str::to_string);
    Registered { function: function.into(), forward: name(forward), reverse: name(reverse) }
}

fn refused(functions: Functions, kernel: &str) -> kernel_ad::diag::Diagnostic {
    let options = ReadOptions { functions, ..ReadOptions::default() };
    let module = read::load(&folder().join("derivatives.cu"), &options).unwrap();
    module.kernel(kernel).unwrap_err().0.remove(0)
}

// Catches: a registered derivative that is not used, so that a wrong one goes unnoticed.
#[test]
fn a_wrong_derivative_is_found() {
    let mut case = Case::load(&folder().join("implicit_root.toml")).unwrap();
    let source = std::fs::read_to_string(&case.module).unwrap();
    let dir = tempfile::tempdir().unwrap();
    case.module = dir.path().join("wrong.cu");
    for (right, wrong, oracle) in [
        ("*dp += -x * w;", "*dp += x * w;", "gradient = central differences"),
        ("return (dq - x * dp)", "return (dq + x * dp)", "gradient = forward mode"),
    ] {
        assert!(source.contains(right));
        std::fs::write(&case.module, source.replace(right, wrong)).unwrap();
        let report = check::check(
            &case,
            &ReadOptions::default(),
            Some(&Device::cpu()),
            &Options::default(),
            &mut |_| (),
        )
        .unwrap();
        let found = report.findings.iter().any(|f| f.oracle == oracle && f.verdict == Verdict::Fail);
        assert!(found, "{oracle}: {:?}", report.findings);
    }
}

// Catches: mistakes that are accepted, or told without what to do.
#[test]
fn mistakes_are_told() {
    let derivative = |d: Registered| Functions { derivatives: vec![d], inactive: vec![] };
    let root = |f, r| derivative(registered("root", f, r));
    for (functions, kernel, message, help) in [
        (
            root(None, Some("root_forward")),
            "depress",
            "`root_forward` has the wrong signature",
            "void root_forward(double p, double q, double seed, T *d_p, T *d_q)",
        ),
        (
            root(Some("table_forward"), None),
            "depress",
            "`table_forward` has the wrong signature",
            "double table_forward(double p, double d_p, double q, double d_q)",
        ),
        (
            root(None, Some("root_revers")),
            "depress",
            "no function `root_revers`",
            "did you mean root_reverse",
        ),
        (
            root(None, Some("root_reverse")),
            "swirl",
            "`swirl` does not call the function `root`",
            "__noinline__",
        ),
        (root(None, None), "depress", "no derivative of `root` is named", "declare it inactive"),
        (
            Functions {
                derivatives: vec![registered("root", None, Some("root_reverse"))],
                inactive: vec!["root".into()],
            },
            "depress",
            "two things are said of the function `root`",
            "",
        ),
    ] {
        let d = refused(functions, kernel);
        assert_eq!(d.code, Code::Usage, "{}", d.message);
        assert!(d.message.contains(message), "{}", d.message);
        assert!(d.help.as_deref().unwrap_or("").contains(help), "{:?}", d.help);
    }
}

// Catches: an inactive function that writes what is differentiated, and is believed.
#[test]
fn inactive_functions_write_nothing_active() {
    let functions = Functions { derivatives: vec![], inactive: vec!["turn".into()] };
    let options = ReadOptions { functions, ..ReadOptions::default() };
    let kernel = read::load(&folder().join("derivatives.cu"), &options).unwrap().kernel("swirl").unwrap();
    use shadow_mem::Role::*;
    let roles = kernel_ad::grad::Roles::of(&[Dup, Dup, Dup, Const]);
    for e in [
        kernel_ad::grad::reverse(&kernel, &roles, &Default::default()).unwrap_err(),
        kernel_ad::grad::tangent(&kernel, &roles).unwrap_err(),
    ] {
        assert_eq!(e.0[0].code, Code::OpaqueCall);
        assert!(e.0[0].message.contains("`turn` is declared inactive"), "{e}");
        assert!(e.0[0].place.as_ref().is_some_and(|p| p.line > 0), "{e}");
    }
}
