//! The program as it is shipped: what it is linked with, what it needs, which artifact it takes.

#[path = "../../../gpu-runtime/tests/drivers/fake.rs"]
#[allow(dead_code)]
mod fake;

use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kernel-ad-example-aot");

/// Shared libraries that a program is linked with, those of its libraries included.
fn libraries(program: &str) -> String {
    let out = Command::new("ldd").arg(program).output().expect("ldd is part of the C library");
    assert!(out.status.success(), "{program}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

// Catches: a way from the launching crates to the compiler. That the test sees LLVM where it is, the build script shows.
#[test]
fn no_compiler_and_no_driver_is_linked() {
    assert!(libraries(env!("BUILD_SCRIPT")).contains("libLLVM"));
    let own = libraries(PROGRAM);
    assert!(own.contains("libc.so"), "{own}");
    for other in ["LLVM", "libcuda", "libamdhip64", "libstdc++"] {
        assert!(!own.contains(other), "{own}");
    }
    let bytes = std::fs::read(PROGRAM).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|w| w == text);
    assert!(holds(b".target sm_70") && holds(b".target sm_90") && holds(b"amdgcn-amd-amdhsa--gfx1100"));
}

// Catches: a dependency on the compiler that is not used yet, and so not linked.
#[test]
fn the_compiler_is_a_dependency_of_the_build_alone() {
    let tree = |edges: &str| {
        let out = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--prefix", "none", "--edges", edges])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let has = |tree: &str, name: &str| tree.lines().any(|l| l.split(' ').next() == Some(name));
    let (run, build) = (tree("normal"), tree("normal,build"));
    assert!(has(&run, "gpu-runtime") && has(&run, "shadow-mem") && has(&build, "kernel-ad"));
    for name in ["kernel-ad", "llvm-sys", "inkwell"] {
        assert!(!has(&run, name), "{run}");
    }
}

/// Runs in an empty folder with no program on PATH.
fn run(device: &str, variables: &[(&str, &Path)]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = Command::new(PROGRAM)
        .arg("100")
        .env_clear()
        .env("KERNEL_AD_DEVICE", device)
        .envs(variables.iter().copied())
        .current_dir(dir.path())
        .output()
        .expect("start");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

// Catches: a program that needs a tool, a file or a variable of the machine that it was built on.
#[test]
fn it_runs_by_itself() {
    let nowhere = Path::new("/no/driver.so");
    let drivers = [("KERNEL_AD_LIBCUDA", nowhere), ("KERNEL_AD_LIBAMDHIP64", nowhere)];
    let (status, text) = run("", &drivers);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("energy_reverse for host") && text.ends_with(": right\n"), "{text}");
    assert_eq!(text.lines().filter(|l| l.starts_with("device ")).count(), 1, "{text}");
    let (status, text) = run("cuda", &drivers);
    assert!(status == Some(2) && text.contains("no CUDA device"), "{text}");
}

// Catches: an artifact for another processor, and a check that is content with a device that computes nothing.
#[test]
fn the_artifact_is_the_devices() {
    for (kind, variable, target) in
        [("cuda", "KERNEL_AD_LIBCUDA", "nvptx:sm_80"), ("hip", "KERNEL_AD_LIBAMDHIP64", "amdgpu:gfx90a")]
    {
        let library = fake::library(kind);
        let (status, text) = run(kind, &[(variable, library)]);
        assert!(text.contains(&format!("energy_reverse for {target}")), "{text}");
        assert!(status == Some(1) && text.contains("WRONG"), "{text}");
    }
}
