//! Gradients of random kernels against the ladder of oracles.

use super::*;
use kernel_ad::case::Image;
use kernel_ad::check::{
    ladder, spoil, with_engines, CheckReport, Engine, Interpreter, Program, SplitProgram, Subject,
    Verdict as Judged,
};
use kernel_ad::diag::Code;
use kernel_ad::grad::{reverse, split, tangent, Gradient, SplitGradient};
use kernel_ad::interp::Options;
use kernel_ad::jit::Device;
use kernel_ad::kernel::{verify, BinOp, Kernel, Op};
use kernel_ad::plan::{Kept, PlanOptions, Policy};
use std::collections::BTreeMap;

fn subject(g: &Generated, gradient: Gradient) -> Result<Subject, String> {
    let forward = tangent(&g.kernel, &g.case.roles()).map_err(|e| format!("no forward mode: {e}"))?;
    let split = split(&g.kernel, &g.case.roles(), &PlanOptions::default())
        .map_err(|e| format!("no gradient of two kernels: {e}"))?;
    Ok(Subject {
        case: g.case.clone(),
        primal: g.kernel.clone(),
        reverse: gradient,
        forward: Ok(forward),
        split: Ok(split),
    })
}

fn gradient(g: &Generated, options: &PlanOptions) -> Result<Gradient, String> {
    let made = reverse(&g.kernel, &g.case.roles(), options).map_err(|e| format!("no gradient: {e}"))?;
    verify(&made.kernel).map_err(|e| format!("the gradient does not verify: {e}"))?;
    Ok(made)
}

fn judge(subject: &Subject, device: Option<&Device>) -> Result<CheckReport, String> {
    let options = kernel_ad::check::Options { directions: 2, ..Default::default() };
    with_engines(device, |e| ladder(subject, e, &options, "none", &mut |_| {})).map_err(|e| e.to_string())
}

/// A ladder over kernels some of which are refused: refusals are no failures, but most kernels must be taken.
fn accepted(least: u64, options: &GenOptions, device: Option<&Device>) {
    let refused = std::cell::RefCell::new(Vec::new());
    let seen =
        for_seeds(least, options, |g| match reverse(&g.kernel, &g.case.roles(), &PlanOptions::default()) {
            Ok(made) => {
                verify(&made.kernel).map_err(|e| format!("the gradient does not verify: {e}"))?;
                verdict(&judge(&subject(g, made)?, device)?)
            }
            Err(e) if e.0.iter().all(|d| d.code != Code::Bug && !d.message.contains("neither be saved")) => {
                refused.borrow_mut().push(format!("{}: {}", e.0[0].code, e.0[0].message));
                Ok(())
            }
            Err(e) => Err(e.to_string()),
        });
    let mut refused = refused.into_inner();
    let n = refused.len() as u64;
    refused.sort();
    refused.dedup();
    eprintln!("{n} of {seen} kernels were refused: {refused:?}");
    assert!(n * 4 <= seen * 3, "{n} of {seen} kernels were refused: {refused:#?}");
}

/// Catches a wrong gradient of what threads do together, in the interpreter and compiled.
#[test]
fn gradients_of_threads_together() {
    let device = Device::cpu();
    for options in together() {
        accepted(10, &options, None);
        accepted(2, &options, Some(&device));
    }
}

/// Catches a generator of which most kernels are refused: the ladder would then see little. Says what the reasons are.
#[test]
fn most_kernels_of_threads_together_are_taken() {
    let seeds = env("KERNEL_AD_FUZZ_REFUSALS").unwrap_or(30);
    for options in together() {
        let mut refused: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for seed in 0..seeds {
            let g = generate(seed, &options);
            if let Err(e) = reverse(&g.kernel, &g.case.roles(), &PlanOptions::default()) {
                refused.entry(format!("{}: {}", e.0[0].code, e.0[0].message)).or_default().push(seed);
            }
        }
        let n: usize = refused.values().map(Vec::len).sum();
        eprintln!("{:?}: {n} of {seeds} refused: {refused:#?}", options.arch);
        assert!(n as u64 * 5 <= seeds, "{n} of {seeds} kernels are refused: {refused:#?}");
    }
}

fn verdict(report: &CheckReport) -> Verdict {
    let failed = report.findings.iter().filter(|f| f.verdict == Judged::Fail);
    let failed: Vec<String> =
        failed.map(|f| format!("{}: {:?} > {:?}, {}", f.oracle, f.error, f.limit, f.detail)).collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; "))
    }
}

/// Catches a wrong gradient.
#[test]
fn gradients_pass_the_ladder() {
    for_seeds(20, &GenOptions::default(), |g| {
        verdict(&judge(&subject(g, gradient(g, &PlanOptions::default())?)?, None)?)
    });
}

/// As above without kinks, where every direction must be judged: catches a ladder that passes because it judged nothing.
#[test]
fn smooth_gradients_are_judged() {
    let mut seen = 0;
    let judged = std::cell::Cell::new(0u32);
    seen += for_seeds(10, &smooth(), |g| {
        let report = judge(&subject(g, gradient(g, &PlanOptions::default())?)?, None)?;
        let by_differences = report.finding("gradient = central differences");
        let yes = by_differences.is_some_and(|f| f.verdict == Judged::Pass);
        judged.set(judged.get() + u32::from(yes));
        verdict(&report)
    });
    assert!(u64::from(judged.get()) * 10 >= seen * 8, "{} of {seen} gradients were judged", judged.get());
}

/// What a gradient leaves behind, in doubles.
fn shadows(g: &Generated, gradient: &Gradient) -> Result<Vec<(String, Vec<f64>)>, String> {
    let mut image = Image::of(&g.case).widened();
    let program = Program::gradient(gradient);
    Interpreter(Options::wide()).run(&program, &g.case, &mut image).map_err(|e| e.to_string())?;
    Ok(image.leaves.iter().map(|l| (l.path.clone(), l.shadow.to_f64())).collect())
}

/// Catches a tape that loses or mixes up values: the gradient is the same whatever is saved and whatever computed again.
#[test]
fn every_tape_policy_gives_the_same_gradient() {
    for_seeds(20, &GenOptions::default(), |g| {
        let want = shadows(g, &gradient(g, &PlanOptions::default())?)?;
        let policies =
            [Policy::Cut, Policy::Save, Policy::Chaos(1), Policy::Chaos(g.kernel.insts.len() as u64)];
        for (policy, local_tape_bytes) in policies.into_iter().flat_map(|p| [(p, 0), (p, 4096)]) {
            let options = PlanOptions { policy, local_tape_bytes, ..PlanOptions::default() };
            let got = shadows(g, &gradient(g, &options)?).map_err(|e| format!("{options:?}: {e}"))?;
            for ((path, want), (_, got)) in want.iter().zip(&got) {
                for (i, (w, g)) in want.iter().zip(got).enumerate() {
                    if !((w - g).abs() <= 1e-9 * (1.0 + w.abs())) {
                        return Err(format!("{options:?}: {path}[{i}] is {g}, not {w}"));
                    }
                }
            }
        }
        Ok(())
    });
}

/// What the two kernels of a split gradient leave behind, in doubles, other contents in all buffers when the second one runs.
fn split_shadows(g: &Generated, gradient: &SplitGradient) -> Result<Vec<(String, Vec<f64>)>, String> {
    let mut image = Image::of(&g.case).widened();
    let program = SplitProgram::new(gradient);
    let meanwhile = |image: &mut Image| spoil(gradient, image);
    Interpreter(Options::wide())
        .run_split(&program, &g.case, &mut image, &meanwhile)
        .map_err(|e| e.to_string())?;
    Ok(image.leaves.iter().map(|l| (l.path.clone(), l.shadow.to_f64())).collect())
}

/// Catches a reverse kernel that needs what the augmented one has not left to it, whatever is saved and whatever computed again.
#[test]
fn two_kernels_give_the_same_gradient() {
    for_seeds(20, &GenOptions::default(), |g| {
        let want = shadows(g, &gradient(g, &PlanOptions::default())?)?;
        let policies =
            [Policy::Cut, Policy::Save, Policy::Chaos(1), Policy::Chaos(g.kernel.insts.len() as u64)];
        for (policy, kept) in policies.into_iter().flat_map(|p| [(p, Kept::Nothing), (p, Kept::Everything)]) {
            let options = PlanOptions { policy, kept, ..PlanOptions::default() };
            let made =
                split(&g.kernel, &g.case.roles(), &options).map_err(|e| format!("{options:?}: {e}"))?;
            for k in [&made.augmented.kernel, &made.reverse.kernel] {
                verify(k).map_err(|e| format!("{options:?}: `{}` does not verify: {e}", k.name))?;
            }
            let got = split_shadows(g, &made).map_err(|e| format!("{options:?}: {e}"))?;
            for ((path, want), (_, got)) in want.iter().zip(&got) {
                for (i, (w, g)) in want.iter().zip(got).enumerate() {
                    if !((w - g).abs() <= 1e-9 * (1.0 + w.abs())) {
                        return Err(format!("{options:?}: {path}[{i}] is {g}, not {w}"));
                    }
                }
            }
        }
        Ok(())
    });
}

/// Catches differences between compiled code and the interpreter, of primals and gradients.
#[test]
fn compiled_gradients_pass_the_ladder() {
    let device = Device::cpu();
    for_seeds(3, &GenOptions::default(), |g| {
        verdict(&judge(&subject(g, gradient(g, &PlanOptions::default())?)?, Some(&device))?)
    });
}

/// Changes one place of a kernel; false when there is no such place.
type Fault = fn(&mut Kernel, usize) -> bool;

fn nth(k: &Kernel, n: usize, is: impl Fn(&Op) -> bool) -> Option<kernel_ad::kernel::Inst> {
    let all: Vec<_> = k.iter_insts().map(|(_, i)| i).filter(|&i| is(&k.insts[i].op)).collect();
    (!all.is_empty()).then(|| all[n % all.len()])
}

fn drop_accumulation(k: &mut Kernel, n: usize) -> bool {
    let Some(i) = nth(k, n, |op| matches!(op, Op::Accumulate { .. })) else { return false };
    k.blocks.values_mut().for_each(|b| b.insts.retain(|&j| j != i));
    true
}

fn flip_accumulation(k: &mut Kernel, n: usize) -> bool {
    let Some(i) = nth(k, n, |op| matches!(op, Op::Accumulate { .. })) else { return false };
    let Op::Accumulate { val, .. } = k.insts[i].op else { return false };
    let ty = k.ty(val);
    let zero = k.zero(ty);
    let Some(b) = k.layout.iter().copied().find(|&b| k.blocks[b].insts.contains(&i)) else { return false };
    let at = k.blocks[b].insts.iter().position(|&j| j == i).unwrap_or(0);
    let mut builder = kernel_ad::kernel::KernelBuilder::new(k);
    builder.at = kernel_ad::kernel::Cursor::At(b, at);
    let negated = builder.binary(BinOp::FSub, zero, val);
    if let Op::Accumulate { val, .. } = &mut k.insts[i].op {
        *val = negated;
    }
    true
}

fn shift_tape(k: &mut Kernel, n: usize) -> bool {
    let Some(i) = nth(k, n, |op| matches!(op, Op::TapeLoad { .. })) else { return false };
    let Op::TapeLoad { offset } = k.insts[i].op else { return false };
    let eight = k.int(kernel_ad::kernel::Type::I64, 8);
    let Some(b) = k.layout.iter().copied().find(|&b| k.blocks[b].insts.contains(&i)) else { return false };
    let at = k.blocks[b].insts.iter().position(|&j| j == i).unwrap_or(0);
    let mut builder = kernel_ad::kernel::KernelBuilder::new(k);
    builder.at = kernel_ad::kernel::Cursor::At(b, at);
    let shifted = builder.binary(BinOp::Add, offset, eight);
    k.insts[i].op = Op::TapeLoad { offset: shifted };
    true
}

/// True when two gradients of a kernel differ by more than rounding, or one does not run.
fn differ(g: &Generated, a: &Gradient, b: &Gradient) -> bool {
    let (Ok(a), Ok(b)) = (shadows(g, a), shadows(g, b)) else { return true };
    let pairs = a.iter().zip(&b).flat_map(|((_, a), (_, b))| a.iter().zip(b));
    pairs.into_iter().any(|(a, b)| !((a - b).abs() <= 1e-6 * (1.0 + a.abs())))
}

/// Every fault that changes the gradient of a smooth kernel is found. (Some strike where nothing flows: a loop that does
/// not run, an adjoint of zero.) Catches a ladder that is blind to what it is for.
#[test]
fn planted_faults_are_found() {
    let faults: [(&str, Fault, Policy); 3] = [
        ("a dropped accumulation", drop_accumulation, Policy::Cut),
        ("an accumulation of the wrong sign", flip_accumulation, Policy::Cut),
        ("a tape that is read one entry further", shift_tape, Policy::Save),
    ];
    for (what, fault, policy) in faults {
        let mut found = 0;
        for seed in 0..100 {
            let g = generate(seed, &smooth());
            let options = PlanOptions { policy, local_tape_bytes: 0, ..PlanOptions::default() };
            let right = gradient(&g, &options).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let mut broken = right.clone();
            if !fault(&mut broken.kernel, seed as usize) {
                continue;
            }
            verify(&broken.kernel).unwrap_or_else(|e| panic!("{what}: {e}"));
            if !differ(&g, &right, &broken) {
                continue;
            }
            let report = subject(&g, broken).and_then(|s| judge(&s, None));
            assert!(report.is_err() || report.is_ok_and(|r| !r.passed()), "seed {seed}: {what} went unseen");
            found += 1;
            if found == 8 {
                break;
            }
        }
        assert!(found >= 5, "{what}: struck only {found} times");
    }
}
