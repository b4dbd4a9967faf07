//! `kernel-ad survey`: many cases on one device, one row each.

use super::args::SurveyArgs;
use super::progress::Progress;
use super::{devices, output, Outcome};
use crate::case::{Case, Image};
use crate::check::{
    ladder, load_kernel, place, rehearse, subject_of, with_compiled, CheckReport, Compiled, Finding, Options,
    Program, Verdict,
};
use crate::diag::{Diagnostics, Result};
use crate::jit::{Device, Loaded};
use serde_json::{json, Value};
use std::path::Path;
use std::time::Duration;

/// What is known of one case afterwards.
struct Row {
    case: String,
    outcome: std::result::Result<Measured, Diagnostics>,
}

struct Measured {
    findings: Vec<Finding>,
    tape_per_thread: u64,
    /// Times of primal and gradient; of none in a rehearsal.
    times: Option<[Duration; 2]>,
    /// Bytes of the primal's buffers, and with their shadows.
    bytes: [u64; 2],
}

impl Measured {
    fn failed(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|f| f.verdict == Verdict::Fail).collect()
    }
}

pub fn run(a: &SurveyArgs) -> Result<Outcome> {
    let progress = Progress::start("opening the device");
    let mut device = Device::open(&a.device)?;
    let rate = a.copy_rate.or_else(|| devices::copy_rate(device.context().device()).filter(|_| !a.rehearse));
    let name = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let width = a.cases.iter().map(|p| name(p).chars().count()).max().unwrap_or(0).max(a.width);
    let info = device.context().device().info();
    if !a.json && !a.rows_only {
        let rate =
            rate.map_or(String::new(), |r| format!("; copies inside its memory at {:.0} GB/s", r * 1e-9));
        output::print_text(&format!("{}, {}{rate}\n\n{}", info.name, info.driver, head(width)));
    }
    let mut rows = Vec::new();
    for path in &a.cases {
        let row = Row { case: name(path), outcome: one(a, path, &device) };
        if !a.json {
            // At once, so that nothing is lost with a process that a driver ends.
            output::print_text(&line(&row, width, rate));
        }
        rows.push(row);
        // A kernel that trapped took all that was on the device with it; the next case gets a new one.
        if device.context().device().synchronize().is_err() {
            drop(device);
            device = Device::open(&a.device)?;
        }
        progress.step("checking and measuring");
    }
    drop(progress);
    let wrong = rows.iter().filter(|r| !matches!(&r.outcome, Ok(m) if m.failed().is_empty())).count();
    if a.json {
        let all: Vec<Value> = rows.iter().map(to_json).collect();
        output::print_json(&json!({
            "device": info.name, "driver": info.driver, "copy_bytes_per_s": rate, "cases": all, "wrong": wrong,
        }));
    } else if !a.rows_only {
        output::print_text(&format!("\n{} cases, {wrong} wrong\n", rows.len()));
    }
    Ok(if wrong == 0 { Outcome::Done } else { Outcome::WrongResult })
}

fn one(a: &SurveyArgs, path: &Path, device: &Device) -> std::result::Result<Measured, Diagnostics> {
    let case = Case::load(path)?;
    let subject = subject_of(
        &case,
        load_kernel(&case, &a.source.options_on(Some(&device.context().device().info()), &case))?,
    )?;
    let compiled = Compiled::new(device);
    let of_buffers = |shadows: bool| {
        let image = Image::of(&case);
        let bytes =
            |l: &crate::case::Leaf| l.data.bytes.len() + if shadows { l.shadow.bytes.len() } else { 0 };
        image.leaves.iter().filter(|l| l.is_memory()).map(|l| bytes(l) as u64).sum()
    };
    let bytes = [of_buffers(false), of_buffers(true)];
    if a.rehearse {
        let findings = rehearse(&subject, &compiled)?;
        return Ok(Measured { findings, tape_per_thread: 0, times: None, bytes });
    }
    let options = Options { max_steps: a.max_steps, ..Options::default() };
    let CheckReport { findings, tape_per_thread, .. } =
        with_compiled(Some(&compiled), options.max_steps, |e| {
            ladder(&subject, e, &options, &a.device, &mut |_| ())
        })?;
    // What did not run has failed already, and has no time.
    let time = |program: Program| fastest(&case, &compiled.load(&program)?, a.repeat);
    let times = match findings.iter().any(|f| f.verdict == Verdict::Fail && f.error.is_none()) {
        true => None,
        false => Some([
            time(Program::primal(&subject.primal, &case.roles())?)?,
            time(Program::gradient(&subject.reverse))?,
        ]),
    };
    Ok(Measured { findings, tape_per_thread, times, bytes })
}

/// The shortest of several launches, each on the case's own data: a kernel that counts where it writes would leave its buffers
/// when it went on from where the launch before it stopped. The first does not count.
fn fastest(case: &Case, loaded: &Loaded, repeat: u32) -> Result<Duration> {
    let image = Image::of(case);
    let mut after = image.clone();
    let shape = case.shape();
    let mut best = Duration::MAX;
    for i in 0..=repeat.max(1) {
        let placed = place(case, &image, loaded.program())?;
        // SAFETY: the extents are the buffers that were just placed; the oracles have run the same launch on the same data before.
        let report = unsafe { loaded.launch_with(shape, &placed.bindings) }?;
        placed.collect(loaded.program(), &mut after)?;
        if i > 0 {
            best = best.min(report.kernel);
        }
    }
    Ok(best)
}

/// Columns between the case's name and the verdict.
const COLUMNS: [&str; 6] = ["primal", "gradient", "ratio", "tape", "primal GB/s", "gradient GB/s"];

fn row(case: &str, width: usize, cells: &[String], verdict: &str) -> String {
    let cells: Vec<String> = cells.iter().map(|c| format!("{c:>14}")).collect();
    format!("{case:width$}{}  {verdict}\n", cells.concat())
}

fn head(width: usize) -> String {
    row("case", width, &COLUMNS.map(String::from), "verdict")
}

/// A row, and below it what went wrong.
fn line(r: &Row, width: usize, rate: Option<f64>) -> String {
    let blank = COLUMNS.map(|_| "-".to_string());
    let m = match &r.outcome {
        Ok(m) => m,
        Err(e) => {
            let first = e.0.first().map_or(String::new(), |d| format!("{}: {}", d.code, d.message));
            return row(&r.case, width, &blank, "ERROR") + &below(&first);
        }
    };
    let speed = |bytes: u64, time: Duration| {
        let speed = bytes as f64 / time.as_secs_f64().max(1e-9);
        let part = rate.map_or(String::new(), |r| format!(" ({:.0}%)", 100.0 * speed / r));
        format!("{:.1}{part}", speed * 1e-9)
    };
    let cells = match m.times {
        Some([primal, gradient]) => [
            micros(primal),
            micros(gradient),
            format!("{:.2}", gradient.as_secs_f64() / primal.as_secs_f64().max(1e-9)),
            output::bytes(m.tape_per_thread),
            speed(m.bytes[0], primal),
            speed(m.bytes[1], gradient),
        ],
        None => blank,
    };
    let failed = m.failed();
    let verdict = if failed.is_empty() { "ok" } else { "WRONG" };
    let details = failed.iter().map(|f| {
        let by = match (f.error, f.limit) {
            (Some(e), Some(l)) => format!(" ({e:.1e} of {l:.1e} allowed)"),
            _ => String::new(),
        };
        below(&format!("{}{by}: {}", f.oracle, f.detail))
    });
    row(&r.case, width, &cells, verdict) + &details.collect::<String>()
}

fn below(text: &str) -> String {
    // The log of a driver's compiler may have many lines; the first few say enough.
    text.lines().take(6).map(|l| format!("    {l}\n")).collect()
}

fn micros(d: Duration) -> String {
    format!("{:.1} us", d.as_secs_f64() * 1e6)
}

fn to_json(r: &Row) -> Value {
    match &r.outcome {
        Ok(m) => {
            let seconds = m.times.map(|t| t.map(|t| t.as_secs_f64()));
            let failed: Vec<_> =
                m.failed().iter().map(|f| json!({ "oracle": f.oracle, "detail": f.detail })).collect();
            json!({
                "case": r.case, "passed": failed.is_empty(), "failed": failed,
                "primal_s": seconds.map(|s| s[0]), "gradient_s": seconds.map(|s| s[1]),
                "ratio": seconds.map(|s| s[1] / s[0].max(1e-9)), "tape_per_thread": m.tape_per_thread,
                "buffer_bytes": m.bytes[0], "buffer_and_shadow_bytes": m.bytes[1],
            })
        }
        Err(e) => json!({ "case": r.case, "passed": false, "errors": crate::diag::render::to_json(e) }),
    }
}
