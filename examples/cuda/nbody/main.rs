//! The gradient of an all-pairs n-body kernel, checked and timed.
//!
//! `cargo run --release -p kernel-ad-examples --bin nbody [BODIES]`: on the first NVIDIA GPU, or on the CPU where there is none. The kernel lies beside this file; the host code,
//! which is the same for CUDA and HIP, in `examples/common/nbody/mod.rs`.

use kernel_ad_examples::{exit, nbody, Vendor};

fn main() -> std::process::ExitCode {
    exit(nbody::run(Vendor::Cuda))
}
