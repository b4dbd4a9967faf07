//! The command line: what goes where, and the exit status.

use super::folder;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn tool(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kernel-ad"))
        .args(args)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A tool that fails before it reads closes the pipe; that is its right.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn run(args: &[&str], status: i32) -> (String, String) {
    let out = tool(args, b"");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(status), "{args:?}\nstdout: {stdout}\nstderr: {stderr}");
    (stdout.into_owned(), stderr.into_owned())
}

// Catches a listing without a kernel or a parameter, and text beside the one JSON object.
#[test]
fn list_says_what_is_there() {
    let (text, _) = run(&["list", "structs.cu"], 0);
    assert!(text.contains("oscillator (nvptx)") && text.contains("by value"), "{text}");
    let (json, _) = run(&["list", "structs.cu", "--json"], 0);
    let v: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(v["kernels"].as_array().unwrap().len(), 3);
    assert_eq!(v["kernels"][2]["params"][0]["name"], "rate");
}

// Catches standard input that is not read, or read as something else.
#[test]
fn standard_input_is_a_module() {
    let ll = std::fs::read(folder().join("ll/square.ll")).unwrap();
    let out = tool(&["list", "-"], &ll);
    assert!(out.status.success());
    assert!(String::from_utf8_lossy(&out.stdout).contains("square (nvptx)"));
}

// Catches a status that scripts would misread, a message without its code, and messages on standard output.
#[test]
fn errors_have_their_status() {
    let roles = "dup,out,const";
    let o = ["--target", "nvptx:sm_80", "-o", "-"];
    let grad =
        |file, kernel, roles| [&["grad", file, "--kernel", kernel, "--roles", roles][..], &o[..]].concat();
    let cases: &[(Vec<&str>, i32, &str)] = &[
        (vec!["list", "nowhere.ll"], 2, "KAD0001"),
        (vec!["list"], 2, "Usage"),
        (vec!["frobnicate"], 2, "frobnicate"),
        (grad("control.cu", "nothing", roles), 2, "KAD0004"),
        (grad("control.cu", "if_else", "dup,out"), 2, "KAD0007"),
        (grad("control.cu", "if_else", "dup,out,active"), 2, "KAD0007"),
        (grad("refused/refused.cu", "fetch_add", "dup,dup,out,const"), 3, "KAD0107"),
        (vec!["run", "saxpy.toml", "--device", "cuda:99"], 4, "KAD0302"),
        (vec!["check", "nowhere.toml"], 2, "KAD0001"),
        (
            vec!["emit", "ll/square.ll", "--kernel", "square", "--target", "nvptx:sm_20", "-o", "-"],
            2,
            "KAD0008",
        ),
    ];
    for (args, status, part) in cases {
        let (stdout, stderr) = run(args, *status);
        assert!(stderr.contains(part), "{args:?}: {stderr}");
        assert_eq!(stdout, "", "{args:?}");
    }
    let (_, stderr) = run(&grad("refused/refused.cu", "fetch_add", "dup,dup,out,const"), 3);
    assert!(stderr.contains("refused.cu:") && stderr.contains('^'), "no excerpt of the source: {stderr}");
}

// Catches JSON errors that programs cannot find.
#[test]
fn errors_are_json_on_request() {
    let (json, _) = run(&["list", "nowhere.ll", "--json"], 2);
    let v: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(v["errors"][0]["code"], "KAD0001");
}

// Catches an artifact that is not what its name says, and a manifest that is not beside it.
#[test]
fn grad_writes_artifact_and_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("g.ptx");
    let path = out.to_str().unwrap();
    run(
        &[
            "grad",
            "ll/square.ll",
            "--kernel",
            "square",
            "--roles",
            "dup,out,const",
            "--target",
            "nvptx:sm_80",
            "-o",
            path,
        ],
        0,
    );
    let ptx = std::fs::read_to_string(&out).unwrap();
    assert!(ptx.contains(".visible .entry") && ptx.contains("sm_80"), "{ptx}");
    let manifest = shadow_mem::Manifest::load(dir.path().join("g.ptx.json")).unwrap();
    assert_eq!((manifest.kernel.as_str(), manifest.params.len()), ("square", 5));
    assert!(ptx.contains(&manifest.symbol));
    let (ir, _) = run(&["emit", "ll/square.ll", "--kernel", "square", "--emit", "llvm", "-o", "-"], 0);
    assert!(ir.contains("define") && ir.contains("target triple"), "{ir}");
}

/// ptxas of the repository's tool folder or on PATH, for the tests that need it.
fn ptxas() -> Option<std::path::PathBuf> {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/nvidia/cuda_nvcc/bin/ptxas");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own)
        .chain(std::env::split_paths(&path).map(|d| d.join("ptxas")))
        .find(|p| p.is_file());
    if found.is_none() {
        eprintln!("skipped: ptxas was not found, no cubin is made; ci/fetch-ptxas fetches it");
    }
    found
}

// Catches a cubin that is PTX or for another processor, a manifest that does not say what it is, and a missing ptxas or one that refuses
// that is not explained.
#[test]
fn cubin_is_made_by_ptxas() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("g.cubin");
    let grad = |target: &str, more: &[&str], ptxas: &str| {
        let mut args = vec!["grad", "ll/square.ll", "--kernel", "square", "--roles", "dup,out,const"];
        args.extend(["--target", target, "-o", out.to_str().unwrap()]);
        args.extend(more);
        let done = Command::new(env!("CARGO_BIN_EXE_kernel-ad"))
            .args(args)
            .current_dir(folder())
            .env("KERNEL_AD_PTXAS", ptxas)
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (status, said) = grad("nvptx:sm_80", &[], "/nowhere/ptxas");
    assert!(status == Some(4) && said.contains("/nowhere/ptxas") && said.contains("KAD0300"), "{said}");
    // Another program in its place.
    let (status, said) = grad("nvptx:sm_80", &["--emit", "cubin"], "ls");
    assert!(status == Some(4) && said.contains("KAD0300"), "{said}");
    let (status, said) = grad("amdgpu:gfx90a", &["--emit", "cubin"], "");
    assert!(status == Some(2) && said.contains("no NVIDIA processor"), "{said}");
    let Some(ptxas) = ptxas() else { return };
    for (target, sm) in [("nvptx:sm_80", 80), ("nvptx:sm_90+ptx83", 90)] {
        let (status, said) = grad(target, &[], ptxas.to_str().unwrap());
        assert_eq!(status, Some(0), "{said}");
        let code = std::fs::read(&out).unwrap();
        assert_eq!((&code[..4], code[18], code[48]), (&b"\x7fELF"[..], 190, sm), "EM_CUDA and the processor");
        let manifest = shadow_mem::Manifest::load(dir.path().join("g.cubin.json")).unwrap();
        assert_eq!((manifest.form, manifest.target.as_str()), (Some(shadow_mem::Form::Cubin), target));
    }
}

// Catches a variable that does not lead to AMD's device libraries, and a missing library that is not explained.
#[test]
fn device_libraries_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("k.hsaco");
    let emit = |variables: &[(&str, &Path)]| {
        let args = ["emit", "hip/ocml.hip", "--kernel", "one_argument_f64", "-o", out.to_str().unwrap()];
        let done = Command::new(env!("CARGO_BIN_EXE_kernel-ad"))
            .args(args)
            .current_dir(folder())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let empty = dir.path().join("empty");
    let (status, said) = emit(&[("KERNEL_AD_ROCM_DEVICE_LIBS", &empty)]);
    assert!(status == Some(4) && said.contains("KAD0300") && said.contains("`__ocml_"), "{said}");
    assert!(said.contains(empty.to_str().unwrap()) && said.contains("rocm-device-libs"), "{said}");
    let debian = Path::new("/usr/lib/x86_64-linux-gnu/amdgcn/bitcode");
    if !debian.join("ocml.bc").is_file() {
        return eprintln!("skipped: Debian's rocm-device-libs is not there; ci/setup --tests installs it");
    }
    // An installation of ROCm, and one whose ocml is broken and comes first.
    let [good, bad] = ["good", "bad"].map(|name| dir.path().join(name));
    let put = |root: &Path, ocml: &dyn Fn(&Path)| {
        let folder = root.join("amdgcn/bitcode");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(debian.join("ockl.bc"), folder.join("ockl.bc")).unwrap();
        ocml(&folder.join("ocml.bc"));
    };
    put(&good, &|to| assert!(std::fs::copy(debian.join("ocml.bc"), to).unwrap() > 0));
    put(&bad, &|to| std::fs::write(to, "no bitcode").unwrap());
    let (status, said) = emit(&[("ROCM_PATH", &good), ("HIP_PATH", &bad)]);
    assert_eq!(status, Some(0), "{said}");
    assert!(std::fs::metadata(&out).unwrap().len() > 1000);
    let (status, said) = emit(&[("ROCM_PATH", &bad), ("HIP_PATH", &good)]);
    assert!(status == Some(4) && said.contains("KAD0301") && said.contains(bad.to_str().unwrap()), "{said}");
    // Debian's own place, where nothing else is installed.
    let (status, said) = emit(&[]);
    assert_eq!(status, Some(0), "{said}");
}

// Catches a warp size that is asked for and not taken, by the code or by the manifest, and one that the processor cannot have.
#[test]
fn amd_warps_have_the_size_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("k.s");
    let emit = |source: &str, kernel: &str, arch: &str, size: &str, target: &str, status: i32| {
        let (file, out) = (format!("hip/{source}.hip"), out.to_str().unwrap());
        let mut args = vec!["emit", &file, "--kernel", kernel, "--arch", arch, "--target", target, "-o", out];
        if !size.is_empty() {
            args.extend(["--warp-size", size]);
        }
        run(&args, status).1
    };
    for (size, arch, target, has) in [
        ("", "gfx90a", "amdgpu:gfx90a", 64),
        ("", "gfx90a", "amdgpu:gfx1100", 64),
        ("", "gfx1100", "amdgpu:gfx1100", 32),
        ("64", "gfx1030", "amdgpu:gfx1030", 64),
        ("32", "gfx1201", "amdgpu:gfx1201", 32),
    ] {
        emit("kernels", "saxpy", arch, size, target, 0);
        let text = std::fs::read_to_string(&out).unwrap();
        let wave32 = text.contains(".amdhsa_wavefront_size32 1");
        assert_eq!(wave32, has == 32, "{target}, {size}: {text}");
        let manifest = shadow_mem::Manifest::load(dir.path().join("k.s.json")).unwrap();
        assert_eq!((manifest.warp_size, manifest.form), (has, Some(shadow_mem::Form::Assembly)));
    }
    assert!(emit("kernels", "saxpy", "gfx90a", "32", "amdgpu:gfx90a", 2).contains("KAD0008"));
    assert!(emit("kernels", "saxpy", "gfx1100", "16", "amdgpu:gfx1100", 2).contains("32 and 64"));
    assert!(emit("kernels", "saxpy", "gfx1100", "32", "amdgpu:gfx90a", 3).contains("KAD0112"));
    // Shuffles reach half of such a warp only.
    let said = emit("warps", "wave_sum", "gfx1100", "64", "amdgpu:gfx1100", 3);
    assert!(said.contains("KAD0112") && said.contains("all 64 threads"), "{said}");
}

// Catches a check that finds nothing wrong where something is: a race in the primal.
#[test]
fn check_tells_wrong_from_right() {
    let (json, _) = run(&["check", "saxpy.toml", "--device", "none", "--json"], 0);
    let v: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(v["passed"], true);
    assert!(v["oracles"].as_array().unwrap().len() > 5);
    let dir = tempfile::tempdir().unwrap();
    let source = "extern \"C\" __global__ void racy(float *x) { x[0] = x[1] * threadIdx.x; }\n";
    std::fs::write(dir.path().join("racy.cu"), source).unwrap();
    let case = dir.path().join("racy.toml");
    let text = "module = \"racy.cu\"\nkernel = \"racy\"\ngrid = [1]\nblock = [4]\n[[arg]]\ntype = \"f32\"\nlen = 2\nrole = \"dup\"\n";
    std::fs::write(&case, text).unwrap();
    let (table, _) = run(&["check", case.to_str().unwrap(), "--device", "none"], 1);
    assert!(table.contains("FAIL") && table.contains("WRONG"), "{table}");
}

// Catches results that are not written, or written under other names.
#[test]
fn run_writes_results() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("results");
    let args =
        ["run", "struct_of_pointers.toml", "--mode", "reverse", "--out", out.to_str().unwrap(), "--json"];
    let (json, _) = run(&args, 0);
    let v: Value = serde_json::from_str(&json).unwrap();
    assert!(v["kernel_s"].as_f64().unwrap() > 0.0);
    let mut files: Vec<_> =
        std::fs::read_dir(&out).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(
        files,
        [
            "dt.shadow.npy",
            "g.flux.npy",
            "g.flux.shadow.npy",
            "g.rho.npy",
            "g.rho.shadow.npy",
            "g.scale.shadow.npy"
        ]
    );
}

// Catches a kernel that leaves its buffers and takes the tool with it without a word, and a way to find the access that does not find it.
#[test]
fn a_kernel_that_leaves_its_memory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let case = dir.path().join("away.toml");
    let source =
        r#"extern "C" __global__ void away(float *x, long n) { x[threadIdx.x + n * blockIdx.x] *= 2.0f; }"#;
    std::fs::write(dir.path().join("away.cu"), source).unwrap();
    let text = r#"module = "away.cu"
kernel = "away"
grid = [2]
block = [32]
[[arg]]
name = "x"
type = "f32"
len = 32
role = "dup"
[[arg]]
name = "n"
type = "i64"
value = 1000000000000
role = "const"
"#;
    std::fs::write(&case, text).unwrap();
    let case = case.to_str().unwrap();
    for mode in ["primal", "reverse", "augmented,reverse"] {
        let (_, message) = run(&["run", case, "--mode", mode], 4);
        let said = ["error[KAD0308]", "kernel `away", "in block (1, 0, 0)", "kernel-ad check"];
        assert!(said.iter().all(|s| message.contains(s)), "{mode}: {message}");
    }
    let (_, message) = run(&["check", case], 4);
    assert!(message.contains("KAD0307") && message.contains("away.cu:1:"), "{message}");
}

// Catches a packed case that lacks something, two files of one name that overwrite each other, and a survey that hides a failure or
// loses a case.
#[test]
fn packed_cases_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    run(&["pack", "saxpy.toml", "hip/saxpy.toml", "matmul.toml", "-o", to], 0);
    let mut names: Vec<String> =
        std::fs::read_dir(to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.iter().all(|n| n.ends_with(".bc") || n.ends_with(".toml")), "{names:?}");
    assert!(names.contains(&"saxpy.toml".into()) && names.contains(&"saxpy-2.toml".into()), "{names:?}");
    let [one, two] = ["saxpy.toml", "saxpy-2.toml"].map(|n| format!("{to}/{n}"));
    let (json, _) = run(&["survey", "--device", "cpu", "--json", "--repeat", "1", &one, &two], 0);
    let v: Value = serde_json::from_str(&json).unwrap();
    let cases = v["cases"].as_array().unwrap();
    assert!(cases.len() == 2 && cases.iter().all(|c| c["passed"] == true), "{json}");
    assert!(cases.iter().all(|c| c["primal_s"].as_f64().unwrap() > 0.0), "{json}");
    let broken = format!("{to}/broken.toml");
    std::fs::write(&broken, "kernel = 1").unwrap();
    let (text, _) = run(&["survey", "--device", "cpu", "--repeat", "1", &one, &broken], 1);
    assert!(text.contains("ERROR\n    KAD0009") && text.contains("2 cases, 1 wrong"), "{text}");
}

// Catches launches for times that go on from where the last one stopped: this kernel counts where it writes, and would leave its buffers.
#[test]
fn times_are_of_launches_on_the_same_data() {
    let (text, _) = run(&["survey", "--device", "cpu", "--repeat", "8", "compact.toml"], 0);
    assert!(text.contains("1 cases, 0 wrong"), "{text}");
}

// Catches a machine whose devices are not listed, or whose missing ones are not explained.
#[test]
fn devices_are_listed() {
    let (json, _) = run(&["devices", "--json"], 0);
    let v: Value = serde_json::from_str(&json).unwrap();
    let kinds: Vec<_> =
        v["devices"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "cpu");
    assert!(kinds.contains(&"cuda") || v["missing"].to_string().contains("no CUDA device"), "{json}");
    assert!(kinds.contains(&"hip") || v["missing"].to_string().contains("no HIP device"), "{json}");
    let (_, message) = run(&["run", "saxpy.toml", "--device", "cuda:99"], 4);
    assert!(message.contains("no CUDA device"), "{message}");
}

// Catches two kernels of which one is missing or misnamed, and buffers that are taken for kept without having been declared.
#[test]
fn two_kernels_come_in_one_artifact() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("two.ptx");
    let path = out.to_str().unwrap();
    let first = ["grad", "control.cu", "--kernel", "matvec", "--roles", "dup,dup,out,const,const"];
    let mode = ["--mode", "augmented,reverse", "--target", "nvptx:sm_80", "--symbol", "mv", "-o", path];
    let manifest = || -> Value {
        let text = std::fs::read_to_string(dir.path().join("two.ptx.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    run(&[&first[..], &mode[..]].concat(), 0);
    let ptx = std::fs::read_to_string(&out).unwrap();
    let m = manifest();
    assert!(ptx.contains(".entry mv(") && ptx.contains(".entry mv_reverse("), "{ptx}");
    assert_eq!((&m["mode"], &m["reverse"]["mode"]), (&"augmented".into(), &"split".into()));
    let kept = |m: &Value| m["reverse"]["assumptions"].to_string().matches("kept").count();
    assert_eq!(kept(&m), 0);
    run(&[&first[..], &mode[..], &["--kept", "0,1"]].concat(), 0);
    assert_eq!(kept(&manifest()), 2);
    let (_, stderr) = run(&[&first[..], &mode[..], &["--kept", "nobody"]].concat(), 2);
    assert!(stderr.contains("no such parameter"), "{stderr}");
    let (_, stderr) =
        run(&[&first[..], &["--kept", "all", "--target", "nvptx:sm_80", "-o", path]].concat(), 2);
    assert!(stderr.contains("--kept goes with"), "{stderr}");
}

// Catches a run of two kernels that gives another result than the one kernel.
#[test]
fn two_kernels_run_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for mode in ["reverse", "augmented,reverse"] {
        let out = dir.path().join(mode);
        run(&["run", "overwrite.toml", "--device", "cpu", "--mode", mode, "--out", out.to_str().unwrap()], 0);
        let read = |f: &str| std::fs::read(out.join(f)).unwrap();
        results.push((read("x.npy"), read("x.shadow.npy")));
    }
    assert_eq!(results[0], results[1]);
}
