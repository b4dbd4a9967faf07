//! Manifests of emitted kernels.

use super::{Subject, Target};
use crate::diag::Result;
use crate::grad::{primal_specs, Gradient, Roles};
use crate::kernel::*;
use shadow_mem::{Assumption, Form, Manifest, Mode, Role, Stats, TapeLayout, TapeSpec, MANIFEST_VERSION};
use std::collections::BTreeSet;

/// The manifest of what is to be emitted.
pub fn manifest(subject: &Subject<'_>, target: &Target, form: Form, layout: TapeLayout) -> Result<Manifest> {
    match subject {
        Subject::Primal(k) => primal(k, target, form),
        Subject::Gradient(g) => gradient(g, target, form, layout),
        Subject::Split(s) => {
            let mut m = gradient(&s.augmented, target, form, layout)?;
            m.reverse = Some(Box::new(gradient(&s.reverse, target, form, layout)?));
            Ok(m)
        }
    }
}

fn primal(k: &Kernel, target: &Target, form: Form) -> Result<Manifest> {
    let mut m = common(k, target, form);
    m.params = primal_specs(k, &Roles::of(&vec![Role::Const; k.params.len()]))?;
    Ok(m)
}

fn gradient(g: &Gradient, target: &Target, form: Form, layout: TapeLayout) -> Result<Manifest> {
    let mut m = common(&g.kernel, target, form);
    m.kernel = g.primal.clone();
    m.mode = g.mode;
    m.params = g.params.clone();
    m.assumptions.extend(g.assumptions.iter().filter(|a| !promised(&g.kernel).contains(a)).cloned());
    m.stats = g.stats;
    m.tape = match &g.tape {
        None => None,
        Some(need) => Some(TapeSpec {
            layout,
            bytes_per_thread: need.bytes_per_thread.clone(),
            align: need.align,
            counter: match &g.counter {
                Some(c) => Some(Box::new(gradient(c, target, form, layout)?)),
                None => None,
            },
            varies: need.varies,
        }),
    };
    Ok(m)
}

/// What the primal itself relies on.
fn promised(k: &Kernel) -> Vec<Assumption> {
    k.bounds.distinct.iter().map(|&(a, b)| Assumption::Distinct { a, b }).collect()
}

fn common(k: &Kernel, target: &Target, form: Form) -> Manifest {
    let shared: Vec<&GlobalVar> = k.globals.values().filter(|g| g.space == AddrSpace::Shared).collect();
    let locals = k.iter_insts().filter_map(|(_, i)| match k.insts[i].op {
        Op::Alloca { bytes, .. } => Some(bytes),
        _ => None,
    });
    let required = k.bounds.required_block.map(|b| b.iter().product());
    Manifest {
        version: MANIFEST_VERSION,
        symbol: k.name.clone(),
        kernel: k.name.clone(),
        mode: Mode::Primal,
        target: target.to_string(),
        form: Some(form),
        warp_size: k.source.warp_size,
        params: Vec::new(),
        shared_bytes: used_shared_bytes(k),
        dynamic_shared: shared.iter().any(|g| g.bytes == 0),
        local_bytes: locals.sum(),
        max_threads: required.or(k.bounds.max_threads),
        tape: None,
        reverse: None,
        assumptions: promised(k),
        stats: Stats::default(),
    }
}

/// Static shared memory of the variables that the code names: an augmented kernel has no use for shadows, and LLVM drops them.
fn used_shared_bytes(k: &Kernel) -> u64 {
    let operands = k.iter_insts().flat_map(|(_, i)| k.insts[i].op.operands());
    let used: BTreeSet<Global> = operands
        .filter_map(|v| match k.as_const(v) {
            Some(Const::Global(g)) => Some(*g),
            _ => None,
        })
        .collect();
    used.iter().map(|g| &k.globals[*g]).filter(|g| g.space == AddrSpace::Shared).map(|g| g.bytes).sum()
}
