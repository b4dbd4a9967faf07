//! The manifest: everything a launcher must know about an artifact, and all that passes from the compiler to it.

use crate::expr::Expr;
use serde::{Deserialize, Serialize};

/// Version of the manifest's format; another version is refused.
pub const MANIFEST_VERSION: u32 = 1;

/// What a kernel of an artifact computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The kernel as it was.
    Primal,
    /// Primal and tangent together.
    Forward,
    /// Forward and reverse sweep in one kernel.
    Reverse,
    /// The primal that writes the tape for a later reverse kernel.
    Augmented,
    /// The reverse sweep alone, reading the tape of an augmented kernel.
    Split,
    /// Counts the tape bytes that a thread needs.
    Count,
}

/// What the code beside a manifest is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// NVIDIA's assembly, which the driver compiles.
    Ptx,
    /// NVIDIA's machine code.
    Cubin,
    /// AMD's machine code.
    Hsaco,
    /// A shared object for the host.
    SharedObject,
    /// Assembly that nobody loads.
    Assembly,
    /// LLVM bitcode.
    Bitcode,
    /// LLVM assembly.
    Llvm,
}

impl Form {
    /// Whether a driver or `dlopen` loads it.
    pub fn loadable(self) -> bool {
        matches!(self, Form::Ptx | Form::Cubin | Form::Hsaco | Form::SharedObject)
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Form::Ptx => "PTX",
            Form::Cubin => "cubin",
            Form::Hsaco => "HSACO",
            Form::SharedObject => "a shared object",
            Form::Assembly => "assembly",
            Form::Bitcode => "LLVM bitcode",
            Form::Llvm => "LLVM assembly",
        }
    }
}

/// What the caller wants of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// No derivative.
    Const,
    /// Has a shadow; primal contents after the launch are wanted.
    Dup,
    /// Has a shadow; the caller does not need the primal contents after the launch.
    Out,
    /// A differentiated scalar; its shadow is one element.
    Active,
}

/// Element types, named as in case files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ElemType {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
}

impl ElemType {
    /// Size in bytes.
    pub fn bytes(self) -> usize {
        match self {
            ElemType::I8 => 1,
            ElemType::F16 | ElemType::Bf16 | ElemType::I16 => 2,
            ElemType::F32 | ElemType::I32 => 4,
            ElemType::F64 | ElemType::I64 => 8,
        }
    }

    /// True for the four float formats.
    pub fn is_float(self) -> bool {
        matches!(self, ElemType::F16 | ElemType::Bf16 | ElemType::F32 | ElemType::F64)
    }
}

/// How a parameter is passed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Passing {
    /// A device pointer (8 bytes), in the IR's address space of that number.
    Pointer {
        /// LLVM's number of the address space.
        space: u32,
    },
    /// A scalar of `bytes` bytes; `ty` when it is one of the case-file types.
    Scalar {
        /// Type; `None` for scalars that no case-file type names (i1, pointers to other spaces).
        ty: Option<ElemType>,
    },
    /// A struct of `bytes` bytes, copied into the parameter area.
    Struct,
}

/// What a parameter is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Purpose {
    /// Parameter `index` of the primal kernel.
    Primal {
        /// Index of the primal parameter.
        index: u32,
        /// What the caller wants of it.
        role: Role,
    },
    /// Device pointer to the shadow of primal parameter `of`: for a buffer, memory of the same extent; for an active
    /// scalar, one element; for a struct, device memory of the struct's size and layout that holds shadow pointers
    /// where the struct holds pointers and one element where it holds floats.
    Shadow {
        /// Index of the primal parameter.
        of: u32,
    },
    /// Device pointer to the shadow of a module-level variable.
    GlobalShadow {
        /// Name of the variable in the IR.
        name: String,
    },
    /// i32: bytes of dynamic shared memory that the primal's launch gives; the kernel's own gets
    /// [`dynamic_shared_bytes`] of it.
    DynamicSharedSize,
    /// Device pointer to the tape.
    TapeBase,
    /// i64: capacity of the tape in bytes per thread.
    TapeCapacity,
    /// Device pointer to one i64, zero before the launch; afterwards 0, or the bytes per thread that were wanted and not there.
    TapeStatus,
    /// Device pointer to one i64, zero before the launch; afterwards the largest number of tape bytes that a thread needs.
    CountResult,
}

/// One parameter of a generated kernel, in launch order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ParamSpec {
    /// Name, for messages.
    pub name: String,
    /// How it is passed.
    pub passing: Passing,
    /// Size in the parameter area, in bytes.
    pub bytes: u64,
    /// Alignment in the parameter area, in bytes.
    pub align: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// The kernel touches the memory behind this pointer by adding into it and in no other way, with elements of that type; a launcher may
    /// then give each worker a zeroed private copy and sum the copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulate_only: Option<ElemType>,
    /// The kernel may write the memory behind this pointer, or behind the pointers of this struct.
    #[serde(default)]
    pub written: bool,
}

/// Something that the plan relied on; the launcher checks it at every launch and refuses otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "assume", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Assumption {
    /// The buffers of these two parameters (indices into `params`) do not overlap.
    Distinct {
        /// One of the two.
        a: u32,
        /// The other.
        b: u32,
    },
    /// The launch has one thread along each of these axes of the block and one block along them in the grid.
    OneAlong {
        /// Axes: 0, 1, 2 for x, y, z.
        axes: Vec<u8>,
    },
    /// Between the augmented launch and the reverse launch, the buffers that this parameter leads to keep their contents.
    Kept {
        /// Index into `params`.
        param: u32,
    },
    /// The same of a module-level variable.
    KeptVariable {
        /// Its name in the IR.
        name: String,
    },
    /// The same of all memory that the kernel may reach.
    KeptAll,
    /// The block has exactly this shape.
    Block {
        /// Threads along x, y, z.
        dims: [u32; 3],
    },
}

/// How threads share the tape's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TapeLayout {
    /// Thread `t` of `n` finds `size` bytes at offset `off` at `base + off * n + t * size`: neighbouring threads,
    /// neighbouring words.
    Interleaved,
    /// Thread `t` finds offset `off` at `base + t * capacity + off`.
    Contiguous,
    /// As contiguous, but `t` is the thread's index within its worker's share: threads that run one after the
    /// other use the same memory. CPU device only, for kernels that need no tape after the thread's end.
    Reused,
}

/// The tape of a gradient kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TapeSpec {
    /// Layout.
    pub layout: TapeLayout,
    /// Bytes per thread as a formula over the launch; `None` when only `counter` can tell.
    pub bytes_per_thread: Option<Expr>,
    /// Alignment of a thread's part, in bytes; `bytes_per_thread` is to be rounded up to it.
    pub align: u32,
    /// The kernel that counts, when there is no formula. A reverse kernel gets its tape with its size, and has neither.
    pub counter: Option<Box<Manifest>>,
    /// Another run of the same launch may need more tape than was counted, since the order in which threads run decides what each
    /// of them does (a queue of work); and all that the kernel writes lies behind its parameters. A launcher then keeps copies,
    /// and undoes and repeats a launch whose tape was too short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varies: bool,
}

/// Figures about a generated kernel, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Values that are written to the tape (sites).
    pub saved: u32,
    /// Values that are computed again in the reverse sweep.
    pub recomputed: u32,
    /// Loads that are executed again in the reverse sweep.
    pub reloaded: u32,
    /// Sites that add into shadow memory atomically.
    pub atomic_adds: u32,
    /// Sites that add into shadow memory without atomics.
    pub plain_adds: u32,
}

/// Dynamic shared memory and its shadow start at multiples of so many bytes.
pub const SHARED_SHADOW_ALIGN: u32 = 16;

/// One kernel of an artifact, with its parameters and what it needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// Symbol in the artifact.
    pub symbol: String,
    /// Name of the primal kernel.
    pub kernel: String,
    /// What it computes.
    pub mode: Mode,
    /// Target: `nvptx:sm_90`, `amdgpu:gfx942`, `host`.
    pub target: String,
    /// What the code is; `None` where whoever wrote the manifest did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Threads per warp that the kernel was compiled for.
    pub warp_size: u32,
    /// Parameters in launch order.
    pub params: Vec<ParamSpec>,
    /// Bytes of static shared memory per block.
    pub shared_bytes: u64,
    /// True when the kernel uses dynamic shared memory.
    pub dynamic_shared: bool,
    /// Bytes of private memory (local arrays) per thread, where known.
    #[serde(default)]
    pub local_bytes: u64,
    /// Largest number of threads per block, when the source promises one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_threads: Option<u32>,
    /// The tape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tape: Option<TapeSpec>,
    /// Of an augmented kernel: the reverse kernel that reads its tape, in the same artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse: Option<Box<Manifest>>,
    /// What the launcher must check.
    #[serde(default)]
    pub assumptions: Vec<Assumption>,
    /// Figures.
    #[serde(default)]
    pub stats: Stats,
}

/// Bytes of dynamic shared memory that a launch of a kernel with these parameters takes, where one of the primal takes
/// `primal` bytes: as many, or twice as many where a shadow lies behind them. `None` when they do not fit 32 bits.
pub fn dynamic_shared_bytes(params: &[ParamSpec], primal: u32) -> Option<u32> {
    if !params.iter().any(|p| p.purpose == Purpose::DynamicSharedSize) {
        return Some(primal);
    }
    primal.checked_next_multiple_of(SHARED_SHADOW_ALIGN)?.checked_mul(2)
}

impl Manifest {
    /// The manifests of all kernels of the artifact, in their order there: this one, the one that counts its tape, the reverse
    /// kernel that reads it.
    pub fn kernels(&self) -> Vec<&Manifest> {
        let counter = self.tape.as_ref().and_then(|t| t.counter.as_deref());
        let others = counter.into_iter().chain(self.reverse.as_deref());
        std::iter::once(self).chain(others.flat_map(Manifest::kernels)).collect()
    }
}
