//! Derivatives of device functions as device functions, and planted faults that the checks of artifacts must find.

use super::{check_artifact, checked, Made, Outcome};
use kernel_ad::diag::{Code, Family};
use kernel_ad::emit::{emit, Format, Target};
use kernel_ad::grad::{reverse, tangent, Roles};
use kernel_ad::kernel::{Arch, Kernel, Type};
use kernel_ad::plan::PlanOptions;
use kernel_ad::read::{self, ReadOptions};
use shadow_mem::{Manifest, Role};
use std::path::Path;

/// Pointers lead to differentiated memory, floats are differentiated.
fn roles(k: &Kernel) -> Roles {
    let role = |ty: Type| match ty {
        ty if ty.is_ptr() => Role::Dup,
        ty if ty.is_float() => Role::Active,
        _ => Role::Const,
    };
    Roles::of(&k.params.iter().map(|p| role(p.ty)).collect::<Vec<_>>())
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name)
}

/// Catches functions that are emitted as kernels or not at all, whose parameters are others than the manifest's, and that ptxas or AMD's
/// disassembler does not take.
#[test]
fn device_functions_become_device_functions() {
    let (mut emitted, mut refused, mut failures) = (0, 0, Vec::new());
    let mut options = ReadOptions::default();
    options.compile.keep_functions = true;
    for source in ["functions.cu", "derivatives.cu", "hip/functions.hip", "hip/derivatives.hip"] {
        let module = read::load(&file(source), &options).unwrap_or_else(|e| panic!("{e}"));
        for info in module.device_functions() {
            let k = match module.callable(&info.name) {
                Ok(k) => k,
                Err(e) if e.0.iter().all(|d| d.code.family() == Family::Unsupported) => continue,
                Err(e) => panic!("{source}: {}: {e}", info.name),
            };
            let targets = match k.source.arch {
                Arch::Nvptx => ["nvptx:sm_70", "nvptx:sm_90+ptx85"],
                Arch::Amdgpu => ["amdgpu:gfx90a", "amdgpu:gfx1100:cov4"],
            };
            let roles = roles(&k);
            let made = [reverse(&k, &roles, &PlanOptions::default()), tangent(&k, &roles)];
            for (made, target) in made.into_iter().zip(targets) {
                let g = match made {
                    Ok(g) => Made::One(g),
                    // A function has no tape.
                    Err(e)
                        if e.0.iter().all(|d| {
                            d.code.family() == Family::Unsupported || d.code == Code::TapeTooLarge
                        }) =>
                    {
                        refused += 1;
                        continue;
                    }
                    Err(e) => panic!("{source}: {}: {e}", info.name),
                };
                match checked(&format!("{source}: {}", info.name), &g, target, true) {
                    (_, Ok(Outcome::Emitted(_))) => emitted += 1,
                    (_, Ok(_)) => refused += 1,
                    (what, Err(e)) => failures.push(format!("{what}: {e}")),
                }
            }
        }
    }
    println!("{emitted} functions emitted, {refused} refused");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(emitted >= 20, "{emitted}");
}

/// Catches checks that cannot fail: every one of these faults must be found, by what it is.
#[test]
fn planted_faults_are_found() {
    let k = read::load(&file("hip/shared.hip"), &ReadOptions::default()).unwrap();
    let k = k.kernel(&k.kernels()[0].name).unwrap();
    let g = reverse(&k, &roles(&k), &PlanOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let good =
        emit(&g, &Target::parse("amdgpu:gfx90a").unwrap(), Format::Obj).unwrap_or_else(|e| panic!("{e}"));
    check_artifact(&good, false).unwrap();
    let scalar = g.params.iter().position(|p| p.bytes == 4).expect("an int");
    let manifest = |change: &dyn Fn(&mut Manifest)| {
        let mut bad = good.clone();
        change(&mut bad.manifest);
        check_artifact(&bad, false).map_or_else(|e| e, |()| "accepted".into())
    };
    for (found, says) in [
        (manifest(&|m| m.warp_size = 32), "the warp size in the notes is 64, and should be 32"),
        (manifest(&|m| m.symbol.push('x')), "is no dynamic symbol"),
        (manifest(&|m| m.max_threads = Some(96)), "the largest block is 1024"),
        (manifest(&|m| drop(m.params.pop())), "the number of arguments"),
        (manifest(&|m| m.params.swap(0, scalar)), "argument `"),
        (manifest(&|m| m.target = "amdgpu:gfx942".into()), "the target of the notes is"),
        (manifest(&|m| m.target += ":cov4"), "the ABI and its version"),
    ] {
        assert!(found.contains(says), "{says}: {found}");
    }
    let at = super::hsaco::descriptor_place(&good.bytes, &good.manifest.symbol);
    let bytes = |offset: usize, xor: u8| {
        let mut bad = good.clone();
        bad.bytes[at + offset] ^= xor;
        check_artifact(&bad, false).map_or_else(|e| e, |()| "accepted".into())
    };
    for (offset, xor, says) in [
        (0, 64, "the shared memory in the descriptor"),
        (5, 1, "private memory in the descriptor"),
        (8, 8, "the size of the arguments in the descriptor"),
        (17, 1, "the entry of the descriptor"),
        (57, 4, "a warp of 32 in the descriptor"),
        (57, 8, "a dynamic stack in the descriptor"),
        (12, 1, "must be zero"),
    ] {
        let found = bytes(offset, xor);
        assert!(found.contains(says), "{says}: {found}");
    }
    // No instruction of any processor in the place of the first.
    let mut bad = good.clone();
    let entry = super::hsaco::code_place(&good.bytes, &good.manifest.symbol);
    bad.bytes[entry..entry + 4].fill(0xff);
    let found = check_artifact(&bad, false).map_or_else(|e| e, |()| "accepted".into());
    if super::tools::program("llvm-objdump-19").is_some() {
        assert!(found.contains("no instruction of this processor"), "{found}");
    }
}
