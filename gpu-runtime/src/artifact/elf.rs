//! ELF files: shared objects of the host, cubin, HSACO.

use super::{kernels_fit, Judgement};
use object::elf::{FileHeader64, EM_NONE, PT_LOAD, SHT_NOBITS};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian, Object, ObjectSymbol};
use shadow_mem::Manifest;

/// The first bytes of an ELF file.
pub const MAGIC: &[u8] = b"\x7fELF";

type Header = FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// Refuses a file for another machine (its number in ELF headers), and one that ends before its last part.
pub fn check(image: &[u8], machine: u16, takes: &str) -> Judgement {
    let header = header(image)?;
    if machine != EM_NONE && header.e_machine(LE) != machine {
        return Err(format!("it is an ELF file for another machine; {takes}"));
    }
    let cut = |wants: u64| format!("it is cut off: it has {} bytes and should have {wants}", image.len());
    let entries = |count: u16, size: u16| u64::from(count) * u64::from(size);
    let tables = [
        header.e_phoff(LE).saturating_add(entries(header.e_phnum(LE), header.e_phentsize(LE))),
        header.e_shoff(LE).saturating_add(entries(header.e_shnum(LE), header.e_shentsize(LE))),
    ];
    let tables = tables.into_iter().max().unwrap_or(0);
    if tables > image.len() as u64 {
        return Err(cut(tables));
    }
    let malformed = |e: object::read::Error| format!("it is a malformed ELF file: {e}");
    let segments = header.program_headers(LE, image).map_err(malformed)?;
    let sections = header.section_headers(LE, image).map_err(malformed)?;
    let ends = segments.iter().map(|s| s.p_offset(LE).saturating_add(s.p_filesz(LE))).chain(
        sections
            .iter()
            .filter(|s| s.sh_type(LE) != SHT_NOBITS)
            .map(|s| s.sh_offset(LE).saturating_add(s.sh_size(LE))),
    );
    match ends.max() {
        Some(end) if end > image.len() as u64 => Err(cut(end)),
        _ => Ok(()),
    }
}

fn header(image: &[u8]) -> Result<&Header, String> {
    if !image.starts_with(MAGIC) {
        return Err("it is no ELF file".into());
    }
    if image.len() < size_of::<Header>() {
        return Err(format!("it is cut off: it has {} bytes", image.len()));
    }
    Header::parse(image).map_err(|_| "it is an ELF file of 32 bits, or of the other byte order".to_string())
}

/// The flags of the header, which name the processor of a GPU.
pub fn flags(image: &[u8]) -> u32 {
    header(image).map_or(0, |h| h.e_flags(LE))
}

/// The number of this machine in ELF headers; `EM_NONE`, which is not compared, where it is not known.
pub fn own_machine() -> u16 {
    match std::env::consts::ARCH {
        "x86_64" => object::elf::EM_X86_64,
        "aarch64" => object::elf::EM_AARCH64,
        "riscv64" => object::elf::EM_RISCV,
        "powerpc64" => object::elf::EM_PPC64,
        _ => EM_NONE,
    }
}

/// Bytes of arguments that AMD's compilers may add behind a kernel's own.
const HIDDEN: u64 = 256;

/// Refuses HSACO whose kernels are not those of the manifests: by their names, and by the room for their arguments.
pub fn check_hsaco(image: &[u8], manifests: &[Manifest]) -> Judgement {
    let Ok(file) = object::read::elf::ElfFile64::<LittleEndian>::parse(image) else { return Ok(()) };
    let mut kernels = Vec::new();
    for s in file.symbols().chain(file.dynamic_symbols()) {
        if let Some(name) = s.name().ok().and_then(|n| n.strip_suffix(".kd")) {
            kernels.push((name, room(image, s.address())));
        }
    }
    kernels_fit(manifests, kernels.iter().map(|k| k.0), |m| {
        let end =
            m.params.iter().fold(0u64, |at, p| at.next_multiple_of(u64::from(p.align).max(1)) + p.bytes);
        match kernels.iter().find(|k| k.0 == m.symbol) {
            Some((_, Some(room))) if *room < end || *room > end.next_multiple_of(16) + HIDDEN => {
                Err(format!("its arguments take {end} bytes, and the code has {room} for them"))
            }
            _ => Ok(()),
        }
    })
}

/// Bytes of arguments, from a kernel descriptor (LLVM's "User Guide for AMDGPU Backend", Kernel Descriptor).
fn room(image: &[u8], address: u64) -> Option<u64> {
    let header = header(image).ok()?;
    let segments = header.program_headers(LE, image).ok()?;
    let inside = segments.iter().find(|s| {
        s.p_type(LE) == PT_LOAD
            && address.checked_sub(s.p_vaddr(LE)).is_some_and(|o| o + 64 <= s.p_filesz(LE))
    })?;
    let at = usize::try_from(address - inside.p_vaddr(LE) + inside.p_offset(LE)).ok()?;
    let bytes = image.get(at + 8..at + 12)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?).into())
}
