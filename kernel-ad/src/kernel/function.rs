//! Device functions that stay calls until a derivative was made.

use super::{Kernel, Type};

/// A device function that the caller said something of: the derivative of it, or that it has none.
///
/// Calls of it are [`super::Op::Call`] by its symbol. Its bodies are put in their place when the derivative is made.
#[derive(Clone, Debug)]
pub struct Function {
    /// Symbol.
    pub name: String,
    /// What a call computes. A result goes through a last parameter, a pointer.
    pub body: Body,
    /// Type of the result; void for none.
    pub result: Type,
    /// Its derivatives, or that it has none.
    pub kind: Derivative,
}

/// What the caller said.
#[derive(Clone, Debug)]
pub enum Derivative {
    /// The result does not depend on anything differentiated, and nothing differentiated is written.
    Inactive,
    /// Functions that compute the derivative; a sweep without one differentiates the body.
    Given {
        /// Tangent.
        forward: Option<Body>,
        /// Adjoints.
        reverse: Option<Body>,
    },
}

/// A function's code.
#[derive(Clone, Debug)]
pub struct Body {
    /// Symbol.
    pub name: String,
    /// The code: like a kernel, with the function's parameters.
    pub code: Kernel,
    /// For each parameter, whether its value is used.
    pub used: Vec<bool>,
    /// For each parameter, whether the function reads and writes what it points to.
    pub access: Vec<Access>,
}

/// What a function does with the memory behind a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Access {
    /// It loads from it.
    pub reads: bool,
    /// It stores into it.
    pub writes: bool,
}

impl Function {
    /// Forward derivative.
    pub fn forward(&self) -> Option<&Body> {
        match &self.kind {
            Derivative::Given { forward, .. } => forward.as_ref(),
            Derivative::Inactive => None,
        }
    }

    /// Reverse derivative.
    pub fn reverse(&self) -> Option<&Body> {
        match &self.kind {
            Derivative::Given { reverse, .. } => reverse.as_ref(),
            Derivative::Inactive => None,
        }
    }

    /// It has no derivative, as the caller says.
    pub fn is_inactive(&self) -> bool {
        matches!(self.kind, Derivative::Inactive)
    }

    /// Parameters, without the one that takes the result.
    pub fn params(&self) -> impl Iterator<Item = Type> + '_ {
        let n = self.body.code.params.len() - usize::from(self.result != Type::Void);
        self.body.code.params[..n].iter().map(|p| p.ty)
    }
}

impl Kernel {
    /// The function that a callee is, if the caller said something of it.
    pub fn function(&self, callee: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == callee).map(|f| &**f)
    }
}
