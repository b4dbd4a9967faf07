//! Tangents of values.

use super::{bits, call, memory, Input};
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::grad::shadow::Shadows;
use crate::grad::{Roles, ShadowParams};
use crate::kernel::*;
use crate::rules;
use shadow_mem::Role;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};

/// The kernel under construction, and the tangents so far.
pub(super) struct Tangents<'a> {
    pub input: &'a Input<'a>,
    pub shadows: &'a Shadows,
    of: HashMap<Value, Value>,
}

impl Tangents<'_> {
    /// The tangent of a value, if it has one.
    pub(super) fn of(&self, v: Value) -> Option<Value> {
        self.of.get(&v).copied()
    }

    pub(super) fn set(&mut self, v: Value, tangent: Value) {
        self.of.insert(v, tangent);
    }

    /// The tangent of a value, or a zero of its type.
    pub(super) fn or_zero(&self, k: &mut Kernel, v: Value) -> Value {
        match self.of(v) {
            Some(t) => t,
            None => {
                let ty = k.ty(v);
                k.zero(ty)
            }
        }
    }
}

/// Inserts the tangents of everything into a copy of the primal that has its shadow pointers.
pub(super) fn build(
    k: &mut Kernel,
    input: &Input<'_>,
    roles: &Roles,
    params: &ShadowParams,
    shadows: &Shadows,
) -> Result<()> {
    let mut t = Tangents { input, shadows, of: HashMap::new() };
    let generated: HashSet<Inst> = shadows.inserted.iter().copied().collect();
    let mut errors = Vec::new();
    let mut phis: Vec<(Inst, Value)> = Vec::new();
    load_active_scalars(k, roles, params, &mut t);
    for &block in input.cfg.rpo() {
        let old = std::mem::take(&mut k.blocks[block].insts);
        for &inst in &old {
            // Barriers between a terminator and its tangent do not exist: terminators have none.
            k.blocks[block].insts.push(inst);
            if generated.contains(&inst) {
                continue;
            }
            let mut b = KernelBuilder::new(k);
            b.switch_to(block);
            b.loc = b.k.insts[inst].loc;
            call::call(&mut b, block, inst, &mut t)?;
            if let Err(Diagnostics(e)) = after(&mut b, inst, &mut t, &mut phis) {
                errors.extend(e);
            }
        }
    }
    if !errors.is_empty() {
        return Err(Diagnostics(errors));
    }
    for (primal, tangent) in phis {
        let Op::Phi { incoming } = k.insts[primal].op.clone() else { unreachable!("collected phis only") };
        let incoming = incoming.into_iter().map(|(from, v)| (from, t.or_zero(k, v))).collect();
        let inst = k.def_inst(tangent).expect("a phi");
        k.insts[inst].op = Op::Phi { incoming };
    }
    Ok(())
}

/// Tangents of differentiated scalars lie in one element each.
fn load_active_scalars(k: &mut Kernel, roles: &Roles, params: &ShadowParams, t: &mut Tangents<'_>) {
    let entry = k.entry();
    let mut b = KernelBuilder::new(k);
    b.at = Cursor::At(entry, 0);
    for (i, &shadow) in params.of_param.iter().enumerate() {
        let v = b.k.param_value(i as u32);
        let ty = b.k.ty(v);
        let (Some(shadow), Role::Active, true) = (shadow, roles.params[i].role, ty.is_float()) else {
            continue;
        };
        if t.input.carries(b.k, v) {
            let align = b.k.bytes(ty.scalar()) as u32;
            let loaded = b.load(ty, shadow, MemFlags::plain(align));
            t.of.insert(v, loaded);
        }
    }
}

/// Code behind one instruction of the primal.
fn after(
    b: &mut KernelBuilder,
    inst: Inst,
    t: &mut Tangents<'_>,
    phis: &mut Vec<(Inst, Value)>,
) -> Result<()> {
    memory::mirror(b, inst, t)?;
    let Some(r) = b.k.insts[inst].result else { return Ok(()) };
    if !t.input.carries(b.k, r) || t.of(r).is_some() {
        return Ok(());
    }
    let op = b.k.insts[inst].op.clone();
    let ty = b.k.ty(r);
    let tangent = match &op {
        Op::Phi { .. } => {
            let v = b.value(Op::Phi { incoming: Vec::new() }, ty);
            phis.push((inst, v));
            v
        }
        Op::Warp { op: warp, args } => {
            if warp.handed_on().is_empty() {
                return Err(unexpected(b.k, inst));
            }
            let mut args = args.clone();
            for &at in warp.handed_on() {
                args[at] = t.or_zero(b.k, args[at]);
            }
            b.value(Op::Warp { op: *warp, args }, ty)
        }
        // What they give comes from memory, or from nowhere that can be seen.
        Op::Load { .. }
        | Op::AtomicRmw { .. }
        | Op::CmpXchg { .. }
        | Op::Call { .. }
        | Op::Asm { .. }
        | Op::TapeLoad { .. } => return Err(unexpected(b.k, inst)),
        op if moves_bits(b.k, op, ty) => {
            let how = bits::moves(b.k, op, ty).ok_or_else(|| unexpected(b.k, inst))?;
            move_bits(b, op, ty, how, t)
        }
        _ => {
            let tangents: SmallVec<[Option<Value>; 4]> = op.operands().iter().map(|&v| t.of(v)).collect();
            match rules::jvp(b, inst, &tangents)? {
                Some(v) => v,
                None => b.k.zero(ty),
            }
        }
    };
    t.of.insert(r, tangent);
    Ok(())
}

/// True when an operation moves data without computing with it, or computes with integers that hold floats.
pub(super) fn moves_bits(k: &Kernel, op: &Op, result: Type) -> bool {
    match op {
        op if bits::structural(op) => true,
        // Bits turn into floats, or the reverse.
        Op::Cast { op: CastOp::Bitcast, a, .. } => {
            k.ty(*a).float() != result.float() || k.ty(*a).lanes() != result.lanes()
        }
        _ => !rules::holds_float(k, result),
    }
}

fn move_bits(b: &mut KernelBuilder, op: &Op, ty: Type, how: bits::Moves, t: &Tangents<'_>) -> Value {
    let mut op = op.clone();
    match (how, &op) {
        (bits::Moves::Union, Op::Binary { a, b: other, .. }) => {
            let (x, y) = (t.or_zero(b.k, *a), t.or_zero(b.k, *other));
            b.binary(BinOp::Or, x, y)
        }
        (_, Op::Binary { op: bin, a, b: by, .. }) => {
            // The amount of a shift and a mask stay as they are; so do not take over flags, which speak of the primal's bits.
            let x = t.or_zero(b.k, *a);
            b.binary(*bin, x, *by)
        }
        (_, Op::Cast { op: cast, a, .. }) => {
            let x = t.or_zero(b.k, *a);
            b.cast(*cast, x, ty)
        }
        (_, Op::Select { cond, a, b: other, .. }) => {
            let (x, y) = (t.or_zero(b.k, *a), t.or_zero(b.k, *other));
            b.select(*cond, x, y)
        }
        _ => {
            // Indices are operands too; they have no tangents that could replace them.
            let index = match &op {
                Op::ExtractElement { index, .. } | Op::InsertElement { index, .. } => Some(*index),
                _ => None,
            };
            let operands = op.operands();
            let mut replaced = operands.iter().map(|&v| if Some(v) == index { v } else { t.or_zero(b.k, v) });
            op.map_operands(|v| replaced.next().unwrap_or(v));
            b.value(op, ty)
        }
    }
}

fn unexpected(k: &Kernel, inst: Inst) -> Diagnostics {
    Diagnostic::new(
        Code::Bug,
        format!("`{}` on active data passed the check of forward mode", rules::op_name(&k.insts[inst].op)),
    )
    .at(k, k.insts[inst].loc)
    .into()
}
