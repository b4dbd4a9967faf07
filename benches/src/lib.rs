//! Generated kernels on the CPU device beside hand-written C: n-body, heat, logistic map; primal and gradient of each.

pub mod heat;
pub mod logistic;
pub mod native;
pub mod nbody;

use kernel_ad::jit::{Device, Kernel, Loaded, Role, RunReport};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Result of a measurement.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The four programs of one problem. Each runs once on fresh shadows, and says how long the kernel itself ran.
pub trait Case {
    /// Name and size.
    fn name(&self) -> String;
    /// The generated primal.
    fn primal(&mut self) -> Result<RunReport>;
    /// The generated gradient.
    fn gradient(&mut self) -> Result<RunReport>;
    /// The primal by hand.
    fn c_primal(&mut self) -> Result<Duration>;
    /// The gradient by hand.
    fn c_gradient(&mut self) -> Result<Duration>;
    /// Results of the last runs, generated and by hand, to be compared.
    fn results(&mut self) -> Result<Vec<[Vec<f32>; 2]>>;
    /// The gradient's manifest has the figures.
    fn loaded(&self) -> &Loaded;

    /// Largest difference of the last runs' results, relative to the largest number of each array.
    fn error(&mut self) -> Result<f64> {
        let mut worst = 0.0f64;
        for [ours, theirs] in self.results()? {
            let size = theirs.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(f64::from(*x).abs()));
            for (a, b) in ours.iter().zip(&theirs) {
                let e = f64::from(a - b).abs() / size;
                worst = worst.max(if e.is_finite() { e } else { f64::INFINITY });
            }
        }
        Ok(worst)
    }
}

/// All cases, at the sizes that are recorded.
pub fn cases(device: &Device) -> Result<Vec<Box<dyn Case>>> {
    Ok(vec![
        Box::new(nbody::Nbody::new(device, 4096)?),
        Box::new(heat::Heat::new(device, 2048, 2048)?),
        Box::new(logistic::Logistic::new(device, 1 << 16, 100)?),
    ])
}

/// Primal and gradient of a kernel among the examples.
fn compile(device: &Device, example: &str, kernel: &str, roles: &[Role]) -> Result<[Loaded; 2]> {
    let kernel = Kernel::load(source(example), kernel)?;
    Ok([device.compile(&kernel)?, device.compile(&kernel.reverse(roles)?)?])
}

/// The CUDA source of an example.
pub fn source(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/cuda/{example}/{example}.cu"))
}

/// Random numbers for data.
fn uniform(n: usize, from: f32, to: f32, seed: u64) -> Vec<f32> {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(from..to)).collect()
}

fn timed(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}
