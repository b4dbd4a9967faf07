//! Which shared variables have a shadow: those in which active data lies. Shared memory of integers needs none.

use super::{Activity, Base, Provenance, PtrKind};
use crate::cfg::Cfg;
use crate::grad::Roles;
use crate::kernel::*;
use std::collections::BTreeSet;

/// Where pointers point, and what is active: first as if all shared memory had a shadow, then with what that showed.
pub fn provenance_and_activity(k: &Kernel, cfg: &Cfg, roles: &Roles) -> (Provenance, Activity) {
    let prov = Provenance::new(k, cfg, roles);
    let activity = Activity::new(k, cfg, &prov, roles);
    let all: BTreeSet<Global> = prov.shadowed_shared().collect();
    if all.is_empty() {
        return (prov, activity);
    }
    let with = with_shadow(k, cfg, &prov, &activity);
    if with == all {
        return (prov, activity);
    }
    let prov = Provenance::with_shared(k, cfg, roles, &|g| with.contains(&g));
    let activity = Activity::new(k, cfg, &prov, roles);
    (prov, activity)
}

fn with_shadow(k: &Kernel, cfg: &Cfg, prov: &Provenance, activity: &Activity) -> BTreeSet<Global> {
    let variable = |b: &Base| match b {
        Base::Global(g) if prov.is_followed(*b) => Some(*g),
        _ => None,
    };
    let mut with: BTreeSet<Global> =
        prov.shadowed_shared().filter(|&g| activity.holds_active(Base::Global(g))).collect();
    // Pointers whose shadows must be found again.
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let (to, held) = match &k.insts[i].op {
                Op::Store { ptr, val, .. } if k.ty(*val).is_ptr() => (*ptr, *val),
                _ => continue,
            };
            if !matches!(prov.kind(held), PtrKind::Plain | PtrKind::Nowhere) {
                with.extend(prov.of(to).bases.iter().filter_map(variable));
            }
        }
    }
    // What one pointer may point into has a shadow or has none.
    loop {
        let before = with.len();
        for fact in prov.all() {
            let shadowed = |b: &Base| match variable(b) {
                Some(g) => with.contains(&g),
                None => fact.kind == PtrKind::Shadowed,
            };
            if fact.bases.iter().any(shadowed) {
                with.extend(fact.bases.iter().filter_map(variable));
            }
        }
        if with.len() == before {
            return with;
        }
    }
}
