//! The ladder of oracles, cheapest first. Each compares two roads to the same numbers that share as little as possible.

use super::compare::{compare, epsilon, Difference, Reference, Side};
use super::differences;
use super::engine::{Engine, Program, RunInfo, SplitProgram};
use super::peer::{against, PEER, PRIMAL_PEER};
use super::report::{CheckReport, Finding};
use super::spoil::spoil;
use super::vectors::{dot, dot_abs, Space};
use crate::case::{Case, Image, Leaf};
use crate::diag::{Code, Diagnostics, Result};
use crate::grad::{Gradient, SplitGradient};
use crate::idiom;
use crate::kernel::{Inst, Kernel, Op, Type};
use shadow_mem::{ElemType, Role};

/// What is checked: a case, its kernel, and the kernel's derivatives.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The case.
    pub case: Case,
    /// The kernel as it was read.
    pub primal: Kernel,
    /// Its reverse mode.
    pub reverse: Gradient,
    /// Its forward mode, or why there is none.
    pub forward: std::result::Result<Gradient, String>,
    /// Its reverse mode in two kernels, or why there is none.
    pub split: std::result::Result<SplitGradient, String>,
}

/// The three ways to run a kernel.
pub struct Engines<'e> {
    /// The interpreter, in the kernel's own formats.
    pub narrow: &'e dyn Engine,
    /// The same, looking for races and reads of unwritten memory.
    pub sanitizer: &'e dyn Engine,
    /// The interpreter with every float as a double.
    pub wide: &'e dyn Engine,
    /// A device, or why there is none.
    pub device: std::result::Result<&'e dyn Engine, String>,
    /// The CPU device beside a GPU.
    pub peer: Option<&'e dyn Engine>,
}

/// How much to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directions for central differences.
    pub directions: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Instructions that a run, and all central differences together, may interpret; what would take more is skipped.
    pub max_steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { directions: 4, seed: 1, max_steps: 2_000_000_000 }
    }
}

struct Ladder<'l> {
    subject: &'l Subject,
    engines: &'l Engines<'l>,
    options: &'l Options,
    space: Space,
    report: CheckReport,
    progress: &'l mut dyn FnMut(&'static str),
}

/// Runs all oracles. An error means that the case itself cannot run; a wrong gradient is a finding.
pub fn ladder(
    subject: &Subject,
    engines: &Engines,
    options: &Options,
    device: &str,
    progress: &mut dyn FnMut(&'static str),
) -> Result<CheckReport> {
    let before = Image::of(&subject.case);
    let report = CheckReport {
        kernel: subject.primal.name.clone(),
        device: device.into(),
        stats: subject.reverse.stats,
        tape_per_thread: 0,
        directions: 0,
        kinks: 0,
        findings: Vec::new(),
    };
    let space = Space::of(&before);
    let mut l = Ladder { subject, engines, options, space, report, progress };
    l.run(&before)?;
    Ok(l.report)
}

/// The oracles that need no derivative.
pub fn primal_only(case: &Case, kernel: &Kernel, engines: &Engines) -> Result<Vec<Finding>> {
    let before = Image::of(case);
    let primal = Program::primal(kernel, &case.roles())?;
    let (mut narrow, mut wide) = (before.clone(), before.widened());
    engines.narrow.run(&primal, case, &mut narrow)?;
    let (_, bounds) = engines.wide.run_measured(&primal, case, &mut wide)?;
    let outputs = Reference { narrow, wide, bounds };
    Ok(vec![
        sanitize(engines, PRIMAL_SANITIZER, &primal, case, &before),
        primal_on_device(engines, &primal, case, &before, &outputs),
    ])
}

const PRIMAL_SANITIZER: &str = "primal: no races, no unwritten reads";
const PRIMAL_DEVICE: &str = "primal: device = interpreter";
const SANITIZER: &str = "gradient: no races, no unwritten reads";
const KEPT: &str = "gradient: outputs as the primal's";
const DIFFERENCES: &str = "gradient = central differences";
const DOT: &str = "gradient = forward mode";
const DEVICE: &str = "gradient: device = interpreter";
const DEVICE_KEPT: &str = "gradient: outputs on the device";
const TWICE: &str = "gradient: twice the seed, twice as much";
const DEVICE_DOT: &str = "gradient = forward mode, on the device";
const TANGENT: &str = "tangent: device = interpreter";
const SPLIT: &str = "split: gradient as in one kernel";
const SPLIT_KEPT: &str = "split: outputs as the primal's";
const SPLIT_DEVICE: &str = "split: device = interpreter";

/// The oracles that need an interpreted run: two of the primal, then those of the gradient.
const INTERPRETED: [&str; 12] = [
    PRIMAL_SANITIZER,
    PRIMAL_DEVICE,
    SANITIZER,
    KEPT,
    DIFFERENCES,
    DOT,
    TANGENT,
    DEVICE,
    DEVICE_KEPT,
    SPLIT,
    SPLIT_KEPT,
    SPLIT_DEVICE,
];

impl Ladder<'_> {
    fn run(&mut self, before: &Image) -> Result<()> {
        let case = &self.subject.case;
        let primal = Program::primal(&self.subject.primal, &case.roles())?;
        let reverse = Program::gradient(&self.subject.reverse);
        let mut seeded = before.clone();
        let seeds = self.space.seeds(self.options.seed);
        self.space.set_shadow(&mut seeded, &seeds);

        (self.progress)("primal, interpreted");
        // Every thread executes an instruction: where there are more threads than that, not even the memory is made.
        let possible = case.threads() <= self.options.max_steps;
        let (outputs, steps) = match possible.then(|| self.interpret(&primal, before)) {
            Some(Ok((r, info))) => (r, info.steps),
            Some(Err(e)) if !is_too_long(&e) => return Err(e),
            _ => {
                self.skip_interpreted(&INTERPRETED);
                self.peer(PRIMAL_PEER, &primal, before, None);
                self.device_alone(&reverse, before, &seeded, None);
                return Ok(());
            }
        };
        self.push(sanitize(self.engines, PRIMAL_SANITIZER, &primal, case, before));
        self.push(primal_on_device(self.engines, &primal, case, before, &outputs));
        self.peer(PRIMAL_PEER, &primal, before, Some(&outputs));

        (self.progress)("gradient, interpreted");
        let gradient = match self.interpret(&reverse, &seeded) {
            Ok((r, info)) => {
                self.report.tape_per_thread = info.tape_per_thread;
                r
            }
            Err(e) if is_too_long(&e) => {
                self.skip_interpreted(&INTERPRETED[2..]);
                self.device_alone(&reverse, before, &seeded, None);
                return Ok(());
            }
            Err(e) => {
                // Nothing else can be said of a gradient that does not run.
                self.push(Finding::of(KEPT, false, brief(&e)));
                return Ok(());
            }
        };
        self.push(sanitize(self.engines, SANITIZER, &reverse, case, &seeded));
        self.kept(KEPT, &gradient.narrow, &outputs);
        self.differences(before, &seeds, &gradient, steps)?;
        self.forward(before, &seeds, &gradient);
        self.device_alone(&reverse, before, &seeded, Some((&gradient, &outputs)));
        self.split(&seeded, &gradient, &outputs);
        Ok(())
    }

    /// The two kernels against the one, with other contents in all buffers when the second one runs; unless it was allowed to
    /// load them again.
    fn split(&mut self, seeded: &Image, gradient: &Reference, outputs: &Reference) {
        let split = match &self.subject.split {
            Ok(s) => SplitProgram::new(s),
            Err(why) => {
                let all = [SPLIT, SPLIT_KEPT, SPLIT_DEVICE];
                return all.iter().for_each(|o| self.report.findings.push(Finding::skipped(o, why)));
            }
        };
        (self.progress)("augmented and reverse kernel");
        let case = &self.subject.case;
        let meanwhile = |image: &mut Image| spoil(&split.gradient, image);
        let mut got = seeded.clone();
        if let Err(e) = self.engines.sanitizer.run_split(&split, case, &mut got, &meanwhile) {
            return self.push(Finding::of(SPLIT, false, brief(&e)));
        }
        let adjoints = |got: &Image| compare(got, &gradient.narrow, gradient, Side::Shadow, Leaf::active);
        self.push(judge(SPLIT, adjoints(&got)));
        self.kept(SPLIT_KEPT, &got, outputs);
        let mut got = seeded.clone();
        let run = self.engines.device.as_ref().map(|d| d.run_split(&split, case, &mut got, &meanwhile));
        let finding = match run {
            Err(why) => Finding::skipped(SPLIT_DEVICE, why),
            Ok(Err(e)) => Finding::of(SPLIT_DEVICE, false, brief(&e)),
            Ok(Ok(_)) => judge(SPLIT_DEVICE, adjoints(&got)),
        };
        self.push(finding);
    }

    /// A GPU against the CPU device, if both are there.
    fn peer(&mut self, oracle: &'static str, program: &Program, before: &Image, want: Option<&Reference>) {
        let (Ok(device), Some(cpu)) = (&self.engines.device, self.engines.peer) else { return };
        let finding = against(oracle, (*device, cpu), program, &self.subject.case, before, want);
        self.push(finding);
    }

    /// A run in the kernel's own formats and one in doubles.
    fn interpret(&self, program: &Program, before: &Image) -> Result<(Reference, RunInfo)> {
        let (mut narrow, mut wide) = (before.clone(), before.widened());
        self.engines.narrow.run(program, &self.subject.case, &mut narrow)?;
        let (info, bounds) = self.engines.wide.run_measured(program, &self.subject.case, &mut wide)?;
        Ok((Reference { narrow, wide, bounds }, info))
    }

    fn skip_interpreted(&mut self, oracles: &[&'static str]) {
        let why = format!("more than {} instructions to interpret", self.options.max_steps);
        oracles.iter().for_each(|o| self.push(Finding::skipped(o, &why)));
    }

    fn push(&mut self, f: Finding) {
        self.report.findings.push(f);
    }

    /// Interpreted, the same operations in the same order: the outputs must be equal bit for bit. Only products that the derivative
    /// brings into an order round differently.
    fn kept(&mut self, oracle: &'static str, got: &Image, reference: &Reference) {
        let want = &reference.narrow;
        let pairs = got.leaves.iter().zip(&want.leaves).filter(|(_, w)| keeps(w));
        let changed: Vec<_> =
            pairs.filter(|(g, w)| g.data.bytes != w.data.bytes).map(|(g, _)| g.path.as_str()).collect();
        if !changed.is_empty() && idiom::has_products(&self.subject.primal, &self.subject.case.roles()) {
            return self.push(judge(oracle, compare(got, want, reference, Side::Primal, keeps)));
        }
        let detail = match changed.is_empty() {
            true => String::new(),
            false => format!("differs: {}", changed.join(", ")),
        };
        self.push(Finding::of(oracle, changed.is_empty(), detail));
    }

    fn differences(&mut self, before: &Image, seeds: &[f64], gradient: &Reference, steps: u64) -> Result<()> {
        let runs = self.options.max_steps / steps.max(1) / 11;
        let directions = self.options.directions.min(usize::try_from(runs).unwrap_or(usize::MAX));
        if directions == 0 {
            let why = format!(
                "11 runs of {steps} interpreted instructions are more than the limit of {}",
                self.options.max_steps
            );
            self.push(Finding::skipped(DIFFERENCES, why));
            return Ok(());
        }
        (self.progress)("central differences");
        let base = before.widened();
        let x = self.space.primal(&base);
        // With what moves and masks bits as the floats that it means, differences in f64 say more.
        let mut retyped = idiom::recognise(&self.subject.primal);
        // In doubles the loop itself is the better witness.
        if self.subject.primal.iter_insts().any(|(_, i)| swaps_single(&self.subject.primal, i)) {
            idiom::order_products(&mut retyped, &self.subject.case.roles());
        }
        crate::retype::retype(&mut retyped, &self.subject.case.roles());
        let how =
            if crate::retype::counts_bits(&retyped) { &differences::COARSE } else { &differences::FINE };
        crate::retype::strip(&mut retyped);
        let primal = &Program::primal(&retyped, &self.subject.case.roles())?;
        let adjoint = self.space.shadow(&gradient.wide);
        let (mut error, mut limit, mut detail) = (0.0, 1e-6, String::new());
        let mut judged = 0;
        for d in 0..directions {
            let v = self.space.direction(before, self.options.seed + 100 + d as u64);
            let f = |x: &[f64]| {
                let mut image = base.clone();
                self.space.set_primal(&mut image, x);
                self.engines.wide.run(primal, &self.subject.case, &mut image)?;
                Ok(self.space.primal(&image))
            };
            let e = differences::along(f, &x, &v, seeds, how)?;
            self.report.directions += 1;
            let ours = dot(&adjoint, &v);
            let scale = (e.scale + dot_abs(&adjoint, &v)).max(f64::MIN_POSITIVE);
            let reliable = e.error <= how.reliable * scale;
            if e.kink || !(reliable || !e.value.is_finite()) {
                self.report.kinks += 1;
                continue;
            }
            judged += 1;
            let rel = (e.value - ours).abs() / scale;
            let allowed = 1e-6 + 4.0 * e.error / scale;
            if judged == 1 || rel / allowed > error / limit || rel.is_nan() {
                detail = format!("along a random direction: {ours:.9e}, differences {:.9e}", e.value);
                (error, limit) = (rel, allowed);
                if rel.is_nan() {
                    break;
                }
            }
        }
        let finding = match judged {
            0 => Finding::skipped(DIFFERENCES, format!("all {directions} directions met a kink")),
            _ => Finding::judge(DIFFERENCES, error, limit, detail),
        };
        self.push(finding);
        Ok(())
    }

    /// The dot product: `seed . J v` by forward mode, `J^T seed . v` by reverse mode.
    fn forward(&mut self, before: &Image, seeds: &[f64], gradient: &Reference) {
        let tangent = match &self.subject.forward {
            Ok(g) => Program::gradient(g),
            Err(why) => {
                self.push(Finding::skipped(DOT, why));
                return;
            }
        };
        (self.progress)("forward mode");
        let case = &self.subject.case;
        let v = self.space.direction(before, self.options.seed + 200);
        let mut narrow = before.clone();
        self.space.set_shadow(&mut narrow, &v);
        let mut device = narrow.clone();
        let mut wide = before.widened();
        self.space.set_shadow(&mut wide, &v);
        let bounds = match self.engines.wide.run_measured(&tangent, case, &mut wide) {
            Ok((_, bounds)) => bounds,
            Err(e) => return self.push(Finding::of(DOT, false, brief(&e))),
        };
        let out = self.space.shadow(&wide);
        let adjoint = self.space.shadow(&gradient.wide);
        let (forward, reverse) = (dot(seeds, &out), dot(&adjoint, &v));
        let scale = (dot_abs(seeds, &out) + dot_abs(&adjoint, &v)).max(f64::MIN_POSITIVE);
        let detail = format!("seed . J v: {forward:.12e}, v . J^T seed: {reverse:.12e}");
        self.push(Finding::judge(DOT, (forward - reverse).abs() / scale, 1e-9, detail));

        let finding = match &self.engines.device {
            Err(why) => Finding::skipped(TANGENT, why),
            Ok(engine) => {
                let runs = (self.engines.narrow.run(&tangent, case, &mut narrow))
                    .and_then(|_| engine.run(&tangent, case, &mut device));
                match runs {
                    Err(e) => Finding::of(TANGENT, false, brief(&e)),
                    Ok(_) => {
                        let want = Reference { narrow, wide, bounds };
                        judge(TANGENT, compare(&device, &want.narrow, &want, Side::Shadow, Leaf::active))
                    }
                }
            }
        };
        self.push(finding);
    }

    /// The compiled gradient: against the interpreted one where there is one, and against itself.
    fn device_alone(
        &mut self,
        reverse: &Program,
        before: &Image,
        seeded: &Image,
        want: Option<(&Reference, &Reference)>,
    ) {
        let device = match &self.engines.device {
            Ok(device) => *device,
            Err(why) => {
                let oracles = [DEVICE, DEVICE_KEPT, TWICE, DEVICE_DOT];
                let missing = if want.is_some() { &oracles[..] } else { &oracles[2..] };
                missing.iter().for_each(|o| self.report.findings.push(Finding::skipped(o, why)));
                return;
            }
        };
        (self.progress)("gradient on the device");
        let case = &self.subject.case;
        let mut got = seeded.clone();
        match device.run(reverse, case, &mut got) {
            Err(e) => return self.push(Finding::of(DEVICE, false, brief(&e))),
            Ok(RunInfo { tape_per_thread, .. }) => self.report.tape_per_thread = tape_per_thread,
        }
        if let Some((gradient, outputs)) = want {
            self.push(judge(DEVICE, compare(&got, &gradient.narrow, gradient, Side::Shadow, Leaf::active)));
            let kept = compare(&got, &outputs.narrow, outputs, Side::Primal, keeps);
            self.push(judge(DEVICE_KEPT, kept));
        }

        // Adjoints are linear in the seeds, and doubling is exact: a tape, a slot or a private copy that keeps something
        // from the run before, or a guard word that is hit, shows here. Atomic adds may come in another order.
        let mut twice = seeded.clone();
        let seeds: Vec<f64> = self.space.shadow(seeded).iter().map(|s| 2.0 * s).collect();
        self.space.set_shadow(&mut twice, &seeds);
        if let Err(e) = device.run(reverse, case, &mut twice) {
            return self.push(Finding::of(TWICE, false, brief(&e)));
        }
        let halved: Vec<f64> = self.space.shadow(&twice).iter().map(|s| 0.5 * s).collect();
        self.space.set_shadow(&mut twice, &halved);
        let unknown = Reference::unknown(&got);
        let exact = want.map_or(&unknown, |(gradient, _)| gradient);
        self.peer(PEER, reverse, seeded, want.map(|(gradient, _)| gradient));
        self.push(judge(TWICE, compare(&twice, &got, exact, Side::Shadow, Leaf::active)));
        self.dot_on_device(device, before, &self.space.shadow(seeded), &got);
    }

    /// The dot product by compiled kernels, for launches that are too large to interpret.
    fn dot_on_device(&mut self, device: &dyn Engine, before: &Image, seeds: &[f64], reversed: &Image) {
        let tangent = match &self.subject.forward {
            Ok(g) => Program::gradient(g),
            Err(why) => return self.report.findings.push(Finding::skipped(DEVICE_DOT, why)),
        };
        let v = self.space.direction(before, self.options.seed + 300);
        let mut image = before.clone();
        self.space.set_shadow(&mut image, &v);
        let v = self.space.shadow(&image);
        if let Err(e) = device.run(&tangent, &self.subject.case, &mut image) {
            return self.push(Finding::of(DEVICE_DOT, false, brief(&e)));
        }
        let (out, adjoint) = (self.space.shadow(&image), self.space.shadow(reversed));
        let (forward, reverse) = (dot(seeds, &out), dot(&adjoint, &v));
        let scale = (dot_abs(seeds, &out) + dot_abs(&adjoint, &v)).max(f64::MIN_POSITIVE);
        let coarsest = before.leaves.iter().filter(|l| l.active()).map(|l| epsilon(l.ty)).fold(0.0, f64::max);
        // The two modes may call different functions of libm, whose errors are more than rounding.
        let limit = (4096.0 * coarsest).max(1e-9);
        let detail = format!("seed . J v: {forward:.7e}, v . J^T seed: {reverse:.7e}");
        self.push(Finding::judge(DEVICE_DOT, (forward - reverse).abs() / scale, limit, detail));
    }
}

/// The interpreter gave up at its limit.
fn is_too_long(e: &Diagnostics) -> bool {
    e.0.iter().any(|d| d.code == Code::TooLarge && d.message.starts_with("not done after"))
}

/// A compare-and-swap of four bytes.
fn swaps_single(k: &Kernel, i: Inst) -> bool {
    matches!(k.insts[i].op, Op::CmpXchg { new, .. } if k.ty(new) == Type::I32)
}

/// Memory whose contents after a reverse run are the primal's.
pub(super) fn keeps(l: &Leaf) -> bool {
    l.is_memory() && l.role != Role::Out
}

fn sanitize(e: &Engines, oracle: &'static str, program: &Program, case: &Case, before: &Image) -> Finding {
    match e.sanitizer.run(program, case, &mut before.clone()) {
        Ok(_) => Finding::of(oracle, true, ""),
        Err(e) => Finding::of(oracle, false, brief(&e)),
    }
}

fn primal_on_device(e: &Engines, primal: &Program, case: &Case, before: &Image, want: &Reference) -> Finding {
    let mut got = before.clone();
    match e.device.as_ref().map(|d| d.run(primal, case, &mut got)) {
        Err(why) => Finding::skipped(PRIMAL_DEVICE, why),
        Ok(Err(e)) => Finding::of(PRIMAL_DEVICE, false, brief(&e)),
        Ok(Ok(_)) => judge(PRIMAL_DEVICE, compare(&got, &want.narrow, want, Side::Primal, Leaf::is_memory)),
    }
}

pub(super) fn judge(oracle: &'static str, d: Difference) -> Finding {
    Finding::judge(oracle, d.error, d.limit.max(smallest_limit()), d.at)
}

/// A limit of 0 is for integers, where the error is 0 or not.
fn smallest_limit() -> f64 {
    epsilon(ElemType::F64)
}

/// The first error in one line.
pub(super) fn brief(e: &Diagnostics) -> String {
    let Some(d) = e.0.first() else { return "unknown error".into() };
    let place = d.place.as_ref().filter(|p| p.line > 0).map(|p| format!(" at {}:{}", p.file, p.line));
    let why = d.because.first().map(|b| format!(" ({b})"));
    format!("{}: {}{}{}", d.code, d.message, place.unwrap_or_default(), why.unwrap_or_default())
}
