//! Devices that are not there.

use super::fake::{alone, library, open};
use super::{both, text};
use gpu_runtime::{Device, Error};
use std::process::Command;

// Catches: a driver without GPUs that looks like a missing driver, or is opened all the same.
#[test]
fn a_driver_without_devices_says_so() {
    let _alone = alone();
    std::env::set_var("FAKE_DEVICES", "0");
    both(|kind| match open(kind) {
        Err(Error::NoDevice { reason, .. }) => assert!(reason.contains("found no GPU"), "{reason}"),
        other => panic!("{other:?}"),
    });
}

// Catches: a number past the end that is taken for the last device.
#[test]
fn devices_are_counted() {
    let _alone = alone();
    std::env::set_var("FAKE_DEVICES", "2");
    both(|kind| {
        assert_eq!(open(&format!("{kind}:1")).unwrap().info().name, "Fake GPU 1");
        let e = text(open(&format!("{kind}:2")).unwrap_err());
        assert!(e.contains("number 2 was asked for, and there are 2"), "{e}");
        let (found, missing) = Device::discover();
        assert_eq!((found.len(), missing.len()), (5, 0), "{found:?} {missing:?}");
    });
    for bad in ["cuda:x", "gpu", "cpu:1", "auto:0x", ""] {
        assert!(matches!(open(bad), Err(Error::NoDevice { .. })), "{bad}");
    }
}

// Catches: properties read from the wrong attribute.
#[test]
fn properties_are_read() {
    let _alone = alone();
    let (c, h) = (open("cuda").unwrap().info(), open("hip").unwrap().info());
    assert_eq!(
        (c.target.as_str(), c.warp_size, c.max_shared_bytes, c.multiprocessors),
        ("nvptx:sm_86", 32, 99 << 10, 68)
    );
    assert_eq!(
        (h.target.as_str(), h.warp_size, h.max_shared_bytes, h.multiprocessors),
        ("amdgpu:gfx90a:sramecc+:xnack-", 64, 65536, 104)
    );
    assert_eq!((c.driver.as_str(), h.driver.as_str()), ("CUDA driver 12.4", "HIP runtime 6.2"));
    assert_eq!((c.driver_version, h.driver_version), (Some((12, 4)), Some((6, 2))));
    assert_eq!((c.memory_bytes, h.memory_bytes), (1 << 30, 1 << 30));
}

/// What a program of its own says that opens a device with other libraries.
fn child(variable: &str, library: &str, kind: &str) -> String {
    let me = std::env::current_exe().unwrap();
    let out = Command::new(me)
        .args(["--exact", "missing::child_opens", "--ignored", "--nocapture"])
        .env(variable, library)
        .env("CHILD_OPENS", kind)
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
#[ignore = "run by `missing_drivers_and_symbols`, in a process of its own"]
fn child_opens() {
    let kind = std::env::var("CHILD_OPENS").unwrap_or("cuda".into());
    let mut count = 0;
    match kind.as_str() {
        "cust" => {
            count = cust::init(cust::CudaFlags::empty())
                .and_then(|()| cust::device::Device::num_devices())
                .unwrap_or(0) as i32
        }
        // SAFETY: `count` is a place for a number.
        "hip-sys" => _ = unsafe { hip_sys::hiprt::hipGetDeviceCount(&mut count) },
        _ => {}
    }
    println!("counted {count}");
    match Device::open(&kind) {
        Ok(d) => println!("opened {:?}", d.info()),
        Err(e) => println!("error: {e}"),
    }
}

// Catches: a missing driver, or one that is too old, that ends in a crash, or in the message of the other.
#[test]
fn missing_drivers_and_symbols() {
    for (variable, kind) in [("KERNEL_AD_LIBCUDA", "cuda"), ("KERNEL_AD_LIBAMDHIP64", "hip")] {
        let said = child(variable, "/nowhere/libdriver.so", kind);
        assert!(said.contains("the driver is not installed: looked for /nowhere/libdriver.so"), "{said}");
        // A library that has none of the functions.
        let said = child(variable, "libm.so.6", kind);
        assert!(said.contains("libm.so.6 lacks") && said.contains("the driver is too old"), "{said}");
        assert!(said.contains(if kind == "cuda" { "`cuInit`" } else { "`hipInit`" }), "{said}");
    }
}

// Catches: a real HIP runtime, which answers on a machine without a GPU in its own way, that is not understood.
#[test]
fn the_real_runtime_without_a_gpu() {
    let said = child("KERNEL_AD_LIBAMDHIP64", "libamdhip64.so.5", "hip");
    if said.contains("not installed") {
        println!("skipped: Debian's libamdhip64-5 is not installed");
        return;
    }
    assert!(said.contains("found no GPU") || said.contains("opened"), "{said}");
}

// Catches: a program that uses the bindings by itself, before a device is opened here, and is told that there is no driver.
#[test]
fn other_users_of_the_bindings_find_the_driver() {
    let _alone = alone();
    for (kind, variable, binding) in
        [("cuda", "KERNEL_AD_LIBCUDA", "cust"), ("hip", "KERNEL_AD_LIBAMDHIP64", "hip-sys")]
    {
        let said = child(variable, library(kind).to_str().unwrap(), binding);
        assert!(said.contains("counted 1"), "{said}");
        assert!(child(variable, "/nowhere/libdriver.so", binding).contains("counted 0"));
    }
}
