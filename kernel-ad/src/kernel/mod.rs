//! Kernel IR: one GPU kernel in SSA form, as typed ids over flat tables.
//!
//! A [`Kernel`] is one function without calls between functions of its own: everything that could be inlined was.
//! Both ends are LLVM ([`crate::read`], [`crate::emit`]); between them analyses, planning and differentiation work on
//! these tables alone. The result of differentiation is a `Kernel` again.
//!
//! Invariants, checked by [`verify`]: SSA (definitions dominate uses), phis first in their block with one entry for each
//! predecessor block, one terminator and it is last, types of operands as [`Op`] says, allocas only in the entry block,
//! the entry block has no predecessors, every block in `layout` is reachable.

pub mod asm;
mod build;
mod function;
mod ids;
mod infer;
mod math;
mod names;
mod op;
mod op_parts;
mod param;
mod parse;
mod print;
mod print_op;
mod types;
mod verify;
pub mod warp;

pub use build::{Cursor, KernelBuilder};
pub use function::{Access, Body, Derivative, Function};
pub use ids::{Block, Global, Inst, Loc, Value};
pub use math::{Flavor, IntFn, MathFn, Rounding};
pub use names::Named;
pub use op::*;
pub use param::{ByValue, Param};
pub use parse::parse;
pub use print::{print, print_inst, print_type, Printer};
pub use types::{AddrSpace, AggId, AggTy, FloatTy, Lane, Type};

pub use verify::verify;

use cranelift_entity::PrimaryMap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The architecture that a kernel was compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arch {
    /// NVIDIA, 64-bit (`nvptx64-nvidia-cuda`).
    Nvptx,
    /// AMD (`amdgcn-amd-amdhsa`).
    Amdgpu,
}

/// Where a kernel came from: what emission needs to go back there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Architecture.
    pub arch: Arch,
    /// LLVM triple of the module.
    pub triple: String,
    /// LLVM data layout of the module.
    pub data_layout: String,
    /// `target-cpu` of the kernel, if it says one (`sm_80`, `gfx90a`).
    pub cpu: Option<String>,
    /// `target-features` of the kernel.
    pub features: Option<String>,
    /// Threads per warp: 32 on NVPTX; 64 or 32 on AMDGPU.
    pub warp_size: u32,
    /// File the module was read from, for messages.
    pub file: String,
}

impl Source {
    /// What LLVM 19 says of that architecture; no processor named.
    pub fn of_arch(arch: Arch) -> Source {
        let (triple, data_layout, warp_size) = match arch {
            Arch::Nvptx => ("nvptx64-nvidia-cuda", "e-i64:64-i128:128-v16:16-v32:32-n16:32:64", 32),
            Arch::Amdgpu => (
                "amdgcn-amd-amdhsa",
                "e-p:64:64-p1:64:64-p2:32:32-p3:32:32-p4:64:64-p5:32:32-p6:32:32-p7:160:256:256:32-p8:128:128\
                 -p9:192:256:256:32-i64:64-v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512\
                 -v1024:1024-v2048:2048-n32:64-S32-A5-G1-ni:7:8:9",
                64,
            ),
        };
        Source {
            arch,
            triple: triple.into(),
            data_layout: data_layout.into(),
            cpu: None,
            features: None,
            warp_size,
            file: String::new(),
        }
    }
}

/// A module-level variable that the kernel uses.
#[derive(Clone, PartialEq, Debug)]
pub struct GlobalVar {
    /// Name in the IR.
    pub name: String,
    /// Where it lies: shared, constant, global.
    pub space: AddrSpace,
    /// Size in bytes; 0 for dynamic shared memory (`extern __shared__`).
    pub bytes: u64,
    /// Alignment in bytes.
    pub align: u32,
    /// Type, when it helps type inference.
    pub ty: Option<Type>,
    /// Never written (`constant` in LLVM).
    pub is_const: bool,
    /// Visible to the host by name (`__device__`, `__constant__`), so that its contents may be set from outside.
    pub external: bool,
    /// Initial contents; `None` for undef (shared memory) and external declarations.
    pub init: Option<Vec<u8>>,
    /// Pointers inside the initial contents: (byte offset, target, addend). The bytes there are zero.
    pub relocs: Vec<(u64, Global, i64)>,
}

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub enum ValueDef {
    /// Parameter of that index.
    Param(u32),
    /// Result of an instruction.
    Inst(Inst),
    /// A constant.
    Const(Const),
}

/// A constant. Constant expressions do not exist: the reader makes instructions of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Const {
    /// Integer; the low bits count, the rest are zero.
    Int(u128),
    /// Float, as the bits of its own format.
    Float(u64),
    /// Null pointer.
    Null,
    /// Any value, possibly another at each use.
    Undef,
    /// Poison.
    Poison,
    /// All bytes zero (vectors and aggregates).
    Zero,
    /// Address of a global variable, in the variable's own space.
    Global(Global),
    /// Vector or aggregate of constants.
    Elems(Vec<Value>),
}

/// A value with its type.
#[derive(Clone, PartialEq, Debug)]
pub struct ValueData {
    /// Type; never void.
    pub ty: Type,
    /// Definition.
    pub def: ValueDef,
    /// Name in the IR, for messages and printing. Not unique.
    pub name: Option<String>,
}

/// An instruction with its result.
#[derive(Clone, PartialEq, Debug)]
pub struct InstData {
    /// Operation and operands.
    pub op: Op,
    /// Result, if the operation has one.
    pub result: Option<Value>,
    /// Source location.
    pub loc: Option<Loc>,
}

/// A basic block.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BlockData {
    /// Name in the IR. Not unique.
    pub name: Option<String>,
    /// Instructions in order.
    pub insts: Vec<Inst>,
}

/// A source location from `!dbg`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LocData {
    /// File as the debug information names it.
    pub file: String,
    /// Line, from 1; 0 if unknown.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub col: u32,
    /// Function that holds it.
    pub function: String,
    /// Where that function was inlined.
    pub inlined_at: Option<Loc>,
}

/// The tape of a gradient kernel: memory of each thread, written by the forward sweep and read by the reverse sweep.
///
/// `TapeStore`/`TapeLoad` address it by a byte offset within the thread's own part. Which address that is, is decided
/// at emission (lane-interleaved on GPUs, contiguous for each thread on the host).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapeInfo {
    /// Parameter that holds the tape's base pointer.
    pub base: u32,
    /// Parameter (i64) that holds the capacity, in bytes per thread.
    pub capacity: u32,
    /// Parameter that points to an i64 status word in global memory: the largest offset (in bytes) that some thread wanted beyond its
    /// capacity, or 0. Emission guards every store with `offset + size <= capacity` unless `bounded`.
    pub status: u32,
    /// Largest number of bytes a thread can need, when that is known without a launch: no guard is needed then.
    pub bounded: Option<u64>,
    /// Alignment of every thread's part, in bytes.
    pub align: u32,
}

/// Promises of the source about launches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LaunchBounds {
    /// Exact block size (`reqntid`, `reqd_work_group_size`).
    pub required_block: Option<[u32; 3]>,
    /// Largest number of threads per block (`maxntid`, `amdgpu-flat-work-group-size`).
    pub max_threads: Option<u32>,
    /// Smallest number of blocks per multiprocessor (`minctasm`).
    pub min_blocks: Option<u32>,
    /// Pairs of pointer parameters whose memory must not overlap; checked at every launch.
    pub distinct: BTreeSet<(u32, u32)>,
}

/// One kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Symbol name.
    pub name: String,
    /// Origin.
    pub source: Source,
    /// Parameters, in order.
    pub params: Vec<Param>,
    /// Module-level variables in use.
    pub globals: PrimaryMap<Global, GlobalVar>,
    /// Struct and array types.
    pub aggs: PrimaryMap<AggId, AggTy>,
    /// Values. The first `params.len()` are the parameters.
    pub values: PrimaryMap<Value, ValueData>,
    /// Instructions, those that were removed from their block included.
    pub insts: PrimaryMap<Inst, InstData>,
    /// Blocks, those that were removed from `layout` included.
    pub blocks: PrimaryMap<Block, BlockData>,
    /// Blocks in order of printing and emission; the first is the entry.
    pub layout: Vec<Block>,
    /// Source locations.
    pub locs: PrimaryMap<Loc, LocData>,
    /// Promises about launches.
    pub bounds: LaunchBounds,
    /// The tape, in gradient kernels that have one.
    pub tape: Option<TapeInfo>,
    /// It is emitted as a function that other device code calls, not as a kernel that a host launches.
    pub is_function: bool,
    /// Device functions that it calls; see [`Function`].
    pub functions: Vec<Arc<Function>>,
    const_ids: HashMap<(Type, Const), Value>,
    agg_ids: HashMap<AggTy, AggId>,
}

impl Kernel {
    /// A kernel without parameters and blocks.
    pub fn new(name: impl Into<String>, source: Source) -> Self {
        Kernel {
            name: name.into(),
            source,
            params: Vec::new(),
            globals: PrimaryMap::new(),
            aggs: PrimaryMap::new(),
            values: PrimaryMap::new(),
            insts: PrimaryMap::new(),
            blocks: PrimaryMap::new(),
            layout: Vec::new(),
            locs: PrimaryMap::new(),
            bounds: LaunchBounds::default(),
            tape: None,
            is_function: false,
            functions: Vec::new(),
            const_ids: HashMap::new(),
            agg_ids: HashMap::new(),
        }
    }

    /// Appends a parameter and gives its value. Parameters can be appended at any time; their values need not be the
    /// first in the table, so look them up with [`Kernel::param_value`].
    pub fn add_param(&mut self, param: Param) -> Value {
        let index = self.params.len() as u32;
        let value = self.values.push(ValueData {
            ty: param.ty,
            def: ValueDef::Param(index),
            name: Some(param.name.clone()),
        });
        self.params.push(param);
        value
    }

    /// The value of a parameter.
    pub fn param_value(&self, index: u32) -> Value {
        self.values
            .iter()
            .find(|(_, d)| d.def == ValueDef::Param(index))
            .map(|(v, _)| v)
            .expect("every parameter has a value")
    }

    /// Type of a value.
    pub fn ty(&self, v: Value) -> Type {
        self.values[v].ty
    }

    /// The instruction that defines a value, if one does.
    pub fn def_inst(&self, v: Value) -> Option<Inst> {
        match self.values[v].def {
            ValueDef::Inst(i) => Some(i),
            _ => None,
        }
    }

    /// The operation that defines a value, if one does.
    pub fn def_op(&self, v: Value) -> Option<&Op> {
        self.def_inst(v).map(|i| &self.insts[i].op)
    }

    /// The constant that a value is, if it is one.
    pub fn as_const(&self, v: Value) -> Option<&Const> {
        match &self.values[v].def {
            ValueDef::Const(c) => Some(c),
            _ => None,
        }
    }

    /// The value of an integer constant of up to 64 bits, sign-extended.
    pub fn as_int(&self, v: Value) -> Option<i64> {
        match (self.as_const(v)?, self.ty(v)) {
            (Const::Int(bits), Type::Int(w @ 1..=64)) => {
                let shift = 64 - u32::from(w);
                Some(((*bits as u64) << shift) as i64 >> shift)
            }
            _ => None,
        }
    }

    /// The interned value of a constant.
    pub fn constant(&mut self, ty: Type, c: Const) -> Value {
        let key = (ty, c);
        if let Some(&v) = self.const_ids.get(&key) {
            return v;
        }
        let v = self.values.push(ValueData { ty, def: ValueDef::Const(key.1.clone()), name: None });
        self.const_ids.insert(key, v);
        v
    }

    /// An integer constant, cut to the width of `ty`.
    pub fn int(&mut self, ty: Type, n: i128) -> Value {
        let Type::Int(w) = ty else { panic!("int constant of type {ty:?}") };
        let mask = if w >= 128 { u128::MAX } else { (1u128 << w) - 1 };
        self.constant(ty, Const::Int(n as u128 & mask))
    }

    /// A float constant, rounded to the format of `ty`; vectors get it in every lane.
    pub fn float(&mut self, ty: Type, x: f64) -> Value {
        match ty {
            Type::Float(f) => {
                let bits = match f {
                    FloatTy::F16 => u64::from(half::f16::from_f64(x).to_bits()),
                    FloatTy::Bf16 => u64::from(half::bf16::from_f64(x).to_bits()),
                    FloatTy::F32 => u64::from((x as f32).to_bits()),
                    FloatTy::F64 => x.to_bits(),
                };
                self.constant(ty, Const::Float(bits))
            }
            Type::Vec(l @ Lane::Float(_), n) => {
                let e = self.float(l.ty(), x);
                self.constant(ty, Const::Elems(vec![e; n.into()]))
            }
            _ => panic!("float constant of type {ty:?}"),
        }
    }

    /// The all-zero constant of any type.
    pub fn zero(&mut self, ty: Type) -> Value {
        match ty {
            Type::Int(_) => self.int(ty, 0),
            Type::Float(_) => self.constant(ty, Const::Float(0)),
            Type::Ptr(_) => self.constant(ty, Const::Null),
            _ => self.constant(ty, Const::Zero),
        }
    }

    /// The interned id of an aggregate type.
    pub fn agg(&mut self, ty: AggTy) -> AggId {
        if let Some(&id) = self.agg_ids.get(&ty) {
            return id;
        }
        let id = self.aggs.push(ty.clone());
        self.agg_ids.insert(ty, id);
        id
    }

    /// Size of a value of that type in memory, in bytes, without padding behind it (a vector of 3 floats has 12).
    pub fn bytes(&self, ty: Type) -> u64 {
        match ty {
            Type::Void => 0,
            Type::Int(w) => u64::from(w).div_ceil(8),
            Type::Float(f) => f.bytes().into(),
            Type::Ptr(a) => self.pointer_bytes(a).into(),
            Type::Vec(Lane::Int(1), n) => u64::from(n).div_ceil(8),
            Type::Vec(l, n) => self.bytes(l.ty()) * u64::from(n),
            Type::Agg(id) => match &self.aggs[id] {
                AggTy::Struct { size, .. } => u64::from(*size),
                AggTy::Array { len, stride, .. } => u64::from(*len) * u64::from(*stride),
            },
        }
    }

    /// Bytes that hold such a value on every target: a pointer that has 4 on AMDGPU has 8 on the host.
    pub fn room(&self, ty: Type) -> u64 {
        match ty {
            Type::Ptr(_) => 8,
            _ => self.bytes(ty).max(1),
        }
    }

    /// Size of a pointer of the source's data layout: 8, or 4 in AMDGPU's shared and local memory.
    pub fn pointer_bytes(&self, space: AddrSpace) -> u32 {
        match (self.source.arch, space) {
            (Arch::Amdgpu, AddrSpace::Shared | AddrSpace::Local | AddrSpace::Other(2 | 6)) => 4,
            _ => 8,
        }
    }

    /// Type of a pointer difference or offset in that space.
    pub fn index_ty(&self, space: AddrSpace) -> Type {
        Type::Int(self.pointer_bytes(space) as u16 * 8)
    }

    /// Type of the member that `path` names inside an aggregate.
    pub fn agg_member(&self, ty: Type, path: &[u32]) -> Option<Type> {
        let Some((&first, rest)) = path.split_first() else { return Some(ty) };
        let Type::Agg(id) = ty else { return None };
        let inner = match &self.aggs[id] {
            AggTy::Struct { fields, .. } => *fields.get(first as usize)?,
            AggTy::Array { elem, len, .. } => (first < *len).then_some(*elem)?,
        };
        self.agg_member(inner, rest)
    }

    /// The entry block.
    pub fn entry(&self) -> Block {
        self.layout[0]
    }

    /// The terminator of a complete block.
    pub fn terminator(&self, b: Block) -> Inst {
        *self.blocks[b].insts.last().expect("a complete block has a terminator")
    }

    /// Successor blocks, without repetition.
    pub fn successors(&self, b: Block) -> smallvec::SmallVec<[Block; 2]> {
        self.insts[self.terminator(b)].op.successors()
    }

    /// `to` has taken over the end of `from`: phis behind it name `to`.
    pub fn end_moved(&mut self, from: Block, to: Block) {
        for s in self.successors(to) {
            for i in self.blocks[s].insts.clone() {
                let Op::Phi { incoming } = &mut self.insts[i].op else { break };
                incoming.iter_mut().filter(|(p, _)| *p == from).for_each(|(p, _)| *p = to);
            }
        }
    }

    /// Every instruction in `layout` order, with its block.
    pub fn iter_insts(&self) -> impl Iterator<Item = (Block, Inst)> + '_ {
        self.layout.iter().flat_map(|&b| self.blocks[b].insts.iter().map(move |&i| (b, i)))
    }
}
