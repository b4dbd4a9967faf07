//! Names for emission: what a function is called in a device library or on the host.

use super::{names_amd, names_llvm, names_nv, names_nvvm, Shape};
use crate::kernel::{Arch, Flavor, FloatTy, MathFn, Rounding};

/// A function to call for a [`MathFn`], with the function's own arguments in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callee {
    /// Symbol. An LLVM intrinsic (`llvm.`) without its overloaded type suffixes where it has some.
    pub name: String,
    /// Which part of the result is the function's.
    pub part: Part,
}

/// What of a callee's result is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All of it.
    Whole,
    /// A member of a struct (`llvm.frexp`).
    Member(u32),
}

/// The function of a device's libraries or intrinsics that computes `f` for one scalar of format `ty` with that flavor,
/// or, where the device has no such flavor, with a more accurate one. `None`: there is none; use a wider format, or own code.
pub fn callee_for(arch: Arch, f: MathFn, flavor: Flavor, ty: FloatTy) -> Option<Callee> {
    let exact = match (arch, flavor) {
        (Arch::Nvptx, Flavor::Fast) => nv_instruction(f, true, ty).or_else(|| nv_fast(f, ty)),
        (Arch::Nvptx, Flavor::Approx { ftz }) => nv_approx(f, ftz, ty),
        (Arch::Nvptx, Flavor::Rounded { mode, ftz }) => return nv_rounded(f, mode, ftz, ty).map(whole),
        (Arch::Amdgpu, Flavor::Fast) => amd_native(f, ty),
        (Arch::Amdgpu, Flavor::Approx { .. }) => amd_approx(f, ty),
        (Arch::Amdgpu, Flavor::Rounded { mode: Rounding::Nearest, .. }) => None,
        (Arch::Amdgpu, Flavor::Rounded { .. }) => return None,
        (Arch::Nvptx, Flavor::Library | Flavor::Llvm) => nv_instruction(f, false, ty),
        (Arch::Amdgpu, Flavor::Library | Flavor::Llvm) => None,
    };
    if let Some(name) = exact {
        return Some(whole(name));
    }
    llvm(arch, f, ty).or_else(|| library(arch, f, ty).map(whole))
}

/// What computes `f` on the host: the C library's name, or `kad_<name>[f]` for a function that C does not have, which the
/// CPU device brings. Half formats are computed in f32. `None` for plain operations and tests, which need no call.
pub fn host_symbol(f: MathFn, ty: FloatTy) -> Option<String> {
    let suffix = if ty == FloatTy::F64 { "" } else { "f" };
    if f == MathFn::Tanpi {
        return Some(format!("kad_tanpi{suffix}"));
    }
    let &(name, _, in_c) = names_nv::REGULAR.iter().find(|r| r.1 == Shape::Math(f))?;
    Some(format!("{}{name}{suffix}", if in_c { "" } else { "kad_" }))
}

fn whole(name: String) -> Callee {
    Callee { name, part: Part::Whole }
}

/// Functions that LLVM's back ends compute themselves, accurately.
fn llvm(arch: Arch, f: MathFn, ty: FloatTy) -> Option<Callee> {
    use MathFn::*;
    let native = matches!(
        f,
        Fabs | Floor
            | Ceil
            | Trunc
            | Rint
            | Fma
            | Copysign
            | Fmax
            | Fmin
            | Fmaximum
            | Fminimum
            | FrexpMant
            | FrexpExp
            | Ldexp
    );
    let native = native || (f == Sqrt && (arch == Arch::Amdgpu || ty != FloatTy::F16 && ty != FloatTy::Bf16));
    // The AMD back end expands these for f32 and f16 as accurately as ocml, which calls them.
    let amd = arch == Arch::Amdgpu && ty != FloatTy::F64 && matches!(f, Exp | Exp2 | Log | Log2 | Log10);
    if !native && !amd {
        return None;
    }
    if let FrexpMant | FrexpExp = f {
        return Some(Callee { name: "llvm.frexp".into(), part: Part::Member(u32::from(f == FrexpExp)) });
    }
    let &(name, _) = names_llvm::TABLE.iter().find(|r| r.1 == Shape::Math(f))?;
    // `llvm.nearbyint` and `llvm.rint` are the same on devices, which have no floating-point environment.
    Some(whole(format!("llvm.{name}")))
}

fn library(arch: Arch, f: MathFn, ty: FloatTy) -> Option<String> {
    match arch {
        Arch::Nvptx => {
            let suffix = match ty {
                FloatTy::F32 => "f",
                FloatTy::F64 => "",
                _ => return None,
            };
            let single = match (f, ty) {
                (MathFn::Saturate, FloatTy::F32) => Some("__nv_saturatef"),
                (MathFn::IsNan, FloatTy::F32) => Some("__nv_isnanf"),
                (MathFn::IsNan, _) => Some("__nv_isnand"),
                (MathFn::IsInf, FloatTy::F32) => Some("__nv_isinff"),
                (MathFn::IsInf, _) => Some("__nv_isinfd"),
                (MathFn::IsFinite, FloatTy::F32) => Some("__nv_finitef"),
                (MathFn::IsFinite, _) => Some("__nv_isfinited"),
                (MathFn::SignBit, FloatTy::F32) => Some("__nv_signbitf"),
                (MathFn::SignBit, _) => Some("__nv_signbitd"),
                _ => None,
            };
            if let Some(name) = single {
                return Some(name.into());
            }
            let &(name, ..) = names_nv::REGULAR.iter().find(|r| r.1 == Shape::Math(f))?;
            Some(format!("__nv_{name}{suffix}"))
        }
        Arch::Amdgpu => {
            let suffix = amd_suffix(ty)?;
            let &(name, _) = names_amd::OCML.iter().find(|r| r.1 == Shape::Math(f))?;
            Some(format!("__ocml_{name}_{suffix}"))
        }
    }
}

fn amd_suffix(ty: FloatTy) -> Option<&'static str> {
    match ty {
        FloatTy::F16 => Some("f16"),
        FloatTy::F32 => Some("f32"),
        FloatTy::F64 => Some("f64"),
        FloatTy::Bf16 => None,
    }
}

/// Functions of libdevice that are one instruction, by the name of its intrinsic: they need no libdevice.
fn nv_instruction(f: MathFn, fast: bool, ty: FloatTy) -> Option<String> {
    use MathFn::*;
    let name = match (f, ty, fast) {
        (Rsqrt, FloatTy::F32, _) => "rsqrt.approx.f",
        (Rsqrt, FloatTy::F64, _) => "rsqrt.approx.d",
        (Exp2, FloatTy::F32, _) => "ex2.approx.f",
        (Saturate, FloatTy::F32, _) => "saturate.f",
        (Sin, FloatTy::F32, true) => "sin.approx.f",
        (Cos, FloatTy::F32, true) => "cos.approx.f",
        (Log2, FloatTy::F32, true) => "lg2.approx.f",
        (Div, FloatTy::F32, true) => "div.approx.f",
        _ => return None,
    };
    Some(format!("llvm.nvvm.{name}"))
}

fn nv_fast(f: MathFn, ty: FloatTy) -> Option<String> {
    let &(name, _) = names_nv::FAST.iter().find(|r| r.1 == Shape::Math(f))?;
    (ty == FloatTy::F32).then(|| format!("__nv_fast_{name}f"))
}

fn nv_approx(f: MathFn, ftz: bool, ty: FloatTy) -> Option<String> {
    use MathFn::*;
    let z = if ftz { ".ftz" } else { "" };
    match (f, ty) {
        // `tanh.approx` is an instruction without an intrinsic in LLVM 19.
        (Tanh, _) => None,
        (Rcp, FloatTy::F32) => Some("llvm.nvvm.rcp.approx.ftz.f".into()),
        (Rcp, FloatTy::F64) if ftz => Some("llvm.nvvm.rcp.approx.ftz.d".into()),
        (Rsqrt, FloatTy::F64) => Some(format!("llvm.nvvm.rsqrt.approx{z}.d")),
        (Saturate, FloatTy::F32) => Some(format!("llvm.nvvm.saturate{z}.f")),
        (Saturate, FloatTy::F64) => Some("llvm.nvvm.saturate.d".into()),
        (Fabs | Floor | Ceil | Trunc | Fmax | Fmin, FloatTy::F32) if ftz => {
            let name = names_llvm::TABLE.iter().find(|r| r.1 == Shape::Math(f))?.0;
            Some(format!("llvm.nvvm.{}.ftz.f", name.replace("maxnum", "fmax").replace("minnum", "fmin")))
        }
        (Rint, FloatTy::F32) if ftz => Some("llvm.nvvm.round.ftz.f".into()),
        (Exp2, FloatTy::F16) => Some("llvm.nvvm.ex2.approx.f16".into()),
        (_, FloatTy::F32) => {
            let &(name, _) = names_nvvm::APPROX.iter().find(|r| r.1 == f)?;
            Some(format!("llvm.nvvm.{name}.approx{z}.f"))
        }
        _ => None,
    }
}

fn nv_rounded(f: MathFn, mode: Rounding, ftz: bool, ty: FloatTy) -> Option<String> {
    let m = match mode {
        Rounding::Nearest => "rn",
        Rounding::Zero => "rz",
        Rounding::Down => "rm",
        Rounding::Up => "rp",
    };
    let t = match ty {
        FloatTy::F32 => "f",
        FloatTy::F64 if !ftz => "d",
        _ => return None,
    };
    let z = if ftz { ".ftz" } else { "" };
    match f {
        // Subtraction is addition of the negated value: emission negates the second argument of `Sub`.
        MathFn::Sub => Some(format!("llvm.nvvm.add.{m}{z}.{t}")),
        MathFn::Rsqrt if mode == Rounding::Nearest && ty == FloatTy::F32 => Some("__nv_frsqrt_rn".into()),
        f => {
            let &(name, _) = names_nvvm::ROUNDED.iter().find(|r| r.1 == f)?;
            Some(format!("llvm.nvvm.{name}.{m}{z}.{t}"))
        }
    }
}

fn amd_native(f: MathFn, ty: FloatTy) -> Option<String> {
    let suffix = amd_suffix(ty).filter(|s| *s == "f32")?;
    let &(name, _) = names_amd::NATIVE.iter().find(|r| r.1 == f)?;
    Some(format!("__ocml_native_{name}_{suffix}"))
}

/// The hardware's own instructions that need no scaled argument.
fn amd_approx(f: MathFn, ty: FloatTy) -> Option<String> {
    use MathFn::*;
    let name = match (f, ty) {
        (_, FloatTy::Bf16) => return None,
        (Rcp, _) => "rcp",
        (Rsqrt, _) => "rsq",
        (Sqrt, _) => "sqrt",
        (Fract, _) => "fract",
        (Fmed3, FloatTy::F32 | FloatTy::F16) => "fmed3",
        (Exp2, FloatTy::F32) => "exp2",
        (Log2, FloatTy::F32) => "log",
        _ => return None,
    };
    Some(format!("llvm.amdgcn.{name}"))
}
