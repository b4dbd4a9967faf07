//! `kernel-ad conformance`: what every device must do, tried on one.

use super::args::ConformanceArgs;
use super::{output, Outcome};
use crate::check::{Finding, Verdict};
use crate::conform::{self, Options};
use crate::diag::Result;
use crate::jit::Device;
use serde_json::json;

pub fn run(a: &ConformanceArgs) -> Result<Outcome> {
    let options = Options { rehearse: a.rehearse, loads: a.loads };
    let open = || Device::open(&a.device);
    // At once, since the last probes may take the process with them.
    let mut each = |f: &Finding| {
        if !a.json {
            let line = format!("{:24}{:9}{}", f.oracle, f.verdict.word(), f.detail);
            output::print_text(&format!("{}\n", line.trim_end()));
        }
    };
    let all = conform::run(&open, &options, &mut each)?;
    let wrong = all.iter().filter(|f| f.verdict == Verdict::Fail).count();
    if a.json {
        let probes: Vec<_> = all
            .iter()
            .map(|f| json!({ "probe": f.oracle, "verdict": f.verdict.word(), "detail": f.detail }))
            .collect();
        output::print_json(&json!({ "device": a.device, "probes": probes, "wrong": wrong }));
    } else {
        output::print_text(&format!("{} probes, {wrong} wrong\n", all.len()));
    }
    Ok(if wrong == 0 { Outcome::Done } else { Outcome::WrongResult })
}
