//! Parts the combined kernel where its two sweeps meet: what crosses there goes by way of the tape.

use super::sweep::{Ends, Sweep};
use super::tape::{first_non_alloca, stored_type, widen};
use super::{finish, is_shadow, tidy, Made};
use crate::canon::drop_unreachable;
use crate::diag::Result;
use crate::grad::params::drop_params;
use crate::grad::shared::clear_at_entry;
use crate::grad::{Gradient, SplitGradient, TapeNeed};
use crate::kernel::*;
use crate::plan::Root;
use shadow_mem::{Assumption, Mode, ParamSpec, Purpose, Stats};
use std::collections::HashSet;

/// The local variables whose values cross from kernel to kernel, with their places on the tape.
pub struct RootVars {
    /// (variable, its type, offset).
    vars: Vec<(Value, Type, u64)>,
    /// The block that defines each of them.
    defined: Vec<Option<Block>>,
}

impl RootVars {
    /// Finds the variables of a first record.
    pub fn of(root: &Root, k: &Kernel, sweep: &Sweep<'_>) -> RootVars {
        let mut out = RootVars { vars: Vec::new(), defined: Vec::new() };
        for &(v, offset) in &root.frame.slots {
            out.vars.push((sweep.kept[&v], k.ty(v), offset));
            out.defined.push(sweep.blocks.of(v));
        }
        if let (Some(offset), Some(at)) = (root.position, sweep.tape.position()) {
            out.vars.push((at, Type::I64, offset));
            out.defined.push(None);
        }
        out
    }
}

/// Makes the two kernels.
pub fn finish(primal: &Kernel, made: Made) -> Result<SplitGradient> {
    let mut forward = made.kernel.clone();
    let mut backward = made.kernel.clone();
    forward.name = format!("{}_augmented", primal.name);
    if let (Some(ends), Some(root)) = (made.ends, &made.root) {
        write(&mut forward, ends, root);
    }
    enter(&mut backward, &made);
    clear_at_entry(&mut backward, &made.shared, &made.shared_inserted);
    for k in [&mut forward, &mut backward] {
        drop_unreachable(k);
        tidy(k, &made.locals);
    }

    let mut reverse_specs = made.specs.clone();
    finish::describe_params(&backward, &mut reverse_specs, &made.writes);
    for s in reverse_specs.iter_mut().filter(|s| is_primal(s)) {
        s.written = false;
    }
    let of_primal = |x: &Assumption| {
        let primals = primal.params.len() as u32;
        made.exclusive.contains(x)
            || matches!(x, Assumption::Distinct { a, b } if *a < primals && *b < primals)
    };
    let augmented_assumptions = made.assumptions.iter().filter(|a| of_primal(a)).cloned().collect();
    let assumptions = [made.assumptions, made.kept].concat();

    let mut specs = made.specs;
    finish::describe_params(&forward, &mut specs, &made.writes);
    let used = used_params(&forward);
    drop_params(&mut forward, &mut specs, |i, s| {
        let droppable = is_shadow(&s.purpose) || s.purpose == Purpose::DynamicSharedSize;
        !droppable || used.contains(&i)
    });
    let tape = made.tape;
    let stats = made.stats;
    let augmented = Gradient {
        kernel: forward,
        primal: primal.name.clone(),
        mode: Mode::Augmented,
        params: specs,
        tape: tape.clone(),
        counter: made.counter,
        assumptions: augmented_assumptions,
        stats: Stats { saved: stats.saved, ..Stats::default() },
    };
    let reverse = Gradient {
        kernel: backward,
        primal: primal.name.clone(),
        mode: Mode::Split,
        params: reverse_specs,
        // Its size is the augmented kernel's business.
        tape: tape.map(|t| TapeNeed { varies: false, ..t }),
        counter: None,
        assumptions,
        stats,
    };
    Ok(SplitGradient { augmented, reverse })
}

fn is_primal(s: &ParamSpec) -> bool {
    matches!(s.purpose, Purpose::Primal { .. })
}

/// The end of the forward sweep: the first record is written.
fn write(k: &mut Kernel, ends: Ends, root: &RootVars) {
    let dom = crate::cfg::DomTree::new(k, &crate::cfg::Cfg::new(k));
    let mut b = KernelBuilder::new(k);
    let entry = b.k.entry();
    for (&(var, ty, _), def) in root.vars.iter().zip(&root.defined) {
        // A value that some threads do not reach is written all the same; let it be zero there.
        if def.is_some_and(|d| !dom.dominates(d, ends.exit)) {
            b.at = Cursor::At(entry, first_non_alloca(b.k, entry));
            let zero = b.k.zero(ty);
            b.store(var, zero, MemFlags::plain(1));
        }
    }
    b.at = Cursor::At(ends.exit, b.k.blocks[ends.exit].insts.len() - 1);
    for &(var, ty, offset) in &root.vars {
        let x = b.load(ty, var, MemFlags::plain(1));
        let x = widen(&mut b, x);
        let offset = b.k.int(Type::I64, offset.into());
        b.tape_store(offset, x);
    }
}

/// A new entry for the reverse sweep: the thread's arrays, the first record, the jump.
fn enter(k: &mut Kernel, made: &Made) {
    let old = k.entry();
    // Arrays, the clearing of those that are shadows, and what shadows of shared memory are found by.
    let ours: Vec<Inst> = k.blocks[old]
        .insts
        .iter()
        .copied()
        .filter(|i| match k.insts[*i].op {
            Op::Alloca { .. } => true,
            Op::MemSet { .. } => made.inserted.contains(i),
            _ => made.shared_inserted.contains(i),
        })
        .collect();
    let mut b = KernelBuilder::new(k);
    let new = b.block("entry.rev");
    b.k.layout.pop();
    b.k.layout.insert(0, new);
    b.k.blocks[new].insts = ours;
    b.switch_to(new);
    let Some(ends) = made.ends else {
        b.ret();
        return;
    };
    for &(var, ty, offset) in made.root.iter().flat_map(|r| &r.vars) {
        let offset = b.k.int(Type::I64, offset.into());
        let stored = stored_type(ty);
        let mut x = b.tape_load(offset, stored);
        if stored != ty {
            x = b.cast(CastOp::Trunc, x, ty);
        }
        b.store(var, x, MemFlags::plain(1));
    }
    b.br(ends.first);
}

/// Parameters that some instruction names.
fn used_params(k: &Kernel) -> HashSet<u32> {
    let mut used = HashSet::new();
    for (_, i) in k.iter_insts() {
        k.insts[i].op.for_each_operand(|v| {
            if let ValueDef::Param(n) = k.values[v].def {
                used.insert(n);
            }
        });
    }
    used
}
