//! What the caller wants of each argument.

use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::kernel::{FloatTy, Kernel, Type};
use shadow_mem::Role;

/// Role of a part of a struct that is passed by value, where it differs from the struct's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldRole {
    /// Byte offset inside the struct.
    pub offset: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Its role.
    pub role: Role,
    /// Format of the floats that a pointer there points to, for buffers that the kernel only moves as integers.
    pub format: Option<FloatTy>,
}

/// Role of one parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleSpec {
    /// The parameter's role.
    pub role: Role,
    /// Exceptions inside a struct that is passed by value.
    pub fields: Vec<FieldRole>,
    /// Format of a buffer's floats, for those that the kernel only moves as integers.
    pub format: Option<FloatTy>,
}

impl From<Role> for RoleSpec {
    fn from(role: Role) -> Self {
        RoleSpec { role, fields: Vec::new(), format: None }
    }
}

impl RoleSpec {
    /// The role of the byte at `offset` of a struct.
    pub fn at(&self, offset: u64) -> Role {
        let hit = self.fields.iter().rev().find(|f| f.offset <= offset && offset < f.offset + f.bytes);
        hit.map_or(self.role, |f| f.role)
    }
}

/// Roles of all parameters, and of the module-level variables that take part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// One for each primal parameter.
    pub params: Vec<RoleSpec>,
    /// Module-level variables by name; those not named are `const`.
    pub globals: Vec<(String, Role)>,
}

impl Roles {
    /// One role for each parameter, no fields, no globals.
    pub fn of(roles: &[Role]) -> Self {
        Roles { params: roles.iter().map(|&r| r.into()).collect(), globals: Vec::new() }
    }

    /// Role of a module-level variable.
    pub fn global(&self, name: &str) -> Role {
        self.globals.iter().find(|(n, _)| n == name).map_or(Role::Const, |(_, r)| *r)
    }

    /// Checks that roles and parameters fit each other.
    pub fn check(&self, k: &Kernel) -> Result<()> {
        let mut errors = Vec::new();
        if self.params.len() != k.params.len() {
            errors.push(Diagnostic::new(
                Code::BadRoles,
                format!(
                    "kernel `{}` has {} parameters, but {} roles were given",
                    k.name,
                    k.params.len(),
                    self.params.len()
                ),
            ));
        }
        for (i, (p, r)) in k.params.iter().zip(&self.params).enumerate() {
            let fits = match (r.role, p.ty, &p.by_value) {
                (Role::Const, ..) => true,
                (Role::Dup | Role::Out, ty, _) => ty.is_ptr(),
                (Role::Active, ty, None) => ty.is_float(),
                (Role::Active, ..) => true,
            };
            if !fits {
                let what = if p.ty.is_ptr() {
                    "a buffer"
                } else if p.ty == Type::Float(p.ty.float().unwrap_or(crate::kernel::FloatTy::F32)) {
                    "a floating-point scalar"
                } else {
                    "a scalar that is not floating-point"
                };
                errors.push(
                    Diagnostic::new(
                        Code::BadRoles,
                        format!("role `{}` does not fit parameter {i} (`{}`), which is {what}", name(r.role), p.name),
                    )
                    .help("buffers are const, dup or out; floating-point scalars are const or active; others const"),
                );
            }
        }
        for (name, _) in &self.globals {
            if !k.globals.values().any(|g| g.name == *name) {
                errors.push(Diagnostic::new(
                    Code::BadRoles,
                    format!("kernel `{}` does not use a variable named `{name}`", k.name),
                ));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Diagnostics(errors))
        }
    }
}

fn name(r: Role) -> &'static str {
    match r {
        Role::Const => "const",
        Role::Dup => "dup",
        Role::Out => "out",
        Role::Active => "active",
    }
}
