//! Every operation on every kind of GPU: either it is refused, or LLVM and ptxas take it.

use super::*;
use crate::emit::codegen::compile;
use crate::emit::Target;
use crate::kernel::{parse, verify, Named};
use std::path::PathBuf;
use std::process::Command;

/// ptxas below the repository's tool folder, or on PATH. Without it PTX is not validated, which is said.
fn ptxas() -> Option<PathBuf> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools/nvidia/cuda_nvcc/bin/ptxas");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own)
        .chain(std::env::split_paths(&path).map(|d| d.join("ptxas")))
        .find(|p| p.is_file());
    if found.is_none() {
        eprintln!("skipped: ptxas was not found, PTX is not validated; ci/fetch-ptxas fetches it");
    }
    found
}

/// Asserts that ptxas takes the PTX.
fn validate(ptx: &[u8], arch: &str) {
    let Some(ptxas) = ptxas() else { return };
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("k.ptx");
    std::fs::write(&file, ptx).expect("write");
    let out = Command::new(ptxas)
        .args([&format!("-arch={arch}"), "-o", "/dev/null"])
        .arg(&file)
        .output()
        .expect("start ptxas");
    let message = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{arch}: {message}\n{}", String::from_utf8_lossy(ptx));
}

/// Catches a processor or a version of PTX that LLVM does not know: it only warns, and writes its default.
#[test]
fn every_version_is_written_for_every_processor_that_it_has() {
    let k =
        kernel("kernel @k(ptr.global %p) nvptx { e: %t = tid.x store i32 %t, ptr.global %p, align 4 ret }");
    let mut pairs = 0;
    for processor in Target::all().iter().filter(|t| t.starts_with("nvptx")) {
        for isa in crate::emit::isa::Isa::all() {
            let name = format!("{processor}+{}", isa.feature());
            let Ok(target) = Target::parse(&name) else { continue };
            let ptx = code_of(&target, &k, &Libraries::none());
            let text = String::from_utf8_lossy(&ptx);
            let cpu = processor.trim_start_matches("nvptx:");
            assert!(text.contains(&format!("\n.version {isa}\n")), "{name}: {text}");
            assert!(text.contains(&format!("\n.target {cpu}\n")), "{name}: {text}");
            // Enough to see that ptxas agrees on which version came with which processor.
            let Target::Nvptx(nv) = &target else { unreachable!("asked for") };
            if isa == nv.oldest_isa() || isa.previous().is_some_and(|p| p == nv.oldest_isa()) {
                validate(&ptx, cpu);
            }
            pairs += 1;
        }
    }
    assert!(pairs > 80, "{pairs}");
}

/// Catches an AMD processor that LLVM does not know, settings that do not reach the code, and warps of another size.
#[test]
fn every_amd_processor_is_written() {
    let none = Libraries::none();
    let of = |name: &str, arch: &str| {
        let text = format!(
            "kernel @k(ptr.global %p) {arch} {{ e: %t = tid.x store i32 %t, ptr.global %p, align 4 ret }}"
        );
        let Target::Amdgpu(cpu) = target(name) else { unreachable!("asked for") };
        let k = kernel(&text);
        let mut module = amdgpu(&[&k], &cpu, &none).unwrap_or_else(|e| panic!("{e}"));
        module.recipe.output = Output::Assembly;
        String::from_utf8(compile(&module.text, &module.recipe).unwrap()).unwrap()
    };
    for name in Target::all().iter().filter(|t| t.starts_with("amdgpu")) {
        let Target::Amdgpu(cpu) = target(name) else { unreachable!("asked for") };
        for &warp in cpu.warp_sizes() {
            let asm = of(name, &format!("amdgpu warp({warp})"));
            assert!(asm.contains(&format!("\"amdgcn-amd-amdhsa--{}", cpu.name)), "{asm}");
            assert_eq!(asm.contains(".amdhsa_wavefront_size32 1"), warp == 32, "{name}: {asm}");
        }
    }
    for version in [4, 5, 6] {
        let asm = of(&format!("amdgpu:gfx90a:sramecc+:xnack-:cov{version}"), "amdgpu");
        assert!(asm.contains(&format!(".amdhsa_code_object_version {version}")), "{asm}");
        assert!(asm.contains("\"amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-\""), "{asm}");
    }
}

/// Catches movements between lanes that reach half a warp only, silently (permutations with warps of 64 since gfx10), and DPP controls that
/// a processor lacks, over which LLVM fails.
#[test]
fn lanes_that_a_processor_cannot_reach_are_refused() {
    let permute = "warp.ds_bpermute i32 %n, f32 %f";
    let scatter = "warp.scatter_add i64 -1, f32 %f, i32 %n";
    let dpp = |control: u32| format!("warp.update_dpp i32 %n, %n, {control}, 15, 15, i1 false");
    for (line, arch, processor, fits) in [
        (permute.to_string(), "amdgpu", "gfx90a", true),
        (permute.to_string(), "amdgpu", "gfx1100", false),
        (permute.to_string(), "amdgpu", "gfx1030", false),
        (permute.to_string(), "amdgpu warp(32)", "gfx1100", true),
        (scatter.to_string(), "amdgpu", "gfx942", true),
        (scatter.to_string(), "amdgpu", "gfx1201", false),
        (dpp(0x111), "amdgpu", "gfx1100", true),
        (dpp(0x142), "amdgpu", "gfx90a", true),
        (dpp(0x142), "amdgpu warp(32)", "gfx1100", false),
        (dpp(0x138), "amdgpu", "gfx1010", false),
        (dpp(0x151), "amdgpu", "gfx906", false),
        (dpp(0x151), "amdgpu", "gfx90a", true),
        (dpp(0x161), "amdgpu", "gfx942", false),
        (dpp(0x161), "amdgpu warp(32)", "gfx1201", true),
        (dpp(0x100), "amdgpu", "gfx90a", false),
    ] {
        let target = target(&format!("amdgpu:{processor}"));
        let ty = if line.contains("f32") { "f32" } else { "i32" };
        let k = kernel(&around(arch, &format!("  %r = {line}"), Some(ty)));
        match text_of(&target, &k, &Libraries::none()) {
            Ok(_) => {
                assert!(fits, "{processor}, {arch}: {line}");
                code_of(&target, &k, &Libraries::none());
            }
            Err(e) => {
                assert!(!fits && e.0[0].code == Code::NotOnTarget, "{processor}, {arch}: {line}: {e}");
            }
        }
    }
}

/// Catches a size of dynamic shared memory, of which code objects of version 4 know the sum with the static one only, that is off by what
/// LLVM puts between the two.
#[test]
fn version_4_subtracts_the_static_shared_memory() {
    let text = "global ptr.shared @s bytes 132 align 4 global ptr.shared @d bytes 0 align 16 external \
        kernel @k(ptr.global %out) amdgpu { e: store f32 1.0, ptr.shared @s, align 4 volatile store f32 1.0, ptr.shared @d, align 4 volatile \
        %n = dynamic_shared_size store i32 %n, ptr.global %out, align 4 ret }";
    let Target::Amdgpu(cpu) = target("amdgpu:gfx90a:cov4") else { unreachable!("asked for") };
    let (k, none) = (kernel(text), Libraries::none());
    let mut module = amdgpu(&[&k], &cpu, &none).unwrap_or_else(|e| panic!("{e}"));
    module.recipe.output = Output::Assembly;
    let asm = String::from_utf8(compile(&module.text, &module.recipe).unwrap()).unwrap();
    let subtracted =
        asm.lines().any(|l| l.trim().starts_with("s_sub_i32") && l.ends_with(&format!(", {:#x}", 144)));
    assert!(asm.contains(".amdhsa_group_segment_fixed_size 144") && subtracted, "{asm}");
}

/// Catches variables in shared memory, shadows among them, that only the driver would refuse.
#[test]
fn too_much_shared_memory_is_refused() {
    let libraries = Libraries::none();
    for (target, most) in [("nvptx:sm_80", 48 << 10), ("amdgpu:gfx90a", 64 << 10)] {
        let target = Target::parse(target).expect("a target");
        let arch = target.to_string().split(':').next().expect("a name").to_string();
        let text = |bytes: u32| {
            format!("global ptr.shared @s bytes {bytes} align 4 kernel @k() {arch} {{ e: store f32 1.0, ptr.shared @s, align 4 ret }}")
        };
        let fits = |bytes: u32| text_of(&target, &parse(&text(bytes)).expect("parses"), &libraries);
        assert!(fits(most).is_ok());
        let e = fits(most + 4).expect_err("too large");
        assert_eq!(e.0[0].code, Code::TooLarge);
        assert!(e.to_string().contains("`s` has"), "{e}");
    }
}

fn text_of(target: &Target, k: &Kernel, libraries: &Libraries) -> Result<String> {
    Ok(match target {
        Target::Nvptx(cpu) => nvptx(&[k], cpu, libraries)?.text,
        Target::Amdgpu(cpu) => amdgpu(&[k], cpu, libraries)?.text,
        Target::Host(_) => unreachable!("a GPU"),
    })
}

/// Compiles; PTX or an AMD object.
fn code_of(target: &Target, k: &Kernel, libraries: &Libraries) -> Vec<u8> {
    let module = match target {
        Target::Nvptx(cpu) => nvptx(&[k], cpu, libraries),
        Target::Amdgpu(cpu) => amdgpu(&[k], cpu, libraries),
        Target::Host(_) => unreachable!("a GPU"),
    };
    let module = module.unwrap_or_else(|e| panic!("{e}"));
    // LLVM ends the process over what it cannot select: then this is what to give to llc.
    if let Some(dir) = std::env::var_os("KAD_KEEP") {
        std::fs::write(PathBuf::from(dir).join(format!("{target}.ll")), &module.text).expect("write");
    }
    compile(&module.text, &module.recipe).unwrap_or_else(|e| panic!("{target}: {e}\n{}", module.text))
}

fn kernel(text: &str) -> Kernel {
    let k = parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    verify(&k).unwrap_or_else(|e| panic!("{e}\n{text}"));
    k
}

fn target(name: &str) -> Target {
    Target::parse(name).expect("a target")
}

/// A kernel around instructions that end with a value `%r` of type `ty`, or with none.
fn around(arch: &str, body: &str, ty: Option<&str>) -> String {
    let store = match ty {
        Some("i1") => {
            "  %w = zext i1 %r to i32\n  store i32 %w, ptr.global %out, align 4 volatile\n".to_string()
        }
        Some(ty) => format!("  store {ty} %r, ptr.global %out, align 1 volatile\n"),
        None => String::new(),
    };
    format!(
        "global ptr.shared @tile bytes 1024 align 4\nglobal ptr.shared @dyn bytes 0 align 16 external\n\
         kernel @k(ptr.global %out, ptr %in, i32 %n, i64 %l, f32 %f, f64 %d, f16 %h, bf16 %b, i1 %c, i8 %i8, i16 %i16) {arch} {{\n\
         entry:\n  %t = tid.x\n{body}\n{store}  ret\n}}\n"
    )
}

fn float_types() -> [(FloatTy, &'static str, &'static str); 4] {
    [
        (FloatTy::F32, "f32", "%f"),
        (FloatTy::F64, "f64", "%d"),
        (FloatTy::F16, "f16", "%h"),
        (FloatTy::Bf16, "bf16", "%b"),
    ]
}

/// One line for a math function on a format, naming its result's type.
fn math_line(f: MathFn, flavor: Flavor, ty: &str, x: &str) -> (String, String) {
    use MathFn::*;
    let flavor = match flavor.name() {
        "library" => String::new(),
        name => format!(" {name}"),
    };
    let name = f.name();
    let xs = vec![x; f.arity()].join(", ");
    match f {
        Powi | Ldexp => (format!("math.{name}{flavor} {ty} {x}, i32 %n"), ty.into()),
        Jn | Yn => (format!("math.{name}{flavor} i32 %n, {ty} {x}"), ty.into()),
        FromInt | FromUint => (format!("math.{name}{flavor} i32 %n -> {ty}"), ty.into()),
        Convert => (format!("math.{name}{flavor} {ty} {x} -> f32"), "f32".into()),
        Lround | Lrint | ToInt | ToUint => (format!("math.{name}{flavor} {ty} {x} -> i64"), "i64".into()),
        Ilogb | FrexpExp | RemquoQuo | IsNan | IsInf | IsFinite | SignBit => {
            (format!("math.{name}{flavor} {ty} {xs}"), "i32".into())
        }
        _ => (format!("math.{name}{flavor} {ty} {xs}"), ty.into()),
    }
}

/// Catches a function for which LLVM has no instruction ("cannot select" ends the process), a wrong name or signature of an
/// intrinsic or library function, and PTX that ptxas rejects. Also counts what is supported, so that losing functions is seen.
#[test]
fn every_math_function_is_refused_or_compiles() {
    let installed = Libraries::installed();
    let none = Libraries::none();
    for (arch, name, libraries, at_least) in [
        ("nvptx", "nvptx:sm_70", &none, 1400),
        ("nvptx", "nvptx:sm_90", installed, 80),
        ("amdgpu", "amdgpu:gfx90a", &none, 1350),
        ("amdgpu", "amdgpu:gfx1100", installed, 80),
    ] {
        let target = target(name);
        let wave32 = name.contains("gfx1");
        let arch = if wave32 { "amdgpu warp(32)" } else { arch };
        let (mut body, mut n) = (String::new(), 0);
        for &f in MathFn::all() {
            for &flavor in Flavor::all() {
                for (_, ty, x) in float_types() {
                    // With libraries, only what calls them: the rest was tested without.
                    let own = matches!(flavor, Flavor::Library | Flavor::Fast) && matches!(ty, "f32" | "f64");
                    if !own && std::ptr::eq(libraries, installed) {
                        continue;
                    }
                    let (line, result) = math_line(f, flavor, ty, x);
                    let Ok(k) = parse(&around(arch, &format!("  %r = {line}"), Some(&result))) else {
                        continue;
                    };
                    if verify(&k).is_err() {
                        continue;
                    }
                    match text_of(&target, &k, libraries) {
                        Ok(_) => {
                            body += &format!("  %r{n} = {line}\n  store {result} %r{n}, ptr.global %out, align 1 volatile\n");
                            n += 1;
                        }
                        Err(e) => assert!(
                            matches!(e.0[0].code, Code::NotOnTarget | Code::ToolMissing),
                            "{name}: {line}: {e}"
                        ),
                    }
                }
            }
        }
        eprintln!("{name}: {n} of the functions, flavors and formats");
        assert!(n >= at_least, "{name}: only {n}");
        let k = kernel(&around(arch, &body, None));
        let code = code_of(&target, &k, libraries);
        if let Target::Nvptx(cpu) = &target {
            validate(&code, cpu.name);
        }
    }
}

/// Catches the same for integer functions, atomics of every width, and warp operations.
#[test]
fn every_other_operation_is_refused_or_compiles() {
    let none = Libraries::none();
    let mut lines: Vec<String> = Vec::new();
    for f in IntFn::all() {
        for (ty, x) in [("i8", "%i8"), ("i16", "%i16"), ("i32", "%n"), ("i64", "%l")] {
            let name = f.name();
            for args in [
                x.to_string(),
                format!("{x}, {x}"),
                format!("{x}, {x}, {x}"),
                format!("{x}, i32 %n, %n"),
                format!("{x}, {x}, i32 %n, %n"),
            ] {
                lines.push(format!("int.{name} {ty} {args}"));
            }
        }
    }
    for op in RmwOp::all() {
        for (ty, x) in [
            ("i8", "%i8"),
            ("i16", "%i16"),
            ("i32", "%n"),
            ("i64", "%l"),
            ("f32", "%f"),
            ("f64", "%d"),
            ("f16", "%h"),
            ("bf16", "%b"),
        ] {
            for ptr in ["ptr.global %out", "ptr %in", "ptr.shared @tile"] {
                let align = ty.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().unwrap() / 8;
                lines.push(format!(
                    "atomicrmw {} {ptr}, {ty} {x}, align {align} monotonic scope(device)",
                    op.name()
                ));
            }
        }
    }
    for op in WarpOp::all() {
        for args in [
            "",
            "i32 -1",
            "i64 -1, i1 %c",
            "i32 -1, i1 %c",
            "i32 -1, i32 %n",
            "i32 -1, i64 %l",
            "i32 %n",
            "i32 %n, %n",
            "i32 %n, 1055",
            "i32 -1, i32 %n, 1, 31",
            "i32 -1, f32 %f, i32 %n",
            "i32 -1, f64 %d, i32 %n",
            "i64 -1, f32 %f, i32 %n",
            "i64 -1, f64 %d, i32 %n",
            "i32 -1, f32 %f, i32 1, 31",
            "i32 -1, f64 %d, i32 1, 31",
            "i32 -1, f16 %h, i32 1, 31",
            "i32 -1, i8 %i8, i32 1, 31",
            "i32 %n, %n, 273, 15, 15, i1 false",
        ] {
            lines.push(format!("warp.{} {args}", op.name()));
        }
    }
    for s in Special::all() {
        lines.push(s.name().to_string());
    }
    for line in [
        "cmpxchg ptr.global %out, i32 %n, %n, align 4 acq_rel scope(block) failure acquire",
        "cmpxchg weak ptr %in, i16 %i16, %i16, align 2 seq_cst failure monotonic",
        "cmpxchg ptr.shared @tile, i64 %l, %l, align 8 seq_cst failure seq_cst",
        "load i32, ptr.global %out, align 4 acquire scope(device)",
        "load f64, ptr %in, align 8 seq_cst",
        "load i32, ptr.global %out, align 4 invariant",
        "load i8, ptr.shared @tile, align 1 monotonic scope(block)",
        "udiv i128 5, 3",
        "frem f32 %f, 3.0",
        "frem f64 %d, 3.0",
        "frem f16 %h, 3.0",
        "frem bf16 %b, 3.0",
        "fdiv bf16 %b, 3.0",
        "fadd f16 %h, 3.0",
        "fneg bf16 %b",
        "fcmp ult bf16 %b, 3.0",
        "fptosi bf16 %b to i32",
        "uitofp i64 %l to f16",
        "fptrunc f64 %d to bf16",
        "fpext f16 %h to f64",
        "srem i64 %l, 3",
        "load i32, ptr.shared @dyn, align 4",
        "addrspacecast ptr.shared @tile to ptr",
        "alloca ptr bytes 16, align 8",
        "fptoui f64 %d to i8",
        "select i1 %c, f32 %f, 1.0",
        "barrier.popc pred i1 %c",
        "barrier.and pred i1 %c",
        "barrier.or id i32 3 count i32 64 pred i1 %c",
        "call @vprintf(ptr %in, %in) -> i32",
    ] {
        lines.push(line.to_string());
    }
    let void = [
        "store i32 %n, ptr.global %out, align 4 release scope(device)",
        "store f32 %f, ptr.global %out, align 4 seq_cst",
        "store f32 %f, ptr.shared @tile, align 4 monotonic scope(block)",
        "store i32 %n, ptr.global %out, align 4 volatile nontemporal",
        "fence seq_cst",
        "fence acq_rel scope(device)",
        "fence acquire scope(block)",
        "fence release scope(block one_as)",
        "fence acquire scope(thread)",
        "barrier.sync",
        "barrier.sync unaligned id i32 1 count i32 64",
        "barrier.sync id i32 2",
        "barrier.sync id i32 %n count i32 64",
        "barrier.arrive id i32 1 count i32 64",
        "memcpy ptr.global %out, ptr %in, i64 64, align 4, align 4",
        "memmove ptr.global %out, ptr %in, i64 %l, align 1, align 1",
        "memset ptr.global %out, i8 0, i64 %l, align 1",
        "warp.sync i32 -1",
        "warp.wave_barrier",
        "accumulate atomic ptr.global %out, f32 %f, align 4",
        "accumulate atomic ptr %in, f64 %d, align 8",
        "accumulate ptr %in, f16 %h, align 2",
        "accumulate atomic ptr.global %out, f16 %h, align 2",
        "accumulate atomic ptr.global %out, bf16 %b, align 2",
        "accumulate atomic ptr.shared @tile, f32 %f, align 4",
        "accumulate atomic ptr.global %out, <2 x f32> splat(2.0), align 8",
        "trap",
    ];
    for (arch, name, at_least) in [
        ("nvptx", "nvptx:sm_70", 300),
        ("nvptx", "nvptx:sm_90a", 300),
        ("nvptx", "nvptx:sm_70+ptx85", 300),
        ("nvptx", "nvptx:sm_90+ptx85", 300),
        ("amdgpu", "amdgpu:gfx906", 250),
        ("amdgpu", "amdgpu:gfx90a", 250),
        ("amdgpu", "amdgpu:gfx942", 250),
        ("amdgpu", "amdgpu:gfx90a:cov4", 250),
        ("amdgpu", "amdgpu:gfx1100:cov6", 230),
        ("amdgpu warp(32)", "amdgpu:gfx1030", 250),
        ("amdgpu warp(32)", "amdgpu:gfx1100", 250),
        ("amdgpu warp(32)", "amdgpu:gfx1201", 250),
    ] {
        let target = target(name);
        let (mut body, mut n) = (String::new(), 0);
        let (asm, register) =
            if arch == "nvptx" { ("mov.u32 $0, %laneid;", "r") } else { ("v_mov_b32 $0, 1", "v") };
        let mut results = vec![(format!("%r = asm volatile \"{asm}\", \"={register}\"() -> i32"), true)];
        results.extend(lines.iter().map(|l| (format!("%r = {l}"), true)));
        results.extend(void.iter().map(|l| (l.to_string(), false)));
        for (line, has_result) in results {
            let text = around(arch, &format!("  {line}"), None);
            let Ok(k) = parse(&text) else { continue };
            if verify(&k).is_err() {
                continue;
            }
            match text_of(&target, &k, &none) {
                Ok(_) => {
                    body += &format!(
                        "  {}\n",
                        if has_result { line.replacen("%r", &format!("%r{n}"), 1) } else { line }
                    );
                    if has_result {
                        let k = &k;
                        let v =
                            k.iter_insts().filter_map(|(_, i)| k.insts[i].result).last().expect("a result");
                        let ty = crate::kernel::print_type(k, k.ty(v));
                        body += &format!("  store {ty} %r{n}, ptr.global %out, align 1 volatile\n");
                    }
                    n += 1;
                }
                Err(e) => assert_eq!(e.0[0].code, Code::NotOnTarget, "{name}: {line}: {e}"),
            }
        }
        eprintln!("{name}: {n} operations");
        assert!(n >= at_least, "{name}: only {n}");
        let k = kernel(&around(arch, &body, None));
        let code = code_of(&target, &k, &none);
        if let Target::Nvptx(cpu) = &target {
            validate(&code, cpu.name);
        }
    }
}

/// Catches a vote on AMD whose word of shared memory is forgotten where the space is counted, and one that lanes of a wave
/// would come to from several places.
#[test]
fn votes_on_amd_take_a_word_and_whole_waves() {
    let (target, libraries) = (target("amdgpu:gfx90a"), Libraries::none());
    let text = |bytes: u32, how: &str| {
        format!(
            "global ptr.shared @s bytes {bytes} align 4 kernel @k(ptr.global %x) amdgpu {{ e: %t = tid.x %c = icmp ult i32 %t, 3
             %n = barrier.popc{how} pred i1 %c store i32 %n, ptr.global %x store i32 %n, ptr.shared @s, align 4 ret }}"
        )
    };
    let made = text_of(&target, &kernel(&text(16, "")), &libraries).expect("made");
    assert!(made.contains("@kad.votes") && made.contains("s.barrier"), "{made}");
    assert!(code_of(&target, &kernel(&text((64 << 10) - 4, "")), &libraries).len() > 100);
    let code = |text: &str| text_of(&target, &kernel(text), &libraries).expect_err("refused").0[0].code;
    assert_eq!(code(&text(64 << 10, "")), Code::TooLarge);
    assert_eq!(code(&text(16, " unaligned")), Code::NotOnTarget);
}
