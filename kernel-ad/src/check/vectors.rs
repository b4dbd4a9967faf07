//! The differentiated memory of a launch as one vector.

use crate::case::{Data, Image};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Where each differentiated leaf stands in the vector: (leaf, first element, elements).
#[derive(Clone, Debug)]
pub struct Space {
    parts: Vec<(usize, usize, usize)>,
    len: usize,
}

impl Space {
    /// All leaves with a shadow, in order.
    pub fn of(image: &Image) -> Space {
        let mut len = 0;
        let mut parts = Vec::new();
        for (i, l) in image.leaves.iter().enumerate().filter(|(_, l)| l.active()) {
            parts.push((i, len, l.data.len()));
            len += l.data.len();
        }
        Space { parts, len }
    }

    /// Primal contents.
    pub fn primal(&self, image: &Image) -> Vec<f64> {
        self.parts.iter().flat_map(|&(i, ..)| image.leaves[i].data.to_f64()).collect()
    }

    /// Contents of the shadows.
    pub fn shadow(&self, image: &Image) -> Vec<f64> {
        self.parts.iter().flat_map(|&(i, ..)| image.leaves[i].shadow.to_f64()).collect()
    }

    /// Sets primal contents, rounded to each leaf's type.
    pub fn set_primal(&self, image: &mut Image, x: &[f64]) {
        for &(i, at, n) in &self.parts {
            let data = &mut image.leaves[i].data;
            *data = Data::from_f64(data.ty, x[at..at + n].iter().copied());
        }
    }

    /// Sets the contents of the shadows, rounded to each leaf's type.
    pub fn set_shadow(&self, image: &mut Image, x: &[f64]) {
        for &(i, at, n) in &self.parts {
            let shadow = &mut image.leaves[i].shadow;
            *shadow = Data::from_f64(shadow.ty, x[at..at + n].iter().copied());
        }
    }

    /// A random vector: normal, each leaf scaled to its own magnitude. Rounded to f32 so that every mode sees the same numbers.
    pub fn direction(&self, image: &Image, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut out = Vec::with_capacity(self.len);
        for &(i, _, n) in &self.parts {
            let size = match rms(&image.leaves[i].data.to_f64()) {
                s if s.is_finite() && s > 0.0 => s,
                _ => 1.0,
            };
            out.extend((0..n).map(|_| {
                let z: f64 = StandardNormal.sample(&mut rng);
                f64::from((size * z) as f32)
            }));
        }
        out
    }

    /// A random vector for the adjoints of the results, of unit size: few bits, so that every format holds it exactly.
    pub fn seeds(&self, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draw = |_| {
            let z: f64 = StandardNormal.sample(&mut rng);
            // Never 0: what flows into that element alone would go unseen.
            (z * 16.0).trunc().clamp(-40.0, 40.0) / 16.0 + if z < 0.0 { -1.0 / 16.0 } else { 1.0 / 16.0 }
        };
        (0..self.len).map(draw).collect()
    }
}

/// Sum of products.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Sum of the products' magnitudes: what rounding errors of [`dot`] are measured by.
pub fn dot_abs(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x * y).abs()).sum()
}

/// Root of the mean square; 0 for no elements.
pub fn rms(a: &[f64]) -> f64 {
    match a.len() {
        0 => 0.0,
        n => (a.iter().map(|x| x * x).sum::<f64>() / n as f64).sqrt(),
    }
}
