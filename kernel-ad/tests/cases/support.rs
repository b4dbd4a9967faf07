//! The README's table of what is supported, made from the cases that pass and the ones that are refused in this run.
//!
//! A case counts for a feature when its kernel holds what only that feature has (its witness), or when a line
//! `# shows: name, name` at the head of the case file says so. What is refused counts by that line alone.

use super::modules::load_kernel;
use super::{name, Passed, Refused};
use kernel_ad::case::Case;
use kernel_ad::kernel::{
    AddrSpace, Arch, BarrierKind, Block, FloatTy, Inst, Kernel, Lane, MathFn, Op, RmwOp, Type, WarpOp,
};
use std::collections::BTreeSet;
use std::path::Path;

/// A row of the table.
struct Feature {
    /// The name in `# shows:`.
    id: &'static str,
    /// The words of the table.
    words: &'static str,
    /// What only kernels with the feature hold.
    witness: Option<fn(&Kernel) -> bool>,
}

const fn told(id: &'static str, words: &'static str) -> Feature {
    Feature { id, words, witness: None }
}

const fn seen(id: &'static str, words: &'static str, witness: fn(&Kernel) -> bool) -> Feature {
    Feature { id, words, witness: Some(witness) }
}

/// In the order of the table.
const FEATURES: &[Feature] = &[
    seen("f32", "f32", |k| any_type(k, Type::Float(FloatTy::F32))),
    seen("f64", "f64", |k| any_type(k, Type::Float(FloatTy::F64))),
    told("half", "half: stored, and in arithmetic"),
    told("bf16", "bfloat16"),
    seen("vectors", "vectors (`float4`, `double2`) in memory", |k| {
        k.values.keys().any(|v| matches!(k.ty(v), Type::Vec(Lane::Float(_), _)))
    }),
    seen("math", "math functions of libdevice, ocml, LLVM", |k| {
        any(k, |k, i| {
            matches!(&k.insts[i].op, Op::Math { func, .. }
                if !matches!(func, MathFn::Fma | MathFn::Fabs))
        })
    }),
    told("fast math", "fast approximations (`__expf`, `-ffast-math`)"),
    told("mixed records", "records of numbers in several formats, in memory"),
    told("aggregates", "structs and arrays as values"),
    told("bits", "floats taken apart and put together as integers"),
    told("branches", "branches and `switch` that depend on data"),
    seen("loops", "loops of any nesting", |k| in_loop(k, |_, _| true)),
    told("while", "loops whose trip count depends on data (`while`, `do`)"),
    told("exits", "`break`, `continue`, loops with several exits"),
    told("early return", "early return, also from within loops"),
    told("goto", "loops made with `goto`"),
    told("irreducible", "irreducible control flow"),
    told("gather", "gathers and scatters (indices from memory)"),
    told("in place", "memory that is read and overwritten in place"),
    told("constant", "`__constant__` memory"),
    told("active global", "`__constant__` and `__device__` variables that are differentiated"),
    told("ldg", "loads through the read-only cache (`__ldg`, `const __restrict__`)"),
    told("cache hints", "cache hints (`__ldcg`, `__stcs`, `__builtin_nontemporal_load`)"),
    seen("volatile", "`volatile` memory", |k| {
        any(k, |k, i| match k.insts[i].op {
            Op::Load { mem, .. } | Op::Store { mem, .. } => mem.volatile,
            _ => false,
        })
    }),
    seen("fences", "memory fences", |k| any(k, |k, i| matches!(k.insts[i].op, Op::Fence { .. }))),
    told("local array", "arrays of a thread, indexed at run time"),
    seen("memcpy", "`memcpy` and `memset`", |k| {
        any(k, |k, i| matches!(k.insts[i].op, Op::MemCopy { .. } | Op::MemSet { .. }))
    }),
    told("any length", "`memcpy` of any length, `memmove` that overlaps"),
    seen("struct", "structs passed by value", |k| k.params.iter().any(|p| p.by_value.is_some())),
    told("pointer table", "pointers stored in memory (arrays of pointers)"),
    told("active scalar", "scalars that are differentiated"),
    seen("shared", "shared memory, static", |k| {
        k.globals.values().any(|g| g.space == AddrSpace::Shared && g.bytes > 0)
    }),
    seen("dynamic shared", "shared memory, dynamic", |k| {
        k.globals.values().any(|g| g.space == AddrSpace::Shared && g.bytes == 0)
    }),
    seen("barriers", "barriers of the block", |k| any(k, |k, i| matches!(k.insts[i].op, Op::Barrier { .. }))),
    seen("barriers in loops", "barriers in loops", |k| {
        in_loop(k, |k, i| matches!(k.insts[i].op, Op::Barrier { .. }))
    }),
    told("barrier after return", "barriers after some threads have returned"),
    seen("barrier votes", "barriers that count or vote (`__syncthreads_or`)", |k| {
        any(k, |k, i| {
            matches!(k.insts[i].op, Op::Barrier { kind, .. }
                if !matches!(kind, BarrierKind::Sync | BarrierKind::Arrive))
        })
    }),
    seen("shuffles", "warp shuffles", |k| any_warp(k, is_shuffle)),
    seen("votes", "votes, ballots, match, redux", |k| {
        any_warp(k, |op| !is_shuffle(op) && !matches!(op, WarpOp::Sync | WarpOp::MbcntLo | WarpOp::MbcntHi))
    }),
    told("groups", "cooperative groups within the block"),
    seen("atomic add", "atomic float add", |k| any_rmw(k, |op| matches!(op, RmwOp::FAdd | RmwOp::FSub))),
    told("atomic result", "atomic float add, its result used"),
    told("atomic extremum", "atomic min, max, exchange on floats"),
    told("cas", "compare-and-swap loops on floats"),
    told("integer atomics", "integer atomics: counters, slots (never replayed)"),
    told("asm", "inline assembly that is understood"),
    told("unknown asm", "inline assembly that is not understood, on differentiated data"),
    told("unknown call", "calls of unknown functions, on differentiated data"),
    told("functions", "device functions by themselves"),
    told("registered", "device functions with a derivative of your own"),
    told("marked", "derivatives that a kernel asks for itself (`__kernel_ad_reverse`)"),
    told("recursion", "recursion, indirect calls"),
    told("textures", "textures and surfaces"),
    told("tensor", "tensor cores, asynchronous copies"),
    told("grid sync", "barriers of the whole grid"),
    told("malloc", "`malloc` in a kernel"),
];

/// Rows that one of the two has no case for, and why. Everything else has one, or is refused.
const MISSING: &[(&str, Arch, &str)] = &[(
    "textures",
    Arch::Amdgpu,
    "textures in HIP are calls of ockl's functions, which neither the CPU device nor the interpreter has",
)];

fn any(k: &Kernel, hit: impl Fn(&Kernel, Inst) -> bool) -> bool {
    k.layout.iter().any(|&b| k.blocks[b].insts.iter().any(|&i| hit(k, i)))
}

fn any_type(k: &Kernel, ty: Type) -> bool {
    any(k, |k, i| k.insts[i].result.is_some_and(|v| k.ty(v) == ty))
}

fn any_warp(k: &Kernel, hit: impl Fn(WarpOp) -> bool) -> bool {
    any(k, |k, i| matches!(k.insts[i].op, Op::Warp { op, .. } if hit(op)))
}

fn any_rmw(k: &Kernel, hit: impl Fn(RmwOp) -> bool) -> bool {
    any(k, |k, i| matches!(k.insts[i].op, Op::AtomicRmw { op, .. } if hit(op)))
}

fn is_shuffle(op: WarpOp) -> bool {
    use WarpOp::*;
    let nvptx =
        matches!(op, ShflIdx | ShflUp | ShflDown | ShflBfly | ShflIdxP | ShflUpP | ShflDownP | ShflBflyP);
    nvptx || matches!(op, DsBpermute | DsPermute | DsSwizzle | ReadFirstLane | ReadLane | UpdateDpp)
}

/// Control can come back to the block.
fn cyclic(k: &Kernel, b: Block) -> bool {
    let mut todo = k.successors(b);
    let mut seen: BTreeSet<Block> = BTreeSet::new();
    while let Some(s) = todo.pop() {
        if s == b {
            return true;
        }
        if seen.insert(s) {
            todo.extend(k.successors(s));
        }
    }
    false
}

fn in_loop(k: &Kernel, hit: impl Fn(&Kernel, Inst) -> bool) -> bool {
    k.layout.iter().any(|&b| k.blocks[b].insts.iter().any(|&i| hit(k, i)) && cyclic(k, b))
}

/// What a case file says that it shows.
fn shows(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let head = text.lines().take_while(|l| l.starts_with('#'));
    head.filter_map(|l| l.strip_prefix("# shows: "))
        .flat_map(|l| l.split(',').map(|f| f.trim().to_string()))
        .collect()
}

/// What the cases of one row do.
#[derive(Default)]
struct Row {
    /// Passing cases for NVPTX and AMDGPU.
    cases: [usize; 2],
    /// Passing cases whose two kernels of split mode pass as well.
    split: usize,
    /// Codes of the refusals.
    codes: BTreeSet<String>,
    /// There are refused cases for NVPTX and AMDGPU.
    refused: [bool; 2],
    /// A refused case is read, and runs as primal.
    primal: bool,
}

fn row(f: &Feature, passed: &[Passed], refused: &[Refused]) -> Row {
    let mut row = Row::default();
    for p in passed {
        let told = shows(&p.path).iter().any(|s| s == f.id);
        let seen = f.witness.map(|w| w(&p.kernel));
        assert!(!told || seen != Some(false), "{} does not hold `{}`, which it claims", name(&p.path), f.id);
        if told || seen == Some(true) {
            row.cases[usize::from(p.kernel.source.arch == Arch::Amdgpu)] += 1;
            row.split += usize::from(p.split);
        }
    }
    for r in refused.iter().filter(|r| shows(&r.path).iter().any(|s| s == f.id)) {
        row.codes.insert(r.code.clone());
        row.refused[usize::from(r.arch == Arch::Amdgpu)] = true;
        row.primal |= r.primal;
    }
    row
}

/// The table, as the README has it.
fn table(passed: &[Passed], refused: &[Refused]) -> String {
    let mut out = String::from("| | primal | derivative | split | CUDA | HIP |\n|---|---|---|---|---|---|\n");
    for f in FEATURES {
        let row = row(f, passed, refused);
        let works = row.cases.iter().sum::<usize>();
        if works == 0 && row.codes.is_empty() {
            continue;
        }
        let codes: Vec<_> = row.codes.iter().cloned().collect();
        let derivative = match (works, codes.join(", ")) {
            (0, codes) => format!("refused: {codes}"),
            (_, codes) if codes.is_empty() => "yes".into(),
            (_, codes) => format!("yes; in part refused: {codes}"),
        };
        let primal = if works > 0 || row.primal { "yes" } else { "refused" };
        let split = match row.split {
            0 => "no",
            n if n == works => "yes",
            _ => "in part",
        };
        let split = if works == 0 { "refused" } else { split };
        let word = |arch: Arch| {
            let n = usize::from(arch == Arch::Amdgpu);
            let missing = MISSING.iter().any(|m| (m.0, m.1) == (f.id, arch));
            match (row.cases[n], row.refused[n], missing) {
                (0, false, true) => "n/a",
                (_, _, true) => panic!("`{}` is said to be missing, but there is a case", f.id),
                (0, true, _) => "refused",
                (0, false, _) => panic!("`{}` has no case for {arch:?}, and no reason why", f.id),
                _ => "yes",
            }
        };
        let (cuda, hip) = (word(Arch::Nvptx), word(Arch::Amdgpu));
        out += &format!("| {} | {primal} | {derivative} | {split} | {cuda} | {hip} |\n", f.words);
    }
    let reasons: Vec<String> = MISSING.iter().map(|m| m.2.to_string()).collect();
    out + &format!("\nn/a: {}.\n", reasons.join("; "))
}

/// A case that says of itself that it passes.
fn claimed(path: &Path) -> Result<Passed, String> {
    let case = Case::load(path).map_err(|e| e.to_string())?;
    let kernel = load_kernel(&case).map_err(|e| e.to_string())?;
    Ok(Passed { path: path.into(), kernel, split: true })
}

const BEGIN: &str = "<!-- support: made by `KAD_BLESS=1 cargo test -p kernel-ad --test cases support` -->\n";
const END: &str = "<!-- support: end -->\n";

// Catches a claim of the README that no case backs, a support that the README does not mention, and a tag with a typing error.
#[test]
fn the_readme_says_what_is_supported() {
    let bless = std::env::var_os("KAD_BLESS").is_some();
    // To write the table down the cases need not run; to find it true they must pass.
    let read = bless.then(|| super::outcomes(&super::sorted().0, claimed));
    let passed = &read.as_ref().unwrap_or_else(|| super::passed()).good;
    let refused = &super::refused().good;
    for path in passed.iter().map(|p| &p.path).chain(refused.iter().map(|r| &r.path)) {
        for s in shows(path) {
            assert!(FEATURES.iter().any(|f| f.id == s), "{}: `{s}` is no feature", name(path));
        }
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&readme).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the README has the mark of the table");
    let (old, tail) = rest.split_once(END).expect("the README has the mark of the table's end");
    let new = table(passed, refused);
    if bless {
        std::fs::write(&readme, format!("{head}{BEGIN}{new}{END}{tail}")).unwrap();
    } else if old != new {
        let differs: Vec<_> = new.lines().filter(|l| !old.lines().any(|o| o == *l)).collect();
        panic!("the README's table differs; KAD_BLESS=1 rewrites it:\n{}", differs.join("\n"));
    }
}
