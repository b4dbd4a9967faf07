//! What pointers are based on, and changes to a kernel before it is lowered for the host.

use crate::kernel::*;
use std::collections::BTreeSet;

/// What a pointer is based on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Base {
    /// Parameter of that index.
    Param(u32),
    /// A variable.
    Global(Global),
    /// An alloca.
    Alloca(Value),
    /// A pointer from memory, from an integer, or from a call.
    Unknown,
}

/// Everything that a pointer may be based on.
pub(super) fn bases(k: &Kernel, ptr: Value) -> BTreeSet<Base> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([ptr]);
    let mut todo = vec![ptr];
    while let Some(v) = todo.pop() {
        let mut follow = |v: Value| {
            if seen.insert(v) {
                todo.push(v);
            }
        };
        match &k.values[v].def {
            ValueDef::Param(i) => drop(found.insert(Base::Param(*i))),
            ValueDef::Const(Const::Global(g)) => drop(found.insert(Base::Global(*g))),
            ValueDef::Const(Const::Null | Const::Undef | Const::Poison | Const::Zero) => {}
            ValueDef::Const(_) => drop(found.insert(Base::Unknown)),
            ValueDef::Inst(i) => match &k.insts[*i].op {
                Op::PtrAdd { ptr, .. } => follow(*ptr),
                Op::Cast { op: CastOp::AddrSpaceCast | CastOp::Bitcast, a, .. } | Op::Freeze { a }
                    if k.ty(*a).is_ptr() =>
                {
                    follow(*a)
                }
                Op::Select { a, b, .. } => {
                    follow(*a);
                    follow(*b);
                }
                Op::Phi { incoming } => incoming.iter().for_each(|(_, v)| follow(*v)),
                Op::Alloca { .. } => drop(found.insert(Base::Alloca(v))),
                _ => drop(found.insert(Base::Unknown)),
            },
        }
    }
    found
}

/// Pointers that an instruction writes through, or gives away so that others may.
fn may_write(k: &Kernel, op: &Op) -> Vec<Value> {
    let pointers = |vs: &[Value]| vs.iter().copied().filter(|&v| k.ty(v).is_ptr()).collect();
    match op {
        Op::Store { ptr, val, .. } => pointers(&[*ptr, *val]),
        Op::MemCopy { dst, .. } | Op::MemSet { dst, .. } => vec![*dst],
        Op::AtomicRmw { ptr, val, .. } => pointers(&[*ptr, *val]),
        Op::CmpXchg { ptr, new, .. } => pointers(&[*ptr, *new]),
        Op::Accumulate { ptr, .. } => vec![*ptr],
        Op::Call { args, .. } | Op::Asm { args, .. } => pointers(args),
        Op::Cast { op: CastOp::PtrToInt, a, .. } => vec![*a],
        _ => Vec::new(),
    }
}

/// A struct parameter that the kernel may write to is the thread's own: it is copied at the start.
pub(super) fn own_structs(k: &mut Kernel) {
    let mut written = BTreeSet::new();
    for (_, i) in k.iter_insts() {
        for p in may_write(k, &k.insts[i].op) {
            written.extend(bases(k, p));
        }
    }
    for index in 0..k.params.len() as u32 {
        let Some(by_value) = k.params[index as usize].by_value.clone() else { continue };
        if !written.contains(&Base::Param(index)) {
            continue;
        }
        let param = k.param_value(index);
        let ty = k.ty(param);
        let entry = k.entry();
        let mut b = KernelBuilder::new(k);
        b.at = Cursor::At(entry, 0);
        let copy = b.value(Op::Alloca { bytes: by_value.bytes, align: by_value.align.max(8) }, ty);
        let len = b.k.int(Type::I64, by_value.bytes.into());
        let own = b.insert(
            Op::MemCopy {
                dst: copy,
                src: param,
                len,
                dst_align: by_value.align.max(1),
                src_align: by_value.align.max(1),
                overlap: false,
                volatile: false,
            },
            Type::Void,
        );
        let insts: Vec<Inst> = b.k.iter_insts().map(|(_, i)| i).filter(|&i| i != own).collect();
        for i in insts {
            k.insts[i].op.map_operands(|v| if v == param { copy } else { v });
        }
    }
}

/// Marks arithmetic on thread coordinates that cannot overflow: the device refuses launches with more than 2^31 - 1 threads
/// along an axis. It lets LLVM see that neighbouring threads have neighbouring indices.
pub(super) fn mark_indices(k: &mut Kernel) {
    let special = |k: &Kernel, v: Value, f: fn(u8) -> Special| {
        (0..3).find(|&axis| matches!(k.def_op(v), Some(Op::Special(s)) if *s == f(axis)))
    };
    let product = |k: &Kernel, v: Value| match k.def_op(v) {
        Some(Op::Binary { op: BinOp::Mul, a, b, .. }) => [(a, b), (b, a)].into_iter().find_map(|(a, b)| {
            let axis = special(k, *a, Special::BlockDim)?;
            let other = special(k, *b, Special::BlockId).or_else(|| special(k, *b, Special::GridDim))?;
            (axis == other).then_some(axis)
        }),
        _ => None,
    };
    let sum = |k: &Kernel, v: Value| match k.def_op(v) {
        Some(Op::Binary { op: BinOp::Add, a, b, .. }) => [(a, b), (b, a)].into_iter().find_map(|(a, b)| {
            let axis = product(k, *a)?;
            // Only block * size is known to leave room for the thread's index.
            let of_block = match k.def_op(*a) {
                Some(Op::Binary { a, b, .. }) => {
                    special(k, *a, Special::BlockId).or(special(k, *b, Special::BlockId)).is_some()
                }
                _ => false,
            };
            (of_block && special(k, *b, Special::ThreadId) == Some(axis)).then_some(axis)
        }),
        _ => None,
    };
    let insts: Vec<Inst> = k.iter_insts().map(|(_, i)| i).collect();
    for i in insts {
        let Some(v) = k.insts[i].result.filter(|&v| k.ty(v) == Type::I32) else { continue };
        if product(k, v).is_some() || sum(k, v).is_some() {
            if let Op::Binary { flags, .. } = &mut k.insts[i].op {
                *flags |= IntFlags::NUW | IntFlags::NSW;
            }
        }
    }
}
