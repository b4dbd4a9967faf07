use super::*;
use crate::uniform;

/// Compares each partial derivative of `b . f(x)` with central differences in f32 arithmetic of the C code itself.
fn check(x: &[f32], got: &[f32], h: f32, objective: impl Fn(&[f32]) -> f64) {
    let size = got.iter().fold(0.0f32, |m, g| m.max(g.abs()));
    for k in 0..x.len() {
        let at = |h: f32| {
            let mut moved = x.to_vec();
            moved[k] += h;
            (objective(&moved), f64::from(moved[k]))
        };
        let ((up, xu), (down, xd)) = (at(h), at(-h));
        let want = (up - down) / (xu - xd);
        let error = (want - f64::from(got[k])).abs() / f64::from(size);
        assert!(error < 5e-3, "partial {k}: {} by hand, {want} by differences", got[k]);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

// Catches: a gradient by hand that is wrong, beside which the generated one would look wrong. 70 bodies: not a
// multiple of the lanes.
#[test]
fn nbody_by_hand_is_right() {
    let c = Native::build().unwrap();
    let n = 70;
    let (pos, mut b) = (uniform(4 * n, -1.0, 1.0, 1), uniform(4 * n, -1.0, 1.0, 2));
    (0..n).for_each(|k| b[4 * k + 3] = 0.0);
    let mut got = vec![0.0; 4 * n];
    c.nbody_gradient(&pos, &b, &mut got, 0.1);
    check(&pos, &got, 1e-3, |pos| {
        let mut acc = vec![0.0; 4 * n];
        c.nbody(pos, &mut acc, 0.1);
        dot(&acc, &b)
    });
}

// Catches: wrong borders, where a cell passes its value on but its neighbours do not take from it.
#[test]
fn heat_by_hand_is_right() {
    let c = Native::build().unwrap();
    for (nx, ny) in [(7, 9), (3, 3), (2, 5), (5, 2), (1, 4), (4, 1)] {
        let n = nx * ny;
        let (u, k, b) = (uniform(n, 0.0, 1.0, 1), uniform(n, 0.5, 1.5, 2), uniform(n, -1.0, 1.0, 3));
        let (mut seed, mut du, mut dk) = (b.clone(), vec![0.0; n], vec![0.0; n]);
        c.heat_gradient(&u, &k, &mut seed, [&mut du, &mut dk], nx, 0.1);
        assert_eq!(seed, vec![0.0; n]);
        let objective = |u: &[f32], k: &[f32]| {
            let mut next = vec![0.0; n];
            c.heat(u, k, &mut next, nx, 0.1);
            dot(&next, &b)
        };
        check(&u, &du, 1e-2, |u| objective(u, &k));
        if nx > 2 && ny > 2 {
            check(&k, &dk, 1e-2, |k| objective(&u, k));
        }
    }
}

// Catches: states kept in the wrong order, and partial groups of lanes.
#[test]
fn logistic_by_hand_is_right() {
    let c = Native::build().unwrap();
    let (n, steps) = (75, 12);
    let (x, r, b) = (uniform(n, 0.1, 0.9, 1), uniform(n, 2.6, 3.2, 2), uniform(n, -1.0, 1.0, 3));
    let (mut seed, mut dx, mut dr) = (b.clone(), vec![0.0; n], vec![0.0; n]);
    c.logistic_gradient(&x, &r, &mut seed, [&mut dx, &mut dr], steps);
    assert_eq!(seed, vec![0.0; n]);
    let objective = |x: &[f32], r: &[f32]| {
        let mut out = vec![0.0; n];
        c.logistic(x, r, &mut out, steps);
        dot(&out, &b)
    };
    check(&x, &dx, 1e-3, |x| objective(x, &r));
    check(&r, &dr, 1e-3, |r| objective(&x, r));
}
