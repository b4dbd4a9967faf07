//! Functions that generated code calls and that libm does not have, by name.

use super::worker::{TrapRecord, WorkerData};
use super::{printf, rounding};
use shadow_mem::host::BlockContext;
use spec_math::cephes64::{i0, i1, ndtri};
use std::ffi::{c_char, c_void, CStr};

/// The address of an imported function.
pub(super) fn import(name: &str) -> Option<*const c_void> {
    match name {
        "kad_trap" => return Some(trap as *const c_void),
        "kad_assertfail" => return Some(assertfail as *const c_void),
        "kad_vprintf" => return Some(vprintf as *const c_void),
        "kad_printf_begin" => return Some(printf_begin as *const c_void),
        "kad_printf_words" => return Some(printf_words as *const c_void),
        "kad_printf_text" => return Some(printf_text as *const c_void),
        "kad__truncdfhf2" => return Some(double_to_half as *const c_void),
        "kad__truncsfhf2" => return Some(float_to_half as *const c_void),
        "kad__truncdfbf2" => return Some(double_to_bf16 as *const c_void),
        "kad__truncsfbf2" => return Some(float_to_bf16 as *const c_void),
        "kad__extendhfsf2" => return Some(half_to_float as *const c_void),
        _ => {}
    }
    MATH.iter().find(|(n, _)| *n == name).map(|(_, f)| f.0).or_else(|| rounding::import(name))
}

struct Address(*const c_void);
// SAFETY: addresses of functions.
unsafe impl Sync for Address {}

/// Each function in f64 under its name and in f32 with an `f` behind it.
macro_rules! math {
    ($($name:literal $f:ident ($($arg:ident),*) $body:expr;)*) => {
        $(mod $f {
            #[allow(unused_imports)]
            use super::*;
            pub extern "C" fn double($($arg: f64),*) -> f64 { $body }
            pub extern "C" fn single($($arg: f32),*) -> f32 { double($($arg.into()),*) as f32 }
        })*
        static MATH: &[(&str, Address)] = &[
            $((concat!("kad_", $name), Address($f::double as *const c_void)),
              (concat!("kad_", $name, "f"), Address($f::single as *const c_void)),)*
            ("kad_powi", Address(powi as *const c_void)),
            ("kad_powif", Address(powif as *const c_void)),
            ("kad_remquo", Address(remquo as *const c_void)),
            ("kad_remquof", Address(remquof as *const c_void)),
        ];
    };
}

math! {
    "rsqrt" rsqrt (x) 1.0 / x.sqrt();
    "rcbrt" rcbrt (x) 1.0 / x.cbrt();
    "sinpi" sinpi (x) sin_pi(x);
    "cospi" cospi (x) cos_pi(x);
    "tanpi" tanpi (x) sin_pi(x) / cos_pi(x);
    "erfcx" erfcx (x) scaled_erfc(x);
    "erfinv" erfinv (y) inverse_erf(y);
    "erfcinv" erfcinv (y) inverse_erfc(y);
    "normcdf" normcdf (x) 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    "normcdfinv" normcdfinv (p) inverse_normal(p);
    "cyl_bessel_i0" bessel0 (x) i0(x);
    "cyl_bessel_i1" bessel1 (x) i1(x);
    "rhypot" rhypot (x, y) 1.0 / x.hypot(y);
    "norm3d" norm3d (x, y, z) length(&[x, y, z]);
    "rnorm3d" rnorm3d (x, y, z) 1.0 / length(&[x, y, z]);
    "norm4d" norm4d (x, y, z, w) length(&[x, y, z, w]);
    "rnorm4d" rnorm4d (x, y, z, w) 1.0 / length(&[x, y, z, w]);
}

extern "C" fn powi(x: f64, n: i32) -> f64 {
    libm::pow(x, n.into())
}

extern "C" fn powif(x: f32, n: i32) -> f32 {
    libm::pow(x.into(), n.into()) as f32
}

extern "C" fn remquo(x: f64, y: f64) -> i32 {
    libm::remquo(x, y).1
}

extern "C" fn remquof(x: f32, y: f32) -> i32 {
    libm::remquof(x, y).1
}

/// The argument reduced to a quarter turn: (angle, quadrant).
fn quarter(x: f64) -> (f64, i64) {
    let x = x % 2.0;
    let n = (2.0 * x).round_ties_even();
    ((x - 0.5 * n) * std::f64::consts::PI, (n as i64).rem_euclid(4))
}

fn sin_pi(x: f64) -> f64 {
    let (a, n) = quarter(x);
    let y = match n {
        0 => a.sin(),
        1 => a.cos(),
        2 => -a.sin(),
        _ => -a.cos(),
    };
    if y == 0.0 {
        0f64.copysign(x)
    } else {
        y
    }
}

fn cos_pi(x: f64) -> f64 {
    let (a, n) = quarter(x);
    0.0 + match n {
        0 => a.cos(),
        1 => -a.sin(),
        2 => -a.cos(),
        _ => a.sin(),
    }
}

const SQRT_PI: f64 = 1.772_453_850_905_516;

fn scaled_erfc(x: f64) -> f64 {
    if x < 10.0 {
        // The square's rounding error is put back, as the exponential multiplies it.
        let square = x * x;
        let e = square.exp();
        return if e.is_finite() { e * (1.0 + x.mul_add(x, -square)) * libm::erfc(x) } else { e };
    }
    // Asymptotic series; the terms fall by at least 2k / (2 * 100).
    let q = 0.5 / (x * x);
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 0..20 {
        term *= -q * f64::from(2 * k + 1);
        sum += term;
    }
    sum / (x * SQRT_PI)
}

fn inverse_erfc(y: f64) -> f64 {
    if y > 0.5 && y < 1.5 {
        return inverse_erf(1.0 - y);
    }
    match y {
        y if !(0.0..=2.0).contains(&y) => f64::NAN,
        0.0 => f64::INFINITY,
        2.0 => f64::NEG_INFINITY,
        y => -ndtri(0.5 * y) * std::f64::consts::FRAC_1_SQRT_2,
    }
}

fn inverse_erf(y: f64) -> f64 {
    match y.abs() {
        a if a.is_nan() || a > 1.0 => f64::NAN,
        1.0 => f64::INFINITY.copysign(y),
        a if a < 1e-9 => y * 0.5 * SQRT_PI,
        a if a > 0.5 => inverse_erfc(1.0 - a).copysign(y),
        a => {
            let mut x = ndtri(0.5 + 0.5 * a) * std::f64::consts::FRAC_1_SQRT_2;
            // The quantile knows `a` only through 0.5 + a / 2: two steps give back what that rounding took.
            for _ in 0..2 {
                x -= (libm::erf(x) - a) * 0.5 * SQRT_PI * (x * x).exp();
            }
            x.copysign(y)
        }
    }
}

fn inverse_normal(p: f64) -> f64 {
    match p {
        p if !(0.0..=1.0).contains(&p) => f64::NAN,
        0.0 => f64::NEG_INFINITY,
        1.0 => f64::INFINITY,
        p => ndtri(p),
    }
}

fn length(xs: &[f64]) -> f64 {
    xs.iter().fold(0.0, |sum: f64, &x| sum.hypot(x))
}

/// To f32, rounded to odd: rounding that once more to a half format is the same as rounding once.
fn to_odd(x: f64) -> f32 {
    let y = x as f32;
    let back = f64::from(y);
    if back == x || !x.is_finite() || y.to_bits() & 1 == 1 {
        return y;
    }
    // An f32 is even or odd in its last bit; the neighbour on the side of `x` is odd.
    if (back < x) == (y > 0.0 || y == 0.0 && x > 0.0) {
        f32::from_bits(y.to_bits() + 1)
    } else {
        f32::from_bits(y.to_bits() - 1)
    }
}

extern "C" fn double_to_half(x: f64) -> u16 {
    half::f16::from_f32(to_odd(x)).to_bits()
}

extern "C" fn float_to_half(x: f32) -> u16 {
    half::f16::from_f32(x).to_bits()
}

extern "C" fn double_to_bf16(x: f64) -> u16 {
    half::bf16::from_f32(to_odd(x)).to_bits()
}

extern "C" fn float_to_bf16(x: f32) -> u16 {
    half::bf16::from_f32(x).to_bits()
}

extern "C" fn half_to_float(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

/// A thread stops with an error; only the first of a block is kept.
extern "C" fn trap(ctx: *mut BlockContext, thread: u32, site: u32) {
    record(ctx, thread, site, "trap".into());
}

/// CUDA's `__assertfail`.
extern "C" fn assertfail(
    ctx: *mut BlockContext,
    thread: u32,
    site: u32,
    message: *const c_char,
    file: *const c_char,
    line: u32,
    function: *const c_char,
) {
    let (message, file, function) = (text(message), text(file), text(function));
    record(ctx, thread, site, format!("{file}:{line}: {function}: assertion `{message}` failed"));
}

fn record(ctx: *mut BlockContext, thread: u32, site: u32, message: String) {
    // SAFETY: generated code passes the context that it was called with.
    let data = unsafe { worker(ctx) };
    if data.trap.as_ref().is_none_or(|t| thread < t.thread) {
        data.trap = Some(TrapRecord { thread, site, message });
    }
}

/// CUDA's `vprintf`: the arguments packed into a buffer.
extern "C" fn vprintf(ctx: *mut BlockContext, format: *const c_char, args: *const u8) -> i32 {
    // SAFETY: as in `record`.
    let data = unsafe { worker(ctx) };
    if format.is_null() {
        return -1;
    }
    // SAFETY: the kernel passes a format and the arguments that it speaks of.
    unsafe { printf::print(&mut data.output, CStr::from_ptr(format), args) }
}

/// HIP's `printf` is a chain of calls, which no other thread of the block comes between.
extern "C" fn printf_begin(ctx: *mut BlockContext) -> i64 {
    // SAFETY: as in `record`.
    unsafe { worker(ctx) }.message = printf::Message::default();
    0
}

/// Up to seven arguments.
#[allow(clippy::too_many_arguments)]
extern "C" fn printf_words(
    ctx: *mut BlockContext,
    last: i32,
    count: i32,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
) -> i64 {
    // SAFETY: as in `record`.
    let data = unsafe { worker(ctx) };
    data.message.numbers(&[a, b, c, d, e, f, g][..count.clamp(0, 7) as usize]);
    printed(data, last)
}

/// The format, or an argument that is a text.
extern "C" fn printf_text(ctx: *mut BlockContext, last: i32, text: *const u8, bytes: u64) -> i64 {
    // SAFETY: as in `record`.
    let data = unsafe { worker(ctx) };
    match text.is_null() {
        true => data.message.text(b"(null)"),
        // SAFETY: the compiler measured the text.
        false => data.message.text(unsafe { std::slice::from_raw_parts(text, bytes as usize) }),
    }
    printed(data, last)
}

fn printed(data: &mut WorkerData, last: i32) -> i64 {
    if last != 0 {
        std::mem::take(&mut data.message).print(&mut data.output);
    }
    0
}

/// # Safety
/// The context belongs to a live worker, and no reference into its data is held.
unsafe fn worker<'a>(ctx: *mut BlockContext) -> &'a mut WorkerData {
    // SAFETY: as promised; the worker waits for the region that called us.
    unsafe { &mut *(*ctx).worker.cast::<WorkerData>() }
}

fn text(s: *const c_char) -> String {
    if s.is_null() {
        return "?".into();
    }
    // SAFETY: the compiler's assertion passes NUL-terminated texts.
    unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, x: f64) -> f64 {
        let f = import(name).unwrap();
        // SAFETY: functions of one f64.
        let f: extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(f) };
        f(x)
    }

    // Catches: an inverse that is not one, a wrong branch between the domains' parts, lost tails.
    #[test]
    fn inverses_undo() {
        for i in 1..400 {
            let x = f64::from(i) * 0.0145 - 2.9;
            let there = call("kad_erfinv", libm::erf(x));
            assert!((there - x).abs() < 1e-13 * (x * x).exp().max(1.0), "erfinv at {x}: {there}");
            let there = call("kad_erfcinv", libm::erfc(2.0 * x.abs() + 0.01));
            assert!((there - 2.0 * x.abs() - 0.01).abs() < 1e-13, "erfcinv at {x}: {there}");
            let there = call("kad_normcdfinv", call("kad_normcdf", x));
            assert!((there - x).abs() < 1e-12, "normcdfinv at {x}: {there}");
        }
        assert_eq!(call("kad_erfinv", 1e-12), 1e-12 * 0.5 * SQRT_PI);
    }

    // Catches: rounding twice on the way from f64 to a half.
    #[test]
    fn halves_are_rounded_once() {
        let middle = 1.0 + 0.5 / 1024.0;
        assert_eq!(double_to_half(middle), 0x3c00);
        assert_eq!(double_to_half(middle + 1e-12), 0x3c01);
        assert_eq!(double_to_half(middle - 1e-12), 0x3c00);
        assert_eq!(double_to_half(-middle - 1e-12), 0xbc01);
        assert_eq!(double_to_bf16(1.0 + 1.0 / 256.0 + 1e-12), 0x3f81);
        assert_eq!((double_to_half(1e300), double_to_half(-0.0)), (0x7c00, 0x8000));
    }

    // Catches: a wrong quadrant, inexact integers, a jump where erfcx changes its method.
    #[test]
    fn values_at_known_places() {
        assert_eq!((call("kad_sinpi", 1e15 + 1.0), call("kad_cospi", 3.0)), (0.0, -1.0));
        assert_eq!((call("kad_sinpi", -0.5), call("kad_cospi", 0.5)), (-1.0, 0.0));
        let (below, above) = (call("kad_erfcx", 10.0 - 1e-9), call("kad_erfcx", 10.0));
        assert!((below / above - 1.0).abs() < 1e-9);
        assert!((call("kad_erfcx", 1.0) - 0.427_583_576_155_807).abs() < 1e-15);
        assert!((call("kad_cyl_bessel_i0", 1.0) - 1.266_065_877_752_008_4).abs() < 1e-15);
        assert!((call("kad_cyl_bessel_i1", -1.0) + 0.565_159_103_992_485).abs() < 1e-15);
    }
}
