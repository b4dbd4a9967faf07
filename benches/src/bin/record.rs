//! Measures all cases once and prints the table of `RECORD.md`. `benches/README.md` says how to read it.

use kernel_ad::jit::{args, Device, Kernel, Launch, Role::*};
use kernel_ad_benches::{cases, source, Case, Result};
use std::time::{Duration, Instant};

/// Rounds; in each, all four programs of a case run one after the other.
const ROUNDS: usize = 15;
/// Largest difference between generated code and C, relative to the largest result.
const TOLERANCE: f64 = 1e-3;

fn main() -> Result<()> {
    let cold = from_source()?;
    let device = Device::cpu();
    println!("Device: {}.\n", device.context().device().info().name);
    println!("| case | primal | C primal | primal / C | gradient | C gradient | gradient / C | **gradient / primal** | tape | atomic adds | difference |");
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for case in &mut cases(&device)? {
        println!("{}", row(case.as_mut())?);
    }
    println!(
        "\nFrom nbody.cu to the first finished gradient of 4096 bodies, compilation included: {:.2} s.",
        cold.as_secs_f64()
    );
    Ok(())
}

fn row(case: &mut dyn Case) -> Result<String> {
    let mut best = [Duration::MAX; 4];
    let mut tape = 0;
    for round in 0..=ROUNDS {
        let (p, g) = (case.primal()?, case.gradient()?);
        let times = [p.kernel, g.kernel + g.count, case.c_primal()?, case.c_gradient()?];
        tape = g.tape_bytes;
        // The first round warms up.
        if round > 0 {
            best = std::array::from_fn(|i| best[i].min(times[i]));
        }
    }
    let error = case.error()?;
    if error > TOLERANCE {
        return Err(format!("{}: generated code and C differ by {error:.1e}", case.name()).into());
    }
    let [p, g, cp, cg] = best.map(|t| t.as_secs_f64() * 1e3);
    let stats = case.loaded().manifest().stats;
    Ok(format!(
        "| {} | {p:.2} ms | {cp:.2} ms | {:.2} | {g:.2} ms | {cg:.2} ms | {:.2} | **{:.2}** | {tape} B | {} of {} | {error:.0e} |",
        case.name(),
        p / cp,
        g / cg,
        g / p,
        stats.atomic_adds,
        stats.atomic_adds + stats.plain_adds,
    ))
}

/// The cold road: compile the CUDA source, differentiate, emit, load, launch.
fn from_source() -> Result<Duration> {
    let start = Instant::now();
    let n = 4096;
    let kernel = Kernel::load(source("nbody"), "forces")?;
    let device = Device::cpu();
    let gradient = device.compile(&kernel.reverse(&[Dup, Out, Const, Const])?)?;
    let (pos, acc) = (device.pair(&vec![[0.5f32; 4]; n])?, device.pair(&vec![[0.5f32; 4]; n])?);
    // SAFETY: both buffers have n elements.
    unsafe { gradient.launch(Launch::new(16, 256), args![&pos, &acc, n as i32, 1e-2f32])? };
    Ok(start.elapsed())
}
