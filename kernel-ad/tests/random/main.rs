//! Random kernels through the whole compiler.
//!
//! `cargo test` runs for about a second from a fixed seed; `KERNEL_AD_FUZZ_SECONDS=3600` for an hour, from
//! `KERNEL_AD_FUZZ_SEED` if that is set. A failing seed is cut down to the fewest statements that still fail, and printed.

mod gradient;
mod text;

use kernel_ad::gen::{generate, GenOptions, Generated};
use kernel_ad::kernel::print;
use std::time::{Duration, Instant};

/// What a property says against a kernel.
type Verdict = Result<(), String>;

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|s| s.parse().unwrap_or_else(|_| panic!("{name} is no number: {s}")))
}

/// Tries a property on seed after seed while time lasts, and on `least` seeds in any case.
fn for_seeds(least: u64, options: &GenOptions, property: impl Fn(&Generated) -> Verdict) -> u64 {
    let time = Duration::from_secs(env("KERNEL_AD_FUZZ_SECONDS").unwrap_or(1));
    let first = env("KERNEL_AD_FUZZ_SEED").unwrap_or(0);
    let start = Instant::now();
    let mut n = 0;
    while n < least || start.elapsed() < time {
        let seed = first + n;
        if let Err(message) = property(&generate(seed, options)) {
            panic!("{}", reduced(seed, options, message, &property));
        }
        n += 1;
    }
    n
}

/// The shortest beginning of the program that still fails.
fn reduced(
    seed: u64,
    options: &GenOptions,
    message: String,
    property: &impl Fn(&Generated) -> Verdict,
) -> String {
    let shorter = (0..options.statements).map(|n| GenOptions { statements: n, ..options.clone() });
    let found = shorter.into_iter().find_map(|o| property(&generate(seed, &o)).err().map(|m| (o, m)));
    let (options, message) = found.unwrap_or((options.clone(), message));
    let g = generate(seed, &options);
    let (grid, block) = (g.case.grid, g.case.block);
    format!(
        "seed {seed}, {} statements, grid {grid:?}, block {block:?}: {message}\n{}",
        options.statements,
        print(&g.kernel)
    )
}

/// Options without anything that has a kink or a jump.
fn smooth() -> GenOptions {
    GenOptions { kinks: false, ..GenOptions::default() }
}

/// What threads do together, on both architectures. `KERNEL_AD_FUZZ_ONLY=shared,warps` leaves only those on.
fn together() -> [GenOptions; 2] {
    let mut all = GenOptions::everything();
    if let Ok(only) = std::env::var("KERNEL_AD_FUZZ_ONLY") {
        let on = |name: &str| only.split(',').any(|o| o == name);
        all = GenOptions {
            shared: on("shared"),
            warps: on("warps"),
            compaction: on("compaction"),
            copies: on("copies"),
            vectors: on("vectors"),
            half: on("half"),
            ..all
        };
    }
    [all.clone(), all.amd()]
}
