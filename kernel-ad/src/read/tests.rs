use super::*;
use crate::kernel;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read_all(path: &Path) -> Vec<Kernel> {
    let m = load(path, &ReadOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    m.kernels()
        .iter()
        .map(|k| m.kernel(&k.name).unwrap_or_else(|e| panic!("{}: {}: {e}", path.display(), k.name)))
        .collect()
}

fn of_dir(dir: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("directory").map(|e| e.expect("entry").path()).collect();
    out.retain(|p| p.extension().is_some_and(|e| ["cu", "hip", "ll", "bc"].iter().any(|x| e == *x)));
    out.sort();
    out
}

/// Files named in `KAD_READ`, separated by colons: for looking at sources from elsewhere.
fn given() -> Vec<PathBuf> {
    std::env::var_os("KAD_READ").iter().flat_map(std::env::split_paths).filter(|p| p.is_file()).collect()
}

/// Shows the kernels of these files, or why they are refused.
#[test]
fn given_files_are_shown() {
    for f in given() {
        let m = load(&f, &ReadOptions::default()).unwrap_or_else(|e| panic!("{}: {e}", f.display()));
        for k in m.kernels() {
            match m.kernel(&k.name) {
                Ok(k) => {
                    println!("{}", kernel::print(&k));
                    kernel::verify(&k).unwrap_or_else(|e| panic!("{}: {}: {e}", f.display(), k.name));
                }
                Err(e) => println!("{}: {}: {e}", f.display(), k.name),
            }
        }
    }
}

fn examples() -> Vec<PathBuf> {
    let examples = root().join("../examples/cuda");
    ["nbody", "heat", "logistic"].iter().map(|n| examples.join(n).join(format!("{n}.cu"))).collect()
}

/// Catches: any construct of the corpus that the reader refuses, panics on, or makes invalid Kernel IR of; anything that
/// printing and parsing lose of it.
#[test]
fn corpus_reads_and_verifies() {
    let files = of_dir(&root().join("tests/corpus"));
    assert!(files.len() >= 4);
    for f in files.into_iter().chain(examples()) {
        for k in read_all(&f) {
            let text = kernel::print(&k);
            if std::env::var_os("KAD_SHOW").is_some() {
                println!("{text}");
            }
            kernel::verify(&k).unwrap_or_else(|e| panic!("{}: {}: {e}\n{text}", f.display(), k.name));
            let again =
                kernel::parse(&text).unwrap_or_else(|e| panic!("{}: {}: {e}\n{text}", f.display(), k.name));
            assert_eq!(kernel::print(&again), text, "{}: {}", f.display(), k.name);
        }
    }
}

const NVPTX: &str = "target datalayout = \"e-i64:64-i128:128-v16:16-v32:32-n16:32:64\"\ntarget triple = \"nvptx64-nvidia-cuda\"\n";
const AMD: &str = "target datalayout = \"e-p:64:64-p1:64:64-p2:32:32-p3:32:32-p4:64:64-p5:32:32-p6:32:32-p7:160:256:256:32-p8:128:128-p9:192:256:256:32-i64:64-v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512-v1024:1024-v2048:2048-n32:64-S32-A5-G1-ni:7:8:9\"\ntarget triple = \"amdgcn-amd-amdhsa\"\n";

/// Reads kernel `k` of a text for NVPTX.
pub(super) fn nvptx(body: &str) -> Result<Kernel> {
    read_module(format!("{NVPTX}{body}").as_bytes(), "test.ll")?.kernel("k")
}

/// Reads kernel `k` of a text for AMDGPU.
pub(super) fn amd(body: &str) -> Result<Kernel> {
    read_module(format!("{AMD}{body}").as_bytes(), "test.ll")?.kernel("k")
}

fn code<T: std::fmt::Debug>(r: Result<T>) -> Code {
    r.expect_err("an error").0[0].code
}

/// A kernel whose text, without locations, is checked.
pub(super) fn shown(k: Result<Kernel>) -> String {
    let k = k.unwrap_or_else(|e| panic!("{e}"));
    kernel::verify(&k).unwrap_or_else(|e| panic!("{e}\n{}", kernel::print(&k)));
    kernel::print(&k)
}

/// Catches: a kind of bad input that gets the wrong code, a panic, or is accepted.
#[test]
fn bad_modules_have_their_codes() {
    assert_eq!(code(read_module(b"", "empty")), Code::WrongTriple);
    assert_eq!(code(read_module(b"define void @f( {", "x.ll")), Code::MalformedIr);
    assert_eq!(code(read_module(b"BC\xC0\xDE garbage", "x.bc")), Code::MalformedIr);
    assert_eq!(code(read_module(&[0u8; 64], "zeros")), Code::MalformedIr);
    assert_eq!(code(read_module(b"target triple = \"x86_64-linux-gnu\"\n", "x.ll")), Code::WrongTriple);
    assert_eq!(code(read_module(NVPTX.as_bytes(), "x.ll")), Code::NoKernel);
    let invalid = format!("{NVPTX}define ptx_kernel void @k(i32 %a) {{\n ret i32 %a\n}}");
    assert_eq!(code(read_module(invalid.as_bytes(), "x.ll")), Code::MalformedIr);
    assert_eq!(code(load(Path::new("/nowhere/a.ll"), &ReadOptions::default())), Code::FileUnreadable);
    assert_eq!(code(load(Path::new("/nowhere/a.cu"), &ReadOptions::default())), Code::FileUnreadable);
}

/// Catches: errors of LLVM's parser losing line, column or the line itself.
#[test]
fn parse_errors_have_places() {
    let e = read_module(
        b"target triple = \"nvptx64-nvidia-cuda\"\ndefine void @f() {\n  %x = fadd flot 1.0, 2.0\n}\n",
        "a.ll",
    );
    let d = e.expect_err("an error").0.remove(0);
    let p = d.place.expect("a place");
    assert_eq!((p.file.as_str(), p.line, p.col), ("a.ll", 3, 13));
    assert!(d.ir.expect("the line").contains("flot"), "the guilty line is shown");
}

/// Catches: names that fit several kernels or none being taken for some kernel.
#[test]
fn kernels_are_found_by_name() {
    let body = "define ptx_kernel void @_Z4axpyIfEvPT_() { ret void }\ndefine ptx_kernel void @_Z4axpyIdEvPT_() { ret void }\n\
        define void @plain() { ret void }\ndefine void @noted() { ret void }\n\
        !nvvm.annotations = !{!0}\n!0 = !{ptr @noted, !\"kernel\", i32 1}\n";
    let m = read_module(format!("{NVPTX}{body}").as_bytes(), "x.ll").expect("a module");
    let names: Vec<&str> = m.kernels().iter().map(|k| k.name.as_str()).collect();
    assert_eq!(names, ["_Z4axpyIfEvPT_", "_Z4axpyIdEvPT_", "noted"]);
    assert_eq!(m.find("axpy<float>").expect("one").name, "_Z4axpyIfEvPT_");
    assert_eq!(m.find("noted").expect("one").name, "noted");
    let many = m.find("axpy").expect_err("two").0.remove(0);
    assert!(many.help.expect("help").contains("_Z4axpyIdEvPT_"));
    let plain = m.find("plain").expect("a function");
    assert!(plain.is_function && m.device_functions() == [plain.clone()]);
    assert!(
        m.callable("plain").is_ok_and(|k| k.is_function) && m.kernel("plain").is_ok_and(|k| !k.is_function)
    );
    assert_eq!(code(m.kernel("plane")), Code::NoSuchKernel);
    let near = m.find("nited").expect_err("none").0.remove(0);
    assert!(near.help.expect("help").contains("noted"));
}

/// Catches: something that Kernel IR cannot hold being dropped or renamed instead of refused.
#[test]
fn what_cannot_be_held_is_refused() {
    let refused = |body: &str, want: Code, says: &str| {
        let e = nvptx(body).expect_err(says);
        let d = &e.0[0];
        assert_eq!(d.code, want, "{e}");
        assert!(e.to_string().contains(says), "{e}");
    };
    let kernel = |inside: &str| {
        format!("define ptx_kernel void @k(ptr %p, i64 %n, ptr %f) {{\n{inside}\n ret void\n}}\n")
    };
    refused(&kernel("call void %f()"), Code::UnsupportedCall, "indirect call");
    refused(
        "define ptx_kernel void @k(i32 %n) { call void @f(i32 %n)\n ret void }\n\
         define void @f(i32 %n) {\n %z = icmp eq i32 %n, 0\n br i1 %z, label %out, label %more\n\
         more:\n %m = sub i32 %n, 1\n call void @f(i32 %m)\n call void @f(i32 %m)\n br label %out\nout:\n ret void }\n",
        Code::UnsupportedCall,
        "recursion of `f`",
    );
    refused(
        &kernel("%v = load <vscale x 4 x float>, ptr %p\n store <vscale x 4 x float> %v, ptr %f"),
        Code::UnsupportedIr,
        "scalable",
    );
    refused(
        &kernel("%v = load fp128, ptr %p\n store volatile fp128 %v, ptr %f"),
        Code::UnsupportedIr,
        "fp128",
    );
    refused(
        &kernel("%v = load i256, ptr %p\n store volatile i256 %v, ptr %f"),
        Code::UnsupportedIr,
        "256 bits",
    );
    refused(
        &kernel(
            "%a = alloca float, i64 %n\n store volatile float 1.0, ptr %a\n %v = load volatile float, ptr %a",
        ),
        Code::UnsupportedIr,
        "local memory",
    );
    refused(
        &kernel("call void asm sideeffect \"barrier.cluster.arrive;\", \"\"()"),
        Code::UnsupportedIr,
        "acts on memory or other threads",
    );
    refused(
        &format!(
            "declare void @llvm.nvvm.cp.async.wait.all()\n{}",
            kernel("call void @llvm.nvvm.cp.async.wait.all()")
        ),
        Code::UnsupportedIr,
        "llvm.nvvm.cp.async",
    );
    refused(
        &kernel("%q = getelementptr float, ptr %p, <2 x i64> <i64 1, i64 2>\n store volatile <2 x ptr> %q, ptr %f"),
        Code::UnsupportedIr,
        "vector of addresses",
    );
}

/// Catches: refusing at the first problem only, or without the place and the instruction.
#[test]
fn refusals_are_collected_with_places() {
    let e = nvptx(
        "define ptx_kernel void @k(ptr %p, ptr %q) !dbg !4 {\n\
         %v = load volatile fp128, ptr %p, !dbg !7\n store volatile fp128 %v, ptr %q, !dbg !8\n ret void }\n\
         !llvm.dbg.cu = !{!0}\n!llvm.module.flags = !{!3}\n\
         !0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, emissionKind: LineTablesOnly)\n\
         !1 = !DIFile(filename: \"k.cu\", directory: \"/src\")\n!3 = !{i32 2, !\"Debug Info Version\", i32 3}\n\
         !4 = distinct !DISubprogram(name: \"k\", file: !1, line: 3, type: !5, unit: !0, spFlags: DISPFlagDefinition)\n\
         !5 = !DISubroutineType(types: !6)\n!6 = !{}\n\
         !7 = !DILocation(line: 4, column: 9, scope: !4)\n!8 = !DILocation(line: 5, column: 2, scope: !4)\n",
    )
    .expect_err("refused");
    assert_eq!(e.0.len(), 2, "{e}");
    let p = e.0[0].place.as_ref().expect("a place");
    assert_eq!((p.file.as_str(), p.line, p.col, p.function.as_deref()), ("k.cu", 4, 9, Some("k")));
    assert!(e.0[0].ir.as_deref().expect("ir").contains("load volatile fp128"));
}

/// Catches: a corrupted module ending the process, or a panic of ours on what still parses.
#[test]
fn corrupted_modules_do_not_crash() {
    use rand::{Rng, SeedableRng};
    let rounds: usize = std::env::var("KAD_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let seed = std::env::var("KAD_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let path = root().join("../examples/cuda/nbody/nbody.cu");
    let bitcode = load(&path, &ReadOptions::default()).expect("nbody").bitcode;
    let ctx = Context::create();
    let text = Ir::parse(&ctx, &bitcode, "x").expect("a module").text().into_bytes();
    // Bitcode costs a process each time.
    for (original, rounds) in [(&text, rounds), (&bitcode, rounds / 5)] {
        for i in 0..rounds {
            let mut bytes = original.clone();
            if i % 3 == 0 {
                bytes.truncate(rng.random_range(0..bytes.len()));
            } else {
                for _ in 0..rng.random_range(1..4) {
                    let at = rng.random_range(0..bytes.len());
                    bytes[at] = rng.random();
                }
            }
            if let Some(path) = std::env::var_os("KAD_KEEP") {
                std::fs::write(path, &bytes).expect("written");
            }
            if let Ok(m) = read_module(&bytes, "corrupted") {
                for k in m.kernels() {
                    let _ = m.kernel(&k.name);
                }
            }
        }
    }
}
