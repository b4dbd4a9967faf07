//! Diagnostics: a code, a place, the reason, what to do.
//!
//! Families: `KAD00xx` input, `KAD01xx` not supported, `KAD02xx` limits, `KAD03xx` tools and devices, `KAD09xx` our own bugs.

mod code;
pub mod render;

pub use code::{Code, Family};

use crate::kernel::{Kernel, Loc};
use std::fmt;

/// A place in the user's source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// File.
    pub file: String,
    /// Line, from 1; 0 if unknown.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub col: u32,
    /// Function, if known.
    pub function: Option<String>,
    /// Where that function was inlined, outermost last.
    pub inlined_at: Vec<(String, u32, u32)>,
}

impl Place {
    /// The place of a source location of a kernel: of the call in the user's file, where it lies in our own headers.
    pub fn of(k: &Kernel, mut loc: Loc) -> Place {
        while let (true, Some(call)) = (k.locs[loc].file.starts_with("<kernel-ad>"), k.locs[loc].inlined_at) {
            loc = call;
        }
        let d = &k.locs[loc];
        let mut inlined_at = Vec::new();
        let mut next = d.inlined_at;
        while let Some(l) = next {
            let o = &k.locs[l];
            inlined_at.push((o.file.clone(), o.line, o.col));
            next = o.inlined_at;
        }
        Place {
            file: d.file.clone(),
            line: d.line,
            col: d.col,
            function: Some(d.function.clone()),
            inlined_at,
        }
    }
}

/// One error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// What kind of error.
    pub code: Code,
    /// One line, lower case, no full stop.
    pub message: String,
    /// Where, if known.
    pub place: Option<Place>,
    /// Why: a chain of facts, each following from the one before.
    pub because: Vec<String>,
    /// The IR that it is about.
    pub ir: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with a message only.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Diagnostic { code, message: message.into(), place: None, because: Vec::new(), ir: None, help: None }
    }

    /// Adds the place of an instruction of a kernel.
    pub fn at(mut self, k: &Kernel, loc: Option<Loc>) -> Self {
        self.place = loc.map(|l| Place::of(k, l));
        self
    }

    /// Adds a link to the because-chain.
    pub fn because(mut self, fact: impl Into<String>) -> Self {
        self.because.push(fact.into());
        self
    }

    /// Adds the IR in question.
    pub fn ir(mut self, ir: impl Into<String>) -> Self {
        self.ir = Some(ir.into());
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some(p) = &self.place {
            write!(f, "\n  --> {}:{}:{}", p.file, p.line, p.col)?;
            if let Some(name) = &p.function {
                write!(f, ", in `{name}`")?;
            }
            for (file, line, col) in &p.inlined_at {
                write!(f, ", inlined at {file}:{line}:{col}")?;
            }
        }
        for b in &self.because {
            write!(f, "\n   = because: {b}")?;
        }
        if let Some(ir) = &self.ir {
            write!(f, "\n   = ir: {ir}")?;
        }
        if let Some(h) = &self.help {
            write!(f, "\n   = help: {h}")?;
        }
        Ok(())
    }
}

/// One or more diagnostics: what a failed step gives back.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// The family of the worst error, which decides the exit status.
    pub fn family(&self) -> Family {
        self.0.iter().map(|d| d.code.family()).max().unwrap_or(Family::Internal)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Diagnostics(vec![d])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{d}")?;
        }
        Ok(())
    }
}

/// As they are displayed: what a program prints whose `main` returns them, or that unwraps them.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Diagnostic {}
impl std::error::Error for Diagnostics {}

/// Result of a step of the compiler.
pub type Result<T> = std::result::Result<T, Diagnostics>;

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: a `main` that returns diagnostics and prints the insides of a value.
    #[test]
    fn what_main_prints_is_readable() {
        let d: Diagnostics = Diagnostic::new(Code::NoDevice, "no CUDA device").help("look again").into();
        assert_eq!(format!("Error: {d:?}"), "Error: error[KAD0302]: no CUDA device\n   = help: look again");
    }
}
