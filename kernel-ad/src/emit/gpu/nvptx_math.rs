//! NVPTX: functions that are a few instructions each, with the hardware's approximations.

use super::math::{constant, fdim, llvm, rsqrt};
use crate::emit::lower::{Lower, MathCall};
use crate::emit::text::Operand;
use crate::kernel::*;
use std::f64::consts::{LN_2, LOG10_2, LOG2_10, LOG2_E};

/// An approximation by the hardware.
fn approx(cx: &mut Lower<'_>, name: &str, args: &[Operand]) -> Operand {
    cx.call("float", &format!("llvm.nvvm.{name}.approx.f"), args)
}

fn scaled(cx: &mut Lower<'_>, v: &Operand, by: f64) -> Operand {
    cx.f.value("float", format_args!("fmul {v}, {}", constant(FloatTy::F32, by)))
}

/// The fast versions of libdevice (`__expf` and the like), which need no libdevice.
pub(super) fn fast(cx: &mut Lower<'_>, call: &MathCall) -> Option<Operand> {
    use MathFn::*;
    if call.flavor != Flavor::Fast || call.float != FloatTy::F32 {
        return None;
    }
    let x = &call.args[..1];
    Some(match call.func {
        Exp | Exp10 => {
            let x = scaled(cx, &x[0], if call.func == Exp { LOG2_E } else { LOG2_10 });
            approx(cx, "ex2", &[x])
        }
        Log2 => approx(cx, "lg2", x),
        Log | Log10 => {
            let l = approx(cx, "lg2", x);
            scaled(cx, &l, if call.func == Log { LN_2 } else { LOG10_2 })
        }
        Sin => approx(cx, "sin", x),
        Cos => approx(cx, "cos", x),
        Tan => {
            let (s, c) = (approx(cx, "sin", x), approx(cx, "cos", x));
            approx(cx, "div", &[s, c])
        }
        Div => approx(cx, "div", &call.args),
        Pow => {
            let l = approx(cx, "lg2", x);
            let e = cx.f.value("float", format_args!("fmul {}, {}", call.args[1], l.name));
            approx(cx, "ex2", &[e])
        }
        _ => return None,
    })
}

/// Accurate functions for which libdevice is not needed either: where the hardware has what libdevice would use, or the function is
/// simple. The others are accurate to the last places only with libdevice's code, and are refused without it.
pub(super) fn without_library(cx: &mut Lower<'_>, call: &MathCall) -> Option<Operand> {
    use MathFn::*;
    let x = &call.args[..1];
    Some(match (call.func, call.float) {
        (Rsqrt, FloatTy::F32) => approx(cx, "rsqrt", x),
        (Exp2, FloatTy::F32) => approx(cx, "ex2", x),
        (Exp, FloatTy::F32) => exp(cx, &x[0]),
        (Rsqrt, FloatTy::F64) => rsqrt(cx, call),
        (Fdim, FloatTy::F32 | FloatTy::F64) => fdim(cx, call),
        _ => return None,
    })
}

/// `exp` in f32 to two units in the last place: x = n ln 2 + r with |r| <= ln 2 / 2, then 2^n times the hardware's 2^(r / ln 2).
fn exp(cx: &mut Lower<'_>, x: &Operand) -> Operand {
    let c = |v: f64| constant(FloatTy::F32, v);
    let n = scaled(cx, x, LOG2_E);
    let n = llvm(cx, "rint", FloatTy::F32, &[n]);
    let minus_n = cx.f.value("float", format_args!("fneg {n}"));
    // ln 2 in two parts: the first has 15 digits, so that its product with n is exact.
    let high = f64::from(f32::from_bits((LN_2 as f32).to_bits() & 0xffff_fe00));
    let r = llvm(cx, "fma", FloatTy::F32, &[minus_n.clone(), Operand::new("float", c(high)), x.clone()]);
    let r = llvm(cx, "fma", FloatTy::F32, &[minus_n, Operand::new("float", c(LN_2 - high)), r]);
    let r = scaled(cx, &r, LOG2_E);
    let fraction = approx(cx, "ex2", &[r]);
    let n = cx.call("i32", "llvm.fptosi.sat.i32.f32", &[n]);
    let y = cx.call("float", "llvm.ldexp.f32.i32", &[fraction, n]);
    let (high, low) = (format!("fcmp ogt {x}, {}", c(90.0)), format!("fcmp olt {x}, {}", c(-105.0)));
    let (high, low) = (cx.f.value("i1", high), cx.f.value("i1", low));
    let y = cx.f.value("float", format_args!("select {high}, float {}, {y}", c(f64::INFINITY)));
    cx.f.value("float", format_args!("select {low}, float {}, {y}", c(0.0)))
}
