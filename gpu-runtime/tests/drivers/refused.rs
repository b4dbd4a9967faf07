//! What is refused before a driver is asked, and what can be done after a kernel has trapped.

use super::fake::{alone, counts, open};
use super::launches::{image, load, manifest, PTX};
use super::{both, text};
use gpu_runtime::{Device, Error};
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Extent, Launch, LaunchError, LaunchProblem};

// Catches: artifacts for something else, cut off, or of another manifest that are given to the driver; a compiler's log that is lost.
#[test]
fn bad_artifacts_are_refused_with_the_reason() {
    let _alone = alone();
    let (cuda, hip) = (open("cuda").unwrap(), open("hip").unwrap());
    let manifests = |kind: &str| [manifest(kind, "scale", &["ptr", "i32", "f32"])];
    let says = |d: &Device, image: &[u8], kind: &str, want: &str| {
        let held = counts(kind)[1];
        let e = d.load(image, &manifests(kind)).unwrap_err();
        assert!(matches!(e, Error::BadArtifact(_) | Error::Rejected { .. }), "{e}");
        assert!(e.to_string().contains(want), "{e}");
        assert_eq!(counts(kind)[1], held, "a module was loaded");
    };
    says(&cuda, b".version 7.8\n.target sm_90\n", "cuda", "PTX for sm_90, and this device is sm_86");
    says(&cuda, b".version 8.0\n.target sm_80a\n", "cuda", "sm_80a alone");
    says(&cuda, b"hello", "cuda", "neither PTX nor cubin");
    says(&cuda, &[0xff, 0xfe], "cuda", "neither PTX nor cubin");
    says(&cuda, b"\x7fELF", "cuda", "cut off");
    says(&cuda, &image("hip"), "cuda", "another machine");
    says(&cuda, PTX, "hip", "this device takes `nvptx`");
    let bad = [PTX, b"// bad instruction"].concat();
    says(&cuda, &bad, "cuda", "line 7; error: Unknown symbol 'bad'");
    says(&hip, PTX, "hip", "not HSACO");
    let whole = image("hip");
    for n in [4, 40, 63, 64, whole.len() / 2, whole.len() - 1] {
        says(&hip, &whole[..n], "hip", "cut off");
    }
    let mut other = whole.clone();
    other[48] = 0x4c;
    says(&hip, &other, "hip", "made for gfx942, and this device is gfx90a");
    let cut = PTX.iter().position(|&b| b == b'{').unwrap();
    says(&cuda, &PTX[..cut + 3], "cuda", "cut off");
    let e = text(cuda.load(PTX, &manifests("cuda")).unwrap().function("other").unwrap_err());
    assert!(e.contains("no kernel `other`; it has `scale`"), "{e}");
    // Of machine code only the driver knows the kernels.
    let gone =
        cuda.load(&cubin(86), &[manifest("cuda", "gone", &["ptr"])]).unwrap().function("gone").unwrap_err();
    assert!(text(gone).contains("which it does not have"));
    assert!(matches!(load("cuda", &cuda).global("none"), Err(Error::NoSuchGlobal(_))));
}

/// Machine code for that processor, with a kernel that the driver does not find.
fn cubin(sm: u8) -> Vec<u8> {
    use object::{write::Object, Architecture, BinaryFormat, Endianness, SectionKind};
    let mut o = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    o.flags = object::FileFlags::Elf { os_abi: 0x33, abi_version: 7, e_flags: sm.into() };
    let text = o.add_section(vec![], b".text.gone".to_vec(), SectionKind::Text);
    o.append_section_data(text, &[0; 16], 16);
    let mut elf = o.write().unwrap();
    // ET_EXEC, EM_CUDA.
    (elf[16], elf[18]) = (2, 190);
    elf
}

// Catches: machine code for a newer or another generation of GPUs; for an older member of the same it is right.
#[test]
fn cubin_is_for_one_generation() {
    let _alone = alone();
    let d = open("cuda").unwrap();
    d.load(&cubin(80), &[]).unwrap();
    d.load(&cubin(86), &[]).unwrap();
    for sm in [75, 89, 90] {
        let e = text(d.load(&cubin(sm), &[]).unwrap_err());
        assert!(e.contains(&format!("cubin for sm_{sm}, and this device is sm_86")), "{e}");
    }
    let mut object = cubin(86);
    object[16] = 1;
    let e = text(d.load(&object, &[]).unwrap_err());
    assert!(e.contains("not linked"), "{e}");
}

// Catches: a manifest that describes other parameters than the code has, which would launch with the wrong arguments.
#[test]
fn manifests_of_other_kernels_are_refused() {
    let _alone = alone();
    let d = open("cuda").unwrap();
    for (params, says) in [
        (&["ptr", "i32"][..], "the manifest has 2 parameters, the code 3"),
        (&["ptr", "ptr", "f32"], "parameter 1 (`p1`) has 8 bytes in the manifest, 4 in the code"),
    ] {
        let e = text(d.load(PTX, &[manifest("cuda", "scale", params)]).unwrap_err());
        assert!(e.contains(says), "{e}");
    }
    both(|kind| {
        let e = text(open(kind).unwrap().load(&image(kind), &[manifest(kind, "nobody", &[])]).unwrap_err());
        assert!(e.contains("kernel `nobody`, which it does not have") && e.contains("`sum3`"), "{e}");
    });
}

// Catches: host memory, freed memory, and extents that end in either, that a kernel would be launched on.
#[test]
fn memory_of_others_is_refused() {
    let _alone = alone();
    both(|kind| {
        let d = open(kind).unwrap();
        let f = load(kind, &d).function("scale").unwrap();
        let x = d.allocate(64, 64).unwrap();
        let host = [0f32; 16];
        let freed = d.allocate(64, 64).unwrap().extent();
        let run = counts(kind)[2];
        let outside = [
            Extent { address: host.as_ptr() as u64, bytes: 64 },
            freed,
            Extent { address: x.address(), bytes: 1 << 20 },
            Extent { address: 12, bytes: 4 },
        ];
        let args = |e: Extent| [Arg::Pointer(e), Arg::scalar(1i32), Arg::scalar(2.0f32)];
        for e in outside {
            // SAFETY: refused.
            match unsafe { f.launch(&Launch::new(1, 1), &args(e)) } {
                Err(Error::Launch(LaunchError {
                    problem: LaunchProblem::NotOnDevice { index: 0, .. },
                    ..
                })) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(counts(kind)[2], run);
        // An empty buffer reaches nothing.
        let none = Extent { address: host.as_ptr() as u64, bytes: 0 };
        let zero = [Arg::Pointer(none), Arg::scalar(0i32), Arg::scalar(2.0f32)];
        // SAFETY: the fake kernel stays inside.
        unsafe { f.launch(&Launch::new(1, 1), &args(x.extent())).unwrap() };
        // SAFETY: as above.
        unsafe { f.launch(&Launch::new(1, 1), &zero).unwrap() };
    });
}

// Catches: a trap that does not say what is lost; a device that cannot be opened again, or that keeps what was lost.
#[test]
fn after_a_trap_the_device_is_opened_again() {
    let _alone = alone();
    drop(open("cuda").unwrap());
    let before = counts("cuda");
    let d = open("cuda").unwrap();
    let m = load("cuda", &d);
    let x = d.allocate(64, 64).unwrap();
    // SAFETY: it has no arguments.
    let e = unsafe { m.function("trap").unwrap().launch(&Launch::new(1, 1), &[]) }.unwrap_err();
    assert!(matches!(&e, Error::Call(c) if c.lost), "{e}");
    assert!(text(e).contains("kernel `trap`") && d.synchronize().is_err());
    let e = x.write(0, &[0; 4]).unwrap_err().to_string();
    assert!(e.contains("drop its memory, modules and streams and open it again"), "{e}");
    drop((d, m, x));
    let d = open("cuda").unwrap();
    d.synchronize().unwrap();
    load("cuda", &d);
    drop(d);
    assert_eq!((before[0], before[1]), (counts("cuda")[0], counts("cuda")[1]));
}
