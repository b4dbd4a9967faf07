//! Makes the gradient of `energy` for a range of devices: PTX, HSACO and a host shared object, each with its manifest, in OUT_DIR.

use kernel_ad::diag::Result;
use kernel_ad::emit::Target;
use kernel_ad::jit::{Compile, Kernel, Role::*};
use std::fmt::Write;
use std::path::Path;

/// Processors of other machines, on which the program may run without a GPU.
const HOSTS: &[&str] =
    if cfg!(target_arch = "x86_64") { &["host:x86-64-v2", "host:x86-64-v3"] } else { &["host"] };

/// PTX runs on its processor and on all newer ones, HSACO on its processor alone.
const MADE: [(&str, &[&str]); 3] = [
    ("kernels/energy.cu", &["nvptx:sm_70", "nvptx:sm_80", "nvptx:sm_90"]),
    ("kernels/energy.cu", HOSTS),
    ("kernels/energy.hip", &["amdgpu:gfx90a", "amdgpu:gfx942", "amdgpu:gfx1100"]),
];

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    // For the tests.
    println!("cargo::rustc-env=BUILD_SCRIPT={}", std::env::current_exe().expect("this program").display());
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    if let Err(e) = make(Path::new(&out)) {
        eprintln!("{e}");
        std::process::exit(1);
    }
}

fn make(out: &Path) -> Result<()> {
    let mut list = String::from("&[\n");
    for (source, targets) in MADE {
        // energy(const float *pos, float *out, int n, float sigma)
        let gradient = Kernel::load(source, "energy")?.reverse(&[Dup, Dup, Const, Active])?;
        for target in targets {
            let artifact = gradient.artifact(&Target::parse(target)?)?;
            let code = out.join(target.replace(':', "-"));
            let manifest = code.with_extension("json");
            std::fs::write(&code, &artifact.bytes).expect("OUT_DIR can be written");
            artifact.manifest.save(&manifest).expect("OUT_DIR can be written");
            writeln!(
                list,
                "    Shipped {{ code: include_bytes!({code:?}), manifest: include_str!({manifest:?}) }},"
            )
            .expect("text");
        }
    }
    std::fs::write(out.join("gradients.rs"), list + "]\n").expect("OUT_DIR can be written");
    Ok(())
}
