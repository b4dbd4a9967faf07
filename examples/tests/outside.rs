//! A crate outside of this workspace that depends on the crates in it, with the lines of docs/launching.md and no others: no configuration and
//! no variable of this workspace reaches it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The block of that language in docs/launching.md that holds some text, for this tree.
fn documented(language: &str, holds: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/launching.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.into_iter().find(|b| b.contains(holds));
    block
        .unwrap_or_else(|| panic!("no block with {holds}"))
        .replace("/path/to/kernel-ad", root().to_str().unwrap())
}

/// The profiles of this workspace, so that what is compiled already need not be compiled again. Its own crates are others' there, and would
/// be optimised.
fn profiles() -> String {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut profiles = manifest[manifest.find("[profile.").expect("profiles")..].to_string();
    for own in ["kernel-ad", "gpu-runtime", "gpu-runtime-forwarders", "shadow-mem"] {
        profiles += &format!("\n[profile.dev.package.{own}]\nopt-level = 0\n");
    }
    profiles
}

struct Outside(tempfile::TempDir);

impl Outside {
    fn new(dependencies: &str, main: &str) -> Outside {
        let dir = tempfile::tempdir().unwrap();
        let package = "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n";
        let outside = Outside(dir);
        outside.write("Cargo.toml", &format!("{package}{dependencies}\n{}", profiles()));
        outside.write("src/main.rs", main);
        std::fs::copy(root().join("Cargo.lock"), outside.0.path().join("Cargo.lock")).unwrap();
        outside
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Cargo without what this workspace's configuration put into the environment. No network.
    fn cargo(&self, arguments: &[&str], target: &Path) -> Output {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).args(["--offline", "--quiet"]).current_dir(self.0.path());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let others =
                ["CUDA_LIBRARY_PATH", "CUDA_PATH", "CUDA_ROOT", "HIP_PATH", "ROCM_PATH", "KERNEL_AD_DEVICE"];
            let cargos = name.starts_with("CARGO") && name != "CARGO_HOME";
            if cargos || others.contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        command
            .env("CARGO_TARGET_DIR", target)
            .env("KERNEL_AD_LIBCUDA", "/no/libcuda.so")
            .env("KERNEL_AD_LIBAMDHIP64", "/no/libamdhip64.so")
            .output()
            .expect("cargo")
    }

    fn prints(&self, wanted: &str) {
        // Where the tests of this workspace were built, too.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let out = self.cargo(&["run"], target);
        let (said, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success() && said == wanted, "{said}\n{errors}");
    }
}

const OPEN_ALL: &str = r#"
fn main() {
    for name in ["cpu", "cuda", "hip"] {
        match gpu_runtime::Device::open(name) {
            Ok(d) => println!("{name}: {}", d.info().target),
            Err(e) => println!("{}", e.to_string().split([':', ';']).take(2).collect::<String>()),
        }
    }
}
"#;

fn gpu_runtime(features: &str) -> String {
    let path = root().join("gpu-runtime");
    format!("[dependencies]\ngpu-runtime = {{ path = {path:?}, features = [{features}] }}\n")
}

// Catches: a crate that builds in this workspace alone; documented lines that do not do; a program that needs a driver to start.
#[test]
fn with_the_documented_lines_it_builds_without_a_toolkit() {
    let lines = documented("toml", "[env]");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        readme.replace("/path/to/kernel-ad", root().to_str().unwrap()).contains(&lines),
        "README.md has other lines"
    );
    let launching =
        Outside::new(&documented("toml", "[dependencies]"), &documented("rust,no_run", "fn main()"));
    launching.write("square.cu", &documented("cuda", "square"));
    launching.write(".cargo/config.toml", &lines);
    launching.prints("[2.0, 4.0, 6.0]\n");

    let shipping = Outside::new(&gpu_runtime(r#""cuda", "hip""#), OPEN_ALL);
    shipping.write(".cargo/config.toml", &lines);
    shipping.prints(
        "cpu: host\nno CUDA device the driver is not installed\nno HIP device the driver is not installed\n",
    );
}

// Catches: a dependency of the CPU device on a toolkit, or on configuration.
#[test]
fn for_the_cpu_alone_nothing_is_needed() {
    let dependencies = documented("toml", "[dependencies]").replace(r#""cuda", "hip""#, "");
    let launching = Outside::new(&dependencies, &documented("rust,no_run", "fn main()"));
    launching.write("square.cu", &documented("cuda", "square"));
    launching.prints("[2.0, 4.0, 6.0]\n");

    let shipping = Outside::new(&gpu_runtime(""), OPEN_ALL);
    shipping.prints(concat!(
        "cpu: host\n",
        "no CUDA device this program was built without feature `cuda` of gpu-runtime\n",
        "no HIP device this program was built without feature `hip` of gpu-runtime\n"
    ));
}

// Catches: lines that are asked of users and not needed (any more), so that the test above shows nothing; the variables that the page names
// instead, which do not do.
#[test]
fn without_the_lines_the_bindings_look_for_a_toolkit() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let bindings = Outside::new(&gpu_runtime(r#""cuda", "hip""#), OPEN_ALL);
    let installed = ["/usr/local/cuda", "/opt/cuda", "/opt/rocm"].iter().any(|p| Path::new(p).exists());
    let build = |package: &str| bindings.cargo(&["build", "-p", package], &target);
    if installed {
        println!("skipped: CUDA or ROCm is installed here");
    } else {
        assert!(!build("cust_raw").status.success() && !build("hip-runtime-sys").status.success());
    }
    let link = root().join("gpu-runtime/forwarders/link");
    bindings
        .write(".cargo/config.toml", &format!("[env]\nCUDA_LIBRARY_PATH = {link:?}\nHIP_PATH = {link:?}\n"));
    for package in ["cust_raw", "hip-runtime-sys"] {
        let out = build(package);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
