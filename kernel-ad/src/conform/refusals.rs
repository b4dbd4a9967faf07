//! Launches that must be refused before the device sees them.

use super::rig::{ensure, Found, Rig};
use crate::diag::Code;
use crate::jit::{Bindings, BoundArg, Launch, Role};
use gpu_runtime::DeviceKind;
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Extent};

/// Catches bad arguments that reach a device: of the wrong number, kind, size or alignment, null, overlapping, of the host, freed.
pub(super) fn launches(rig: &Rig) -> Found<String> {
    let roles = [Role::Dup, Role::Dup, Role::Const, Role::Const];
    let f = rig.device.compile(&rig.kernel("square")?.reverse(&roles)?)?;
    let n = 64u64;
    // x, y and their shadows one after the other.
    let all = rig.floats(&(0..4 * n).map(|i| i as f32).collect::<Vec<_>>())?;
    let part = |i: u64| Extent { address: all.address() + 4 * n * i, bytes: 4 * n };
    let bound = |primal: Arg, shadow: Option<Extent>| BoundArg { primal, shadow };
    let int = |i: i32| bound(Arg::scalar(i), None);
    let pointer = |p: u64, s: u64| bound(Arg::Pointer(part(p)), Some(part(s)));
    let good = vec![pointer(0, 2), pointer(1, 3), int(n as i32), int(n as i32)];
    let with = |i: usize, a: BoundArg| {
        let mut args = good.clone();
        args[i] = a;
        args
    };
    let host = vec![0f32; n as usize];
    let host = Extent { address: host.as_ptr() as u64, bytes: 4 * n };
    let freed = rig.raw().allocate(4 * n, 256)?.extent();
    let (null, off) =
        (Extent { address: 0, bytes: 4 * n }, Extent { address: part(2).address + 2, ..part(2) });
    let short = Extent { bytes: 8, ..part(2) };
    let shape = Launch::new(1, n as u32);
    let too_many = [&good[..], &[int(0)]].concat();
    let mut cases: Vec<(&str, Launch, Vec<BoundArg>, Code)> = vec![
        ("an argument less", shape, good[..3].to_vec(), Code::BadArgument),
        ("an argument more", shape, too_many, Code::BadArgument),
        ("a scalar for a buffer", shape, with(0, bound(Arg::scalar(1i64), Some(part(2)))), Code::BadArgument),
        ("a buffer for a scalar", shape, with(2, bound(Arg::Pointer(part(0)), None)), Code::BadArgument),
        ("eight bytes for four", shape, with(2, bound(Arg::scalar(64i64), None)), Code::BadArgument),
        ("null", shape, with(0, bound(Arg::Pointer(null), Some(part(2)))), Code::BadArgument),
        ("no shadow", shape, with(0, bound(Arg::Pointer(part(0)), None)), Code::BadArgument),
        (
            "a shadow that is null",
            shape,
            with(0, bound(Arg::Pointer(part(0)), Some(null))),
            Code::BadArgument,
        ),
        ("a short shadow", shape, with(0, bound(Arg::Pointer(part(0)), Some(short))), Code::BadArgument),
        (
            "a shadow off its alignment",
            shape,
            with(0, bound(Arg::Pointer(part(0)), Some(off))),
            Code::BadArgument,
        ),
        ("its own shadow", shape, with(0, pointer(0, 0)), Code::AliasedBuffers),
        ("another's shadow", shape, with(0, pointer(0, 1)), Code::AliasedBuffers),
        ("no blocks", Launch::new(0, 64), good.clone(), Code::BadArgument),
        ("no threads", Launch::new(1, 0), good.clone(), Code::BadArgument),
        ("a block that is too large", Launch::new(1, 100_000), good.clone(), Code::TooLarge),
        ("a grid that is too large", Launch::new((1, 1 << 20), 64), good.clone(), Code::TooLarge),
        ("too much shared memory", shape.with_shared(1 << 30), good.clone(), Code::TooLarge),
    ];
    // The CPU device reaches all memory of the host, and has grids of any shape.
    let cpu = rig.kind() == DeviceKind::Cpu;
    if cpu {
        cases.retain(|c| c.0 != "a grid that is too large");
    }
    if !rig.raw().info().host_memory {
        for (what, e) in [("memory of the host", host), ("freed memory", freed)] {
            cases.push((what, shape, with(0, bound(Arg::Pointer(e), Some(part(2)))), Code::BadArgument));
        }
    }
    for (what, launch, args, code) in &cases {
        let bindings = Bindings { args: args.clone(), ..Bindings::default() };
        // SAFETY: to be refused; what is not stays inside of live memory, but for the last two.
        match unsafe { f.launch_with(*launch, &bindings) } {
            Ok(_) => return Err(format!("{what} was launched").into()),
            Err(e) => {
                let d = &e.0[0];
                ensure(d.code == *code, || format!("{what}: {} instead of {code}: {}", d.code, d.message))?;
            }
        }
    }
    rig.expect(&all, "memory of launches that were refused", |i| i as f32)?;
    let bindings = Bindings { args: good, ..Bindings::default() };
    // SAFETY: 64 threads, 64 elements in each part.
    unsafe { f.launch_with(shape, &bindings)? };
    let seed = |i: usize| (3 * n as usize + i % n as usize) as f32;
    let want = |i: usize| match (i as u64 / n, (i as u64 % n) as f32) {
        (0, x) => x,
        (1, x) => x * x,
        (2, x) => (2 * n) as f32 + x + 2.0 * x * seed(i),
        _ => 0.0,
    };
    rig.expect(&all, "the launch after those that were refused", want)?;
    Ok(format!("{} launches", cases.len()))
}
