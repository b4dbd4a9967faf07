//! Decides for every needed value: keep, compute again, or save.

use super::cut::{Network, INFINITE};
use super::recipe::is_tapeable;
use super::{Decision, Frame, Needed, Plan, PlanOptions, Policy, Recipe, Recipes, Root};
use crate::canon::Regions;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::activity::value_name;
use crate::kernel::*;
use std::collections::HashMap;

/// Decides for all needed values and what they are computed from.
///
/// # Errors
/// A value that can neither be saved nor computed again.
pub fn decide(
    k: &Kernel,
    regions: &Regions,
    recipes: &mut Recipes<'_>,
    needed: &[Needed],
    options: &PlanOptions,
) -> Result<Plan> {
    let found = reachable_recipes(k, recipes, needed, options);
    let saved = cut(k, regions, recipes, needed, &found)?;
    let mut plan = Plan::default();
    let mut work: Vec<Value> = needed.iter().map(|n| n.value).collect();
    while let Some(v) = work.pop() {
        if k.def_inst(v).is_none() || plan.of[v].is_some() {
            continue;
        }
        plan.of[v] = Some(if !recipes.is_lost(v) {
            Decision::Keep
        } else if saved.contains(&v) {
            Decision::Save
        } else {
            let recipe = found[&v].clone().expect("the cut leaves nothing open");
            work.extend(recipe.inputs(k, v));
            if let Recipe::Again { distinct, .. } = &recipe {
                plan.distinct.extend(distinct.iter().copied());
            }
            Decision::Again(recipe)
        });
    }
    for l in regions.loops.keys() {
        let mine: Vec<Value> = k
            .values
            .keys()
            .filter(|&v| plan.of[v] == Some(Decision::Save) && recipes.region(v) == Some(l))
            .collect();
        if !mine.is_empty() {
            plan.frames.insert(l, Frame::lay_out(k, &mine));
        }
    }
    let once: Vec<Value> = k
        .values
        .keys()
        .filter(|&v| plan.of[v] == Some(Decision::Save) && recipes.region(v).is_none())
        .collect();
    let position = recipes.is_split() && !plan.frames.is_empty();
    if position || !once.is_empty() {
        plan.root = Some(Root::lay_out(k, &once, position));
    }
    Ok(plan)
}

type Found = HashMap<Value, Option<Recipe>>;

/// Recipes of everything that does not stay by itself and that the needed values may be computed from.
fn reachable_recipes(
    k: &Kernel,
    recipes: &mut Recipes<'_>,
    needed: &[Needed],
    options: &PlanOptions,
) -> Found {
    let mut found = Found::new();
    let mut work: Vec<Value> = needed.iter().map(|n| n.value).collect();
    while let Some(v) = work.pop() {
        if k.def_inst(v).is_none() || !recipes.is_lost(v) || found.contains_key(&v) {
            continue;
        }
        let mut recipe = recipes.of(v);
        let save_instead = match options.policy {
            Policy::Cut => false,
            Policy::Save => true,
            Policy::Chaos(seed) => mix(seed ^ u64::from(v.as_u32())) & 1 == 1,
        };
        if save_instead && recipes.can_save(v) && !matches!(recipe, Some(Recipe::Count(_))) {
            recipe = None;
        }
        if let Some(r) = &recipe {
            work.extend(r.inputs(k, v));
        }
        found.insert(v, recipe);
    }
    found
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The values to save: a minimum cut between what cannot be computed and what is needed.
fn cut(
    k: &Kernel,
    regions: &Regions,
    recipes: &Recipes<'_>,
    needed: &[Needed],
    found: &Found,
) -> Result<Vec<Value>> {
    let mut net = Network::new();
    let mut ids: HashMap<Value, usize> = HashMap::new();
    let mut values: Vec<Value> = found.keys().copied().collect();
    values.sort();
    for &v in &values {
        let depth = regions.depth(recipes.region(v)).min(8);
        let cost = if recipes.can_save(v) { k.room(k.ty(v)) << (5 * depth) } else { INFINITE };
        ids.insert(v, net.node(cost));
    }
    for &v in &values {
        match &found[&v] {
            None => net.is_given(ids[&v]),
            Some(r) => {
                for x in r.inputs(k, v) {
                    if let Some(&from) = ids.get(&x) {
                        net.feeds(from, ids[&v]);
                    }
                }
            }
        }
    }
    for n in needed {
        if let Some(&id) = ids.get(&n.value) {
            net.is_needed(id);
        }
    }
    match net.min_cut() {
        Some(nodes) => Ok(nodes.into_iter().map(|n| values[n]).collect()),
        None => Err(cannot_keep(k, recipes, needed, found)),
    }
}

fn cannot_keep(
    k: &Kernel,
    recipes: &Recipes<'_>,
    needed: &[Needed],
    found: &Found,
) -> crate::diag::Diagnostics {
    // Name the first needed value that hangs on something that is no tape type.
    let culprit = needed.iter().find(|n| {
        let mut work = vec![n.value];
        let mut seen = Vec::new();
        while let Some(v) = work.pop() {
            if seen.contains(&v) || recipes.can_save(v) {
                continue;
            }
            seen.push(v);
            match found.get(&v) {
                Some(None) => return true,
                Some(Some(r)) => work.extend(r.inputs(k, v)),
                None => {}
            }
        }
        false
    });
    let (name, loc) = match culprit {
        Some(n) => (value_name(k, n.value), k.insts[n.by].loc),
        None => ("a value".into(), None),
    };
    let help = match culprit {
        Some(n) if is_tapeable(k, k.ty(n.value)) => {
            "it is an address of local or shared memory, which another kernel does not have: make one kernel of both sweeps"
        }
        _ => "its type has no place on the tape: split the vector or struct that is carried through the loop",
    };
    Diagnostic::new(
        Code::UnsupportedMemory,
        format!("the reverse sweep needs {name}, which can neither be saved nor computed again"),
    )
    .at(k, loc)
    .help(help)
    .into()
}
