//! Every case file of the tree, through the ladder of oracles; and what the ladder is for: faults planted on purpose.

mod cli;
mod faults;
mod functions;
mod marks;
mod modules;
mod peer;
mod short_tapes;
mod split_faults;
mod support;

use gpu_runtime::crash::{self, Crash, End, Stderr};
use kernel_ad::case::Case;
use kernel_ad::check::{self, Options, Verdict};
use kernel_ad::diag::{Diagnostics, Family};
use kernel_ad::grad;
use kernel_ad::jit::Device;
use kernel_ad::kernel::{Arch, Kernel};
use kernel_ad::read::ReadOptions;
use modules::load_kernel;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// All case files below a folder, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "toml") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The code that a case must be refused with, from its first line.
fn refusal(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().next()?.strip_prefix("# refused: ").map(str::to_string)
}

fn name(path: &Path) -> String {
    path.strip_prefix(folder()).unwrap().display().to_string()
}

/// A case that passed every oracle.
struct Passed {
    path: PathBuf,
    kernel: Kernel,
    /// The two kernels of split mode passed as well.
    split: bool,
}

/// A case that was refused with its code.
struct Refused {
    path: PathBuf,
    code: String,
    arch: Arch,
    /// It is read, and its primal passed; otherwise reading itself refuses it.
    primal: bool,
}

/// Cases, run once for all tests: those that did as they should, and what went wrong with the others.
struct Outcomes<T> {
    good: Vec<T>,
    wrong: Vec<String>,
}

/// Threads of our own: one of rayon's that waits for the CPU device would begin another case on the same stack.
fn in_parallel<T: Send>(paths: &[PathBuf], run: impl Fn(&PathBuf) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mine = std::iter::from_fn(|| {
            let i = next.fetch_add(1, Ordering::Relaxed);
            paths.get(i).map(|p| (i, run(p)))
        });
        mine.collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    let mut all: Vec<_> = std::thread::scope(|s| {
        let started: Vec<_> = (0..threads).map(|_| s.spawn(work)).collect();
        started.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, out)| out).collect()
}

fn outcomes<T: Send>(paths: &[PathBuf], run: impl Fn(&Path) -> Result<T, String> + Sync) -> Outcomes<T> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for out in in_parallel(paths, |p| run(p).map_err(|e| format!("{}:\n{e}", name(p)))) {
        match out {
            Ok(x) => good.push(x),
            Err(e) => wrong.push(e),
        }
    }
    Outcomes { good, wrong }
}

/// The case files that must pass, and those that must be refused.
fn sorted() -> (Vec<PathBuf>, Vec<PathBuf>) {
    files(&folder()).into_iter().partition(|p| refusal(p).is_none())
}

fn passed() -> &'static Outcomes<Passed> {
    static ALL: OnceLock<Outcomes<Passed>> = OnceLock::new();
    ALL.get_or_init(|| outcomes(&sorted().0, check_one))
}

fn refused() -> &'static Outcomes<Refused> {
    static ALL: OnceLock<Outcomes<Refused>> = OnceLock::new();
    ALL.get_or_init(|| outcomes(&sorted().1, refused_one))
}

/// Crashes of this process are told with the case: a line of hundreds of cases that stops says nothing.
fn tell(c: &Crash<'_>) -> End {
    let (task, kernel) = (c.task.unwrap_or("?"), c.kernel.unwrap_or("?"));
    let _ =
        writeln!(Stderr, "{} at {:#x} in {task}, kernel {kernel}, block {:?}", c.signal, c.address, c.block);
    c.print_trace();
    End::Signal
}

fn check_one(path: &Path) -> Result<Passed, String> {
    crash::during(&name(path), || check_watched(path))
}

fn check_watched(path: &Path) -> Result<Passed, String> {
    crash::watch(tell);
    let case = Case::load(path).map_err(|e| e.to_string())?;
    let kernel = load_kernel(&case).map_err(|e| e.to_string())?;
    let subject = check::subject_of(&case, kernel).map_err(|e| e.to_string())?;
    let report = check::with_engines(Some(&Device::cpu()), |e| {
        check::ladder(&subject, e, &Options::default(), "cpu", &mut |_| ())
    });
    let report = report.map_err(|e| e.to_string())?;
    let bad: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.verdict != Verdict::Pass)
        .map(|f| format!("    {} {}: {:?} > {:?} {}", f.verdict.word(), f.oracle, f.error, f.limit, f.detail))
        .collect();
    if !bad.is_empty() {
        return Err(bad.join("\n"));
    }
    let split = report.findings.iter().any(|f| f.oracle.contains("split") && f.verdict == Verdict::Pass);
    Ok(Passed { path: path.into(), kernel: subject.primal, split })
}

// Catches a wrong gradient of any feature that the cases cover, and an oracle that stops running.
#[test]
fn every_case_passes_every_oracle() {
    let o = passed();
    let count = o.good.len() + o.wrong.len();
    assert!(count >= 150, "only {count} cases were found");
    assert!(o.wrong.is_empty(), "{} of {count} cases:\n{}", o.wrong.len(), o.wrong.join("\n"));
}

fn has_code_and_place(e: &Diagnostics, code: &str) -> Result<(), String> {
    let mut found = e.0.iter().filter(|d| d.code.to_string() == code).peekable();
    if found.peek().is_none() {
        return Err(format!("another code: {e}"));
    }
    match found.any(|d| d.place.as_ref().is_some_and(|p| p.line > 0)) {
        true => Ok(()),
        false => Err(format!("without a place: {e}")),
    }
}

fn refused_one(path: &Path) -> Result<Refused, String> {
    let code = refusal(path).expect("a refused case");
    let case = Case::load(path).map_err(|e| e.to_string())?;
    let arch = match case.module.extension().is_some_and(|e| e == "hip") {
        true => Arch::Amdgpu,
        false => Arch::Nvptx,
    };
    let kernel = match load_kernel(&case) {
        Ok(k) => k,
        Err(e) => {
            has_code_and_place(&e, &code)?;
            return Ok(Refused { path: path.into(), code, arch, primal: false });
        }
    };
    match grad::reverse(&kernel, &case.roles(), &Default::default()) {
        Ok(_) => return Err("was differentiated".into()),
        Err(e) => has_code_and_place(&e, &code)?,
    }
    let findings = check::with_engines(Some(&Device::cpu()), |e| check::primal_only(&case, &kernel, e));
    let findings = match findings {
        // What the CPU device has not (`malloc`) is refused there as well; anything else is a failure.
        Err(e) if e.0.iter().all(|d| d.code.family() == Family::Unsupported) => {
            return Ok(Refused { path: path.into(), code, arch, primal: false });
        }
        findings => findings.map_err(|e| e.to_string())?,
    };
    let bad: Vec<_> = findings
        .into_iter()
        .filter(|f| f.verdict != Verdict::Pass)
        .map(|f| format!("{}: {}", f.oracle, f.detail))
        .collect();
    match bad.is_empty() {
        true => Ok(Refused { path: path.into(), code, arch, primal: true }),
        false => Err(bad.join("\n")),
    }
}

// Catches a check that gives up, or says nothing, where a launch is too large to interpret.
#[test]
fn large_launches_are_checked_on_the_device() {
    let case = Case::load(&folder().join("lennard_jones.toml")).unwrap();
    let options = Options { max_steps: 1000, ..Options::default() };
    let device = Device::cpu();
    let report = check::check(&case, &ReadOptions::default(), Some(&device), &options, &mut |_| ()).unwrap();
    let judged: Vec<_> =
        report.findings.iter().filter(|f| f.verdict == Verdict::Pass).map(|f| f.oracle).collect();
    assert_eq!(judged.len(), 2, "{:?}", report.findings);
    let skipped = report.findings.iter().filter(|f| f.detail.contains("more than 1000 instructions"));
    assert_eq!(skipped.count(), 12, "{:?}", report.findings);
}

// Catches a gradient of something that is not supported, a refusal without code or place, and a primal that does not run.
#[test]
fn what_is_not_supported_is_refused_and_runs_as_primal() {
    let o = refused();
    let count = o.good.len() + o.wrong.len();
    assert!(count >= 5, "only {count} refused cases were found");
    assert!(o.wrong.is_empty(), "{}", o.wrong.join("\n"));
}
