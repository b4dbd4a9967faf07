//! Every case file of the tree, through the ladder of oracles; and what the ladder is for: faults planted on purpose.

mod cli;
mod faults;

use kernel_ad::case::Case;
use kernel_ad::check::{self, Options, Verdict};
use kernel_ad::grad;
use kernel_ad::jit::Device;
use kernel_ad::read::ReadOptions;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// All case files below a folder, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "toml") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The code that a case must be refused with, from its first line.
fn refusal(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().next()?.strip_prefix("# refused: ").map(str::to_string)
}

fn name(path: &Path) -> String {
    path.strip_prefix(folder()).unwrap().display().to_string()
}

/// Which oracles a case may skip, and why that is right.
const MAY_SKIP: &[(&str, &str, &str)] = &[];

fn check_one(path: &Path) -> Result<(), String> {
    let case = Case::load(path).map_err(|e| e.to_string())?;
    let report =
        check::check(&case, &ReadOptions::default(), Some(&Device::cpu()), &Options::default(), &mut |_| ())
            .map_err(|e| e.to_string())?;
    let bad: Vec<_> = report
        .findings
        .iter()
        .filter(|f| match f.verdict {
            Verdict::Pass => false,
            Verdict::Fail => true,
            Verdict::Skipped => !MAY_SKIP.iter().any(|m| name(path) == m.0 && f.oracle == m.1),
        })
        .map(|f| format!("    {} {}: {:?} > {:?} {}", f.verdict.word(), f.oracle, f.error, f.limit, f.detail))
        .collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(bad.join("\n")),
    }
}

// Catches a wrong gradient of any feature that the cases cover, and an oracle that stops running.
#[test]
fn every_case_passes_every_oracle() {
    let all: Vec<_> = files(&folder()).into_iter().filter(|p| refusal(p).is_none()).collect();
    assert!(all.len() >= 40, "only {} cases were found", all.len());
    let wrong: Vec<_> =
        all.par_iter().filter_map(|p| Some(format!("{}:\n{}", name(p), check_one(p).err()?))).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

fn refused_one(path: &Path, code: &str) -> Result<(), String> {
    let case = Case::load(path).map_err(|e| e.to_string())?;
    let kernel = check::load_kernel(&case, &ReadOptions::default()).map_err(|e| e.to_string())?;
    match grad::reverse(&kernel, &case.roles(), &Default::default()) {
        Ok(_) => return Err("was differentiated".into()),
        Err(e) => {
            if !e.0.iter().any(|d| d.code.to_string() == code) {
                return Err(format!("another code: {e}"));
            }
            if !e.0.iter().any(|d| d.code.to_string() == code && d.place.as_ref().is_some_and(|p| p.line > 0))
            {
                return Err(format!("without a place: {e}"));
            }
        }
    }
    let findings = check::with_engines(Some(&Device::cpu()), |e| check::primal_only(&case, &kernel, e));
    let bad: Vec<_> = findings
        .map_err(|e| e.to_string())?
        .into_iter()
        .filter(|f| f.verdict != Verdict::Pass)
        .map(|f| format!("{}: {}", f.oracle, f.detail))
        .collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(bad.join("\n")),
    }
}

// Catches a check that gives up, or says nothing, where a launch is too large to interpret.
#[test]
fn large_launches_are_checked_on_the_device() {
    let case = Case::load(&folder().join("lennard_jones.toml")).unwrap();
    let options = Options { max_steps: 1000, ..Options::default() };
    let device = Device::cpu();
    let report = check::check(&case, &ReadOptions::default(), Some(&device), &options, &mut |_| ()).unwrap();
    let judged: Vec<_> =
        report.findings.iter().filter(|f| f.verdict == Verdict::Pass).map(|f| f.oracle).collect();
    assert_eq!(judged.len(), 2, "{:?}", report.findings);
    let skipped = report.findings.iter().filter(|f| f.detail.contains("more than 1000 instructions"));
    assert_eq!(skipped.count(), 9, "{:?}", report.findings);
}

// Catches a gradient of something that is not supported, a refusal without code or place, and a primal that does not run.
#[test]
fn what_is_not_supported_is_refused_and_runs_as_primal() {
    let all: Vec<_> = files(&folder()).into_iter().filter_map(|p| Some((refusal(&p)?, p))).collect();
    assert!(all.len() >= 5, "only {} refused cases were found", all.len());
    let wrong: Vec<_> = all
        .iter()
        .filter_map(|(code, p)| Some(format!("{} ({code}):\n{}", name(p), refused_one(p, code).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
