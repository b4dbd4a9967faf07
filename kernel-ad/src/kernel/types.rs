//! Types of Kernel IR. Address spaces keep LLVM's numbers for NVPTX and AMDGPU.

use cranelift_entity::entity_impl;

/// An address space, numbered as NVPTX and AMDGPU number theirs in LLVM
/// (LLVM 19, `NVPTXUsage` and `AMDGPUUsage`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum AddrSpace {
    /// 0: may point into any of the others.
    Generic,
    /// 1: device memory, seen by the whole grid.
    Global,
    /// 3: memory of one block.
    Shared,
    /// 4: read-only during a launch.
    Constant,
    /// 5: memory of one thread.
    Local,
    /// 101: the parameter area of an NVPTX kernel.
    Param,
    /// Any other number; carried through, never interpreted.
    Other(u32),
}

impl AddrSpace {
    /// LLVM's number.
    pub fn number(self) -> u32 {
        match self {
            AddrSpace::Generic => 0,
            AddrSpace::Global => 1,
            AddrSpace::Shared => 3,
            AddrSpace::Constant => 4,
            AddrSpace::Local => 5,
            AddrSpace::Param => 101,
            AddrSpace::Other(n) => n,
        }
    }

    /// From LLVM's number.
    pub fn from_number(n: u32) -> Self {
        match n {
            0 => AddrSpace::Generic,
            1 => AddrSpace::Global,
            3 => AddrSpace::Shared,
            4 => AddrSpace::Constant,
            5 => AddrSpace::Local,
            101 => AddrSpace::Param,
            n => AddrSpace::Other(n),
        }
    }
}

/// A floating-point format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FloatTy {
    /// IEEE binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

impl FloatTy {
    /// Size in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            FloatTy::F16 | FloatTy::Bf16 => 2,
            FloatTy::F32 => 4,
            FloatTy::F64 => 8,
        }
    }
}

/// An element of a vector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Integer of that many bits.
    Int(u16),
    /// Floating point.
    Float(FloatTy),
    /// Pointer.
    Ptr(AddrSpace),
}

impl Lane {
    /// The scalar type of the lane.
    pub fn ty(self) -> Type {
        match self {
            Lane::Int(bits) => Type::Int(bits),
            Lane::Float(f) => Type::Float(f),
            Lane::Ptr(a) => Type::Ptr(a),
        }
    }
}

/// A struct or array type, interned in [`super::Kernel::aggs`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AggId(u32);
entity_impl!(AggId, "agg");

#[allow(missing_docs)] // the sentences name the fields
/// A first-class aggregate. `size` and `offsets` follow the source module's data layout.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum AggTy {
    /// A struct: member types and their byte offsets; `size` includes tail padding.
    Struct { fields: Vec<Type>, offsets: Vec<u32>, size: u32, align: u32, packed: bool },
    /// An array of `len` elements, `stride` bytes apart.
    Array { elem: Type, len: u32, stride: u32, align: u32 },
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Type {
    /// No value.
    Void,
    /// Integer of 1 to 128 bits.
    Int(u16),
    /// Floating point.
    Float(FloatTy),
    /// Untyped pointer.
    Ptr(AddrSpace),
    /// Vector of a fixed number of lanes.
    Vec(Lane, u16),
    /// Struct or array.
    Agg(AggId),
}

impl Type {
    /// One bit: conditions.
    pub const I1: Type = Type::Int(1);
    /// 8-bit integer.
    pub const I8: Type = Type::Int(8);
    /// 32-bit integer.
    pub const I32: Type = Type::Int(32);
    /// 64-bit integer.
    pub const I64: Type = Type::Int(64);
    /// IEEE binary32.
    pub const F32: Type = Type::Float(FloatTy::F32);
    /// IEEE binary64.
    pub const F64: Type = Type::Float(FloatTy::F64);

    /// True for floats and vectors of floats: the types that have a tangent and an adjoint of their own type.
    pub fn is_float(self) -> bool {
        matches!(self, Type::Float(_) | Type::Vec(Lane::Float(_), _))
    }

    /// True for integers and vectors of integers.
    pub fn is_int(self) -> bool {
        matches!(self, Type::Int(_) | Type::Vec(Lane::Int(_), _))
    }

    /// True for scalar pointers.
    pub fn is_ptr(self) -> bool {
        matches!(self, Type::Ptr(_))
    }

    /// The float format of a float or of the lanes of a float vector.
    pub fn float(self) -> Option<FloatTy> {
        match self {
            Type::Float(f) | Type::Vec(Lane::Float(f), _) => Some(f),
            _ => None,
        }
    }

    /// Scalar type of the lanes of a vector, or the type itself.
    pub fn scalar(self) -> Type {
        match self {
            Type::Vec(l, _) => l.ty(),
            t => t,
        }
    }

    /// The same shape (scalar or vector) with another scalar.
    pub fn with_scalar(self, lane: Lane) -> Type {
        match self {
            Type::Vec(_, n) => Type::Vec(lane, n),
            _ => lane.ty(),
        }
    }

    /// Number of lanes: 1 for scalars.
    pub fn lanes(self) -> u16 {
        match self {
            Type::Vec(_, n) => n,
            _ => 1,
        }
    }

    /// The address space of a pointer.
    pub fn addr_space(self) -> Option<AddrSpace> {
        match self {
            Type::Ptr(a) => Some(a),
            _ => None,
        }
    }
}
