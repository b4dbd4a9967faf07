//! The memory of a launch as a flat list: every buffer and scalar of the arguments, structs taken apart.

use super::{field_offsets, write_npy, Arg, ArgKind, Case, Data};
use crate::diag::{Code, Diagnostic, Result};
use shadow_mem::{ElemType, Role};
use std::path::Path;

/// What a leaf is to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeafKind {
    /// Memory behind a pointer.
    Buffer,
    /// Passed by value.
    Scalar,
    /// A module-level variable.
    Global,
}

/// One buffer or scalar with its shadow.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// `pos`, or `grid.rho` for a field.
    pub path: String,
    /// Index of the kernel parameter (or of the module-level variable).
    pub arg: usize,
    /// Byte offset in that parameter; not 0 only inside structs.
    pub offset: u64,
    /// Buffer, scalar or global.
    pub kind: LeafKind,
    /// Role.
    pub role: Role,
    /// Element type as the kernel sees it.
    pub ty: ElemType,
    /// Contents; of type f64 for a float leaf of any format, where the interpreter computes in doubles.
    pub data: Data,
    /// Contents of the shadow; empty for `const`.
    pub shadow: Data,
}

impl Leaf {
    /// True when it is differentiated.
    pub fn active(&self) -> bool {
        self.role != Role::Const && self.ty.is_float()
    }

    /// True when the kernel may change its contents.
    pub fn is_memory(&self) -> bool {
        self.kind != LeafKind::Scalar
    }
}

/// All memory of a launch, primal and shadow.
#[derive(Clone, Debug)]
pub struct Image {
    /// Leaves in order of the parameters, then of the globals.
    pub leaves: Vec<Leaf>,
}

impl Image {
    /// The memory before the launch of a case.
    pub fn of(case: &Case) -> Image {
        let mut leaves = Vec::new();
        for (i, a) in case.args.iter().enumerate() {
            flatten(a, a.name.clone(), i, 0, false, &mut leaves);
        }
        for (i, g) in case.globals.iter().enumerate() {
            flatten(g, g.name.clone(), i, 0, true, &mut leaves);
        }
        Image { leaves }
    }

    /// The same memory with every float as a double.
    pub fn widened(&self) -> Image {
        let wide = |d: &Data| match d.ty.is_float() {
            true => Data::from_f64(ElemType::F64, d.to_f64()),
            false => d.clone(),
        };
        let leaf = |l: &Leaf| Leaf { data: wide(&l.data), shadow: wide(&l.shadow), ..l.clone() };
        Image { leaves: self.leaves.iter().map(leaf).collect() }
    }

    /// The leaves of one kernel parameter, in order of their offsets.
    pub fn param(&self, index: usize) -> impl Iterator<Item = (usize, &Leaf)> {
        let mine = move |l: &Leaf| l.kind != LeafKind::Global && l.arg == index;
        self.leaves.iter().enumerate().filter(move |(_, l)| mine(l))
    }

    /// The module-level variable of that name.
    pub fn global(&self, name: &str) -> Option<(usize, &Leaf)> {
        self.leaves.iter().enumerate().find(|(_, l)| l.kind == LeafKind::Global && l.path == name)
    }

    /// Writes `<path>.npy` for all memory, and `<path>.shadow.npy` for everything that has a shadow if `shadows`.
    pub fn write(&self, dir: &Path, shadows: bool) -> Result<Vec<String>> {
        let fail = |p: &Path, e: std::io::Error| {
            Diagnostic::new(Code::FileUnreadable, format!("cannot write {}: {e}", p.display()))
        };
        std::fs::create_dir_all(dir).map_err(|e| fail(dir, e))?;
        let mut written = Vec::new();
        for l in &self.leaves {
            let primal = l.is_memory().then(|| (format!("{}.npy", l.path), &l.data));
            let shadow = (shadows && l.active()).then(|| (format!("{}.shadow.npy", l.path), &l.shadow));
            for (name, data) in [primal, shadow].into_iter().flatten() {
                let path = dir.join(&name);
                write_npy(&path, data).map_err(|e| fail(&path, e))?;
                written.push(name);
            }
        }
        Ok(written)
    }
}

fn flatten(a: &Arg, path: String, arg: usize, offset: u64, global: bool, out: &mut Vec<Leaf>) {
    let mut leaf = |kind, data: &Data, shadow: &Data| {
        let (data, shadow) = (data.clone(), shadow.clone());
        out.push(Leaf { path: path.clone(), arg, offset, kind, role: a.role, ty: data.ty, data, shadow });
    };
    match &a.kind {
        ArgKind::Buffer { data, shadow } if global => leaf(LeafKind::Global, data, shadow),
        ArgKind::Buffer { data, shadow } => leaf(LeafKind::Buffer, data, shadow),
        ArgKind::Scalar { data, shadow } => leaf(LeafKind::Scalar, data, shadow),
        ArgKind::Struct { fields } => {
            for (f, at) in fields.iter().zip(field_offsets(fields).0) {
                flatten(f, format!("{path}.{}", f.name), arg, offset + at, global, out);
            }
        }
    }
}
