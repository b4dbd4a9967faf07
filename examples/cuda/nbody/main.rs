//! The gradient of an all-pairs n-body kernel in CUDA C, on the CPU device, checked against central differences in f64.
//!
//! `cargo run --release -p kernel-ad-examples --bin nbody [BODIES]`

use kernel_ad::jit::{args, Device, Kernel, Launch, Role::*};
use kernel_ad_examples::{bodies_wanted, nbody, repeat, report};
use std::{error::Error, path::Path, process::ExitCode, time::Instant};

const EPS2: f32 = 1e-2;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let n = bodies_wanted()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cuda/nbody/nbody.cu");
    let (bodies, weights) = (nbody::bodies(n, 1), nbody::weights(n, 2));

    let start = Instant::now();
    let kernel = Kernel::load(&source, "forces")?;
    let device = Device::cpu();
    let primal = device.compile(&kernel)?;
    let gradient = device.compile(&kernel.reverse(&[Dup, Out, Const, Const])?)?;
    let compiled = start.elapsed();

    let (pos, acc) = (device.pair(&bodies)?, device.pair(&vec![[0.0f32; 4]; n])?);
    let shape = Launch::new(n.div_ceil(256) as u32, 256);
    // Safety: the kernel reads and writes `n` elements of both buffers, and they have them.
    let primal_run = repeat(|| unsafe { primal.launch(shape, args![&pos, &acc, n as i32, EPS2]) })?;
    let gradient_run = repeat(|| {
        pos.clear_shadow()?;
        acc.seed(&weights)?;
        // Safety: as above.
        unsafe { gradient.launch(shape, args![&pos, &acc, n as i32, EPS2]) }
    })?;

    let errors = nbody::errors(&bodies, &weights, EPS2.into(), &pos.shadow()?);
    report(&source, shape, compiled, &gradient, &device, [primal_run, gradient_run], &errors)
}
