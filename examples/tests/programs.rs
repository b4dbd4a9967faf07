//! Every program, as a newcomer starts it, at a small size.

#[path = "../../gpu-runtime/tests/drivers/fake.rs"]
#[allow(dead_code)]
mod fake;

use std::process::{Command, Output};

/// Program, a small size for it, a size that it refuses.
const PROGRAMS: &[(&str, &str, &str, &str)] = &[
    ("nbody", env!("CARGO_BIN_EXE_nbody"), "200", "0"),
    ("nbody-hip", env!("CARGO_BIN_EXE_nbody-hip"), "200", "0"),
    ("regression", env!("CARGO_BIN_EXE_regression"), "500", "ten"),
    ("regression-hip", env!("CARGO_BIN_EXE_regression-hip"), "500", "ten"),
    ("heat", env!("CARGO_BIN_EXE_heat"), "8", "-3"),
    ("heat-hip", env!("CARGO_BIN_EXE_heat-hip"), "8", "-3"),
];

/// Runs where neither driver can be found.
fn run(program: &str, size: &str, device: Option<&str>) -> Output {
    let mut command = Command::new(program);
    command
        .arg(size)
        .env("KERNEL_AD_LIBCUDA", "/no/libcuda.so")
        .env("KERNEL_AD_LIBAMDHIP64", "/no/libamdhip64.so");
    match device {
        Some(d) => command.env("KERNEL_AD_DEVICE", d),
        None => command.env_remove("KERNEL_AD_DEVICE"),
    };
    command.output().expect("start")
}

fn lines(text: &[u8], start: &str) -> usize {
    String::from_utf8_lossy(text).lines().filter(|l| l.starts_with(start)).count()
}

// Catches: a program that fails without a GPU, falls back without a word or with many, or is not checked.
#[test]
fn all_run_without_a_gpu() {
    for &(name, path, size, _) in PROGRAMS {
        let out = run(path, size, None);
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{name}:\n{text}");
        assert_eq!(lines(&out.stdout, "device "), 1, "{name}:\n{text}");
        let verdict = text.lines().last().unwrap_or_default();
        assert!(verdict.starts_with("checked ") && verdict.ends_with(": right"), "{name}:\n{text}");
    }
}

// Catches: a device that was asked for by name and quietly replaced, and wrong use that looks like a right result.
#[test]
fn failures_have_an_exit_status() {
    for &(name, path, size, bad) in PROGRAMS {
        let vendor = if name.ends_with("-hip") { "hip" } else { "cuda" };
        for out in [run(path, size, Some(vendor)), run(path, bad, Some("cpu"))] {
            let text = String::from_utf8_lossy(&out.stderr);
            assert_eq!(out.status.code(), Some(2), "{name}: {text}");
            assert!(!text.is_empty() && lines(&out.stdout, "checked") == 0, "{name}");
        }
    }
}

// Catches: a step on the host that fails on a GPU before anything is computed, and results that nobody looks at: the driver has no GPU, and
// launches do nothing.
#[test]
fn on_a_gpu_that_computes_nothing_the_results_are_wrong() {
    for &(name, path, size, _) in PROGRAMS {
        let (kind, variable) = match name.ends_with("-hip") {
            true => ("hip", "KERNEL_AD_LIBAMDHIP64"),
            false => ("cuda", "KERNEL_AD_LIBCUDA"),
        };
        let mut command = Command::new(path);
        command.arg(size).env(variable, fake::library(kind)).env_remove("KERNEL_AD_DEVICE");
        let out = command.output().expect("start");
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        if kind == "hip" && text.contains("ROCm device library") {
            println!("skipped: {name} needs rocm-device-libs");
            continue;
        }
        assert_eq!((out.status.code(), lines(&out.stdout, "device ")), (Some(1), 0), "{name}:\n{text}");
        assert!(text.lines().last().is_some_and(|l| l.ends_with(": WRONG")), "{name}:\n{text}");
    }
}
