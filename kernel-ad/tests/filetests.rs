//! Kernels in files with what some stage says of them.
//!
//! A file is a kernel in text form. Its first lines say what to do, the lines behind it that begin with `;=` what comes out:
//!
//! ```text
//! ;; free text
//! ; test interp gradient
//! ; launch grid=2 block=4 races unwritten
//! ; arg x f32 [1 2 3 4]
//! ; roles dup
//! kernel @k(ptr.global %x) nvptx { ... }
//! ;= interp
//! ;=   x = 2.0 4.0 6.0 8.0
//! ```
//!
//! `KAD_BLESS=1` rewrites the `;=` lines. An unknown directive fails, and so does a file that checks nothing.

use kernel_ad::case::{self, ArgKind, Case, Data, Image};
use kernel_ad::cfg::Cfg;
use kernel_ad::check::{with_engines, Program};
use kernel_ad::diag::Diagnostics;
use kernel_ad::facts::{Activity, Provenance};
use kernel_ad::grad::{self, Roles};
use kernel_ad::interp::{self, Arg, Launch, Memory, Options, Pointer};
use kernel_ad::jit::Device;
use kernel_ad::kernel::{parse, print, verify, FloatTy, Kernel, Named, Printer, Type};
use shadow_mem::{ElemType, Role};
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, String>;

/// What the first lines of a file ask for.
#[derive(Default)]
struct Header {
    tests: Vec<String>,
    launch: Option<(Launch, Options)>,
    args: Vec<(String, ArgText)>,
    roles: Vec<Role>,
}

/// An argument as the file gives it.
enum ArgText {
    Scalar(Type, f64),
    Buffer(Type, Vec<f64>),
}

fn scalar_type(s: &str) -> Outcome<Type> {
    match FloatTy::from_name(s) {
        Some(f) => Ok(Type::Float(f)),
        None => match s.strip_prefix('i').and_then(|w| w.parse().ok()) {
            Some(w @ (8 | 16 | 32 | 64)) => Ok(Type::Int(w)),
            _ => Err(format!("unknown type `{s}`")),
        },
    }
}

fn number(s: &str) -> Outcome<f64> {
    s.parse().map_err(|_| format!("`{s}` is not a number"))
}

fn header(text: &str) -> Outcome<Header> {
    let mut h = Header::default();
    for line in text.lines().take_while(|l| l.starts_with(';')) {
        if line.starts_with(";;") || line.starts_with(";=") {
            continue;
        }
        let mut words = line[1..].split_whitespace();
        match words.next() {
            Some("test") => h.tests.extend(words.map(String::from)),
            Some("launch") => h.launch = Some(launch(words)?),
            Some("roles") => {
                h.roles = words
                    .map(|w| match w {
                        "const" => Ok(Role::Const),
                        "dup" => Ok(Role::Dup),
                        "out" => Ok(Role::Out),
                        "active" => Ok(Role::Active),
                        w => Err(format!("unknown role `{w}`")),
                    })
                    .collect::<Outcome<_>>()?
            }
            Some("arg") => {
                let (name, ty) = (words.next().unwrap_or(""), scalar_type(words.next().unwrap_or(""))?);
                let rest = words.collect::<Vec<_>>().join(" ");
                let arg = match rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')) {
                    Some(list) => {
                        let numbers = list.split_whitespace().map(number).collect::<Outcome<_>>()?;
                        ArgText::Buffer(ty, numbers)
                    }
                    None => ArgText::Scalar(ty, number(&rest)?),
                };
                h.args.push((name.to_string(), arg));
            }
            other => return Err(format!("unknown directive `{}`", other.unwrap_or(""))),
        }
    }
    match h.tests.is_empty() {
        true => Err("the file checks nothing: no `; test` line".into()),
        false => Ok(h),
    }
}

fn launch<'a>(words: impl Iterator<Item = &'a str>) -> Outcome<(Launch, Options)> {
    let mut l = Launch { grid: [1; 3], block: [1; 3], shared: 0, args: Vec::new() };
    let mut o = Options { max_steps: 10_000_000, ..Options::default() };
    let dims = |s: &str| -> Outcome<[u32; 3]> {
        let mut d = [1; 3];
        for (to, n) in d.iter_mut().zip(s.split('x')) {
            *to = n.parse().map_err(|_| format!("`{s}` is no shape"))?;
        }
        Ok(d)
    };
    for w in words {
        match w.split_once('=') {
            Some(("grid", s)) => l.grid = dims(s)?,
            Some(("block", s)) => l.block = dims(s)?,
            Some(("shared", s)) => l.shared = number(s)? as u64,
            None if w == "races" => o.races = true,
            None if w == "unwritten" => o.unwritten = true,
            None if w == "wide" => o.wide = true,
            None if w == "backward" => o.order = interp::Order::Backward,
            _ => return Err(format!("unknown word `{w}` of a launch")),
        }
    }
    Ok((l, o))
}

fn errors(e: &Diagnostics) -> Vec<String> {
    e.to_string().lines().map(String::from).collect()
}

/// What a stage says, in lines.
fn stage(test: &str, h: &Header, text: &str) -> Outcome<Vec<String>> {
    let k = match (parse(text), test) {
        (Err(e), "parse") => return Ok(errors(&e)),
        (Err(e), _) => return Err(format!("does not parse: {e}")),
        (Ok(_), "parse") => return Ok(vec!["ok".into()]),
        (Ok(k), _) => k,
    };
    let verified = verify(&k);
    if test == "verify" {
        return Ok(verified.map_or_else(|e| errors(&e), |()| vec!["ok".into()]));
    }
    verified.map_err(|e| format!("does not verify: {e}"))?;
    let roles = || match h.roles.len() == k.params.len() {
        true => Ok(Roles::of(&h.roles)),
        false => Err(format!("{} roles for {} parameters", h.roles.len(), k.params.len())),
    };
    match test {
        "print" => Ok(print(&k).lines().map(String::from).collect()),
        "interp" => run(&k, h),
        "device" => on_device(&k, h),
        "activity" => Ok(activity(&k, &roles()?)),
        "gradient" => Ok(match grad::reverse(&k, &roles()?, &Default::default()) {
            Err(e) => errors(&e),
            Ok(g) => {
                verify(&g.kernel).map_err(|e| format!("the gradient does not verify: {e}"))?;
                print(&g.kernel).lines().map(String::from).collect()
            }
        }),
        other => Err(format!("unknown test `{other}`")),
    }
}

/// Every instruction with a result, and why it is active where it is.
fn activity(k: &Kernel, roles: &Roles) -> Vec<String> {
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, roles);
    let activity = Activity::new(k, &cfg, &prov, roles);
    let printer = Printer::new(k);
    let mut out = Vec::new();
    for (_, i) in k.iter_insts() {
        let Some(r) = k.insts[i].result.filter(|&r| k.ty(r).is_float()) else { continue };
        let what = if activity.is_active(k, r) { "active" } else { "inactive" };
        out.push(format!("{what}: {}", printer.bare_inst(i)));
    }
    out
}

fn run(k: &Kernel, h: &Header) -> Outcome<Vec<String>> {
    let (mut launch, options) = h.launch.clone().ok_or("no `; launch` line")?;
    let mut memory = Memory::new();
    let mut buffers: Vec<(&str, Type, usize, Pointer)> = Vec::new();
    for (name, arg) in &h.args {
        launch.args.push(match arg {
            ArgText::Scalar(Type::Float(_), x) => Arg::Float(*x),
            ArgText::Scalar(_, x) => Arg::Int(*x as i128),
            ArgText::Buffer(ty, xs) => {
                let size = k.bytes(*ty) as usize;
                let p = memory.alloc(name, &vec![0; size * xs.len()]);
                for (i, &x) in xs.iter().enumerate() {
                    match ty {
                        Type::Float(f) => drop(memory.set_float(p, *f, i, x)),
                        _ => memory.bytes_mut(p)[i * size..(i + 1) * size]
                            .copy_from_slice(&(x as i64).to_le_bytes()[..size]),
                    }
                }
                buffers.push((name, *ty, xs.len(), p));
                Arg::Pointer(p)
            }
        });
    }
    let mut out = match interp::run(k, &launch, &mut memory, &options) {
        Err(e) => return Ok(errors(&e)),
        Ok(r) => r.printed.iter().map(|s| format!("printed {s:?}")).collect::<Vec<_>>(),
    };
    for (name, ty, n, p) in buffers {
        let size = k.bytes(ty) as usize;
        let shown = (0..n).map(|i| match ty {
            Type::Float(f) => memory.float(p, f, i).map_or("?".into(), |x| format!("{x:?}")),
            _ => {
                let mut raw = [0; 8];
                raw[..size].copy_from_slice(&memory.bytes(p)[i * size..(i + 1) * size]);
                let shift = 64 - 8 * size as u32;
                (i64::from_le_bytes(raw) << shift >> shift).to_string()
            }
        });
        out.push(format!("{name} = {}", shown.collect::<Vec<_>>().join(" ")));
    }
    Ok(out)
}

fn elem(ty: Type) -> Outcome<ElemType> {
    Ok(match ty {
        Type::Float(FloatTy::F16) => ElemType::F16,
        Type::Float(FloatTy::Bf16) => ElemType::Bf16,
        Type::Float(FloatTy::F32) => ElemType::F32,
        Type::Float(FloatTy::F64) => ElemType::F64,
        Type::Int(8) => ElemType::I8,
        Type::Int(16) => ElemType::I16,
        Type::Int(32) => ElemType::I32,
        Type::Int(64) => ElemType::I64,
        other => return Err(format!("no buffer holds {other:?}")),
    })
}

/// The launch on the CPU device, compiled: what `run` gives of the interpreter.
fn on_device(k: &Kernel, h: &Header) -> Outcome<Vec<String>> {
    let (launch, _) = h.launch.clone().ok_or("no `; launch` line")?;
    let mut args = Vec::new();
    for (name, arg) in &h.args {
        let (ty, xs, scalar) = match arg {
            ArgText::Scalar(ty, x) => (elem(*ty)?, vec![*x], true),
            ArgText::Buffer(ty, xs) => (elem(*ty)?, xs.clone(), false),
        };
        let role = if ty.is_float() && !scalar { Role::Dup } else { Role::Const };
        let shadow = Data::zeros(ty, if role == Role::Dup { xs.len() } else { 0 });
        let data = Data::from_f64(ty, xs);
        let kind = if scalar { ArgKind::Scalar { data, shadow } } else { ArgKind::Buffer { data, shadow } };
        args.push(case::Arg { name: name.clone(), role, kind });
    }
    let case = Case {
        file: PathBuf::from("a filetest"),
        module: PathBuf::from("-"),
        kernel: k.name.clone(),
        grid: launch.grid,
        block: launch.block,
        shared: launch.shared as u32,
        arch: None,
        functions: Default::default(),
        args,
        globals: Vec::new(),
    };
    let device = Device::cpu();
    let mut image = Image::of(&case);
    let ran = Program::primal(k, &case.roles()).and_then(|p| {
        with_engines(Some(&device), |e| e.device.clone().expect("the CPU").run(&p, &case, &mut image))
    });
    if let Err(e) = ran {
        return Ok(errors(&e));
    }
    let shown = image.leaves.iter().filter(|l| l.is_memory()).map(|l| {
        let one = |x: f64| if l.ty.is_float() { format!("{x:?}") } else { format!("{x}") };
        let all: Vec<String> = l.data.to_f64().into_iter().map(one).collect();
        format!("{} = {}", l.path, all.join(" "))
    });
    Ok(shown.collect())
}

/// Checks a file, or rewrites it.
fn check(path: &Path, bless: bool) -> Outcome<()> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let is_expectation = |l: &&str| l.starts_with(";=");
    let body: String = text.lines().filter(|l| !is_expectation(l)).map(|l| format!("{l}\n")).collect();
    let h = header(&body)?;
    let mut found = Vec::new();
    for test in &h.tests {
        found.push(format!(";= {test}"));
        let lines = stage(test, &h, &body)?;
        found.extend(lines.iter().map(|l| format!(";=   {l}").trim_end().to_string()));
    }
    let wanted: Vec<&str> = text.lines().filter(is_expectation).collect();
    if found == wanted {
        return Ok(());
    }
    if bless {
        let new = format!("{}\n{}\n", body.trim_end(), found.join("\n"));
        return std::fs::write(path, new).map_err(|e| e.to_string());
    }
    let differing =
        found.iter().zip(&wanted).position(|(a, b)| a != b).unwrap_or(found.len().min(wanted.len()));
    let line = |l: Option<&str>| l.unwrap_or("(nothing)").to_string();
    Err(format!(
        "expected {}\n   found {}\n   KAD_BLESS=1 rewrites the expectations",
        line(wanted.get(differing).copied()),
        line(found.get(differing).map(String::as_str))
    ))
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("filetests").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "kir") {
            out.push(path);
        }
    }
}

#[test]
fn filetests() {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests"), &mut all);
    all.sort();
    assert!(all.len() >= 10, "{} files: the walk is broken", all.len());
    let bless = std::env::var_os("KAD_BLESS").is_some();
    let failed: Vec<String> =
        all.iter().filter_map(|p| check(p, bless).err().map(|e| format!("{}: {e}", p.display()))).collect();
    assert!(failed.is_empty(), "{} of {} files:\n{}", failed.len(), all.len(), failed.join("\n"));
}

/// Catches a harness that passes files which check nothing or ask for what does not exist.
#[test]
fn bad_headers_fail() {
    let kernel = "kernel @k() { e: ret }\n";
    for (text, wanted) in [
        (String::new(), "checks nothing"),
        (";; only a comment\n".to_string(), "checks nothing"),
        ("; tests print\n".to_string(), "unknown directive `tests`"),
        ("; test print\n; arg x f33 1\n".to_string(), "unknown type"),
        ("; test print\n; roles duplo\n".to_string(), "unknown role"),
        ("; test interp\n; launch gird=1\n".to_string(), "unknown word"),
    ] {
        let e = header(&(text + kernel)).err().expect("should fail");
        assert!(e.contains(wanted), "{e}");
    }
    let e = stage("frobnicate", &Header::default(), kernel).unwrap_err();
    assert!(e.contains("unknown test"), "{e}");
}
