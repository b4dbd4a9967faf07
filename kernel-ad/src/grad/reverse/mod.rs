//! Reverse mode: forward sweep and reverse sweep, in one kernel or in two with the tape between them.
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
mod split;
mod sweep;
mod tape;
#[cfg(test)]
mod tests;
mod varies;
mod warp;

use super::{clean, inline, primal_specs, Gradient, Roles, ShadowParams, SplitGradient, TapeNeed};
use crate::canon::{canonicalise, drain, merge_offsets};
use crate::cfg::{Cfg, DomTree};
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::facts::{provenance_and_activity, Uniform, WarpUniform, Writes};
use crate::grad::prepare::{prepare, Prepared};
use crate::grad::shadow::insert_shadows;
use crate::grad::shared::{add_shared, clear_at_entry, SharedShadow};
use crate::kernel::*;
use crate::plan::{self, Between, PlanOptions, Recipes};
use crate::retype::strip;
use input::Input;
use shadow_mem::{Assumption, Expr, Mode, ParamSpec, Purpose, Stats};
use std::collections::HashSet;
use sweep::Sweep;
use tape::Tape;

/// The kernel that runs the primal and then adds the adjoints of its inputs into their shadows.
///
/// # Errors
/// Roles that do not fit, and everything that reverse mode does not support, each with its place.
pub fn reverse(primal: &Kernel, roles: &Roles, options: &PlanOptions) -> Result<Gradient> {
    join(primal, make(primal, roles, &for_any_caller(primal, options), false)?)
}

/// [`reverse`] of a device function for one caller, who answers for the assumptions of the gradient.
///
/// # Errors
/// As [`reverse`].
pub fn reverse_for_caller(primal: &Kernel, roles: &Roles, options: &PlanOptions) -> Result<Gradient> {
    join(primal, make(primal, roles, options, false)?)
}

/// Nobody launches a function: nothing can be assumed of its callers' buffers.
fn for_any_caller(primal: &Kernel, options: &PlanOptions) -> PlanOptions {
    PlanOptions { assume_distinct: options.assume_distinct && !primal.is_function, ..options.clone() }
}

/// Both sweeps in one kernel.
fn join(primal: &Kernel, mut made: Made) -> Result<Gradient> {
    let mut k = std::mem::replace(&mut made.kernel, Kernel::clone(primal));
    if let Some(ends) = made.ends {
        match made.position {
            Some(at) => tape::turn(&mut k, &ends, at),
            None => {
                let t = k.terminator(ends.exit);
                k.insts[t].op = Op::Br { to: ends.first };
            }
        }
    }
    clear_at_entry(&mut k, &made.shared, &made.shared_inserted);
    tidy(&mut k, &made.locals);
    finish::describe_params(&k, &mut made.specs, &made.writes);
    Ok(Gradient {
        kernel: k,
        primal: primal.name.clone(),
        mode: Mode::Reverse,
        params: made.specs,
        tape: made.tape,
        counter: made.counter,
        assumptions: made.assumptions,
        stats: made.stats,
    })
}

/// The same in two kernels: the primal that also writes the tape, and one that reads it and adds the adjoints of the inputs into
/// their shadows. `options.kept` says which memory the second may load again.
///
/// # Errors
/// As [`reverse`], and values that another kernel can have in no way.
pub fn split(primal: &Kernel, roles: &Roles, options: &PlanOptions) -> Result<SplitGradient> {
    split::finish(primal, make(primal, roles, &for_any_caller(primal, options), true)?)
}

/// Both sweeps in one kernel, with their local variables, and what was found out on the way.
struct Made {
    kernel: Kernel,
    specs: Vec<ParamSpec>,
    /// `None` when the kernel never returns.
    ends: Option<sweep::Ends>,
    locals: Vec<(Value, Type)>,
    root: Option<split::RootVars>,
    tape: Option<TapeNeed>,
    counter: Option<Box<Gradient>>,
    stats: Stats,
    writes: Writes,
    /// What the launcher must check, parameters as in `specs`.
    assumptions: Vec<Assumption>,
    /// Those that the forward sweep makes.
    exclusive: Vec<Assumption>,
    /// What the caller must leave alone between two launches.
    kept: Vec<Assumption>,
    /// The variable that holds how far a thread has come on a tape of the launcher's, where that may be too short.
    position: Option<Value>,
    /// Instructions on shadow pointers in the forward sweep.
    inserted: Vec<Inst>,
    /// Shadows of shared memory, still to be cleared, and the instructions that find them.
    shared: Vec<SharedShadow>,
    shared_inserted: Vec<Inst>,
}

fn make(primal: &Kernel, roles: &Roles, options: &PlanOptions, apart: bool) -> Result<Made> {
    let mut specs = primal_specs(primal, roles)?;
    let Prepared { kernel: mut k, exclusive, settled } = prepare(primal, roles, &|f| f.reverse().is_some());
    let own = PlanOptions { local_tape_bytes: FUNCTION_TAPE, ..options.clone() };
    let options = if primal.is_function { &own } else { options };
    let extrema = extremum::mark(&mut k);
    k.name = format!("{}_reverse", primal.name);
    let mut params = ShadowParams::add(&mut k, roles, &mut specs);
    merge_offsets(&mut k);
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
    let facts = k.clone();
    let between = Between::new(&facts, &cfg, &prov, &shadows, &options.kept);
    let between = apart.then_some(&between);
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
        between,
    };
    refuse::check(&k, &input, roles)?;
    let reversed = input::reaching_exit(&k, &cfg);
    let needed = needs::collect(&k, &input, &reversed);
    let mut recipes =
        Recipes::new(&facts, &regions, &prov, &writes, (&cfg, &dom), options.assume_distinct, between);
    let mut plan = plan::decide(&facts, &regions, &mut recipes, &needed, options)?;
    plan.distinct.extend(call::unchanged_memory(&facts, &input, &writes, options.assume_distinct)?);
    let ground = plan::check::Ground {
        k: &facts,
        regions: &regions,
        dom: &dom,
        blocks: &recipes.blocks,
        apart: apart.then_some((&prov, &shadows)),
    };
    plan::check::check(ground, &plan, &needed)?;

    let need = plan::tape_need(&facts, &regions, &recipes.blocks, &plan);
    let mut bare = None; // the forward sweep as the counting kernel needs it
    let mut locals = Vec::new();
    let place = if plan.frames.is_empty() && plan.root.is_none() {
        Tape::None
    } else {
        let at = new_local(&mut k, &mut locals);
        match need {
            Some(Expr::Const(bytes))
                if !apart && u64::try_from(bytes).is_ok_and(|b| b <= options.local_tape_bytes) =>
            {
                let entry = k.entry();
                let mut b = KernelBuilder::new(&mut k);
                b.at = Cursor::At(entry, 0);
                let space = finish::local_space(b.k);
                let array = b.alloca(bytes as u64, 16, space);
                Tape::Local { array, at }
            }
            _ if primal.is_function => return Err(no_tape(primal)),
            _ => {
                bare = need.is_none().then(|| k.clone());
                finish::add_tape_params(&mut k, &mut specs, &need, plan::tape_align(&plan));
                Tape::Global { at }
            }
        }
    };
    let own = match primal.is_function {
        true => Default::default(),
        false => finish::own_shadows(&facts, &input, &recipes.blocks),
    };
    let private = |ptr: Value| finish::is_private(&prov, &own, ptr);
    let mut sweep = Sweep::new(&input, &plan, &recipes.blocks, place, &private);
    sweep.locals = locals;
    let ends = sweep.build(&mut k, &reversed)?;
    let root = plan.root.as_ref().map(|r| split::RootVars::of(r, &facts, &sweep));
    let (stats, locals) = (sweep.stats, std::mem::take(&mut sweep.locals));
    drop(sweep);
    remove(&mut k, &unwanted);
    inline::expand(&mut k, &|_| true);

    let counter = match bare {
        Some(bare) => Some(Box::new(count::counter(bare, primal, roles, &input, &plan, &unwanted)?)),
        None => None,
    };
    let varies = counter.as_ref().is_some_and(|c| varies::count_varies(c, &input))
        && varies::can_be_undone(&facts, &input, &writes, !apart);
    let assumptions = finish::assumptions(&facts, &plan, &input, &specs, &own, &exclusive);
    let kept = if apart { finish::kept(&facts, &plan, &input) } else { Vec::new() };
    let global_tape = matches!(place, Tape::Global { .. });
    let may_end = k.tape.as_ref().is_some_and(|t| t.bounded.is_none());
    let position = place.position().filter(|_| global_tape && may_end);
    let inserted = shadows.inserted.clone();
    Ok(Made {
        kernel: k,
        specs,
        ends,
        locals,
        root,
        tape: global_tape.then(|| TapeNeed {
            bytes_per_thread: need,
            align: plan::tape_align(&plan) as u32,
            varies,
        }),
        counter,
        stats: finish::count_sites(stats, &plan),
        writes,
        assumptions,
        exclusive: exclusive.assumptions.clone(),
        kept,
        position,
        inserted,
        shared: params.shared.clone(),
        shared_inserted: params.inserted.clone(),
    })
}

/// Local variables become values, and what nobody needs goes.
fn tidy(k: &mut Kernel, locals: &[(Value, Type)]) {
    clean::promote(k, locals);
    strip(k);
    clean::simplify(k);
    clean::remove_dead_code(k);
}

/// Bytes of local memory that the tape of a function may take.
const FUNCTION_TAPE: u64 = 1 << 15;

fn no_tape(k: &Kernel) -> Diagnostics {
    let message = format!("the tape of the function `{}` has no bound known at compile time", k.name);
    Diagnostic::new(Code::TapeTooLarge, message)
        .because(format!("it lies in local memory, which has {FUNCTION_TAPE} bytes for it"))
        .help("give its loops constant trip counts, or differentiate the kernel that calls it")
        .into()
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
