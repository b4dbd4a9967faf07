//! Comparing the memory of two runs, with limits from the rounding that is measured.

use super::vectors::rms;
use crate::case::{Data, Image, Leaf};
use shadow_mem::ElemType;

/// The largest difference of two runs, as a part of its limit.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// Relative to the element and its leaf's size.
    pub error: f64,
    /// What is allowed there.
    pub limit: f64,
    /// The element: `force.shadow[7]: 1.25, want 1.5`.
    pub at: String,
}

/// Half the distance of neighbouring numbers around 1.
pub fn epsilon(ty: ElemType) -> f64 {
    match ty {
        ElemType::F16 => 1.0 / 2048.0,
        ElemType::Bf16 => 1.0 / 256.0,
        ElemType::F32 => f64::from(f32::EPSILON) / 2.0,
        ElemType::F64 => f64::EPSILON / 2.0,
        _ => 0.0,
    }
}

/// What is allowed without further knowledge. How much a kernel amplifies rounding can be measured where doubles are
/// better than its own format; where they are not, more is allowed from the start.
fn base(ty: ElemType) -> f64 {
    match ty {
        ElemType::F64 => 65536.0 * epsilon(ty),
        _ => 64.0 * epsilon(ty),
    }
}

/// Largest error over the elements, and where it is. NaN equals NaN.
pub fn worst(got: &[f64], want: &[f64]) -> (f64, usize) {
    let size = rms(want);
    let size = if size.is_finite() { size } else { 0.0 };
    let mut out = (0.0, 0);
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let e = if g == w || (g.is_nan() && w.is_nan()) {
            0.0
        } else if (g - w).is_finite() {
            (g - w).abs() / (w.abs() + size)
        } else {
            f64::INFINITY
        };
        if e > out.0 {
            out = (e, i);
        }
    }
    out
}

/// Which memory to compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Primal contents.
    Primal,
    /// Shadows.
    Shadow,
}

fn of(l: &Leaf, side: Side) -> &Data {
    match side {
        Side::Primal => &l.data,
        Side::Shadow => &l.shadow,
    }
}

/// The same launch interpreted in several ways: what other runs are measured by.
#[derive(Clone, Debug)]
pub struct Reference {
    /// In the kernel's own formats.
    pub narrow: Image,
    /// In doubles.
    pub wide: Image,
    /// How far rounding may move every float: the absolute terms that it is made of, each times the unit roundoff of its format
    /// ([`crate::interp::Options::bounds`]). `None` where nobody has followed them.
    pub bounds: Option<Image>,
}

impl Reference {
    /// Of a run of which nothing is known but its result.
    pub fn unknown(run: &Image) -> Reference {
        Reference { narrow: run.clone(), wide: run.clone(), bounds: None }
    }
}

impl Difference {
    /// With so many times the limit.
    pub fn scaled(self, by: f64) -> Difference {
        Difference { limit: self.limit * by, ..self }
    }
}

/// Unit roundoffs of the sum of absolute terms that a device may differ by: functions of libm err by a few, and a sum of many terms
/// rounds more often than each of its terms.
const UNITS: f64 = 32.0;

/// An element's difference, what it is relative to, and what is allowed of that.
struct Judged {
    difference: f64,
    terms: f64,
    limit: f64,
}

/// Compares two runs element by element. Another order of the same operations, and other functions of libm, may move a result by the
/// sum of the absolute terms that it is made of, times a few unit roundoffs; where nobody has followed the terms, the difference
/// of interpreting in the kernel's formats and in doubles stands for them, for a whole leaf.
pub fn compare(
    got: &Image,
    want: &Image,
    reference: &Reference,
    side: Side,
    mut counts: impl FnMut(&Leaf) -> bool,
) -> Difference {
    let mut out = Difference { error: 0.0, limit: 0.0, at: "all equal".into() };
    let mut out_ratio = -1.0;
    for (n, (g, w)) in got.leaves.iter().zip(&want.leaves).enumerate() {
        if !counts(w) {
            continue;
        }
        let (gd, wd) = (of(g, side), of(w, side));
        if gd.bytes == wd.bytes && out_ratio >= 0.0 {
            continue;
        }
        let (gv, wv) = (gd.to_f64(), wd.to_f64());
        let judged = judge_leaf(w.ty, &gv, &wv, reference, n, side);
        let ratio = |j: &Judged| match j.difference {
            0.0 => 0.0,
            // A limit of 0 (integers) is passed by 0 only.
            d if d.is_nan() => f64::INFINITY,
            d => d / (j.terms * j.limit),
        };
        let Some((i, j)) = judged.iter().enumerate().max_by(|a, b| ratio(a.1).total_cmp(&ratio(b.1))) else {
            continue;
        };
        if ratio(j) > out_ratio {
            let what = if side == Side::Shadow { ".shadow" } else { "" };
            let at = match j.difference {
                0.0 => "all equal".into(),
                _ => format!("{}{what}[{i}]: {:e}, want {:e}", w.path, gv[i], wv[i]),
            };
            let error = if j.difference == 0.0 { 0.0 } else { j.difference / j.terms };
            out = Difference { error, limit: j.limit, at };
            out_ratio = ratio(j);
        }
    }
    out
}

fn judge_leaf(
    ty: ElemType,
    got: &[f64],
    want: &[f64],
    by: &Reference,
    leaf: usize,
    side: Side,
) -> Vec<Judged> {
    let (u, size) = (epsilon(ty), rms(want));
    let size = if size.is_finite() { size } else { 0.0 };
    let most = 1e-2f64.max(base(ty));
    let (narrow, wide) =
        (of(&by.narrow.leaves[leaf], side).to_f64(), of(&by.wide.leaves[leaf], side).to_f64());
    let bounds = by.bounds.as_ref().map(|b| of(&b.leaves[leaf], side).to_f64());
    let noise = match bounds {
        Some(_) => 0.0,
        None => worst(&narrow, &wide).0,
    };
    let one = |i: usize| {
        let (g, w) = (got[i], want[i]);
        let difference = match (g - w).abs() {
            _ if g == w || (g.is_nan() && w.is_nan()) => 0.0,
            d if d.is_finite() => d,
            _ => f64::INFINITY,
        };
        let whole = w.abs() + size;
        match (&bounds, ty.is_float()) {
            (_, false) => Judged { difference, terms: whole.max(f64::MIN_POSITIVE), limit: 0.0 },
            (Some(bounds), true) => {
                // What rounding did in the interpreter it may do elsewhere.
                let seen = (narrow[i] - wide[i]).abs();
                let may = bounds[i].max(if seen.is_finite() { seen } else { 0.0 }).max(u * w.abs());
                let terms = (may / u).max(smallest(ty));
                Judged { difference, terms, limit: (UNITS * u).min(most * whole.max(smallest(ty)) / terms) }
            }
            (None, true) => {
                let limit = (base(ty) + 16.0 * noise).min(most);
                Judged { difference, terms: whole.max(f64::MIN_POSITIVE), limit }
            }
        }
    };
    (0..got.len().min(want.len())).map(one).collect()
}

/// Numbers below which formats lose digits, or devices all of them.
fn smallest(ty: ElemType) -> f64 {
    match ty {
        ElemType::F16 => 6.1e-5,
        ElemType::Bf16 | ElemType::F32 => f64::from(f32::MIN_POSITIVE),
        _ => f64::MIN_POSITIVE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches errors that hide behind NaN, infinity or a zero.
    #[test]
    fn nothing_hides() {
        assert_eq!(worst(&[1.0, f64::NAN], &[1.0, 2.0]), (f64::INFINITY, 1));
        assert_eq!(worst(&[f64::NAN], &[f64::NAN]).0, 0.0);
        assert_eq!(worst(&[f64::INFINITY], &[1.0]).0, f64::INFINITY);
        assert_eq!(worst(&[1e-30, 0.0], &[0.0, 0.0]), (f64::INFINITY, 0));
        assert!((worst(&[1.0, 3.0], &[1.0, 3.1]).0 - 0.1 / (3.1 + rms(&[1.0, 3.1]))).abs() < 1e-12);
    }
}
