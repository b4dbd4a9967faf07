//! The result of a device function, which goes to memory.

use crate::kernel::*;

/// Stores a result: at `to`, or at the thread's own element of an array whose elements are some bytes apart.
pub(super) fn store(b: &mut KernelBuilder, (to, stride): (Value, Option<u64>), val: Value) {
    let at = match stride {
        None => to,
        Some(bytes) => {
            let thread = thread_number(b);
            let bytes = b.k.int(Type::I64, bytes.into());
            let offset = b.binary(BinOp::Mul, thread, bytes);
            b.ptr_add(to, offset)
        }
    };
    members(b, at, 0, val);
}

/// A struct is stored member by member, so that each is a number.
fn members(b: &mut KernelBuilder, to: Value, offset: u64, val: Value) {
    let ty = b.k.ty(val);
    let parts: Vec<u64> = match ty {
        Type::Agg(id) => match &b.k.aggs[id] {
            AggTy::Struct { offsets, .. } => offsets.iter().map(|&o| o.into()).collect(),
            AggTy::Array { len, stride, .. } => {
                (0..*len).map(|i| u64::from(i) * u64::from(*stride)).collect()
            }
        },
        _ => {
            let mut at = to;
            if offset > 0 {
                let space = b.k.ty(to).addr_space().unwrap_or(AddrSpace::Generic);
                let index = b.k.index_ty(space);
                let by = b.k.int(index, offset.into());
                at = b.ptr_add(to, by);
            }
            // The alignment of the parts of a packed struct is not known.
            let natural = b.k.bytes(ty.scalar()).max(1).next_power_of_two();
            let align = if offset.is_multiple_of(natural) { natural } else { 1 };
            return b.store(at, val, MemFlags::plain(align as u32));
        }
    };
    for (i, at) in parts.into_iter().enumerate() {
        let part = b.extract_value(val, i as u32);
        members(b, to, offset + at, part);
    }
}

/// The number of the thread in the launch.
fn thread_number(b: &mut KernelBuilder) -> Value {
    let mut wide = |s: Special| {
        let v = b.special(s);
        b.cast(CastOp::ZExt, v, Type::I64)
    };
    let of = |f: fn(u8) -> Special, wide: &mut dyn FnMut(Special) -> Value| [f(0), f(1), f(2)].map(wide);
    let thread = of(Special::ThreadId, &mut wide);
    let block = of(Special::BlockId, &mut wide);
    let threads = of(Special::BlockDim, &mut wide);
    let blocks = of(Special::GridDim, &mut wide);
    let mut linear = |at: [Value; 3], size: [Value; 3]| {
        let rows = b.binary(BinOp::Mul, at[2], size[1]);
        let rows = b.binary(BinOp::Add, rows, at[1]);
        let all = b.binary(BinOp::Mul, rows, size[0]);
        b.binary(BinOp::Add, all, at[0])
    };
    let (in_block, number) = (linear(thread, threads), linear(block, blocks));
    let area = b.binary(BinOp::Mul, threads[0], threads[1]);
    let volume = b.binary(BinOp::Mul, area, threads[2]);
    let before = b.binary(BinOp::Mul, number, volume);
    b.binary(BinOp::Add, before, in_block)
}
