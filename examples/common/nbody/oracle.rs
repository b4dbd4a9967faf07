//! All-pairs gravity in f64: what the kernels compute in f32.

use crate::{central_difference, relative};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// `{x, y, z, mass}` of a body, or `{ax, ay, az, 0}` of an acceleration; and the adjoints of both.
pub type Float4 = [f32; 4];

/// Bodies in a cube of side 2, with masses that add up to about 1.
pub fn bodies(n: usize, seed: u64) -> Vec<Float4> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mass = 1.0 / n as f32;
    let mut coordinate = move || rng.random_range(-1.0f32..1.0);
    (0..n).map(|_| [coordinate(), coordinate(), coordinate(), mass * (1.0 + 0.5 * coordinate())]).collect()
}

/// Weights `b` of the objective: the sum over all bodies of `b[i] . acc[i]`. They are the adjoint of `acc`.
pub fn weights(n: usize, seed: u64) -> Vec<Float4> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| std::array::from_fn(|c| if c < 3 { rng.random_range(-1.0f32..1.0) } else { 0.0 }))
        .collect()
}

/// A direction in the space of all positions and masses, masses scaled like masses.
pub fn direction(n: usize, seed: u64) -> Vec<[f64; 4]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mass = 1.0 / n as f64;
    let scale = |c: usize| if c < 3 { 1.0 } else { mass };
    (0..n).map(|_| std::array::from_fn(|c| rng.random_range(-1.0..1.0) * scale(c))).collect()
}

/// The pull of body `j` on body `i`.
fn pull(i: &[f64; 4], j: &[f64; 4], eps2: f64) -> [f64; 3] {
    let d = [j[0] - i[0], j[1] - i[1], j[2] - i[2]];
    let r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + eps2;
    let s = j[3] / (r2 * r2.sqrt());
    d.map(|d| d * s)
}

fn dot(b: &Float4, a: [f64; 3]) -> f64 {
    f64::from(b[0]) * a[0] + f64::from(b[1]) * a[1] + f64::from(b[2]) * a[2]
}

fn wide(p: &Float4) -> [f64; 4] {
    p.map(f64::from)
}

/// The objective in f64, at `pos + h * dir`.
pub fn objective(pos: &[Float4], dir: &[[f64; 4]], h: f64, b: &[Float4], eps2: f64) -> f64 {
    let moved: Vec<[f64; 4]> =
        pos.iter().zip(dir).map(|(p, d)| std::array::from_fn(|c| f64::from(p[c]) + h * d[c])).collect();
    let of_body = |(me, b): (&[f64; 4], &Float4)| {
        let mut acc = [0.0; 3];
        for other in &moved {
            let a = pull(me, other, eps2);
            acc = [acc[0] + a[0], acc[1] + a[1], acc[2] + a[2]];
        }
        dot(b, acc)
    };
    moved.par_iter().zip(b).map(of_body).sum()
}

/// Derivative of the objective along `dir`, in f64.
pub fn along_direction(pos: &[Float4], dir: &[[f64; 4]], b: &[Float4], eps2: f64) -> f64 {
    central_difference(1e-5, |h| objective(pos, dir, h, b, eps2))
}

/// Derivative of the objective in coordinate `c` of one body, in f64; only terms with that body change.
pub fn along_coordinate(pos: &[Float4], body: usize, c: usize, b: &[Float4], eps2: f64) -> f64 {
    let part = |h: f64| {
        let mut me = wide(&pos[body]);
        me[c] += h;
        let others = (0..pos.len()).filter(|&k| k != body);
        others
            .map(|k| {
                let other = wide(&pos[k]);
                dot(&b[body], pull(&me, &other, eps2)) + dot(&b[k], pull(&other, &me, eps2))
            })
            .sum::<f64>()
    };
    central_difference(if c < 3 { 1e-5 } else { 1e-8 }, part)
}

/// Derivative along `dir` that a gradient claims, and the Euclidean size of its terms.
fn claimed(gradient: &[Float4], dir: &[[f64; 4]]) -> (f64, f64) {
    let terms = gradient.iter().flatten().zip(dir.iter().flatten()).map(|(g, d)| f64::from(*g) * d);
    let (sum, squares) = terms.fold((0.0, 0.0f64), |(sum, squares), t| (sum + t, squares + t * t));
    (sum, squares.sqrt())
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

/// Compares a gradient with central differences, in 8 directions and in up to 256 single coordinates. An error is taken
/// relative to the derivative or, where that nearly cancels, to the usual size of its terms.
pub fn errors(pos: &[Float4], b: &[Float4], eps2: f64, gradient: &[Float4]) -> Errors {
    let n = pos.len();
    let (mut of_directions, mut of_partials) = (0.0f64, 0.0f64);
    for seed in 0..8 {
        let dir = direction(n, 100 + seed);
        let (got, size) = claimed(gradient, &dir);
        of_directions = of_directions.max(relative(along_direction(pos, &dir, b, eps2), got, size));
    }
    let usual: [f64; 4] = std::array::from_fn(|c| {
        let squares: f64 = gradient.iter().map(|g| f64::from(g[c]).powi(2)).sum();
        (squares / n as f64).sqrt()
    });
    let sample: Vec<usize> = (0..n).step_by(n.div_ceil(64)).collect();
    for (&body, c) in sample.iter().flat_map(|k| (0..4).map(move |c| (k, c))) {
        let (want, got) = (along_coordinate(pos, body, c, b, eps2), f64::from(gradient[body][c]));
        of_partials = of_partials.max(relative(want, got, usual[c]));
    }
    Errors { directions: 8, of_directions, partials: sample.len() * 4, of_partials }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: an oracle whose two ways to the same derivative disagree.
    #[test]
    fn one_coordinate_is_a_direction() {
        let (pos, b) = (bodies(40, 1), weights(40, 2));
        for (body, c) in [(0, 0), (7, 1), (39, 2), (5, 3)] {
            let mut dir = vec![[0.0; 4]; 40];
            dir[body][c] = 1.0;
            let whole = along_direction(&pos, &dir, &b, 1e-2);
            let part = along_coordinate(&pos, body, c, &b, 1e-2);
            assert!((whole - part).abs() < 1e-6 * (1.0 + whole.abs()), "{whole} {part}");
        }
    }

    // Catches: a comparison that lets a wrong or an undefined gradient pass.
    #[test]
    fn wrong_gradients_are_seen() {
        let (pos, b) = (bodies(16, 1), weights(16, 2));
        let partial = |k: usize| std::array::from_fn(|c| along_coordinate(&pos, k, c, &b, 1e-2) as f32);
        let right: Vec<Float4> = (0..16).map(partial).collect();
        let worst = |g: &[Float4]| {
            let e = errors(&pos, &b, 1e-2, g);
            e.of_directions.max(e.of_partials)
        };
        assert!(worst(&right) < 1e-5, "{}", worst(&right));
        for (k, c) in [(0, 0), (9, 1), (15, 3)] {
            let mut wrong = right.clone();
            wrong[k][c] = -wrong[k][c];
            assert!(worst(&wrong) > 1e-3);
            wrong[k][c] = f32::NAN;
            assert!(worst(&wrong) > 1e-3);
        }
    }
}
