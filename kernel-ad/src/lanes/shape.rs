//! How the values of neighbouring threads differ.

use crate::cfg::Cfg;
use crate::kernel::{BinOp, CastOp, Const, IntFlags, Kernel, Op, Special, Type, Value};
use cranelift_entity::SecondaryMap;

/// How a value differs from lane to lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Lane `l` has the value of lane 0 plus `l` times this (wrapping, for integers and pointers); 0: all the same.
    Step(i64),
    /// Anything.
    Varying,
}

/// Shapes of all values. All lanes take the same way, so a phi is as uniform as its operands.
#[derive(Clone, Debug)]
pub struct Shapes(SecondaryMap<Value, Option<Shape>>);

/// Bytes from one lane's copy of an alloca to the next.
pub(super) fn alloca_step(bytes: u64, align: u32) -> u64 {
    bytes.max(1).next_multiple_of(u64::from(align.max(16)))
}

/// True for operations that can be done for all lanes at once.
pub(super) fn in_lanes(k: &Kernel, op: &Op) -> bool {
    match op {
        Op::MemCopy { .. }
        | Op::MemSet { .. }
        | Op::AtomicRmw { .. }
        | Op::CmpXchg { .. }
        | Op::Fence { .. }
        | Op::Barrier { .. }
        | Op::Warp { .. }
        | Op::Asm { .. }
        | Op::Call { .. }
        | Op::Trap
        | Op::Unreachable => false,
        Op::Load { mem, .. } | Op::Store { mem, .. } => !mem.volatile && mem.ordering.is_none(),
        Op::TapeStore { val, .. } => matches!(k.ty(*val), Type::Int(_) | Type::Float(_)),
        _ => true,
    }
}

impl Shapes {
    /// Starts from nothing known and joins until nothing changes.
    pub fn new(k: &Kernel) -> Shapes {
        let mut shapes = Shapes(SecondaryMap::new());
        let cfg = Cfg::new(k);
        let mut changed = true;
        while changed {
            changed = false;
            for &b in cfg.rpo() {
                for &i in &k.blocks[b].insts {
                    let Some(r) = k.insts[i].result else { continue };
                    let new = shapes.transfer(k, &k.insts[i].op, k.ty(r));
                    if shapes.0[r] != new {
                        shapes.0[r] = new;
                        changed = true;
                    }
                }
            }
        }
        shapes
    }

    /// The shape of a value. Parameters and constants are uniform.
    pub fn of(&self, k: &Kernel, v: Value) -> Shape {
        match k.def_inst(v) {
            None => Shape::Step(0),
            Some(_) => self.0[v].unwrap_or(Shape::Varying),
        }
    }

    /// True when all lanes have the same value.
    pub fn is_uniform(&self, k: &Kernel, v: Value) -> bool {
        self.of(k, v) == Shape::Step(0)
    }

    fn known(&self, k: &Kernel, v: Value) -> Option<Shape> {
        match k.def_inst(v) {
            None => Some(Shape::Step(0)),
            Some(_) => self.0[v],
        }
    }

    /// The shape of a result; `None` while an operand's is not known yet.
    fn transfer(&self, k: &Kernel, op: &Op, ty: Type) -> Option<Shape> {
        use Shape::{Step, Varying};
        if let Op::Phi { incoming } = op {
            // What is not known yet does not count: it comes around a loop. Nor does what may be anything.
            let any = |v: Value| matches!(k.as_const(v), Some(Const::Undef | Const::Poison));
            if incoming.iter().all(|&(_, v)| any(v)) {
                return Some(Step(0));
            }
            let mut known = incoming.iter().filter(|&&(_, v)| !any(v)).filter_map(|&(_, v)| self.known(k, v));
            let first = known.next()?;
            return Some(known.fold(first, |a, b| if a == b { a } else { Varying }));
        }
        let mut operands = Vec::new();
        for v in op.operands() {
            operands.push(self.known(k, v)?);
        }
        let all_uniform = operands.iter().all(|s| *s == Step(0));
        let scalar = matches!(ty, Type::Int(_) | Type::Ptr(_));
        Some(match (op, operands.as_slice()) {
            (Op::Special(Special::ThreadId(0)), _) => Step(1),
            (Op::Alloca { bytes, align }, _) => Step(alloca_step(*bytes, *align) as i64),
            (Op::TapeLoad { .. }, _) => Varying,
            (Op::AtomicRmw { .. } | Op::CmpXchg { .. } | Op::Call { .. }, _) => Varying,
            (Op::Load { .. }, [p]) => {
                if *p == Step(0) {
                    Step(0)
                } else {
                    Varying
                }
            }
            _ if all_uniform => Step(0),
            (Op::Binary { op, b, flags, .. }, &[Step(x), Step(y)]) if scalar => match op {
                BinOp::Add => step(x.checked_add(y)),
                BinOp::Or if flags.contains(IntFlags::DISJOINT) => step(x.checked_add(y)),
                BinOp::Sub => step(x.checked_sub(y)),
                BinOp::Mul => match (y, k.as_int(*b)) {
                    (0, Some(c)) => step(x.checked_mul(c)),
                    _ => Varying,
                },
                BinOp::Shl => match (y, k.as_int(*b)) {
                    (0, Some(c @ 0..=31)) => step(x.checked_mul(1 << c)),
                    _ => Varying,
                },
                _ => Varying,
            },
            (Op::PtrAdd { offset, .. }, &[Step(x), Step(y)]) if k.ty(*offset) == Type::I64 => {
                step(x.checked_add(y))
            }
            (Op::PtrAdd { .. }, &[Step(x), Step(0)]) => Step(x),
            (Op::Cast { op, a, .. }, &[Step(x)]) => match op {
                // Sound because lanes part where the addition of the steps would wrap.
                CastOp::SExt | CastOp::ZExt if k.ty(*a) == Type::I32 && ty == Type::I64 => Step(x),
                CastOp::Trunc if scalar && k.ty(*a) == Type::I64 => Step(x),
                CastOp::AddrSpaceCast => Step(x),
                CastOp::PtrToInt | CastOp::IntToPtr if k.bytes(ty) == 8 && k.bytes(k.ty(*a)) == 8 => Step(x),
                _ => Varying,
            },
            (Op::Freeze { .. }, &[s]) if scalar => s,
            (Op::Select { .. }, &[Step(0), x, y]) if scalar && x == y => x,
            _ => Varying,
        })
    }
}

/// Steps that do not fit are not worth having.
fn step(s: Option<i64>) -> Shape {
    match s {
        Some(s) if s.unsigned_abs() < 1 << 24 => Shape::Step(s),
        _ => Shape::Varying,
    }
}
