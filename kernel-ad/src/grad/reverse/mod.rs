//! Reverse mode: forward sweep and reverse sweep in one kernel.
//!
//! The forward sweep is the primal in canonical form, with shadow pointers beside its pointers. The reverse sweep has a
//! block for each of its blocks, joined by the reversed edges. Adjoints, kept values and counters are local variables
//! while it is built; promoting them to SSA values at the end makes all the phis.

mod barrier;
mod call;
mod copies;
mod count;
mod extremum;
mod finish;
mod input;
mod lookup;
mod memory;
mod needs;
mod refuse;
mod sweep;
mod tape;
#[cfg(test)]
mod tests;
mod warp;

use super::{clean, inline, primal_specs, Gradient, Roles, ShadowParams, TapeNeed};
use crate::canon::{canonicalise, drain};
use crate::cfg::{Cfg, DomTree};
use crate::diag::Result;
use crate::facts::{provenance_and_activity, Uniform, WarpUniform, Writes};
use crate::grad::shadow::insert_shadows;
use crate::grad::shared::{add_shared, clear_at_entry};
use crate::idiom;
use crate::kernel::*;
use crate::plan::{self, PlanOptions, Recipes};
use input::Input;
use shadow_mem::{Expr, Mode, Purpose};
use std::collections::HashSet;
use sweep::Sweep;
use tape::Tape;

/// The kernel that runs the primal and then adds the adjoints of its inputs into their shadows.
///
/// # Errors
/// Roles that do not fit, and everything that reverse mode does not support, each with its place.
pub fn reverse(primal: &Kernel, roles: &Roles, options: &PlanOptions) -> Result<Gradient> {
    let mut specs = primal_specs(primal, roles)?;
    let mut given = primal.clone();
    inline::expand(&mut given, &|f| !f.is_inactive() && f.reverse().is_none());
    let mut k = idiom::recognise(&given);
    let exclusive = idiom::claim(&mut k, roles);
    let settled = idiom::settle(&mut k, roles);
    let extrema = extremum::mark(&mut k);
    k.name = format!("{}_reverse", primal.name);
    let mut params = ShadowParams::add(&mut k, roles, &mut specs);
    drain(&mut k)?;
    let regions = canonicalise(&mut k)?;
    let cfg = Cfg::new(&k);
    let dom = DomTree::new(&k, &cfg);
    let (prov, activity) = provenance_and_activity(&k, &cfg, roles);
    let unwanted = input::unwanted_stores(&k, &cfg, &prov, roles);
    let writes = Writes::without(&k, &cfg, &prov, &unwanted);
    add_shared(&mut k, &prov, &mut params, &mut specs)?;
    let shadows = insert_shadows(&mut k, &cfg, &prov, &params)?;
    let uniform = Uniform::new(&k, &cfg);
    let lanes = WarpUniform::new(&k, &cfg);
    let input = Input {
        regions: &regions,
        cfg: &cfg,
        dom: &dom,
        prov: &prov,
        activity: &activity,
        lanes: &lanes,
        uniform: &uniform,
        shadows: &shadows,
        params: &params,
        exclusive: &exclusive,
        extrema: &extrema,
        settled: &settled,
    };
    refuse::check(&k, &input, roles)?;
    let reversed = input::reaching_exit(&k, &cfg);
    let needed = needs::collect(&k, &input, &reversed);
    let facts = k.clone();
    let mut recipes = Recipes::new(&facts, &regions, &prov, &writes, (&cfg, &dom), options.assume_distinct);
    let mut plan = plan::decide(&facts, &regions, &mut recipes, &needed, options)?;
    plan.distinct.extend(call::unchanged_memory(&facts, &input, &writes, options.assume_distinct)?);
    plan::check::check(&facts, &regions, &dom, &recipes.blocks, &plan, &needed)?;

    let need = plan::tape_need(&facts, &regions, &recipes.blocks, &plan);
    let mut bare = None; // the forward sweep as the counting kernel needs it
    let mut locals = Vec::new();
    let place = if plan.frames.is_empty() {
        Tape::None
    } else {
        let at = new_local(&mut k, &mut locals);
        match need {
            Some(Expr::Const(bytes)) if u64::try_from(bytes).is_ok_and(|b| b <= options.local_tape_bytes) => {
                let entry = k.entry();
                let mut b = KernelBuilder::new(&mut k);
                b.at = Cursor::At(entry, 0);
                let space = finish::local_space(b.k);
                let array = b.alloca(bytes as u64, 16, space);
                Tape::Local { array, at }
            }
            _ => {
                bare = need.is_none().then(|| k.clone());
                finish::add_tape_params(&mut k, &mut specs, &need, plan::tape_align(&plan));
                Tape::Global { at }
            }
        }
    };
    let own = finish::own_shadows(&facts, &input, &recipes.blocks);
    let private = |ptr: Value| finish::is_private(&prov, &own, ptr);
    let mut sweep = Sweep::new(&input, &plan, &recipes.blocks, place, &private);
    sweep.locals = locals;
    sweep.build(&mut k, &reversed)?;
    let (stats, locals) = (sweep.stats, std::mem::take(&mut sweep.locals));
    drop(sweep);
    remove(&mut k, &unwanted);
    inline::expand(&mut k, &|_| true);
    clear_at_entry(&mut k, &params.shared, &params.inserted);
    clean::promote(&mut k, &locals);
    clean::remove_dead_code(&mut k);
    clean::simplify(&mut k);
    clean::remove_dead_code(&mut k);

    let counter = match bare {
        Some(bare) => Some(Box::new(count::counter(bare, primal, roles, &input, &plan, &unwanted)?)),
        None => None,
    };
    finish::describe_params(&k, &mut specs, &writes);
    let assumptions = finish::assumptions(&facts, &plan, &input, &specs, &own, &exclusive);
    let global_tape = matches!(place, Tape::Global { .. });
    Ok(Gradient {
        kernel: k,
        primal: primal.name.clone(),
        mode: Mode::Reverse,
        params: specs,
        tape: global_tape.then(|| TapeNeed { bytes_per_thread: need, align: plan::tape_align(&plan) as u32 }),
        counter,
        assumptions,
        stats: finish::count_sites(stats, &plan),
    })
}

fn new_local(k: &mut Kernel, locals: &mut Vec<(Value, Type)>) -> Value {
    let entry = k.entry();
    let mut b = KernelBuilder::new(k);
    b.at = Cursor::At(entry, 0);
    let var = b.alloca(8, 8, AddrSpace::Generic);
    locals.push((var, Type::I64));
    var
}

fn remove(k: &mut Kernel, insts: &HashSet<Inst>) {
    for b in k.layout.clone() {
        k.blocks[b].insts.retain(|i| !insts.contains(i));
    }
}

/// True when a parameter of a generated kernel is a shadow.
fn is_shadow(p: &Purpose) -> bool {
    matches!(p, Purpose::Shadow { .. } | Purpose::GlobalShadow { .. })
}
