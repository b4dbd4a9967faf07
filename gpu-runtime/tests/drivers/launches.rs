//! Memory, modules and launches.

use super::fake::{alone, counts, fail, open};
use super::{both, text};
use gpu_runtime::{Device, Error, Event, Module};
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Launch, Manifest, MemoryError};

/// The driver has its kernels by itself; what it is given must look right all the same.
pub const PTX: &[u8] = b".version 7.0\n.target sm_80\n.address_size 64
.visible .entry scale(.param .u64 p0, .param .u32 p1, .param .f32 p2) { ret; }
.visible .entry sum3(.param .u64 p0, .param .align 8 .b8 p1[24]) { ret; }
.visible .entry trap() { trap; }
";

pub fn manifest(kind: &str, symbol: &str, params: &[&str]) -> Manifest {
    let params: Vec<String> = params
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let passing = match *p {
                "ptr" => r#"{"kind":"pointer","space":1}"#.to_string(),
                "struct" => r#"{"kind":"struct"}"#.to_string(),
                ty => format!(r#"{{"kind":"scalar","ty":"{ty}"}}"#),
            };
            let bytes = match *p {
                "ptr" => 8,
                "struct" => 24,
                _ => 4,
            };
            format!(
                r#"{{"name":"p{i}","passing":{passing},"bytes":{bytes},"align":{},
                "purpose":{{"what":"primal","index":{i},"role":"const"}},"written":true}}"#,
                bytes.min(8)
            )
        })
        .collect();
    let target = if kind == "cuda" { "nvptx:sm_80" } else { "amdgpu:gfx90a" };
    let text = format!(
        r#"{{"version":{},"symbol":"{symbol}","kernel":"{symbol}","mode":"primal","target":"{target}","warp_size":32,
        "params":[{}],"shared_bytes":0,"dynamic_shared":true}}"#,
        shadow_mem::MANIFEST_VERSION,
        params.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

/// An image that the device takes: PTX, or an ELF file for gfx90a with kernels of these names.
pub fn image(kind: &str) -> Vec<u8> {
    match kind {
        "cuda" => PTX.to_vec(),
        _ => hsaco(&["scale", "sum3", "trap"]),
    }
}

fn hsaco(kernels: &[&str]) -> Vec<u8> {
    use object::write::{Object, Symbol, SymbolSection};
    let mut o =
        Object::new(object::BinaryFormat::Elf, object::Architecture::X86_64, object::Endianness::Little);
    o.flags = object::FileFlags::Elf { os_abi: 64, abi_version: 3, e_flags: 0x3f };
    for k in kernels {
        o.add_symbol(Symbol {
            name: format!("{k}.kd").into_bytes(),
            value: 0,
            size: 64,
            kind: object::SymbolKind::Data,
            scope: object::SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Absolute,
            flags: object::SymbolFlags::None,
        });
    }
    let mut elf = o.write().unwrap();
    elf[18] = 224;
    elf
}

pub fn load(kind: &str, device: &Device) -> Module {
    let all = [
        manifest(kind, "scale", &["ptr", "i32", "f32"]),
        manifest(kind, "sum3", &["ptr", "struct"]),
        manifest(kind, "trap", &[]),
    ];
    device.load(&image(kind), &all).unwrap()
}

// Catches: arguments that reach the kernel in another order, cut, or badly aligned; transfers to the wrong place; memory that is
// not zeroed; a time that is not the events'.
#[test]
fn kernels_get_their_arguments() {
    let _alone = alone();
    both(|kind| {
        let d = open(kind).unwrap();
        let m = load(kind, &d);
        let x = d.allocate(16, 256).unwrap();
        let mut got = [1.0f32; 4];
        x.read(0, bytemuck::cast_slice_mut(&mut got)).unwrap();
        assert_eq!(got, [0.0; 4]);
        x.write(4, bytemuck::cast_slice(&[1.0f32, 2.0, 3.0])).unwrap();
        let args = [Arg::Pointer(x.extent()), Arg::scalar(3i32), Arg::scalar(2.5f32)];
        // SAFETY: the fake kernel stays inside.
        let report = unsafe { m.function("scale").unwrap().launch(&Launch::new(1, 32), &args).unwrap() };
        assert_eq!(report.time.as_micros(), 250);
        x.read(0, bytemuck::cast_slice_mut(&mut got)).unwrap();
        assert_eq!(got, [0.0, 2.5, 5.0, 3.0]);
        let mut s = vec![0u8; 24];
        s[0] = 3;
        s[8..16].copy_from_slice(&0.5f64.to_le_bytes());
        s[16..18].copy_from_slice(&(-7i16).to_le_bytes());
        let args = [Arg::Pointer(x.extent()), Arg::Struct { bytes: s, pointers: vec![] }];
        // SAFETY: as above.
        unsafe { m.function("sum3").unwrap().launch(&Launch::new(1, 1), &args).unwrap() };
        let mut sum = [0.0f64];
        x.read(0, bytemuck::cast_slice_mut(&mut sum)).unwrap();
        assert_eq!(sum, [-3.5]);
    });
}

// Catches: copies that are lost between pinned memory, streams and events; streams of one device used with memory of another.
#[test]
fn streams_events_and_pinned_memory() {
    let _alone = alone();
    both(|kind| {
        let (d, cpu) = (open(kind).unwrap(), Device::cpu());
        let (one, two) = (d.stream().unwrap(), d.stream().unwrap());
        let x = d.allocate(8, 8).unwrap();
        let (mut to, mut back) = (d.pinned(8).unwrap(), d.pinned(8).unwrap());
        assert_eq!(back.bytes(), [0; 8]);
        to.bytes_mut().copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let (start, end) = (d.event().unwrap(), d.event().unwrap());
        start.record(&one).unwrap();
        // SAFETY: both pinned blocks are left alone until the streams are waited for.
        unsafe { one.upload(&x, 0, &to).unwrap() };
        end.record(&one).unwrap();
        two.wait(&end).unwrap();
        // SAFETY: as above.
        unsafe { two.download(&x, 0, &mut back).unwrap() };
        two.synchronize().unwrap();
        assert_eq!(back.bytes(), to.bytes());
        assert!(end.since(&start).unwrap().as_nanos() > 0);
        // SAFETY: refused.
        assert!(unsafe { cpu.stream().unwrap().upload(&x, 0, &to) }.is_err());
        assert!(cpu.event().unwrap().record(&one).is_err());
        // SAFETY: the stream outlives the borrower, which must not destroy it.
        let borrowed = unsafe { d.borrow_stream(one.raw()) };
        let handles = counts(kind)[1];
        drop(borrowed);
        assert_eq!(counts(kind)[1], handles);
    });
    let cpu = Device::cpu();
    let event: Event = cpu.event().unwrap();
    assert!(event.since(&cpu.event().unwrap()).is_err());
}

// Catches: memory, modules, streams or contexts that are not given back, or twice.
#[test]
fn everything_is_given_back() {
    let _alone = alone();
    both(|kind| {
        drop(open(kind).unwrap());
        let before = counts(kind);
        for _ in 0..50 {
            let d = open(kind).unwrap();
            let m = load(kind, &d);
            let x = d.allocate(100, 4096).unwrap();
            assert_eq!(x.address() % 4096, 0);
            let weights = m.global("weights").unwrap();
            let (stream, pinned) = (d.stream().unwrap(), d.pinned(10).unwrap());
            drop(m);
            // The variable keeps its module.
            weights.write(0, &[7; 16]).unwrap();
            // SAFETY: never used after `x`.
            let wrapped = unsafe { d.wrap_memory(x.address(), 100).unwrap() };
            drop((d, wrapped, weights, stream, pinned, x));
        }
        let after = counts(kind);
        assert_eq!((before[0], before[1]), (after[0], after[1]));
    });
}

// Catches: an exhausted device that is reported as a failure of another kind, or without its size.
#[test]
fn out_of_memory() {
    let _alone = alone();
    both(|kind| {
        let d = open(kind).unwrap();
        match d.allocate(1 << 40, 16) {
            Err(MemoryError::OutOfMemory { bytes, device }) => {
                assert!(bytes == 1 << 40 && device.contains("bytes free"), "{device}")
            }
            other => panic!("{other:?}"),
        }
        assert!(d.allocate(u64::MAX, 4096).is_err());
        fail(kind, "cuMemAlloc_v2", "hipMalloc", "=719");
        let e = d.allocate(16, 16).unwrap_err().to_string();
        assert!(e.contains("719") && e.contains("what the fake"), "{e}");
        std::env::remove_var("FAKE_FAIL");
    });
}

// Catches: a code that the bindings do not know and that becomes undefined behaviour.
#[test]
fn unknown_codes_are_unknown() {
    let _alone = alone();
    both(|kind| {
        let d = open(kind).unwrap();
        fail(kind, "cuStreamSynchronize", "hipStreamSynchronize", "=4711");
        let e = text(d.stream().unwrap().synchronize().unwrap_err());
        assert!(e.contains("(999)"), "{e}");
    });
}

// Catches: an error of a kernel without the kernel's name, or blamed on a later call alone.
#[test]
fn a_trap_names_its_kernel() {
    let _alone = alone();
    both(|kind| {
        let d = open(kind).unwrap();
        let f = load(kind, &d).function("scale").unwrap();
        let x = d.allocate(4, 4).unwrap();
        let args = [Arg::Pointer(x.extent()), Arg::scalar(1i32), Arg::scalar(2.0f32)];
        fail(kind, "cuEventSynchronize", "hipEventSynchronize", "=719");
        // SAFETY: the fake kernel stays inside.
        let e = text(unsafe { f.launch(&Launch::new(1, 1), &args) }.unwrap_err());
        assert!(e.contains("kernel `scale`") && e.contains("719") && !e.contains("earlier"), "{e}");
        fail(kind, "cuStreamSynchronize", "hipStreamSynchronize", "=719");
        let stream = d.stream().unwrap();
        // SAFETY: as above.
        unsafe { f.queue(&stream, &Launch::new(1, 1), &args).unwrap() };
        let e = text(stream.synchronize().unwrap_err());
        assert!(e.contains("earlier launch") && e.contains("`scale`"), "{e}");
    });
}

// Catches: launches that do not fit and reach the driver.
#[test]
fn bad_launches_are_refused_before_the_driver() {
    let _alone = alone();
    both(|kind| {
        let d = open(kind).unwrap();
        let f = load(kind, &d).function("scale").unwrap();
        let x = d.allocate(4, 4).unwrap();
        let good = vec![Arg::Pointer(x.extent()), Arg::scalar(1i32), Arg::scalar(2.0f32)];
        let run = counts(kind)[2];
        let null = Arg::Pointer(shadow_mem::Extent { address: 0, bytes: 4 });
        let with = |i: usize, a: Arg| {
            good.iter().enumerate().map(|(j, b)| if i == j { a.clone() } else { b.clone() }).collect()
        };
        let one = Launch::new(1, 1);
        let cases: Vec<(Launch, Vec<Arg>, &str)> = vec![
            (one, good[..2].to_vec(), "arguments"),
            (one, with(1, Arg::scalar(1i64)), "4 bytes wanted, 8 given"),
            (one, with(2, good[0].clone()), "scalar"),
            (one, with(0, null), "null"),
            (Launch::new(0, 1), good.clone(), "empty"),
            (Launch::new(1, 513), good.clone(), "threads in a block"),
            (Launch::new((1, 65536), 1), good.clone(), "blocks along y"),
            (Launch::new(1, (1, 1, 65)), good.clone(), "threads along z"),
            (one.with_shared(100 << 10), good.clone(), "shared memory"),
        ];
        for (launch, args, says) in cases {
            // SAFETY: refused.
            let e = unsafe { f.launch(&launch, &args) }.unwrap_err();
            let e: Error = e;
            assert!(matches!(e, Error::Launch(_) | Error::TooLarge { .. }), "{e}");
            assert!(text(e).contains(says), "{says}");
        }
        assert_eq!(counts(kind)[2], run);
        // Leave for more than 48 KiB is asked for by itself.
        // SAFETY: the fake kernel stays inside.
        unsafe { f.launch(&one.with_shared(60 << 10), &good).unwrap() };
        assert_eq!(counts(kind)[2], run + 1);
    });
}
