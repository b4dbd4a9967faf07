//! `kernel-ad survey`: many cases on one device, one row each.

use super::args::SurveyArgs;
use super::progress::Progress;
use super::{devices, output, Outcome};
use crate::case::{Case, Image};
use crate::check::{ladder, load_kernel, place, subject_of, with_limited_engines, CheckReport, Options};
use crate::diag::{Diagnostics, Result};
use crate::jit::{Device, Kernel, Loaded};
use serde_json::{json, Value};
use std::path::Path;
use std::time::Duration;

/// What is known of one case afterwards.
struct Row {
    case: String,
    outcome: std::result::Result<Measured, Diagnostics>,
}

struct Measured {
    report: CheckReport,
    primal: Duration,
    gradient: Duration,
    /// Bytes of the primal's buffers.
    bytes: u64,
}

pub fn run(a: &SurveyArgs) -> Result<Outcome> {
    let progress = Progress::start("opening the device");
    let device = Device::open(&a.device)?;
    let mut rows = Vec::new();
    for path in &a.cases {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let outcome = one(a, path, &device);
        rows.push(Row { case: name, outcome });
        progress.step("checking and measuring");
    }
    drop(progress);
    let raw = device.context().device().clone();
    let (info, rate) = (raw.info(), devices::copy_rate(&raw));
    let wrong = rows.iter().filter(|r| !matches!(&r.outcome, Ok(m) if m.report.passed())).count();
    if a.json {
        let all: Vec<Value> = rows.iter().map(to_json).collect();
        output::print_json(&json!({
            "device": info.name, "driver": info.driver, "copy_bytes_per_s": rate, "cases": all, "wrong": wrong,
        }));
    } else {
        output::print_text(&text(&rows, &info.name, &info.driver, rate, wrong));
    }
    Ok(if wrong == 0 { Outcome::Done } else { Outcome::WrongResult })
}

fn one(a: &SurveyArgs, path: &Path, device: &Device) -> std::result::Result<Measured, Diagnostics> {
    let case = Case::load(path)?;
    let subject = subject_of(&case, load_kernel(&case, &a.source.options())?)?;
    let options = Options { max_steps: a.max_steps, ..Options::default() };
    let report = with_limited_engines(Some(device), options.max_steps, |e| {
        ladder(&subject, e, &options, &a.device, &mut |_| ())
    })?;
    let primal = device.compile(&Kernel::from(subject.primal.clone()))?;
    let gradient = device.compile(&subject.reverse)?;
    let bytes =
        Image::of(&case).leaves.iter().filter(|l| l.is_memory()).map(|l| l.data.bytes.len() as u64).sum();
    Ok(Measured {
        report,
        primal: fastest(&case, &primal, a.repeat)?,
        gradient: fastest(&case, &gradient, a.repeat)?,
        bytes,
    })
}

/// The shortest of several launches, each after the one before it on the same memory; the first does not count.
fn fastest(case: &Case, loaded: &Loaded, repeat: u32) -> Result<Duration> {
    let placed = place(case, &Image::of(case), loaded.program())?;
    let shape = case.shape();
    let mut best = Duration::MAX;
    for i in 0..=repeat.max(1) {
        // SAFETY: the extents are the buffers that were just placed; the oracles have run the same launch before.
        let report = unsafe { loaded.launch_with(shape, &placed.bindings) }?;
        if i > 0 {
            best = best.min(report.kernel);
        }
    }
    Ok(best)
}

fn verdict(m: &Measured) -> String {
    match m.report.failed()[..] {
        [] => "ok".into(),
        ref failed => format!("WRONG: {}", failed.join("; ")),
    }
}

fn text(rows: &[Row], device: &str, driver: &str, rate: Option<f64>, wrong: usize) -> String {
    let mut table = vec![["case", "verdict", "primal", "gradient", "ratio", "tape", "primal GB/s"]
        .map(String::from)
        .to_vec()];
    for r in rows {
        table.push(match &r.outcome {
            Ok(m) => vec![
                r.case.clone(),
                verdict(m),
                micros(m.primal),
                micros(m.gradient),
                format!("{:.2}", ratio(m)),
                output::bytes(m.report.tape_per_thread),
                format!("{:.1}", m.bytes as f64 * 1e-9 / m.primal.as_secs_f64().max(1e-9)),
            ],
            Err(e) => {
                let first = e.0.first().map_or(String::new(), |d| format!("{}: {}", d.code, d.message));
                vec![r.case.clone(), format!("ERROR {first}")]
            }
        });
    }
    let rate = rate.map_or(String::new(), |r| format!("; copies inside its memory at {:.0} GB/s", r * 1e-9));
    format!("{device}, {driver}{rate}\n\n{}\n{} cases, {wrong} wrong\n", output::table(&table), rows.len())
}

fn micros(d: Duration) -> String {
    format!("{:.1} us", d.as_secs_f64() * 1e6)
}

fn ratio(m: &Measured) -> f64 {
    m.gradient.as_secs_f64() / m.primal.as_secs_f64().max(1e-9)
}

fn to_json(r: &Row) -> Value {
    match &r.outcome {
        Ok(m) => json!({
            "case": r.case, "passed": m.report.passed(), "failed": m.report.failed(), "primal_s": m.primal.as_secs_f64(),
            "gradient_s": m.gradient.as_secs_f64(), "ratio": ratio(m), "tape_per_thread": m.report.tape_per_thread,
            "buffer_bytes": m.bytes,
        }),
        Err(e) => json!({ "case": r.case, "passed": false, "errors": crate::diag::render::to_json(e) }),
    }
}
