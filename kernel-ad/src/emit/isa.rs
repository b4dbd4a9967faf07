//! Versions of the PTX language: which LLVM writes, and which of them a driver takes.

use crate::diag::{Code, Diagnostic, Result};
use std::fmt;

/// A version of the PTX language, 78 for 7.8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Isa(u32);

/// What LLVM 19 writes and the code that is emitted here can be said in. LLVM only warns about names it does not know.
const WRITTEN: &[u32] = &[70, 71, 72, 73, 74, 75, 76, 77, 78, 80, 81, 82, 83, 84, 85];

/// The newest version that drivers take, by the CUDA version that `cuDriverGetVersion` gives.
/// Source: NVIDIA, PTX ISA, "PTX ISA Version History" (release notes, table 33): each version comes with a CUDA release, and a driver of that
/// release takes it and all before. Versions after 8.5 (CUDA 12.7: 8.6, 12.8: 8.7, 12.9: 8.8, 13.0: 9.0) are not written by LLVM 19.
const DRIVERS: &[((u32, u32), u32)] = &[
    ((11, 0), 70),
    ((11, 1), 71),
    ((11, 2), 72),
    ((11, 3), 73),
    ((11, 4), 74),
    ((11, 5), 75),
    ((11, 6), 76),
    ((11, 7), 77),
    ((11, 8), 78),
    ((12, 0), 80),
    ((12, 1), 81),
    ((12, 2), 82),
    ((12, 3), 83),
    ((12, 4), 84),
    ((12, 5), 85),
];

impl Isa {
    /// A version of the list of processors.
    pub(super) const fn new(number: u32) -> Isa {
        Isa(number)
    }

    /// From LLVM's name of the feature, `ptx78`.
    pub fn parse(feature: &str) -> Result<Isa> {
        let number = feature.strip_prefix("ptx").and_then(|n| n.parse().ok());
        number.filter(|n| WRITTEN.contains(n)).map(Isa).ok_or_else(|| {
            let names: Vec<String> = WRITTEN.iter().map(|n| format!("ptx{n}")).collect();
            Diagnostic::new(Code::BadTarget, format!("unknown version `{feature}` of the PTX language"))
                .because(format!("LLVM 19 writes {}", names.join(", ")))
                .help("behind a processor stands the version to write, as in `nvptx:sm_90+ptx78`")
                .into()
        })
    }

    /// From what a driver says that it takes, `8.2`; the newest that is written and not newer than that.
    pub fn at_most(version: &str) -> Option<Isa> {
        let (major, minor) = version.trim().split_once('.')?;
        let number = major.parse::<u32>().ok()? * 10 + minor.parse::<u32>().ok()?;
        WRITTEN.iter().rev().find(|n| **n <= number).copied().map(Isa)
    }

    /// The newest that is written here and that a driver takes; `None` for drivers before CUDA 11.0.
    pub fn of_driver(cuda: (u32, u32)) -> Option<Isa> {
        DRIVERS.iter().rev().find(|(version, _)| *version <= cuda).map(|(_, isa)| Isa(*isa))
    }

    /// The one before it.
    pub fn previous(self) -> Option<Isa> {
        WRITTEN.iter().rev().find(|n| **n < self.0).copied().map(Isa)
    }

    /// All that are written, oldest first.
    pub fn all() -> impl Iterator<Item = Isa> {
        WRITTEN.iter().copied().map(Isa)
    }

    /// LLVM's name of the feature.
    pub fn feature(self) -> String {
        format!("ptx{}", self.0)
    }
}

/// As PTX says it: `7.8`.
impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a driver that is given a version it does not have: every row of the table, and what lies between and around them.
    #[test]
    fn versions_of_drivers() {
        let of = |major, minor| Isa::of_driver((major, minor)).map(|i| i.to_string());
        assert_eq!(of(10, 2), None);
        for minor in 0..=8 {
            assert_eq!(of(11, minor), Some(format!("7.{minor}")));
        }
        for minor in 0..=5 {
            assert_eq!(of(12, minor), Some(format!("8.{minor}")));
        }
        for newer in [(12, 6), (12, 9), (13, 0), (14, 2)] {
            assert_eq!(Isa::of_driver(newer), Some(Isa(85)), "LLVM 19 writes no more");
        }
    }

    /// Would catch a step that does not get lower, or below what can be written.
    #[test]
    fn steps_down() {
        let mut all = vec![Isa(85)];
        while let Some(lower) = all.last().and_then(|i| i.previous()) {
            all.push(lower);
        }
        all.reverse();
        assert_eq!(all, Isa::all().collect::<Vec<_>>());
        assert_eq!(Isa::at_most("8.2"), Some(Isa(82)));
        assert_eq!(Isa::at_most("7.9"), Some(Isa(78)));
        assert_eq!(Isa::at_most("9.0"), Some(Isa(85)));
        assert_eq!((Isa::at_most("6.5"), Isa::at_most("x")), (None, None));
    }
}
