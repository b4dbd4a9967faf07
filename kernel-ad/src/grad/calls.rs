//! Calls of device functions that the caller said something of: what is refused, in both modes.

use crate::diag::{Code, Diagnostic};
use crate::facts::activity::{base_name, value_name};
use crate::facts::{Activity, KnownCall, Provenance, PtrKind};
use crate::grad::Roles;
use crate::kernel::*;

/// What decides on a call.
#[derive(Clone, Copy)]
pub struct CallFacts<'a> {
    /// The kernel.
    pub k: &'a Kernel,
    /// Where pointers point.
    pub prov: &'a Provenance,
    /// Which values carry derivatives.
    pub activity: &'a Activity,
}

impl CallFacts<'_> {
    /// True when the derivative of the function must run: its result has one, or it writes where derivatives live.
    pub fn is_active(self, call: KnownCall<'_>, result: Option<Value>) -> bool {
        !call.function.is_inactive()
            && (result.is_some_and(|r| self.activity.is_active(self.k, r))
                || call.written().any(|p| {
                    self.prov.kind(p) != PtrKind::Plain && self.activity.is_useful_memory(self.prov, p)
                }))
    }

    /// Why the call cannot be differentiated.
    pub fn refusal(self, call: KnownCall<'_>, result: Option<Value>, roles: &Roles) -> Option<Diagnostic> {
        let name = &call.function.name;
        let about = |ptr: Value| {
            let names: Vec<String> = self.prov.of(ptr).bases.iter().map(|b| base_name(self.k, *b)).collect();
            format!("{} points to {}", value_name(self.k, ptr), names.join(", "))
        };
        if call.function.is_inactive() {
            let holds = |p: &Value| {
                self.prov.kind(*p) != PtrKind::Plain
                    && self.activity.is_useful_memory(self.prov, *p)
                    && self.activity.is_varied_memory(self.k, self.prov, roles, *p)
            };
            let ptr = call.written().find(holds)?;
            let d = Diagnostic::new(
                Code::OpaqueCall,
                format!("`{name}` is declared inactive, but it writes memory that holds differentiated data"),
            );
            return Some(
                d.because(about(ptr)).help("give the memory the role const, or register a derivative"),
            );
        }
        if !self.is_active(call, result) {
            return None;
        }
        let pointers = call.args.iter().copied().filter(|&v| self.k.ty(v).is_ptr());
        for ptr in pointers {
            match self.prov.kind(ptr) {
                PtrKind::Shadowed | PtrKind::Nowhere => {}
                PtrKind::Plain => {
                    let spoiled = self.activity.is_varied_memory(self.k, self.prov, roles, ptr);
                    if spoiled && call.read().any(|p| p == ptr) {
                        let d = Diagnostic::new(
                            Code::UnsupportedMemory,
                            format!("`{name}` reads active data from memory without a derivative"),
                        );
                        return Some(d.because(about(ptr)).help("give that buffer the role dup"));
                    }
                }
                PtrKind::Mixed | PtrKind::Unknown => {
                    let d = Diagnostic::new(
                        Code::UnknownProvenance,
                        format!("`{name}` is given a pointer that may or may not have a shadow"),
                    );
                    let help = "give all buffers that it may point into the same kind of role";
                    return Some(d.because(about(ptr)).help(help));
                }
            }
        }
        None
    }
}
