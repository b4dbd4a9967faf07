//! Parameters of kernels.

use super::Type;

/// A parameter of the kernel. Parameter `i` has value [`Kernel::param_value`]`(i)`.
#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    /// Name in the IR, or `arg<i>`.
    pub name: String,
    /// Type of the value. A struct passed by value is a pointer.
    pub ty: Type,
    /// Struct by value (`byval` on NVPTX, `byref` in space 4 on AMDGPU): its size, alignment and type, if one was named.
    pub by_value: Option<ByValue>,
    /// `noalias` was promised by the source.
    pub noalias: bool,
    /// `readonly` was promised.
    pub readonly: bool,
    /// `writeonly` was promised.
    pub writeonly: bool,
    /// Known alignment of a pointer, in bytes; 1 if unknown.
    pub align: u32,
    /// Bytes that are known to be readable at the pointer; 0 if unknown.
    pub dereferenceable: u64,
}

impl Param {
    /// A parameter of which nothing is promised.
    pub fn new(name: impl Into<String>, ty: Type) -> Param {
        Param {
            name: name.into(),
            ty,
            by_value: None,
            noalias: false,
            readonly: false,
            writeonly: false,
            align: 1,
            dereferenceable: 0,
        }
    }
}

/// Extent of a struct that is passed by value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ByValue {
    /// Size in bytes.
    pub bytes: u64,
    /// Alignment in bytes.
    pub align: u32,
    /// Type, when the IR names one.
    pub ty: Option<Type>,
}
