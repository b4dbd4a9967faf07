//! `kernel-ad check`.

use super::args::CheckArgs;
use super::progress::Progress;
use super::{output, Outcome};
use crate::case::Case;
use crate::check::{check, CheckReport, Options};
use crate::diag::Result;
use crate::jit::Device;

pub fn run(a: &CheckArgs) -> Result<Outcome> {
    let progress = Progress::start("reading");
    let device = match a.device.as_str() {
        "none" => None,
        name => Some(Device::open(name)?),
    };
    let case = Case::load(&a.case)?;
    let options = Options { directions: a.directions, seed: a.seed, max_steps: a.max_steps };
    let info = device.as_ref().map(|d| d.context().device().info());
    let report =
        check(&case, &a.source.options_on(info.as_ref(), &case), device.as_ref(), &options, &mut |step| {
            progress.step(step)
        })?;
    drop(progress);
    if a.json {
        output::print_json(&report.to_json());
    } else {
        output::print_text(&text(&report));
    }
    Ok(if report.passed() { Outcome::Done } else { Outcome::WrongResult })
}

fn text(r: &CheckReport) -> String {
    let s = &r.stats;
    let mut out = format!(
        "{}: {} of tape per thread; {} values saved, {} recomputed, {} reloaded; {} atomic and {} plain adds\n\n",
        r.kernel,
        output::bytes(r.tape_per_thread),
        s.saved,
        s.recomputed,
        s.reloaded,
        s.atomic_adds,
        s.plain_adds
    );
    out.push_str(&output::table(&r.rows()));
    if r.kinks > 0 {
        out.push_str(&format!(
            "\n{} of {} directions met a kink and were not judged\n",
            r.kinks, r.directions
        ));
    }
    let verdict = if r.passed() { "all well" } else { "WRONG" };
    out.push_str(&format!("\n{verdict}\n"));
    out
}
