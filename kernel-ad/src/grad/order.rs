//! Why an atomic operation on differentiated memory has no derivative: it depends on the order of the threads.

use crate::kernel::*;

const RESULT: &str =
    "what it gives depends on the order in which the threads come, and no thread can follow that backwards";

/// The reason and what to do about it, for an operation whose result carries derivatives or not.
pub fn reason(op: RmwOp, result: bool) -> (&'static str, &'static str) {
    use RmwOp::*;
    match op {
        FAdd | FSub if result => (
            RESULT,
            "give every thread an element of its own, or do not compute with the result",
        ),
        FMax | FMin if result => (
            RESULT,
            "do not compute with the result; read the extremum behind a barrier",
        ),
        FMax | FMin => (
            "the derivative belongs to the thread whose value wins, which is known only when all have come",
            "in global memory use --mode augmented,reverse; in shared memory read the result behind a barrier",
        ),
        Xchg => (
            "the value that stays is that of the thread that comes last, and nobody knows which one that is",
            "give every thread an element of its own, and address it by the thread's number in the grid",
        ),
        _ => ("it computes with integers", "mark the memory const if it holds no differentiable data"),
    }
}

/// Why a loop around a compare-and-swap, by what it puts in, has no derivative; and what to do about it.
pub fn exchange_reason(k: &Kernel, new: Value) -> (&'static str, &'static str) {
    match update(k, new, 0) {
        Update::Product => (
            "it multiplies: a factor's adjoint is the product of all others, which is known only when all have come",
            "multiply in shared memory, and look at the product behind a barrier; let every thread store its factor; or, where all factors are positive, \
             add their logarithms with atomicAdd",
        ),
        Update::Half => (
            "it works on 16 bits, and compare-and-swap loops are understood for f32 and f64",
            "keep the result in f32, where atomicAdd, atomicMax and loops are understood, and round it at the end",
        ),
        Update::Part => (
            "it replaces a part of a word: one operation works on several numbers",
            "add halves with atomicAdd on __half or __half2, or keep the sum in f32 and round it at the end",
        ),
        Update::Other => (
            "the loop around it neither adds to a float nor keeps the larger or the smaller one",
            "use atomicAdd for floating-point sums; mark the memory const if it holds integers",
        ),
    }
}

/// What a loop puts in.
enum Update {
    Product,
    Half,
    Part,
    Other,
}

fn update(k: &Kernel, v: Value, depth: u32) -> Update {
    if k.ty(v) == Type::Int(16) {
        return Update::Half;
    }
    match k.def_op(v) {
        _ if depth > 4 => Update::Other,
        Some(Op::Cast { op: CastOp::Bitcast, a, .. } | Op::Freeze { a }) => update(k, *a, depth + 1),
        Some(Op::Select { a, .. }) => update(k, *a, depth + 1),
        Some(Op::Phi { incoming }) => {
            incoming.first().map_or(Update::Other, |(_, v)| update(k, *v, depth + 1))
        }
        Some(Op::Math { func: MathFn::Opaque | MathFn::Pin, args, .. }) => update(k, args[0], depth + 1),
        Some(Op::Binary { op: BinOp::FMul, .. } | Op::Math { func: MathFn::Mul, .. }) => Update::Product,
        Some(Op::Binary { op: BinOp::Or | BinOp::And | BinOp::Shl, .. }) => Update::Part,
        _ => Update::Other,
    }
}

/// What belongs to a loop around a compare-and-swap: once that is refused, nothing else there needs to be.
pub fn part_of_exchange(
    k: &Kernel,
    blocks: &dyn Fn(Block) -> bool,
    swap: Inst,
    other: Inst,
    home: Block,
) -> bool {
    let Op::CmpXchg { ptr, new, expected, .. } = k.insts[swap].op else { return false };
    let result = k.insts[other].result;
    let same_place = matches!(k.insts[other].op, Op::Load { ptr: p, .. } if p == ptr);
    let goes_in = result.is_some_and(|r| r == new || r == expected);
    other != swap && (blocks(home) || same_place || goes_in)
}
