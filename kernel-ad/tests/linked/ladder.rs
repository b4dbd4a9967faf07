//! Whole kernels with libdevice in them, through the ladder of oracles; and reductions that are not what they look like.

use super::{compiled, library};
use kernel_ad::case::Case;
use kernel_ad::check::{self, Options, Verdict};
use kernel_ad::grad;
use kernel_ad::jit::Device;
use std::path::Path;

const SIGNAL: &str = r#"
module = "kernels.cu"
kernel = "signal_f32"
grid = [2]
block = [8]
arg = [
  { name = "delay", type = "f32", len = 12, init = { uniform = [-1.0, 1.0], seed = 1 }, role = "dup" },
  { name = "carrier", type = "f32", len = 5, init = { values = [1.5, 110000.0, -123456.5, 300000.25, -800.0] } },
  { name = "rate", type = "f32", len = 5, init = { uniform = [0.3, 2.5], seed = 2 }, role = "dup" },
  { name = "out", type = "f32", len = 24, role = "out" },
  { name = "waves", type = "i32", value = 5 },
  { name = "n", type = "i32", value = 12 },
]
"#;

const ADIABAT: &str = r#"
module = "kernels.cu"
kernel = "adiabat_f32"
grid = [2]
block = [8]
arg = [
  { name = "density", type = "f32", len = 12, init = { uniform = [0.3, 9.0], seed = 1 }, role = "dup" },
  { name = "exponent", type = "f32", len = 12, init = { uniform = [1.1, 1.7], seed = 2 }, role = "dup" },
  { name = "out", type = "f32", len = 12, role = "out" },
  { name = "n", type = "i32", value = 12 },
]
"#;

const SWING: &str = r#"
module = "kernels.cu"
kernel = "swing_f64"
grid = [1]
block = [8]
arg = [
  { name = "angle", type = "f64", len = 8, init = { uniform = [-2.0, 2.0], seed = 1 }, role = "dup" },
  { name = "phase", type = "f64", len = 4, init = { values = [0.0, 3.0e9, -1.0e3, 2.2e9] } },
  { name = "power", type = "f64", len = 8, init = { uniform = [1.2, 2.5], seed = 2 }, role = "dup" },
  { name = "out", type = "f64", len = 8, role = "out" },
  { name = "steps", type = "i32", value = 4 },
  { name = "n", type = "i32", value = 8 },
]
"#;

// Catches: a derivative of linked code that one of the oracles refutes, or that only the interpreter gets right.
#[test]
fn linked_kernels_pass_the_ladder() {
    let dir = tempfile::tempdir().unwrap();
    let Some(library) = library(dir.path()) else { return };
    let module = compiled(dir.path(), include_str!("kernels.cu"), Some(&library));
    let device = Device::cpu();
    for text in [SIGNAL, ADIABAT, SWING] {
        let case = Case::parse(text, Path::new("linked.toml")).unwrap();
        let kernel = check::kernel_of(&case, &module).unwrap();
        let subject = check::subject_of(&case, kernel).unwrap();
        let report = check::with_engines(Some(&device), |e| {
            check::ladder(&subject, e, &Options::default(), "cpu", &mut |_| ())
        });
        let report = report.unwrap();
        for f in &report.findings {
            assert_eq!(f.verdict, Verdict::Pass, "{}: {f:?}", case.kernel);
        }
    }
}

// Catches: arithmetic that is taken for a reduction by quarter turns without being one, and then differentiated wrongly.
#[test]
fn what_only_looks_like_a_reduction_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let source = std::fs::read_to_string(folder.join("angles.cu")).unwrap();
    let case = Case::load(&folder.join("angles.toml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let kernel = compiled(dir.path(), text, None).kernel(&case.kernel).unwrap();
        grad::reverse(&kernel, &case.roles(), &Default::default()).err().map(|e| e.0[0].code.to_string())
    };
    assert_eq!(refused(&source), None);
    for (right, wrong) in [
        // A digit of the table, in the first word and in the last one.
        ("0xa2f9836eu", "0xa2f9836fu"),
        ("0x3c439041u", "0x3c439040u"),
        // Half turns; another unit; a product of too few digits; the quarters left in; a sign that is not the angle's.
        ("turns << 2)", "turns << 1)"),
        ("8.515303950216386e-20", "8.515303950216386e-19"),
        ("bits >> 23 & 255u) - 120", "bits >> 23 & 255u) - 121"),
        ("m * part", "(m & 0xfffff0u) * part"),
        ("(bits & 0x7fffffu) | 0x800000u", "(bits & 0x3fffffu) | 0x800000u"),
        ("turns << 2) * 8", "turns << 2 ^ (long long)bits << 40) * 8"),
    ] {
        assert!(source.contains(right), "{right}");
        assert_eq!(refused(&source.replace(right, wrong)).as_deref(), Some("KAD0103"), "{wrong}");
    }
}
