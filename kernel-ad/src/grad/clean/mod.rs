//! Tidies generated code: local variables become SSA values, dead code goes, phis that say nothing go.
//!
//! LLVM would do the same later; doing it here keeps generated kernels readable, checkable, and fast to interpret.

mod dce;
mod fold;
mod promote;

pub use dce::remove_dead_code;
pub use fold::simplify;
pub use promote::promote;

use crate::kernel::{Kernel, Value};
use cranelift_entity::SecondaryMap;

/// Replaces values in all operands: `map[v]` if there, else `v`. Chains are followed.
pub(crate) fn replace_values(k: &mut Kernel, map: &SecondaryMap<Value, Option<Value>>) {
    for b in k.layout.clone() {
        for i in k.blocks[b].insts.clone() {
            k.insts[i].op.map_operands(|v| resolve(map, v));
        }
    }
}

/// Follows a chain of replacements to its end.
pub(super) fn resolve(map: &SecondaryMap<Value, Option<Value>>, mut v: Value) -> Value {
    while let Some(next) = map[v] {
        v = next;
    }
    v
}
