//! The manifest's side of a reverse kernel: parameters, assumptions, figures.

use super::call;
use super::input::{Input, MemoryAdjoint};
use super::is_shadow;
use crate::facts::injective::{axes, own_buffers, stores_own, Access, Subject};
use crate::facts::trip::DefBlocks;
use crate::facts::{Base, Exclusive, Provenance, Writes};
use crate::grad::params::{elem_type, pointer_param, pointer_spec};
use crate::kernel::*;
use crate::plan::{Decision, Plan, Recipe};
use shadow_mem::{Assumption, Expr, ParamSpec, Passing, Purpose, Stats};
use std::collections::{BTreeSet, HashSet};

/// Appends the tape's three parameters.
pub fn add_tape_params(k: &mut Kernel, specs: &mut Vec<ParamSpec>, need: &Option<Expr>, align: u64) {
    let base = k.params.len() as u32;
    pointer_param(k, "tape", AddrSpace::Global, 16);
    specs.push(pointer_spec("tape", AddrSpace::Global, Purpose::TapeBase));
    k.add_param(Param::new("tape.capacity", Type::I64));
    specs.push(ParamSpec {
        name: "tape.capacity".into(),
        passing: Passing::Scalar { ty: Some(shadow_mem::ElemType::I64) },
        bytes: 8,
        align: 8,
        purpose: Purpose::TapeCapacity,
        accumulate_only: None,
        written: false,
    });
    pointer_param(k, "tape.status", AddrSpace::Global, 8);
    specs.push(pointer_spec("tape.status", AddrSpace::Global, Purpose::TapeStatus));
    let bounded = match need {
        Some(Expr::Const(n)) => u64::try_from(*n).ok(),
        _ => None,
    };
    k.tape = Some(TapeInfo { base, capacity: base + 1, status: base + 2, bounded, align: align as u32 });
}

/// Where allocas lie: local memory on AMDGPU, generic on NVPTX.
pub fn local_space(k: &Kernel) -> AddrSpace {
    match k.source.arch {
        Arch::Amdgpu => AddrSpace::Local,
        Arch::Nvptx => AddrSpace::Generic,
    }
}

/// Parameters in whose shadows every thread touches only what is its own.
pub fn own_shadows(k: &Kernel, input: &Input<'_>, blocks: &DefBlocks) -> BTreeSet<u32> {
    let subject =
        Subject { k, regions: input.regions, blocks, prov: input.prov, cfg: input.cfg, dom: input.dom };
    if !stores_own(subject) {
        return BTreeSet::new();
    }
    let mut accesses = Vec::new();
    for &b in input.cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let bytes = match &k.insts[i].op {
                Op::Load { .. } => k.insts[i].result.map(|r| k.bytes(k.ty(r))),
                Op::Store { val, .. } | Op::AtomicRmw { val, .. } => Some(k.bytes(k.ty(*val))),
                _ => None,
            };
            let data = &k.insts[i];
            if let Some(call) = input.active_call(k, &data.op, data.result) {
                let pointers = call.args.iter().filter(|&&v| k.ty(v).is_ptr());
                accesses.extend(pointers.map(|&ptr| Access { ptr, bytes: None, at: b }));
            }
            match input.memory_adjoint(k, i) {
                MemoryAdjoint::None => {}
                MemoryAdjoint::Load(ptr) | MemoryAdjoint::Store(ptr) => {
                    accesses.push(Access { ptr, bytes, at: b })
                }
                // Others read the sum too.
                MemoryAdjoint::Add(ptr, _) | MemoryAdjoint::Take(ptr) | MemoryAdjoint::Extremum(ptr, _) => {
                    accesses.push(Access { ptr, bytes: None, at: b })
                }
                MemoryAdjoint::Copy { dst, src, len } => {
                    let bytes = k.as_int(len).and_then(|n| u64::try_from(n).ok());
                    accesses.push(Access { ptr: dst, bytes, at: b });
                    accesses.extend(src.map(|ptr| Access { ptr, bytes, at: b }));
                }
                MemoryAdjoint::Clear { dst, len } => {
                    let bytes = k.as_int(len).and_then(|n| u64::try_from(n).ok());
                    accesses.push(Access { ptr: dst, bytes, at: b });
                }
            }
        }
    }
    own_buffers(subject, &accesses)
}

/// True when no other thread can add into the shadow behind this pointer.
pub fn is_private(prov: &Provenance, own: &BTreeSet<u32>, ptr: Value) -> bool {
    let fact = prov.of(ptr);
    match fact.single() {
        Some(Base::Param(i)) => own.contains(&i),
        _ => !fact.bases.is_empty() && fact.bases.iter().all(|b| matches!(b, Base::Alloca(_))),
    }
}

/// Says of each parameter what the kernel does with the memory behind it.
pub fn describe_params(k: &Kernel, specs: &mut [ParamSpec], writes: &Writes) {
    for (i, spec) in specs.iter_mut().enumerate() {
        match &spec.purpose {
            Purpose::Primal { .. } => {
                let at_field = |b: &Base| matches!(b, Base::Field { param, .. } if *param == i as u32);
                spec.written = match spec.passing {
                    Passing::Struct => writes.bases().any(at_field) || writes.anywhere(),
                    _ => spec.written && (writes.to(Base::Param(i as u32)) || writes.anywhere()),
                };
            }
            p if is_shadow(p) => {
                spec.accumulate_only = only_added(k, k.param_value(i as u32)).and_then(elem_type);
            }
            _ => {}
        }
    }
}

/// The type of what is added behind a pointer, if the kernel does nothing else there and threads may collide: where
/// none do, a launcher gains nothing by private copies.
fn only_added(k: &Kernel, param: Value) -> Option<Type> {
    let mut derived: HashSet<Value> = HashSet::from([param]);
    let mut grown = true;
    while grown {
        grown = false;
        for (_, i) in k.iter_insts() {
            let data = &k.insts[i];
            let from = match &data.op {
                Op::PtrAdd { ptr, .. } => derived.contains(ptr),
                Op::Cast { op: CastOp::AddrSpaceCast, a, .. } => derived.contains(a),
                Op::Phi { incoming } => incoming.iter().any(|(_, v)| derived.contains(v)),
                Op::Select { a, b, .. } => derived.contains(a) || derived.contains(b),
                _ => false,
            };
            if let (true, Some(r)) = (from && data.result.is_some_and(|r| k.ty(r).is_ptr()), data.result) {
                grown |= derived.insert(r);
            }
        }
    }
    let mut found: Option<Type> = None;
    let mut collisions = false;
    for (_, i) in k.iter_insts() {
        let data = &k.insts[i];
        let mut uses = false;
        data.op.for_each_operand(|v| uses |= derived.contains(&v));
        if !uses || data.result.is_some_and(|r| derived.contains(&r)) {
            continue;
        }
        let Op::Accumulate { ptr, val, atomic, .. } = &data.op else { return None };
        let ty = k.ty(*val);
        collisions |= atomic;
        if !derived.contains(ptr) || found.is_some_and(|f| f != ty) {
            return None;
        }
        found = Some(ty);
    }
    found.filter(|_| collisions)
}

/// What the launcher must check.
pub fn assumptions(
    k: &Kernel,
    plan: &Plan,
    input: &Input<'_>,
    specs: &[ParamSpec],
    own: &BTreeSet<u32>,
    exclusive: &Exclusive,
) -> Vec<Assumption> {
    let mut pairs: BTreeSet<(u32, u32)> = plan.distinct.clone();
    // What is loaded again must not be a shadow either: those are written by then.
    let reloaded = plan.of.iter().filter_map(|(v, d)| match (d, k.def_op(v)) {
        (Some(Decision::Again(Recipe::Again { load: true, .. })), Some(Op::Load { ptr, .. })) => Some(*ptr),
        _ => None,
    });
    let extrema: Vec<Value> = looked_at(k, input);
    let writes = Writes::new(k, input.cfg, input.prov);
    for p in extrema.iter().filter_map(|&e| match input.prov.of(e).single() {
        Some(Base::Param(p)) => Some(p),
        _ => None,
    }) {
        // Another name for the same memory could overwrite what is looked at.
        let others = (0..k.params.len() as u32).filter(|&q| q != p && writes.to(Base::Param(q)));
        pairs.extend(others.map(|q| (p.min(q), p.max(q))));
    }
    for ptr in reloaded.chain(call::read_again(k, input)).chain(extrema) {
        for base in input.prov.of(ptr).bases {
            let Base::Param(i) = base else { continue };
            if k.params[i as usize].by_value.is_some() {
                continue;
            }
            for (n, s) in specs.iter().enumerate() {
                if is_shadow(&s.purpose) {
                    pairs.insert((i, n as u32));
                }
            }
        }
    }
    // A shadow that is added to without atomics must not be another parameter's shadow as well.
    let shadows: Vec<(u32, &ParamSpec)> =
        specs.iter().enumerate().filter(|(_, s)| is_shadow(&s.purpose)).map(|(n, s)| (n as u32, s)).collect();
    for (n, s) in &shadows {
        if matches!(s.purpose, Purpose::Shadow { of } if own.contains(&of)) {
            pairs.extend(shadows.iter().filter(|(m, _)| m != n).map(|(m, _)| (*n.min(m), *n.max(m))));
        }
    }
    let mut out: Vec<Assumption> = pairs.into_iter().map(|(a, b)| Assumption::Distinct { a, b }).collect();
    if !own.is_empty() {
        let used = axes(k).unwrap_or(3);
        out.push(Assumption::OneAlong { axes: (used..3).collect() });
    }
    out.extend(exclusive.assumptions.iter().filter(|a| !out.contains(a)).cloned().collect::<Vec<_>>());
    out
}

/// Addresses of atomic extrema where the reverse sweep looks who has won.
fn looked_at(k: &Kernel, input: &Input<'_>) -> Vec<Value> {
    let insts = input.cfg.rpo().iter().flat_map(|&b| &k.blocks[b].insts);
    let adjoints = insts.map(|&i| input.memory_adjoint(k, i));
    adjoints.filter_map(|a| if let MemoryAdjoint::Extremum(p, _) = a { Some(p) } else { None }).collect()
}

/// What must lie where it lay when the augmented kernel ran, for what the reverse kernel loads again.
pub fn kept(k: &Kernel, plan: &Plan, input: &Input<'_>) -> Vec<Assumption> {
    let mut bases = BTreeSet::new();
    for (v, d) in plan.of.iter() {
        if let (Some(Decision::Again(Recipe::Again { load: true, .. })), Some(Op::Load { ptr, .. })) =
            (d, k.def_op(v))
        {
            bases.extend(input.prov.of(*ptr).bases);
        }
    }
    for (_, i) in k.iter_insts() {
        if let MemoryAdjoint::Extremum(ptr, _) = input.memory_adjoint(k, i) {
            bases.extend(input.prov.of(ptr).bases);
        }
    }
    bases.extend(call::read_again(k, input).into_iter().flat_map(|p| input.prov.of(p).bases));
    let mut out: Vec<Assumption> = Vec::new();
    for b in bases {
        let kept = match b {
            Base::Param(i) if k.params[i as usize].by_value.is_some() => continue,
            Base::Param(param) | Base::Field { param, .. } => Assumption::Kept { param },
            Base::Global(g) if k.globals[g].is_const && !k.globals[g].external => continue,
            Base::Global(g) => Assumption::KeptVariable { name: k.globals[g].name.clone() },
            Base::Alloca(_) | Base::Unknown => Assumption::KeptAll,
        };
        if !out.contains(&kept) {
            out.push(kept);
        }
    }
    out
}

/// Figures by value rather than by copy.
pub fn count_sites(sites: Stats, plan: &Plan) -> Stats {
    let count = |f: &dyn Fn(&Decision) -> bool| plan.of.values().flatten().filter(|d| f(d)).count() as u32;
    Stats {
        saved: count(&|d| matches!(d, Decision::Save)),
        recomputed: count(
            &|d| matches!(d, Decision::Again(r) if !matches!(r, Recipe::Again { load: true, .. })),
        ),
        reloaded: count(&|d| matches!(d, Decision::Again(Recipe::Again { load: true, .. }))),
        ..sites
    }
}
