//! What calls of device functions do that the caller said something of ([`Function`]).

use crate::kernel::*;

/// A call of a function that the kernel knows.
#[derive(Clone, Copy, Debug)]
pub struct KnownCall<'k> {
    /// The function.
    pub function: &'k Function,
    /// Arguments.
    pub args: &'k [Value],
}

impl<'k> KnownCall<'k> {
    /// The call, if the operation is one.
    pub fn new(k: &'k Kernel, op: &'k Op) -> Option<KnownCall<'k>> {
        let Op::Call { callee, args } = op else { return None };
        Some(KnownCall { function: k.function(callee)?, args })
    }

    /// Pointers that the function loads through.
    pub fn read(self) -> impl Iterator<Item = Value> + 'k {
        let access = self.function.body.access.iter();
        self.args.iter().zip(access).filter(|(_, a)| a.reads).map(|(v, _)| *v)
    }

    /// Pointers that the function stores through.
    pub fn written(self) -> impl Iterator<Item = Value> + 'k {
        let access = self.function.body.access.iter();
        self.args.iter().zip(access).filter(|(_, a)| a.writes).map(|(v, _)| *v)
    }

    /// Pointers that the reverse function loads primal contents through: they must be as they were.
    pub fn read_in_reverse(self, k: &'k Kernel) -> Vec<Value> {
        let Some(reverse) = self.function.reverse() else { return Vec::new() };
        let mut at = 0;
        let mut out = Vec::new();
        for &v in self.args {
            if k.ty(v).is_ptr() {
                if reverse.access[at].reads {
                    out.push(v);
                }
                at += 1;
            }
            at += 1;
        }
        out
    }
}
