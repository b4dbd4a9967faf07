//! The result type that an operation has unless it says otherwise, and natural layouts of aggregates.

use super::*;

/// Result of [`infer`]: a type, or a pair `{T, i1}`-like struct that may not be interned yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Inferred {
    /// That type (void for no result).
    Ty(Type),
    /// A struct of these two members in natural layout.
    Pair(Type, Type),
    /// The operation must say.
    Unknown,
}

/// What the operands alone say about the result.
pub(super) fn infer(k: &Kernel, op: &Op) -> Inferred {
    use Inferred::*;
    let ty = |v: Value| k.ty(v);
    match op {
        Op::Binary { a, .. } | Op::FNeg { a, .. } | Op::Freeze { a } | Op::Select { a, .. } => Ty(ty(*a)),
        Op::ICmp { a, .. } | Op::FCmp { a, .. } => Ty(ty(*a).with_scalar(Lane::Int(1))),
        Op::PtrAdd { ptr, .. } => Ty(ty(*ptr)),
        Op::AtomicRmw { val, .. } => Ty(ty(*val)),
        Op::CmpXchg { expected, .. } => Pair(ty(*expected), Type::I1),
        Op::ExtractElement { vec, .. } => Ty(ty(*vec).scalar()),
        Op::InsertElement { vec, .. } => Ty(ty(*vec)),
        Op::ShuffleVector { a, mask, .. } => match ty(*a) {
            Type::Vec(l, _) => Ty(Type::Vec(l, mask.len() as u16)),
            _ => Unknown,
        },
        Op::ExtractValue { agg, path } => k.agg_member(ty(*agg), path).map_or(Unknown, Ty),
        Op::InsertValue { agg, .. } => Ty(ty(*agg)),
        Op::Math { func, args, .. } => infer_math(k, *func, args),
        Op::IntMath { func, args } => {
            let a = args.first().map_or(Type::Void, |&a| ty(a));
            match func {
                IntFn::Ffs => Ty(Type::I32),
                f if f.overflowing() => Pair(a, a.with_scalar(Lane::Int(1))),
                _ => Ty(a),
            }
        }
        Op::Special(_) => Ty(Type::I32),
        Op::Barrier { kind, .. } => match kind {
            BarrierKind::Sync | BarrierKind::Arrive => Ty(Type::Void),
            _ => Ty(Type::I32),
        },
        Op::Warp { op, args } => infer_warp(k, *op, args),
        Op::Store { .. }
        | Op::MemCopy { .. }
        | Op::MemSet { .. }
        | Op::Fence { .. }
        | Op::TapeStore { .. }
        | Op::Accumulate { .. }
        | Op::Trap => Ty(Type::Void),
        op if op.is_terminator() => Ty(Type::Void),
        _ => Unknown,
    }
}

fn infer_math(k: &Kernel, func: MathFn, args: &[Value]) -> Inferred {
    use MathFn::*;
    match func {
        Ilogb | FrexpExp | RemquoQuo | Lround | Lrint | ToInt | ToUint | IsNan | IsInf | IsFinite
        | SignBit => Inferred::Ty(Type::I32),
        FromInt | FromUint => Inferred::Ty(Type::F32),
        Convert => Inferred::Unknown,
        _ => match args.iter().map(|&a| k.ty(a)).find(|t| t.is_float()) {
            Some(t) => Inferred::Ty(t),
            None => Inferred::Unknown,
        },
    }
}

fn infer_warp(k: &Kernel, op: WarpOp, args: &[Value]) -> Inferred {
    use WarpOp::*;
    let ty = |i: usize| args.get(i).map_or(Type::Void, |&a| k.ty(a));
    match op {
        Sync | WaveBarrier => Inferred::Ty(Type::Void),
        ShflIdx | ShflUp | ShflDown | ShflBfly => Inferred::Ty(ty(1)),
        ShflIdxP | ShflUpP | ShflDownP | ShflBflyP => Inferred::Pair(ty(1), Type::I1),
        VoteAll | VoteAny | VoteUni => Inferred::Ty(Type::I1),
        Ballot | MatchAny => Inferred::Ty(ty(0)),
        ActiveMask => Inferred::Ty(if k.source.warp_size > 32 { Type::I64 } else { Type::I32 }),
        MatchAll => Inferred::Pair(ty(0), Type::I1),
        ReduxAdd | ReduxUMin | ReduxUMax | ReduxSMin | ReduxSMax | ReduxAnd | ReduxOr | ReduxXor
        | DsBpermute | DsPermute | ScatterAdd => Inferred::Ty(ty(1)),
        DsSwizzle | ReadFirstLane | ReadLane | UpdateDpp => Inferred::Ty(ty(0)),
        MbcntLo | MbcntHi => Inferred::Ty(Type::I32),
    }
}

impl IntFn {
    /// True for the functions whose result is `{T, i1}`.
    pub fn overflowing(self) -> bool {
        use IntFn::*;
        matches!(self, SaddOv | UaddOv | SsubOv | UsubOv | SmulOv | UmulOv)
    }

    /// Number of arguments.
    pub fn arity(self) -> usize {
        use IntFn::*;
        match self {
            Ctpop | Ctlz | Cttz | Bswap | Bitreverse | Abs | Ffs => 1,
            Fshl | Fshr | BytePerm | BfeS | BfeU | SadS | SadU => 3,
            Bfi => 4,
            _ => 2,
        }
    }
}

impl Kernel {
    /// Natural alignment of a type, as the data layouts of both architectures have it.
    pub fn natural_align(&self, ty: Type) -> u32 {
        match ty {
            Type::Agg(id) => match &self.aggs[id] {
                AggTy::Struct { align, .. } | AggTy::Array { align, .. } => *align,
            },
            // An i128 has 16, an i24 has 4; vectors have their size, rounded up to a power of two.
            _ => (self.bytes(ty).max(1).next_power_of_two() as u32).min(if ty.is_int() { 16 } else { 256 }),
        }
    }

    /// Distance of neighbours of that type in memory, in bytes.
    pub fn stride(&self, ty: Type) -> u64 {
        round_up(self.bytes(ty), self.natural_align(ty).max(1))
    }

    /// The struct with members in natural layout, not interned.
    pub(super) fn natural_struct(&self, fields: Vec<Type>, packed: bool) -> AggTy {
        let (mut at, mut align) = (0u64, 1u32);
        let mut offsets = Vec::with_capacity(fields.len());
        for &f in &fields {
            let a = if packed { 1 } else { self.natural_align(f).max(1) };
            at = round_up(at, a);
            offsets.push(clamp(at));
            at = at.saturating_add(self.stride(f));
            align = align.max(a);
        }
        AggTy::Struct { fields, offsets, size: clamp(round_up(at, align)), align, packed }
    }

    /// The array with natural stride, not interned.
    pub(super) fn natural_array(&self, elem: Type, len: u32) -> AggTy {
        AggTy::Array { elem, len, stride: clamp(self.stride(elem)), align: self.natural_align(elem) }
    }

    /// The interned struct with members in natural layout.
    pub fn struct_ty(&mut self, fields: &[Type]) -> Type {
        let ty = self.natural_struct(fields.to_vec(), false);
        Type::Agg(self.agg(ty))
    }

    /// The interned array with natural stride.
    pub fn array_ty(&mut self, elem: Type, len: u32) -> Type {
        let ty = self.natural_array(elem, len);
        Type::Agg(self.agg(ty))
    }
}

fn round_up(n: u64, align: u32) -> u64 {
    n.checked_next_multiple_of(u64::from(align)).unwrap_or(u64::MAX)
}

/// Sizes of types are kept in 32 bits; the verifier refuses what does not fit.
fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
