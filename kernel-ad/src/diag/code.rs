//! The codes, one line each. Numbers are never reused.

use std::fmt;

/// What kind of trouble; ordered by how much it says about us rather than about the input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// The input or its use is wrong (exit status 2).
    Input,
    /// The kernel holds something that is not supported (exit status 3).
    Unsupported,
    /// A limit was exceeded; the message says the limit and the value (exit status 2).
    Limit,
    /// A tool or a device is missing or failed (exit status 4).
    Device,
    /// A bug in kernel-ad.
    Internal,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal),* $(,)?) => {
        /// A code of an error. The list is in `docs/errors.md`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[doc = $doc])+ $name),* }
        impl Code {
            /// The number behind `KAD`.
            pub fn number(self) -> u32 { match self { $(Code::$name => $number),* } }
            /// One sentence about it, as the documentation has it.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_ascii()),* }
            }
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];
        }
    };
}

codes! {
    /// The file cannot be read.
    FileUnreadable = 1,
    /// LLVM cannot parse the module, or its verifier rejects it.
    MalformedIr = 2,
    /// The module is not for NVPTX or AMDGPU.
    WrongTriple = 3,
    /// The module holds no kernel of that name.
    NoSuchKernel = 4,
    /// The module holds no kernel at all.
    NoKernel = 5,
    /// clang rejected the source.
    CompileFailed = 6,
    /// Wrong number of roles, or a role that does not fit the parameter.
    BadRoles = 7,
    /// Unknown or unsupported target name.
    BadTarget = 8,
    /// A case file is malformed.
    BadCase = 9,
    /// Kernel IR text is malformed.
    BadKernelText = 10,
    /// Wrong use of the command line or the API.
    Usage = 11,
    /// A manifest does not fit.
    BadManifest = 12,
    /// A launch argument does not fit the signature.
    BadArgument = 13,
    /// Two buffers overlap although the plan assumes that they are distinct.
    AliasedBuffers = 14,
    /// An artifact that the device cannot load.
    BadArtifact = 15,

    /// An LLVM instruction or type that Kernel IR cannot hold.
    UnsupportedIr = 100,
    /// Recursion or an indirect call.
    UnsupportedCall = 101,
    /// Irreducible control flow.
    IrreducibleFlow = 102,
    /// A function without a derivative rule on active data.
    NoRule = 103,
    /// An unknown call that touches active data.
    OpaqueCall = 104,
    /// Shared memory whose shadow has no place.
    SharedMemory = 105,
    /// A barrier or fence that the reverse sweep cannot mirror.
    BarrierInGradient = 106,
    /// An atomic operation without an adjoint rule.
    AtomicNoRule = 107,
    /// A warp operation on active data without a derivative.
    WarpOpInGradient = 108,
    /// Inline assembly on active data.
    AsmOnActive = 109,
    /// Provenance of an active pointer is unknown.
    UnknownProvenance = 110,
    /// The type of active memory is not known to be float.
    UnknownMemoryType = 111,
    /// Something that the target of emission does not have.
    NotOnTarget = 112,
    /// An active value lives in memory in a way that is not supported.
    UnsupportedMemory = 113,

    /// The tape would not fit.
    TapeTooLarge = 200,
    /// A buffer or a launch is larger than the device allows.
    TooLarge = 201,
    /// Out of memory.
    OutOfMemory = 202,

    /// LLVM, lld, clang or ptxas is missing or of the wrong version.
    ToolMissing = 300,
    /// A tool failed.
    ToolFailed = 301,
    /// No such device.
    NoDevice = 302,
    /// The device reported an error.
    DeviceFailed = 303,
    /// A thread trapped.
    Trap = 304,
    /// A barrier was reached by some threads of a block only.
    DivergentBarrier = 305,
    /// A tape was too small; what the launch left in shadows and outputs is not valid.
    TapeOverflow = 306,
    /// The sanitizer found a race, an access out of bounds, or a read of unwritten memory.
    Sanitizer = 307,
    /// A kernel on the CPU device accessed what is not memory, or the processor stopped it for another reason.
    KernelCrash = 308,

    /// Kernel IR that our own code made does not verify.
    InvalidKernel = 900,
    /// LLVM's verifier rejected what we emitted.
    InvalidEmission = 901,
    /// Another broken invariant.
    Bug = 902,
}

impl Code {
    /// The family, from the number.
    pub fn family(self) -> Family {
        match self.number() {
            0..=99 => Family::Input,
            100..=199 => Family::Unsupported,
            200..=299 => Family::Limit,
            300..=399 => Family::Device,
            _ => Family::Internal,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KAD{:04}", self.number())
    }
}
