//! `kernel-ad run`.

use super::args::{ModeArg, RunArgs};
use super::progress::Progress;
use super::{output, Outcome};
use crate::case::{Case, Image};
use crate::check::{load_kernel, place};
use crate::diag::Result;
use crate::grad;
use crate::jit::{self, Bindings, Device, Loaded, LoadedSplit, Program, RunReport};
use serde_json::json;
use shadow_mem::Launch;
use std::time::{Duration, Instant};

/// What is to be launched.
enum Ready {
    One(Loaded),
    Two(LoadedSplit),
}

impl Ready {
    fn program(&self) -> &Program {
        match self {
            Ready::One(l) => l.program(),
            Ready::Two(l) => l.program(),
        }
    }

    /// Launches, of two kernels one after the other.
    ///
    /// # Safety
    /// As [`Loaded::launch`].
    unsafe fn launch(&self, shape: Launch, bindings: &Bindings) -> Result<RunReport> {
        // SAFETY: as promised by the caller; nothing happens between the two launches.
        unsafe {
            match self {
                Ready::One(l) => l.launch_with(shape, bindings),
                Ready::Two(l) => {
                    let (tape, first) = l.forward_with(shape, bindings)?;
                    let second = l.reverse_with(&tape, bindings)?;
                    Ok(RunReport { kernel: first.kernel + second.kernel, ..first })
                }
            }
        }
    }
}

pub fn run(a: &RunArgs) -> Result<Outcome> {
    let progress = Progress::start("reading");
    let device = Device::open(&a.device)?;
    let case = Case::load(&a.case)?;
    let kernel = load_kernel(&case, &a.source.options_on(Some(&device.context().device().info()), &case))?;
    let start = Instant::now();
    progress.step("compiling");
    let roles = case.roles();
    let loaded = match a.mode {
        ModeArg::Primal => Ready::One(device.compile(&jit::Kernel::from(kernel))?),
        ModeArg::Reverse => {
            Ready::One(device.compile(&grad::reverse(&kernel, &roles, &Default::default())?)?)
        }
        ModeArg::Forward => Ready::One(device.compile(&grad::tangent(&kernel, &roles)?)?),
        ModeArg::Split => {
            Ready::Two(device.compile_split(&grad::split(&kernel, &roles, &Default::default())?)?)
        }
    };
    let compile = start.elapsed();
    progress.step("running");
    let mut image = Image::of(&case);
    let placed = place(&case, &image, loaded.program())?;
    let shape = case.shape();
    // SAFETY: the extents are the buffers that were just placed; that the kernel stays inside them is what the case claims,
    // and the guard words tell when it is not so.
    let report = unsafe { loaded.launch(shape, &placed.bindings) }?;
    placed.collect(loaded.program(), &mut image)?;
    progress.step("writing");
    let files = match &a.out {
        Some(dir) => image.write(dir, a.mode != ModeArg::Primal)?,
        None => Vec::new(),
    };
    drop(progress);
    let m = loaded.program().manifest();
    let stats = m.reverse.as_ref().map_or(m.stats, |r| r.stats);
    let info = device.context().device().info();
    let held = device.bytes();
    if a.json {
        output::print_json(&json!({
            "kernel": m.kernel, "symbol": m.symbol, "mode": m.mode, "device": info.name, "threads": case.threads(),
            "compile_s": compile.as_secs_f64(), "kernel_s": report.kernel.as_secs_f64(),
            "count_s": report.count.as_secs_f64(), "tape_bytes": report.tape_bytes,
            "tape_per_thread": report.tape_per_thread, "repeats": report.repeats, "peak_bytes": held.peak, "stats": stats, "files": files,
        }));
        return Ok(Outcome::Done);
    }
    let mut rows = vec![
        vec![
            "kernel".into(),
            format!("{} ({:?}), {} threads", m.symbol, m.mode, case.threads()).to_lowercase(),
        ],
        vec!["device".into(), info.name],
        vec!["compile".into(), time(compile)],
        vec!["run".into(), time(report.kernel)],
    ];
    if report.count > Duration::ZERO {
        rows.push(vec!["count tape".into(), time(report.count)]);
    }
    if m.tape.is_some() {
        let (all, one) = (output::bytes(report.tape_bytes), output::bytes(report.tape_per_thread));
        rows.push(vec!["tape".into(), format!("{all}, {one} per thread")]);
    }
    if report.repeats > 0 {
        let why = "the order of threads decides how much tape they need, and it was too short";
        rows.push(vec!["repeated".into(), format!("{} times: {why}", report.repeats)]);
    }
    rows.push(vec!["memory".into(), format!("{} at most", output::bytes(held.peak))]);
    if !files.is_empty() {
        rows.push(vec!["wrote".into(), files.join(" ")]);
    }
    output::print_text(&output::table(&rows));
    Ok(Outcome::Done)
}

fn time(d: Duration) -> String {
    match d.as_secs_f64() {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
