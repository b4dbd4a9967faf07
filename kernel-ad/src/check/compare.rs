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

/// Compares two runs leaf by leaf. `exact` is the same run in doubles: how far `want` is from it tells how much the
/// kernel amplifies rounding, and another order of the same operations may differ as much.
pub fn compare(
    got: &Image,
    want: &Image,
    exact: &Image,
    side: Side,
    mut counts: impl FnMut(&Leaf) -> bool,
) -> Difference {
    let mut out = Difference { error: 0.0, limit: 0.0, at: "all equal".into() };
    let mut out_ratio = -1.0;
    for ((g, w), x) in got.leaves.iter().zip(&want.leaves).zip(&exact.leaves) {
        if !counts(w) {
            continue;
        }
        let (gd, wd) = (of(g, side), of(w, side));
        if gd.bytes == wd.bytes && out_ratio >= 0.0 {
            continue;
        }
        let (gv, wv) = (gd.to_f64(), wd.to_f64());
        let noise = worst(&wv, &of(x, side).to_f64()).0;
        let limit = match w.ty.is_float() {
            true => (base(w.ty) + 16.0 * noise).min(1e-2f64.max(base(w.ty))),
            false => 0.0,
        };
        let (error, i) = worst(&gv, &wv);
        // A limit of 0 (integers) is passed by 0 only.
        let ratio = if error == 0.0 { 0.0 } else { error / limit };
        if ratio > out_ratio {
            let what = if side == Side::Shadow { ".shadow" } else { "" };
            let at = match error {
                0.0 => "all equal".into(),
                _ => format!("{}{what}[{i}]: {:e}, want {:e}", w.path, gv[i], wv[i]),
            };
            out = Difference { error, limit, at };
            out_ratio = ratio;
        }
    }
    out
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
