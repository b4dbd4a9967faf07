//! Floats that are packed into wider integers, or taken out of them, by shifts.

use super::edit;
use crate::kernel::*;

/// Where a part of an integer, as wide as a float, comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Part {
    /// An element of a vector of floats.
    Elem(Value, u32),
    /// A float.
    Scalar(Value),
    /// An integer of that width.
    Int(Value),
    /// Constant bits.
    Bits(u128),
    /// Anything.
    Undef,
}

/// Bit casts to floats of what was put together from floats become those floats. True when something changed.
pub(super) fn rewrite(k: &mut Kernel) -> bool {
    edit::each(k, |b, i| {
        let Op::Cast { op: CastOp::Bitcast, a, .. } = b.k.insts[i].op else { return None };
        let ty = b.k.ty(b.k.insts[i].result?);
        let format = ty.float()?;
        if !b.k.ty(a).is_int() {
            // Between floats of one format nothing happens.
            return (b.k.ty(a) == ty).then_some(a);
        }
        if let Some((x, of)) = edit::from_float(b.k, a) {
            return (of == ty).then_some(x);
        }
        let parts = parts(b.k, a, format, 16)?;
        match (ty, &parts[..]) {
            (Type::Float(_), [Part::Int(v)]) if *v == a => None,
            (Type::Float(_), [part]) => Some(take(b, *part, format)),
            (Type::Vec(..), parts) => {
                if let Some(&Part::Elem(vec, 0)) = parts.first() {
                    let in_order = parts.iter().enumerate().all(|(n, p)| *p == Part::Elem(vec, n as u32));
                    if in_order && b.k.ty(vec) == ty {
                        return Some(vec);
                    }
                }
                let mut vec = b.k.constant(ty, Const::Undef);
                for (n, part) in parts.iter().enumerate() {
                    let elem = take(b, *part, format);
                    let index = b.k.int(Type::I32, n as i128);
                    vec = b.value(Op::InsertElement { vec, elem, index }, ty);
                }
                Some(vec)
            }
            _ => None,
        }
    })
}

fn take(b: &mut KernelBuilder<'_>, part: Part, format: FloatTy) -> Value {
    let ty = Type::Float(format);
    match part {
        Part::Elem(vec, n) => {
            let index = b.k.int(Type::I32, n.into());
            b.value(Op::ExtractElement { vec, index }, ty)
        }
        Part::Scalar(x) => x,
        Part::Int(v) => edit::bitcast(b, v, ty),
        Part::Bits(bits) => b.k.constant(ty, Const::Float(bits as u64)),
        Part::Undef => b.k.constant(ty, Const::Undef),
    }
}

/// The parts of an integer or a vector of integers, lowest first.
fn parts(k: &Kernel, v: Value, format: FloatTy, depth: u32) -> Option<Vec<Part>> {
    let size = u16::try_from(format.bytes() * 8).ok()?;
    let width = match k.ty(v) {
        Type::Int(w) => w,
        Type::Vec(Lane::Int(w), n) => w.checked_mul(n)?,
        _ => return None,
    };
    if width % size != 0 || depth == 0 {
        return None;
    }
    let n = usize::from(width / size);
    inside(k, v, format, n, depth - 1)
        .or_else(|| (n == 1 && matches!(k.ty(v), Type::Int(_))).then(|| vec![Part::Int(v)]))
}

fn inside(k: &Kernel, v: Value, format: FloatTy, n: usize, depth: u32) -> Option<Vec<Part>> {
    let size = format.bytes() * 8;
    let of = |v: Value| parts(k, v, format, depth);
    let lanes_of = |ty: Type| match ty {
        Type::Vec(Lane::Int(w), _) if u32::from(w) % size == 0 => Some((u32::from(w) / size) as usize),
        _ => None,
    };
    if let Some(c) = k.as_const(v) {
        return match (c, k.ty(v)) {
            (Const::Int(bits), _) => {
                let mask = (1u128 << size) - 1;
                Some((0..n as u32).map(|i| Part::Bits((bits >> (i * size)) & mask)).collect())
            }
            (Const::Zero, _) => Some(vec![Part::Bits(0); n]),
            (Const::Undef | Const::Poison, _) => Some(vec![Part::Undef; n]),
            (Const::Elems(elems), _) => {
                Some(elems.iter().map(|&e| of(e)).collect::<Option<Vec<_>>>()?.concat())
            }
            _ => None,
        };
    }
    let shift = |by: Value| {
        let by = u32::try_from(k.as_int(by)?).ok()?;
        (by % size == 0).then_some((by / size) as usize)
    };
    let scalar = matches!(k.ty(v), Type::Int(_));
    let mut out = match k.def_op(v)? {
        Op::Cast { op: CastOp::Bitcast, a, .. } => match k.ty(*a) {
            Type::Float(f) if f == format => vec![Part::Scalar(*a)],
            Type::Vec(Lane::Float(f), m) if f == format => (0..m.into()).map(|i| Part::Elem(*a, i)).collect(),
            ty if ty.is_int() => of(*a)?,
            _ => return None,
        },
        Op::Cast { op: CastOp::ZExt, a, .. } if scalar => {
            let mut low = of(*a)?;
            low.resize(n, Part::Bits(0));
            low
        }
        Op::Cast { op: CastOp::Trunc, a, .. } if scalar => {
            let mut all = of(*a)?;
            all.truncate(n);
            all
        }
        Op::Binary { op: BinOp::Shl, a, b, .. } if scalar => {
            let by = shift(*b)?;
            let mut up = vec![Part::Bits(0); by.min(n)];
            up.extend(of(*a)?);
            up.truncate(n);
            up
        }
        Op::Binary { op: BinOp::LShr, a, b, .. } if scalar => {
            let by = shift(*b)?;
            let mut down: Vec<Part> = of(*a)?.into_iter().skip(by).collect();
            down.resize(n, Part::Bits(0));
            down
        }
        Op::Binary { op: BinOp::Or | BinOp::Add | BinOp::Xor, a, b, .. } if scalar => {
            let either = |(x, y)| match (x, y) {
                (x, Part::Bits(0)) => Some(x),
                (Part::Bits(0), y) => Some(y),
                _ => None,
            };
            of(*a)?.into_iter().zip(of(*b)?).map(either).collect::<Option<Vec<_>>>()?
        }
        Op::Binary { op: BinOp::And, a, b, .. } if scalar => {
            let all = (1u128 << size) - 1;
            let keep = |(x, mask)| match mask {
                Part::Bits(m) if m == all => Some(x),
                Part::Bits(0) => Some(Part::Bits(0)),
                _ => None,
            };
            of(*a)?.into_iter().zip(of(*b)?).map(keep).collect::<Option<Vec<_>>>()?
        }
        Op::ExtractElement { vec, index } => {
            let at = usize::try_from(k.as_int(*index)?).ok()? * n;
            of(*vec)?.get(at..at + n)?.to_vec()
        }
        Op::InsertElement { vec, elem, index } => {
            let each = lanes_of(k.ty(v))?;
            let at = usize::try_from(k.as_int(*index)?).ok()? * each;
            let mut all = of(*vec)?;
            all.get_mut(at..at + each)?.copy_from_slice(&of(*elem)?);
            all
        }
        Op::ShuffleVector { a, b, mask } => {
            let each = lanes_of(k.ty(v))?;
            let both = [of(*a)?, of(*b)?].concat();
            let mut all = Vec::new();
            for &m in mask {
                match usize::try_from(m) {
                    Ok(m) => all.extend_from_slice(both.get(m * each..(m + 1) * each)?),
                    Err(_) => all.resize(all.len() + each, Part::Undef),
                }
            }
            all
        }
        _ => return None,
    };
    (out.len() == n).then(|| std::mem::take(&mut out))
}
