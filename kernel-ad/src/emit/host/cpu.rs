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
                let has = features.split(',').filter_map(|f| f.strip_prefix('+')).map(String::from).collect();
                (spec(cpu, features), has)
            }
            HostCpu::Level(l) => (
                spec(l.name.to_string(), String::new()),
                l.extensions.iter().map(|f| f.to_string()).collect(),
            ),
        }
    }
}
