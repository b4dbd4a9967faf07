//! Logistic regression: the gradient of a loss that is summed over all samples, and gradient descent with it.

use crate::{central_difference, number, relative, Vendor, Verdict};
use kernel_ad::jit::{args, Kernel, Launch, Role::*};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::error::Error;

/// Features of a sample; there is a weight for each of them, and a bias.
const FEATURES: usize = 8;
const STEPS: usize = 40;
const RATE: f32 = 2.0;
/// Largest error of the gradient, relative to its length: f32 against an f64 oracle.
const TOLERANCE: f64 = 1e-4;

/// Samples from the command line.
pub fn run(vendor: Vendor) -> Result<Verdict, Box<dyn Error>> {
    let n = number("samples", 4096, 100..=10_000_000)?;
    let samples = Samples::new(n, 1);

    let device = vendor.device()?;
    // loss(const float *x, const float *label, const float *w, float *mean, int n, int d)
    let kernel = Kernel::load(vendor.source("regression"), "loss")?;
    let gradient = device.compile(&kernel.reverse(&[Const, Const, Dup, Dup, Const, Const])?)?;

    let (x, label) = (device.buffer(&samples.x)?, device.buffer(&samples.label)?);
    let (w, mean) = (device.pair(&[0.0f32; FEATURES + 1])?, device.pair(&[0.0f32])?);
    let shape = Launch::new(n.div_ceil(256) as u32, 256);

    let mut losses = Vec::new();
    let mut worst = 0.0f64;
    for step in 0..=STEPS {
        mean.write(&[0.0])?; // the kernel adds to it
        mean.seed(&[1.0])?; // d loss / d loss
        w.clear_shadow()?; // the gradient is added to it
                           // Safety: `x` has FEATURES * n elements, `label` n, `w` FEATURES + 1, `mean` one: what the kernel uses.
        unsafe { gradient.launch(shape, args![&x, &label, &w, &mean, n as i32, FEATURES as i32])? };

        let (loss, at, slope) = (mean.read()?[0], w.read()?, w.shadow()?);
        if step % 10 == 0 {
            let error = samples.error(&at, &slope);
            worst = worst.max(error);
            println!(
                "step {step:4} loss {loss:.6}, gradient of length {:.2e}, its error {error:.1e}",
                length(&slope)
            );
        }
        losses.push(loss);
        let next: Vec<f32> = at.iter().zip(&slope).map(|(w, g)| w - RATE * g).collect();
        w.write(&next)?;
    }

    let fell = losses.windows(2).all(|l| l[1] < l[0]);
    let says = format!(
        "gradients against central differences in f64, largest error {worst:.1e}; the loss {} in every step",
        if fell { "fell" } else { "DID NOT fall" }
    );
    Ok(Verdict { says, right: worst < TOLERANCE && fell })
}

fn length(v: &[f32]) -> f64 {
    v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// Data with noise, and the same loss once more in f64.
struct Samples {
    x: Vec<f32>,
    label: Vec<f32>,
}

impl Samples {
    fn new(n: usize, seed: u64) -> Samples {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let x: Vec<f32> = (0..FEATURES * n).map(|_| rng.random_range(-1.0f32..1.0)).collect();
        let truth: Vec<f64> = (0..=FEATURES).map(|k| 2.0 - 0.5 * k as f64).collect();
        let label = (0..n)
            .map(|i| {
                let z = score(&x, n, i, &truth);
                f32::from(u8::from(rng.random_range(0.0..1.0) < 1.0 / (1.0 + (-z).exp())))
            })
            .collect();
        Samples { x, label }
    }

    fn loss(&self, w: &[f64]) -> f64 {
        let n = self.label.len();
        let of = |i: usize| {
            let z = score(&self.x, n, i, w);
            (1.0 + z.exp()).ln() - f64::from(self.label[i]) * z
        };
        (0..n).map(of).sum::<f64>() / n as f64
    }

    /// Largest error among the partials of a gradient, relative to the gradient's length.
    fn error(&self, w: &[f32], gradient: &[f32]) -> f64 {
        let w: Vec<f64> = w.iter().map(|&w| w.into()).collect();
        let partial = |k: usize| {
            let at = |h: f64| {
                let mut w = w.clone();
                w[k] += h;
                self.loss(&w)
            };
            relative(central_difference(1e-3, at), gradient[k].into(), length(gradient))
        };
        (0..w.len()).map(partial).fold(0.0, f64::max)
    }
}

fn score(x: &[f32], n: usize, i: usize, w: &[f64]) -> f64 {
    (0..FEATURES).map(|k| w[k] * f64::from(x[k * n + i])).sum::<f64>() + w[FEATURES]
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: an oracle that lets a wrong gradient pass. The right one is the mean of (p - label) x.
    #[test]
    fn wrong_gradients_are_seen() {
        let (n, w) = (200, [0.3f32, -0.2, 0.1, 0.0, 0.5, -0.4, 0.2, 0.1, -0.3]);
        let s = Samples::new(n, 1);
        let wide = w.map(f64::from);
        let excess = |i: usize| 1.0 / (1.0 + (-score(&s.x, n, i, &wide)).exp()) - f64::from(s.label[i]);
        let feature = |k: usize, i: usize| if k < FEATURES { f64::from(s.x[k * n + i]) } else { 1.0 };
        let partial = |k: usize| ((0..n).map(|i| excess(i) * feature(k, i)).sum::<f64>() / n as f64) as f32;
        let right: Vec<f32> = (0..=FEATURES).map(partial).collect();
        assert!(s.error(&w, &right) < 1e-6, "{}", s.error(&w, &right));
        for k in [0, 5, FEATURES] {
            let mut wrong = right.clone();
            wrong[k] += 0.01 * length(&right) as f32;
            assert!(s.error(&w, &wrong) > 5.0 * TOLERANCE);
            wrong[k] = f32::NAN;
            assert!(s.error(&w, &wrong) > TOLERANCE);
        }
    }
}
