//! The kernel as both modes differentiate it.

use super::{inline, Roles};
use crate::canon::{copy_fields, spell_out_adds};
use crate::facts::Exclusive;
use crate::idiom::{self, Settled};
use crate::kernel::{Function, Kernel};
use crate::retype::retype;

/// A rewritten kernel, and what the rewriting found out.
pub struct Prepared {
    /// It computes what the primal computes, and says more of what it means.
    pub kernel: Kernel,
    /// Memory that each thread has for itself.
    pub exclusive: Exclusive,
    /// Atomic maxima and minima that are settled behind a barrier.
    pub settled: Settled,
}

/// Rewrites a primal whose roles fit. Functions with a derivative of their own in this mode, as `has_own` says, stay calls.
pub fn prepare(primal: &Kernel, roles: &Roles, has_own: &dyn Fn(&Function) -> bool) -> Prepared {
    let mut given = primal.clone();
    inline::expand(&mut given, &|f| !f.is_inactive() && !has_own(f));
    spell_out_adds(&mut given);
    copy_fields(&mut given, roles);
    let mut kernel = idiom::recognise(&given);
    idiom::order_products(&mut kernel, roles);
    retype(&mut kernel, roles);
    // Nobody launches a function: nothing is known of its threads.
    let exclusive = match primal.is_function {
        true => Exclusive::default(),
        false => idiom::claim(&mut kernel, roles),
    };
    let settled = idiom::settle(&mut kernel, roles);
    Prepared { kernel, exclusive, settled }
}
