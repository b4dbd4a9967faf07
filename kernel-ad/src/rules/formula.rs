//! Formulas over an instruction's operands, its result and one incoming derivative: what the table of rules is written in.

use crate::kernel::{BinOp, FloatPred, MathFn};
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

/// A formula. Shared parts are evaluated once.
#[derive(Clone, Debug)]
pub(super) struct Formula(pub(super) Rc<Node>);

/// What a formula is made of.
#[derive(Debug)]
pub(super) enum Node {
    /// The incoming derivative: an operand's tangent, or the result's adjoint.
    D,
    /// Operand.
    X(usize),
    /// Result.
    Y,
    /// Constant.
    C(f64),
    /// Arithmetic.
    Bin(BinOp, Formula, Formula),
    /// Negation.
    Neg(Formula),
    /// Function.
    Call(MathFn, Vec<Formula>),
    /// `if a pred b { then } else { otherwise }`.
    Select(FloatPred, [Formula; 4]),
    /// Integer operand plus a constant; an argument of `Call` alone.
    Int(usize, i64),
    /// Integer operand as a float.
    ToFloat(usize),
}

fn make(node: Node) -> Formula {
    Formula(Rc::new(node))
}

/// The incoming derivative.
pub(super) fn d() -> Formula {
    make(Node::D)
}

/// Operand `i`.
pub(super) fn x(i: usize) -> Formula {
    make(Node::X(i))
}

/// The result.
pub(super) fn y() -> Formula {
    make(Node::Y)
}

/// A constant.
pub(super) fn c(v: f64) -> Formula {
    make(Node::C(v))
}

/// Integer operand `i` plus `k`, as an argument of [`call`].
pub(super) fn int(i: usize, k: i64) -> Formula {
    make(Node::Int(i, k))
}

/// Integer operand `i` as a float.
pub(super) fn to_float(i: usize) -> Formula {
    make(Node::ToFloat(i))
}

/// A function of formulas.
pub(super) fn call<const N: usize>(f: MathFn, args: [Formula; N]) -> Formula {
    make(Node::Call(f, args.into()))
}

/// `then` where `a pred b`, else `otherwise`.
pub(super) fn when(a: Formula, pred: FloatPred, b: Formula, then: Formula, otherwise: Formula) -> Formula {
    make(Node::Select(pred, [a, b, then, otherwise]))
}

/// Zero where the incoming derivative is zero, whatever the formula's factor is there: 0 * inf is 0.
pub(super) fn unless_zero(f: Formula) -> Formula {
    when(d(), FloatPred::Oeq, c(0.0), c(0.0), f)
}

/// `f * f`.
pub(super) fn sq(f: &Formula) -> Formula {
    f.clone() * f.clone()
}

impl From<f64> for Formula {
    fn from(v: f64) -> Self {
        c(v)
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:ident)*) => {$(
        impl<R: Into<Formula>> $trait<R> for Formula {
            type Output = Formula;
            fn $method(self, rhs: R) -> Formula {
                make(Node::Bin(BinOp::$op, self, rhs.into()))
            }
        }
        impl $trait<Formula> for f64 {
            type Output = Formula;
            fn $method(self, rhs: Formula) -> Formula {
                make(Node::Bin(BinOp::$op, c(self), rhs))
            }
        }
    )*};
}

arithmetic! { Add add FAdd Sub sub FSub Mul mul FMul Div div FDiv }

impl Neg for Formula {
    type Output = Formula;
    fn neg(self) -> Formula {
        make(Node::Neg(self))
    }
}

impl Formula {
    /// Calls `f` on every node below and here; a shared node as often as it is used.
    pub(super) fn visit(&self, f: &mut dyn FnMut(&Node)) {
        f(&self.0);
        self.0.children().iter().for_each(|p| p.visit(f));
    }
}

impl Node {
    /// The formulas that this one is made of.
    pub(super) fn children(&self) -> Vec<&Formula> {
        match self {
            Node::Bin(_, a, b) => vec![a, b],
            Node::Neg(a) => vec![a],
            Node::Call(_, args) => args.iter().collect(),
            Node::Select(_, parts) => parts.iter().collect(),
            Node::D | Node::X(_) | Node::Y | Node::C(_) | Node::Int(..) | Node::ToFloat(_) => vec![],
        }
    }
}
