//! Functions that C does not have, in f64 and plain Rust. Uses nothing but `libm`.
//!
//! Relative errors are a few units in the last place over the whole domain (see the tests); the f32 versions are these,
//! rounded.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

const SQRT_PI: f64 = 1.772_453_850_905_516;

/// sin(pi x), exact at integers and half-integers.
pub fn sinpi(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let n = libm::rint(2.0 * x);
    let t = (x - 0.5 * n) * PI;
    let r = match n.rem_euclid(4.0) as u8 {
        0 => libm::sin(t),
        1 => libm::cos(t),
        2 => -libm::sin(t),
        _ => -libm::cos(t),
    };
    // At integers: zero with the sign of the argument.
    if r == 0.0 {
        libm::copysign(0.0, x)
    } else {
        r
    }
}

/// cos(pi x), exact at integers and half-integers.
pub fn cospi(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let n = libm::rint(2.0 * x);
    let t = (x - 0.5 * n) * PI;
    let r = match n.rem_euclid(4.0) as u8 {
        0 => libm::cos(t),
        1 => -libm::sin(t),
        2 => -libm::cos(t),
        _ => libm::sin(t),
    };
    r + 0.0
}

/// tan(pi x).
pub fn tanpi(x: f64) -> f64 {
    sinpi(x) / cospi(x)
}

/// 1 / cbrt(x).
pub fn rcbrt(x: f64) -> f64 {
    1.0 / libm::cbrt(x)
}

/// exp(x * x) * erfc(x).
pub fn erfcx(x: f64) -> f64 {
    if x < 8.0 {
        // x * x = hi + lo exactly; the relative error of exp(hi + lo) would otherwise grow with x * x.
        let hi = x * x;
        let lo = x.mul_add(x, -hi);
        let e = libm::exp(hi);
        if e.is_infinite() {
            return e;
        }
        return (e + e * lo) * libm::erfc(x);
    }
    // Continued fraction of Laplace, backwards; 24 terms are more than enough from 8 on.
    let mut tail = 0.0;
    for k in (1..=24).rev() {
        tail = 0.5 * f64::from(k) / (x + tail);
    }
    1.0 / (SQRT_PI * (x + tail))
}

/// Inverse of `erf`.
pub fn erfinv(y: f64) -> f64 {
    if y.abs() > 1.0 || y.is_nan() {
        return f64::NAN;
    }
    if y.abs() == 1.0 {
        return libm::copysign(f64::INFINITY, y);
    }
    if y.abs() > 0.5 {
        // 1 - |y| is exact here.
        return libm::copysign(erfcinv(1.0 - y.abs()), y);
    }
    if y.abs() < 1e-8 {
        return y * (0.5 * SQRT_PI);
    }
    let mut x = giles(y);
    for _ in 0..2 {
        let err = libm::erf(x) - y;
        let step = err * 0.5 * SQRT_PI * libm::exp(x * x);
        x -= step / (1.0 + x * step);
    }
    x
}

/// Inverse of `erfc`.
pub fn erfcinv(y: f64) -> f64 {
    if !(0.0..=2.0).contains(&y) {
        return f64::NAN;
    }
    if y == 0.0 {
        return f64::INFINITY;
    }
    if y == 2.0 {
        return f64::NEG_INFINITY;
    }
    if y > 0.5 && y < 1.5 {
        return erfinv(1.0 - y);
    }
    if y >= 1.5 {
        return -erfcinv(2.0 - y);
    }
    // Tail: Halley's method on log(erfc), whose relative error is what counts.
    let t = libm::sqrt(-libm::log(y * 0.5) - 0.0);
    let mut x = t
        - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
            * 0.5;
    if x <= 0.0 {
        x = 0.1;
    }
    for _ in 0..6 {
        // erfc(x) = erfcx(x) exp(-x^2), and d erfc = -2/sqrt(pi) exp(-x^2): the exponentials cancel.
        let w = erfcx(x);
        let f = (libm::log(w) - x * x) - libm::log(y);
        let slope = -2.0 / (SQRT_PI * w);
        let step = f / slope;
        x -= step;
        if step.abs() <= 1e-17 * x.abs() {
            break;
        }
    }
    // One step on erfc itself takes away the rounding of the logarithms.
    let fx = libm::erfc(x);
    if fx > f64::MIN_POSITIVE {
        x += (fx - y) / fx * 0.5 * SQRT_PI * erfcx(x);
    }
    x
}

/// Starting value for `erfinv` (M. Giles, "Approximating the erfinv function", central region and tail).
fn giles(y: f64) -> f64 {
    const C: [f64; 9] = [
        2.81022636e-08,
        3.43273939e-07,
        -3.5233877e-06,
        -4.39150654e-06,
        0.00021858087,
        -0.00125372503,
        -0.00417768164,
        0.246640727,
        1.50140941,
    ];
    let w = -libm::log((1.0 - y) * (1.0 + y)) - 2.5;
    C.iter().fold(0.0, |p, c| p * w + c) * y
}

/// Cumulative distribution of the standard normal.
pub fn normcdf(x: f64) -> f64 {
    // The rounding of x / sqrt(2) is amplified by x * x in the tail, so it is made good to first order.
    const REST: f64 = -4.833_646_656_726_456_5e-17; // 1/sqrt(2) minus its f64
    let t = -x * FRAC_1_SQRT_2;
    let base = 0.5 * libm::erfc(t);
    if !t.is_finite() || base == 0.0 {
        return base;
    }
    let err = libm::fma(-x, FRAC_1_SQRT_2, -t) - x * REST;
    base - err * libm::exp(-t * t) / SQRT_PI
}

/// Inverse of [`normcdf`].
pub fn normcdfinv(p: f64) -> f64 {
    -SQRT_2 * erfcinv(2.0 * p)
}

/// Modified Bessel function of the first kind, order 0.
pub fn bessel_i0(x: f64) -> f64 {
    bessel_i(0.0, x)
}

/// Modified Bessel function of the first kind, order 1.
pub fn bessel_i1(x: f64) -> f64 {
    libm::copysign(bessel_i(1.0, x), x)
}

fn bessel_i(order: f64, x: f64) -> f64 {
    let x = x.abs();
    if x < 30.0 {
        // All terms are positive: no cancellation.
        let q = 0.25 * x * x;
        let mut term = if order == 0.0 { 1.0 } else { 0.5 * x };
        let mut sum = term;
        let mut k = 1.0;
        while term > sum * 1e-18 {
            term *= q / (k * (k + order));
            sum += term;
            k += 1.0;
        }
        return sum;
    }
    let mu = 4.0 * order * order;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while k < 60.0 {
        let odd = 2.0 * k - 1.0;
        let next: f64 = -term * (mu - odd * odd) / (k * 8.0 * x);
        if next.abs() >= f64::abs(term) || next.abs() < 1e-18 {
            break;
        }
        term = next;
        sum += term;
        k += 1.0;
    }
    // exp(x) overflows a little before the result does.
    let half = libm::exp(0.5 * x);
    half / libm::sqrt(2.0 * PI * x) * sum * half
}

/// Euclidean length without overflow of the squares.
pub fn norm(xs: &[f64]) -> f64 {
    if xs.iter().any(|x| x.is_infinite()) {
        return f64::INFINITY;
    }
    let largest = xs.iter().fold(0.0, |m: f64, x| if x.is_nan() { *x } else { m.max(x.abs()) });
    if largest == 0.0 || xs.iter().any(|x| x.is_nan()) {
        return if xs.iter().any(|x| x.is_nan()) { f64::NAN } else { 0.0 };
    }
    let e = libm::ilogb(largest);
    let sum: f64 = xs.iter().map(|&x| libm::scalbn(x, -e)).map(|x| x * x).sum();
    libm::scalbn(libm::sqrt(sum), e)
}
