use super::*;
use crate::diag::Diagnostics;
use crate::kernel::Op;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read_all(path: &Path) -> Vec<Kernel> {
    let m = load(path, &ReadOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    m.kernels()
        .iter()
        .map(|k| m.kernel(&k.name).unwrap_or_else(|e| panic!("{}: {}: {e}", path.display(), k.name)))
        .collect()
}

fn of_dir(dir: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("directory").map(|e| e.expect("entry").path()).collect();
    out.retain(|p| p.extension().is_some_and(|e| ["cu", "hip", "ll", "bc"].iter().any(|x| e == *x)));
    out.sort();
    out
}

/// Catches: any construct of the corpus that the reader refuses or panics on.
#[test]
fn corpus_reads() {
    let files = of_dir(&root().join("tests/corpus"));
    assert!(!files.is_empty());
    for f in files {
        for k in read_all(&f) {
            assert!(!k.layout.is_empty());
        }
    }
}
