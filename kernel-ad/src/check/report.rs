//! What a check found, as a table for people and as JSON.

use serde_json::{json, Value};
use shadow_mem::Stats;

/// How an oracle judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Within the limit.
    Pass,
    /// Outside of it: something is wrong.
    Fail,
    /// Could not judge; the detail says why.
    Skipped,
}

/// The judgement of one oracle.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// The oracle.
    pub oracle: &'static str,
    /// Its verdict.
    pub verdict: Verdict,
    /// Largest error, relative to the sum of absolute terms.
    pub error: Option<f64>,
    /// What is allowed.
    pub limit: Option<f64>,
    /// Where the largest error is, what was compared, or why it was skipped.
    pub detail: String,
}

impl Finding {
    /// Judges an error by its limit; an error that is not a number fails.
    pub fn judge(oracle: &'static str, error: f64, limit: f64, detail: impl Into<String>) -> Finding {
        let verdict = if error <= limit { Verdict::Pass } else { Verdict::Fail };
        Finding { oracle, verdict, error: Some(error), limit: Some(limit), detail: detail.into() }
    }

    /// Passes or fails without a measure.
    pub fn of(oracle: &'static str, pass: bool, detail: impl Into<String>) -> Finding {
        let verdict = if pass { Verdict::Pass } else { Verdict::Fail };
        Finding { oracle, verdict, error: None, limit: None, detail: detail.into() }
    }

    /// An oracle that could not judge.
    pub fn skipped(oracle: &'static str, why: impl Into<String>) -> Finding {
        Finding { oracle, verdict: Verdict::Skipped, error: None, limit: None, detail: why.into() }
    }
}

/// Everything that a check found.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckReport {
    /// The kernel.
    pub kernel: String,
    /// The device that compiled kernels ran on.
    pub device: String,
    /// Figures of the reverse kernel.
    pub stats: Stats,
    /// Tape of the reverse kernel on the device, in bytes per thread.
    pub tape_per_thread: u64,
    /// Directions of the central differences, and how many of them met a kink.
    pub directions: usize,
    /// Directions that met a kink, where the derivative jumps; they are not judged.
    pub kinks: usize,
    /// One entry for each oracle, cheapest first.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// True when no oracle failed.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|f| f.verdict != Verdict::Fail)
    }

    /// The finding of an oracle.
    pub fn finding(&self, oracle: &str) -> Option<&Finding> {
        self.findings.iter().find(|f| f.oracle == oracle)
    }

    /// The oracles that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.findings.iter().filter(|f| f.verdict == Verdict::Fail).map(|f| f.oracle).collect()
    }

    /// Rows of a table with a head: oracle, error, limit, verdict, detail.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let number = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.1e}"));
        let mut rows = vec![["oracle", "error", "limit", "verdict", ""].map(String::from).to_vec()];
        rows.extend(self.findings.iter().map(|f| {
            vec![f.oracle.into(), number(f.error), number(f.limit), f.verdict.word().into(), f.detail.clone()]
        }));
        rows
    }

    /// Everything as one JSON object.
    pub fn to_json(&self) -> Value {
        // JSON has no infinity; an error that is not finite is given as text.
        let number = |x: Option<f64>| match x {
            Some(x) if x.is_finite() => json!(x),
            Some(x) => json!(x.to_string()),
            None => Value::Null,
        };
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|f| {
                json!({
                    "oracle": f.oracle, "verdict": f.verdict.word(), "error": number(f.error),
                    "limit": number(f.limit), "detail": f.detail,
                })
            })
            .collect();
        json!({
            "kernel": self.kernel, "device": self.device, "passed": self.passed(),
            "tape_per_thread": self.tape_per_thread, "stats": self.stats,
            "directions": self.directions, "kinks": self.kinks, "oracles": findings,
        })
    }
}

impl Verdict {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Skipped => "skipped",
        }
    }
}
