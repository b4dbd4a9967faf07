use super::*;
use crate::check::BoundArg;
use crate::expr::Expr;
use crate::manifest::{ElemType, Mode, ParamSpec, Passing, Role, TapeLayout, TapeSpec, MANIFEST_VERSION};
use crate::memory::{HostBlock, HostMemory};
use std::cell::RefCell;
use std::time::Duration;

fn poke(at: u64, x: i64) {
    // SAFETY: the tests pass addresses of live blocks.
    unsafe { (at as *mut i64).write_unaligned(x) };
}

fn peek(at: u64) -> i64 {
    // SAFETY: as in `poke`.
    unsafe { (at as *const i64).read_unaligned() }
}

/// Doubles `x` and notes the old value on the tape; the reverse kernel adds what is on the tape to the shadow.
#[derive(Default)]
struct Fake {
    ran: RefCell<Vec<String>>,
    overflow: bool,
}

impl Execute for Fake {
    type Memory = HostMemory;
    type Error = String;

    unsafe fn execute(&self, m: &Manifest, _: &Launch, args: &[Arg]) -> Result<Duration, String> {
        let of = |p: Purpose| m.find(|q| *q == p).map(|i| args[i].extents()[0].address);
        let tape = of(Purpose::TapeBase).unwrap();
        self.ran.borrow_mut().push(m.symbol.clone());
        if m.mode == Mode::Augmented {
            let x = args[0].extents()[0].address;
            poke(tape, peek(x));
            poke(x, 2 * peek(x));
            let short = m.find(|q| *q == Purpose::TapeCapacity).and_then(|i| args[i].as_int()) < Some(99);
            if self.overflow && short {
                poke(of(Purpose::TapeStatus).unwrap(), 99);
            }
        } else {
            let shadow = of(Purpose::Shadow { of: 0 }).unwrap();
            poke(shadow, peek(shadow) + peek(tape));
        }
        Ok(Duration::from_micros(5))
    }

    fn tape_parts(&self, _: &Manifest, _: &Launch) -> u64 {
        1
    }
}

fn manifest(mode: Mode) -> Manifest {
    let pointer = Passing::Pointer { space: 1 };
    let word = Passing::Scalar { ty: Some(ElemType::I64) };
    let mut purposes = vec![
        ("x", Purpose::Primal { index: 0, role: Role::Dup }),
        ("n", Purpose::Primal { index: 1, role: Role::Const }),
    ];
    if mode == Mode::Split {
        purposes.push(("x.shadow", Purpose::Shadow { of: 0 }));
    }
    let ours = [Purpose::TapeBase, Purpose::TapeCapacity, Purpose::TapeStatus];
    purposes.extend(ours.map(|p| ("ours", p)));
    let params = purposes.into_iter().map(|(name, purpose)| {
        let scalar = name == "n" || purpose == Purpose::TapeCapacity;
        let passing = if scalar { word.clone() } else { pointer.clone() };
        let name = name.to_string();
        ParamSpec { name, passing, bytes: 8, align: 8, purpose, accumulate_only: None, written: false }
    });
    let augmented = mode == Mode::Augmented;
    let size = augmented.then_some(Expr::Const(8));
    Manifest {
        version: MANIFEST_VERSION,
        symbol: if augmented { "k_augmented" } else { "k_reverse" }.into(),
        kernel: "k".into(),
        mode,
        target: "host".into(),
        warp_size: 32,
        params: params.collect(),
        shared_bytes: 0,
        dynamic_shared: false,
        local_bytes: 0,
        max_threads: None,
        tape: Some(TapeSpec {
            layout: TapeLayout::Contiguous,
            bytes_per_thread: size,
            align: 8,
            counter: None,
            varies: false,
        }),
        form: None,
        reverse: augmented.then(|| Box::new(manifest(Mode::Split))),
        assumptions: vec![],
        stats: Default::default(),
    }
}

struct Bench {
    device: Fake,
    heap: Heap<HostMemory>,
    arena: TapeArena<HostBlock>,
    manifest: Arc<Manifest>,
}

type Outcome<T> = Result<T, RunError<String>>;

impl Bench {
    fn new() -> Bench {
        let manifest = Arc::new(manifest(Mode::Augmented));
        manifest.validate().unwrap();
        Bench { device: Fake::default(), heap: Heap::new(HostMemory), arena: TapeArena::new(), manifest }
    }

    fn augment(&mut self, b: &Bindings) -> Outcome<Tape<HostBlock>> {
        let shape = Launch::new(2, 4);
        // SAFETY: the fake stays inside its buffers.
        let got =
            unsafe { augment(&self.device, &self.heap, &mut self.arena, &self.manifest, &shape, b, None) };
        got.map(|(tape, _)| tape)
    }

    fn reverse(&mut self, tape: &Tape<HostBlock>, b: &Bindings) -> Outcome<RunReport> {
        // SAFETY: the fake stays inside its buffers.
        unsafe { reverse(&self.device, &self.heap, &mut self.arena, &self.manifest, tape, b) }
    }
}

fn bind(x: &crate::buffer::Pair<i64, HostBlock>, n: i64) -> Bindings {
    let args = vec![
        BoundArg { primal: x.primal.arg(), shadow: Some(x.shadow.extent()) },
        BoundArg { primal: Arg::scalar(n), shadow: None },
    ];
    Bindings { args, ..Bindings::default() }
}

fn problem<T>(got: Outcome<T>) -> TapeProblem {
    match got.err().expect("refused") {
        RunError::Foreign { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

// Catches: tapes that share memory, or that a later launch overwrites.
#[test]
fn tapes_are_held_side_by_side() {
    let mut c = Bench::new();
    let x = c.heap.pair(&[1i64]).unwrap();
    let b = bind(&x, 0);
    let tapes: Vec<_> = (0..3).map(|_| c.augment(&b).unwrap()).collect();
    assert_eq!((x.read().unwrap()[0], tapes[0].bytes(), c.heap.ledger.bytes().tape), (8, 64, 3 * 64 + 8));
    for (tape, sum) in tapes.iter().rev().zip([4, 6, 7]) {
        c.reverse(tape, &b).unwrap();
        assert_eq!(x.shadow().unwrap()[0], sum);
    }
    // A tape may be read again, with the same result.
    c.reverse(&tapes[2], &b).unwrap();
    assert_eq!(x.shadow().unwrap()[0], 11);
    drop(tapes);
    assert_eq!(c.heap.ledger.bytes().tape, 8);
}

// Catches: a reverse launch on a tape that other arguments or another program have written.
#[test]
fn other_tapes_are_refused() {
    let mut c = Bench::new();
    let (x, y) = (c.heap.pair(&[1i64]).unwrap(), c.heap.pair(&[1i64]).unwrap());
    let tape = c.augment(&bind(&x, 7)).unwrap();
    let named = |index, name: &str| TapeProblem::OtherArgument { index, name: name.into() };
    assert_eq!(problem(c.reverse(&tape, &bind(&x, 8))), named(1, "n"));
    assert_eq!(problem(c.reverse(&tape, &bind(&y, 7))), named(0, "x"));
    let mut fewer = bind(&x, 7);
    fewer.args.pop();
    assert_eq!(problem(c.reverse(&tape, &fewer)), TapeProblem::OtherCount { want: 2, got: 1 });
    let mut other = Bench::new();
    assert_eq!(problem(other.reverse(&tape, &bind(&x, 7))), TapeProblem::OtherProgram);
    assert_eq!(c.device.ran.borrow().len() + other.device.ran.borrow().len(), 1);
    assert_eq!(x.shadow().unwrap()[0], 0);
}

// Catches: a launch in two of a kernel that is one.
#[test]
fn one_kernel_is_not_two() {
    let mut c = Bench::new();
    c.manifest = Arc::new(Manifest { reverse: None, ..(*c.manifest).clone() });
    assert!(c.manifest.validate().is_err());
    let x = c.heap.pair(&[1i64]).unwrap();
    assert_eq!(problem(c.augment(&bind(&x, 0))), TapeProblem::NotSplit);
}

// Catches: a tape that was too small, handed out all the same.
#[test]
fn an_overflow_gives_no_tape() {
    let mut c = Bench::new();
    c.device.overflow = true;
    let x = c.heap.pair(&[1i64]).unwrap();
    assert!(matches!(c.augment(&bind(&x, 0)), Err(RunError::Overflow { wanted: 99, capacity: 8, .. })));
    assert_eq!(c.heap.ledger.bytes().tape, 8);
}

// Catches: a tape that keeps the size of a launch that was undone, or primals that were changed twice.
#[test]
fn a_repeated_launch_leaves_the_longer_tape() {
    let mut c = Bench::new();
    c.device.overflow = true;
    let mut m = manifest(Mode::Augmented);
    m.tape.as_mut().unwrap().varies = true;
    m.params[0].written = true;
    c.manifest = Arc::new(m);
    let x = c.heap.pair(&[3i64]).unwrap();
    let tape = c.augment(&bind(&x, 0)).unwrap();
    assert_eq!((tape.per_thread, tape.bytes(), x.read().unwrap()[0]), (104, 8 * 104, 6));
    assert_eq!(c.heap.ledger.bytes().tape, 8 * 104 + 8);
    c.reverse(&tape, &bind(&x, 0)).unwrap();
    assert_eq!(x.shadow().unwrap()[0], 3);
}

// Catches: manifests of two kernels that do not go together.
#[test]
fn the_pair_is_validated() {
    let good = manifest(Mode::Augmented);
    assert_eq!(
        good.kernels().iter().map(|m| m.symbol.as_str()).collect::<Vec<_>>(),
        ["k_augmented", "k_reverse"]
    );
    let with = |change: fn(&mut Manifest)| {
        let mut m = good.clone();
        change(m.reverse.as_mut().unwrap());
        m.validate().unwrap_err().to_string()
    };
    assert!(with(|r| r.mode = Mode::Reverse).contains("follows"));
    assert!(with(|r| r.tape.as_mut().unwrap().align = 16).contains("tape is not the one"));
    assert!(with(|r| r.kernel = "other".into()).contains("tape is not the one"));
}
