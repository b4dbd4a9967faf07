//! Floating-point functions on GPUs: plain instructions, intrinsics that the back end selects, device libraries, in this order.

use super::libraries::{Kind, Libraries};
use super::{amd_math, nvptx_math};
use crate::diag::{Code, Result};
use crate::emit::lower::{float_constant, float_text, Lower, MathCall};
use crate::emit::text::Operand;
use crate::kernel::*;
use crate::mathlib::{callee_for, Part};

/// What a device has.
pub(super) struct Device<'a> {
    arch: Arch,
    libraries: &'a Libraries,
    /// A function of a device library was called.
    pub(super) needs_library: bool,
}

/// LLVM's intrinsics that NVPTX selects for f32 and f64; all others abort the process ("cannot select").
const NVPTX_NATIVE: &[&str] = &[
    "fabs",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "nearbyint",
    "round",
    "roundeven",
    "maxnum",
    "minnum",
    "maximum",
    "minimum",
    "copysign",
    "sqrt",
    "fma",
    "ldexp",
];

/// The same for AMDGPU, f32 and f16; f64 has no exp, exp2, log, log2 and log10.
const AMD_NATIVE: &[&str] = &[
    "fabs",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "nearbyint",
    "round",
    "roundeven",
    "maxnum",
    "minnum",
    "maximum",
    "minimum",
    "copysign",
    "sqrt",
    "fma",
    "ldexp",
    "frexp",
    "exp",
    "exp2",
    "log",
    "log2",
    "log10",
];

impl<'a> Device<'a> {
    pub(super) fn new(arch: Arch, libraries: &'a Libraries) -> Self {
        Device { arch, libraries, needs_library: false }
    }

    /// Lowers a function of scalars; `result` is the LLVM type of its result.
    pub(super) fn lower(&mut self, cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Result<Operand> {
        if self.computes_in_f32(call) {
            return self.in_f32(cx, call, result);
        }
        if let Some(v) = self.plain(cx, call, result)? {
            return Ok(v);
        }
        if self.arch == Arch::Nvptx {
            if let Some(v) = nvptx_math::fast(cx, call) {
                return Ok(v);
            }
        }
        let Some(callee) = callee_for(self.arch, call.func, call.flavor, call.float) else {
            return Err(self.refuse(cx, call));
        };
        if let Some(base) = callee.name.strip_prefix("llvm.") {
            return self.intrinsic(cx, call, base, callee.part, result);
        }
        let library = Kind::of(self.arch);
        if !self.libraries.has(library) {
            let own = match self.arch {
                Arch::Nvptx => nvptx_math::without_library(cx, call),
                Arch::Amdgpu => amd_math::without_library(cx, call),
            };
            if let Some(v) = own {
                return Ok(v);
            }
            let mut d = self.libraries.missing(&callee.name, library);
            d.place = cx.error(Code::Bug, "").place;
            return Err(d.into());
        }
        self.needs_library = true;
        Ok(cx.call(result, &callee.name, &call.args))
    }

    fn refuse(&self, cx: &Lower<'_>, call: &MathCall) -> crate::diag::Diagnostics {
        let message = format!(
            "{:?} ({:?}, {:?}) does not exist on {:?} devices",
            call.func, call.flavor, call.float, self.arch
        );
        cx.error(Code::NotOnTarget, message).into()
    }

    /// Half formats have few functions of their own; all others are computed in f32 and rounded. For sums, products, quotients and
    /// square roots that gives the correctly rounded result: f32 has more than twice the digits.
    fn computes_in_f32(&self, call: &MathCall) -> bool {
        use MathFn::*;
        let own = matches!(call.func, IsNan | SignBit | FromInt | FromUint | Convert);
        match (self.arch, call.float) {
            (_, FloatTy::F32 | FloatTy::F64) => false,
            _ if own => false,
            (Arch::Nvptx, FloatTy::F16) => call.func != Fma,
            (Arch::Amdgpu, FloatTy::F16) => {
                let there = callee_for(self.arch, call.func, call.flavor, FloatTy::F16);
                !there.is_some_and(|c| c.name.starts_with("llvm."))
            }
            (_, FloatTy::Bf16) => true,
        }
    }

    fn in_f32(&mut self, cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Result<Operand> {
        let mut wide = call.clone();
        wide.float = FloatTy::F32;
        for (a, ty) in wide.args.iter_mut().zip(&mut wide.arg_types) {
            if ty.is_float() {
                *ty = Type::F32;
                *a = cx.f.value("float", format_args!("fpext {a} to float"));
            }
        }
        let float_result = call.result.is_float();
        if float_result {
            wide.result = Type::F32;
        }
        let v = self.lower(cx, &wide, if float_result { "float" } else { result })?;
        Ok(match float_result {
            true => cx.f.value(result, format_args!("fptrunc {v} to {result}")),
            false => v,
        })
    }

    /// What needs no function at all.
    fn plain(&mut self, cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Result<Option<Operand>> {
        use MathFn::*;
        let (a, fmf) = (&call.args[0], call.fmf_text());
        let ty = float_text(call.float);
        let amd_nearest = self.arch == Arch::Amdgpu
            && matches!(call.flavor, Flavor::Rounded { mode: Rounding::Nearest, ftz: false });
        let simple = matches!(call.flavor, Flavor::Library | Flavor::Llvm) || amd_nearest;
        let binary = |cx: &mut Lower<'_>, word: &str| {
            cx.f.value(ty, format_args!("{word} {fmf}{a}, {}", call.args[1].name))
        };
        Ok(Some(match call.func {
            Add if simple => binary(cx, "fadd"),
            Sub if simple => binary(cx, "fsub"),
            Mul if simple => binary(cx, "fmul"),
            Div if simple => binary(cx, "fdiv"),
            Rcp if simple => cx.f.value(ty, format_args!("fdiv {fmf}{ty} {}, {}", one(call.float), a.name)),
            Sub if matches!(call.flavor, Flavor::Rounded { .. }) => {
                // Directed subtraction is addition of the negated operand: so it is named.
                let mut add = call.clone();
                add.args[1] = cx.f.value(ty, format_args!("fneg {}", call.args[1]));
                add.func = Add;
                let Some(callee) = callee_for(self.arch, Sub, call.flavor, call.float) else {
                    return Err(self.refuse(cx, call));
                };
                cx.call(ty, &callee.name, &add.args)
            }
            IsNan => test(cx, result, &format!("fcmp uno {a}, {}", zero(call.float))),
            IsInf | IsFinite => {
                let magnitude = llvm(cx, "fabs", call.float, &[a.clone()]);
                let pred = if call.func == IsInf { "oeq" } else { "olt" };
                test(cx, result, &format!("fcmp {pred} {magnitude}, {}", infinity(call.float)))
            }
            SignBit => {
                let int = format!("i{}", call.float.bytes() * 8);
                let bits = cx.f.value(&int, format_args!("bitcast {a} to {int}"));
                test(cx, result, &format!("icmp slt {bits}, 0"))
            }
            Saturate if simple => {
                let low = llvm(cx, "maxnum", call.float, &[a.clone(), Operand::new(ty, zero(call.float))]);
                llvm(cx, "minnum", call.float, &[low, Operand::new(ty, one(call.float))])
            }
            Lrint | Lround | ToInt | ToUint => to_int(cx, call, result),
            FromInt | FromUint => return self.from_int(cx, call, result).map(Some),
            Convert => return self.convert(cx, call, result).map(Some),
            RemquoQuo => return self.remquo(cx, call).map(Some),
            ModfFrac => {
                let whole = llvm(cx, "trunc", call.float, &[a.clone()]);
                let rest = cx.f.value(ty, format_args!("fsub {a}, {}", whole.name));
                // Of an infinity nothing is left, and zero keeps the sign.
                let magnitude = llvm(cx, "fabs", call.float, &[a.clone()]);
                let endless =
                    cx.f.value("i1", format_args!("fcmp oeq {magnitude}, {}", infinity(call.float)));
                let rest =
                    cx.f.value(ty, format_args!("select {endless}, {ty} {}, {rest}", zero(call.float)));
                llvm(cx, "copysign", call.float, &[rest, a.clone()])
            }
            Fract if simple => {
                let whole = llvm(cx, "floor", call.float, &[a.clone()]);
                let rest = cx.f.value(ty, format_args!("fsub {a}, {}", whole.name));
                let below_one = Operand::new(ty, below_one(call.float));
                llvm(cx, "minnum", call.float, &[rest, below_one])
            }
            FrexpMant | FrexpExp if self.arch == Arch::Nvptx => frexp(cx, call, result),
            _ => return Ok(None),
        }))
    }

    fn intrinsic(
        &self,
        cx: &mut Lower<'_>,
        call: &MathCall,
        base: &str,
        part: Part,
        result: &str,
    ) -> Result<Operand> {
        let suffix = match call.float {
            FloatTy::F16 => "f16",
            FloatTy::Bf16 => "bf16",
            FloatTy::F32 => "f32",
            FloatTy::F64 => "f64",
        };
        let name = if base.starts_with("nvvm.") {
            format!("llvm.{base}")
        } else if base.starts_with("amdgcn.") {
            format!("llvm.{base}.{suffix}")
        } else {
            let list = if self.arch == Arch::Nvptx { NVPTX_NATIVE } else { AMD_NATIVE };
            let transcendental = matches!(base, "exp" | "exp2" | "log" | "log2" | "log10");
            if !list.contains(&base) || transcendental && call.float == FloatTy::F64 {
                return Err(self.refuse(cx, call));
            }
            match base {
                "ldexp" => format!("llvm.ldexp.{suffix}.{}", call.args[1].ty),
                "frexp" => format!("llvm.frexp.{suffix}.i32"),
                _ => format!("llvm.{base}.{suffix}"),
            }
        };
        match part {
            Part::Whole => {
                let types: Vec<&str> = call.args.iter().map(|a| a.ty.as_str()).collect();
                let symbol = cx.m.function(result, &name, &types);
                let args: Vec<String> = call.args.iter().map(Operand::to_string).collect();
                let fmf = if call.result.is_float() { call.fmf_text() } else { String::new() };
                Ok(cx.f.value(result, format_args!("call {fmf}{result} {symbol}({})", args.join(", "))))
            }
            Part::Member(i) => {
                let pair = cx.call(&format!("{{ {}, i32 }}", float_text(call.float)), &name, &call.args);
                Ok(cx.f.value(result, format_args!("extractvalue {pair}, {i}")))
            }
        }
    }

    /// Integer to float with a rounding direction.
    fn from_int(&self, cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Result<Operand> {
        let signed = call.func == MathFn::FromInt;
        let a = &call.args[0];
        let mode = match call.flavor {
            Flavor::Rounded { mode, .. } => mode,
            _ => Rounding::Nearest,
        };
        if mode == Rounding::Nearest {
            let word = if signed { "sitofp" } else { "uitofp" };
            return Ok(cx.f.value(result, format_args!("{word} {a} to {result}")));
        }
        let from = match (a.ty.as_str(), signed) {
            ("i32", true) => "i",
            ("i32", false) => "ui",
            ("i64", true) => "ll",
            ("i64", false) => "ull",
            _ => return Err(self.refuse(cx, call)),
        };
        let to = match result {
            "float" => "f",
            "double" => "d",
            _ => return Err(self.refuse(cx, call)),
        };
        if self.arch != Arch::Nvptx {
            return Err(self.refuse(cx, call));
        }
        Ok(cx.call(result, &format!("llvm.nvvm.{from}2{to}.{}", mode_text(mode)), &call.args))
    }

    /// Float to float with a rounding direction.
    fn convert(&self, cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Result<Operand> {
        let a = &call.args[0];
        let to = call.result.float().unwrap_or(call.float);
        let (mode, ftz) = match call.flavor {
            Flavor::Rounded { mode, ftz } => (mode, ftz),
            _ => (Rounding::Nearest, false),
        };
        if to.bytes() >= call.float.bytes() && !ftz {
            return Ok(match a.ty == result {
                true => a.clone(),
                false => cx.f.value(result, format_args!("fpext {a} to {result}")),
            });
        }
        if mode == Rounding::Nearest && !ftz {
            return Ok(cx.f.value(result, format_args!("fptrunc {a} to {result}")));
        }
        if self.arch == Arch::Nvptx && call.float == FloatTy::F64 && to == FloatTy::F32 {
            let z = if ftz { ".ftz" } else { "" };
            return Ok(cx.call(result, &format!("llvm.nvvm.d2f.{}{z}", mode_text(mode)), &call.args));
        }
        Err(self.refuse(cx, call))
    }

    /// The quotient of `remquo`, which the libraries store through a pointer.
    fn remquo(&mut self, cx: &mut Lower<'_>, call: &MathCall) -> Result<Operand> {
        let (name, space) = match (self.arch, call.float) {
            (Arch::Nvptx, FloatTy::F32) => ("__nv_remquof", 0),
            (Arch::Nvptx, FloatTy::F64) => ("__nv_remquo", 0),
            (Arch::Amdgpu, FloatTy::F32) => ("__ocml_remquo_f32", 5),
            (Arch::Amdgpu, FloatTy::F64) => ("__ocml_remquo_f64", 5),
            _ => return Err(self.refuse(cx, call)),
        };
        let library = Kind::of(self.arch);
        if !self.libraries.has(library) {
            let mut d = self.libraries.missing(name, library);
            d.place = cx.error(Code::Bug, "").place;
            return Err(d.into());
        }
        self.needs_library = true;
        let want = if space == 0 { "ptr" } else { "ptr addrspace(5)" };
        let slot = super::alloca(cx, space, want, 4, 4);
        let args = [call.args[0].clone(), call.args[1].clone(), slot.clone()];
        cx.call(float_text(call.float), name, &args);
        Ok(cx.f.value("i32", format_args!("load i32, {slot}, align 4")))
    }
}

fn test(cx: &mut Lower<'_>, result: &str, text: &str) -> Operand {
    let bit = cx.f.value("i1", text);
    match result {
        "i1" => bit,
        _ => cx.f.value(result, format_args!("zext {bit} to {result}")),
    }
}

/// An intrinsic without a flavor, on one format.
pub(super) fn llvm(cx: &mut Lower<'_>, name: &str, f: FloatTy, args: &[Operand]) -> Operand {
    let ty = float_text(f);
    cx.call(ty, &format!("llvm.{name}.{}", crate::emit::lower::suffix(ty)), args)
}

/// The reciprocal of a square root, rounded twice.
pub(super) fn rsqrt(cx: &mut Lower<'_>, call: &MathCall) -> Operand {
    let (ty, root) = (float_text(call.float), llvm(cx, "sqrt", call.float, &call.args[..1]));
    cx.f.value(ty, format_args!("fdiv {ty} {}, {}", one(call.float), root.name))
}

/// The positive difference.
pub(super) fn fdim(cx: &mut Lower<'_>, call: &MathCall) -> Operand {
    let (ty, x, y) = (float_text(call.float), &call.args[0], &call.args[1]);
    let difference = cx.f.value(ty, format_args!("fsub {x}, {}", y.name));
    // Also false for NaN, which then comes out of the difference.
    let none = cx.f.value("i1", format_args!("fcmp ole {x}, {}", y.name));
    cx.f.value(ty, format_args!("select {none}, {ty} {}, {difference}", zero(call.float)))
}

/// Float to integer: round as asked, then convert; saturating, NaN to zero, as both devices convert.
fn to_int(cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Operand {
    let mode = match (call.func, call.flavor) {
        (MathFn::Lrint, _) => "rint",
        (MathFn::Lround, _) => "round",
        (_, Flavor::Rounded { mode: Rounding::Nearest, .. }) => "rint",
        (_, Flavor::Rounded { mode: Rounding::Down, .. }) => "floor",
        (_, Flavor::Rounded { mode: Rounding::Up, .. }) => "ceil",
        _ => "trunc",
    };
    let rounded = match mode {
        "trunc" => call.args[0].clone(),
        _ => llvm(cx, mode, call.float, &call.args[..1]),
    };
    let word = if call.func == MathFn::ToUint { "fptoui" } else { "fptosi" };
    let suffix = crate::emit::lower::suffix(float_text(call.float));
    cx.call(result, &format!("llvm.{word}.sat.{result}.{suffix}"), &[rounded])
}

/// `frexp` by the bits: scale subnormal numbers up, take the exponent field off.
fn frexp(cx: &mut Lower<'_>, call: &MathCall, result: &str) -> Operand {
    let (bits, mantissa, bias, up) = match call.float {
        FloatTy::F64 => (64, 52, 1022_i64, 54),
        _ => (32, 23, 126, 25),
    };
    let (ty, int) = (float_text(call.float), format!("i{bits}"));
    let x = &call.args[0];
    let scale = match call.float {
        FloatTy::F64 => float_constant(FloatTy::F64, 2f64.powi(up).to_bits()),
        _ => float_constant(FloatTy::F32, u64::from(2f32.powi(up).to_bits())),
    };
    let smallest = match call.float {
        FloatTy::F64 => float_constant(FloatTy::F64, f64::MIN_POSITIVE.to_bits()),
        _ => float_constant(FloatTy::F32, u64::from(f32::MIN_POSITIVE.to_bits())),
    };
    let magnitude = llvm(cx, "fabs", call.float, std::slice::from_ref(x));
    let tiny = cx.f.value("i1", format_args!("fcmp olt {magnitude}, {smallest}"));
    let scaled = cx.f.value(ty, format_args!("fmul {x}, {scale}"));
    let normal = cx.f.value(ty, format_args!("select {tiny}, {scaled}, {x}"));
    let raw = cx.f.value(&int, format_args!("bitcast {normal} to {int}"));
    let field_mask = ((1_i64 << (bits - mantissa - 1)) - 1) << mantissa;
    // Zero, infinity and NaN are their own mantissa, with exponent zero.
    let zero_in = cx.f.value("i1", format_args!("fcmp oeq {x}, {}", zero(call.float)));
    let not_finite = cx.f.value("i1", format_args!("fcmp uge {magnitude}, {}", infinity(call.float)));
    let special = cx.f.value("i1", format_args!("or {zero_in}, {}", not_finite.name));
    if call.func == MathFn::FrexpMant {
        let rest = cx.f.value(&int, format_args!("and {raw}, {}", !field_mask));
        let whole = cx.f.value(&int, format_args!("or {rest}, {}", bias << mantissa));
        let m = cx.f.value(ty, format_args!("bitcast {whole} to {ty}"));
        return cx.f.value(ty, format_args!("select {special}, {x}, {m}"));
    }
    let field = cx.f.value(&int, format_args!("and {raw}, {field_mask}"));
    let field = cx.f.value(&int, format_args!("lshr {field}, {mantissa}"));
    let e = cx.f.value(&int, format_args!("sub {field}, {bias}"));
    let lower = cx.f.value(&int, format_args!("sub {e}, {up}"));
    let e = cx.f.value(&int, format_args!("select {tiny}, {lower}, {e}"));
    let e = cx.f.value(&int, format_args!("select {special}, {int} 0, {e}"));
    match int == result {
        true => e,
        false => cx.f.value(result, format_args!("trunc {e} to {result}")),
    }
}

fn mode_text(mode: Rounding) -> &'static str {
    match mode {
        Rounding::Nearest => "rn",
        Rounding::Zero => "rz",
        Rounding::Down => "rm",
        Rounding::Up => "rp",
    }
}

pub(super) fn constant(f: FloatTy, x: f64) -> String {
    float_constant(
        f,
        match f {
            FloatTy::F16 => u64::from(half::f16::from_f64(x).to_bits()),
            FloatTy::Bf16 => u64::from(half::bf16::from_f64(x).to_bits()),
            FloatTy::F32 => u64::from((x as f32).to_bits()),
            FloatTy::F64 => x.to_bits(),
        },
    )
}

fn zero(f: FloatTy) -> String {
    constant(f, 0.0)
}

fn one(f: FloatTy) -> String {
    constant(f, 1.0)
}

fn infinity(f: FloatTy) -> String {
    constant(f, f64::INFINITY)
}

/// The largest number below one.
fn below_one(f: FloatTy) -> String {
    let digits = match f {
        FloatTy::F16 => 11,
        FloatTy::Bf16 => 8,
        FloatTy::F32 => 24,
        FloatTy::F64 => 53,
    };
    constant(f, 1.0 - 2f64.powi(-digits))
}
