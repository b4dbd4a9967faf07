//! Where tools and libraries of toolkits may lie on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Reads a variable of the environment; tests bring one of their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The process's environment.
pub fn of_process(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The path that a variable names; an empty one is as good as none.
pub fn named(env: Environment<'_>, name: &str) -> Option<PathBuf> {
    env(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// The paths that variables name, in their order.
pub fn all_named(env: Environment<'_>, names: &[&str]) -> Vec<PathBuf> {
    names.iter().filter_map(|n| named(env, n)).collect()
}

/// A file of that name in every folder of PATH.
pub fn on_path(env: Environment<'_>, file: &str) -> Vec<PathBuf> {
    let path = env("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|d| !d.as_os_str().is_empty()).map(|d| d.join(file)).collect()
}

/// The folders in `dir` whose names start so, the highest version in their names first; none where `dir` is not there.
pub fn versions(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(prefix))
        .map(|e| (numbers(&e.file_name().to_string_lossy()), e.path()))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

/// Where CUDA toolkits may be installed, in the order in which they are tried.
pub fn cuda_homes(env: Environment<'_>) -> Vec<PathBuf> {
    let mut out = all_named(env, &["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"]);
    out.push("/usr/local/cuda".into());
    out.extend(versions(Path::new("/usr/local"), "cuda-"));
    out.push("/opt/cuda".into());
    out
}

/// For messages.
pub fn listed(places: &[PathBuf]) -> String {
    places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch versions that are compared as text: 6.10 is later than 6.2, and a plain name is the last resort.
    #[test]
    fn later_versions_come_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["rocm-6.2.0", "rocm-6.10.1", "rocm-5.7.1", "rocm", "other-9"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> = versions(dir.path(), "rocm")
            .iter()
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["rocm-6.10.1", "rocm-6.2.0", "rocm-5.7.1", "rocm"]);
        assert!(versions(&dir.path().join("nowhere"), "").is_empty());
    }
}
