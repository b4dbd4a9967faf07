//! The examples' host code. A program of `examples/cuda` and its twin of `examples/hip` differ in the kernel's source and in the
//! device that they ask for; all else is here, with an independent oracle for each result.

pub mod heat;
pub mod nbody;
pub mod regression;

use kernel_ad::diag::{Code, Result};
use kernel_ad::jit::Device;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

/// Whose language a kernel is written in, and whose GPU runs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vendor {
    /// CUDA C, NVIDIA.
    Cuda,
    /// HIP, AMD.
    Hip,
}

impl Vendor {
    /// The source of an example's kernel.
    pub fn source(self, example: &str) -> PathBuf {
        let (folder, ending) = match self {
            Vendor::Cuda => ("cuda", "cu"),
            Vendor::Hip => ("hip", "hip"),
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(example).join(format!("{example}.{ending}"))
    }

    /// The vendor's first GPU, or with one printed line the CPU device where there is none. `KERNEL_AD_DEVICE` names another.
    pub fn device(self) -> Result<Device> {
        if std::env::var("KERNEL_AD_DEVICE").is_ok_and(|name| !name.is_empty()) {
            return Device::open("auto");
        }
        let name = match self {
            Vendor::Cuda => "cuda",
            Vendor::Hip => "hip",
        };
        Device::open(name).or_else(|e| match &e.0[..] {
            [d] if d.code == Code::NoDevice => {
                println!("device    no {name} GPU here (`kernel-ad devices` says why): on the CPU");
                Ok(Device::cpu())
            }
            _ => Err(e),
        })
    }
}

/// The number on the command line, or the usual one.
pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    what: &str,
    usual: T,
    allowed: std::ops::RangeInclusive<T>,
) -> std::result::Result<T, String> {
    let Some(text) = std::env::args().nth(1) else { return Ok(usual) };
    let n = text.parse().ok().filter(|n| allowed.contains(n));
    n.ok_or_else(|| format!("{what}: a number from {} to {}, not `{text}`", allowed.start(), allowed.end()))
}

/// What a program found out about its own results.
#[derive(Debug)]
pub struct Verdict {
    /// What was compared with what, for people.
    pub says: String,
    /// True when all of it is right.
    pub right: bool,
}

/// Prints the verdict. Exit status: 0 the results are right, 1 they are wrong, 2 there are none.
pub fn exit(run: std::result::Result<Verdict, Box<dyn Error>>) -> ExitCode {
    match run {
        Ok(Verdict { says, right }) => {
            println!("checked   {says}: {}", if right { "right" } else { "WRONG" });
            ExitCode::from(u8::from(!right))
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}

/// Derivative of a function at 0 by central differences with two steps, extrapolated: what is left over is of fourth order in the step.
pub fn central_difference(h: f64, f: impl Fn(f64) -> f64) -> f64 {
    let slope = |h: f64| (f(h) - f(-h)) / (2.0 * h);
    (4.0 * slope(h) - slope(2.0 * h)) / 3.0
}

/// Error of `got`, relative to `want` or, where that nearly cancels, to the size of the terms that it is the sum of; infinite when it is
/// undefined.
pub fn relative(want: f64, got: f64, size: f64) -> f64 {
    match (want - got).abs() / want.abs().max(size) {
        e if e.is_finite() => e,
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: a wrong result whose exit status says that all is well.
    #[test]
    fn the_exit_status_tells() {
        let verdict = |right| Ok(Verdict { says: "a comparison".into(), right });
        assert_eq!(exit(verdict(true)), ExitCode::from(0));
        assert_eq!(exit(verdict(false)), ExitCode::from(1));
        assert_eq!(exit(Err("no result".into())), ExitCode::from(2));
    }

    // Catches: an undefined result that passes for a right one, and an error that is measured against nothing.
    #[test]
    fn errors_are_relative() {
        assert_eq!(relative(2.0, 1.0, 0.1), 0.5);
        assert_eq!(relative(0.0, 1.0, 10.0), 0.1);
        assert_eq!(relative(1.0, f64::NAN, 1.0), f64::INFINITY);
        assert_eq!(relative(0.0, 0.0, 0.0), f64::INFINITY);
        assert!((central_difference(1e-2, |x| (1.0 + x).exp()) - 1f64.exp()).abs() < 1e-8);
    }
}
