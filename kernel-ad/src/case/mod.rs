//! Case files: one launch with its data, in TOML.
//!
//! A case names a module and a kernel, the shape of the launch, and for every parameter its type, contents and role.
//! The format is described in the README; [`Case::load`] reads it, with contents made or loaded.

mod data;
mod fit;
mod image;
mod init;
mod memory;
mod npy;
mod roles;
mod schema;

pub use data::{type_name, Data, Number};
pub use image::{Holder, Image, Leaf, LeafKind};
pub use npy::{read as read_npy, write as write_npy};

use crate::diag::Result;
use crate::read::Functions;
use shadow_mem::{Launch, Role};
use std::path::{Path, PathBuf};

/// One launch with its data.
#[derive(Clone, Debug)]
pub struct Case {
    /// The case file, for messages.
    pub file: PathBuf,
    /// Module or source file of the kernel.
    pub module: PathBuf,
    /// Name of the kernel.
    pub kernel: String,
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Threads per block along each axis.
    pub block: [u32; 3],
    /// Dynamic shared memory of the primal, in bytes per block.
    pub shared: u32,
    /// GPU architecture that sources are compiled for; the compiler's default if absent.
    pub arch: Option<String>,
    /// What the case says of device functions.
    pub functions: Functions,
    /// One for each kernel parameter, in order.
    pub args: Vec<Arg>,
    /// Module-level variables that take part.
    pub globals: Vec<Arg>,
}

/// An argument, a field of a struct argument, or a module-level variable.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Names the output files.
    pub name: String,
    /// What the caller wants of it. Fields inherit it from their struct.
    pub role: Role,
    /// Contents.
    pub kind: ArgKind,
}

/// What an argument is.
#[derive(Clone, Debug)]
pub enum ArgKind {
    /// Memory behind a pointer, with the contents of its shadow before the launch.
    Buffer {
        /// Contents before the launch.
        data: Data,
        /// Contents of the shadow before the launch.
        shadow: Data,
    },
    /// One element (or, in a struct, an array of them), passed by value. The shadow has as many elements.
    Scalar {
        /// Value.
        data: Data,
        /// Shadow before the launch.
        shadow: Data,
    },
    /// A struct passed by value.
    Struct {
        /// Fields in order.
        fields: Vec<Arg>,
    },
    /// A pointer to memory that holds these one behind the other, as the fields of a struct in C: pointers, numbers, structs.
    Memory {
        /// What lies there.
        elements: Vec<Arg>,
    },
    /// A null pointer.
    Null,
}

impl ArgKind {
    /// Bytes of memory that holds others, in C layout.
    pub fn held(&self) -> u64 {
        let ArgKind::Memory { elements } = self else { return 0 };
        let align = elements.iter().map(|e| e.extent().1).max().unwrap_or(1);
        field_offsets(elements).1.next_multiple_of(align)
    }
}

impl Case {
    /// Reads a case file (`-` is standard input; relative paths start at the file's folder).
    pub fn load(path: &Path) -> Result<Case> {
        schema::load(path)
    }

    /// Reads a case from text, as if it stood in `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Case> {
        schema::parse(text, path)
    }

    /// The shape of the launch.
    pub fn shape(&self) -> Launch {
        Launch { grid: self.grid, block: self.block, shared: self.shared }
    }

    /// Number of threads of the launch.
    pub fn threads(&self) -> u64 {
        self.grid.iter().chain(&self.block).map(|&n| u64::from(n)).product()
    }
}

impl Arg {
    /// True when it has a shadow: not `const`; of a struct, the whole or a field.
    pub fn has_shadow(&self) -> bool {
        match &self.kind {
            ArgKind::Struct { fields } => self.role != Role::Const || fields.iter().any(Arg::has_shadow),
            ArgKind::Null => false,
            _ => self.role != Role::Const,
        }
    }

    /// Size and alignment in the parameter area: C layout.
    pub fn extent(&self) -> (u64, u64) {
        match &self.kind {
            ArgKind::Buffer { .. } | ArgKind::Memory { .. } | ArgKind::Null => (8, 8),
            ArgKind::Scalar { data, .. } => (data.bytes.len() as u64, data.ty.bytes() as u64),
            ArgKind::Struct { fields } => {
                let align = fields.iter().map(|f| f.extent().1).max().unwrap_or(1);
                let end = field_offsets(fields).1;
                (end.next_multiple_of(align), align)
            }
        }
    }
}

/// Byte offset of every field of a struct in C layout, and the end of the last.
pub fn field_offsets(fields: &[Arg]) -> (Vec<u64>, u64) {
    let mut at = 0u64;
    let offsets = fields
        .iter()
        .map(|f| {
            let (bytes, align) = f.extent();
            let start = at.next_multiple_of(align);
            at = start + bytes;
            start
        })
        .collect();
    (offsets, at)
}

#[cfg(test)]
mod tests;
