//! The closed instruction set. What it cannot hold, the reader refuses.

use super::{Block, Flavor, IntFn, MathFn, Value};
use smallvec::SmallVec;

#[allow(missing_docs)] // LLVM's names
mod flags {
    use bitflags::bitflags;
    bitflags! {
        /// Fast-math flags, with LLVM's meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[allow(missing_docs)]
        pub struct Fmf: u8 {
            const NNAN = 1; const NINF = 2; const NSZ = 4; const ARCP = 8;
            const CONTRACT = 16; const AFN = 32; const REASSOC = 64;
        }
    }

    bitflags! {
        /// Poison-generating integer and cast flags, with LLVM's meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[allow(missing_docs)]
        pub struct IntFlags: u8 {
            const NUW = 1; const NSW = 2; const EXACT = 4; const DISJOINT = 8; const NNEG = 16;
        }
    }
}
pub use flags::{Fmf, IntFlags};

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum BinOp {
    Add, Sub, Mul, UDiv, SDiv, URem, SRem, Shl, LShr, AShr, And, Or, Xor,
    FAdd, FSub, FMul, FDiv, FRem,
}

impl BinOp {
    /// True for the floating-point operations.
    pub fn is_float(self) -> bool {
        matches!(self, BinOp::FAdd | BinOp::FSub | BinOp::FMul | BinOp::FDiv | BinOp::FRem)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum IntPred { Eq, Ne, Ugt, Uge, Ult, Ule, Sgt, Sge, Slt, Sle }

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum FloatPred { False, Oeq, Ogt, Oge, Olt, Ole, One, Ord, Uno, Ueq, Ugt, Uge, Ult, Ule, Une, True }

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum CastOp {
    Trunc, ZExt, SExt, FpTrunc, FpExt, FpToUi, FpToSi, UiToFp, SiToFp,
    PtrToInt, IntToPtr, Bitcast, AddrSpaceCast,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum RmwOp {
    Xchg, Add, Sub, And, Nand, Or, Xor, Max, Min, UMax, UMin, FAdd, FSub, FMax, FMin,
    /** PTX `inc`: (old >= val) ? 0 : old + 1 */ UIncWrap, /** PTX `dec` */ UDecWrap,
}

/// Memory orderings of C++11.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum Ordering { Unordered, Monotonic, Acquire, Release, AcqRel, SeqCst }

/// Who sees an atomic access or a fence in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Scope {
    /// The set of threads.
    pub level: ScopeLevel,
    /// AMDGPU's `-one-as`: only accesses to the same address space are ordered.
    pub one_as: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum ScopeLevel { Thread, Warp, Block, Device, System }

impl Scope {
    /// LLVM's default scope.
    pub const SYSTEM: Scope = Scope { level: ScopeLevel::System, one_as: false };
    /// All threads of the device.
    pub const DEVICE: Scope = Scope { level: ScopeLevel::Device, one_as: false };
    /// All threads of the block.
    pub const BLOCK: Scope = Scope { level: ScopeLevel::Block, one_as: false };
}

/// How memory is accessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemFlags {
    /// Alignment in bytes, a power of two.
    pub align: u32,
    /// Not removed, not merged, not moved.
    pub volatile: bool,
    /// `!invariant.load`: the memory does not change during the launch (also `ld.global.nc`).
    pub invariant: bool,
    /// `!nontemporal`.
    pub nontemporal: bool,
    /// Atomic ordering; `None` for plain accesses.
    pub ordering: Option<Ordering>,
    /// Scope of an atomic access.
    pub scope: Scope,
}

impl MemFlags {
    /// A plain access with that alignment.
    pub fn plain(align: u32) -> Self {
        MemFlags {
            align,
            volatile: false,
            invariant: false,
            nontemporal: false,
            ordering: None,
            scope: Scope::SYSTEM,
        }
    }

    /// A relaxed atomic access with device scope.
    pub fn relaxed(align: u32) -> Self {
        MemFlags { ordering: Some(Ordering::Monotonic), scope: Scope::DEVICE, ..Self::plain(align) }
    }
}

/// Coordinates and sizes of the launch, all i32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Special {
    /// Index in the block along axis 0, 1, 2.
    ThreadId(u8),
    /// Index of the block in the grid.
    BlockId(u8),
    /// Threads per block.
    BlockDim(u8),
    /// Blocks in the grid.
    GridDim(u8),
    /// Index in the warp.
    LaneId,
    /// Warp of the block (`%warpid` is unstable on hardware; the CPU device gives linear thread id / warp size).
    WarpId,
    /// Threads per warp.
    WarpSize,
    /// Bytes of dynamic shared memory of the launch.
    DynamicSharedSize,
    /// Bytes of all shared memory of the launch.
    TotalSharedSize,
    /// A masks of lanes: equal, less, less-equal, greater, greater-equal (`%lanemask_*`).
    LaneMask(LaneMask),
    /// Low 32 bits of a cycle counter.
    Clock,
    /// Multiprocessor id and their number.
    SmId,
    /// Number of multiprocessors.
    NSmId,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub enum LaneMask {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

/// What a barrier of the block gives back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BarrierKind {
    /// `bar.sync`, `barrier.sync`, `s.barrier`: no result.
    Sync,
    /// i32: number of threads with a non-zero predicate.
    Popc,
    /// i32: non-zero when all have one.
    And,
    /// i32: non-zero when any has one.
    Or,
    /// Arrive without waiting (`bar.arrive`).
    Arrive,
}

/// Operations among the threads of a warp. Masks and results of ballots are i32 on NVPTX, i64 on wave64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[rustfmt::skip]
#[allow(missing_docs)]
pub enum WarpOp {
    /** (mask) -> none: bar.warp.sync */ Sync,
    /** (mask, value, lane, clamp): PTX shfl.sync; result of the value's type */ ShflIdx, ShflUp, ShflDown, ShflBfly,
    /** as Shfl*, result {T, i1} with the in-range predicate */ ShflIdxP, ShflUpP, ShflDownP, ShflBflyP,
    /** (mask, pred i1) -> i1 */ VoteAll, VoteAny, VoteUni,
    /** (mask, pred i1) -> mask type */ Ballot,
    /** () -> mask type */ ActiveMask,
    /** (mask, value) -> mask type: lanes with an equal value */ MatchAny,
    /** (mask, value) -> {mask, i1} */ MatchAll,
    /** (mask, value f32 or f64, lane modulo warp size): sum of the values of the lanes that name this one; made for gradients */ ScatterAdd,
    /** (mask, i32) -> i32 */ ReduxAdd, ReduxUMin, ReduxUMax, ReduxSMin, ReduxSMax, ReduxAnd, ReduxOr, ReduxXor,
    /** AMD: (byte index i32, value i32): pull from lane index/4 */ DsBpermute,
    /** AMD: push to lane index/4 */ DsPermute,
    /** AMD: (value i32): pattern is an immediate second argument */ DsSwizzle,
    /** AMD: (value i32) of the first active lane */ ReadFirstLane,
    /** AMD: (value i32, lane i32) */ ReadLane,
    /** AMD: (mask i32, base i32): bits below this lane, low 32 */ MbcntLo, MbcntHi,
    /** AMD: (old, src, dpp ctrl, row mask, bank mask, bound ctrl), the last four constants */ UpdateDpp,
    /** AMD: s_wave_barrier */ WaveBarrier,
}

/// One instruction. Operands stand in LLVM's order.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // operand names speak
pub enum Op {
    Binary {
        op: BinOp,
        a: Value,
        b: Value,
        flags: IntFlags,
        fmf: Fmf,
    },
    FNeg {
        a: Value,
        fmf: Fmf,
    },
    Freeze {
        a: Value,
    },
    ICmp {
        pred: IntPred,
        a: Value,
        b: Value,
    },
    FCmp {
        pred: FloatPred,
        a: Value,
        b: Value,
        fmf: Fmf,
    },
    /// The destination type is the result's.
    Cast {
        op: CastOp,
        a: Value,
        flags: IntFlags,
    },
    Select {
        cond: Value,
        a: Value,
        b: Value,
        fmf: Fmf,
    },
    /// First in its block; one entry for every predecessor block (not for every edge).
    Phi {
        incoming: Vec<(Block, Value)>,
    },
    /// `ptr + offset` bytes; the offset is a signed integer of 32 or 64 bits, extended or cut to the index width.
    PtrAdd {
        ptr: Value,
        offset: Value,
        inbounds: bool,
    },
    /// Memory of one thread for the whole launch; only in the entry block. Contents are unwritten.
    Alloca {
        bytes: u64,
        align: u32,
    },
    Load {
        ptr: Value,
        mem: MemFlags,
    },
    Store {
        ptr: Value,
        val: Value,
        mem: MemFlags,
    },
    /// memcpy, or memmove with `overlap`. `len` in bytes.
    MemCopy {
        dst: Value,
        src: Value,
        len: Value,
        dst_align: u32,
        src_align: u32,
        overlap: bool,
        volatile: bool,
    },
    MemSet {
        dst: Value,
        byte: Value,
        len: Value,
        align: u32,
        volatile: bool,
    },
    /// Gives the old value.
    AtomicRmw {
        op: RmwOp,
        ptr: Value,
        val: Value,
        mem: MemFlags,
    },
    /// Gives {old value, i1 success}.
    CmpXchg {
        ptr: Value,
        expected: Value,
        new: Value,
        mem: MemFlags,
        failure: Ordering,
        weak: bool,
    },
    Fence {
        ordering: Ordering,
        scope: Scope,
    },
    ExtractElement {
        vec: Value,
        index: Value,
    },
    InsertElement {
        vec: Value,
        elem: Value,
        index: Value,
    },
    /// Mask entries below 0 are poison lanes.
    ShuffleVector {
        a: Value,
        b: Value,
        mask: Vec<i32>,
    },
    ExtractValue {
        agg: Value,
        path: SmallVec<[u32; 2]>,
    },
    InsertValue {
        agg: Value,
        elem: Value,
        path: SmallVec<[u32; 2]>,
    },
    Math {
        func: MathFn,
        flavor: Flavor,
        args: SmallVec<[Value; 3]>,
        fmf: Fmf,
    },
    IntMath {
        func: IntFn,
        args: SmallVec<[Value; 3]>,
    },
    Special(Special),
    /// Barrier of the block. `id` and `count` are i32 (`bar.sync id, count`); `pred` for the reducing kinds.
    /// `aligned` says that all threads of a warp execute it together.
    Barrier {
        kind: BarrierKind,
        id: Option<Value>,
        count: Option<Value>,
        pred: Option<Value>,
        aligned: bool,
    },
    Warp {
        op: WarpOp,
        args: SmallVec<[Value; 4]>,
    },
    /// Write `val` to this thread's tape at a byte offset (i64, a multiple of the value's size). See [`super::TapeInfo`].
    TapeStore {
        offset: Value,
        val: Value,
    },
    /// Read this thread's tape; the bytes must have been written by a `TapeStore` of the same type.
    TapeLoad {
        offset: Value,
    },
    /// Add `val` to `*ptr`. `atomic` when other threads may add to the same address in this launch; the result is
    /// never used. What emission makes of it (atomic, private copy, plain add) is the target's choice.
    Accumulate {
        ptr: Value,
        val: Value,
        align: u32,
        atomic: bool,
    },
    /// Inline assembly, carried through word for word. NVPTX or AMDGPU only.
    Asm {
        text: String,
        constraints: String,
        side_effects: bool,
        args: SmallVec<[Value; 4]>,
    },
    /// A call that stays one: `vprintf`, `__assertfail`, unknown externals.
    Call {
        callee: String,
        args: SmallVec<[Value; 4]>,
    },
    /// Ends the launch with an error.
    Trap,
    Br {
        to: Block,
    },
    CondBr {
        cond: Value,
        then: Block,
        els: Block,
    },
    Switch {
        val: Value,
        default: Block,
        cases: Vec<(i128, Block)>,
    },
    Ret,
    Unreachable,
}
