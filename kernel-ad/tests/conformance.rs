//! The conformance suite (`kernel-ad conformance`) on every device of this machine, and its rehearsal with drivers whose kernels do
//! nothing: what the host does before, between and after launches is the same then.

#[allow(dead_code)]
#[path = "../../gpu-runtime/tests/drivers/fake.rs"]
mod fake;

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tool() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_kernel-ad"));
    c.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    c
}

/// On this machine's own drivers: other tests may have named theirs in the environment.
fn own() -> Command {
    let mut c = tool();
    ["KERNEL_AD_LIBCUDA", "KERNEL_AD_LIBAMDHIP64", "FAKE_IDLE"].iter().for_each(|v| {
        c.env_remove(v);
    });
    c
}

/// On drivers without a GPU whose kernels do nothing.
fn idle() -> Command {
    let (cuda, hip) = fake::libraries();
    let mut c = tool();
    c.env("KERNEL_AD_LIBCUDA", cuda).env("KERNEL_AD_LIBAMDHIP64", hip).env("FAKE_IDLE", "1");
    c
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Says it past the test harness, which keeps what passing tests print to itself.
fn remark(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Case files of a folder and those below it, but for those that must be refused and, unless they are asked for, AMD's.
fn cases(folder: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for path in std::fs::read_dir(dir).unwrap().flatten().map(|e| e.path()) {
            if path.is_dir() && !path.ends_with("refused") && !path.ends_with("hip") {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "toml") {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(folder), &mut out);
    out.sort();
    out
}

/// Runs the suite; `None` when there is no such device.
fn conformance(mut c: Command, device: &str, more: &[&str]) -> Option<Value> {
    let out = c.args(["conformance", "--json", "--device", device]).args(more).output().unwrap();
    if out.status.code() == Some(4) {
        remark(&format!("skipped: {}", text(&out).lines().last().unwrap_or("")));
        return None;
    }
    let v: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&out)));
    assert!(out.status.success() && v["wrong"] == 0, "{device}: {v:#}");
    Some(v)
}

// Catches a device that does not do what every device must. What is not there is said and counted, not passed over.
#[test]
fn every_device_conforms() {
    let mut there = 0;
    for device in ["cpu", "cuda", "hip"] {
        if conformance(own(), device, &[]).is_none() {
            continue;
        }
        there += 1;
        // The CPU device has run all cases in a test of its own.
        let folder = match device {
            "cpu" => continue,
            "hip" => "hip",
            _ => "",
        };
        let out = own().args(["survey", "--device", device]).args(cases(folder)).output().unwrap();
        assert!(out.status.success(), "{device}: {}", text(&out));
    }
    remark(&format!("conformance: {there} of 3 devices are there"));
    assert!(there >= 1);
}

// Catches host code that cannot have worked with a GPU: loads, launches, copies, streams, tapes, variables, refusals, a lost device.
#[test]
fn gpus_are_rehearsed() {
    let _alone = fake::alone();
    for (device, folder, some) in [
        (
            "cuda",
            "",
            ["convolve_weights.toml", "matmul_dynamic.toml", "mesh_in_memory.toml", "logistic_map.toml"],
        ),
        ("hip", "hip", ["saxpy.toml", "struct_of_pointers.toml", "wave_sum.toml", "row_tiles.toml"]),
    ] {
        let v =
            conformance(idle(), device, &["--rehearse", "--loads", "50"]).expect("the drivers of the tests");
        assert!(v["probes"].as_array().unwrap().len() >= 14, "{v:#}");
        let files: Vec<PathBuf> =
            cases(folder).into_iter().filter(|p| some.iter().any(|s| p.ends_with(s))).collect();
        assert_eq!(files.len(), some.len());
        let out = idle().args(["survey", "--rehearse", "--device", device]).args(files).output().unwrap();
        assert!(out.status.success(), "{device}: {}", text(&out));
    }
}

// Catches a rehearsal that would not see a failing call, and a suite that passes with kernels that do nothing.
#[test]
fn failures_are_seen() {
    let _alone = fake::alone();
    let run = |fail: &str, more: &[&str]| {
        let mut c = idle();
        c.env("FAKE_FAIL", fail).args(["conformance", "--device", "cuda", "--loads", "5"]).args(more);
        text(&c.output().unwrap())
    };
    let said = run("none=0", &[]);
    for probe in ["shapes of launches", "gradients", "streams", "variables", "dynamic shared memory"] {
        assert!(said.contains(&format!("{probe:24}FAIL")), "{probe}: {said}");
    }
    let said = run("cuStreamCreateWithPriority=1", &["--rehearse"]);
    assert!(said.contains(&format!("{:24}FAIL     cuStreamCreate", "events")), "{said}");
    let said = run("cuMemsetD8Async=719", &["--rehearse"]);
    assert!(said.contains("start the process again"), "{said}");
}
