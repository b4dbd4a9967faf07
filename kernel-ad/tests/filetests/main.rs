//! Kernels in files with what some stage says of them.
//!
//! A file is a kernel in text form (`.kir`), or an LLVM module (`.ll`). Its first lines say what to do, the lines behind it that
//! begin with `;=` what comes out:
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
//! Where the list of numbers is too long, `; arg x { type = "f32", len = 64, ... }` is as in case files; so is
//! `; global w { ... }`. A stage that rewrites a kernel (`idiom`, `own`, `retype`, `settle`, `drain`) must keep its results when
//! there is a launch. `emitted` emits LLVM IR for a GPU, reads it again and runs it. `check` runs all oracles; one that fails
//! cannot be blessed.
//!
//! `KAD_BLESS=1` rewrites the `;=` lines. An unknown directive fails, and so does a file that checks nothing.

mod header;
mod stages;

use header::{header, Outcome};
use stages::stage;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Checks a file, or rewrites it.
fn check(path: &Path, bless: bool) -> Outcome<()> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let is_expectation = |l: &&str| l.starts_with(";=");
    let body: String = text.lines().filter(|l| !is_expectation(l)).map(|l| format!("{l}\n")).collect();
    let h = header(&body)?;
    let llvm = path.extension().is_some_and(|e| e == "ll");
    let mut found = Vec::new();
    for test in &h.tests {
        found.push(format!(";= {test}"));
        let lines = stage(test, &h, &body, llvm)?;
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
        } else if path.extension().is_some_and(|e| e == "kir" || e == "ll") {
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
    let next = AtomicUsize::new(0);
    let work = || {
        let mine = std::iter::from_fn(|| all.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.filter_map(|p| check(p, bless).err().map(|e| format!("{}: {e}", p.display())))
            .collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    let mut failed: Vec<String> = std::thread::scope(|s| {
        let started: Vec<_> = (0..threads).map(|_| s.spawn(work)).collect();
        started.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    failed.sort();
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
    let e = stage("frobnicate", &Default::default(), kernel, false).unwrap_err();
    assert!(e.contains("unknown test"), "{e}");
}
