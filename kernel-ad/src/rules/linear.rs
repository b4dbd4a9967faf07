//! Instructions that only move, choose or convert: they are linear in what they carry.

use super::lower::Primal;
use super::*;
use std::collections::HashMap;

/// Primal values that the VJP of such an instruction reads.
pub(super) fn needs(op: &Op, active: &dyn Fn(Value) -> bool, add: &mut dyn FnMut(Need)) {
    match op {
        Op::Select { a, b, .. } if active(*a) || active(*b) => add(Need::Operand(0)),
        Op::ExtractElement { vec, .. } if active(*vec) => add(Need::Operand(1)),
        Op::InsertElement { vec, elem, .. } if active(*vec) || active(*elem) => add(Need::Operand(2)),
        _ => {}
    }
}

/// As [`super::jvp`]; at least one carrying operand has a tangent.
pub(super) fn jvp(b: &mut KernelBuilder, inst: Inst, tangents: &[Option<Value>]) -> Result<Value> {
    let op = b.k.insts[inst].op.clone();
    let result = b.k.insts[inst].result.expect("an operand carries to a result");
    let ty = b.k.ty(result);
    let operands = op.operands();
    let tangent = |b: &mut KernelBuilder, i: usize| match tangents[i] {
        Some(t) => t,
        None => {
            let ty = b.k.ty(operands[i]);
            b.k.zero(ty)
        }
    };
    Ok(match op {
        Op::Freeze { .. } => {
            let t = tangent(b, 0);
            b.value(Op::Freeze { a: t }, ty)
        }
        Op::Cast { op: CastOp::FpExt | CastOp::FpTrunc, .. } | Op::Math { func: MathFn::Convert, .. } => {
            let t = tangent(b, 0);
            float_cast(b, t, ty)
        }
        Op::Cast { op: CastOp::Bitcast, a, .. } if same_lanes(b.k.ty(a), ty) => {
            let t = tangent(b, 0);
            b.cast(CastOp::Bitcast, t, ty)
        }
        Op::Select { cond, .. } => {
            let (t, u) = (tangent(b, 1), tangent(b, 2));
            b.value(Op::Select { cond, a: t, b: u, fmf: Fmf::empty() }, ty)
        }
        Op::ExtractElement { index, .. } => {
            let vec = tangent(b, 0);
            b.value(Op::ExtractElement { vec, index }, ty)
        }
        Op::InsertElement { index, .. } => {
            let (vec, elem) = (tangent(b, 0), tangent(b, 1));
            b.value(Op::InsertElement { vec, elem, index }, ty)
        }
        Op::ShuffleVector { mask, .. } => {
            let (t, u) = (tangent(b, 0), tangent(b, 1));
            b.value(Op::ShuffleVector { a: t, b: u, mask }, ty)
        }
        Op::ExtractValue { path, .. } => {
            let agg = tangent(b, 0);
            b.value(Op::ExtractValue { agg, path }, ty)
        }
        Op::InsertValue { path, .. } => {
            let (agg, elem) = (tangent(b, 0), tangent(b, 1));
            b.value(Op::InsertValue { agg, elem, path }, ty)
        }
        _ => return Err(no_rule(b.k, inst)),
    })
}

/// As [`super::vjp`]; `wanted` says which operands get an adjoint.
pub(super) fn vjp(
    b: &mut KernelBuilder,
    inst: Inst,
    primal: Primal,
    adj: Value,
    wanted: &[bool],
) -> Result<SmallVec<[(usize, Value); 3]>> {
    let op = b.k.insts[inst].op.clone();
    let adj_ty = b.k.ty(adj);
    let mut out = SmallVec::new();
    let mut ask = |b: &mut KernelBuilder, i: usize, v: Value| match b.k.as_const(v) {
        Some(_) => v,
        None => primal(b, Need::Operand(i)),
    };
    match op {
        Op::Freeze { .. } => out.push((0, adj)),
        Op::Cast { op: CastOp::FpExt | CastOp::FpTrunc, a, .. } => {
            let ty = b.k.ty(a);
            out.push((0, float_cast(b, adj, ty)));
        }
        Op::Math { func: MathFn::Convert, args, .. } => {
            let ty = b.k.ty(args[0]);
            out.push((0, float_cast(b, adj, ty)));
        }
        Op::Cast { op: CastOp::Bitcast, a, .. } if same_lanes(b.k.ty(a), adj_ty) => {
            let ty = b.k.ty(a);
            out.push((0, b.cast(CastOp::Bitcast, adj, ty)));
        }
        Op::Select { cond, .. } => {
            let cond = ask(b, 0, cond);
            let zero = b.k.zero(adj_ty);
            for (i, (x, y)) in [(1, (adj, zero)), (2, (zero, adj))] {
                if wanted[i] {
                    out.push((i, b.select(cond, x, y)));
                }
            }
        }
        Op::ExtractElement { vec, index } => {
            let index = ask(b, 1, index);
            let ty = b.k.ty(vec);
            let zero = b.k.zero(ty);
            out.push((0, b.value(Op::InsertElement { vec: zero, elem: adj, index }, ty)));
        }
        Op::InsertElement { elem, index, .. } => {
            let index = ask(b, 2, index);
            let elem_ty = b.k.ty(elem);
            if wanted[0] {
                let zero = b.k.zero(elem_ty);
                out.push((0, b.value(Op::InsertElement { vec: adj, elem: zero, index }, adj_ty)));
            }
            if wanted[1] {
                out.push((1, b.value(Op::ExtractElement { vec: adj, index }, elem_ty)));
            }
        }
        Op::ShuffleVector { a, b: second, mask } => {
            let first_lanes = i32::from(b.k.ty(a).lanes());
            for (i, v, offset) in [(0, a, 0), (1, second, first_lanes)] {
                if wanted[i] {
                    let ty = b.k.ty(v);
                    if let Some(growth) = unshuffle(b, adj, &mask, offset, ty) {
                        out.push((i, growth));
                    }
                }
            }
        }
        Op::ExtractValue { agg, path } => {
            let ty = b.k.ty(agg);
            let zero = b.k.zero(ty);
            out.push((0, b.value(Op::InsertValue { agg: zero, elem: adj, path }, ty)));
        }
        Op::InsertValue { elem, path, .. } => {
            let elem_ty = b.k.ty(elem);
            if wanted[0] {
                let zero = b.k.zero(elem_ty);
                out.push((0, b.value(Op::InsertValue { agg: adj, elem: zero, path: path.clone() }, adj_ty)));
            }
            if wanted[1] {
                out.push((1, b.value(Op::ExtractValue { agg: adj, path }, elem_ty)));
            }
        }
        _ => return Err(no_rule(b.k, inst)),
    }
    Ok(out)
}

/// Two adjoints or tangents of one type, summed: aggregates member by member, integers and pointers in them as in `x`.
pub fn add(b: &mut KernelBuilder, x: Value, y: Value) -> Value {
    let ty = b.k.ty(x);
    let Type::Agg(id) = ty else {
        return if ty.is_float() { b.binary_fmf(BinOp::FAdd, x, y, Fmf::CONTRACT) } else { x };
    };
    let members = match &b.k.aggs[id] {
        AggTy::Struct { fields, .. } => fields.clone(),
        AggTy::Array { elem, len, .. } => vec![*elem; *len as usize],
    };
    let mut sum = x;
    for (i, member) in members.into_iter().enumerate() {
        if !holds_float(b.k, member) {
            continue;
        }
        let (p, q) = (b.extract_value(x, i as u32), b.extract_value(y, i as u32));
        let elem = add(b, p, q);
        sum = b.value(Op::InsertValue { agg: sum, elem, path: smallvec![i as u32] }, ty);
    }
    sum
}

/// Between float formats; nothing when they are the same.
fn float_cast(b: &mut KernelBuilder, v: Value, to: Type) -> Value {
    let (Some(from), Some(dest)) = (b.k.ty(v).float(), to.float()) else { return v };
    if from == dest {
        v
    } else if from.bytes() < dest.bytes() {
        b.cast(CastOp::FpExt, v, to)
    } else if from.bytes() > dest.bytes() {
        b.cast(CastOp::FpTrunc, v, to)
    } else {
        // f16 and bf16: neither holds the other.
        let wide = b.cast(CastOp::FpExt, v, to.with_scalar(Lane::Float(FloatTy::F32)));
        b.cast(CastOp::FpTrunc, wide, to)
    }
}

/// True when a bit cast between the types keeps every lane a float of the same format.
fn same_lanes(a: Type, b: Type) -> bool {
    a.float().is_some() && a.float() == b.float() && a.lanes() == b.lanes()
}

/// The transpose of a shuffle: lane `j` of the result is the sum of the lanes `i` with `mask[i] == j + offset`.
fn unshuffle(b: &mut KernelBuilder, adj: Value, mask: &[i32], offset: i32, ty: Type) -> Option<Value> {
    let lanes = usize::from(ty.lanes());
    let mut takers: HashMap<usize, Vec<i32>> = HashMap::new();
    for (i, &m) in mask.iter().enumerate() {
        let j = m - offset;
        if m >= 0 && (0..lanes as i32).contains(&j) {
            takers.entry(j as usize).or_default().push(i as i32);
        }
    }
    let rounds = takers.values().map(Vec::len).max().unwrap_or(0);
    let adj_ty = b.k.ty(adj);
    let zero = b.k.zero(adj_ty);
    let none = i32::from(adj_ty.lanes());
    let mut sum = None;
    for round in 0..rounds {
        let mask: Vec<i32> =
            (0..lanes).map(|j| takers.get(&j).and_then(|t| t.get(round)).copied().unwrap_or(none)).collect();
        let part = b.value(Op::ShuffleVector { a: adj, b: zero, mask }, ty);
        sum = Some(match sum {
            None => part,
            Some(s) => b.binary_fmf(BinOp::FAdd, s, part, Fmf::CONTRACT),
        });
    }
    sum
}
