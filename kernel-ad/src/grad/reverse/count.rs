//! The counting kernel: the forward sweep with nothing left but its control flow and the length of its tape.

use super::input::Input;
use super::tape::record_bytes;
use crate::canon::first_non_phi;
use crate::diag::Result;
use crate::facts::Base;
use crate::grad::params::{pointer_param, pointer_spec};
use crate::grad::{clean, primal_specs, Gradient, Roles, ShadowParams};
use crate::kernel::*;
use crate::plan::Plan;
use shadow_mem::{Mode, Purpose, Stats};
use std::collections::HashSet;

/// Makes the counting kernel from the canonical forward sweep `k` (its shadow parameters are dropped).
pub fn counter(
    mut k: Kernel,
    primal: &Kernel,
    roles: &Roles,
    input: &Input<'_>,
    plan: &Plan,
    unwanted: &HashSet<Inst>,
) -> Result<Gradient> {
    k.name = format!("{}_count", primal.name);
    let mut specs = primal_specs(primal, roles)?;
    drop_shadows(&mut k, primal, input.params);
    // The result's parameter takes the first place behind the primal ones.
    let result = pointer_param(&mut k, "count", AddrSpace::Global, 8);
    specs.push(pointer_spec("count", AddrSpace::Global, Purpose::CountResult));

    let inserted: HashSet<Inst> = input.shadows.inserted.iter().copied().collect();
    let blocks = k.layout.clone();
    for b in &blocks {
        k.blocks[*b].insts.retain(|i| !inserted.contains(i) && !unwanted.contains(i));
    }
    let mut b = KernelBuilder::new(&mut k);
    let entry = b.k.entry();
    b.at = Cursor::At(entry, 0);
    let at = b.alloca(8, 8, AddrSpace::Generic);
    let zero = b.k.int(Type::I64, 0);
    b.at = Cursor::At(entry, 1);
    b.store(at, zero, MemFlags::plain(8));
    for &l in plan.frames.keys() {
        let region = &input.regions.loops[l];
        let bytes = b.k.int(Type::I64, record_bytes(plan, l).into());
        let mut places = vec![(region.latch, b.k.blocks[region.latch].insts.len() - 1)];
        places.extend(region.exits.iter().map(|&(_, pad)| (pad, first_non_phi(b.k, pad))));
        for (block, position) in places {
            b.at = Cursor::At(block, position);
            let old = b.load(Type::I64, at, MemFlags::plain(8));
            let new = b.binary(BinOp::Add, old, bytes);
            b.store(at, new, MemFlags::plain(8));
        }
    }
    let exits: Vec<Block> =
        blocks.iter().copied().filter(|&x| b.k.insts[b.k.terminator(x)].op == Op::Ret).collect();
    for x in exits {
        b.at = Cursor::At(x, b.k.blocks[x].insts.len() - 1);
        let val = b.load(Type::I64, at, MemFlags::plain(8));
        let op = Op::AtomicRmw { op: RmwOp::UMax, ptr: result, val, mem: MemFlags::relaxed(8) };
        b.insert(op, Type::I64);
    }
    let kept = needed_effects(&k, input, result);
    for b in &blocks {
        let keep = |i: &Inst| kept.contains(i) || !is_effect(&k.insts[*i].op);
        let list: Vec<Inst> = k.blocks[*b].insts.iter().copied().filter(keep).collect();
        k.blocks[*b].insts = list;
    }
    clean::promote(&mut k, &[(at, Type::I64)]);
    clean::remove_dead_code(&mut k);
    clean::simplify(&mut k);
    clean::remove_dead_code(&mut k);
    for (i, s) in specs.iter_mut().enumerate() {
        if let Purpose::Primal { .. } = s.purpose {
            s.written &= kept.iter().any(|&inst| {
                written_pointer(&k.insts[inst].op).is_some_and(|p| {
                    let bases = input.prov.of(p).bases;
                    bases.contains(&Base::Param(i as u32)) || bases.contains(&Base::Unknown)
                })
            });
        }
    }
    Ok(Gradient {
        kernel: k,
        primal: primal.name.clone(),
        mode: Mode::Count,
        params: specs,
        tape: None,
        counter: None,
        assumptions: Vec::new(),
        stats: Stats::default(),
    })
}

/// Takes the shadow parameters off again; nothing uses them.
fn drop_shadows(k: &mut Kernel, primal: &Kernel, _params: &ShadowParams) {
    k.params.truncate(primal.params.len());
    let beyond: Vec<Value> = k
        .values
        .iter()
        .filter(|(_, d)| matches!(d.def, ValueDef::Param(i) if i as usize >= primal.params.len()))
        .map(|(v, _)| v)
        .collect();
    for v in beyond {
        k.values[v].def = ValueDef::Const(Const::Undef);
    }
}

fn is_effect(op: &Op) -> bool {
    op.has_side_effects() && !op.is_terminator() && !matches!(op, Op::Load { .. })
}

fn written_pointer(op: &Op) -> Option<Value> {
    match op {
        Op::Store { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => Some(*ptr),
        Op::MemCopy { dst, .. } | Op::MemSet { dst, .. } => Some(*dst),
        _ => None,
    }
}

/// The effects without which the control flow would be another: those whose results it uses, and writes to memory
/// that it reads.
fn needed_effects(k: &Kernel, input: &Input<'_>, result: Value) -> HashSet<Inst> {
    let mut kept: HashSet<Inst> = HashSet::new();
    let mut live: HashSet<Inst> = HashSet::new();
    let mut read: HashSet<Base> = HashSet::new();
    let mut anything = false;
    let mut work: Vec<Inst> = Vec::new();
    for (_, i) in k.iter_insts() {
        let op = &k.insts[i].op;
        if op.is_terminator() || written_pointer(op) == Some(result) || matches!(op, Op::Trap) {
            work.push(i);
        }
    }
    loop {
        while let Some(i) = work.pop() {
            if !live.insert(i) {
                continue;
            }
            let op = &k.insts[i].op;
            if is_effect(op) {
                kept.insert(i);
            }
            match op {
                Op::Load { ptr, .. } | Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => {
                    read.extend(input.prov.of(*ptr).bases);
                }
                Op::MemCopy { src, .. } => read.extend(input.prov.of(*src).bases),
                Op::Call { .. } | Op::Asm { .. } => anything = true,
                _ => {}
            }
            work.extend(op.operands().into_iter().filter_map(|v| k.def_inst(v)));
            // The counting variable itself is a local.
            if let Op::Load { ptr, .. } = op {
                if input.prov.of(*ptr).bases.is_empty() {
                    work.extend(
                        k.iter_insts()
                            .map(|(_, s)| s)
                            .filter(|&s| matches!(&k.insts[s].op, Op::Store { ptr: p, .. } if p == ptr)),
                    );
                }
            }
        }
        let writes: Vec<Inst> = k
            .iter_insts()
            .map(|(_, i)| i)
            .filter(|i| !live.contains(i))
            .filter(|&i| {
                written_pointer(&k.insts[i].op).is_some_and(|p| {
                    input.prov.of(p).bases.iter().any(|&w| anything || read.iter().any(|&r| meet(r, w)))
                })
            })
            .collect();
        if writes.is_empty() {
            return kept;
        }
        work = writes;
    }
}

/// Whether a write to one object may be seen by a read of the other. Different parameters may be one buffer here: the
/// counting kernel runs before the launcher has checked anything.
fn meet(read: Base, write: Base) -> bool {
    match (read, write) {
        (a, b) if a == b => true,
        (Base::Alloca(_), _) | (_, Base::Alloca(_)) => false,
        _ => true,
    }
}
