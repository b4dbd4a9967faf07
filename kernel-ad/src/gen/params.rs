//! The signature that all random kernels share, and the data of their launches.

use super::GenOptions;
use crate::case::{Arg, ArgKind, Case, Data, Number};
use crate::kernel::{AddrSpace, AggTy, Arch, ByValue, Kernel, Param, Source, Type};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use shadow_mem::{ElemType, Role};
use std::path::PathBuf;

/// Elements of the buffers that any thread may read; a power of two.
pub const GATHERED: usize = 64;
/// Elements that atomic additions go to; a power of two.
pub const SUMS: usize = 8;
/// Elements of the constant table; a power of two.
pub const TABLE: usize = 16;
/// Elements of `in_place` that belong to one thread; a power of two.
pub const OWN: usize = 4;
/// Index of the struct passed by value.
pub const STRUCT: u32 = 8;
/// Index of the buffer of halves, if there is one.
pub const HALVES: u32 = 9;
/// Dynamic shared memory holds that many floats for every thread.
pub const DYNAMIC: usize = 2;

/// Declares `gathered, in_place, out, sums, indices, table, alpha, n, {f, f, i32}` and gives them contents.
pub fn signature(seed: u64, float: Type, options: &GenOptions, rng: &mut ChaCha8Rng) -> (Kernel, Case) {
    let elem = if float == Type::F64 { ElemType::F64 } else { ElemType::F32 };
    let team = options.shared || options.warps;
    let (grid, block) = match team && rng.random_bool(0.7) {
        true => (rng.random_range(1..=2u32), [4, 8, 8, 16, 32, 40, 64][rng.random_range(0..7usize)]),
        false => (rng.random_range(1..=3u32), rng.random_range(1..=9u32)),
    };
    let (grid, block) = ([grid, 1, 1], [block, 1, 1]);
    let threads = (grid[0] * block[0]) as usize;
    let mut k = Kernel::new(format!("random{seed}"), source(options.arch));
    let mut args = Vec::new();
    let mut buffer = |k: &mut Kernel, name: &str, role: Role, data: Data, shadow: Data| {
        k.add_param(pointer(name));
        args.push(Arg { name: name.into(), role, kind: ArgKind::Buffer { data, shadow } });
    };
    let mut floats =
        |n: usize, lo: f64, hi: f64| Data::from_f64(elem, (0..n).map(|_| rng.random_range(lo..hi)));
    let zeros = |n: usize| Data::zeros(elem, n);
    let (x, y, sums, table) = (
        floats(GATHERED, 0.25, 1.5),
        floats(threads * OWN, 0.25, 1.5),
        floats(SUMS, -1.0, 1.0),
        floats(TABLE, -1.5, 1.5),
    );
    let (y_seed, out_seed, sums_seed) =
        (floats(threads * OWN, -1.0, 1.0), floats(threads, -1.0, 1.0), floats(SUMS, -1.0, 1.0));
    let alpha = floats(1, 0.5, 1.5);
    let fields = [floats(1, -1.0, 1.0), floats(1, 0.5, 1.0)];
    buffer(&mut k, "gathered", Role::Dup, x, zeros(GATHERED));
    buffer(&mut k, "in_place", Role::Dup, y, y_seed);
    buffer(&mut k, "out", Role::Dup, zeros(threads), out_seed);
    buffer(&mut k, "sums", Role::Dup, sums, sums_seed);
    let mut ints = Data::zeros(ElemType::I32, 0);
    (0..GATHERED).for_each(|_| ints.push(Number::Int(rng.random_range(-3..40i64))));
    buffer(&mut k, "indices", Role::Const, ints, Data::zeros(ElemType::I32, 0));
    buffer(&mut k, "table", Role::Const, table, Data::zeros(elem, 0));
    k.add_param(Param { ty: float, ..pointer("alpha") });
    args.push(scalar("alpha", Role::Active, alpha, zeros(1)));
    k.add_param(Param { ty: Type::I32, ..pointer("n") });
    let n = rng.random_range(0..=5i64);
    args.push(scalar("n", Role::Const, int(n), Data::zeros(ElemType::I32, 0)));

    let size = elem.bytes() as u32;
    let agg = k.agg(AggTy::Struct {
        fields: vec![float, float, Type::I32],
        offsets: vec![0, size, 2 * size],
        size: (2 * size + 4).next_multiple_of(size),
        align: size,
        packed: false,
    });
    let by_value = ByValue { bytes: k.bytes(Type::Agg(agg)), align: size, ty: Some(Type::Agg(agg)) };
    let space = if options.arch == Arch::Amdgpu { AddrSpace::Constant } else { AddrSpace::Generic };
    k.add_param(Param {
        ty: Type::Ptr(space),
        align: size,
        dereferenceable: by_value.bytes,
        by_value: Some(by_value),
        ..pointer("s")
    });
    let [f, g] = fields;
    let fields = vec![
        scalar("f", Role::Active, f, zeros(1)),
        scalar("g", Role::Active, g, zeros(1)),
        scalar("m", Role::Const, int(rng.random_range(0..=4)), Data::zeros(ElemType::I32, 0)),
    ];
    args.push(Arg { name: "s".into(), role: Role::Active, kind: ArgKind::Struct { fields } });
    if options.half {
        let half = |n: usize, rng: &mut ChaCha8Rng| {
            Data::from_f64(ElemType::F16, (0..n).map(|_| rng.random_range(-1.0..1.0)))
        };
        k.add_param(Param { align: 2, ..pointer("halves") });
        let (data, shadow) = (half(GATHERED, rng), Data::zeros(ElemType::F16, GATHERED));
        args.push(Arg { name: "halves".into(), role: Role::Dup, kind: ArgKind::Buffer { data, shadow } });
    }
    let case = Case {
        file: PathBuf::from(format!("random kernel of seed {seed}")),
        module: PathBuf::from("-"),
        kernel: k.name.clone(),
        grid,
        block,
        shared: if options.shared { block[0] * DYNAMIC as u32 * size } else { 0 },
        arch: None,
        functions: Default::default(),
        args,
        globals: Vec::new(),
    };
    (k, case)
}

fn int(n: i64) -> Data {
    let mut d = Data::zeros(ElemType::I32, 0);
    d.push(Number::Int(n));
    d
}

fn scalar(name: &str, role: Role, data: Data, shadow: Data) -> Arg {
    Arg { name: name.into(), role, kind: ArgKind::Scalar { data, shadow } }
}

fn pointer(name: &str) -> Param {
    Param { align: 8, ..Param::new(name, Type::Ptr(AddrSpace::Global)) }
}

fn source(arch: Arch) -> Source {
    let cpu = if arch == Arch::Amdgpu { "gfx90a" } else { "sm_80" };
    Source { cpu: Some(cpu.into()), file: "random".into(), ..Source::of_arch(arch) }
}
