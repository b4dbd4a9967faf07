//! What a HSACO says of its kernels, in three places that must agree with each other and with the manifest: the ELF header, the kernel
//! descriptors that the hardware reads, the notes that the runtime reads; and whether its code can be disassembled. Layouts are those of
//! LLVM's "User Guide for AMDGPU Backend".

use super::tools::{program, run};
use object::read::elf::{ElfFile64, FileHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SymbolKind};
use rmpv::Value;
use shadow_mem::{Manifest, Passing};
use std::collections::BTreeMap;

type Checked = Result<(), String>;
type Elf<'a> = ElfFile64<'a, LittleEndian>;

/// Where hidden arguments lie behind a kernel's own, since version 5 of the code object.
const HIDDEN: &[(&str, u64)] = &[
    ("hidden_block_count_x", 0),
    ("hidden_block_count_y", 4),
    ("hidden_block_count_z", 8),
    ("hidden_group_size_x", 12),
    ("hidden_group_size_y", 14),
    ("hidden_group_size_z", 16),
    ("hidden_remainder_x", 18),
    ("hidden_remainder_y", 20),
    ("hidden_remainder_z", 22),
    ("hidden_global_offset_x", 40),
    ("hidden_global_offset_y", 48),
    ("hidden_global_offset_z", 56),
    ("hidden_grid_dims", 64),
    ("hidden_printf_buffer", 72),
    ("hidden_hostcall_buffer", 80),
    ("hidden_multigrid_sync_arg", 88),
    ("hidden_heap_v1", 96),
    ("hidden_default_queue", 104),
    ("hidden_completion_action", 112),
    ("hidden_dynamic_lds_size", 120),
    ("hidden_private_base", 192),
    ("hidden_shared_base", 196),
    ("hidden_queue_ptr", 200),
];

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, want: T) -> Checked {
    if got == want {
        return Ok(());
    }
    Err(format!("{what} is {got:?}, and should be {want:?}"))
}

/// All kernels of an artifact; `functions`: its entries are device functions.
pub fn check(bytes: &[u8], manifest: &Manifest, functions: bool) -> Checked {
    let file = Elf::parse(bytes).map_err(|e| e.to_string())?;
    let target = manifest.target.strip_prefix("amdgpu:").ok_or("no AMD target")?;
    let (cpu, settings) = target.split_once(':').unwrap_or((target, ""));
    let version =
        settings.split(':').find_map(|s| s.strip_prefix("cov")).map_or(5, |v| v.parse().unwrap_or(0));
    let header = file.elf_header();
    same("the machine", header.e_machine.get(LittleEndian), 224)?;
    let ident = header.e_ident();
    // ELFOSABI_AMDGPU_HSA, ELFABIVERSION_AMDGPU_HSA_V4 and on.
    same("the ABI and its version", (ident.os_abi, u32::from(ident.abi_version)), (64, version - 2))?;
    let described: Vec<String> =
        file.symbols().filter_map(|s| s.name().ok()?.strip_suffix(".kd").map(String::from)).collect();
    if functions {
        same("the kernels", described, Vec::new())?;
        return instructions(&file, bytes, manifest, true);
    }
    // The loader reads the dynamic symbols.
    for name in manifest.kernels().iter().map(|m| format!("{}.kd", m.symbol)) {
        if !file.dynamic_symbols().any(|s| s.name() == Ok(&name)) {
            return Err(format!("`{name}` is no dynamic symbol"));
        }
    }
    let notes = notes(&file)?;
    let name = format!("amdgcn-amd-amdhsa--{cpu}");
    let named = text(&notes, "amdhsa.target")?;
    same("the target of the notes", named.split(':').next().unwrap_or(""), &name)?;
    let all: Vec<&Value> = array(&notes, "amdhsa.kernels")?.iter().collect();
    let mut listed = all.iter().map(|k| text(k, ".name").map(String::from)).collect::<Result<Vec<_>, _>>()?;
    let mut wanted: Vec<String> = manifest.kernels().iter().map(|m| m.symbol.clone()).collect();
    let mut described = described;
    for names in [&mut listed, &mut wanted, &mut described] {
        names.sort();
    }
    same("the kernels in the notes", &listed, &wanted)?;
    same("the kernels with a descriptor", &described, &wanted)?;
    for m in manifest.kernels() {
        let notes = all.iter().find(|k| text(k, ".name").ok() == Some(&m.symbol)).ok_or("was listed")?;
        let one = Descriptor::read(&file, &m.symbol).and_then(|d| kernel(&file, notes, &d, m, version));
        one.map_err(|e| format!("`{}`: {e}", m.symbol))?;
    }
    instructions(&file, bytes, manifest, false)
}

fn instructions(file: &Elf<'_>, bytes: &[u8], manifest: &Manifest, functions: bool) -> Checked {
    let Some(listing) = disassembled(bytes)? else { return Ok(()) };
    for m in manifest.kernels() {
        code(file, &listing, m, functions).map_err(|e| format!("`{}`: {e}", m.symbol))?;
    }
    Ok(())
}

fn kernel(file: &Elf<'_>, notes: &Value, d: &Descriptor, m: &Manifest, version: u32) -> Checked {
    same("the symbol in the notes", text(notes, ".symbol")?, &format!("{}.kd", m.symbol))?;
    let end = arguments(notes, m, version)?;
    let size = number(notes, ".kernarg_segment_size")?;
    same("the size of the arguments in the descriptor", u64::from(d.kernarg), size)?;
    if size < end || size > end.next_multiple_of(8) + 256 {
        return Err(format!("the arguments end at {end}, and have {size} bytes"));
    }
    let wave32 = d.properties & 1 << 10 != 0;
    same("the warp size in the notes", number(notes, ".wavefront_size")?, m.warp_size.into())?;
    same("a warp of 32 in the descriptor", wave32, m.warp_size == 32)?;
    let shared = number(notes, ".group_segment_fixed_size")?;
    same("the shared memory in the descriptor", u64::from(d.shared), shared)?;
    // Between variables there is room for their alignment, behind them for that of dynamic memory. LLVM drops what it finds to be of no use,
    // and moves arrays of the thread into shared memory that would be left over.
    let most = if m.local_bytes > 0 { 64 << 10 } else { m.shared_bytes + 64 };
    if shared > most {
        return Err(format!("{shared} bytes of shared memory, the manifest says {}", m.shared_bytes));
    }
    let most = m.max_threads.unwrap_or(1024);
    same("the largest block", number(notes, ".max_flat_workgroup_size")?, most.into())?;
    same(
        "private memory in the descriptor",
        u64::from(d.private),
        number(notes, ".private_segment_fixed_size")?,
    )?;
    // No recursion, no memory of a size that is found at run time.
    same("a dynamic stack in the descriptor", d.properties & 1 << 11, 0)?;
    if version >= 5 {
        same("a dynamic stack in the notes", get(notes, ".uses_dynamic_stack")?.as_bool(), Some(false))?;
    }
    let entry = symbol(file, &m.symbol)?.address();
    same("the entry of the descriptor", d.address.wrapping_add_signed(d.entry), entry)?;
    same("the alignment of the code", entry % 256, 0)?;
    same("the bits of the descriptor that must be zero", d.reserved, 0)
}

/// The arguments in the notes against the parameters of the manifest. Where the kernel's own end.
fn arguments(notes: &Value, m: &Manifest, version: u32) -> Result<u64, String> {
    let args = match get(notes, ".args") {
        Ok(_) => array(notes, ".args")?,
        Err(_) => &[],
    };
    let kind = |a: &Value| text(a, ".value_kind").map(String::from);
    let (mut own, mut hidden) = (Vec::new(), BTreeMap::new());
    for a in args {
        let (kind, offset) = (kind(a)?, number(a, ".offset")?);
        match kind.starts_with("hidden_") {
            true => drop(hidden.insert(kind, offset)),
            false => own.push((kind, offset, number(a, ".size")?)),
        }
    }
    same("the number of arguments", own.len(), m.params.len())?;
    let mut end = 0u64;
    for (p, (kind, offset, size)) in m.params.iter().zip(&own) {
        let at = end.next_multiple_of(u64::from(p.align.max(1)));
        end = at + p.bytes;
        let want = match p.passing {
            Passing::Pointer { space: 3 } => "dynamic_shared_pointer",
            Passing::Pointer { .. } => "global_buffer",
            Passing::Scalar { .. } | Passing::Struct => "by_value",
        };
        same(&format!("argument `{}`", p.name), (kind.as_str(), *offset, *size), (want, at, p.bytes))?;
    }
    if version >= 5 {
        let base = end.next_multiple_of(8);
        for (kind, offset) in &hidden {
            let want = HIDDEN.iter().find(|h| h.0 == kind).ok_or(format!("an unknown argument `{kind}`"))?.1;
            same(&format!("the place of `{kind}`"), *offset, base + want)?;
        }
    } else if !hidden.contains_key("hidden_hostcall_buffer") {
        // Kernels that print get the runtime's buffer by such an argument, and all others with it.
        same("hidden arguments, which version 4 needs none of", hidden, BTreeMap::new())?;
    }
    Ok(end)
}

/// A kernel descriptor, 64 bytes.
struct Descriptor {
    address: u64,
    shared: u32,
    private: u32,
    kernarg: u32,
    /// From the descriptor to the code.
    entry: i64,
    properties: u16,
    /// All bits that must be zero.
    reserved: u64,
}

impl Descriptor {
    fn read(file: &Elf<'_>, kernel: &str) -> Result<Descriptor, String> {
        let s = symbol(file, &format!("{kernel}.kd"))?;
        same("the size of the descriptor's symbol", s.size(), 64)?;
        same("the alignment of the descriptor", s.address() % 64, 0)?;
        let section = s.section_index().and_then(|i| file.section_by_index(i).ok()).ok_or("no section")?;
        let data = section.data_range(s.address(), 64).ok().flatten().ok_or("no data")?;
        let bytes = |at: usize| <[u8; 8]>::try_from(&data[at..at + 8]).unwrap_or_default();
        let word = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        Ok(Descriptor {
            address: s.address(),
            shared: word(0),
            private: word(4),
            kernarg: word(8),
            entry: i64::from_le_bytes(bytes(16)),
            properties: u16::from_le_bytes([data[56], data[57]]),
            reserved: u64::from(word(12))
                | u64::from_le_bytes(bytes(24))
                | u64::from_le_bytes(bytes(32))
                | u64::from(word(60)),
        })
    }
}

/// The code of an entry: a function of some size, every instruction of which is one, up to its end.
fn code(file: &Elf<'_>, listing: &Listing, m: &Manifest, function: bool) -> Checked {
    let s = symbol(file, &m.symbol)?;
    same("the kind of its symbol", s.kind(), SymbolKind::Text)?;
    let own: Vec<&str> = listing.range(s.address()..s.address() + s.size()).map(|l| l.1.as_str()).collect();
    if let Some(bad) = own.iter().find(|l| l.contains("<unknown>") || l.starts_with(".long")) {
        return Err(format!("no instruction of this processor: {bad}"));
    }
    let end = if function { "s_setpc_b64" } else { "s_endpgm" };
    if !own.iter().any(|l| l.starts_with(end)) {
        return Err(format!("{} instructions, and no {end}", own.len()));
    }
    // The execution mask is as wide as a warp.
    let foreign = if m.warp_size == 32 { "_saveexec_b64" } else { "_saveexec_b32" };
    match own.iter().find(|l| l.contains(foreign)) {
        Some(l) => Err(format!("an instruction of the other warp size: {l}")),
        None => Ok(()),
    }
}

/// Instructions by their addresses.
type Listing = BTreeMap<u64, String>;

fn disassembled(bytes: &[u8]) -> Result<Option<Listing>, String> {
    let Some(objdump) = program("llvm-objdump-19") else { return Ok(None) };
    let text = run(&objdump, &["--disassemble", "--no-show-raw-insn"], bytes)?;
    let line = |l: &str| {
        let (instruction, rest) = l.strip_prefix('\t')?.split_once("//")?;
        let address = u64::from_str_radix(rest.trim().split([':', ' ']).next()?, 16).ok()?;
        Some((address, instruction.trim().to_string()))
    };
    Ok(Some(text.lines().filter_map(line).collect()))
}

fn symbol<'f>(file: &'f Elf<'_>, name: &str) -> Result<impl ObjectSymbol<'f>, String> {
    file.symbols().find(|s| s.name() == Ok(name)).ok_or(format!("no symbol `{name}`"))
}

/// The metadata in the notes: MessagePack.
fn notes(file: &Elf<'_>) -> Result<Value, String> {
    let section = file.section_by_name(".note").ok_or("no notes")?;
    let data = section.data().map_err(|e| e.to_string())?;
    let word =
        |at: usize| data.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let (name, size, kind) = (word(0), word(4), word(8));
    // NT_AMDGPU_METADATA.
    same("the kind of the notes", (kind, data.get(12..18)), (Some(32), Some(&b"AMDGPU"[..])))?;
    let start = 12 + name.unwrap_or(0).next_multiple_of(4);
    let mut packed = data.get(start..start + size.unwrap_or(0)).ok_or("notes that are cut off")?;
    rmpv::decode::read_value(&mut packed).map_err(|e| e.to_string())
}

fn get<'v>(map: &'v Value, key: &str) -> Result<&'v Value, String> {
    let entries = map.as_map().ok_or("no map in the notes")?;
    entries.iter().find(|e| e.0.as_str() == Some(key)).map(|e| &e.1).ok_or(format!("no {key} in the notes"))
}

fn text<'v>(map: &'v Value, key: &str) -> Result<&'v str, String> {
    get(map, key)?.as_str().ok_or(format!("{key} is no text"))
}

fn number(map: &Value, key: &str) -> Result<u64, String> {
    get(map, key)?.as_u64().ok_or(format!("{key} is no number"))
}

fn array<'v>(map: &'v Value, key: &str) -> Result<&'v [Value], String> {
    get(map, key)?.as_array().map(Vec::as_slice).ok_or(format!("{key} is no list"))
}

/// Where in the file the descriptor of a kernel lies.
pub fn descriptor_place(bytes: &[u8], kernel: &str) -> usize {
    place(bytes, &format!("{kernel}.kd"))
}

/// Where in the file its code lies.
pub fn code_place(bytes: &[u8], kernel: &str) -> usize {
    place(bytes, kernel)
}

fn place(bytes: &[u8], name: &str) -> usize {
    let file = Elf::parse(bytes).expect("an ELF file");
    let symbol = file.symbols().find(|s| s.name() == Ok(name)).expect("the symbol");
    let section = symbol.section_index().and_then(|i| file.section_by_index(i).ok()).expect("its section");
    let (start, _) = section.file_range().expect("its place");
    (start + symbol.address() - section.address()) as usize
}
