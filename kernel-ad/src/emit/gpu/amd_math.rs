//! AMDGPU: functions of ocml that are a few instructions each, for where ocml is not there.

use super::math::{fdim, llvm, rsqrt};
use crate::emit::lower::{Lower, MathCall};
use crate::emit::text::Operand;
use crate::kernel::*;

/// What needs no ocml. The other functions are accurate to the last places only with ocml's code, and are refused without it.
pub(super) fn without_library(cx: &mut Lower<'_>, call: &MathCall) -> Option<Operand> {
    fast(cx, call).or_else(|| accurate(cx, call))
}

/// LLVM's intrinsic with leave to approximate: the hardware's instruction.
fn approx(cx: &mut Lower<'_>, name: &str, x: &Operand) -> Operand {
    let symbol = cx.m.function("float", &format!("llvm.{name}.f32"), &["float"]);
    cx.f.value("float", format_args!("call afn float {symbol}({x})"))
}

/// The fast versions (`__expf` and the like), which ocml has under names with `native`.
fn fast(cx: &mut Lower<'_>, call: &MathCall) -> Option<Operand> {
    use MathFn::*;
    if call.flavor != Flavor::Fast || call.float != FloatTy::F32 {
        return None;
    }
    let x = &call.args[0];
    Some(match call.func {
        Exp => approx(cx, "exp", x),
        Exp2 => approx(cx, "exp2", x),
        Exp10 => approx(cx, "exp10", x),
        Log => approx(cx, "log", x),
        Log2 => approx(cx, "log2", x),
        Log10 => approx(cx, "log10", x),
        Sin => approx(cx, "sin", x),
        Cos => approx(cx, "cos", x),
        Tan => {
            let (s, c) = (approx(cx, "sin", x), approx(cx, "cos", x));
            cx.f.value("float", format_args!("fdiv afn {s}, {}", c.name))
        }
        Div => cx.f.value("float", format_args!("fdiv afn {x}, {}", call.args[1].name)),
        Rsqrt => cx.call("float", "llvm.amdgcn.rsq.f32", &call.args[..1]),
        Pow => {
            let l = approx(cx, "log2", x);
            let e = cx.f.value("float", format_args!("fmul {}, {}", call.args[1], l.name));
            approx(cx, "exp2", &e)
        }
        _ => return None,
    })
}

fn accurate(cx: &mut Lower<'_>, call: &MathCall) -> Option<Operand> {
    if !matches!(call.float, FloatTy::F32 | FloatTy::F64) {
        return None;
    }
    Some(match call.func {
        MathFn::Rsqrt => rsqrt(cx, call),
        MathFn::Round => llvm(cx, "round", call.float, &call.args[..1]),
        MathFn::Fdim => fdim(cx, call),
        _ => return None,
    })
}
