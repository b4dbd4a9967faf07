//! What every device must do, tried on a device: transfers, limits, streams, memory that runs out, launches and artifacts that are
//! refused, loading again and again, a kernel that traps.
//!
//! Each probe is one function over a [`Rig`]; its first words say what it would catch. The numbers that kernels give are compared with
//! numbers computed here, exactly. That gradients are right is what [`crate::check`] is for.

mod artifacts;
mod launches;
mod memory;
mod refusals;
mod reload;
mod rig;
mod traps;

use crate::check::Finding;
use crate::diag::Result;
use crate::jit::Device;
use rig::{Rig, Wrong};

/// A probe by its name.
type Probe = (&'static str, fn(&Rig) -> std::result::Result<String, Wrong>);

/// All probes; what may take the device with it comes last.
const PROBES: &[Probe] = &[
    ("transfers", memory::transfers),
    ("variables", memory::variables),
    ("shapes of launches", launches::shapes),
    ("dynamic shared memory", launches::shared),
    ("gradients", launches::gradients),
    ("streams", launches::streams),
    ("events", launches::events),
    ("threads of the host", launches::threads),
    ("out of memory", memory::exhausted),
    ("bad launches", refusals::launches),
    ("bad artifacts", artifacts::refused),
    ("foreign manifests", artifacts::foreign),
    ("load and unload", reload::reload),
    ("trap", traps::trap),
];

/// How to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Kernels do nothing: their results are not looked at, errors are.
    pub rehearse: bool,
    /// How often an artifact is loaded and unloaded.
    pub loads: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { rehearse: false, loads: 1000 }
    }
}

/// Tries everything on a device that `open` opens, and opens it again after it was lost. `each` hears of every finding at once: the
/// last probes may end the process where a driver does so.
///
/// # Errors
/// The device cannot be opened.
pub fn run(
    open: &dyn Fn() -> Result<Device>,
    options: &Options,
    each: &mut dyn FnMut(&Finding),
) -> Result<Vec<Finding>> {
    let mut device = Some(open()?);
    let mut all = Vec::new();
    for (name, probe) in PROBES {
        let rig = Rig::new(device.take().map_or_else(open, Ok)?, *options);
        let mut finding = match probe(&rig) {
            Ok(detail) => Finding::of(name, true, detail),
            Err(Wrong(why)) => Finding::of(name, false, why),
        };
        if rig.is_lost() {
            drop(rig);
            device = open().ok();
            let said = match device {
                Some(_) => "the device was lost, and opened again",
                None => "the device was lost; only another process can open it again",
            };
            let said =
                [finding.detail.as_str(), said].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>();
            finding.detail = said.join("; ");
        } else {
            device = Some(rig.device);
        }
        each(&finding);
        all.push(finding);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches kernels of the suite that are not what their remarks say: the probes compare with exactly that.
    #[test]
    fn the_cpu_device_conforms() {
        let options = Options { loads: 20, ..Options::default() };
        let all = run(&|| Ok(Device::cpu()), &options, &mut |_| ()).unwrap();
        let wrong: Vec<_> = all
            .iter()
            .filter(|f| f.verdict != crate::check::Verdict::Pass)
            .map(|f| (f.oracle, &f.detail))
            .collect();
        assert!(wrong.is_empty() && all.len() == PROBES.len(), "{wrong:?}");
    }
}
