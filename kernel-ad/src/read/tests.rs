use super::*;
use crate::kernel;
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

fn examples() -> Vec<PathBuf> {
    let examples = root().join("../examples/cuda");
    ["nbody", "heat", "logistic"].iter().map(|n| examples.join(n).join(format!("{n}.cu"))).collect()
}

/// Catches: any construct of the corpus that the reader refuses, panics on, or makes invalid Kernel IR of; anything that
/// printing and parsing lose of it.
#[test]
fn corpus_reads_and_verifies() {
    let files = of_dir(&root().join("tests/corpus"));
    assert!(files.len() >= 2);
    for f in files.into_iter().chain(examples()) {
        for k in read_all(&f) {
            let text = kernel::print(&k);
            if std::env::var_os("KAD_SHOW").is_some() {
                println!("{text}");
            }
            kernel::verify(&k).unwrap_or_else(|e| panic!("{}: {}: {e}\n{text}", f.display(), k.name));
            let again =
                kernel::parse(&text).unwrap_or_else(|e| panic!("{}: {}: {e}\n{text}", f.display(), k.name));
            assert_eq!(kernel::print(&again), text, "{}: {}", f.display(), k.name);
        }
    }
}
