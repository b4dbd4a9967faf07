//! All-pairs gravity: the gradient of a weighted sum of accelerations by all positions and masses, what it costs, and whether it is
//! right.

mod oracle;

use crate::{number, Vendor, Verdict};
use kernel_ad::diag::Result;
use kernel_ad::jit::{args, Device, Kernel, Launch, Loaded, Role::*, RunReport};
use std::error::Error;
use std::time::{Duration, Instant};

const EPS2: f32 = 1e-2;
/// Largest relative error that f32 kernels are allowed against an f64 oracle.
const TOLERANCE: f64 = 1e-4;

/// Bodies from the command line.
pub fn run(vendor: Vendor) -> std::result::Result<Verdict, Box<dyn Error>> {
    let n = number("bodies", 4096, 1..=1_000_000)?;
    let (bodies, weights) = (oracle::bodies(n, 1), oracle::weights(n, 2));

    let device = vendor.device()?;
    let start = Instant::now();
    let kernel = Kernel::load(vendor.source("nbody"), "forces")?; // forces(const float4 *pos, float4 *acc, int n, float eps2)
    let primal = device.compile(&kernel)?;
    let gradient = device.compile(&kernel.reverse(&[Dup, Out, Const, Const])?)?;
    let compiled = start.elapsed();

    let (pos, acc) = (device.pair(&bodies)?, device.pair(&vec![[0.0f32; 4]; n])?);
    let shape = Launch::new(n.div_ceil(256) as u32, 256);
    // Safety: the kernel reads and writes `n` elements of both buffers, and they have them.
    let primal_run = fastest(|| unsafe { primal.launch(shape, args![&pos, &acc, n as i32, EPS2]) })?;
    let gradient_run = fastest(|| {
        pos.clear_shadow()?; // a launch adds to it
        acc.seed(&weights)?; // the adjoint of the result; a launch takes it
                             // Safety: as above.
        unsafe { gradient.launch(shape, args![&pos, &acc, n as i32, EPS2]) }
    })?;
    report(shape, compiled, &gradient, &device, [primal_run, gradient_run]);

    let e = oracle::errors(&bodies, &weights, EPS2.into(), &pos.shadow()?);
    let says = format!(
        "error {:.1e} in {} directions, {:.1e} in {} single partials, relative, against central differences in f64",
        e.of_directions, e.directions, e.of_partials, e.partials
    );
    Ok(Verdict { says, right: e.of_directions.max(e.of_partials) < TOLERANCE })
}

/// Launches once to warm up and then seven times; the fastest counts.
fn fastest(mut launch: impl FnMut() -> Result<RunReport>) -> Result<RunReport> {
    let mut best = None;
    launch()?;
    for _ in 0..7 {
        let run = launch()?;
        best = std::cmp::min_by_key(best, Some(run), |r: &Option<RunReport>| {
            r.map_or(Duration::MAX, |r| r.kernel + r.count)
        });
    }
    Ok(best.unwrap_or_default())
}

fn report(
    shape: Launch,
    compiled: Duration,
    gradient: &Loaded,
    device: &Device,
    [primal, reverse]: [RunReport; 2],
) {
    let m = gradient.manifest();
    let (p, g) = (primal.kernel.as_secs_f64(), (reverse.kernel + reverse.count).as_secs_f64());
    let (blocks, threads) = (shape.blocks(), shape.threads_per_block());
    println!(
        "kernel    {}, {blocks} blocks of {threads} threads, on {}",
        m.kernel,
        device.context().device().info().name
    );
    println!("compiled  source to loaded primal and gradient in {:.2} s", compiled.as_secs_f64());
    println!(
        "tape      {} bytes in global memory ({} per thread)",
        reverse.tape_bytes, reverse.tape_per_thread
    );
    println!(
        "values    {} saved, {} recomputed, {} reloaded",
        m.stats.saved, m.stats.recomputed, m.stats.reloaded
    );
    println!(
        "atomics   {} of {} places that add into shadows",
        m.stats.atomic_adds,
        m.stats.atomic_adds + m.stats.plain_adds
    );
    println!("memory    {}", device.bytes());
    println!("times     primal {:.2} ms, gradient {:.2} ms, ratio {:.2}", p * 1e3, g * 1e3, g / p);
}
