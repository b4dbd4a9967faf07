//! Device libraries: NVIDIA's libdevice, AMD's ocml and ockl, found on this machine.

use crate::diag::{Code, Diagnostic};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Bitcode of device libraries, read when first asked for.
#[derive(Default)]
pub struct Libraries {
    libdevice: OnceLock<Option<Vec<u8>>>,
    rocm: OnceLock<Vec<(String, Vec<u8>)>>,
}

impl Libraries {
    /// Those that are installed, looked for once in a process.
    pub fn installed() -> &'static Libraries {
        static INSTALLED: OnceLock<Libraries> = OnceLock::new();
        INSTALLED.get_or_init(Libraries::default)
    }

    /// None at all: for tests.
    pub fn none() -> Libraries {
        Libraries { libdevice: OnceLock::from(None), rocm: OnceLock::from(Vec::new()) }
    }

    /// NVIDIA's `libdevice.10.bc`.
    pub fn libdevice(&self) -> Option<&[u8]> {
        self.libdevice.get_or_init(|| libdevice_paths().iter().find_map(|p| std::fs::read(p).ok())).as_deref()
    }

    /// AMD's `ocml.bc` and `ockl.bc`, by name; empty when they are not there.
    pub fn rocm(&self) -> &[(String, Vec<u8>)] {
        self.rocm.get_or_init(|| {
            let read = |dir: &PathBuf, name: &str| {
                // ROCm 3 and older wrote `ocml.amdgcn.bc`.
                let files = [format!("{name}.bc"), format!("{name}.amdgcn.bc")];
                files.iter().find_map(|f| std::fs::read(dir.join(f)).ok())
            };
            let both = |dir: &PathBuf| {
                Some(vec![("ocml".to_string(), read(dir, "ocml")?), ("ockl".to_string(), read(dir, "ockl")?)])
            };
            rocm_paths().iter().find_map(both).unwrap_or_default()
        })
    }
}

/// What to say when `function` needs a library that is not there.
pub(super) fn missing(function: &str, library: &str) -> Diagnostic {
    let (help, looked) = match library {
        "libdevice" => (
            "install the CUDA toolkit or PyPI's nvidia-cuda-nvcc-cu12, or set KERNEL_AD_LIBDEVICE to libdevice.10.bc",
            libdevice_paths(),
        ),
        _ => (
            "install ROCm or Debian's rocm-device-libs, or set KERNEL_AD_ROCM_DEVICE_LIBS to the folder of ocml.bc and ockl.bc",
            rocm_paths(),
        ),
    };
    let looked: Vec<String> = looked.iter().map(|p| p.display().to_string()).collect();
    Diagnostic::new(Code::ToolMissing, format!("`{function}` needs {library}, which was not found"))
        .because(format!("looked for {}", looked.join(", ")))
        .help(help)
}

fn libdevice_paths() -> Vec<PathBuf> {
    let tail = Path::new("nvvm/libdevice/libdevice.10.bc");
    let mut out: Vec<PathBuf> = env("KERNEL_AD_LIBDEVICE").into_iter().collect();
    out.extend(["CUDA_PATH", "CUDA_HOME", "CUDA_ROOT"].iter().filter_map(|v| env(v)).map(|d| d.join(tail)));
    out.extend(near(&Path::new(".tools/nvidia/cuda_nvcc").join(tail)));
    out.extend(
        ["/usr/local/cuda", "/usr/lib/cuda", "/usr/lib/nvidia-cuda-toolkit"].map(|d| Path::new(d).join(tail)),
    );
    out.push("/usr/lib/nvidia-cuda-toolkit/libdevice/libdevice.10.bc".into());
    out
}

fn rocm_paths() -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = env("KERNEL_AD_ROCM_DEVICE_LIBS").into_iter().collect();
    out.extend(["ROCM_PATH", "HIP_PATH"].iter().filter_map(|v| env(v)).map(|d| d.join("amdgcn/bitcode")));
    out.extend(near(Path::new(".tools/rocm/amdgcn/bitcode")));
    out.push("/opt/rocm/amdgcn/bitcode".into());
    out.push("/usr/lib/x86_64-linux-gnu/amdgcn/bitcode".into());
    out.push("/usr/amdgcn/bitcode".into());
    out
}

fn env(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// `tail` below the current folder, the program's, and every folder above them, where it exists.
fn near(tail: &Path) -> Vec<PathBuf> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let mut out: Vec<PathBuf> = Vec::new();
    for start in starts.into_iter().flatten() {
        for dir in start.ancestors() {
            let p = dir.join(tail);
            if p.exists() && !out.contains(&p) {
                out.push(p);
            }
        }
    }
    out
}
