//! Whether a case fits its kernel.

use super::{ArgKind, Case};
use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use shadow_mem::{ElemType, ParamSpec, Passing};

impl Case {
    /// Checks the case's arguments against the primal's parameters (number, kind, size), and its globals against the
    /// kernel's module-level variables, given by name and size.
    pub fn fits(&self, kernel: &str, params: &[ParamSpec], variables: &[(&str, u64)]) -> Result<()> {
        let file = self.file.display().to_string();
        let error = |message: String| {
            let mut d = Diagnostic::new(Code::BadCase, message);
            d.place = Some(Place { file: file.clone(), line: 0, col: 0, function: None, inlined_at: vec![] });
            d.help(format!("kernel-ad list {} shows the parameters", self.module.display()))
        };
        if params.len() != self.args.len() {
            let (want, got) = (params.len(), self.args.len());
            return Err(error(format!("kernel `{kernel}` has {want} parameters, the case has {got}")).into());
        }
        let mut errors = Vec::new();
        for (i, (p, a)) in params.iter().zip(&self.args).enumerate() {
            let is = match &a.kind {
                ArgKind::Buffer { .. } => "a buffer (it has len)".to_string(),
                ArgKind::Scalar { data, .. } => format!("a scalar of {} bytes", data.bytes.len()),
                ArgKind::Memory { .. } => "a pointer to pointers or structs".to_string(),
                ArgKind::Null => "a null pointer".to_string(),
                ArgKind::Struct { .. } => format!("a struct of {} bytes", a.extent().0),
            };
            let (fits, wants) = match (&p.passing, &a.kind) {
                (Passing::Pointer { .. }, k) => {
                    let pointer =
                        matches!(k, ArgKind::Buffer { .. } | ArgKind::Memory { .. } | ArgKind::Null);
                    (pointer, "a pointer".to_string())
                }
                (Passing::Scalar { ty }, k) => {
                    let wants = match ty {
                        Some(ty) => format!("a scalar of type {}", super::type_name(*ty)),
                        None => format!("a scalar of {} bytes", p.bytes),
                    };
                    let same = |data: &super::Data| match ty {
                        // A bool or a half is passed in an integer of its size.
                        Some(ty) => data.ty == *ty || (integer_twin(*ty, data.ty)),
                        None => data.bytes.len() as u64 == p.bytes,
                    };
                    (matches!(k, ArgKind::Scalar { data, .. } if same(data)), wants)
                }
                (Passing::Struct, ArgKind::Buffer { .. } | ArgKind::Memory { .. } | ArgKind::Null) => {
                    (false, format!("a struct of {} bytes", p.bytes))
                }
                (Passing::Struct, _) => (a.extent().0 == p.bytes, format!("a struct of {} bytes", p.bytes)),
            };
            if !fits {
                errors.push(error(format!(
                    "arg {i} (`{}`) is {is}; parameter `{}` is {wants}",
                    a.name, p.name
                )));
            }
        }
        for g in &self.globals {
            let have = match &g.kind {
                ArgKind::Buffer { data, .. } => data.bytes.len() as u64,
                kind => kind.held(),
            };
            match variables.iter().find(|(name, _)| *name == g.name) {
                Some(&(_, bytes)) if bytes == have => {}
                Some((_, bytes)) => errors.push(error(format!(
                    "global `{}` has {have} bytes in the case and {bytes} bytes in the module",
                    g.name
                ))),
                None => errors.push(error(format!(
                    "kernel `{kernel}` does not use a variable named `{}` that can be set from outside",
                    g.name
                ))),
            }
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Diagnostics(errors)),
        }
    }
}

/// Half formats travel as 16-bit integers in some kernels.
fn integer_twin(param: ElemType, given: ElemType) -> bool {
    param == ElemType::I16 && matches!(given, ElemType::F16 | ElemType::Bf16)
}
