//! Logistic regression: the gradient of a loss that is summed over all samples, and gradient descent with it.
//!
//! `cargo run --release -p kernel-ad-examples --bin regression-hip [SAMPLES]`: on the first AMD GPU, or on the CPU where there is none. The kernel lies beside this file; the host code,
//! which is the same for CUDA and HIP, in `examples/common/regression.rs`.

use kernel_ad_examples::{exit, regression, Vendor};

fn main() -> std::process::ExitCode {
    exit(regression::run(Vendor::Hip))
}
