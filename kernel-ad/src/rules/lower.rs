//! Formulas to Kernel IR.

use super::formula::{Formula, Node};
use super::Need;
use crate::kernel::*;
use crate::mathlib::float_constant;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Gives the primal values that a formula reads.
pub(super) type Primal<'a> = &'a mut dyn FnMut(&mut KernelBuilder, Need) -> Value;

/// Evaluates formulas of one instruction.
pub(super) struct Lower<'a> {
    /// Primal values.
    pub primal: Primal<'a>,
    /// Operands and type of the instruction's result.
    pub args: &'a [Value],
    pub ty: Type,
    /// Flags and flavor of the instruction, for the functions of its derivative.
    pub fmf: Fmf,
    pub flavor: Flavor,
    done: HashMap<*const Node, Value>,
    leaves: HashMap<Need, Value>,
    last: Option<(Value, Type)>,
}

impl<'a> Lower<'a> {
    pub(super) fn new(primal: Primal<'a>, args: &'a [Value], ty: Type, fmf: Fmf, flavor: Flavor) -> Self {
        Lower { primal, args, ty, fmf, flavor, done: HashMap::new(), leaves: HashMap::new(), last: None }
    }

    /// The value of a formula for the incoming derivative `d`. Half formats are computed in f32, unless the formula is
    /// one operation.
    pub(super) fn eval(&mut self, b: &mut KernelBuilder, f: &Formula, d: Value) -> Value {
        let narrow = matches!(self.ty.float(), Some(FloatTy::F16 | FloatTy::Bf16));
        let simple =
            f.0.children().iter().all(|p| p.0.children().is_empty()) && !matches!(*f.0, Node::Call(..));
        let ty = if narrow && !simple { self.ty.with_scalar(Lane::Float(FloatTy::F32)) } else { self.ty };
        // What depends on one `d` must not be taken over to another.
        if self.last != Some((d, ty)) {
            self.done.clear();
            self.last = Some((d, ty));
        }
        let d = widen(b, d, ty);
        let v = self.node(b, f, d, ty);
        if ty == self.ty {
            v
        } else {
            b.cast(CastOp::FpTrunc, v, self.ty)
        }
    }

    fn node(&mut self, b: &mut KernelBuilder, f: &Formula, d: Value, ty: Type) -> Value {
        let key = std::rc::Rc::as_ptr(&f.0);
        if let Some(&v) = self.done.get(&key) {
            return v;
        }
        let v = match &*f.0 {
            Node::D => d,
            Node::X(i) => {
                let v = self.leaf(b, Need::Operand(*i));
                widen(b, v, ty)
            }
            Node::Y => {
                let v = self.leaf(b, Need::Result);
                widen(b, v, ty)
            }
            Node::C(v) => b.k.float(ty, *v),
            Node::Bin(op, p, q) => {
                let (p, q) = (self.node(b, p, d, ty), self.node(b, q, d, ty));
                b.binary_fmf(*op, p, q, self.fmf)
            }
            Node::Neg(p) => {
                let p = self.node(b, p, d, ty);
                b.fneg(p, self.fmf)
            }
            Node::Call(func, args) => {
                let args: SmallVec<[Value; 3]> = args.iter().map(|p| self.node(b, p, d, ty)).collect();
                b.value(Op::Math { func: *func, flavor: self.flavor, args, fmf: self.fmf }, ty)
            }
            Node::Select(pred, [p, q, then, otherwise]) => {
                let (p, q) = (self.node(b, p, d, ty), self.node(b, q, d, ty));
                if let (Some(x), Some(y)) = (float_constant(b.k, p), float_constant(b.k, q)) {
                    let branch = if holds(*pred, x, y) { then } else { otherwise };
                    let v = self.node(b, branch, d, ty);
                    self.done.insert(key, v);
                    return v;
                }
                let cond = b.fcmp(*pred, p, q);
                let (then, otherwise) = (self.node(b, then, d, ty), self.node(b, otherwise, d, ty));
                if then == otherwise {
                    then
                } else {
                    b.select(cond, then, otherwise)
                }
            }
            Node::Int(i, k) => {
                let v = self.leaf(b, Need::Operand(*i));
                if let Some(n) = b.k.as_int(v) {
                    let int = b.k.ty(v);
                    b.k.int(int, i128::from(n) + i128::from(*k))
                } else if *k == 0 {
                    v
                } else {
                    let k = int_splat(b, v, (*k).into());
                    b.binary(BinOp::Add, v, k)
                }
            }
            Node::ToFloat(i) => {
                let v = self.leaf(b, Need::Operand(*i));
                match b.k.as_int(v) {
                    Some(n) => b.k.float(ty, n as f64),
                    None => b.cast(CastOp::SiToFp, v, ty),
                }
            }
        };
        self.done.insert(key, v);
        v
    }

    fn leaf(&mut self, b: &mut KernelBuilder, need: Need) -> Value {
        if let Need::Operand(i) = need {
            if b.k.as_const(self.args[i]).is_some() {
                return self.args[i];
            }
        }
        if let Some(&v) = self.leaves.get(&need) {
            return v;
        }
        let v = (self.primal)(b, need);
        self.leaves.insert(need, v);
        v
    }
}

/// The comparisons that formulas use.
fn holds(pred: FloatPred, x: f64, y: f64) -> bool {
    match pred {
        FloatPred::Ogt => x > y,
        FloatPred::Oge => x >= y,
        FloatPred::Olt => x < y,
        FloatPred::Ole => x <= y,
        _ => x == y,
    }
}

/// Half formats to f32, if `ty` says so.
fn widen(b: &mut KernelBuilder, v: Value, ty: Type) -> Value {
    if b.k.ty(v).float() == ty.float() {
        v
    } else {
        b.cast(CastOp::FpExt, v, ty)
    }
}

fn int_splat(b: &mut KernelBuilder, like: Value, n: i128) -> Value {
    match b.k.ty(like) {
        Type::Vec(l, lanes) => {
            let e = b.k.int(l.ty(), n);
            let ty = b.k.ty(like);
            b.k.constant(ty, Const::Elems(vec![e; lanes.into()]))
        }
        ty => b.k.int(ty, n),
    }
}
