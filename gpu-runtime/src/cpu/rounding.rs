//! Arithmetic rounded in a named direction: the result to nearest, moved by one step where its error has the wrong sign.

use std::ffi::c_void;

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Zero,
    Down,
    Up,
}

/// The address of `kad_<operation>_<rz|rd|ru>[f]`.
pub(super) fn import(name: &str) -> Option<*const c_void> {
    TABLE.iter().find(|(n, _)| *n == name).map(|(_, f)| f.0)
}

struct Address(*const c_void);
// SAFETY: addresses of functions.
unsafe impl Sync for Address {}

macro_rules! directed {
    ($($module:ident $suffix:literal $to:expr;)*) => {
        $(mod $module {
            use super::*;
            pub extern "C" fn add(x: f64, y: f64) -> f64 { double($to, x + y, sum_error(x, y)) }
            pub extern "C" fn sub(x: f64, y: f64) -> f64 { double($to, x - y, sum_error(x, -y)) }
            pub extern "C" fn mul(x: f64, y: f64) -> f64 { double($to, x * y, x.mul_add(y, -(x * y))) }
            pub extern "C" fn div(x: f64, y: f64) -> f64 { double($to, x / y, quotient_error(x, y)) }
            pub extern "C" fn rcp(x: f64) -> f64 { div(1.0, x) }
            pub extern "C" fn sqrt(x: f64) -> f64 { let r = x.sqrt(); double($to, r, (-r).mul_add(r, x)) }
            pub extern "C" fn fma(x: f64, y: f64, z: f64) -> f64 { double($to, x.mul_add(y, z), fma_error(x, y, z)) }
            pub extern "C" fn addf(x: f32, y: f32) -> f32 { single($to, x as f64 + y as f64, sum_error(x.into(), y.into())) }
            pub extern "C" fn subf(x: f32, y: f32) -> f32 { addf(x, -y) }
            pub extern "C" fn mulf(x: f32, y: f32) -> f32 { single($to, x as f64 * y as f64, 0.0) }
            pub extern "C" fn divf(x: f32, y: f32) -> f32 {
                let (x, y) = (f64::from(x), f64::from(y));
                single($to, x / y, quotient_error(x, y))
            }
            pub extern "C" fn rcpf(x: f32) -> f32 { divf(1.0, x) }
            pub extern "C" fn sqrtf(x: f32) -> f32 {
                let x = f64::from(x);
                let r = x.sqrt();
                single($to, r, (-r).mul_add(r, x))
            }
            pub extern "C" fn fmaf(x: f32, y: f32, z: f32) -> f32 {
                let p = f64::from(x) * f64::from(y);
                single($to, p + f64::from(z), sum_error(p, z.into()))
            }
            pub extern "C" fn from_int(n: i64) -> f64 { let x = n as f64; double($to, x, (i128::from(n) - x as i128) as f64) }
            pub extern "C" fn from_uint(n: u64) -> f64 { let x = n as f64; double($to, x, (i128::from(n) - x as i128) as f64) }
            pub extern "C" fn from_intf(n: i64) -> f32 { let x = n as f64; single($to, x, (i128::from(n) - x as i128) as f64) }
            pub extern "C" fn from_uintf(n: u64) -> f32 { let x = n as f64; single($to, x, (i128::from(n) - x as i128) as f64) }
            pub extern "C" fn convert(x: f64) -> f32 { single($to, x, 0.0) }
        })*
        static TABLE: &[(&str, Address)] = &[
            $((concat!("kad_add_", $suffix), Address($module::add as *const c_void)),
              (concat!("kad_sub_", $suffix), Address($module::sub as *const c_void)),
              (concat!("kad_mul_", $suffix), Address($module::mul as *const c_void)),
              (concat!("kad_div_", $suffix), Address($module::div as *const c_void)),
              (concat!("kad_rcp_", $suffix), Address($module::rcp as *const c_void)),
              (concat!("kad_sqrt_", $suffix), Address($module::sqrt as *const c_void)),
              (concat!("kad_fma_", $suffix), Address($module::fma as *const c_void)),
              (concat!("kad_add_", $suffix, "f"), Address($module::addf as *const c_void)),
              (concat!("kad_sub_", $suffix, "f"), Address($module::subf as *const c_void)),
              (concat!("kad_mul_", $suffix, "f"), Address($module::mulf as *const c_void)),
              (concat!("kad_div_", $suffix, "f"), Address($module::divf as *const c_void)),
              (concat!("kad_rcp_", $suffix, "f"), Address($module::rcpf as *const c_void)),
              (concat!("kad_sqrt_", $suffix, "f"), Address($module::sqrtf as *const c_void)),
              (concat!("kad_fma_", $suffix, "f"), Address($module::fmaf as *const c_void)),
              (concat!("kad_from_int_", $suffix), Address($module::from_int as *const c_void)),
              (concat!("kad_from_uint_", $suffix), Address($module::from_uint as *const c_void)),
              (concat!("kad_from_int_", $suffix, "f"), Address($module::from_intf as *const c_void)),
              (concat!("kad_from_uint_", $suffix, "f"), Address($module::from_uintf as *const c_void)),
              (concat!("kad_convert_", $suffix), Address($module::convert as *const c_void)),)*
        ];
    };
}

directed! {
    toward_zero "rz" To::Zero;
    downward "rd" To::Down;
    upward "ru" To::Up;
}

/// What rounding `x + y` to nearest lost, exactly.
fn sum_error(x: f64, y: f64) -> f64 {
    let s = x + y;
    let b = s - x;
    (x - (s - b)) + (y - b)
}

/// A number with the sign of what `x / y` lost.
fn quotient_error(x: f64, y: f64) -> f64 {
    let q = x / y;
    (-q).mul_add(y, x) * 1f64.copysign(y)
}

/// A number with the sign of what the fused operation lost (S. Boldo and J.-M. Muller, "Exact and approximated error of the
/// FMA").
fn fma_error(x: f64, y: f64, z: f64) -> f64 {
    let r = x.mul_add(y, z);
    let high = x * y;
    let low = x.mul_add(y, -high);
    let s = z + low;
    let s_low = sum_error(z, low);
    let t = high + s;
    let t_low = sum_error(high, s);
    ((t - r) + t_low) + s_low
}

/// `x + error`, where `x` is that sum to nearest.
fn double(to: To, x: f64, error: f64) -> f64 {
    let error = if error.is_nan() { 0.0 } else { error };
    match side(to, x, error, x.is_infinite()) {
        -1 => x.next_down(),
        1 => x.next_up(),
        _ => x,
    }
}

/// `x + error`, where `x` is that sum to nearest in f64, rounded to f32.
fn single(to: To, x: f64, error: f64) -> f32 {
    let y = x as f32;
    let rest = x - f64::from(y);
    let rest = if rest == 0.0 && !error.is_nan() { error } else { rest };
    let rest = if x.is_nan() || x.is_infinite() { 0.0 } else { rest };
    match side(to, y.into(), rest, false) {
        -1 => y.next_down(),
        1 => y.next_up(),
        _ => y,
    }
}

/// Which way a result must move when the exact one lies on the side of `rest`.
fn side(to: To, x: f64, rest: f64, infinite: bool) -> i32 {
    if infinite || rest == 0.0 {
        return 0;
    }
    let negative = if x == 0.0 { rest < 0.0 } else { x < 0.0 };
    let down = match to {
        To::Down => true,
        To::Up => false,
        To::Zero => !negative,
    };
    match (down, rest < 0.0) {
        (true, true) => -1,
        (false, false) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: a step in the wrong direction, a step where the result is exact, double rounding through f64.
    #[test]
    fn directions_enclose_the_exact_result() {
        assert_eq!(downward::add(1.0, 1e-30), 1.0);
        assert_eq!(upward::add(1.0, 1e-30), 1.0f64.next_up());
        assert_eq!(toward_zero::add(-1.0, 1e-30), (-1.0f64).next_up());
        assert_eq!((upward::add(1.0, 2.0), downward::mul(3.0, 0.5)), (3.0, 1.5));
        assert_eq!(upward::div(1.0, 3.0), downward::div(1.0, 3.0).next_up());
        assert_eq!(upward::div(-1.0, 3.0), downward::div(-1.0, 3.0).next_up());
        assert_eq!(upward::sqrt(2.0), downward::sqrt(2.0).next_up());
        assert_eq!(upward::fma(1.0 + f64::EPSILON, 1.0 - f64::EPSILON, 0.0), 1.0);
        assert_eq!(downward::addf(1.0, 1e-20), 1.0);
        assert_eq!(upward::addf(1.0, 1e-20), 1.0f32.next_up());
        assert_eq!(upward::addf(1.0, -1e-20), 1.0);
        assert_eq!(upward::convert(1.0 + 1e-12), 1.0f32.next_up());
        assert_eq!(
            (downward::from_intf((1 << 24) + 1), upward::from_intf((1 << 24) + 1)),
            (16_777_216.0, 16_777_218.0)
        );
        assert_eq!(toward_zero::from_uint(u64::MAX), 18_446_744_073_709_549_568.0);
    }
}
