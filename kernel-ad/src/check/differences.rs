//! Central differences along one direction, with a ladder of steps and a look for kinks.
//!
//! A step that is too long sees curvature, one that is too short sees rounding; where two neighbouring steps agree best,
//! neither matters. At a kink the differences to the left and to the right disagree however short the step is.

use crate::diag::Result;

/// Steps, longest first, and how exactly the function is computed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Steps {
    steps: [f64; 5],
    /// Rounding of results, relative.
    epsilon: f64,
    /// How far two steps may disagree and still be believed, relative.
    pub reliable: f64,
}

/// For functions that are computed in f64 throughout.
pub const FINE: Steps =
    Steps { steps: [1e-3, 1e-4, 1e-5, 1e-6, 1e-7], epsilon: f64::EPSILON, reliable: 1e-4 };

/// For functions that compute with the bits of f32: these are rounded, and change in steps.
pub const COARSE: Steps =
    Steps { steps: [3e-2, 1e-2, 3e-3, 1e-3, 3e-4], epsilon: f32::EPSILON as f64 / 64.0, reliable: 5e-3 };

/// What the differences say about the derivative of `seed . f(x + t v)` at `t = 0`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The derivative.
    pub value: f64,
    /// Disagreement of the two steps that agree best.
    pub error: f64,
    /// Sum of the absolute terms that make up `value`.
    pub scale: f64,
    /// The derivatives from the left and from the right differ, or the function jumps.
    pub kink: bool,
}

/// Differentiates `f` at `x` along `v`, its results weighted by `seed`.
pub fn along(
    mut f: impl FnMut(&[f64]) -> Result<Vec<f64>>,
    x: &[f64],
    v: &[f64],
    seed: &[f64],
    how: &Steps,
) -> Result<Estimate> {
    let mut at = |t: f64| {
        let moved: Vec<f64> = x.iter().zip(v).map(|(x, v)| x + t * v).collect();
        f(&moved)
    };
    let here = at(0.0)?;
    let size: f64 = here.iter().zip(seed).map(|(y, s)| (y * s).abs()).sum();
    // (central difference, its absolute terms, disagreement of the sides)
    let mut ladder = Vec::new();
    for h in how.steps {
        let (right, left) = (at(h)?, at(-h)?);
        let (mut central, mut scale, mut sides) = (0.0, 0.0, 0.0);
        for i in 0..seed.len() {
            let term = seed[i] * (right[i] - left[i]) / (2.0 * h);
            central += term;
            scale += term.abs();
            sides += (seed[i] * ((right[i] - here[i]) - (here[i] - left[i])) / h).abs();
        }
        ladder.push((central, scale, sides));
    }
    // Two steps may agree by chance; rounding of the results is an error of its own, the larger the shorter the step.
    let error = |i: usize| gap(&ladder, i) + 4.0 * how.epsilon * size / how.steps[i];
    let best = (1..ladder.len()).min_by(|&a, &b| error(a).total_cmp(&error(b))).expect("more than one step");
    let (value, scale, _) = ladder[best];
    let n = ladder.len();
    let (last, before) = (ladder[n - 1].2, ladder[n - 2].2);
    // Rounding alone makes the sides disagree by that much at the shortest step.
    let noise = 64.0 * how.epsilon * size / how.steps[n - 1];
    let kink = last > 1e-4 * scale + noise && last > 0.3 * before;
    Ok(Estimate { value, error: error(best), scale, kink })
}

fn gap(ladder: &[(f64, f64, f64)], i: usize) -> f64 {
    let d = (ladder[i].0 - ladder[i - 1].0).abs();
    if d.is_nan() {
        f64::INFINITY
    } else {
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(f: impl Fn(f64) -> f64, x: f64) -> Estimate {
        along(|x| Ok(vec![f(x[0])]), &[x], &[1.0], &[1.0], &FINE).unwrap()
    }

    /// Catches a wrong divisor, and a ladder that picks a step where rounding or curvature shows.
    #[test]
    fn smooth_functions() {
        for (e, want) in [
            (of(|x| x.sin(), 0.5), 0.5f64.cos()),
            (of(|x| (40.0 * x).exp(), 0.1), 40.0 * 4f64.exp()),
            (of(|x| 1e6 + x * x, 3.0), 6.0),
        ] {
            assert!((e.value - want).abs() <= 1e-6 * want.abs(), "{e:?} {want}");
            assert!(!e.kink, "{e:?}");
        }
    }

    /// Catches a kink that is taken for a derivative, and a kink nearby that is taken for one here.
    #[test]
    fn kinks() {
        assert!(of(f64::abs, 0.0).kink);
        assert!(of(|x| x.max(0.0), 0.0).kink);
        assert!(of(f64::floor, 2.0).kink);
        let near = of(|x| (x - 1e-5).abs(), 0.0);
        assert!(!near.kink && (near.value + 1.0).abs() < 1e-9, "{near:?}");
        assert!(!of(|x| x * x * x, 0.0).kink);
    }
}
