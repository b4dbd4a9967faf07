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

// Catches: a derivative that changes what the primal computes.
#[test]
fn derivatives_write_into_shadows_only() {
    let source = std::fs::read_to_string(folder().join("derivatives.cu")).unwrap();
    let right = "*dx += seed * (t[k + 1] - t[k]) * (float)(n - 1);";
    assert!(source.contains(right));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.cu");
    std::fs::write(&path, source.replace(right, "((float *)t)[k] = seed;")).unwrap();
    let derivatives = vec![registered("table", None, Some("table_reverse"))];
    let options =
        ReadOptions { functions: Functions { derivatives, inactive: vec![] }, ..ReadOptions::default() };
    let d = read::load(&path, &options).unwrap().kernel("look_up").unwrap_err().0.remove(0);
    assert_eq!(d.code, Code::UnsupportedCall);
    assert!(d.message.contains("it writes what `t` points to"), "{}", d.message);
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

// Catches: a function whose gradient is another than that of the kernel around it, a tape outside of the function, a result
// or a parameter in another place than the documents say.
#[test]
fn a_function_becomes_a_function() {
    use kernel_ad::interp::{self, Arg, Launch, Memory};
    use kernel_ad::kernel::FloatTy::F32;
    use shadow_mem::Role::*;
    let module = read::load(&folder().join("functions.cu"), &ReadOptions::default()).unwrap();
    let primal = module.callable("nested").unwrap();
    let roles = kernel_ad::grad::Roles::of(&[Dup, Active, Dup]);
    let gradient = kernel_ad::grad::reverse(&primal, &roles, &Default::default()).unwrap();
    assert!(gradient.kernel.is_function && gradient.tape.is_none() && gradient.assumptions.is_empty());
    let names: Vec<&str> = gradient.kernel.params.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["c", "x", "result", "c.shadow", "x.shadow", "result.shadow"]);

    // Atomic adds to local memory do not exist, and adjoints of numbers may lie there.
    let adds = gradient.kernel.iter_insts().filter_map(|(_, i)| match gradient.kernel.insts[i].op {
        kernel_ad::kernel::Op::Accumulate { atomic, .. } => Some(atomic),
        _ => None,
    });
    assert_eq!(adds.filter(|atomic| !atomic).count(), 1);

    let c = [0.3, -0.2, 0.5, 0.7, -0.4, 0.9];
    let value = |c: &[f64], x: f64| c[..5].iter().rev().fold(c[5], |y, c| y.sin() * x + c);
    let mut memory = Memory::new();
    let buffers: Vec<_> = [6, 1, 6, 1, 1].iter().map(|n| memory.alloc("buffer", &vec![0; 4 * n])).collect();
    for (i, x) in c.iter().enumerate() {
        memory.set_float(buffers[0], F32, i, *x);
    }
    memory.set_float(buffers[4], F32, 0, 1.0);
    let mut args: Vec<Arg> = buffers.iter().map(|&b| Arg::Pointer(b)).collect();
    args.insert(1, Arg::Float(0.8));
    let launch = Launch { grid: [1; 3], block: [1; 3], shared: 0, args };
    interp::run(&gradient.kernel, &launch, &mut memory, &interp::Options::wide()).unwrap();
    let got = |b: usize, i: usize| memory.float(buffers[b], F32, i).unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} instead of {b}");
    near(got(1, 0), value(&c, 0.8));
    near(got(3, 0), (value(&c, 0.8 + 1e-5) - value(&c, 0.8 - 1e-5)) / 2e-5);
    for i in 0..6 {
        let (mut more, mut less) = (c, c);
        more[i] += 1e-5;
        less[i] -= 1e-5;
        near(got(2, i), (value(&more, 0.8) - value(&less, 0.8)) / 2e-5);
    }
    let host = kernel_ad::emit::emit(&gradient, &kernel_ad::emit::Target::HOST, kernel_ad::emit::Format::Obj);
    assert_eq!(host.map(|_| ()).unwrap_err().0[0].code, Code::NotOnTarget);
    let target = kernel_ad::emit::Target::parse("nvptx:sm_80").unwrap();
    let ptx = kernel_ad::emit::emit(&gradient, &target, kernel_ad::emit::Format::Asm).unwrap();
    let text = String::from_utf8(ptx.bytes).unwrap();
    assert!(text.contains(".visible .func nested_reverse") && !text.contains(".entry"), "{text}");
}

// Catches: a tape of a function that nobody can size.
#[test]
fn a_function_with_an_unbounded_tape_is_refused() {
    use shadow_mem::Role::*;
    let module = read::load(&folder().join("functions.cu"), &ReadOptions::default()).unwrap();
    let primal = module.callable("chain").unwrap();
    let roles = kernel_ad::grad::Roles::of(&[Dup, Const, Active, Active, Dup]);
    let made = kernel_ad::grad::reverse(&primal, &roles, &Default::default());
    let e = made.map(|_| ()).unwrap_err();
    assert_eq!(e.0[0].code, Code::TapeTooLarge, "{e}");
}
