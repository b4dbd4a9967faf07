//! Forward mode: primal and tangents together.
//!
//! The kernel is a copy of the primal in which every instruction on active data is followed by the one that computes its
//! tangent; control flow is the primal's own. Memory is mirrored: what writes into memory with a shadow writes the tangent
//! (or zero) into the shadow too, so that the shadow always holds the tangent of the contents. A value without a
//! tangent has none in the code either: zero is symbolic, and which phis need a tangent is known beforehand from the
//! fixed point of activity.

mod bits;
mod build;
mod call;
mod memory;
mod refuse;
#[cfg(test)]
mod tests;

use super::{clean, inline, primal_specs, Gradient, Roles, ShadowParams};
use crate::cfg::Cfg;
use crate::diag::Result;
use crate::facts::{provenance_and_activity, Activity, Base, Exclusive, Provenance, Writes};
use crate::grad::prepare::{prepare, Prepared};
use crate::grad::shadow::insert_shadows;
use crate::grad::shared::add_shared;
use crate::idiom::Settled;
use crate::kernel::*;
use crate::retype::strip;
use shadow_mem::{Assumption, Mode, Role, Stats};

/// What is known about the primal.
struct Input<'a> {
    cfg: &'a Cfg,
    prov: &'a Provenance,
    activity: &'a Activity,
    exclusive: &'a Exclusive,
    settled: &'a Settled,
}

impl Input<'_> {
    /// True when the value gets a tangent: it depends on an active input and reaches an active output, as a float or as the
    /// bits of one.
    fn carries(&self, k: &Kernel, v: Value) -> bool {
        k.as_const(v).is_none() && (self.activity.is_active(k, v) || self.activity.is_hidden(k, v))
    }
}

/// The kernel that runs the primal and, beside it, turns the tangents of its inputs into those of its outputs.
///
/// # Errors
/// Roles that do not fit, and everything that forward mode does not support, each with its place.
pub fn tangent(primal: &Kernel, roles: &Roles) -> Result<Gradient> {
    let mut params = primal_specs(primal, roles)?;
    let Prepared { kernel: primal, exclusive, settled } = prepare(primal, roles, &|f| f.forward().is_some());
    let primal = &primal;
    let cfg = Cfg::new(primal);
    let (prov, activity) = provenance_and_activity(primal, &cfg, roles);
    let input =
        Input { cfg: &cfg, prov: &prov, activity: &activity, exclusive: &exclusive, settled: &settled };
    refuse::check(primal, &input, roles)?;
    let mut k = primal.clone();
    k.name = format!("{}_tangent", primal.name);
    let mut shadow_params = ShadowParams::add(&mut k, roles, &mut params);
    add_shared(&mut k, &prov, &mut shadow_params, &mut params)?;
    let shadows = insert_shadows(&mut k, &cfg, &prov, &shadow_params)?;
    build::build(&mut k, &input, roles, &shadow_params, &shadows)?;
    inline::expand(&mut k, &|_| true);
    strip(&mut k);
    clean::simplify(&mut k);
    clean::remove_dead_code(&mut k);
    let mut assumptions = assumptions(primal, &cfg, &prov, roles);
    assumptions.extend(
        exclusive.assumptions.iter().filter(|a| !assumptions.contains(a)).cloned().collect::<Vec<_>>(),
    );
    Ok(Gradient {
        kernel: k,
        primal: primal.name.clone(),
        mode: Mode::Forward,
        params,
        tape: None,
        counter: None,
        assumptions,
        stats: Stats::default(),
    })
}

/// When a buffer that is written overlaps another one, a write changes both, but only one shadow. So written buffers
/// must be apart from the others, unless both are const.
fn assumptions(k: &Kernel, cfg: &Cfg, prov: &Provenance, roles: &Roles) -> Vec<Assumption> {
    let writes = Writes::new(k, cfg, prov);
    let buffers: Vec<u32> = (0..k.params.len() as u32)
        .filter(|&i| k.params[i as usize].ty.is_ptr() && k.params[i as usize].by_value.is_none())
        .collect();
    let role = |i: u32| roles.params[i as usize].role;
    let mut out = Vec::new();
    for (n, &a) in buffers.iter().enumerate() {
        for &b in &buffers[n + 1..] {
            let shadowed = role(a) != Role::Const || role(b) != Role::Const;
            let written = writes.to(Base::Param(a)) || writes.to(Base::Param(b));
            let promised = k.params[a as usize].noalias || k.params[b as usize].noalias;
            if shadowed && written && !promised {
                out.push(Assumption::Distinct { a, b });
            }
        }
    }
    out
}
