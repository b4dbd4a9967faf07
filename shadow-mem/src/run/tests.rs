use super::*;
use crate::check::BoundArg;
use crate::expr::Expr;
use crate::manifest::{ElemType, Mode, ParamSpec, Passing, Purpose, Role, MANIFEST_VERSION};
use crate::memory::HostMemory;
use std::cell::{Cell, RefCell};

/// A device whose kernels are closures over host memory.
struct Fake {
    log: RefCell<Vec<String>>,
    /// Bytes that each thread takes of the tape; also what the counter counts.
    need: i64,
    /// How much more than it took in the launch before a thread takes of the tape in every launch.
    more: i64,
    launches: Cell<i64>,
    parts: u64,
}

fn poke(at: u64, x: i64) {
    // SAFETY: the tests pass addresses of live blocks.
    unsafe { (at as *mut i64).write_unaligned(x) };
}

fn peek(at: u64) -> i64 {
    // SAFETY: as in `poke`.
    unsafe { (at as *const i64).read_unaligned() }
}

impl Execute for Fake {
    type Memory = HostMemory;
    type Error = String;

    unsafe fn execute(&self, m: &Manifest, _: &Launch, args: &[Arg]) -> Result<Duration, String> {
        let of = |p: Purpose| m.find(|q| *q == p).map(|i| args[i].clone());
        let x = args[0].extents()[0].address;
        self.log.borrow_mut().push(format!("{} sees {}", m.symbol, peek(x)));
        poke(x, peek(x) + 1);
        if let Some(Arg::Pointer(count)) = of(Purpose::CountResult) {
            poke(count.address, self.need);
        }
        if let (Some(cap), Some(Arg::Pointer(status))) = (of(Purpose::TapeCapacity), of(Purpose::TapeStatus))
        {
            assert_eq!(peek(status.address), 0, "the status word is cleared");
            let need = self.need + self.more * self.launches.replace(self.launches.get() + 1);
            if let Some(Arg::Pointer(shadow)) = of(Purpose::Shadow { of: 0 }) {
                poke(shadow.address, peek(shadow.address) + 100);
            }
            if cap.as_int().unwrap() < need {
                poke(status.address, need);
            }
        }
        if self.need == 13 {
            return Err("unlucky".into());
        }
        Ok(Duration::from_micros(5))
    }

    fn tape_parts(&self, _: &Manifest, _: &Launch) -> u64 {
        self.parts
    }
}

fn param(name: &str, purpose: Purpose, passing: Passing, bytes: u64) -> ParamSpec {
    let written = matches!(purpose, Purpose::Primal { .. } | Purpose::Shadow { .. });
    ParamSpec { name: name.into(), passing, bytes, align: 8, purpose, accumulate_only: None, written }
}

fn manifest(symbol: &str, mode: Mode, ours: &[Purpose], tape: Option<TapeSpec>) -> Manifest {
    let pointer = Passing::Pointer { space: 1 };
    let word = Passing::Scalar { ty: Some(ElemType::I64) };
    let mut params = vec![
        param("x", Purpose::Primal { index: 0, role: Role::Dup }, pointer.clone(), 8),
        param("n", Purpose::Primal { index: 1, role: Role::Const }, word.clone(), 8),
    ];
    for p in ours {
        let passing = if *p == Purpose::TapeCapacity { word.clone() } else { pointer.clone() };
        params.push(param("ours", p.clone(), passing, 8));
    }
    Manifest {
        version: MANIFEST_VERSION,
        symbol: symbol.into(),
        kernel: "k".into(),
        mode,
        target: "host".into(),
        warp_size: 32,
        params,
        shared_bytes: 0,
        dynamic_shared: false,
        local_bytes: 0,
        max_threads: None,
        tape,
        form: None,
        reverse: None,
        assumptions: vec![],
        stats: Default::default(),
    }
}

fn gradient(formula: Option<Expr>, layout: TapeLayout) -> Manifest {
    let counter = manifest("k_count", Mode::Count, &[Purpose::CountResult], None);
    let counter = formula.is_none().then(|| Box::new(counter));
    let tape = TapeSpec { layout, bytes_per_thread: formula, align: 16, counter, varies: false };
    let ours = [Purpose::TapeBase, Purpose::TapeCapacity, Purpose::TapeStatus];
    let m = manifest("k_reverse", Mode::Reverse, &ours, Some(tape));
    m.validate().unwrap();
    m
}

struct Case {
    device: Fake,
    heap: Heap<HostMemory>,
    arena: TapeArena<crate::memory::HostBlock>,
}

impl Case {
    fn new(need: i64) -> Case {
        let device = Fake { log: RefCell::default(), need, more: 0, launches: Cell::new(0), parts: 3 };
        Case { device, heap: Heap::new(HostMemory), arena: TapeArena::new() }
    }

    /// Runs once on a buffer that holds 40, and says what it holds afterwards.
    fn run(
        &mut self,
        m: &Manifest,
        n: i64,
        budget: Option<u64>,
    ) -> (Result<RunReport, RunError<String>>, i64) {
        let x = self.heap.pair(&[40i64]).unwrap();
        let args = vec![
            BoundArg { primal: x.primal.arg(), shadow: Some(x.shadow.extent()) },
            BoundArg { primal: Arg::scalar(n), shadow: None },
        ];
        let b = Bindings { args, ..Bindings::default() };
        // SAFETY: the fake stays inside its one buffer.
        let got =
            unsafe { launch(&self.device, &self.heap, &mut self.arena, m, &Launch::new(2, 5), &b, budget) };
        (got, x.read().unwrap()[0])
    }
}

// Catches: a tape that the formula does not size, an arena that is not reused.
#[test]
fn a_formula_sizes_the_tape() {
    let m = gradient(Some(Expr::Mul(vec![Expr::Param(1), Expr::Const(4)])), TapeLayout::Interleaved);
    let mut c = Case::new(40);
    let report = c.run(&m, 10, None).0.unwrap();
    assert_eq!((report.tape_per_thread, report.tape_bytes, report.count), (48, 480, Duration::ZERO));
    c.run(&m, 12, None).0.unwrap();
    assert_eq!(c.arena.capacity(), 480);
    assert_eq!(c.device.log.borrow().len(), 2);
}

// Catches: parts of a reused tape taken from the grid and not from the device.
#[test]
fn reused_tapes_ask_the_device() {
    let m = gradient(Some(Expr::Const(8)), TapeLayout::Reused);
    assert_eq!(Case::new(8).run(&m, 0, None).0.unwrap().tape_bytes, 16 * 3);
}

// Catches: a counting run that leaves its writes behind, so that the gradient starts from other data.
#[test]
fn the_counter_leaves_no_trace() {
    let m = gradient(None, TapeLayout::Contiguous);
    let mut c = Case::new(100);
    let (report, x) = c.run(&m, 0, None);
    assert_eq!(report.unwrap().tape_per_thread, 112);
    assert_eq!(x, 41);
    assert_eq!(*c.device.log.borrow(), ["k_count sees 40", "k_reverse sees 40"]);
    assert_eq!(c.heap.ledger.bytes().scratch, 0);
}

// Catches: a failed counting run that leaves its writes behind or is followed by the gradient.
#[test]
fn a_failed_counter_is_undone() {
    let m = gradient(None, TapeLayout::Contiguous);
    let mut c = Case::new(13);
    let (report, x) = c.run(&m, 0, None);
    assert!(matches!(report, Err(RunError::Device(e)) if e == "unlucky"));
    assert_eq!((x, c.device.log.borrow().len()), (40, 1));
}

// Catches: an overflow that goes unnoticed, and one that sticks to the next launch.
#[test]
fn overflow_is_an_error() {
    let m = gradient(Some(Expr::Param(1)), TapeLayout::Contiguous);
    let mut c = Case::new(40);
    let got = c.run(&m, 32, None).0;
    assert!(matches!(got, Err(RunError::Overflow { wanted: 40, capacity: 32, .. })), "{got:?}");
    assert!(c.run(&m, 40, None).0.is_ok());
}

// Catches: formulas without a value, budgets that are not kept.
#[test]
fn sizes_that_cannot_be_are_errors() {
    let m = gradient(Some(Expr::Param(1)), TapeLayout::Contiguous);
    let mut c = Case::new(1);
    assert!(matches!(
        c.run(&m, -1, None).0,
        Err(RunError::Launch(LaunchError { problem: LaunchProblem::TapeFormula(_), .. }))
    ));
    assert!(matches!(c.run(&m, i64::MAX, None).0, Err(RunError::Tape(TapeError::TooLarge { .. }))));
    let over = c.run(&m, 16, Some(159)).0;
    assert!(
        matches!(over, Err(RunError::Tape(TapeError::OverBudget { need: 160, budget: 159 }))),
        "{over:?}"
    );
    assert!(c.run(&m, 16, Some(160)).0.is_ok());
    assert!(matches!(
        Case::new(-5).run(&gradient(None, TapeLayout::Contiguous), 0, None).0,
        Err(RunError::Count { got: -5, .. })
    ));
}

// Catches: a tape for a kernel that takes none.
#[test]
fn kernels_without_tape_get_none() {
    let m = manifest("k", Mode::Primal, &[], None);
    let mut c = Case::new(0);
    let (report, x) = c.run(&m, 0, None);
    assert_eq!((report.unwrap().tape_bytes, x, c.heap.ledger.bytes().tape), (0, 41, 0));
}

/// A gradient that adds into the shadow of `x`, whose count need not hold.
fn varying() -> Manifest {
    let mut m = gradient(None, TapeLayout::Contiguous);
    let pointer = Passing::Pointer { space: 1 };
    m.params.insert(2, param("x.shadow", Purpose::Shadow { of: 0 }, pointer, 8));
    m.tape.as_mut().unwrap().varies = true;
    m.validate().unwrap();
    m
}

// Catches: a repeated launch that adds to what the one before it has left, and one that gives up though memory is there.
#[test]
fn a_count_that_does_not_hold_is_made_good() {
    let mut c = Case::new(100);
    c.device.more = 70;
    let x = c.heap.pair(&[40i64]).unwrap();
    let b = Bindings {
        args: vec![
            BoundArg { primal: x.primal.arg(), shadow: Some(x.shadow.extent()) },
            BoundArg { primal: Arg::scalar(0i64), shadow: None },
        ],
        ..Bindings::default()
    };
    let run = |c: &mut Case, m: &Manifest, budget| {
        // SAFETY: the fake stays inside its buffers.
        unsafe { launch(&c.device, &c.heap, &mut c.arena, m, &Launch::new(2, 5), &b, budget) }
    };
    c.device.launches.set(1); // 170 bytes, 100 counted; then 240, with 224 there; then 310, with 448.
    let report = run(&mut c, &varying(), None).unwrap();
    assert_eq!((report.repeats, report.tape_per_thread), (2, 448));
    assert_eq!((x.read().unwrap()[0], x.shadow().unwrap()[0]), (41, 100));
    assert_eq!(c.device.log.borrow().len(), 4);

    // What the budget forbids is an error, and nothing has happened then.
    c.device.launches.set(1);
    let over = run(&mut c, &varying(), Some(1200));
    assert!(matches!(over, Err(RunError::Tape(TapeError::OverBudget { need: 2240, .. }))), "{over:?}");
    assert_eq!((x.read().unwrap()[0], x.shadow().unwrap()[0]), (41, 100));

    // Where it cannot be undone it is not repeated.
    c.device.launches.set(1);
    let mut m = varying();
    m.tape.as_mut().unwrap().varies = false;
    assert!(matches!(run(&mut c, &m, None), Err(RunError::Overflow { wanted: 170, .. })));
    assert_eq!(c.heap.ledger.bytes().scratch, 0);
}
