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
    /// A number in memory that holds pointers or structs.
    Member,
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
    /// Byte offset in that parameter, or in the holder; not 0 only inside structs.
    pub offset: u64,
    /// The memory that holds it (a member) or the pointer to it (a buffer); none for what a parameter holds.
    pub holder: Option<usize>,
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

/// Memory that holds pointers or structs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// As of a leaf.
    pub path: String,
    /// Index of the kernel parameter (or of the module-level variable).
    pub arg: usize,
    /// It is the module-level variable of that name itself, or lies behind a pointer in one.
    pub global: bool,
    /// Where the pointer to it lies: byte offset in the parameter, or in the holder around it.
    pub offset: u64,
    /// The holder around it. It comes before this one in the list.
    pub holder: Option<usize>,
    /// Size.
    pub bytes: u64,
    /// It has a shadow, which holds the pointers to the shadows of what it points to.
    pub shadowed: bool,
}

/// All memory of a launch, primal and shadow.
#[derive(Clone, Debug)]
pub struct Image {
    /// Leaves in order of the parameters, then of the globals.
    pub leaves: Vec<Leaf>,
    /// Memory that holds pointers.
    pub holders: Vec<Holder>,
}

impl Image {
    /// The memory before the launch of a case.
    pub fn of(case: &Case) -> Image {
        let mut image = Image { leaves: Vec::new(), holders: Vec::new() };
        let inside = |arg, global| Inside { arg, offset: 0, holder: None, global };
        for (i, a) in case.args.iter().enumerate() {
            image.flatten(a, a.name.clone(), inside(i, false));
        }
        for (i, g) in case.globals.iter().enumerate() {
            image.flatten(g, g.name.clone(), inside(i, true));
        }
        image
    }

    /// The same memory with every float as a double.
    pub fn widened(&self) -> Image {
        let wide = |d: &Data| match d.ty.is_float() {
            true => Data::from_f64(ElemType::F64, d.to_f64()),
            false => d.clone(),
        };
        let leaf = |l: &Leaf| Leaf { data: wide(&l.data), shadow: wide(&l.shadow), ..l.clone() };
        Image { leaves: self.leaves.iter().map(leaf).collect(), holders: self.holders.clone() }
    }

    /// Replaces all shadows by those of the same memory at another time.
    pub fn take_shadows(&mut self, other: Image) {
        for (l, o) in self.leaves.iter_mut().zip(other.leaves) {
            l.shadow = o.shadow;
        }
    }

    /// The leaves of one kernel parameter, in order of their offsets; not what is reached through pointers in memory.
    pub fn param(&self, index: usize) -> impl Iterator<Item = (usize, &Leaf)> {
        let mine = move |l: &Leaf| l.kind != LeafKind::Global && l.arg == index && l.holder.is_none();
        self.leaves.iter().enumerate().filter(move |(_, l)| mine(l))
    }

    /// The memory of pointers or structs that one kernel parameter points to, itself or by a field.
    pub fn param_holders(&self, index: usize) -> impl Iterator<Item = (usize, &Holder)> {
        self.holders
            .iter()
            .enumerate()
            .filter(move |(_, h)| h.arg == index && h.holder.is_none() && !h.global)
    }

    /// The module-level variables that hold structs or pointers.
    pub fn variables(&self) -> impl Iterator<Item = (usize, &Holder)> {
        self.holders.iter().enumerate().filter(|(_, h)| h.global && h.holder.is_none())
    }

    /// The module-level variable that a leaf is, lies in, or is reached from.
    pub fn variable_of<'a>(&'a self, l: &'a Leaf) -> Option<&'a str> {
        if l.kind == LeafKind::Global {
            return Some(&l.path);
        }
        let mut h = &self.holders[l.holder?];
        while let Some(around) = h.holder {
            h = &self.holders[around];
        }
        h.global.then_some(h.path.as_str())
    }

    /// Contents of the shadow that a leaf has memory of its own for. Behind a pointer in memory with a shadow
    /// everything has one, so that no pointer there is null; what is not differentiated has zeros.
    pub fn own_shadow(&self, l: &Leaf) -> Option<Data> {
        let held = l.kind == LeafKind::Buffer && l.holder.is_some_and(|h| self.holders[h].shadowed);
        match l.active() {
            true if l.kind != LeafKind::Member => Some(l.shadow.clone()),
            false if held => Some(Data::zeros(l.data.ty, l.data.len())),
            _ => None,
        }
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

/// Where an argument stands.
#[derive(Clone, Copy)]
struct Inside {
    arg: usize,
    offset: u64,
    holder: Option<usize>,
    global: bool,
}

impl Image {
    fn flatten(&mut self, a: &Arg, path: String, at: Inside) {
        match &a.kind {
            ArgKind::Buffer { data, shadow } => {
                let kind = if at.global && at.holder.is_none() { LeafKind::Global } else { LeafKind::Buffer };
                self.leaf(a, path, at, kind, (data, shadow));
            }
            ArgKind::Scalar { data, shadow } => {
                let kind = if at.holder.is_some() { LeafKind::Member } else { LeafKind::Scalar };
                self.leaf(a, path, at, kind, (data, shadow));
            }
            ArgKind::Struct { fields } => self.all(fields, &path, at),
            ArgKind::Memory { elements } => {
                self.holders.push(Holder {
                    path: path.clone(),
                    arg: at.arg,
                    global: at.global,
                    offset: at.offset,
                    holder: at.holder,
                    bytes: a.kind.held(),
                    shadowed: a.role != Role::Const,
                });
                let holder = Some(self.holders.len() - 1);
                self.all(elements, &path, Inside { offset: 0, holder, ..at });
            }
            ArgKind::Null => {}
        }
    }

    fn all(&mut self, list: &[Arg], path: &str, at: Inside) {
        for (f, offset) in list.iter().zip(field_offsets(list).0) {
            self.flatten(f, format!("{path}.{}", f.name), Inside { offset: at.offset + offset, ..at });
        }
    }

    fn leaf(&mut self, a: &Arg, path: String, at: Inside, kind: LeafKind, (data, shadow): (&Data, &Data)) {
        let (data, shadow) = (data.clone(), shadow.clone());
        let Inside { arg, offset, holder, .. } = at;
        self.leaves.push(Leaf { path, arg, offset, holder, kind, role: a.role, ty: data.ty, data, shadow });
    }
}
