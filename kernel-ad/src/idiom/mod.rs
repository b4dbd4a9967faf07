//! Idioms: code that means more than its instructions say is rewritten to say what it means, before facts are gathered.
//!
//! Every rewriting keeps the kernel's results, but for NaN in memory: a compare-and-swap loop that keeps a maximum by a
//! comparison may leave a NaN that it finds there, while the atomic maximum ignores it.

mod atomics;
mod cas;
mod own;
mod products;
mod settle;
#[cfg(test)]
mod tests;

pub use own::claim;
pub use products::{has_products, order_products};
pub use settle::{settle, Settled};

use crate::grad::clean;
use crate::kernel::*;
use cranelift_entity::SecondaryMap;

/// The kernel with its idioms recognised; as it was if there are none.
pub fn recognise(k: &Kernel) -> Kernel {
    let mut out = k.clone();
    if cas::replace_loops(&mut out) | atomics::retype(&mut out) {
        fold_bitcasts(&mut out);
        clean::simplify(&mut out);
        clean::remove_dead_code(&mut out);
        return out;
    }
    k.clone()
}

/// Bits that go to another type and back.
fn fold_bitcasts(k: &mut Kernel) {
    let mut map: SecondaryMap<Value, Option<Value>> = SecondaryMap::new();
    for (_, i) in k.iter_insts() {
        let Some(r) = k.insts[i].result else { continue };
        if let Some(source) = bits_of(k, r) {
            if let Some(before) = bits_of(k, source).filter(|&v| k.ty(v) == k.ty(r)) {
                map[r] = Some(before);
            }
        }
    }
    clean::replace_values(k, &map);
}

/// The operand of a bitcast.
fn bits_of(k: &Kernel, v: Value) -> Option<Value> {
    match k.def_op(v)? {
        Op::Cast { op: CastOp::Bitcast, a, .. } => Some(*a),
        _ => None,
    }
}

/// The float whose bits an integer is.
fn float_behind(k: &Kernel, v: Value) -> Option<Value> {
    bits_of(k, v).filter(|&f| k.ty(f).float().is_some() && k.ty(f).lanes() == 1)
}
