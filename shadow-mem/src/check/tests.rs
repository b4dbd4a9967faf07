use super::*;
use crate::manifest::{ElemType, Mode, Role, TapeLayout, TapeSpec, MANIFEST_VERSION};

fn param(name: &str, purpose: Purpose, passing: Passing, bytes: u64) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        passing,
        bytes,
        align: bytes as u32,
        purpose,
        accumulate_only: None,
        written: false,
    }
}

fn pointer(name: &str, purpose: Purpose) -> ParamSpec {
    param(name, purpose, Passing::Pointer { space: 1 }, 8)
}

fn scalar(name: &str, purpose: Purpose, ty: ElemType) -> ParamSpec {
    param(name, purpose, Passing::Scalar { ty: Some(ty) }, ty.bytes() as u64)
}

fn gradient() -> Manifest {
    let primal = |index, role| Purpose::Primal { index, role };
    Manifest {
        version: MANIFEST_VERSION,
        symbol: "k_reverse".into(),
        kernel: "k".into(),
        mode: Mode::Reverse,
        target: "host".into(),
        warp_size: 32,
        params: vec![
            pointer("x", primal(0, Role::Dup)),
            pointer("y", primal(1, Role::Out)),
            scalar("n", primal(2, Role::Const), ElemType::I32),
            pointer("x.shadow", Purpose::Shadow { of: 0 }),
            pointer("y.shadow", Purpose::Shadow { of: 1 }),
            pointer("tape", Purpose::TapeBase),
            scalar("capacity", Purpose::TapeCapacity, ElemType::I64),
            pointer("status", Purpose::TapeStatus),
        ],
        shared_bytes: 0,
        dynamic_shared: false,
        local_bytes: 0,
        max_threads: Some(256),
        tape: Some(TapeSpec {
            layout: TapeLayout::Contiguous,
            bytes_per_thread: None,
            align: 16,
            counter: None,
            varies: false,
        }),
        form: None,
        reverse: None,
        assumptions: vec![Assumption::Distinct { a: 0, b: 1 }, Assumption::OneAlong { axes: vec![1, 2] }],
        stats: Default::default(),
    }
}

fn at(address: u64, bytes: u64) -> Extent {
    Extent { address, bytes }
}

fn bindings() -> Bindings {
    let pair = |a| BoundArg { primal: Arg::Pointer(at(a, 64)), shadow: Some(at(a + 0x1000, 64)) };
    Bindings {
        args: vec![pair(0x1000), pair(0x5000), BoundArg { primal: Arg::scalar(16i32), shadow: None }],
        globals: vec![],
        tape: Some((at(0x9000, 256), 16)),
        shared: 0,
        word: Some(at(0xa000, 8)),
    }
}

fn problem(m: &Manifest, launch: Launch, b: &Bindings) -> Option<LaunchProblem> {
    b.arguments(m).and_then(|args| check_launch(m, &launch, &args)).err().map(|e| e.problem)
}

// Catches: an order of arguments other than the manifest's.
#[test]
fn arguments_come_in_the_order_of_the_manifest() {
    let args = bindings().arguments(&gradient()).unwrap();
    let want = [0x1000, 0x5000, 16, 0x2000, 0x6000, 0x9000, 16, 0xa000u64];
    for (a, want) in args.iter().zip(want) {
        let mut bytes = a.to_bytes();
        bytes.resize(8, 0);
        assert_eq!(u64::from_le_bytes(bytes.try_into().unwrap()), want);
    }
    assert_eq!(problem(&gradient(), Launch::new(1, 16), &bindings()), None);
}

// Catches: a launch that the kernel was not made for and that runs all the same, with a wrong gradient.
#[test]
fn wrong_shapes_are_refused() {
    let p = |l| problem(&gradient(), l, &bindings());
    assert!(matches!(p(Launch::new(0, 16)), Some(LaunchProblem::Empty { .. })));
    assert!(matches!(p(Launch::new(1, 257)), Some(LaunchProblem::BlockTooLarge { most: 256, got: 257 })));
    assert!(matches!(
        p(Launch::new((1, 2), 16)),
        Some(LaunchProblem::NotOneAlong { axis: 'y', threads: 1, blocks: 2 })
    ));
    assert!(matches!(p(Launch::new(1, (4, 1, 4))), Some(LaunchProblem::NotOneAlong { axis: 'z', .. })));
    let many = Launch { grid: [u32::MAX, 1, 1], block: [1, 1, 1], shared: 0 };
    assert_eq!(p(many), None);
    let mut m = gradient();
    m.assumptions = vec![Assumption::Block { dims: [32, 1, 1] }];
    assert!(matches!(problem(&m, Launch::new(1, 16), &bindings()), Some(LaunchProblem::WrongBlock { .. })));
    m.max_threads = None;
    m.assumptions.clear();
    let huge = Launch { grid: [u32::MAX; 3], block: [u32::MAX; 3], shared: 0 };
    assert!(matches!(problem(&m, huge, &bindings()), Some(LaunchProblem::TooManyThreads { .. })));
}

// Catches: each way to pass a wrong argument.
#[test]
fn wrong_arguments_are_refused() {
    let m = gradient();
    let check = |change: &dyn Fn(&mut Bindings)| {
        let mut b = bindings();
        change(&mut b);
        problem(&m, Launch::new(1, 16), &b)
    };
    use LaunchProblem as P;
    assert!(matches!(check(&|b| b.args.truncate(2)), None | Some(P::Count { .. })));
    assert!(matches!(check(&|b| b.args.truncate(1)), Some(P::Count { want: 3, got: 1 })));
    assert!(matches!(
        check(&|b| b.args[2].primal = Arg::scalar(1i64)),
        Some(P::Size { want: 4, got: 8, .. })
    ));
    assert!(matches!(check(&|b| b.args[2].primal = Arg::Pointer(at(8, 8))), Some(P::Kind { index: 2, .. })));
    assert!(matches!(check(&|b| b.args[0].primal = Arg::scalar(1i64)), Some(P::Kind { index: 0, .. })));
    assert!(matches!(check(&|b| b.args[0].primal = Arg::Pointer(at(0, 4))), Some(P::Null { .. })));
    assert!(matches!(check(&|b| b.args[0].shadow = None), Some(P::NoShadow { index: 0, .. })));
    assert!(matches!(
        check(&|b| b.args[0].shadow = Some(at(0x2000, 60))),
        Some(P::ShortShadow { want: 64, got: 60, .. })
    ));
    assert!(matches!(check(&|b| b.tape = None), Some(P::NoTape)));
    assert!(matches!(
        check(&|b| b.tape = Some((at(0x9008, 256), 16))),
        Some(P::Misaligned { align: 16, .. })
    ));
    let null = Extent { address: 0, bytes: 0 };
    let optional = |b: &mut Bindings| b.args[1] = BoundArg { primal: Arg::Pointer(null), shadow: Some(null) };
    assert_eq!(check(&optional), None);
}

// Catches: aliasing that the plan excluded, a shadow or a tape laid over other memory.
#[test]
fn overlaps_are_refused() {
    let m = gradient();
    let check = |change: &dyn Fn(&mut Bindings)| {
        let mut b = bindings();
        change(&mut b);
        problem(&m, Launch::new(1, 16), &b)
    };
    let names = |p: Option<LaunchProblem>| match p {
        Some(LaunchProblem::Overlap { a, b }) => format!("{a} {b}"),
        other => format!("{other:?}"),
    };
    assert_eq!(names(check(&|b| b.args[1].primal = Arg::Pointer(at(0x103f, 64)))), "x y");
    assert_eq!(names(check(&|b| b.args[1].primal = Arg::Pointer(at(0x1040, 64)))), "None");
    assert_eq!(names(check(&|b| b.args[0].shadow = Some(at(0x5020, 64)))), "y x.shadow");
    assert_eq!(names(check(&|b| b.tape = Some((at(0x2030, 64), 16)))), "tape x.shadow");
    assert_eq!(names(check(&|b| b.args[1].shadow = Some(at(0x2000, 64)))), "None");
}

// Catches: pointers inside structs that escape the check of distinctness.
#[test]
fn pointers_in_structs_are_checked() {
    let mut m = gradient();
    m.params.truncate(2);
    m.params[0].passing = Passing::Struct;
    m.params[0].bytes = 16;
    m.tape = None;
    let two = |second: u64| Arg::Struct {
        bytes: vec![0; 16],
        pointers: vec![(0, at(0x1000, 64)), (8, at(second, 64))],
    };
    let run = |m: &Manifest, a: Arg| check_launch(m, &Launch::new(1, 16), &[a, Arg::Pointer(at(0x5000, 64))]);
    assert!(run(&m, two(0x5010)).is_err());
    assert!(run(&m, two(0x1010)).is_ok());
    m.assumptions.push(Assumption::Distinct { a: 0, b: 0 });
    assert!(run(&m, two(0x1010)).is_err());
    assert!(run(&m, two(0x1040)).is_ok());
}
