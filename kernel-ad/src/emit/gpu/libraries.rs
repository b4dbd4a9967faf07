//! Device libraries: NVIDIA's libdevice, AMD's ocml and ockl, found on this machine.

use crate::diag::{Code, Diagnostic};
use crate::emit::places::{self, Environment};
use crate::kernel::Arch;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Bitcode of device libraries, read when first asked for.
#[derive(Default)]
pub struct Libraries {
    libdevice_places: Vec<PathBuf>,
    rocm_places: Vec<PathBuf>,
    libdevice: OnceLock<Option<Bitcode>>,
    rocm: OnceLock<Vec<Bitcode>>,
}

/// A library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bitcode {
    /// The file that it came from, for messages.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The two kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Libdevice,
    Rocm,
}

impl Kind {
    /// The one that devices of an architecture have.
    pub(super) fn of(arch: Arch) -> Kind {
        match arch {
            Arch::Nvptx => Kind::Libdevice,
            Arch::Amdgpu => Kind::Rocm,
        }
    }
}

impl Libraries {
    /// Those that are installed, looked for once in a process.
    pub fn installed() -> &'static Libraries {
        static INSTALLED: OnceLock<Libraries> = OnceLock::new();
        INSTALLED.get_or_init(|| Libraries::found(&places::of_process))
    }

    /// Those that an environment leads to.
    pub fn found(env: Environment<'_>) -> Libraries {
        Libraries { libdevice_places: libdevice(env), rocm_places: rocm(env), ..Libraries::default() }
    }

    /// None at all: for tests.
    pub fn none() -> Libraries {
        Libraries::default()
    }

    /// NVIDIA's `libdevice.10.bc`.
    pub fn libdevice(&self) -> Option<&Bitcode> {
        self.libdevice.get_or_init(|| self.libdevice_places.iter().find_map(read)).as_ref()
    }

    /// AMD's `ocml.bc` and `ockl.bc`, from one folder; empty when they are not there.
    pub fn rocm(&self) -> &[Bitcode] {
        self.rocm.get_or_init(|| {
            // ROCm 3 and older wrote `ocml.amdgcn.bc`.
            let one = |dir: &Path, name: &str| {
                [format!("{name}.bc"), format!("{name}.amdgcn.bc")].iter().find_map(|f| read(&dir.join(f)))
            };
            let both = |dir: &PathBuf| Some(vec![one(dir, "ocml")?, one(dir, "ockl")?]);
            self.rocm_places.iter().find_map(both).unwrap_or_default()
        })
    }

    /// Whether such a library is there.
    pub(super) fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Libdevice => self.libdevice().is_some(),
            Kind::Rocm => !self.rocm().is_empty(),
        }
    }

    /// What to say when `function` needs a library that is not there.
    pub(super) fn missing(&self, function: &str, kind: Kind) -> Diagnostic {
        let (library, looked, help) = match kind {
            Kind::Libdevice => (
                "libdevice",
                &self.libdevice_places,
                "install the CUDA toolkit or PyPI's nvidia-cuda-nvcc-cu12, or set KERNEL_AD_LIBDEVICE to libdevice.10.bc",
            ),
            Kind::Rocm => (
                "the ROCm device library",
                &self.rocm_places,
                "install ROCm or Debian's rocm-device-libs, or set KERNEL_AD_ROCM_DEVICE_LIBS to the folder of ocml.bc and ockl.bc",
            ),
        };
        Diagnostic::new(Code::ToolMissing, format!("`{function}` needs {library}, which was not found"))
            .because(format!("looked for {}", places::listed(looked)))
            .help(help)
    }
}

fn read(path: impl AsRef<Path>) -> Option<Bitcode> {
    let path = path.as_ref();
    Some(Bitcode { path: path.to_owned(), bytes: std::fs::read(path).ok()? })
}

/// Files that libdevice may be, in the order in which they are tried. A named one stands alone.
fn libdevice(env: Environment<'_>) -> Vec<PathBuf> {
    if let Some(own) = places::named(env, "KERNEL_AD_LIBDEVICE") {
        return vec![own];
    }
    let tail = Path::new("nvvm/libdevice/libdevice.10.bc");
    let mut homes = places::cuda_homes(env);
    homes.extend(["/usr/lib/cuda", "/usr/lib/nvidia-cuda-toolkit"].map(PathBuf::from));
    let mut out: Vec<PathBuf> = homes.iter().map(|d| d.join(tail)).collect();
    out.push("/usr/lib/nvidia-cuda-toolkit/libdevice/libdevice.10.bc".into());
    out.extend(near(&Path::new(".tools/nvidia/cuda_nvcc").join(tail)));
    out
}

/// Folders that may hold ocml and ockl, in the order in which they are tried. A named one stands alone.
fn rocm(env: Environment<'_>) -> Vec<PathBuf> {
    if let Some(own) = places::named(env, "KERNEL_AD_ROCM_DEVICE_LIBS") {
        return vec![own];
    }
    // clang's own variable names the folder itself.
    let mut out = places::all_named(env, &["HIP_DEVICE_LIB_PATH"]);
    let mut roots = places::all_named(env, &["ROCM_PATH", "HIP_PATH", "ROCM_HOME"]);
    roots.push("/opt/rocm".into());
    roots.extend(places::versions(Path::new("/opt"), "rocm-"));
    for root in &roots {
        out.push(root.join("amdgcn/bitcode"));
        // Since ROCm 6 they lie with its clang; the other folder is a link there.
        for clang in places::versions(&root.join("lib/llvm/lib/clang"), "") {
            out.push(clang.join("lib/amdgcn/bitcode"));
        }
    }
    // Debian.
    let multiarch = format!("/usr/lib/{}-linux-gnu/amdgcn/bitcode", std::env::consts::ARCH);
    out.extend([multiarch.into(), "/usr/amdgcn/bitcode".into(), "/usr/lib/amdgcn/bitcode".into()]);
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Libraries of an environment in which variables name places below a folder.
    fn with(dir: &Path, set: &[(&str, &str)]) -> Libraries {
        Libraries::found(&|name: &str| {
            set.iter().find(|s| s.0 == name).map(|s| dir.join(s.1).into_os_string())
        })
    }

    fn put(dir: &Path, files: &[&str]) {
        for f in files {
            let path = dir.join(f);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, f).unwrap();
        }
    }

    fn texts(found: &[Bitcode]) -> Vec<String> {
        found.iter().map(|b| String::from_utf8_lossy(&b.bytes).into_owned()).collect()
    }

    /// Would catch a variable that leads nowhere, an order other than the documented one, ocml and ockl from two installations, and a
    /// named folder that is quietly replaced by what is installed.
    #[test]
    fn rocm_is_found_where_the_documentation_says() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        put(
            dir,
            &["own/ocml.bc", "own/ockl.bc", "clang/ocml.bc", "clang/ockl.bc", "half/amdgcn/bitcode/ocml.bc"],
        );
        put(dir, &["old/amdgcn/bitcode/ocml.amdgcn.bc", "old/amdgcn/bitcode/ockl.amdgcn.bc"]);
        let new =
            ["new/lib/llvm/lib/clang/19/lib/amdgcn/bitcode", "new/lib/llvm/lib/clang/9/lib/amdgcn/bitcode"];
        for folder in new {
            put(dir, &[&format!("{folder}/ocml.bc"), &format!("{folder}/ockl.bc")]);
        }
        let newest = [format!("{}/ocml.bc", new[0]), format!("{}/ockl.bc", new[0])];
        let newest: Vec<&str> = newest.iter().map(String::as_str).collect();
        let own = vec!["own/ocml.bc", "own/ockl.bc"];
        let old = vec!["old/amdgcn/bitcode/ocml.amdgcn.bc", "old/amdgcn/bitcode/ockl.amdgcn.bc"];
        for (set, want) in [
            (vec![("KERNEL_AD_ROCM_DEVICE_LIBS", "own"), ("ROCM_PATH", "old")], own),
            (
                vec![("HIP_DEVICE_LIB_PATH", "clang"), ("ROCM_PATH", "old")],
                vec!["clang/ocml.bc", "clang/ockl.bc"],
            ),
            (vec![("ROCM_PATH", "old"), ("HIP_PATH", "new")], old.clone()),
            (vec![("ROCM_PATH", "new")], newest),
            // Not whole: passed over.
            (vec![("ROCM_PATH", "half"), ("HIP_PATH", "old")], old),
        ] {
            assert_eq!(texts(with(dir, &set).rocm()), want, "{set:?}");
        }
        let nowhere = with(dir, &[("KERNEL_AD_ROCM_DEVICE_LIBS", "nowhere")]);
        assert!(nowhere.rocm().is_empty());
        let e = nowhere.missing("__ocml_j0_f32", Kind::Rocm).to_string();
        assert!(e.contains("nowhere") && !e.contains("/opt/rocm"), "{e}");
        let e = Libraries::found(&|_| None).missing("__ocml_j0_f32", Kind::Rocm).to_string();
        for place in ["/opt/rocm/amdgcn/bitcode", "/usr/lib/", "KERNEL_AD_ROCM_DEVICE_LIBS"] {
            assert!(e.contains(place), "{place}: {e}");
        }
    }

    /// Would catch the same of libdevice.
    #[test]
    fn libdevice_is_found_where_the_documentation_says() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        let in_toolkit = "cuda/nvvm/libdevice/libdevice.10.bc";
        put(dir, &["mine.bc", in_toolkit]);
        for (set, want) in [
            (vec![("KERNEL_AD_LIBDEVICE", "mine.bc"), ("CUDA_HOME", "cuda")], "mine.bc"),
            (vec![("CUDA_HOME", "cuda")], in_toolkit),
            (vec![("CUDA_PATH", "cuda")], in_toolkit),
        ] {
            let found = with(dir, &set);
            assert_eq!(found.libdevice().map(|b| b.bytes.as_slice()), Some(want.as_bytes()), "{set:?}");
        }
        let nowhere = with(dir, &[("KERNEL_AD_LIBDEVICE", "nowhere.bc"), ("CUDA_HOME", "cuda")]);
        assert_eq!(nowhere.libdevice(), None);
        let e = nowhere.missing("__nv_j0", Kind::Libdevice).to_string();
        assert!(e.contains("nowhere.bc") && !e.contains("/usr/local"), "{e}");
    }
}
