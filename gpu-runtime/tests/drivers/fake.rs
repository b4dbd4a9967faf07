//! Builds the driver and opens devices of it. The tests of kernel-ad use it too.

use gpu_runtime::{Device, Error};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

/// One test at a time: faults are set in the environment.
pub fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    let guard = LOCK.lock().unwrap_or_else(|p| p.into_inner());
    for variable in ["FAKE_FAIL", "FAKE_DEVICES", "FAKE_PTX", "FAKE_SILENT"] {
        std::env::remove_var(variable);
    }
    guard
}

/// The two libraries, built once: CUDA's and HIP's. The environment names them from then on.
pub fn libraries() -> &'static (PathBuf, PathBuf) {
    static BUILT: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let build = |name: &str, define: &[&str]| {
            let to = dir.join(format!("{name}-{}.so", std::process::id()));
            let source = to.with_extension("c");
            std::fs::write(&source, include_str!("fake/driver.c")).expect("write");
            let done = Command::new("gcc")
                .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wno-stringop-overflow", "-o"])
                .arg(&to)
                .args(define)
                .arg(source)
                .status();
            assert!(done.expect("gcc, which ci/setup installs with g++").success());
            to
        };
        let paths = (build("cuda", &[]), build("hip", &["-DHIP"]));
        std::env::set_var("KERNEL_AD_LIBCUDA", &paths.0);
        std::env::set_var("KERNEL_AD_LIBAMDHIP64", &paths.1);
        paths
    })
}

/// A device of that kind on the fake driver.
pub fn open(kind: &str) -> Result<Device, Error> {
    libraries();
    Device::open(kind)
}

/// The library of that kind.
pub fn library(kind: &str) -> &'static Path {
    let (cuda, hip) = libraries();
    if kind == "cuda" {
        cuda
    } else {
        hip
    }
}

/// What the driver counts: bytes of memory, handles, kernels run.
pub fn counts(kind: &str) -> [i64; 3] {
    let path = library(kind);
    // SAFETY: our own library, which is open already; its functions take nothing and give a number.
    unsafe {
        let library = Library::open(Some(path), RTLD_NOW | RTLD_LOCAL).unwrap();
        ["fake_live_bytes", "fake_live_handles", "fake_kernels_run"]
            .map(|f| library.get::<extern "C" fn() -> i64>(f.as_bytes()).unwrap()())
    }
}

/// Makes the driver fail: the CUDA name, the HIP name, and the rest (`=2`, `=719@2`).
pub fn fail(kind: &str, cuda: &str, hip: &str, how: &str) {
    std::env::set_var("FAKE_FAIL", format!("{}{how}", if kind == "cuda" { cuda } else { hip }));
}
