//! Kernels into which clang has linked and inlined libdevice, as it does when it has a CUDA toolkit: what is left of a function is
//! arithmetic and the handling of bits. Every function that has a derivative must get it, or be refused.
//!
//! The reference is the derivative of the same kernel with the function still called by its name, in doubles.

mod ladder;
mod table;

use kernel_ad::case::{Arg, ArgKind, Case, Data, Image};
use kernel_ad::check::{Engine, Interpreter, Program};
use kernel_ad::compile::CompileOptions;
use kernel_ad::diag::Diagnostics;
use kernel_ad::emit::gpu::Libraries;
use kernel_ad::grad::{self, Gradient};
use kernel_ad::interp::Options;
use kernel_ad::read::{self, ModuleSource, ReadOptions};
use shadow_mem::{ElemType, Role};
use std::path::{Path, PathBuf};
use table::{Function, FUNCTIONS, OPEN};

/// A function in one format.
struct Row {
    function: &'static Function,
    kernel: String,
    ty: ElemType,
}

fn rows() -> Vec<Row> {
    let formats = [ElemType::F32, ElemType::F64];
    let of = |function: &'static Function| {
        formats.map(|ty| Row { function, kernel: format!("{}_{}", function.title, name_of(ty)), ty })
    };
    FUNCTIONS.iter().flat_map(of).collect()
}

fn name_of(ty: ElemType) -> &'static str {
    if ty == ElemType::F32 {
        "f32"
    } else {
        "f64"
    }
}

fn source(rows: &[Row]) -> String {
    let mut text = String::new();
    for r in rows {
        let (ty, suffix) = if r.ty == ElemType::F32 { ("float", "f") } else { ("double", "") };
        let code =
            r.function.code.replace("F(", &format!("__nv_{}{suffix}(", r.function.name)).replace('T', ty);
        text += &format!(
            "extern \"C\" __global__ void {}(const {ty} *x, const {ty} *z, {ty} *y) {{\n\
             int i = threadIdx.x; {ty} a = x[i], b = z[i], r; {code} y[i] = r; }}\n",
            r.kernel
        );
    }
    text
}

/// Where libdevice was put for clang; says so when it is not there.
fn library(dir: &Path) -> Option<PathBuf> {
    let Some(bitcode) = Libraries::installed().libdevice() else {
        eprintln!("skipped: libdevice was not found");
        return None;
    };
    let path = dir.join("libdevice.bc");
    std::fs::write(&path, &bitcode.bytes).unwrap();
    Some(path)
}

/// A module as clang makes it with `-O2`, with a library linked in as it does with that of a toolkit.
fn compiled(dir: &Path, text: &str, library: Option<&Path>) -> ModuleSource {
    let path = dir.join("module.cu");
    std::fs::write(&path, text).unwrap();
    let mut extra_args: Vec<String> = ["-O2", "-funroll-loops", "-fslp-vectorize"].map(String::from).into();
    if let Some(p) = library {
        for word in ["-mlink-builtin-bitcode", &p.display().to_string()] {
            extra_args.extend(["-Xclang".to_string(), word.to_string()]);
        }
    }
    let compile = CompileOptions { extra_args, ..CompileOptions::default() };
    read::load(&path, &ReadOptions { compile, ..ReadOptions::default() }).unwrap()
}

fn case(r: &Row, kernel: &str) -> Case {
    let a: Vec<f64> = r.function.a.to_vec();
    let b: Vec<f64> = (0..a.len()).map(|i| r.function.b[i % r.function.b.len()]).collect();
    let arg = |name: &str, values: Vec<f64>, role| {
        let data = Data::from_f64(r.ty, values);
        let shadow = Data::zeros(r.ty, data.len());
        Arg { name: name.into(), role, kind: ArgKind::Buffer { data, shadow } }
    };
    let zeros = vec![0.0; a.len()];
    Case {
        file: "linked".into(),
        module: "functions.cu".into(),
        kernel: kernel.into(),
        grid: [1, 1, 1],
        block: [a.len() as u32, 1, 1],
        shared: 0,
        arch: None,
        functions: Default::default(),
        args: vec![arg("x", a, Role::Dup), arg("z", b, Role::Dup), arg("y", zeros, Role::Dup)],
        globals: vec![],
    }
}

/// Contents and shadows after a run that starts with these shadows.
fn run(g: &Gradient, case: &Case, wide: bool, shadows: [f64; 3]) -> Result<Image, Diagnostics> {
    let mut image = Image::of(case);
    for (l, s) in image.leaves.iter_mut().zip(shadows) {
        l.shadow = Data::from_f64(l.ty, vec![s; l.data.len()]);
    }
    let mut options = Options::default();
    if wide {
        (image, options) = (image.widened(), Options::wide());
    }
    Interpreter(options).run(&Program::gradient(g), case, &mut image)?;
    Ok(image)
}

/// Derivatives by both arguments for every element, and the function's values.
struct Derivatives {
    da: Vec<f64>,
    db: Vec<f64>,
    y: Vec<f64>,
}

fn reversed(g: &Gradient, case: &Case, wide: bool, seed: f64) -> Result<Derivatives, Diagnostics> {
    let image = run(g, case, wide, [0.0, 0.0, seed])?;
    let of = |i: usize| image.leaves[i].shadow.to_f64().into_iter().map(|x| x / seed).collect();
    Ok(Derivatives { da: of(0), db: of(1), y: image.leaves[2].data.to_f64() })
}

/// Reverse and forward mode of a kernel.
fn gradients(module: &ModuleSource, case: &Case) -> Result<(Gradient, Gradient), Diagnostics> {
    let kernel = module.kernel(&case.kernel)?;
    Ok((grad::reverse(&kernel, &case.roles(), &Default::default())?, grad::tangent(&kernel, &case.roles())?))
}

/// What became of a function.
#[derive(Clone)]
enum Outcome {
    /// The largest error of a derivative, relative.
    Right(f64),
    Refused(String),
    Wrong(String),
}

fn first(e: &Diagnostics) -> String {
    e.0.first().map_or(String::new(), |d| format!("{} {}", d.code, d.message))
}

/// How wrong a number may be: relative, by what it consists of.
fn tolerance(ty: ElemType) -> f64 {
    if ty == ElemType::F32 {
        2e-4
    } else {
        1e-9
    }
}

fn judge(r: &Row, linked: &ModuleSource, named: &ModuleSource) -> Outcome {
    let case = case(r, &r.kernel);
    let want = gradients(named, &case).and_then(|(g, _)| reversed(&g, &case, true, 1.0)).unwrap();
    let (reverse, forward) = match gradients(linked, &case) {
        Ok(both) => both,
        Err(e) => return Outcome::Refused(first(&e)),
    };
    let got = reversed(&reverse, &case, false, 1.0).unwrap();
    let (xs, zs) = (case_data(&case, 0), case_data(&case, 1));
    let mut worst = 0.0f64;
    let mut wrong = Vec::new();
    let largest = if r.ty == ElemType::F32 { 1e37 } else { 1e300 };
    let mut compare = |what: &str, got: &[f64], by: f64, expected: &dyn Fn(usize) -> (f64, f64)| {
        for (i, &g) in got.iter().enumerate() {
            let (w, scale) = expected(i);
            if [w, w * by, want.y[i]].iter().any(|x| !x.is_finite() || x.abs() > largest) {
                continue;
            }
            let error = (g - w).abs() / scale.max(1e-30);
            worst = worst.max(error);
            if !(error <= tolerance(r.ty)) {
                wrong.push(format!("{what} at {:e}, {:e}: {g:e}, not {w:e}", xs[i], zs[i]));
            }
        }
    };
    // What a derivative is worth depends on the function's own size too: it is a polynomial that was fitted.
    let scale = |i: usize, d: f64, x: f64| d.abs().max(0.01 * (want.y[i] / x).abs());
    compare("value", &got.y, 1.0, &|i| (want.y[i], want.y[i].abs().max(1e-3)));
    compare("da", &got.da, 1.0, &|i| (want.da[i], scale(i, want.da[i], xs[i])));
    compare("db", &got.db, 1.0, &|i| (want.db[i], scale(i, want.db[i], zs[i])));
    for by in [[1.0, 0.7], [-1e6, 3e5], [3e-6, 1e-5]] {
        let after = run(&forward, &case, false, [by[0], by[1], 0.0]).unwrap();
        let tangent = after.leaves[2].shadow.to_f64();
        compare(&format!("tangent by {by:?}"), &tangent, 1.0, &|i| {
            let (p, q) = (want.da[i] * by[0], want.db[i] * by[1]);
            (p + q, scale(i, want.da[i], xs[i]) * by[0].abs() + scale(i, want.db[i], zs[i]) * by[1].abs())
        });
    }
    let large = reversed(&reverse, &case, false, 1e6).unwrap();
    compare("da of 1e6", &large.da, 1e6, &|i| (want.da[i], scale(i, want.da[i], xs[i])));
    match wrong.is_empty() {
        true => Outcome::Right(worst),
        false => Outcome::Wrong(format!(
            "{} numbers, {}",
            wrong.len(),
            wrong[..wrong.len().min(6)].join("\n        ")
        )),
    }
}

fn case_data(case: &Case, i: usize) -> Vec<f64> {
    match &case.args[i].kind {
        ArgKind::Buffer { data, .. } => data.to_f64(),
        _ => Vec::new(),
    }
}

// Catches: a function of libdevice that is differentiated wrongly once clang has inlined it, in whatever range; and a list of exceptions
// that is not true any more.
#[test]
fn every_function_is_right_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(library) = library(dir.path()) else { return };
    let rows = rows();
    let text = source(&rows);
    let linked = compiled(dir.path(), &text, Some(&library));
    let named = compiled(dir.path(), &text, None);
    let half = rows.len() / 2;
    let all = |rows: &[Row]| rows.iter().map(|r| judge(r, &linked, &named)).collect::<Vec<_>>();
    let outcomes = std::thread::scope(|s| {
        let first = s.spawn(|| all(&rows[..half]));
        let rest = all(&rows[half..]);
        [first.join().unwrap(), rest].concat()
    });
    let mut surprises = Vec::new();
    for (r, out) in rows.iter().zip(&outcomes) {
        let open = OPEN.iter().find(|o| o.0 == r.kernel);
        let line = match out {
            Outcome::Right(e) => format!("right    {} ({e:.1e})", r.kernel),
            Outcome::Refused(e) => format!("refused  {} {e}", r.kernel),
            Outcome::Wrong(e) => format!("wrong    {} {e}", r.kernel),
        };
        println!("{line}");
        if matches!(out, Outcome::Right(_)) == open.is_some() {
            surprises.push(line);
        }
    }
    let right = outcomes.iter().filter(|o| matches!(o, Outcome::Right(_))).count();
    println!("{right} of {} are right", rows.len());
    assert!(surprises.is_empty(), "the list of what is open says otherwise:\n{}", surprises.join("\n"));
}
