//! Floating-point functions on the host: LLVM's intrinsics where x86 has instructions or LLVM knows the function, libm,
//! and functions that the CPU device brings.

use super::ops::HostOps;
use crate::diag::{Code, Result};
use crate::emit::lower::{Lower, MathCall};
use crate::emit::text::Operand;
use crate::kernel::{Flavor, FloatTy, MathFn, Rounding, Type};
use crate::mathlib::host_symbol;

fn llvm_name(f: FloatTy) -> &'static str {
    match f {
        FloatTy::F16 => "half",
        FloatTy::Bf16 => "bfloat",
        FloatTy::F32 => "float",
        FloatTy::F64 => "double",
    }
}

fn suffix(f: FloatTy) -> &'static str {
    match f {
        FloatTy::F16 => "f16",
        FloatTy::Bf16 => "bf16",
        FloatTy::F32 => "f32",
        FloatTy::F64 => "f64",
    }
}

/// Functions that LLVM has as intrinsics of one float type, and that x86 or libm can do.
fn intrinsic(f: MathFn) -> Option<&'static str> {
    use MathFn::*;
    Some(match f {
        Sqrt => "sqrt",
        Fabs => "fabs",
        Floor => "floor",
        Ceil => "ceil",
        Trunc => "trunc",
        Round => "round",
        Rint => "rint",
        Copysign => "copysign",
        Fma => "fma",
        Fmax => "maxnum",
        Fmin => "minnum",
        Fmaximum => "maximum",
        Fminimum => "minimum",
        Exp => "exp",
        Exp2 => "exp2",
        Log => "log",
        Log2 => "log2",
        Log10 => "log10",
        Sin => "sin",
        Cos => "cos",
        Pow => "pow",
        _ => return None,
    })
}

/// Lowers one function of scalars.
pub(super) fn lower(t: &mut HostOps<'_>, cx: &mut Lower<'_>, call: &MathCall) -> Result<Operand> {
    if matches!(call.float, FloatTy::F16 | FloatTy::Bf16) {
        return through_f32(t, cx, call);
    }
    if let Flavor::Rounded { mode, .. } = call.flavor {
        if let Some(r) = rounded(t, cx, call, mode) {
            return Ok(r);
        }
    }
    let (fl, fmf) = (llvm_name(call.float), call.fmf_text());
    if let Some(name) = intrinsic(call.func) {
        return Ok(call_intrinsic(cx, name, call.float, &call.args, &fmf));
    }
    let x = call.args[0].clone();
    let one = Operand::new(fl, "1.0");
    let zero = Operand::new(fl, "0.0");
    let max = |cx: &mut Lower<'_>, a: &Operand, b: &Operand| {
        call_intrinsic(cx, "maxnum", call.float, &[a.clone(), b.clone()], "")
    };
    let min = |cx: &mut Lower<'_>, a: &Operand, b: &Operand| {
        call_intrinsic(cx, "minnum", call.float, &[a.clone(), b.clone()], "")
    };
    Ok(match call.func {
        MathFn::Add => cx.f.value(fl, format_args!("fadd {fmf}{x}, {}", call.args[1].name)),
        MathFn::Sub => cx.f.value(fl, format_args!("fsub {fmf}{x}, {}", call.args[1].name)),
        MathFn::Mul => cx.f.value(fl, format_args!("fmul {fmf}{x}, {}", call.args[1].name)),
        MathFn::Div => cx.f.value(fl, format_args!("fdiv {fmf}{x}, {}", call.args[1].name)),
        MathFn::Rcp => cx.f.value(fl, format_args!("fdiv {fmf}{one}, {}", x.name)),
        MathFn::Rsqrt => {
            let root = call_intrinsic(cx, "sqrt", call.float, &[x], &fmf);
            cx.f.value(fl, format_args!("fdiv {fmf}{one}, {}", root.name))
        }
        MathFn::Saturate => {
            let low = max(cx, &x, &zero);
            min(cx, &low, &one)
        }
        MathFn::Fmed3 => {
            let (y, z) = (&call.args[1], &call.args[2]);
            let (low, high) = (min(cx, &x, y), max(cx, &x, y));
            let inner = min(cx, &high, z);
            max(cx, &low, &inner)
        }
        MathFn::ModfFrac => {
            let whole = call_intrinsic(cx, "trunc", call.float, &[x.clone()], "");
            let rest = cx.f.value(fl, format_args!("fsub {x}, {}", whole.name));
            let rest = finite_or(cx, call.float, &x, &rest, &zero);
            call_intrinsic(cx, "copysign", call.float, &[rest, x], "")
        }
        MathFn::Fract => {
            let whole = call_intrinsic(cx, "floor", call.float, &[x.clone()], "");
            let rest = cx.f.value(fl, format_args!("fsub {x}, {}", whole.name));
            let below = match call.float {
                FloatTy::F64 => "0x3FEFFFFFFFFFFFFF",
                _ => "0x3FEFFFFFE0000000",
            };
            let least = call_intrinsic(cx, "minimum", call.float, &[rest, Operand::new(fl, below)], "");
            finite_or(cx, call.float, &x, &least, &zero)
        }
        MathFn::FrexpMant | MathFn::FrexpExp => {
            let pair = format!("{{ {fl}, i32 }}");
            let name = format!("llvm.frexp.{}.i32", suffix(call.float));
            let both = cx.call(&pair, &name, &[x]);
            let (i, ty) = if call.func == MathFn::FrexpMant { (0, fl) } else { (1, "i32") };
            let part = cx.f.value(ty, format_args!("extractvalue {both}, {i}"));
            resize_int(cx, part, call.result)
        }
        MathFn::Ldexp => {
            let name = format!("llvm.ldexp.{}.i32", suffix(call.float));
            cx.call(fl, &name, &call.args)
        }
        MathFn::IsNan | MathFn::IsInf | MathFn::IsFinite | MathFn::SignBit => test(cx, call, &x),
        MathFn::Lround => to_int(cx, call, "round", true),
        MathFn::Lrint => to_int(cx, call, "rint", true),
        MathFn::ToInt | MathFn::ToUint => to_int(cx, call, "rint", call.func == MathFn::ToInt),
        MathFn::FromInt | MathFn::FromUint => {
            let word = if call.func == MathFn::FromInt { "sitofp" } else { "uitofp" };
            cx.f.value(fl, format_args!("{word} {x} to {fl}"))
        }
        MathFn::Convert => convert(cx, call, &x),
        MathFn::RemquoQuo => {
            let name = if call.float == FloatTy::F32 { "kad_remquof" } else { "kad_remquo" };
            let q = t.import(cx, "i32", name, &call.args);
            resize_int(cx, q, call.result)
        }
        f => {
            let Some(symbol) = host_symbol(f, call.float) else {
                return Err(cx.error(Code::NotOnTarget, format!("the CPU device has no {f:?}")).into());
            };
            let ret = if call.result.is_int() { "i32" } else { fl };
            let r = match symbol.starts_with("kad_") {
                true => t.import(cx, ret, &symbol, &call.args),
                false => {
                    t.external(&symbol);
                    cx.call(ret, &symbol, &call.args)
                }
            };
            resize_int(cx, r, call.result)
        }
    })
}

fn call_intrinsic(cx: &mut Lower<'_>, name: &str, f: FloatTy, args: &[Operand], fmf: &str) -> Operand {
    let ty = llvm_name(f);
    let types: Vec<&str> = args.iter().map(|_| ty).collect();
    let symbol = cx.m.function(ty, &format!("llvm.{name}.{}", suffix(f)), &types);
    let list: Vec<String> = args.iter().map(Operand::to_string).collect();
    cx.f.value(ty, format_args!("call {fmf}{ty} {symbol}({})", list.join(", ")))
}

/// Functions of whole vectors that LLVM has; the others are done lane by lane.
pub(super) fn lower_lanes(cx: &mut Lower<'_>, call: &MathCall) -> Option<Operand> {
    if !matches!(call.float, FloatTy::F32 | FloatTy::F64) {
        return None;
    }
    let nearest = match call.flavor {
        Flavor::Rounded { mode, .. } => mode == Rounding::Nearest,
        _ => true,
    };
    let (ty, fmf) = (call.args[0].ty.clone(), call.fmf_text());
    let lanes: u32 = ty.strip_prefix('<')?.split(' ').next()?.parse().ok()?;
    let fl = llvm_name(call.float);
    let function = |cx: &mut Lower<'_>, name: &str, args: &[Operand]| {
        let types: Vec<&str> = args.iter().map(|_| ty.as_str()).collect();
        let symbol = cx.m.function(&ty, &format!("llvm.{name}.v{lanes}{}", suffix(call.float)), &types);
        let list: Vec<String> = args.iter().map(Operand::to_string).collect();
        cx.f.value(&ty, format_args!("call {fmf}{ty} {symbol}({})", list.join(", ")))
    };
    let ones = || {
        let each = vec![format!("{fl} 1.0"); lanes as usize];
        Operand::new(ty.clone(), format!("<{}>", each.join(", ")))
    };
    let word = match call.func {
        _ if !nearest => return None,
        MathFn::Rcp => {
            return Some(cx.f.value(&ty, format_args!("fdiv {fmf}{}, {}", ones(), call.args[0].name)))
        }
        MathFn::Rsqrt => {
            let root = function(cx, "sqrt", &call.args);
            return Some(cx.f.value(&ty, format_args!("fdiv {fmf}{}, {}", ones(), root.name)));
        }
        MathFn::Add => "fadd",
        MathFn::Sub => "fsub",
        MathFn::Mul => "fmul",
        MathFn::Div => "fdiv",
        f => return Some(function(cx, intrinsic(f)?, &call.args)),
    };
    // An explicit rounding mode forbids contraction.
    let fmf = if matches!(call.flavor, Flavor::Rounded { .. }) { "" } else { &fmf };
    Some(cx.f.value(&ty, format_args!("{word} {fmf}{}, {}", call.args[0], call.args[1].name)))
}

/// Half formats are computed in f32 and rounded once more.
fn through_f32(t: &mut HostOps<'_>, cx: &mut Lower<'_>, call: &MathCall) -> Result<Operand> {
    let mut wide = call.clone();
    wide.float = FloatTy::F32;
    for (a, ty) in wide.args.iter_mut().zip(&mut wide.arg_types) {
        if matches!(ty, Type::Float(FloatTy::F16 | FloatTy::Bf16)) {
            *a = cx.f.value("float", format_args!("fpext {a} to float"));
            *ty = Type::F32;
        }
    }
    let narrow = matches!(call.result, Type::Float(_)).then(|| call.result);
    if narrow.is_some() {
        wide.result = Type::F32;
    }
    if call.func == MathFn::Convert {
        wide.flavor = Flavor::Library;
    }
    let r = lower(t, cx, &wide)?;
    Ok(match narrow {
        Some(Type::Float(f)) if f != FloatTy::F32 && r.ty == "float" => {
            cx.f.value(llvm_name(f), format_args!("fptrunc {r} to {}", llvm_name(f)))
        }
        _ => r,
    })
}

/// `y`, or `other` where `x` is infinite.
fn finite_or(cx: &mut Lower<'_>, f: FloatTy, x: &Operand, y: &Operand, other: &Operand) -> Operand {
    let abs = call_intrinsic(cx, "fabs", f, &[x.clone()], "");
    let inf = cx.f.value("i1", format_args!("fcmp oeq {abs}, 0x7FF0000000000000"));
    cx.f.value(llvm_name(f), format_args!("select {inf}, {other}, {y}"))
}

fn test(cx: &mut Lower<'_>, call: &MathCall, x: &Operand) -> Operand {
    let bit = match call.func {
        MathFn::IsNan => cx.f.value("i1", format_args!("fcmp uno {x}, 0.0")),
        MathFn::SignBit => {
            let int = if call.float == FloatTy::F64 { "i64" } else { "i32" };
            let bits = cx.f.value(int, format_args!("bitcast {x} to {int}"));
            cx.f.value("i1", format_args!("icmp slt {bits}, 0"))
        }
        f => {
            let abs = call_intrinsic(cx, "fabs", call.float, &[x.clone()], "");
            let pred = if f == MathFn::IsInf { "oeq" } else { "olt" };
            cx.f.value("i1", format_args!("fcmp {pred} {abs}, 0x7FF0000000000000"))
        }
    };
    match call.result {
        Type::Int(1) => bit,
        Type::Int(w) => cx.f.value(&format!("i{w}"), format_args!("zext {bit} to i{w}")),
        _ => bit,
    }
}

/// To an integer: rounded as the function or its flavor says, saturating, NaN to 0.
fn to_int(cx: &mut Lower<'_>, call: &MathCall, round: &str, signed: bool) -> Operand {
    let round = match call.flavor {
        Flavor::Rounded { mode: Rounding::Zero, .. } => "trunc",
        Flavor::Rounded { mode: Rounding::Down, .. } => "floor",
        Flavor::Rounded { mode: Rounding::Up, .. } => "ceil",
        _ => round,
    };
    let whole = call_intrinsic(cx, round, call.float, &call.args[..1], "");
    let Type::Int(w) = call.result else { return whole };
    let word = if signed { "fptosi" } else { "fptoui" };
    cx.call(&format!("i{w}"), &format!("llvm.{word}.sat.i{w}.{}", suffix(call.float)), &[whole])
}

fn convert(cx: &mut Lower<'_>, call: &MathCall, x: &Operand) -> Operand {
    let (Some(Type::Float(from)), Type::Float(to)) = (call.arg_types.first(), call.result) else {
        return x.clone();
    };
    let (from, ty) = (*from, llvm_name(to));
    match from.bytes().cmp(&to.bytes()) {
        std::cmp::Ordering::Equal => x.clone(),
        std::cmp::Ordering::Less => cx.f.value(ty, format_args!("fpext {x} to {ty}")),
        std::cmp::Ordering::Greater => cx.f.value(ty, format_args!("fptrunc {x} to {ty}")),
    }
}

fn resize_int(cx: &mut Lower<'_>, r: Operand, want: Type) -> Operand {
    match want {
        Type::Int(w) if r.ty == "i32" && w > 32 => {
            cx.f.value(&format!("i{w}"), format_args!("sext {r} to i{w}"))
        }
        Type::Int(w) if r.ty == "i32" && w < 32 => {
            cx.f.value(&format!("i{w}"), format_args!("trunc {r} to i{w}"))
        }
        _ => r,
    }
}

/// Operations with a named rounding direction. To nearest they are the plain ones, never contracted; the other directions
/// are functions of the CPU device.
fn rounded(t: &mut HostOps<'_>, cx: &mut Lower<'_>, call: &MathCall, mode: Rounding) -> Option<Operand> {
    let fl = llvm_name(call.float);
    let (x, y) = (&call.args[0], call.args.get(1));
    let tag = match mode {
        Rounding::Nearest => {
            let word = match call.func {
                MathFn::Add => "fadd",
                MathFn::Sub => "fsub",
                MathFn::Mul => "fmul",
                MathFn::Div => "fdiv",
                _ => return None,
            };
            return Some(cx.f.value(fl, format_args!("{word} {x}, {}", y?.name)));
        }
        Rounding::Zero => "rz",
        Rounding::Down => "rd",
        Rounding::Up => "ru",
    };
    let name = match call.func {
        MathFn::Add => "add",
        MathFn::Sub => "sub",
        MathFn::Mul => "mul",
        MathFn::Div => "div",
        MathFn::Fma => "fma",
        MathFn::Sqrt => "sqrt",
        MathFn::Rcp => "rcp",
        MathFn::FromInt | MathFn::FromUint => {
            let signed = call.func == MathFn::FromInt;
            let Type::Int(w) = call.arg_types[0] else { return None };
            let wide = match (w, signed) {
                (64, _) => x.clone(),
                (_, true) => cx.f.value("i64", format_args!("sext {x} to i64")),
                (_, false) => cx.f.value("i64", format_args!("zext {x} to i64")),
            };
            let s = if call.float == FloatTy::F32 { "f" } else { "" };
            let from = if signed { "from_int" } else { "from_uint" };
            return Some(t.import(cx, fl, &format!("kad_{from}_{tag}{s}"), &[wide]));
        }
        MathFn::Convert if call.arg_types[0] == Type::F64 && call.result == Type::F32 => {
            return Some(t.import(cx, "float", &format!("kad_convert_{tag}"), &[x.clone()]));
        }
        _ => return None,
    };
    let s = if call.float == FloatTy::F32 { "f" } else { "" };
    Some(t.import(cx, fl, &format!("kad_{name}_{tag}{s}"), &call.args))
}
