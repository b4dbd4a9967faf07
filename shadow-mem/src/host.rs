//! The contract between host shared objects and the CPU device that runs them.
//!
//! A host artifact is a shared object. Its symbol [`TABLE_SYMBOL`] is a NUL-terminated JSON text, a [`HostModule`]: the kernels with
//! their regions and cuts. A *region* is a function that runs a range of one block's threads up to the next *cut*: a
//! barrier or an operation among the threads of a warp, which the device carries out between regions. Values that live
//! across a cut stand in *slots*: per-thread arrays in memory that the device provides.
//!
//! ```text
//! void region(BlockContext *ctx, uint32_t first, uint32_t last)
//! ```
//! runs threads `first..last` of the block. Every thread leaves its *state* in `ctx->next[thread]`, unless the region
//! has a single exit: the number of the region it wants to run (`0..regions`), of the cut that it waits at (`regions +
//! cut`), or [`EXITED`]. Slot data of thread `t` with `size` bytes at offset `off` lies at `ctx->slots + off *
//! ctx->stride + t * size`.
//!
//! Functions that neither the object nor libm has are called through the pointer array [`IMPORTS_SYMBOL`], which the
//! device fills in by the names of [`HostModule::imports`] when it loads the object.

use serde::{Deserialize, Serialize};

/// Version of this contract; another version is refused.
pub const HOST_ABI_VERSION: u32 = 1;
/// Symbol of the JSON table.
pub const TABLE_SYMBOL: &str = "kad_table";
/// Symbol of the array of imported functions.
pub const IMPORTS_SYMBOL: &str = "kad_imports";
/// State of a thread that has returned.
pub const EXITED: u32 = u32::MAX;
/// Alignment of the shared memory, slots, and local memory that the device provides.
pub const HOST_ALIGN: u64 = 128;

/// What a region function sees of its block. One for each worker, changed from block to block.
#[repr(C)]
#[derive(Debug)]
pub struct BlockContext {
    /// Parameter area, laid out by [`HostKernel::param_offsets`].
    pub params: *const u8,
    /// Slots.
    pub slots: *mut u8,
    /// Threads that every slot has room for: at least `threads`, a multiple of 64.
    pub stride: u64,
    /// State of every thread.
    pub next: *mut u32,
    /// Local memory: thread `t` has [`HostKernel::local_bytes`] bytes at `t * local_bytes`.
    pub locals: *mut u8,
    /// Shared memory: static part first, the dynamic part at [`HostKernel::dynamic_offset`].
    pub shared: *mut u8,
    /// The device's own data, for imported functions.
    pub worker: *mut core::ffi::c_void,
    /// Number of the block's first thread among the parts of the tape.
    pub tape_first: u64,
    /// Index of the block.
    pub block_id: [u32; 3],
    /// Threads per block.
    pub block_dim: [u32; 3],
    /// Blocks in the grid.
    pub grid_dim: [u32; 3],
    /// Threads of the block.
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// Bytes of all shared memory.
    pub total_shared: u32,
    /// The worker that runs the block.
    pub worker_id: u32,
    /// Number of workers.
    pub workers: u32,
}

/// Type of a region function.
pub type RegionFn = unsafe extern "C" fn(ctx: *mut BlockContext, first: u32, last: u32);

/// Everything that the device must know about a host object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostModule {
    /// [`HOST_ABI_VERSION`].
    pub abi: u32,
    /// Extensions of the processor that the code uses, by LLVM's names (`avx2`).
    #[serde(default)]
    pub features: Vec<String>,
    /// Names of imported functions, in order of [`IMPORTS_SYMBOL`].
    pub imports: Vec<String>,
    /// Kernels.
    pub kernels: Vec<HostKernel>,
    /// Module-level variables that the host may set.
    pub globals: Vec<HostGlobal>,
}

/// A module-level variable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostGlobal {
    /// Name in the IR.
    pub name: String,
    /// Symbol in the object.
    pub symbol: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// One kernel of a host object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostKernel {
    /// Symbol, as in its manifest.
    pub symbol: String,
    /// Offset of every parameter in the parameter area.
    pub param_offsets: Vec<u64>,
    /// Size of the parameter area.
    pub param_bytes: u64,
    /// Bytes of static shared memory.
    pub static_shared: u64,
    /// Where dynamic shared memory starts.
    pub dynamic_offset: u64,
    /// Threads per warp.
    pub warp_size: u32,
    /// The threads of a warp run in step: warp operations take the lanes that have arrived, whatever their mask says.
    pub lockstep: bool,
    /// Regions; the first is the kernel's start.
    pub regions: Vec<RegionSpec>,
    /// Cuts.
    pub cuts: Vec<CutSpec>,
    /// Bytes of slots per thread.
    pub slot_bytes: u64,
    /// Bytes of local memory per thread that outlives regions.
    pub local_bytes: u64,
    /// Places of traps and of assertions, by site number.
    pub sites: Vec<String>,
    /// Every thread needs its own part of the tape within a block (else the threads of a block use one part in turn).
    pub tape_per_thread: bool,
    /// Threads that run together as lanes of vectors, at most; their tapes are interleaved.
    #[serde(default = "one")]
    pub lanes: u32,
}

fn one() -> u32 {
    1
}

impl HostKernel {
    /// Threads of a worker that hold a tape at the same time, when the tape is reused.
    pub fn tapes_at_once(&self, threads_per_block: u64) -> u64 {
        match self.tape_per_thread {
            true => threads_per_block,
            false => self.lanes.max(1).into(),
        }
    }
}

/// A region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegionSpec {
    /// Symbol of the function.
    pub symbol: String,
    /// Symbol of the variant that adds without atomics into the parameters that a manifest calls `accumulate_only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<String>,
    /// State of every thread behind it; `None` when threads differ and the function writes `next`.
    pub exit: Option<u32>,
    /// Place in the kernel's order: what waits at a lower place goes first.
    pub order: u32,
}

/// A place in the kernel where threads wait for each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CutSpec {
    /// What happens there.
    pub kind: CutKind,
    /// Operands: of a barrier id, count, predicate; of a warp operation its arguments.
    pub args: Vec<CutArg>,
    /// Where the result goes.
    pub result: Option<CutResult>,
    /// A barrier that all threads of a warp must reach at this very place.
    #[serde(default)]
    pub aligned: bool,
    /// Region that follows.
    pub resume: u32,
    /// Place in the kernel's order.
    pub order: u32,
    /// Source location, for messages.
    pub place: String,
}

/// An operand of a cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutArg {
    /// There is none.
    None,
    /// A constant.
    Const(u64),
    /// A slot.
    Slot {
        /// Offset of the slot.
        offset: u64,
        /// Bytes per thread.
        size: u32,
    },
}

/// The slot of a cut's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CutResult {
    /// Offset of the slot.
    pub offset: u64,
    /// Bytes per thread from one to the next.
    pub size: u32,
    /// Bytes of the value itself.
    pub value: u32,
    /// Offset of an i1 behind the value, for operations that give two results.
    pub flag: Option<u32>,
}

/// What happens at a cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // as in Kernel IR
pub enum CutKind {
    Barrier(BarrierKind),
    Warp(WarpKind),
}

/// Forms of a block's barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum BarrierKind {
    Sync,
    Popc,
    And,
    Or,
    Arrive,
}

/// Operations among the threads of a warp, as Kernel IR has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
#[rustfmt::skip]
pub enum WarpKind {
    Sync, ShflIdx, ShflUp, ShflDown, ShflBfly, VoteAll, VoteAny, VoteUni, Ballot, ActiveMask, MatchAny, MatchAll,
    ScatterAdd, ReduxAdd, ReduxUMin, ReduxUMax, ReduxSMin, ReduxSMax, ReduxAnd, ReduxOr, ReduxXor,
    DsBpermute, DsPermute, DsSwizzle, ReadFirstLane, ReadLane, UpdateDpp, WaveBarrier,
}
