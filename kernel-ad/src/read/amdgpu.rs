//! AMDGPU: intrinsics, the device library's coordinates, and loads of the launch's hidden arguments.

use super::translate::{refuse, Reader, Step};
use crate::kernel::*;
use crate::llvm::{Opcode, Val, ValueKind};
use smallvec::{smallvec, SmallVec};

/// Where hidden launch data are loaded from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hidden {
    /// `llvm.amdgcn.implicitarg.ptr`, code object version 5.
    ImplicitArgs,
    /// `llvm.amdgcn.dispatch.ptr`.
    Dispatch,
}

/// A value that hidden launch data give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LaunchDatum {
    Special(Special),
    /// Threads along an axis of the grid.
    GridThreads(u8),
    Zero,
}

/// What lies at these bytes. The remainder of a grid that is not a multiple of its block (offsets 18 to 22) and the
/// global offset are OpenCL's; HIP launches whole blocks from zero.
fn launch_datum(base: Hidden, offset: i64, bytes: u64) -> Option<LaunchDatum> {
    use LaunchDatum::*;
    let axis = |first: i64, size: i64| ((offset - first) / size) as u8;
    Some(match (base, offset, bytes) {
        (Hidden::ImplicitArgs, 0 | 4 | 8, 4) => Special(self::Special::GridDim(axis(0, 4))),
        (Hidden::ImplicitArgs, 12 | 14 | 16, 2) => Special(self::Special::BlockDim(axis(12, 2))),
        (Hidden::ImplicitArgs, 18 | 20 | 22, 2) => Zero,
        (Hidden::ImplicitArgs, 40 | 48 | 56, 8) => Zero,
        (Hidden::ImplicitArgs, 120, 4) => Special(self::Special::DynamicSharedSize),
        (Hidden::Dispatch, 4 | 6 | 8, 2) => Special(self::Special::BlockDim(axis(4, 2))),
        (Hidden::Dispatch, 12 | 16 | 20, 4) => GridThreads(axis(12, 4)),
        _ => return None,
    })
}

impl<'m> Reader<'m, '_> {
    /// Translates `llvm.amdgcn.<name>`.
    pub fn amdgcn(&mut self, v: Val<'m>, name: &str) -> Step<()> {
        let axis = |s: &str| match s {
            "x" => Some(0),
            "y" => Some(1),
            "z" => Some(2),
            _ => None,
        };
        let words: Vec<&str> = name.split('.').collect();
        match words[..] {
            ["workitem", "id", a] if axis(a).is_some() => {
                self.one(v, Op::Special(Special::ThreadId(axis(a).unwrap_or(0))), Type::I32)
            }
            ["workgroup", "id", a] if axis(a).is_some() => {
                self.one(v, Op::Special(Special::BlockId(axis(a).unwrap_or(0))), Type::I32)
            }
            ["wavefrontsize"] => self.one(v, Op::Special(Special::WarpSize), Type::I32),
            ["implicitarg" | "dispatch", "ptr"] => {
                self.launch_pointers.insert(v);
                Ok(())
            }
            ["mbcnt", which] => self.mbcnt(v, which == "hi"),
            ["s", "barrier"] => {
                let op =
                    Op::Barrier { kind: BarrierKind::Sync, id: None, count: None, pred: None, aligned: true };
                self.one(v, op, Type::Void)
            }
            ["wave", "barrier"] => self.warp(v, WarpOp::WaveBarrier),
            ["ds", "bpermute"] => self.warp(v, WarpOp::DsBpermute),
            ["ds", "permute"] => self.warp(v, WarpOp::DsPermute),
            ["ds", "swizzle"] => self.warp(v, WarpOp::DsSwizzle),
            ["readfirstlane", ..] => self.word_op(v, WarpOp::ReadFirstLane),
            ["readlane", ..] => self.word_op(v, WarpOp::ReadLane),
            ["update", "dpp", ..] => self.warp(v, WarpOp::UpdateDpp),
            ["mov", "dpp", ..] => {
                let ty = self.ty(v.ty())?;
                let mut args = self.args(v)?;
                args.insert(0, self.k.constant(ty, Const::Undef));
                self.one(v, Op::Warp { op: WarpOp::UpdateDpp, args: SmallVec::from_vec(args) }, ty)
            }
            ["ballot", ..] => {
                let (pred, ty) = (self.operand(v, 0)?, self.ty(v.ty())?);
                let mask = self.k.int(ty, -1);
                self.one(v, Op::Warp { op: WarpOp::Ballot, args: smallvec![mask, pred] }, ty)
            }
            ["is", "shared"] => self.is_in_space(v, AddrSpace::Shared),
            ["is", "private"] => self.is_in_space(v, AddrSpace::Local),
            ["global" | "flat" | "ds", "atomic", "fadd", ..] | ["ds", "fadd", ..] => {
                self.amd_atomic(v, RmwOp::FAdd)
            }
            ["global" | "flat", "atomic", "fmax", ..] | ["ds", "fmax", ..] => self.amd_atomic(v, RmwOp::FMax),
            ["global" | "flat", "atomic", "fmin", ..] | ["ds", "fmin", ..] => self.amd_atomic(v, RmwOp::FMin),
            _ => refuse(format!("intrinsic `llvm.amdgcn.{name}`")),
        }
    }

    fn warp(&mut self, v: Val<'m>, op: WarpOp) -> Step<()> {
        let (args, ty) = (self.args(v)?, self.ty(v.ty())?);
        self.one(v, Op::Warp { op, args: SmallVec::from_vec(args) }, ty)
    }

    /// A warp operation on 32-bit words, for any type of that size.
    fn word_op(&mut self, v: Val<'m>, op: WarpOp) -> Step<()> {
        let ty = self.ty(v.ty())?;
        if self.k.bytes(ty) != 4 || ty.is_ptr() {
            return refuse(format!("warp operation on `{}`, which has not 32 bits", v.ty()));
        }
        let mut args = self.args(v)?;
        let r = self.build(|b| {
            if ty != Type::I32 {
                args[0] = b.cast(CastOp::Bitcast, args[0], Type::I32);
            }
            let r = b.value(Op::Warp { op, args: SmallVec::from_vec(args) }, Type::I32);
            if ty == Type::I32 {
                r
            } else {
                b.cast(CastOp::Bitcast, r, ty)
            }
        });
        self.define(v, r);
        Ok(())
    }

    /// `mbcnt.hi(-1, mbcnt.lo(-1, 0))` is the lane; on 32-wide warps `mbcnt.lo(-1, 0)` is.
    fn mbcnt(&mut self, v: Val<'m>, high: bool) -> Step<()> {
        let all = |x: Option<Val<'m>>| x.and_then(Val::const_int) == Some(0xffff_ffff);
        let low_of_all = |x: Val<'m>| all(x.operand(0)) && x.operand(1).and_then(Val::const_int) == Some(0);
        let is_lane = if high {
            let lo = v.operand(1).filter(|l| l.callee().is_some_and(|c| c.name() == "llvm.amdgcn.mbcnt.lo"));
            all(v.operand(0)) && lo.is_some_and(low_of_all)
        } else {
            self.k.source.warp_size == 32 && low_of_all(v)
        };
        if is_lane {
            return self.one(v, Op::Special(Special::LaneId), Type::I32);
        }
        // Not wanted for itself when it is half of a lane's number.
        let half_of_lane =
            |u: &Val<'m>| u.callee().is_some_and(|c| c.name() == "llvm.amdgcn.mbcnt.hi") && all(u.operand(0));
        if !high && low_of_all(v) && v.users().iter().all(half_of_lane) {
            return Ok(());
        }
        self.warp(v, if high { WarpOp::MbcntHi } else { WarpOp::MbcntLo })
    }

    fn amd_atomic(&mut self, v: Val<'m>, op: RmwOp) -> Step<()> {
        let (ptr, val, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
        let align = self.k.bytes(ty) as u32;
        self.one(v, Op::AtomicRmw { op, ptr, val, mem: MemFlags::relaxed(align) }, ty)
    }

    /// True when `v` is a pointer into hidden launch data; it then needs no value, only its loads do.
    pub fn is_launch_pointer(&self, v: Val<'m>) -> bool {
        self.hidden(v).is_some()
    }

    /// Base and possible offsets of a pointer into hidden launch data.
    fn hidden(&self, v: Val<'m>) -> Option<(Hidden, Vec<i64>)> {
        if let Some(c) = v.callee().filter(|c| c.kind() == ValueKind::LLVMFunctionValueKind) {
            return match c.name().as_str() {
                "llvm.amdgcn.implicitarg.ptr" => Some((Hidden::ImplicitArgs, vec![0])),
                "llvm.amdgcn.dispatch.ptr" => Some((Hidden::Dispatch, vec![0])),
                _ => None,
            };
        }
        match v.opcode()? {
            Opcode::LLVMGetElementPtr => {
                let (base, from) = self.hidden(v.operand(0)?)?;
                let steps = match self.constant_gep(v) {
                    Some((_, n)) => vec![n],
                    // A byte offset that is chosen: the size of full and of partial blocks.
                    None => {
                        let index = v.operand(1).filter(|_| v.num_operands() == 2)?;
                        let scale = self.ir.layout_of(v.gep_source()?)?.0 as i64;
                        (index.opcode()? == Opcode::LLVMSelect).then_some(())?;
                        let chosen = |i| Some(index.operand(i)?.const_int()? as i64 * scale);
                        vec![chosen(1)?, chosen(2)?]
                    }
                };
                Some((base, from.iter().flat_map(|a| steps.iter().map(move |s| a + s)).collect()))
            }
            Opcode::LLVMSelect => {
                let (base, mut a) = self.hidden(v.operand(1)?)?;
                let (other, b) = self.hidden(v.operand(2)?)?;
                a.extend(b);
                (base == other).then_some((base, a))
            }
            Opcode::LLVMAddrSpaceCast | Opcode::LLVMBitCast => self.hidden(v.operand(0)?),
            _ => None,
        }
    }

    /// A load of hidden launch data; `false` when it is another load.
    pub fn launch_load(&mut self, v: Val<'m>) -> Step<bool> {
        let Some((base, offsets)) = v.operand(0).and_then(|p| self.hidden(p)) else { return Ok(false) };
        let ty = self.ty(v.ty())?;
        let bytes = self.k.bytes(ty);
        let unknown = || refuse(format!("bytes {offsets:?} of the launch's hidden arguments"));
        let mut data = Vec::new();
        for &o in &offsets {
            match launch_datum(base, o, bytes) {
                Some(d) if !data.contains(&d) => data.push(d),
                Some(_) => {}
                None => return unknown(),
            }
        }
        // A choice between the size of a full block and that of the partial one, which HIP never launches.
        if data.len() == 2 {
            data.retain(|d| *d != LaunchDatum::Zero);
        }
        let &[datum] = &data[..] else { return unknown() };
        let value = self.build(|b| match datum {
            LaunchDatum::Special(s) => {
                let x = b.special(s);
                fit(b, x, ty)
            }
            LaunchDatum::GridThreads(a) => {
                let (n, d) = (b.special(Special::GridDim(a)), b.special(Special::BlockDim(a)));
                let x = b.binary(BinOp::Mul, n, d);
                fit(b, x, ty)
            }
            LaunchDatum::Zero => b.k.zero(ty),
        });
        self.define(v, value);
        Ok(true)
    }

    /// Functions of ockl and OpenCL that unlinked HIP code calls; `false` when it is another function.
    pub fn device_library(&mut self, v: Val<'m>, name: &str) -> Step<bool> {
        let ty = self.ty(v.ty())?;
        if name == "__ockl_lane_u32" {
            self.one(v, Op::Special(Special::LaneId), Type::I32)?;
            return Ok(true);
        }
        if name == "__atomic_work_item_fence" {
            return self.work_item_fence(v).map(|()| true);
        }
        if let Some(rest) = name.strip_prefix("__ockl_wgred_") {
            return self.vote(v, rest);
        }
        let Some(what) = name.strip_prefix("__ockl_get_") else { return Ok(false) };
        if !matches!(
            what,
            "local_id"
                | "group_id"
                | "local_size"
                | "enqueued_local_size"
                | "num_groups"
                | "global_id"
                | "global_size"
                | "global_offset"
        ) {
            return Ok(false);
        }
        let Some(a) = v.operand(0).and_then(Val::const_int) else {
            return refuse(format!("`{name}` of an axis that is not constant"));
        };
        let outside = a > 2;
        let a = a as u8;
        let value = self.build(|b| {
            let one = |b: &mut KernelBuilder, s| {
                let x = b.special(s);
                fit(b, x, ty)
            };
            // OpenCL's answers for axes that do not exist.
            if outside || what == "global_offset" {
                return b.k.int(ty, i128::from(what.ends_with("size") || what == "num_groups"));
            }
            match what {
                "local_id" => one(b, Special::ThreadId(a)),
                "group_id" => one(b, Special::BlockId(a)),
                "num_groups" => one(b, Special::GridDim(a)),
                "global_id" => {
                    let (g, d) = (one(b, Special::BlockId(a)), one(b, Special::BlockDim(a)));
                    let (base, t) = (b.binary(BinOp::Mul, g, d), one(b, Special::ThreadId(a)));
                    b.binary(BinOp::Add, base, t)
                }
                "global_size" => {
                    let (n, d) = (one(b, Special::GridDim(a)), one(b, Special::BlockDim(a)));
                    b.binary(BinOp::Mul, n, d)
                }
                _ => one(b, Special::BlockDim(a)),
            }
        });
        self.define(v, value);
        Ok(true)
    }

    /// `__ockl_wgred_{add,and,or}_i32(flag)`, which `__syncthreads_count` and its relatives are; `false` for other reductions.
    fn vote(&mut self, v: Val<'m>, what: &str) -> Step<bool> {
        let kind = match what {
            "add_i32" | "add_u32" => BarrierKind::Popc,
            "and_i32" | "and_u32" => BarrierKind::And,
            "or_i32" | "or_u32" => BarrierKind::Or,
            _ => return Ok(false),
        };
        let pred = self.operand(v, 0)?;
        let flag = match self.k.def_op(pred) {
            Some(Op::Cast { op: CastOp::ZExt, a, .. }) => self.k.ty(*a) == Type::I1,
            _ => matches!(self.k.as_int(pred), Some(0 | 1)),
        };
        if !flag {
            return refuse(format!("`__ockl_wgred_{what}` of numbers other than 0 and 1"));
        }
        let op = Op::Barrier { kind, id: None, count: None, pred: Some(pred), aligned: true };
        self.one(v, op, Type::I32).map(|()| true)
    }

    /// `__atomic_work_item_fence(flags, order, scope)` with OpenCL's numbers.
    fn work_item_fence(&mut self, v: Val<'m>) -> Step<()> {
        let arg = |i| v.operand(i).and_then(Val::const_int);
        let ordering = match arg(1) {
            Some(0) => return Ok(()),
            Some(1 | 2) => Ordering::Acquire,
            Some(3) => Ordering::Release,
            Some(4) => Ordering::AcqRel,
            Some(5) => Ordering::SeqCst,
            _ => return refuse("fence whose ordering is not constant"),
        };
        let level = match arg(2) {
            Some(0) => ScopeLevel::Thread,
            Some(1) => ScopeLevel::Block,
            Some(2) => ScopeLevel::Device,
            Some(3) => ScopeLevel::System,
            Some(4) => ScopeLevel::Warp,
            _ => return refuse("fence whose scope is not constant"),
        };
        self.one(v, Op::Fence { ordering, scope: Scope { level, one_as: false } }, Type::Void)
    }
}

/// An i32 that is not negative, in another integer type.
fn fit(b: &mut KernelBuilder, x: Value, ty: Type) -> Value {
    match ty {
        Type::Int(w) if w > 32 => b.cast(CastOp::ZExt, x, ty),
        Type::Int(w) if w < 32 => b.cast(CastOp::Trunc, x, ty),
        _ => x,
    }
}
