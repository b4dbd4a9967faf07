//! A simulation of many launches: its adjoint through all time steps, and a parameter that is recovered with it.
//!
//! `cargo run --release -p kernel-ad-examples --bin heat-hip [STEPS]`: on the first AMD GPU, or on the CPU where there is none. The kernel lies beside this file; the host code,
//! which is the same for CUDA and HIP, in `examples/common/heat.rs`.

use kernel_ad_examples::{exit, heat, Vendor};

fn main() -> std::process::ExitCode {
    exit(heat::run(Vendor::Hip))
}
