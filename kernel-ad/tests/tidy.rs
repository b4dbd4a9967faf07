//! Rules of the tree that no compiler checks.

use kernel_ad::diag::{Code, Family};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files of the tree with one of these extensions, with their text; build output and fetched tools left out.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    fn walk(dir: &Path, extensions: &[&str], out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !["target", ".git", ".tools", ".cargo", "shared"].contains(&name.as_str()) {
                    walk(&path, extensions, out);
                }
            } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root(), extensions, &mut paths);
    paths.sort();
    let name = |p: &Path| p.strip_prefix(root()).unwrap().display().to_string();
    let all: Vec<_> =
        paths.iter().filter_map(|p| Some((name(p), std::fs::read_to_string(p).ok()?))).collect();
    assert!(!all.is_empty(), "no file with {extensions:?}: the walk is broken");
    all
}

/// Where a word stands, as `file:line`.
fn places(files: &[(String, String)], hit: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for (name, text) in files {
        for (i, line) in text.lines().enumerate() {
            if hit(name, line) {
                out.push(format!("{name}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    out
}

#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// Files that may be longer, and why.
const LONG: &[(&str, usize, &str)] =
    &[("kernel-ad/src/interp/decode.rs", 600, "one match over the instruction set")];

// Catches a file that grew into two subjects.
#[test]
fn files_are_short() {
    let limit = |name: &str| LONG.iter().find(|l| l.0 == name).map_or(550, |l| l.1);
    let long: Vec<_> = files(&["rs"])
        .iter()
        .filter(|(name, text)| text.lines().count() > limit(name))
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    none("files over the limit", long);
}

// Catches unfinished code that would panic.
#[test]
fn nothing_is_unfinished() {
    let words =
        [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("FIX", "ME")];
    none("unfinished", places(&files(&["rs"]), |_, line| words.iter().any(|w| line.contains(w))));
}

// Catches whitespace that makes noise in diffs.
#[test]
fn no_trailing_space() {
    let all = files(&["rs", "toml", "md", "cu", "hip", "h", "kir"]);
    none("trailing space", places(&all, |name, line| !name.ends_with(".md") && line.trim_end() != line));
    let open: Vec<_> =
        all.iter().filter(|(_, t)| !t.is_empty() && !t.ends_with('\n')).map(|(n, _)| n.clone()).collect();
    none("no newline at the end", open);
}

// Catches a dependency between layers that must not know each other.
#[test]
fn layers_keep_apart() {
    let all = files(&["rs"]);
    let code = |line: &str| !line.trim_start().starts_with("//");
    none(
        "llvm-sys outside of kernel-ad/src/llvm",
        places(&all, |name, line| {
            line.contains(concat!("llvm", "_sys::")) && code(line) && !name.starts_with("kernel-ad/src/llvm")
        }),
    );
    let edge = [
        "kernel-ad/src/jit",
        "kernel-ad/src/cli",
        "kernel-ad/src/check",
        "kernel-ad/src/conform",
        "kernel-ad/tests",
        "kernel-ad/benches",
    ];
    none(
        "gpu-runtime in the compiler's core",
        places(&all, |name, line| {
            name.starts_with("kernel-ad/")
                && line.contains(concat!("gpu", "_runtime::"))
                && code(line)
                && !edge.iter().any(|e| name.starts_with(e))
        }),
    );
    none(
        "the compiler or LLVM in gpu-runtime or shadow-mem",
        places(&all, |name, line| {
            (name.starts_with("gpu-runtime/") || name.starts_with("shadow-mem/"))
                && [concat!("kernel", "_ad::"), concat!("ink", "well::"), concat!("llvm", "_sys::")]
                    .iter()
                    .any(|w| line.contains(w))
                && code(line)
        }),
    );
    none(
        "gpu-runtime in shadow-mem",
        places(&all, |name, line| {
            name.starts_with("shadow-mem/") && line.contains(concat!("gpu", "_runtime::")) && code(line)
        }),
    );
}

// Catches paths of the machine that somebody worked on.
#[test]
fn no_machine_paths() {
    let words = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let all = files(&["rs", "toml", "md", "cu", "hip", "h", "ll", "kir", "json", "snap"]);
    none("machine paths", places(&all, |_, line| words.iter().any(|w| line.contains(w))));
}

// Catches links between documents that lead nowhere.
#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for (name, text) in files(&["md"]) {
        let dir = root().join(&name).parent().unwrap().to_path_buf();
        for target in text.split("](").skip(1).filter_map(|t| t.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") && !dir.join(file).exists() {
                dead.push(format!("{name}: {target}"));
            }
        }
    }
    none("dead links", dead);
}

fn errors_md() -> String {
    let mut out = String::from(
        "# Errors\n\nEvery message carries one of these codes. This file is made from the code\n\
         (`KAD_BLESS=1 cargo test -p kernel-ad --test tidy` rewrites it).\n",
    );
    let mut family = None;
    for &c in Code::ALL {
        if family != Some(c.family()) {
            family = Some(c.family());
            let (title, status) = match c.family() {
                Family::Input => ("Input", "2: the input or its use is wrong"),
                Family::Unsupported => {
                    ("Not supported", "3: the kernel holds something that is not supported")
                }
                Family::Limit => {
                    ("Limits", "2: a limit was exceeded; the message says the limit and the value")
                }
                Family::Device => ("Tools and devices", "4: a tool or a device is missing or failed"),
                Family::Internal => ("Internal", "70: a bug in kernel-ad; please report it"),
            };
            out.push_str(&format!(
                "\n## {title}\n\nExit status {status}.\n\n| code | meaning |\n|---|---|\n"
            ));
        }
        out.push_str(&format!("| `{c}` | {} |\n", c.summary()));
    }
    out
}

// Catches a code that was added, changed or dropped without its line in the documentation.
#[test]
fn errors_are_documented() {
    let path = root().join("docs/errors.md");
    if std::env::var_os("KAD_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, errors_md()).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        have == errors_md(),
        "docs/errors.md is stale; rewrite it with KAD_BLESS=1 cargo test -p kernel-ad --test tidy"
    );
}
