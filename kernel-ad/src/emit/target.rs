//! Targets by name: what exists, and what each is to LLVM.

use super::host::HostCpu;
use super::isa::Isa;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::Arch;
use crate::llvm::MachineSpec;
use std::fmt;

/// Where a kernel is to run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// An NVIDIA processor: `nvptx:sm_90`, with the version of PTX to write behind it where it is not the oldest that has the
    /// processor (`nvptx:sm_90+ptx83`).
    Nvptx(NvptxCpu),
    /// An AMD processor: `amdgpu:gfx942`, with settings behind colons: features as ROCm writes them (`gfx90a:xnack-`), the version of
    /// the code object (`gfx90a:cov4`).
    Amdgpu(AmdCpu),
    /// The CPU device: `host` for this machine's processor, `host:x86-64-v3` for all of a level.
    Host(HostCpu),
}

/// An NVIDIA processor that LLVM knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NvptxCpu {
    /// `sm_90`.
    pub name: &'static str,
    /// Compute capability times ten, 90.
    pub sm: u32,
    /// Version of the PTX language to write.
    pub isa: Isa,
}

/// An AMD processor that LLVM knows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AmdCpu {
    /// `gfx942`.
    pub name: &'static str,
    /// Settings: `-xnack`, `+sramecc`.
    pub settings: Vec<String>,
    /// Version of the code object: 4, 5 or 6.
    pub code_object: u32,
}

const fn nv(name: &'static str, sm: u32, isa: u32) -> NvptxCpu {
    NvptxCpu { name, sm, isa: Isa::new(isa) }
}

/// NVIDIA processors with the oldest version of PTX that has them, and at least 7.0 (CUDA 11). LLVM 19 ends with sm_90a, and takes
/// unknown names for its default without saying so.
const NVPTX: &[NvptxCpu] = &[
    nv("sm_70", 70, 70),
    nv("sm_72", 72, 70),
    nv("sm_75", 75, 70),
    nv("sm_80", 80, 70),
    nv("sm_86", 86, 71),
    nv("sm_87", 87, 74),
    nv("sm_89", 89, 78),
    nv("sm_90", 90, 78),
    nv("sm_90a", 90, 80),
];

/// AMD processors that are tested, and their close relatives.
#[rustfmt::skip]
const AMDGPU: &[&str] = &[
    "gfx900", "gfx906", "gfx908", "gfx90a", "gfx940", "gfx941", "gfx942",
    "gfx1010", "gfx1011", "gfx1012", "gfx1030", "gfx1031", "gfx1032", "gfx1033", "gfx1034", "gfx1035", "gfx1036",
    "gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1200", "gfx1201",
];

/// Versions of AMD's code objects that LLVM 19 writes for a named processor, and the one that is written unless another is asked for.
const CODE_OBJECTS: [u32; 3] = [4, 5, 6];
const CODE_OBJECT: u32 = 5;

impl Target {
    /// This machine.
    pub const HOST: Target = Target::Host(HostCpu::Own);

    /// From a name such as `nvptx:sm_90`, `amdgpu:gfx942`, `host` or `host:x86-64-v3`.
    pub fn parse(name: &str) -> Result<Target> {
        let (family, cpu) = name.split_once(':').unwrap_or((name, ""));
        match family {
            "host" if cpu.is_empty() => Ok(Target::HOST),
            "host" => HostCpu::level(cpu).map(Target::Host),
            "nvptx" => nvidia(cpu),
            "amdgpu" => amd(cpu),
            _ => Err(Diagnostic::new(Code::BadTarget, format!("unknown target `{name}`"))
                .help("targets are `nvptx:sm_<n>`, `amdgpu:gfx<n>` and `host`; for example `nvptx:sm_80`, `amdgpu:gfx90a`")
                .into()),
        }
    }

    /// The target to compile for when a device names its processor and its driver's version (CUDA's or HIP's; `None` when it is not known).
    /// For NVIDIA: the newest PTX that the driver takes; for processors newer than those that LLVM or the driver's PTX knows, the newest
    /// before it, since drivers compile PTX for their own. For AMD: a code object that the runtime has always loaded.
    ///
    /// # Errors
    /// KAD0008 for a processor that no code is made for, and for a driver that takes none of the versions of PTX that are written.
    pub fn for_device(name: &str, driver: Option<(u32, u32)>) -> Result<Target> {
        let own = Target::parse(name);
        match (own, name.strip_prefix("nvptx:sm_").and_then(|n| n.parse::<u32>().ok())) {
            (own @ Err(_), None) => own,
            (own @ Err(_), Some(sm)) if sm < NVPTX[0].sm => own,
            (_, Some(sm)) => nvidia_device(sm, driver).map(Target::Nvptx),
            (Ok(Target::Amdgpu(cpu)), _) => {
                let code_object = if driver.is_some_and(|v| v < FIRST_WITH_5) { 4 } else { cpu.code_object };
                Ok(Target::Amdgpu(AmdCpu { code_object, ..cpu }))
            }
            (own, None) => own,
        }
    }

    /// The target that a kernel's own processor is, or a common one of its architecture.
    pub fn of_source(source: &crate::kernel::Source) -> Target {
        let (family, fallback) = match source.arch {
            Arch::Nvptx => ("nvptx", "nvptx:sm_80"),
            Arch::Amdgpu => ("amdgpu", "amdgpu:gfx90a"),
        };
        let own = source.cpu.as_ref().and_then(|cpu| Target::parse(&format!("{family}:{cpu}")).ok());
        own.unwrap_or_else(|| Target::parse(fallback).expect("a name of the list"))
    }

    /// Architecture of the kernels that can go there; `None` for all.
    pub fn arch(&self) -> Option<Arch> {
        match self {
            Target::Nvptx(_) => Some(Arch::Nvptx),
            Target::Amdgpu(_) => Some(Arch::Amdgpu),
            Target::Host(_) => None,
        }
    }

    /// Names of all targets.
    pub fn all() -> Vec<String> {
        let nv = NVPTX.iter().map(|c| format!("nvptx:{}", c.name));
        nv.chain(AMDGPU.iter().map(|c| format!("amdgpu:{c}")))
            .chain(HostCpu::all().map(|c| Target::Host(c).to_string()))
            .collect()
    }
}

/// The runtime that certainly fills the hidden arguments of version 5: clang's default since LLVM 18 (D129818), which ROCm 6 brought. Debian's 5.2
/// does not know that of dynamic shared memory. Version 4 was ROCm's since 4.1 (D99235), and every later runtime loads it.
const FIRST_WITH_5: (u32, u32) = (6, 0);

fn nvidia(cpu: &str) -> Result<Target> {
    let (name, feature) = cpu.split_once('+').map_or((cpu, None), |(name, f)| (name, Some(f)));
    let oldest = NVPTX.iter().find(|c| c.name == name).ok_or_else(|| {
        let names = NVPTX.iter().map(|c| c.name).collect::<Vec<_>>().join(", ");
        unknown("NVIDIA", name, &names)
            .because("code is generated by LLVM 19, which knows processors up to sm_90a")
            .help("PTX for sm_90 also runs on newer processors: the driver compiles it for them")
    })?;
    let Some(feature) = feature else { return Ok(Target::Nvptx(*oldest)) };
    let isa = Isa::parse(feature)?;
    if isa < oldest.isa {
        let message = format!("PTX {isa} does not have the processor {name}");
        return Err(Diagnostic::new(Code::BadTarget, message)
            .because(format!("it came with PTX {}", oldest.isa))
            .help(format!("write `nvptx:{name}`, or `nvptx:{name}+{}` and later", oldest.isa.feature()))
            .into());
    }
    Ok(Target::Nvptx(NvptxCpu { isa, ..*oldest }))
}

fn nvidia_device(sm: u32, driver: Option<(u32, u32)>) -> Result<NvptxCpu> {
    let Some(v) = driver else { return Ok(newest(sm, None)) };
    let too_old = || {
        Diagnostic::new(Code::BadTarget, format!("the driver's CUDA {}.{} is too old", v.0, v.1))
            .because("PTX 7.0 is the oldest that is written, and came with CUDA 11.0")
            .help("install a newer driver")
    };
    Ok(newest(sm, Some(Isa::of_driver(v).ok_or_else(too_old)?)))
}

/// The newest processor up to this one that is in this version of PTX. An `a` stands for what runs on one processor alone.
fn newest(sm: u32, most: Option<Isa>) -> NvptxCpu {
    let fits = |c: &&NvptxCpu| c.sm <= sm && !c.name.ends_with('a') && most.is_none_or(|most| c.isa <= most);
    let cpu = NVPTX.iter().rev().find(fits).unwrap_or(&NVPTX[0]);
    NvptxCpu { isa: most.unwrap_or(cpu.isa), ..*cpu }
}

fn amd(cpu: &str) -> Result<Target> {
    let mut parts = cpu.split(':');
    let name = parts.next().unwrap_or("");
    let known = AMDGPU.iter().find(|n| **n == name);
    let name = known.ok_or_else(|| unknown("AMD", name, &AMDGPU.join(", ")))?;
    let mut cpu = AmdCpu { name, settings: Vec::new(), code_object: CODE_OBJECT };
    for part in parts {
        if let Some(version) = part.strip_prefix("cov") {
            cpu.code_object = version
                .parse()
                .ok()
                .filter(|v| CODE_OBJECTS.contains(v))
                .ok_or_else(|| setting(part, name))?;
            continue;
        }
        match part.strip_suffix(['+', '-']) {
            Some(feature @ ("xnack" | "sramecc")) => {
                cpu.settings.push(format!("{}{feature}", &part[feature.len()..]))
            }
            _ => return Err(setting(part, name).into()),
        }
    }
    Ok(Target::Amdgpu(cpu))
}

fn setting(part: &str, name: &str) -> Diagnostic {
    Diagnostic::new(Code::BadTarget, format!("unknown setting `{part}` of `{name}`"))
        .help("settings are `xnack+`, `xnack-`, `sramecc+`, `sramecc-`, and `cov4`, `cov5`, `cov6` for the version of the code object")
}

fn unknown(vendor: &str, cpu: &str, names: &str) -> Diagnostic {
    let what = match cpu {
        "" => format!("the target names no {vendor} processor"),
        _ => format!("unknown {vendor} processor `{cpu}`"),
    };
    Diagnostic::new(Code::BadTarget, what).because(format!("known are {names}"))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Nvptx(cpu) => {
                write!(f, "nvptx:{}", cpu.name)?;
                match cpu.isa == cpu.oldest_isa() {
                    true => Ok(()),
                    false => write!(f, "+{}", cpu.isa.feature()),
                }
            }
            Target::Amdgpu(cpu) => {
                write!(f, "amdgpu:{}", cpu.name)?;
                for s in &cpu.settings {
                    write!(f, ":{}{}", &s[1..], &s[..1])?;
                }
                match cpu.code_object {
                    CODE_OBJECT => Ok(()),
                    other => write!(f, ":cov{other}"),
                }
            }
            Target::Host(HostCpu::Own) => f.write_str("host"),
            Target::Host(HostCpu::Level(l)) => write!(f, "host:{}", l.name),
        }
    }
}

impl NvptxCpu {
    /// The oldest version of PTX that has the processor.
    pub fn oldest_isa(&self) -> Isa {
        NVPTX.iter().find(|c| c.name == self.name).map_or(self.isa, |c| c.isa)
    }

    /// The same in that version of PTX; where the version lacks the processor, the newest before it that it has.
    pub fn in_isa(&self, isa: Isa) -> NvptxCpu {
        match isa >= self.oldest_isa() {
            true => NvptxCpu { isa, ..*self },
            false => newest(self.sm, Some(isa)),
        }
    }

    /// What code is generated for.
    pub fn machine(&self) -> MachineSpec {
        MachineSpec {
            triple: "nvptx64-nvidia-cuda".to_string(),
            cpu: self.name.to_string(),
            features: format!("+{}", self.isa.feature()),
            pic: false,
        }
    }
}

impl AmdCpu {
    /// Threads per warp that the processor can run with.
    pub fn warp_sizes(&self) -> &'static [u32] {
        if self.name.starts_with("gfx9") {
            &[64]
        } else {
            &[32, 64]
        }
    }

    /// What code is generated for.
    pub fn machine(&self, warp_size: u32) -> MachineSpec {
        let mut features = self.settings.clone();
        if self.warp_sizes().len() > 1 {
            features.push(format!("+wavefrontsize{warp_size}"));
            features.push(format!("-wavefrontsize{}", 96 - warp_size));
        }
        MachineSpec {
            triple: "amdgcn-amd-amdhsa".to_string(),
            cpu: self.name.to_string(),
            features: features.join(","),
            pic: true,
        }
    }

    /// The number that device libraries want: major * 1000 + minor and stepping as hexadecimal digits, 9010 for gfx90a.
    pub fn isa_version(&self) -> u32 {
        let digits = &self.name[3..];
        let (major, rest) = digits.split_at(digits.len() - 2);
        let hex = |s: &str| u32::from_str_radix(s, 16).unwrap_or(0);
        major.parse::<u32>().unwrap_or(0) * 1000 + hex(&rest[..1]) * 100 + hex(&rest[1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a name that is taken although LLVM does not know it, and a message that does not say what exists.
    #[test]
    fn names() {
        for name in Target::all() {
            assert_eq!(Target::parse(&name).unwrap().to_string(), name);
        }
        assert_eq!(
            Target::parse("amdgpu:gfx90a:xnack-:sramecc+").unwrap().to_string(),
            "amdgpu:gfx90a:xnack-:sramecc+"
        );
        for (bad, says) in [
            ("nvptx:sm_100", "sm_90a"),
            ("amdgpu:gfx90z", "gfx942"),
            ("nvptx", "sm_70"),
            ("cuda", "nvptx:sm_80"),
            ("host:x", "`host`"),
        ] {
            let e = Target::parse(bad).unwrap_err();
            assert_eq!(e.0[0].code, Code::BadTarget);
            assert!(e.to_string().contains(says), "{e}");
        }
    }

    /// Would catch a version of PTX that LLVM does not know (it would write its default), one that lacks the processor, and settings that
    /// are dropped silently.
    #[test]
    fn settings_of_processors() {
        for same in
            ["nvptx:sm_90+ptx83", "nvptx:sm_70+ptx85", "amdgpu:gfx90a:xnack-:cov4", "amdgpu:gfx1100:cov6"]
        {
            assert_eq!(Target::parse(same).unwrap().to_string(), same);
        }
        for (given, short) in [("nvptx:sm_90+ptx78", "nvptx:sm_90"), ("amdgpu:gfx90a:cov5", "amdgpu:gfx90a")]
        {
            assert_eq!(Target::parse(given).unwrap().to_string(), short);
        }
        for (bad, says) in [
            ("nvptx:sm_90+ptx79", "ptx78, ptx80"),
            ("nvptx:sm_90+ptx86", "LLVM 19 writes"),
            ("nvptx:sm_70+ptx65", "ptx70"),
            ("nvptx:sm_90+ptx77", "came with PTX 7.8"),
            ("nvptx:sm_90a+ptx78", "came with PTX 8.0"),
            ("nvptx:sm_90+", "unknown version ``"),
            ("nvptx:sm_90+sm_80", "unknown version `sm_80`"),
            ("amdgpu:gfx90a:cov3", "unknown setting `cov3`"),
            ("amdgpu:gfx90a:cov", "cov4"),
        ] {
            let e = Target::parse(bad).unwrap_err();
            assert_eq!(e.0[0].code, Code::BadTarget);
            assert!(e.to_string().contains(says), "{e}");
        }
    }

    /// Would catch a newer card that is refused although it takes the PTX of an older one, and PTX or code objects that the device's driver
    /// does not take.
    #[test]
    fn devices_with_their_drivers() {
        let of = |name: &str, driver| Target::for_device(name, driver).map(|t| t.to_string());
        assert_eq!(of("nvptx:sm_86", None).unwrap(), "nvptx:sm_86");
        assert_eq!(of("nvptx:sm_88", None).unwrap(), "nvptx:sm_87");
        assert_eq!(of("nvptx:sm_120", None).unwrap(), "nvptx:sm_90");
        assert_eq!(of("nvptx:sm_120", Some((12, 8))).unwrap(), "nvptx:sm_90+ptx85");
        assert_eq!(of("nvptx:sm_90", Some((12, 2))).unwrap(), "nvptx:sm_90+ptx82");
        assert_eq!(of("nvptx:sm_90", Some((11, 8))).unwrap(), "nvptx:sm_90");
        assert_eq!(of("nvptx:sm_80", Some((11, 4))).unwrap(), "nvptx:sm_80+ptx74");
        // An old driver on a new card: its PTX lacks the card's name.
        assert_eq!(of("nvptx:sm_90", Some((11, 5))).unwrap(), "nvptx:sm_87+ptx75");
        let e = of("nvptx:sm_80", Some((10, 2))).unwrap_err().to_string();
        assert!(e.contains("CUDA 10.2 is too old"), "{e}");
        assert_eq!(of("amdgpu:gfx90a:sramecc+:xnack-", None).unwrap(), "amdgpu:gfx90a:sramecc+:xnack-");
        assert_eq!(of("amdgpu:gfx90a", Some((6, 2))).unwrap(), "amdgpu:gfx90a");
        assert_eq!(of("amdgpu:gfx90a", Some((5, 2))).unwrap(), "amdgpu:gfx90a:cov4");
        assert_eq!(of("host", None).unwrap(), "host");
        assert!(of("nvptx:sm_61", None).is_err() && of("amdgpu:gfx1250", None).is_err());
    }

    /// Would catch a wrong constant given to ocml.
    #[test]
    fn isa_versions() {
        let isa = |name: &str| match Target::parse(name).unwrap() {
            Target::Amdgpu(cpu) => cpu.isa_version(),
            _ => 0,
        };
        assert_eq!(isa("amdgpu:gfx906"), 9006);
        assert_eq!(isa("amdgpu:gfx90a"), 9010);
        assert_eq!(isa("amdgpu:gfx942"), 9402);
        assert_eq!(isa("amdgpu:gfx1100"), 11000);
        assert_eq!(isa("amdgpu:gfx1201"), 12001);
    }
}
