//! Artifacts that a program brings with it: which of several fits the device.

use crate::artifact::cubin::Processor;
use crate::artifact::elf;
use crate::driver::Rejection;
use crate::{Context, DeviceInfo, DeviceKind, Error, Program, Result};
use shadow_mem::Manifest;

/// An artifact made at build time, as `include_bytes!` and `include_str!` give it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shipped<'a> {
    /// PTX, cubin, HSACO or a host shared object.
    pub code: &'a [u8],
    /// Its manifest, JSON.
    pub manifest: &'a str,
}

impl Context {
    /// Loads the artifact that fits the device best, of several of the same kernel:
    ///
    /// * NVIDIA: the newest PTX that is not newer than the device, which the driver compiles; a cubin of the device's own generation
    ///   is preferred to PTX for the same processor. Code for `sm_90a` fits that processor alone.
    ///   PTX in a newer version than the driver knows is passed over.
    /// * AMD: HSACO for the device's processor; settings that it was made for (`gfx90a:xnack-`) must be the device's.
    /// * CPU: the host shared object; of several the one of the highest level (`host:x86-64-v3`) whose extensions the processor has.
    ///
    /// # Errors
    /// [`Error::BadArtifact`] when none fits, with the targets that there are; else as [`Context::load`].
    pub fn load_shipped(&self, all: &[Shipped]) -> Result<Program> {
        let info = self.device().info();
        let manifests = all
            .iter()
            .map(|s| Manifest::from_json(s.manifest).map_err(Error::from))
            .collect::<Result<Vec<Manifest>>>()?;
        let mut fitting: Vec<(u32, &Shipped, &Manifest)> = (all.iter().zip(&manifests))
            .filter_map(|(s, m)| Some((fit(&info, &m.target, s.code)?, s, m)))
            .collect();
        fitting.sort_by_key(|f| std::cmp::Reverse(f.0));
        let mut refused = None;
        for (_, s, m) in fitting {
            match self.load(s.code, m) {
                // An older one may be in a language that the driver knows, or use what the processor has.
                Err(e @ Error::Rejected { why: Rejection::NewerLanguage, .. }) => {
                    refused.get_or_insert(e);
                }
                Err(e @ Error::BadArtifact(_)) if info.kind == DeviceKind::Cpu => {
                    refused.get_or_insert(e);
                }
                other => return other,
            }
        }
        Err(refused.unwrap_or_else(|| {
            let there: Vec<&str> = manifests.iter().map(|m| m.target.as_str()).collect();
            let there = if there.is_empty() { "none".into() } else { there.join(", ") };
            Error::BadArtifact(format!("none is for `{}`; there are: {there}", info.target))
        }))
    }
}

/// How well code for a target fits a device; `None`: not at all.
fn fit(device: &DeviceInfo, target: &str, code: &[u8]) -> Option<u32> {
    let (family, name) = target.split_once(':').unwrap_or((target, ""));
    let own = device.target.split_once(':').map_or("", |(_, name)| name);
    match (device.kind, family) {
        // One for a named level before one for all, one for the processor that it was made on before all.
        (DeviceKind::Cpu, "host") => Some(match (name, name.rsplit_once("-v")) {
            ("", _) => u32::MAX,
            (_, Some((_, level))) => level.parse().ok()?,
            _ => 0,
        }),
        (DeviceKind::Cuda, "nvptx") => {
            let (own, sm) = (processor(own)?, processor(name)?);
            let cubin = code.starts_with(elf::MAGIC);
            let fits = match cubin || sm.alone {
                true => sm.machine_code_runs_on(own.number),
                false => sm.number <= own.number,
            };
            fits.then_some(4 * sm.number + 2 * u32::from(sm.alone) + u32::from(cubin))
        }
        (DeviceKind::Hip, "amdgpu") => {
            let (mut own, mut wanted) = (own.split(':'), name.split(':'));
            let same = own.next() == wanted.next();
            let settings: Vec<&str> = own.collect();
            // The version of the code object is none of the device's settings.
            let wanted: Vec<&str> = wanted.filter(|w| !w.starts_with("cov")).collect();
            (same && wanted.iter().all(|w| settings.contains(w))).then_some(wanted.len() as u32)
        }
        _ => None,
    }
}

/// `sm_90a`: 90, alone.
fn processor(name: &str) -> Option<Processor> {
    let digits = name.strip_prefix("sm_")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    Some(Processor { number: digits[..end].parse().ok()?, alone: digits[end..].starts_with('a') })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    fn chosen<'a>(kind: DeviceKind, device: &str, of: &[(&'a str, &[u8])]) -> Option<&'a str> {
        let info = DeviceInfo { kind, target: device.into(), ..Device::cpu().info() };
        let best = of.iter().max_by_key(|(target, code)| fit(&info, target, code))?;
        fit(&info, best.0, best.1).map(|_| best.0)
    }

    // Catches: PTX that is newer than the card, code for one processor on another, a poorer choice than there is.
    #[test]
    fn the_best_that_fits_is_taken() {
        let (ptx, elf) = (&b".version 7.0"[..], &b"\x7fELF"[..]);
        let nv = [("nvptx:sm_70", ptx), ("nvptx:sm_90a", ptx), ("nvptx:sm_80", ptx), ("host", elf)];
        let cuda = |device: &str, of| chosen(DeviceKind::Cuda, device, of);
        assert_eq!(cuda("nvptx:sm_75", &nv), Some("nvptx:sm_70"));
        assert_eq!(cuda("nvptx:sm_90", &nv), Some("nvptx:sm_90a"));
        assert_eq!(cuda("nvptx:sm_120", &nv), Some("nvptx:sm_80"));
        assert_eq!(cuda("nvptx:sm_61", &nv), None);
        // A cubin goes no further than its generation, where PTX does.
        let cubins = [("nvptx:sm_80", elf), ("nvptx:sm_70", ptx)];
        assert_eq!(cuda("nvptx:sm_86", &cubins), Some("nvptx:sm_80"));
        assert_eq!(cuda("nvptx:sm_90", &cubins), Some("nvptx:sm_70"));
        let amd = [("amdgpu:gfx90a", elf), ("amdgpu:gfx90a:xnack-", elf), ("amdgpu:gfx1100", elf)];
        let hip = |device: &str| chosen(DeviceKind::Hip, device, &amd);
        assert_eq!(hip("amdgpu:gfx90a:sramecc+:xnack-"), Some("amdgpu:gfx90a:xnack-"));
        assert_eq!(hip("amdgpu:gfx90a:sramecc+:xnack+"), Some("amdgpu:gfx90a"));
        assert_eq!(hip("amdgpu:gfx1101"), None);
        let old = [("amdgpu:gfx90a:cov4", elf)];
        assert_eq!(
            chosen(DeviceKind::Hip, "amdgpu:gfx90a:sramecc+:xnack-", &old),
            Some("amdgpu:gfx90a:cov4")
        );
        assert_eq!(
            cuda("nvptx:sm_90", &[("nvptx:sm_80+ptx83", ptx), ("nvptx:sm_70", ptx)]),
            Some("nvptx:sm_80+ptx83")
        );
        assert_eq!(chosen(DeviceKind::Cpu, "host", &nv), Some("host"));
        let levels = [("host:x86-64", elf), ("host:x86-64-v3", elf), ("host:x86-64-v2", elf)];
        assert_eq!(chosen(DeviceKind::Cpu, "host", &levels), Some("host:x86-64-v3"));
        assert_eq!(chosen(DeviceKind::Cpu, "host", &amd), None);
    }

    // Catches: a message that does not say what there is, and a broken manifest that is passed over.
    #[test]
    fn what_does_not_fit_is_named() {
        let context = Context::new(Device::cpu());
        let text = |all: &[Shipped]| context.load_shipped(all).map(|_| ()).unwrap_err().to_string();
        assert!(text(&[]).contains("none is for `host`; there are: none"), "{}", text(&[]));
        let broken = text(&[Shipped { code: b"", manifest: "{" }]);
        assert!(broken.contains("not a manifest"), "{broken}");
    }
}
