//! What is emitted for a device, loaded into the driver that the tests of gpu-runtime have: PTX in the version that it takes, cubin.

#[allow(dead_code)]
#[path = "../../gpu-runtime/tests/drivers/fake.rs"]
mod fake;

use gpu_runtime::{Context, Shipped};
use kernel_ad::args;
use kernel_ad::diag::{Code, Diagnostics};
use kernel_ad::emit::{emit, Format, Target};
use kernel_ad::jit::{Device, Kernel, Launch, Loaded};

const SOURCE: &str = "
extern \"C\" __global__ void scale(float *x, int n, float a) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= a;
}";

fn kernel() -> Kernel {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scale.cu");
    std::fs::write(&path, SOURCE).unwrap();
    Kernel::load(&path, "scale").unwrap_or_else(|e| panic!("{e}"))
}

/// The driver is one of CUDA 12.4 with an sm_86.
fn device() -> Device {
    fake::open("cuda").unwrap().into()
}

fn compiled(device: &Device) -> Result<Loaded, Diagnostics> {
    device.compile(&kernel())
}

fn version(loaded: &Loaded) -> String {
    loaded.manifest().target.clone()
}

/// Catches PTX in a version that the driver's own does not promise, and a launch that then does not run.
#[test]
fn the_drivers_version_decides() {
    let _alone = fake::alone();
    std::env::set_var("FAKE_PTX", "8.4");
    let device = device();
    let loaded = compiled(&device).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(version(&loaded), "nvptx:sm_86+ptx84");
    let x = device.buffer(&[1.0f32, 2.0, 3.0]).unwrap();
    // Safety: the buffer has three elements.
    unsafe { loaded.launch(Launch::new(1, 32), args![&x, 3i32, 2.5f32]).unwrap() };
    assert_eq!(x.read().unwrap(), [2.5, 5.0, 7.5]);
}

/// Catches a driver's compiler that is older than the driver says and is not asked again, a version that is taken and not kept, and a
/// processor that an older version does not have.
#[test]
fn what_is_refused_is_written_in_an_older_version() {
    let _alone = fake::alone();
    for (taken, target) in [
        ("8.2", "nvptx:sm_86+ptx82"),
        ("7.9", "nvptx:sm_86+ptx78"),
        ("7.1", "nvptx:sm_86"),
        ("7.0", "nvptx:sm_80"),
    ] {
        for silent in [false, true] {
            std::env::set_var("FAKE_PTX", taken);
            if silent {
                std::env::set_var("FAKE_SILENT", "1");
            } else {
                std::env::remove_var("FAKE_SILENT");
            }
            let device = device();
            let loaded = compiled(&device).unwrap_or_else(|e| panic!("{taken}: {e}"));
            assert_eq!(version(&loaded), target);
            assert_eq!(device.target().unwrap().to_string(), target, "the next kernel is not tried in vain");
        }
    }
}

/// Catches retries without end, and an error that hides what the driver's compiler said at first.
#[test]
fn what_is_refused_in_every_version_is_an_error() {
    let _alone = fake::alone();
    std::env::set_var("FAKE_PTX", "6.5");
    let e = compiled(&device()).unwrap_err();
    assert_eq!(e.0[0].code, Code::BadArtifact);
    let text = e.to_string();
    assert!(text.contains("Unsupported .version 8.4; current version is '6.5'"), "{text}");
    assert!(text.contains("a newer driver"), "{text}");
    std::env::remove_var("FAKE_PTX");
    fake::fail("cuda", "cuModuleLoadDataEx", "", "=218");
    let text = compiled(&device()).unwrap_err().to_string();
    assert!(text.contains("(218)") && text.contains("not taken as nvptx:sm_86 either"), "{text}");
    // Not about the language: one try only.
    fake::fail("cuda", "cuModuleLoadDataEx", "", "=209");
    let text = compiled(&device()).unwrap_err().to_string();
    assert!(text.contains("(209)") && !text.contains("either"), "{text}");
    std::env::remove_var("FAKE_FAIL");
}

/// Catches a program with artifacts for old and new drivers that gives up at the one that is too new.
#[test]
fn shipped_ptx_that_is_too_new_is_passed_over() {
    let _alone = fake::alone();
    std::env::set_var("FAKE_PTX", "7.4");
    let made = ["nvptx:sm_80+ptx80", "nvptx:sm_80+ptx72", "nvptx:sm_70"].map(|target| {
        let a = emit(kernel().ir(), &Target::parse(target).unwrap(), Format::Asm).unwrap();
        (a.bytes, a.manifest.to_json())
    });
    let context = Context::new(fake::open("cuda").unwrap());
    let all = made.each_ref().map(|(code, manifest)| Shipped { code, manifest });
    assert_eq!(context.load_shipped(&all).unwrap().manifest().target, "nvptx:sm_80+ptx72");
    let e = context.load_shipped(&all[..1]).unwrap_err().to_string();
    assert!(e.contains("Unsupported .version 8.0"), "{e}");
}

/// ptxas of the repository's tool folder.
fn ptxas() -> Option<&'static str> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/nvidia/cuda_nvcc/bin/ptxas");
    let there = std::path::Path::new(own).is_file();
    if !there {
        eprintln!("skipped: {own} is not there, no cubin is made; ci/fetch-ptxas fetches it");
    }
    there.then_some(own)
}

/// Catches cubin that cannot be loaded, is taken by a device that cannot run it, or is refused by one that can; and what no device loads.
#[test]
fn cubin_is_loaded_where_it_runs() {
    let _alone = fake::alone();
    let device = device();
    let load = |target: &str, format: Format| {
        let a =
            emit(kernel().ir(), &Target::parse(target).unwrap(), format).unwrap_or_else(|e| panic!("{e}"));
        device.load(&a.bytes, &a.manifest)
    };
    let e = load("nvptx:sm_86", Format::Bc).unwrap_err().to_string();
    assert!(e.contains("LLVM bitcode by its manifest"), "{e}");
    let Some(ptxas) = ptxas() else { return };
    std::env::set_var("KERNEL_AD_PTXAS", ptxas);
    for target in ["nvptx:sm_80", "nvptx:sm_86+ptx80"] {
        let loaded = load(target, Format::Obj).unwrap_or_else(|e| panic!("{target}: {e}"));
        let x = device.buffer(&[1.0f32, 2.0, 3.0]).unwrap();
        // Safety: the buffer has three elements.
        unsafe { loaded.launch(Launch::new(1, 32), args![&x, 3i32, 2.0f32]).unwrap() };
        assert_eq!(x.read().unwrap(), [2.0, 4.0, 6.0]);
    }
    for (target, name) in [("nvptx:sm_75", "sm_75"), ("nvptx:sm_89", "sm_89"), ("nvptx:sm_90a", "sm_90a")] {
        let e = load(target, Format::Obj).unwrap_err().to_string();
        assert!(e.contains(&format!("cubin for {name}")) && e.contains("sm_86"), "{e}");
    }
}
