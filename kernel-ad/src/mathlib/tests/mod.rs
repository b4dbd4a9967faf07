//! Names against the libraries' own lists; values against mpmath and exact arithmetic.

pub(crate) mod all;
mod known;

use all::ALL;

use super::*;
use crate::kernel::*;

/// Catches: a libdevice function that is missing from the tables, or a list entry that nobody can read.
#[test]
fn every_libdevice_name_is_known() {
    // They loop over memory, so they are no functions of values.
    let over_memory = ["__nv_norm", "__nv_normf", "__nv_rnorm", "__nv_rnormf"];
    let mut known = 0;
    for name in include_str!("libdevice.txt").lines() {
        assert_eq!(from_callee(name).is_some(), !over_memory.contains(&name), "{name}");
        known += usize::from(from_callee(name).is_some());
    }
    assert_eq!(known, 345);
}

/// Catches: a pattern rule that gives the wrong function or flavor to a name.
#[test]
fn names_mean_what_their_manuals_say() {
    use Flavor::*;
    let math = |name: &str| match from_callee(name) {
        Some(MathCall { shape: Shape::Math(f), flavor }) => (f, flavor),
        other => panic!("{name}: {other:?}"),
    };
    let rounded = |mode, ftz| Rounded { mode, ftz };
    assert_eq!(math("__nv_expf"), (MathFn::Exp, Library));
    assert_eq!(math("__nv_erf"), (MathFn::Erf, Library));
    assert_eq!(math("__nv_erff"), (MathFn::Erf, Library));
    assert_eq!(math("__nv_fast_fdividef"), (MathFn::Div, Fast));
    assert_eq!(math("__nv_dmul_rd"), (MathFn::Mul, rounded(Rounding::Down, false)));
    assert_eq!(math("__nv_double2ull_ru"), (MathFn::ToUint, rounded(Rounding::Up, false)));
    assert_eq!(math("__ocml_ncdf_f64"), (MathFn::Normcdf, Library));
    assert_eq!(math("__ocml_native_recip_f32"), (MathFn::Rcp, Fast));
    assert_eq!(math("__ocml_fma_rtn_f32"), (MathFn::Fma, rounded(Rounding::Down, false)));
    assert_eq!(math("llvm.sqrt.v2f32"), (MathFn::Sqrt, Llvm));
    assert_eq!(math("llvm.powi.f32.i32"), (MathFn::Powi, Llvm));
    assert_eq!(math("llvm.nvvm.ex2.approx.ftz.f"), (MathFn::Exp2, Approx { ftz: true }));
    assert_eq!(math("llvm.nvvm.lg2.approx.f"), (MathFn::Log2, Approx { ftz: false }));
    assert_eq!(math("llvm.nvvm.fma.rn.f"), (MathFn::Fma, Llvm));
    assert_eq!(math("llvm.nvvm.fma.rm.ftz.f"), (MathFn::Fma, rounded(Rounding::Down, true)));
    assert_eq!(math("llvm.nvvm.fmax.ftz.nan.f16x2"), (MathFn::Fmaximum, Approx { ftz: true }));
    assert_eq!(math("llvm.nvvm.round.f"), (MathFn::Rint, Llvm));
    assert_eq!(math("llvm.nvvm.f2i.rz.ftz"), (MathFn::ToInt, rounded(Rounding::Zero, true)));
    assert_eq!(math("llvm.nvvm.d2f.rp"), (MathFn::Convert, rounded(Rounding::Up, false)));
    assert_eq!(math("llvm.nvvm.sqrt.f"), (MathFn::Sqrt, Llvm));
    assert_eq!(math("llvm.amdgcn.log.f32"), (MathFn::Log2, Approx { ftz: false }));
    assert_eq!(math("expf"), (MathFn::Exp, Library));
    let shape = |name: &str| from_callee(name).map(|c| c.shape);
    assert_eq!(shape("llvm.amdgcn.sin.f32"), Some(Shape::ScaleArg(2.0, MathFn::Sinpi)));
    assert_eq!(shape("__ocml_sincos_f64"), Some(Shape::Stores(Some(MathFn::Sin), &[(MathFn::Cos, 1)])));
    assert_eq!(shape("llvm.nvvm.fma.rn.relu.f16"), Some(Shape::Then(MathFn::Fma, MathFn::Fmaximum)));
    for unknown in [
        "",
        "f",
        "printf",
        "normcdff",
        "llvm.",
        "llvm.nvvm.barrier0",
        "llvm.nvvm.fmax.xorsign.abs.f",
        "__nv_",
        "__ocml_f32",
        "__nv_fast_f",
        "llvm.nvvm.add.rn.ftz",
        "llvm.memcpy.p0.p0.i64",
        "__ocml_csqrt_f32",
        "llvm.amdgcn.s.barrier",
    ] {
        assert_eq!(from_callee(unknown), None, "{unknown}");
    }
}

/// Catches: emission calling another function than the one that was read.
#[test]
fn callees_read_back_as_the_same_function() {
    let modes = [Rounding::Nearest, Rounding::Zero, Rounding::Down, Rounding::Up];
    let mut flavors = vec![Flavor::Library, Flavor::Llvm, Flavor::Fast];
    flavors.extend([false, true].map(|ftz| Flavor::Approx { ftz }));
    flavors.extend(modes.iter().flat_map(|&mode| [false, true].map(|ftz| Flavor::Rounded { mode, ftz })));
    let mut found = 0;
    for arch in [Arch::Nvptx, Arch::Amdgpu] {
        for &f in ALL {
            for &flavor in &flavors {
                for ty in [FloatTy::F16, FloatTy::Bf16, FloatTy::F32, FloatTy::F64] {
                    let Some(c) = callee_for(arch, f, flavor, ty) else { continue };
                    found += 1;
                    let back = from_callee(&c.name).unwrap_or_else(|| panic!("{c:?} is unknown"));
                    let ok = match (back.shape, c.part) {
                        (Shape::Math(g), Part::Whole) => g == f || (f, g) == (MathFn::Sub, MathFn::Add),
                        (Shape::Pair(m, _), Part::Member(0)) => m == f,
                        (Shape::Pair(_, e), Part::Member(1)) => e == f,
                        _ => false,
                    };
                    assert!(ok, "{arch:?} {f:?} {flavor:?} {ty:?}: {c:?} is {back:?}");
                    if let Flavor::Rounded { mode, .. } = flavor {
                        let same = matches!(back.flavor, Flavor::Rounded { mode: m, .. } if m == mode);
                        assert!(same || mode == Rounding::Nearest, "{c:?} does not round {mode:?}");
                    }
                }
            }
        }
    }
    assert!(found > 900, "only {found} callees");
}

/// Catches: an accurate function of libdevice or ocml that emission could not name again.
#[test]
fn every_library_function_has_a_callee() {
    for &(name, shape, _) in names_nv::REGULAR {
        let Shape::Math(f) = shape else { continue };
        for ty in [FloatTy::F32, FloatTy::F64] {
            assert!(callee_for(Arch::Nvptx, f, Flavor::Library, ty).is_some(), "{name}");
            assert!(host_symbol(f, ty).is_some(), "{name}");
        }
    }
    for &(name, shape) in names_amd::OCML {
        let Shape::Math(f) = shape else { continue };
        assert!(callee_for(Arch::Amdgpu, f, Flavor::Library, FloatTy::F32).is_some(), "{name}");
    }
    // What is one instruction needs no libdevice.
    for (f, ty, name) in [
        (MathFn::Rsqrt, FloatTy::F32, "llvm.nvvm.rsqrt.approx.f"),
        (MathFn::Rsqrt, FloatTy::F64, "llvm.nvvm.rsqrt.approx.d"),
        (MathFn::Exp2, FloatTy::F32, "llvm.nvvm.ex2.approx.f"),
        (MathFn::Exp, FloatTy::F32, "__nv_expf"),
    ] {
        assert_eq!(callee_for(Arch::Nvptx, f, Flavor::Library, ty).map(|c| c.name).as_deref(), Some(name));
    }
    assert_eq!(host_symbol(MathFn::Erfinv, FloatTy::F32).as_deref(), Some("kad_erfinvf"));
    assert_eq!(host_symbol(MathFn::Sin, FloatTy::F64).as_deref(), Some("sin"));
}

fn float(f: MathFn, flavor: Flavor, ty: FloatTy, args: &[f64]) -> f64 {
    let nums: Vec<Num> = args.iter().map(|&x| Num::Float(x)).collect();
    match eval(f, flavor, Type::Float(ty), &nums) {
        Num::Float(x) => x,
        n => panic!("{f:?} gave {n:?}"),
    }
}

/// Catches: a wrong or inaccurate function in the interpreter's arithmetic.
#[test]
fn values_agree_with_mpmath() {
    for &(f, args, want) in known::KNOWN {
        let got = float(f, Flavor::Library, FloatTy::F64, args);
        let ulps = ((got - want) / (want.abs() * f64::EPSILON)).abs();
        // libm's Bessel functions lose relative accuracy by their zeros, its gamma by a few units.
        let limit = match f {
            MathFn::J0 | MathFn::J1 | MathFn::Y0 | MathFn::Y1 => 60.0,
            MathFn::CylBesselI0
            | MathFn::CylBesselI1
            | MathFn::Tgamma
            | MathFn::Lgamma
            | MathFn::Normcdf
            | MathFn::Tanpi
            | MathFn::Erfcx => 8.0,
            _ => 4.0,
        };
        assert!(ulps <= limit, "{f:?}{args:?} = {got:e}, want {want:e}: {ulps:.1} units in the last place");
    }
}

/// Catches: wrong values at the edges of domains, where derivative rules and kernels branch.
#[test]
fn edges() {
    use MathFn::*;
    let at = |f, args: &[f64]| float(f, Flavor::Library, FloatTy::F64, args);
    let inf = f64::INFINITY;
    assert_eq!(at(Erfinv, &[1.0]), inf);
    assert_eq!(at(Erfcinv, &[2.0]), -inf);
    assert!(at(Erfinv, &[1.5]).is_nan());
    assert_eq!(at(Normcdf, &[-40.0]), 0.0);
    assert_eq!(at(Normcdf, &[inf]), 1.0);
    assert_eq!(at(Erfcx, &[inf]), 0.0);
    assert_eq!(at(Erfcx, &[-30.0]), inf);
    assert_eq!(at(Sinpi, &[1e15]), 0.0);
    assert_eq!(at(Cospi, &[2.5]), 0.0);
    assert!(at(Sinpi, &[inf]).is_nan());
    assert_eq!(at(Saturate, &[f64::NAN]), 0.0);
    assert_eq!(at(Fmax, &[f64::NAN, 1.0]), 1.0);
    assert!(at(Fmaximum, &[f64::NAN, 1.0]).is_nan());
    assert!(at(Fmaximum, &[-0.0, 0.0]).is_sign_positive());
    assert!(at(Fminimum, &[0.0, -0.0]).is_sign_negative());
    assert_eq!(at(Fmed3, &[3.0, 1.0, 2.0]), 2.0);
    assert_eq!(at(ModfFrac, &[-inf]), 0.0);
    assert_eq!(at(Norm4d, &[f64::NAN, inf, 0.0, 0.0]), inf);
    assert_eq!(float(Fract, Flavor::Llvm, FloatTy::F32, &[-1e-20]), 1.0 - 2f64.powi(-24));
    assert_eq!(float(Nextafter, Flavor::Library, FloatTy::F32, &[0.0, -1.0]), -f64::from(f32::from_bits(1)));
    assert_eq!(float(Nextafter, Flavor::Library, FloatTy::F16, &[1.0, 2.0]), 1.0 + 2f64.powi(-10));
    // A fused product whose error decides: 1 + 2^-23 squared, minus its rounded square.
    let a = 1.0 + 2f64.powi(-23);
    assert_eq!(float(Fma, Flavor::Library, FloatTy::F32, &[a, a, -(1.0 + 2f64.powi(-22))]), 2f64.powi(-46));
    let int = |f, flavor, bits, x: f64| eval(f, flavor, Type::Int(bits), &[Num::Float(x)]);
    let zero = Flavor::Rounded { mode: Rounding::Zero, ftz: false };
    assert_eq!(int(ToInt, zero, 32, 1e20), Num::Int(i32::MAX.into()));
    assert_eq!(int(ToInt, zero, 32, f64::NAN), Num::Int(0));
    assert_eq!(int(ToUint, zero, 32, -5.0), Num::Int(0));
    assert_eq!(int(Lround, Flavor::Library, 64, -2.5), Num::Int(-3));
    assert_eq!(int(Lrint, Flavor::Library, 64, -2.5), Num::Int(-2));
    assert_eq!(int(FrexpExp, Flavor::Library, 32, 8.0), Num::Int(4));
}

/// Catches: directed rounding to the wrong side, by exact sums and products of f16 in f64.
#[test]
fn directed_rounding_brackets_the_exact_value() {
    let mut state = 12345u32;
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        half::f16::from_bits((state >> 16) as u16).to_f64()
    };
    let rounded = |mode| Flavor::Rounded { mode, ftz: false };
    let mut strict = 0;
    for _ in 0..20_000 {
        let (a, b) = (next(), next());
        if !a.is_finite() || !b.is_finite() {
            continue;
        }
        for f in [MathFn::Add, MathFn::Sub, MathFn::Mul] {
            let exact = match f {
                MathFn::Add => a + b,
                MathFn::Sub => a - b,
                _ => a * b,
            };
            let down = float(f, rounded(Rounding::Down), FloatTy::F16, &[a, b]);
            let up = float(f, rounded(Rounding::Up), FloatTy::F16, &[a, b]);
            let zero = float(f, rounded(Rounding::Zero), FloatTy::F16, &[a, b]);
            let near = float(f, rounded(Rounding::Nearest), FloatTy::F16, &[a, b]);
            assert!(down <= exact && exact <= up, "{f:?} {a} {b}: {down} {exact} {up}");
            assert!(
                down == up || float(MathFn::Nextafter, Flavor::Library, FloatTy::F16, &[down, up]) == up,
                "{f:?} {a} {b}"
            );
            assert_eq!(zero, if exact < 0.0 { up } else { down }, "{f:?} {a} {b}");
            assert!(near == down || near == up);
            strict += usize::from(down != up);
        }
    }
    assert!(strict > 1000);
    // Where f64 itself rounds, the sign of the error decides.
    let third = |mode| float(MathFn::Div, rounded(mode), FloatTy::F64, &[1.0, 3.0]);
    assert!(third(Rounding::Down) < third(Rounding::Up));
    assert_eq!(third(Rounding::Down), third(Rounding::Zero));
    let root = |mode| float(MathFn::Sqrt, rounded(mode), FloatTy::F64, &[2.0]);
    assert_eq!(root(Rounding::Up).to_bits() - root(Rounding::Down).to_bits(), 1);
    let tiny = |mode| float(MathFn::Fma, rounded(mode), FloatTy::F64, &[1.0, 1.0, 1e-40]);
    assert_eq!(tiny(Rounding::Down), 1.0);
    assert_eq!(tiny(Rounding::Up), 1.0 + f64::EPSILON);
}

/// Catches: a class test with a wrong bit, for every class and mask bit, run by a small evaluation of the built code.
#[test]
fn fp_class_tests_compare_as_llvm_defines() {
    let samples: [(f64, u32); 9] = [
        (f64::NAN, 3),
        (f64::NEG_INFINITY, 1 << 2),
        (-1.5, 1 << 3),
        (-1e-40, 1 << 4),
        (-0.0, 1 << 5),
        (0.0, 1 << 6),
        (1e-40, 1 << 7),
        (1.5, 1 << 8),
        (f64::INFINITY, 1 << 9),
    ];
    for mask in (0..1024u32).filter(|m| !matches!(m & 3, 1 | 2)) {
        for (x, class) in samples {
            let x = f64::from(x as f32);
            let got = crate::rules::tests::micro::eval_unary_call(
                "llvm.is.fpclass.f32",
                Type::F32,
                x,
                Some(mask.into()),
                Type::I1,
            );
            assert_eq!(got != 0.0, mask & class != 0, "{x} in {mask:#x}");
        }
    }
}
