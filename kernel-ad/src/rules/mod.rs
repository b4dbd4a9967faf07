//! Derivatives of every instruction: JVP and VJP side by side.
//!
//! Arithmetic and functions stand in one table of formulas, which serve both directions. The rest is linear: casts
//! between formats, selects, parts of vectors and aggregates. Memory, phis and control flow are the
//! business of [`crate::grad`].

mod formula;
mod linear;
mod lower;
mod table;

#[cfg(test)]
pub(crate) mod tests;

pub use linear::add;

use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::*;
use formula::Node;
use lower::Lower;
use smallvec::{smallvec, SmallVec};
use table::Rule;

/// A primal value that a VJP reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Need {
    /// Operand of that index.
    Operand(usize),
    /// The instruction's own result.
    Result,
}

/// True when a change of operand `i` changes the result of an instruction by a derivative that is not zero everywhere, or
/// by one that is not known. False for instructions without a result.
///
/// Loads, phis, warp operations, calls and assembly carry from their values; pointers, indices and conditions do not carry.
pub fn carries(k: &Kernel, inst: Inst, i: usize) -> bool {
    let data = &k.insts[inst];
    let (Some(result), Some(&operand)) = (data.result, data.op.operands().get(i)) else { return false };
    // Whatever has no float in it has no tangent to give. Bits of floats are the exception, refused further on.
    if !holds_float(k, k.ty(operand)) {
        return false;
    }
    match lanewise(k, inst) {
        Some((Rule::Lanewise(formulas), ..)) => formulas.get(i).is_some_and(Option::is_some),
        Some((Rule::Zero, ..)) => false,
        Some((Rule::Unknown, ..)) => true,
        None => match &data.op {
            Op::Cast { op: CastOp::Bitcast, .. } => true,
            Op::FCmp { .. } | Op::ICmp { .. } | Op::IntMath { .. } => false,
            _ => {
                holds_float(k, k.ty(result))
                    || matches!(data.op, Op::Asm { .. } | Op::Call { .. } | Op::Warp { .. })
            }
        },
    }
}

/// True for floats and whatever holds one.
pub fn holds_float(k: &Kernel, ty: Type) -> bool {
    match ty {
        Type::Agg(id) => match &k.aggs[id] {
            AggTy::Struct { fields, .. } => fields.iter().any(|&f| holds_float(k, f)),
            AggTy::Array { elem, .. } => holds_float(k, *elem),
        },
        ty => ty.is_float(),
    }
}

/// The primal values that [`vjp`] will ask for when the operands of which `active` is true get an adjoint. Constants are
/// not listed.
pub fn needs(k: &Kernel, inst: Inst, active: &dyn Fn(Value) -> bool) -> SmallVec<[Need; 4]> {
    let operands = k.insts[inst].op.operands();
    let mut found: SmallVec<[Need; 4]> = SmallVec::new();
    let mut add = |need: Need| {
        let constant = matches!(need, Need::Operand(i) if k.as_const(operands[i]).is_some());
        if !constant && !found.contains(&need) {
            found.push(need);
        }
    };
    match lanewise(k, inst) {
        Some((Rule::Lanewise(formulas), ..)) => {
            for (f, &v) in formulas.iter().zip(&operands) {
                if let Some(f) = f.as_ref().filter(|_| active(v)) {
                    f.visit(&mut |n| match n {
                        Node::X(i) | Node::Int(i, _) | Node::ToFloat(i) => add(Need::Operand(*i)),
                        Node::Y => add(Need::Result),
                        _ => {}
                    });
                }
            }
        }
        Some(_) => {}
        None => linear::needs(&k.insts[inst].op, active, &mut add),
    }
    found
}

/// What the adjoints of the operands grow by, when `adj` is the adjoint of the result: (operand, growth) for the operands
/// of which `active` is true, as new code at the builder's position. An operand that stands twice occurs twice.
///
/// `primal` gives the value at this point of a primal operand or result; it is asked for what [`needs`] lists.
pub fn vjp(
    b: &mut KernelBuilder,
    inst: Inst,
    primal: &mut dyn FnMut(&mut KernelBuilder, Need) -> Value,
    adj: Value,
    active: &dyn Fn(Value) -> bool,
) -> Result<SmallVec<[(usize, Value); 3]>> {
    let operands = b.k.insts[inst].op.operands();
    let wanted: SmallVec<[bool; 4]> =
        operands.iter().enumerate().map(|(i, &v)| active(v) && carries(b.k, inst, i)).collect();
    if !wanted.contains(&true) {
        return Ok(SmallVec::new());
    }
    let Some((rule, fmf, flavor)) = lanewise(b.k, inst) else {
        return linear::vjp(b, inst, primal, adj, &wanted);
    };
    let Rule::Lanewise(formulas) = rule else { return Err(no_rule(b.k, inst)) };
    let ty = b.k.ty(adj);
    let mut lower = Lower::new(primal, &operands, ty, derived(fmf), flavor);
    let mut out = SmallVec::new();
    for (i, f) in formulas.iter().enumerate() {
        if let Some(f) = f.as_ref().filter(|_| wanted[i]) {
            out.push((i, lower.eval(b, f, adj)));
        }
    }
    Ok(out)
}

/// The tangent of an instruction's result, from the tangents of its operands (`None`: zero), as new code at the builder's
/// position, which must come after the instruction. `None`: zero.
pub fn jvp(b: &mut KernelBuilder, inst: Inst, tangents: &[Option<Value>]) -> Result<Option<Value>> {
    let operands = b.k.insts[inst].op.operands();
    let live: SmallVec<[bool; 4]> =
        tangents.iter().enumerate().map(|(i, t)| t.is_some() && carries(b.k, inst, i)).collect();
    if !live.contains(&true) {
        return Ok(None);
    }
    let Some((rule, fmf, flavor)) = lanewise(b.k, inst) else {
        return linear::jvp(b, inst, tangents).map(Some);
    };
    let Rule::Lanewise(formulas) = rule else { return Err(no_rule(b.k, inst)) };
    let result = b.k.insts[inst].result.expect("an operand carries to a result");
    let ty = b.k.ty(result);
    let fmf = derived(fmf);
    let mut primal = |_: &mut KernelBuilder, need: Need| match need {
        Need::Operand(i) => operands[i],
        Need::Result => result,
    };
    let mut lower = Lower::new(&mut primal, &operands, ty, fmf, flavor);
    let mut sum = None;
    for (i, f) in formulas.iter().enumerate() {
        let (Some(f), true) = (f, live[i]) else { continue };
        let term = lower.eval(b, f, tangents[i].expect("live"));
        sum = Some(match sum {
            None => term,
            Some(s) => b.binary_fmf(BinOp::FAdd, s, term, fmf),
        });
    }
    Ok(sum)
}

/// The diagnostic for an active instruction that has no rule.
pub fn no_rule(k: &Kernel, inst: Inst) -> crate::diag::Diagnostics {
    let data = &k.insts[inst];
    if let Op::Math { func: MathFn::Opaque, .. } = &data.op {
        return Diagnostic::new(
            Code::NoRule,
            "the bits of an active float are computed with in a way that has no known derivative",
        )
        .at(k, data.loc)
        .help("write what the bits are for with fabsf, copysignf, ldexpf or a comparison, or mark its origin as const")
        .into();
    }
    let (name, help) = match &data.op {
        Op::Math { func, .. } => (format!("`{}`", format!("{func:?}").to_lowercase()), "mark what it is computed from as const"),
        Op::Cast { op: CastOp::Bitcast, .. } => (
            "a bit cast of an active float".to_string(),
            "write what the bits are for with fabsf, copysignf, ldexpf or a comparison, or mark its origin as const",
        ),
        op => (format!("`{}`", op_name(op)), "mark what it is computed from as const"),
    };
    Diagnostic::new(Code::NoRule, format!("no derivative rule for {name} on active data"))
        .at(k, data.loc)
        .help(help)
        .into()
}

/// A short name of an operation, for messages.
pub fn op_name(op: &Op) -> String {
    match op {
        Op::Binary { op, .. } => op.name().into(),
        Op::Cast { op, .. } => op.name().into(),
        Op::AtomicRmw { op, .. } => format!("atomicrmw {}", op.name()),
        op => {
            let debug = format!("{op:?}");
            debug.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase()
        }
    }
}

/// The table's rule for instructions that work lane by lane, with flags and flavor.
fn lanewise(k: &Kernel, inst: Inst) -> Option<(Rule, Fmf, Flavor)> {
    let data = &k.insts[inst];
    let float = |r: Option<Value>| r.and_then(|r| k.ty(r).float()).unwrap_or(FloatTy::F64);
    match &data.op {
        Op::Binary { op, a, b, fmf, .. } if op.is_float() => {
            if let Some(rule) = special(k, *op, *a, *b) {
                return Some((rule, *fmf, Flavor::Library));
            }
            let f = match op {
                BinOp::FAdd => MathFn::Add,
                BinOp::FSub => MathFn::Sub,
                BinOp::FMul => MathFn::Mul,
                BinOp::FDiv => MathFn::Div,
                _ => MathFn::Fmod,
            };
            Some((table::rule(f, float(data.result)), *fmf, Flavor::Library))
        }
        Op::FNeg { fmf, .. } => Some((Rule::Lanewise(vec![Some(-formula::d())]), *fmf, Flavor::Library)),
        Op::Math { func: MathFn::Convert, .. } => None,
        // A product with an infinite constant is infinite or no number; zero times infinity must not come of its slope.
        Op::Math { func: MathFn::Fma, args, fmf, .. } if infinite(k, args[0]) || infinite(k, args[1]) => {
            Some((Rule::Lanewise(vec![None, None, Some(formula::d())]), *fmf, Flavor::Library))
        }
        Op::Math { func: MathFn::Mul, args, fmf, .. } if infinite(k, args[0]) || infinite(k, args[1]) => {
            Some((Rule::Lanewise(vec![None, None]), *fmf, Flavor::Library))
        }
        Op::Math { func, flavor, fmf, .. } => {
            // Nearest is right for all that a rounding direction is asked of.
            let flavor = if matches!(flavor, Flavor::Rounded { .. }) { Flavor::Library } else { *flavor };
            Some((table::rule(*func, float(data.result)), *fmf, flavor))
        }
        _ => None,
    }
}

fn infinite(k: &Kernel, v: Value) -> bool {
    crate::mathlib::float_constant(k, v).is_some_and(f64::is_infinite)
}

/// Cheaper rules for squares and for quotients with a constant.
fn special(k: &Kernel, op: BinOp, a: Value, b: Value) -> Option<Rule> {
    use formula::{d, x, y};
    // Constants whose reciprocals are far from overflow and underflow.
    let constant = |v| crate::mathlib::float_constant(k, v).filter(|c| (1e-30..1e30).contains(&c.abs()));
    match op {
        BinOp::FMul if infinite(k, a) || infinite(k, b) => Some(Rule::Lanewise(vec![None, None])),
        BinOp::FMul if a == b => Some(Rule::Lanewise(vec![Some((d() + d()) * x(0)), None])),
        BinOp::FDiv => match (constant(a), constant(b)) {
            // Of 1/x and the like: from the result, without another division.
            (Some(c), _) => Some(Rule::Lanewise(vec![None, Some(-((d() * y()) * (y() * (1.0 / c))))])),
            (_, Some(c)) => Some(Rule::Lanewise(vec![Some(d() * (1.0 / c)), None])),
            _ => None,
        },
        _ => None,
    }
}

/// Flags of derivative code: what was promised of the primal's values (no NaN, no infinity) is not promised of the
/// derivative's; contraction is always allowed, since nothing prescribes its rounding.
fn derived(fmf: Fmf) -> Fmf {
    (fmf - (Fmf::NNAN | Fmf::NINF)) | Fmf::CONTRACT
}
