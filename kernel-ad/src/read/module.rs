//! What a module holds: architecture, kernels, their parameters and launch bounds.

use super::{KernelInfo, ParamInfo};
use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use crate::kernel::{AddrSpace, Arch, FloatTy, Lane, LaunchBounds, Source, Type};
use crate::llvm::{Ir, ParseError, Ty, TypeKind, Val};

/// LLVM's numbers of the calling conventions of kernels.
const PTX_KERNEL: u32 = 71;
const AMDGPU_KERNEL: u32 = 91;

/// Bitcode, or text? An error for neither: LLVM would take bytes up to the first NUL for a (perhaps empty) text.
pub(super) fn is_bitcode(bytes: &[u8], file: &str) -> Result<bool> {
    let bitcode = bytes.starts_with(b"BC\xC0\xDE") || bytes.starts_with(&[0xDE, 0xC0, 0x17, 0x0B]);
    if bitcode || !bytes.contains(&0) {
        return Ok(bitcode);
    }
    let help = if bytes.starts_with(b"\x7fELF") {
        "this is machine code; give the LLVM IR: clang --cuda-device-only -S -emit-llvm"
    } else {
        "give a .ll or .bc file, or a .cu or .hip source"
    };
    Err(Diagnostic::new(Code::MalformedIr, format!("`{file}` is neither LLVM bitcode nor text"))
        .help(help)
        .into())
}

/// A diagnostic for a module that LLVM rejects.
pub(super) fn malformed(file: &str, e: ParseError) -> Diagnostics {
    let mut d = Diagnostic::new(Code::MalformedIr, format!("malformed LLVM module: {}", e.message));
    if let Some((line, col)) = e.at {
        d.place = Some(Place { file: file.into(), line, col, function: None, inlined_at: Vec::new() });
    } else {
        d = d.because(format!("in `{file}`"));
    }
    d.ir = e.line;
    let newer = e.message.contains("Unknown attribute kind")
        || e.message.contains("Invalid record")
        || e.message.contains("producer");
    if newer {
        d.help = Some("it may come from a newer LLVM; this build reads modules of LLVM 19 and older".into());
    }
    d.into()
}

/// The architecture of a triple.
pub(super) fn arch(file: &str, triple: &str) -> Result<Arch> {
    let cpu = triple.split('-').next().unwrap_or("");
    match cpu {
        "nvptx64" => Ok(Arch::Nvptx),
        "amdgcn" => Ok(Arch::Amdgpu),
        _ => {
            let what = if triple.is_empty() { "no triple".to_string() } else { format!("triple `{triple}`") };
            let help = match cpu {
                "nvptx" => "32-bit NVPTX is not supported: compile for nvptx64-nvidia-cuda",
                "spirv" | "spir" | "spirv64" | "spir64" => {
                    "compile for nvptx64-nvidia-cuda or amdgcn-amd-amdhsa"
                }
                _ => "give the device side: clang --cuda-device-only -S -emit-llvm",
            };
            let d = Diagnostic::new(
                Code::WrongTriple,
                format!("`{file}` has {what}, not one of NVPTX or AMDGPU"),
            );
            Err(d.help(help).into())
        }
    }
}

/// Kernels in the order of the module.
pub(super) fn kernels<'m>(ir: &'m Ir<'_>, arch: Arch) -> Vec<Val<'m>> {
    let annotated: Vec<Val<'m>> = ir
        .nvvm_annotations()
        .into_iter()
        .filter(|a| a.pairs.iter().any(|(k, v)| k == "kernel" && *v == 1))
        .map(|a| a.function)
        .collect();
    let convention = if arch == Arch::Nvptx { PTX_KERNEL } else { AMDGPU_KERNEL };
    ir.functions()
        .filter(|f| !f.is_declaration())
        .filter(|f| f.call_conv() == convention || (arch == Arch::Nvptx && annotated.contains(f)))
        .collect()
}

/// Device functions in the order of the module, without those of libraries, whose names are reserved.
pub(super) fn functions<'m>(ir: &'m Ir<'_>, arch: Arch) -> Vec<Val<'m>> {
    let kernels = kernels(ir, arch);
    let library = |n: &str| n.starts_with("__") || n.starts_with("llvm.");
    ir.functions()
        .filter(|f| !f.is_declaration() && !f.is_var_arg() && !kernels.contains(f) && !library(&f.name()))
        .collect()
}

/// The name of a parameter in the thread's own memory, which no host can pass.
pub(super) fn local_param(f: Val<'_>) -> Option<String> {
    let local = |p: &Val<'_>| p.ty().kind() == TypeKind::LLVMPointerTypeKind && p.ty().addr_space() == 5;
    f.params().into_iter().find(local).map(|p| p.name())
}

/// A refusal of a function with such a parameter.
pub(super) fn returns_through_memory(symbol: &str, param: &str) -> Diagnostic {
    let name = super::names::source_name(symbol);
    let message = format!("the function `{name}` passes a struct through memory of its caller (`{param}`)");
    Diagnostic::new(Code::UnsupportedCall, message).help("pass and return numbers and pointers")
}

/// Everything that `list` shows of a kernel.
pub(super) fn info(ir: &Ir<'_>, arch: Arch, f: Val<'_>) -> KernelInfo {
    let mut shared_bytes = 0u64;
    let mut dynamic_shared = false;
    for g in ir.globals_used(f).into_iter().filter(|g| g.ty().addr_space() == AddrSpace::Shared.number()) {
        let size = g.global_type().and_then(|t| ir.layout_of(t)).map_or(0, |l| l.0);
        if size == 0 {
            dynamic_shared = true;
        } else {
            shared_bytes = shared_bytes.saturating_add(size);
        }
    }
    let name = f.name();
    let is_function = !kernels(ir, arch).contains(&f);
    let result = f.return_type().filter(|t| t.kind() != TypeKind::LLVMVoidTypeKind);
    KernelInfo {
        is_function,
        result: result.map_or(String::new(), |t| t.to_string()),
        source_name: super::names::source_name(&name),
        name,
        arch,
        params: (0u32..).zip(f.params()).map(|(i, p)| param(ir, f, i, p)).collect(),
        shared_bytes,
        dynamic_shared,
        bounds: bounds(ir, f),
    }
}

fn param(ir: &Ir<'_>, f: Val<'_>, i: u32, p: Val<'_>) -> ParamInfo {
    let by_value = ["byval", "byref"].iter().find_map(|a| f.param_type_attr(i, a));
    let ty = by_value.unwrap_or(p.ty());
    let (bytes, natural) = ir.layout_of(ty).unwrap_or((0, 1));
    let align = by_value.and_then(|_| f.param_attr(i, "align")).map_or(natural, |a| a as u32);
    let named = p.name();
    ParamInfo {
        name: if named.is_empty() { format!("arg{i}") } else { named },
        ty: ty.to_string(),
        value_ty: simple_type(p.ty()),
        space: (by_value.is_none() && ty.kind() == TypeKind::LLVMPointerTypeKind)
            .then(|| AddrSpace::from_number(ty.addr_space())),
        bytes,
        align,
        by_value: by_value.is_some(),
    }
}

/// Types that need no table.
fn simple_type(ty: Ty<'_>) -> Option<Type> {
    Some(match ty.kind() {
        TypeKind::LLVMIntegerTypeKind => Type::Int(u16::try_from(ty.int_width()).ok().filter(|w| *w <= 128)?),
        TypeKind::LLVMHalfTypeKind => Type::Float(FloatTy::F16),
        TypeKind::LLVMBFloatTypeKind => Type::Float(FloatTy::Bf16),
        TypeKind::LLVMFloatTypeKind => Type::F32,
        TypeKind::LLVMDoubleTypeKind => Type::F64,
        TypeKind::LLVMPointerTypeKind => Type::Ptr(AddrSpace::from_number(ty.addr_space())),
        TypeKind::LLVMVectorTypeKind => {
            let (elem, n) = ty.elements()?;
            let lane = match simple_type(elem)? {
                Type::Int(w) => Lane::Int(w),
                Type::Float(f) => Lane::Float(f),
                Type::Ptr(a) => Lane::Ptr(a),
                _ => return None,
            };
            Type::Vec(lane, u16::try_from(n).ok()?)
        }
        _ => return None,
    })
}

/// Where a kernel comes from.
pub(super) fn source(ir: &Ir<'_>, arch: Arch, f: Val<'_>, file: &str) -> Source {
    let cpu = f.string_attr("target-cpu").filter(|s| !s.is_empty());
    let features = f.string_attr("target-features").filter(|s| !s.is_empty());
    Source {
        arch,
        triple: ir.triple(),
        data_layout: ir.data_layout(),
        warp_size: warp_size(arch, cpu.as_deref(), features.as_deref()),
        cpu,
        features,
        file: file.to_string(),
    }
}

/// 32 on NVPTX. On AMDGPU the features decide if they speak, else the generation: 64 up to gfx9, 32 from gfx10 on.
fn warp_size(arch: Arch, cpu: Option<&str>, features: Option<&str>) -> u32 {
    if arch == Arch::Nvptx {
        return 32;
    }
    let has = |f: &str| features.is_some_and(|all| all.split(',').any(|x| x == f));
    if has("+wavefrontsize32") {
        32
    } else if has("+wavefrontsize64") {
        64
    } else {
        let number = cpu.and_then(|c| c.strip_prefix("gfx")).unwrap_or("90a");
        if number.len() > 3 {
            32
        } else {
            64
        }
    }
}

/// Launch bounds from annotations and attributes.
pub(super) fn bounds(ir: &Ir<'_>, f: Val<'_>) -> LaunchBounds {
    let mut required = [None; 3];
    let mut largest = [None; 3];
    let mut b = LaunchBounds::default();
    for (key, value) in ir.nvvm_annotations().into_iter().filter(|a| a.function == f).flat_map(|a| a.pairs) {
        let axis = match key.as_bytes().last() {
            Some(b'x') => 0,
            Some(b'y') => 1,
            _ => 2,
        };
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        match key.as_str() {
            "reqntidx" | "reqntidy" | "reqntidz" => required[axis] = Some(value),
            "maxntidx" | "maxntidy" | "maxntidz" => largest[axis] = Some(value),
            "minctasm" => b.min_blocks = Some(value),
            _ => {}
        }
    }
    let shape = |s: [Option<u32>; 3]| s.iter().any(Option::is_some).then(|| s.map(|n| n.unwrap_or(1)));
    let threads = |s: [u32; 3]| s.iter().fold(1u32, |a, n| a.saturating_mul(*n));
    b.required_block = shape(required);
    b.max_threads = shape(largest).map(threads);
    if let Some([x, y, z]) = ir.function_metadata(f, "reqd_work_group_size").as_deref() {
        b.required_block = Some([*x, *y, *z].map(|n| u32::try_from(n).unwrap_or(u32::MAX)));
    }
    if let Some(range) = f.string_attr("amdgpu-flat-work-group-size") {
        b.max_threads = range.split(',').nth(1).and_then(|n| n.trim().parse().ok());
    }
    if let Some(block) = b.required_block {
        b.max_threads = b.max_threads.or(Some(threads(block)));
    }
    b
}
