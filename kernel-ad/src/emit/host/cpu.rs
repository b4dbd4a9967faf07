//! Processors that code for the CPU device is made for.

use crate::diag::{Code, Diagnostic, Result};
use crate::llvm::{self, MachineSpec};

/// A processor, or all of a level.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HostCpu {
    /// The one of this machine, with all that it has.
    Own,
    /// All x86-64 processors of a level: for objects that are shipped.
    Level(&'static Level),
}

/// A level of x86-64 (the psABI's chapter on micro-architecture levels), by LLVM's names.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Level {
    /// `x86-64-v3`.
    pub name: &'static str,
    /// Extensions that all processors of the level have.
    pub extensions: &'static [&'static str],
}

const V2: &[&str] = &["popcnt", "sse3", "ssse3", "sse4.1", "sse4.2"];
#[rustfmt::skip]
const V3: &[&str] = &[
    "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe",
];
#[rustfmt::skip]
const V4: &[&str] = &[
    "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe",
    "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl",
];
static LEVELS: [Level; 4] = [
    Level { name: "x86-64", extensions: &[] },
    Level { name: "x86-64-v2", extensions: V2 },
    Level { name: "x86-64-v3", extensions: V3 },
    Level { name: "x86-64-v4", extensions: V4 },
];

/// Extensions that are new to LLVM 19 and that no test of this project has run on: arithmetic of halves, and what came with APX and AVX10.
/// Code does without them.
#[rustfmt::skip]
const UNTRIED: &[&str] = &[
    "avx512fp16", "avx10.1-256", "avx10.1-512", "ccmp", "cf", "egpr", "ndd", "nf", "ppx", "push2pop2", "zu",
];

/// A processor's features as LLVM writes them, without the untried; and those that are there.
fn tried(features: &str) -> (String, Vec<String>) {
    let one = |f: &str| match f.strip_prefix('+') {
        Some(name) if UNTRIED.contains(&name) => format!("-{name}"),
        _ => f.to_string(),
    };
    let all: Vec<String> = features.split(',').map(one).collect();
    let has = all.iter().filter_map(|f| f.strip_prefix('+')).map(String::from).collect();
    (all.join(","), has)
}

impl HostCpu {
    /// The level of that name, on a machine of its kind.
    pub fn level(name: &str) -> Result<HostCpu> {
        let known = HostCpu::all().find(|c| matches!(c, HostCpu::Level(l) if l.name == name));
        known.ok_or_else(|| {
            let names: Vec<&str> = LEVELS.iter().map(|l| l.name).collect();
            let d = Diagnostic::new(Code::BadTarget, format!("unknown processor `{name}` of the CPU device"));
            d.because(format!("known on an x86-64 machine are {}", names.join(", ")))
                .help("`host` is this machine's own processor")
                .into()
        })
    }

    /// All that can be named on this machine.
    pub fn all() -> impl Iterator<Item = HostCpu> {
        let levels: &[Level] = if cfg!(target_arch = "x86_64") { &LEVELS } else { &[] };
        std::iter::once(HostCpu::Own).chain(levels.iter().map(HostCpu::Level))
    }

    /// What code is generated for, and the extensions that it may use.
    pub fn machine(&self) -> (MachineSpec, Vec<String>) {
        let spec = |cpu, features| MachineSpec { triple: llvm::host_triple(), cpu, features, pic: true };
        match self {
            HostCpu::Own => {
                let (cpu, features) = llvm::host_cpu();
                let (features, has) = tried(&features);
                (spec(cpu, features), has)
            }
            HostCpu::Level(l) => (
                spec(l.name.to_string(), String::new()),
                l.extensions.iter().map(|f| f.to_string()).collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tried;

    // Catches: an untried extension that code uses, be it by its own name or because the processor implies it.
    #[test]
    fn what_was_not_tried_is_switched_off() {
        let (features, has) = tried("+avx2,+avx512fp16,-amx-int8,+egpr,+avx512f");
        assert_eq!(features, "+avx2,-avx512fp16,-amx-int8,-egpr,+avx512f");
        assert_eq!(has, ["avx2", "avx512f"]);
    }
}
