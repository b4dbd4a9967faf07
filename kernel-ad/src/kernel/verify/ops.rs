//! Types of operands and results, for every operation.

use super::*;
use crate::kernel::infer::{infer, Inferred};

type Check = std::result::Result<(), String>;

fn ensure(ok: bool, message: impl FnOnce() -> String) -> Check {
    if ok {
        Ok(())
    } else {
        Err(message())
    }
}

/// The first thing that is wrong with an instruction.
pub(super) fn check(k: &Kernel, i: Inst) -> Check {
    let d = &k.insts[i];
    let result = d.result.map_or(Type::Void, |r| k.ty(r));
    operands(k, &d.op, result)?;
    let show = |t: Type| print_type(k, t);
    match infer(k, &d.op) {
        _ if matches!(d.op, Op::Math { .. }) => math_result(k, &d.op, result),
        // The mask is as wide as the source says.
        Inferred::Ty(Type::I32 | Type::I64) if matches!(d.op, Op::Warp { op: WarpOp::ActiveMask, .. }) => {
            ensure(matches!(result, Type::I32 | Type::I64), || format!("a mask of {}", show(result)))
        }
        Inferred::Ty(t) => ensure(t == result, || format!("the result is {}, not {}", show(t), show(result))),
        Inferred::Pair(a, b) => {
            let ok = k.agg_member(result, &[0]) == Some(a)
                && k.agg_member(result, &[1]) == Some(b)
                && k.agg_member(result, &[2]).is_none();
            ensure(ok, || format!("the result is {{{}, {}}}, not {}", show(a), show(b), show(result)))
        }
        Inferred::Unknown => Ok(()),
    }
}

fn operands(k: &Kernel, op: &Op, result: Type) -> Check {
    let ty = |v: &Value| k.ty(*v);
    let show = |v: &Value| print_type(k, k.ty(*v));
    let same = |a: &Value, b: &Value| {
        ensure(k.ty(*a) == k.ty(*b), || format!("operands of types {} and {}", show(a), show(b)))
    };
    let pointer = |p: &Value| ensure(k.ty(*p).is_ptr(), || format!("{} where a pointer is needed", show(p)));
    let of = |v: &Value, ok: bool, what: &str| ensure(ok, || format!("{} where {what} is needed", show(v)));
    let int = |v: &Value| of(v, matches!(k.ty(*v), Type::Int(_)), "an integer");
    let int_of = |v: &Value, widths: &[u16]| {
        let ok = matches!(k.ty(*v), Type::Int(w) if widths.contains(&w));
        of(v, ok, &format!("an integer of {widths:?} bits"))
    };
    match op {
        Op::Binary { op, a, b, .. } => {
            same(a, b)?;
            match op.is_float() {
                true => of(a, ty(a).is_float(), "a float"),
                false => of(a, ty(a).is_int(), "an integer"),
            }
        }
        Op::FNeg { a, .. } => of(a, ty(a).is_float(), "a float"),
        Op::Freeze { .. } => Ok(()),
        Op::ICmp { a, b, .. } => {
            same(a, b)?;
            of(a, matches!(ty(a).scalar(), Type::Int(_) | Type::Ptr(_)), "an integer or a pointer")
        }
        Op::FCmp { a, b, .. } => {
            same(a, b)?;
            of(a, ty(a).is_float(), "a float")
        }
        Op::Cast { op, a, .. } => cast(k, *op, ty(a), result),
        Op::Select { cond, a, b, .. } => {
            same(a, b)?;
            let whole = ty(cond) == Type::I1;
            let lanes = matches!(ty(a), Type::Vec(_, n) if ty(cond) == Type::Vec(Lane::Int(1), n));
            of(cond, whole || lanes, "i1, or i1 for every lane,")
        }
        Op::Phi { incoming } => {
            ensure(result != Type::Void, || "a phi has a result".into())?;
            incoming.iter().try_for_each(|(_, v)| of(v, ty(v) == result, &print_type(k, result)))
        }
        Op::PtrAdd { ptr, offset, .. } => {
            pointer(ptr)?;
            int_of(offset, &[32, 64])
        }
        Op::Alloca { align, .. } => {
            ensure(result.is_ptr(), || "an alloca gives a pointer".into())?;
            power_of_two(*align)
        }
        Op::Load { ptr, mem } => {
            pointer(ptr)?;
            ensure(result != Type::Void, || "a load has a result".into())?;
            memory(k, mem, result, "load")
        }
        Op::Store { ptr, val, mem } => {
            pointer(ptr)?;
            ensure(!mem.invariant, || "a store to memory that does not change".into())?;
            memory(k, mem, ty(val), "store")
        }
        Op::MemCopy { dst, src, len, dst_align, src_align, .. } => {
            pointer(dst)?;
            pointer(src)?;
            int_of(len, &[32, 64])?;
            power_of_two(*dst_align)?;
            power_of_two(*src_align)
        }
        Op::MemSet { dst, byte, len, align, .. } => {
            pointer(dst)?;
            int_of(byte, &[8])?;
            int_of(len, &[32, 64])?;
            power_of_two(*align)
        }
        Op::AtomicRmw { op, ptr, val, mem } => {
            pointer(ptr)?;
            let t = ty(val);
            let ok = match op {
                RmwOp::Xchg => matches!(t, Type::Int(_) | Type::Float(_) | Type::Ptr(_)),
                RmwOp::FAdd | RmwOp::FSub | RmwOp::FMax | RmwOp::FMin => t.is_float(),
                _ => matches!(t, Type::Int(_)),
            };
            of(val, ok, &format!("an operand of `{}`", op.name()))?;
            ensure(mem.ordering.is_some(), || "an atomic access has an ordering".into())?;
            memory(k, mem, t, "atomicrmw")
        }
        Op::CmpXchg { ptr, expected, new, mem, .. } => {
            pointer(ptr)?;
            same(expected, new)?;
            of(new, matches!(ty(new), Type::Int(_) | Type::Ptr(_)), "an integer or a pointer")?;
            ensure(mem.ordering.is_some(), || "an atomic access has an ordering".into())?;
            memory(k, mem, ty(new), "cmpxchg")
        }
        Op::ExtractElement { vec, index } => {
            of(vec, matches!(ty(vec), Type::Vec(..)), "a vector")?;
            int(index)
        }
        Op::InsertElement { vec, elem, index } => {
            of(vec, matches!(ty(vec), Type::Vec(..)), "a vector")?;
            of(elem, ty(elem) == ty(vec).scalar(), "an element of the vector")?;
            int(index)
        }
        Op::ShuffleVector { a, b, mask } => {
            same(a, b)?;
            of(a, matches!(ty(a), Type::Vec(..)), "a vector")?;
            let lanes = i64::from(ty(a).lanes()) * 2;
            let ok = !mask.is_empty() && mask.len() < 1 << 16 && mask.iter().all(|&m| i64::from(m) < lanes);
            ensure(ok, || format!("the mask names a lane that the {lanes} do not have"))
        }
        Op::ExtractValue { agg, path } => {
            ensure(k.agg_member(ty(agg), path).is_some(), || format!("no member {path:?} in {}", show(agg)))
        }
        Op::InsertValue { agg, elem, path } => match k.agg_member(ty(agg), path) {
            None => Err(format!("no member {path:?} in {}", show(agg))),
            Some(t) => of(elem, t == ty(elem), &print_type(k, t)),
        },
        Op::Math { func, args, .. } => math(k, *func, args),
        Op::IntMath { func, args } => int_math(k, *func, args),
        Op::Special(
            Special::ThreadId(a) | Special::BlockId(a) | Special::BlockDim(a) | Special::GridDim(a),
        ) => ensure(*a < 3, || format!("axis {a} of three")),
        Op::Barrier { kind, id, count, pred, .. } => {
            for v in [id, count].into_iter().flatten() {
                int_of(v, &[32])?;
            }
            if let Some(p) = pred {
                int(p)?;
            }
            let reduces = matches!(kind, BarrierKind::Popc | BarrierKind::And | BarrierKind::Or);
            ensure(pred.is_some() == reduces, || {
                "a predicate belongs to a reducing barrier, and to no other".into()
            })
        }
        Op::Warp { op, args } => warp(k, *op, args),
        Op::TapeStore { offset, val } => {
            ensure(k.tape.is_some(), || "the kernel has no tape".into())?;
            int_of(offset, &[64])?;
            of(
                val,
                matches!(ty(val).scalar(), Type::Int(_) | Type::Float(_) | Type::Ptr(_)),
                "a scalar or a vector",
            )
        }
        Op::TapeLoad { offset } => {
            ensure(k.tape.is_some(), || "the kernel has no tape".into())?;
            int_of(offset, &[64])?;
            ensure(matches!(result.scalar(), Type::Int(_) | Type::Float(_) | Type::Ptr(_)), || {
                "a tape holds scalars and vectors".into()
            })
        }
        Op::Accumulate { ptr, val, align, .. } => {
            pointer(ptr)?;
            of(val, ty(val).is_float(), "a float")?;
            power_of_two(*align)
        }
        Op::CondBr { cond, .. } => of(cond, ty(cond) == Type::I1, "i1"),
        Op::Switch { val, cases, .. } => {
            int(val)?;
            let mut seen = std::collections::HashSet::new();
            ensure(cases.iter().all(|(n, _)| seen.insert(*n)), || "two cases of the same value".into())
        }
        Op::Fence { .. } | Op::Special(_) | Op::Asm { .. } | Op::Call { .. } | Op::Trap => Ok(()),
        Op::Br { .. } | Op::Ret | Op::Unreachable => Ok(()),
    }
}

fn power_of_two(align: u32) -> Check {
    ensure(align.is_power_of_two(), || format!("alignment {align} is not a power of two"))
}

fn memory(k: &Kernel, mem: &MemFlags, ty: Type, what: &str) -> Check {
    power_of_two(mem.align)?;
    let scalar = matches!(ty, Type::Int(_) | Type::Float(_) | Type::Ptr(_) | Type::Vec(..));
    ensure(mem.ordering.is_none() || scalar, || format!("an atomic {what} of {}", print_type(k, ty)))
}

fn cast(k: &Kernel, op: CastOp, from: Type, to: Type) -> Check {
    let bits = |t: Type| match t {
        Type::Int(w) => u64::from(w),
        Type::Vec(Lane::Int(w), n) => u64::from(w) * u64::from(n),
        t => k.bytes(t) * 8,
    };
    let scalar_bits = |t: Type| bits(t.scalar());
    let int = |t: Type| t.is_int();
    let ptr = |t: Type| matches!(t.scalar(), Type::Ptr(_));
    let lanes = from.lanes() == to.lanes() && !matches!(from, Type::Agg(_)) && !matches!(to, Type::Agg(_));
    let ok = match op {
        CastOp::Trunc => lanes && int(from) && int(to) && scalar_bits(from) > scalar_bits(to),
        CastOp::ZExt | CastOp::SExt => lanes && int(from) && int(to) && scalar_bits(from) < scalar_bits(to),
        CastOp::FpTrunc => lanes && from.is_float() && to.is_float() && scalar_bits(from) > scalar_bits(to),
        CastOp::FpExt => lanes && from.is_float() && to.is_float() && scalar_bits(from) < scalar_bits(to),
        CastOp::FpToUi | CastOp::FpToSi => lanes && from.is_float() && int(to),
        CastOp::UiToFp | CastOp::SiToFp => lanes && int(from) && to.is_float(),
        CastOp::PtrToInt => lanes && ptr(from) && int(to),
        CastOp::IntToPtr => lanes && int(from) && ptr(to),
        CastOp::AddrSpaceCast => lanes && ptr(from) && ptr(to) && from != to,
        CastOp::Bitcast => {
            let plain = |t: Type| !matches!(t, Type::Agg(_) | Type::Void);
            plain(from) && plain(to) && bits(from) == bits(to) && ptr(from) == ptr(to)
        }
    };
    ensure(ok, || format!("no `{}` from {} to {}", op.name(), print_type(k, from), print_type(k, to)))
}

/// Which arguments of a function are integers; the others are floats of one type.
fn math_int_args(func: MathFn) -> &'static [usize] {
    match func {
        MathFn::Powi | MathFn::Ldexp => &[1],
        MathFn::Jn | MathFn::Yn | MathFn::FromInt | MathFn::FromUint => &[0],
        _ => &[],
    }
}

fn math(k: &Kernel, func: MathFn, args: &[Value]) -> Check {
    let (want, have) = (func.arity(), args.len());
    ensure(want == have, || format!("`{}` takes {want} arguments, not {have}", func.name()))?;
    let ints = math_int_args(func);
    let mut float = None;
    for (i, &a) in args.iter().enumerate() {
        let ty = k.ty(a);
        let wanted =
            if ints.contains(&i) { ty.is_int() } else { ty.is_float() && *float.get_or_insert(ty) == ty };
        ensure(wanted, || format!("argument {i} of `{}` is {}", func.name(), print_type(k, ty)))?;
    }
    Ok(())
}

fn math_result(k: &Kernel, op: &Op, result: Type) -> Check {
    use MathFn::*;
    let Op::Math { func, args, .. } = op else { return Ok(()) };
    let ok = match func {
        Ilogb | FrexpExp | RemquoQuo | Lround | Lrint | ToInt | ToUint | IsNan | IsInf | IsFinite
        | SignBit => result.is_int(),
        FromInt | FromUint | Convert => result.is_float(),
        _ => args.iter().map(|&a| k.ty(a)).find(|t| t.is_float()) == Some(result),
    };
    ensure(ok, || format!("`{}` does not give {}", func.name(), print_type(k, result)))
}

fn int_math(k: &Kernel, func: IntFn, args: &[Value]) -> Check {
    let (want, have) = (func.arity(), args.len());
    ensure(want == have, || format!("`{}` takes {want} arguments, not {have}", func.name()))?;
    let first = k.ty(args[0]);
    ensure(first.is_int(), || format!("{} where an integer is needed", print_type(k, first)))?;
    // Starts and lengths of bit fields are i32 whatever the field's type is.
    let loose = matches!(func, IntFn::BfeS | IntFn::BfeU | IntFn::Bfi);
    let ok = args.iter().all(|&a| k.ty(a) == first || (loose && k.ty(a) == Type::I32));
    ensure(ok, || format!("arguments of `{}` differ in type", func.name()))
}

fn warp(k: &Kernel, op: WarpOp, args: &[Value]) -> Check {
    use WarpOp::*;
    let mask: &[Type] = &[Type::I32, Type::I64];
    let i32s: &[Type] = &[Type::I32];
    let i1s: &[Type] = &[Type::I1];
    // An empty set stands for any scalar, and for pairs of small floats.
    let any: &[Type] = &[];
    let wanted: &[&[Type]] = match op {
        Sync => &[mask],
        ShflIdx | ShflUp | ShflDown | ShflBfly | ShflIdxP | ShflUpP | ShflDownP | ShflBflyP => {
            &[mask, any, i32s, i32s]
        }
        VoteAll | VoteAny | VoteUni | Ballot => &[mask, i1s],
        ActiveMask | WaveBarrier => &[],
        MatchAny | MatchAll => &[mask, any],
        ScatterAdd => &[mask, &[Type::F32, Type::F64], i32s],
        ReduxAdd | ReduxUMin | ReduxUMax | ReduxSMin | ReduxSMax | ReduxAnd | ReduxOr | ReduxXor => {
            &[mask, i32s]
        }
        DsBpermute | DsPermute => &[i32s, any],
        DsSwizzle => &[any, i32s],
        MbcntLo | MbcntHi => &[i32s, i32s],
        ReadFirstLane => &[any],
        ReadLane => &[any, i32s],
        UpdateDpp => &[any, any, i32s, i32s, i32s, i1s],
    };
    let name = op.name();
    ensure(wanted.len() == args.len(), || {
        format!("`{name}` takes {} arguments, not {}", wanted.len(), args.len())
    })?;
    for (i, (types, &a)) in wanted.iter().zip(args).enumerate() {
        let ty = k.ty(a);
        let pair = matches!(ty, Type::Vec(Lane::Float(f), 2) if f.bytes() == 2 && op.moves_pairs());
        let ok = types.contains(&ty)
            || (types.is_empty() && (pair || matches!(ty, Type::Int(_) | Type::Float(_))));
        ensure(ok, || format!("argument {i} of `{name}` is {}", print_type(k, ty)))?;
    }
    let immediate = match op {
        DsSwizzle => 1..2,
        UpdateDpp => 2..6,
        _ => 0..0,
    };
    let constants = immediate.into_iter().all(|i| k.as_const(args[i]).is_some());
    ensure(constants, || format!("`{name}` needs constants as its last arguments"))
}
