//! Cubin: NVIDIA's machine code, in ELF files.

use super::{elf, kernels_fit, Judgement};
use object::{LittleEndian, Object, ObjectSection};
use shadow_mem::Manifest;

/// Cubin's machine in ELF headers.
const EM_CUDA: u16 = 190;

/// What NVIDIA's code was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processor {
    /// 90 for sm_90.
    pub number: u32,
    /// It runs on that processor alone: sm_90a.
    pub alone: bool,
}

impl Processor {
    /// Whether machine code for it runs on another: that of one generation runs on the later members of it.
    pub fn machine_code_runs_on(self, own: u32) -> bool {
        match self.alone {
            true => self.number == own,
            false => self.number / 10 == own / 10 && self.number <= own,
        }
    }
}

/// Refuses a cubin that is cut off, for processors that this one (86 for sm_86) is none of, not linked, or without the manifests' kernels.
pub fn check(image: &[u8], own: Option<u32>, processor: &str, manifests: &[Manifest]) -> Judgement {
    elf::check(image, EM_CUDA, "a CUDA device takes PTX or cubin")?;
    if let (Some(own), Some(m)) = (own, made_for(image)) {
        if !m.machine_code_runs_on(own) {
            let (sm, a) = (m.number, if m.alone { "a" } else { "" });
            return Err(format!("it is cubin for sm_{sm}{a}, and this device is {processor}"));
        }
    }
    let Ok(file) = object::read::elf::ElfFile64::<LittleEndian>::parse(image) else { return Ok(()) };
    if file.kind() == object::ObjectKind::Relocatable {
        return Err("it is an object that is not linked (ptxas --compile-only), which no driver loads".into());
    }
    let sections: Vec<_> = file.sections().filter_map(|s| s.name().ok().map(String::from)).collect();
    let names = sections.iter().filter_map(|s| s.strip_prefix(".text."));
    kernels_fit(manifests, names, |_| Ok(()))
}

/// The flags changed with ABI 8 (sm_100). LLVM's ELF.h has both: EF_CUDA_SM and EF_CUDA_ACCELERATORS_V1, EF_CUDA_SM_MASK and
/// EF_CUDA_ACCELERATORS. `None` for versions that are not known: those the driver judges.
fn made_for(image: &[u8]) -> Option<Processor> {
    let flags = elf::flags(image);
    match image.get(8)? {
        7 => Some(Processor { number: flags & 0xff, alone: flags & 0x800 != 0 }),
        8 => Some(Processor { number: flags >> 8 & 0xff, alone: flags & 8 != 0 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches flags that are read from the wrong bits: these are what ptxas 12.9 writes.
    #[test]
    fn processors_are_read() {
        let read = |abi: u8, flags: u32| {
            let mut image = vec![0u8; 64];
            image[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x33");
            (image[8], image[18], image[20]) = (abi, 190, 1);
            image[48..52].copy_from_slice(&flags.to_le_bytes());
            made_for(&image).map(|m| (m.number, m.alone))
        };
        assert_eq!(read(7, 0x0046_0546), Some((70, false)));
        assert_eq!(read(7, 0x005a_055a), Some((90, false)));
        assert_eq!(read(7, 0x005a_0d5a), Some((90, true)));
        assert_eq!(read(8, 0x0600_6402), Some((100, false)));
        assert_eq!(read(8, 0x0600_640a), Some((100, true)));
        assert_eq!(read(8, 0x0600_7802), Some((120, false)));
        assert_eq!(read(9, 0x0600_7802), None);
    }
}
