//! What the examples share: data, the same physics once more in plain Rust and f64 as an independent oracle, and the
//! printed report.

pub mod nbody;

use kernel_ad::diag::Result;
use kernel_ad::jit::{Device, Launch, Loaded, RunReport};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Largest relative error that f32 kernels are allowed against an f64 oracle.
pub const TOLERANCE: f64 = 1e-4;

/// Number of bodies from the command line, or 4096.
pub fn bodies_wanted() -> std::result::Result<usize, String> {
    match std::env::args().nth(1) {
        None => Ok(4096),
        Some(text) => match text.parse() {
            Ok(n @ 1..=1_000_000) => Ok(n),
            _ => Err(format!("bodies: a number from 1 to 1000000, not `{text}`")),
        },
    }
}

/// Launches once to warm up and then seven times; the fastest counts.
pub fn repeat(mut launch: impl FnMut() -> Result<RunReport>) -> Result<RunReport> {
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

/// Relative errors against central differences.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    /// Directional derivatives that were compared.
    pub directions: usize,
    /// Largest error among them.
    pub of_directions: f64,
    /// Single partial derivatives that were compared.
    pub partials: usize,
    /// Largest error among them.
    pub of_partials: f64,
}

/// Prints what came out; the exit status is a failure when the gradient is wrong.
pub fn report(
    source: &Path,
    shape: Launch,
    compiled: Duration,
    gradient: &Loaded,
    device: &Device,
    [primal, reverse]: [RunReport; 2],
    errors: &Errors,
) -> std::result::Result<ExitCode, Box<dyn std::error::Error>> {
    let m = gradient.manifest();
    let (p, g) = (primal.kernel.as_secs_f64(), (reverse.kernel + reverse.count).as_secs_f64());
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let info = device.context().device().info();
    let worst = errors.of_directions.max(errors.of_partials);
    let good = worst < TOLERANCE;
    println!(
        "kernel    {} of {name}, {} blocks of {} threads, on {}",
        m.kernel,
        shape.blocks(),
        shape.threads_per_block(),
        info.name
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
    println!("times     primal {:.2} ms, gradient {:.2} ms", p * 1e3, g * 1e3);
    println!("ratio     {:.2} gradient over primal", g / p);
    println!(
        "error     {:.1e} in {} directions, {:.1e} in {} single partials",
        errors.of_directions, errors.directions, errors.of_partials, errors.partials
    );
    println!(
        "          relative, against central differences in f64: {}",
        if good { "right" } else { "WRONG" }
    );
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
