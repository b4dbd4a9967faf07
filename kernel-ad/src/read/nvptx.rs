//! NVVM's intrinsics: thread coordinates, barriers, warp operations, atomics, special loads. Mathematics is not here.

use super::translate::{refuse, Reader, Step};
use crate::kernel::*;
use crate::llvm::{Opcode, Val};
use smallvec::{smallvec, SmallVec};

/// A special register of PTX, without `%`, with 32 bits.
pub(super) fn special_register(name: &str) -> Option<Special> {
    let axis = |s: &str| match s {
        "x" => Some(0),
        "y" => Some(1),
        "z" => Some(2),
        _ => None,
    };
    Some(match name {
        "laneid" => Special::LaneId,
        "warpid" => Special::WarpId,
        "warpsize" | "WARP_SZ" => Special::WarpSize,
        "smid" => Special::SmId,
        "nsmid" => Special::NSmId,
        "clock" => Special::Clock,
        "dynamic_smem_size" => Special::DynamicSharedSize,
        "total_smem_size" => Special::TotalSharedSize,
        "lanemask.eq" | "lanemask_eq" => Special::LaneMask(LaneMask::Eq),
        "lanemask.lt" | "lanemask_lt" => Special::LaneMask(LaneMask::Lt),
        "lanemask.le" | "lanemask_le" => Special::LaneMask(LaneMask::Le),
        "lanemask.gt" | "lanemask_gt" => Special::LaneMask(LaneMask::Gt),
        "lanemask.ge" | "lanemask_ge" => Special::LaneMask(LaneMask::Ge),
        _ => {
            let (base, a) = name.split_once('.')?;
            let a = axis(a)?;
            match base {
                "tid" => Special::ThreadId(a),
                "ctaid" => Special::BlockId(a),
                "ntid" => Special::BlockDim(a),
                "nctaid" => Special::GridDim(a),
                _ => return None,
            }
        }
    })
}

impl<'m> Reader<'m, '_> {
    /// Translates `llvm.nvvm.<name>`.
    pub fn nvvm(&mut self, v: Val<'m>, name: &str) -> Step<()> {
        if let Some(reg) = name.strip_prefix("read.ptx.sreg.") {
            return self.sreg(v, reg);
        }
        let words: Vec<&str> = name.split('.').collect();
        match words[..] {
            ["barrier0" | "barrier" | "bar", ..] => self.nvvm_barrier(v, name),
            ["shfl", ..] => self.nvvm_shuffle(v, &words),
            ["vote", ..] => self.nvvm_vote(v, &words),
            ["match", which, "sync", ..] => {
                let args = self.args(v)?;
                let ty = self.ty(v.ty())?;
                let op = if which == "any" { WarpOp::MatchAny } else { WarpOp::MatchAll };
                self.one(v, Op::Warp { op, args: SmallVec::from_vec(args) }, ty)
            }
            ["redux", "sync", which, ..] => {
                let (value, mask) = (self.operand(v, 0)?, self.operand(v, 1)?);
                let op = match which {
                    "add" => WarpOp::ReduxAdd,
                    "umin" => WarpOp::ReduxUMin,
                    "umax" => WarpOp::ReduxUMax,
                    "min" => WarpOp::ReduxSMin,
                    "max" => WarpOp::ReduxSMax,
                    "and" => WarpOp::ReduxAnd,
                    "or" => WarpOp::ReduxOr,
                    "xor" => WarpOp::ReduxXor,
                    _ => return refuse(format!("intrinsic `llvm.nvvm.{name}`")),
                };
                self.one(v, Op::Warp { op, args: smallvec![mask, value] }, Type::I32)
            }
            ["activemask"] => self.one(v, Op::Warp { op: WarpOp::ActiveMask, args: smallvec![] }, Type::I32),
            ["ldg" | "ldu", "global", ..] => {
                let (mut ptr, ty) = (self.operand(v, 0)?, self.ty(v.ty())?);
                if self.k.ty(ptr) == Type::Ptr(AddrSpace::Generic) {
                    ptr = self.build(|b| b.cast(CastOp::AddrSpaceCast, ptr, Type::Ptr(AddrSpace::Global)));
                }
                let align = v.operand(1).and_then(Val::const_int).unwrap_or(1).max(1) as u32;
                let mem = MemFlags { invariant: true, ..MemFlags::plain(align) };
                self.one(v, Op::Load { ptr, mem }, ty)
            }
            ["membar", which] => {
                let level = match which {
                    "cta" => ScopeLevel::Block,
                    "gl" => ScopeLevel::Device,
                    _ => ScopeLevel::System,
                };
                let scope = Scope { level, one_as: false };
                self.one(v, Op::Fence { ordering: Ordering::SeqCst, scope }, Type::Void)
            }
            ["atomic", ..] => self.nvvm_atomic(v, &words),
            ["ptr", ..] => {
                let (a, ty) = (self.operand(v, 0)?, self.ty(v.ty())?);
                self.one(v, Op::Cast { op: CastOp::AddrSpaceCast, a, flags: IntFlags::empty() }, ty)
            }
            ["isspacep", space] => {
                let space = match space {
                    "global" => AddrSpace::Global,
                    "shared" => AddrSpace::Shared,
                    "const" => AddrSpace::Constant,
                    "local" => AddrSpace::Local,
                    _ => return refuse(format!("intrinsic `llvm.nvvm.{name}`")),
                };
                self.is_in_space(v, space)
            }
            ["nanosleep"] => {
                let a = self.operand(v, 0)?;
                let op = asm_op("nanosleep.u32 $0;", "r", true, smallvec![a]);
                self.one(v, op, Type::Void)
            }
            ["exit"] => refuse("`exit` in the middle of a kernel: return instead"),
            _ => refuse(format!("intrinsic `llvm.nvvm.{name}`")),
        }
    }

    fn sreg(&mut self, v: Val<'m>, reg: &str) -> Step<()> {
        let ty = self.ty(v.ty())?;
        if let (Some(s), Type::Int(32)) = (special_register(reg), ty) {
            return self.one(v, Op::Special(s), Type::I32);
        }
        if reg.starts_with("envreg") {
            return Err(super::call::grid_sync(&format!("%{reg}")));
        }
        // Timers, grid ids and the like have no meaning for us; they are carried as the instruction that reads them.
        let (kind, class) = if ty == Type::I64 { ("u64", "=l") } else { ("u32", "=r") };
        let register = reg.replace("lanemask.", "lanemask_");
        let op = asm_op(&format!("mov.{kind} $0, %{register};"), class, true, smallvec![]);
        self.one(v, op, ty)
    }

    fn nvvm_barrier(&mut self, v: Val<'m>, name: &str) -> Step<()> {
        let args = self.args(v)?;
        let arg = |i: usize| args.get(i).copied();
        let (kind, id, count, pred, aligned) = match name {
            "barrier0" => (BarrierKind::Sync, None, None, None, true),
            "barrier0.popc" => (BarrierKind::Popc, None, None, arg(0), true),
            "barrier0.and" => (BarrierKind::And, None, None, arg(0), true),
            "barrier0.or" => (BarrierKind::Or, None, None, arg(0), true),
            "barrier.n" | "bar.sync" | "barrier.cta.sync.aligned.all" => {
                (BarrierKind::Sync, arg(0), None, None, true)
            }
            "barrier" | "barrier.cta.sync.aligned" | "barrier.cta.sync.aligned.count" => {
                (BarrierKind::Sync, arg(0), arg(1), None, true)
            }
            "barrier.sync" | "barrier.cta.sync.all" => (BarrierKind::Sync, arg(0), None, None, false),
            "barrier.sync.cnt" | "barrier.cta.sync" | "barrier.cta.sync.count" => {
                (BarrierKind::Sync, arg(0), arg(1), None, false)
            }
            "barrier.cta.arrive.aligned" | "barrier.cta.arrive.aligned.count" => {
                (BarrierKind::Arrive, arg(0), arg(1), None, true)
            }
            "bar.warp.sync" => {
                return self.one(
                    v,
                    Op::Warp { op: WarpOp::Sync, args: SmallVec::from_vec(args) },
                    Type::Void,
                );
            }
            _ => return refuse(format!("intrinsic `llvm.nvvm.{name}`")),
        };
        let ty = self.ty(v.ty())?;
        self.one(v, Op::Barrier { kind, id, count, pred, aligned }, ty)
    }

    fn nvvm_shuffle(&mut self, v: Val<'m>, words: &[&str]) -> Step<()> {
        let sync = words.get(1) == Some(&"sync");
        let at = if sync { 2 } else { 1 };
        let (Some(&mode), Some(&last)) = (words.get(at), words.last()) else { return refuse("shuffle") };
        let Some(op) = shuffle_op(mode, last.ends_with('p')) else {
            return refuse(format!("shuffle `{mode}`"));
        };
        let mut args = self.args(v)?;
        if !sync {
            args.insert(0, self.k.int(Type::I32, -1));
        }
        if args.len() != 4 {
            return refuse("shuffle with an unknown number of operands");
        }
        let ty = self.ty(v.ty())?;
        self.one(v, Op::Warp { op, args: SmallVec::from_vec(args) }, ty)
    }

    fn nvvm_vote(&mut self, v: Val<'m>, words: &[&str]) -> Step<()> {
        let op = match words.get(1) {
            Some(&"all") => WarpOp::VoteAll,
            Some(&"any") => WarpOp::VoteAny,
            Some(&"uni") => WarpOp::VoteUni,
            Some(&"ballot") => WarpOp::Ballot,
            _ => return refuse("vote of an unknown kind"),
        };
        let mut args = self.args(v)?;
        if args.len() == 1 {
            args.insert(0, self.k.int(Type::I32, -1));
        }
        let ty = self.ty(v.ty())?;
        self.one(v, Op::Warp { op, args: SmallVec::from_vec(args) }, ty)
    }

    /// `atomic.load.{inc,dec,add}.*` and `atomic.<op>.gen.{i,f}.{cta,sys}.*`.
    fn nvvm_atomic(&mut self, v: Val<'m>, words: &[&str]) -> Step<()> {
        let ty = self.ty(v.ty())?;
        let align = self.k.bytes(ty).max(1) as u32;
        let (name, level) = match words {
            ["atomic", "load", op, ..] => (*op, ScopeLevel::Device),
            ["atomic", op, "gen", _, "cta", ..] => (*op, ScopeLevel::Block),
            ["atomic", op, "gen", _, "sys", ..] => (*op, ScopeLevel::System),
            _ => return refuse(format!("intrinsic `llvm.nvvm.{}`", words.join("."))),
        };
        let mem = MemFlags { scope: Scope { level, one_as: false }, ..MemFlags::relaxed(align) };
        let ptr = self.operand(v, 0)?;
        if name == "cas" {
            let (expected, new) = (self.operand(v, 1)?, self.operand(v, 2)?);
            let old = self.cas(ptr, expected, new, mem);
            self.define(v, old);
            return Ok(());
        }
        let float = ty.is_float();
        let op = match name {
            "add" if float => RmwOp::FAdd,
            "max" if float => RmwOp::FMax,
            "min" if float => RmwOp::FMin,
            "add" => RmwOp::Add,
            "exch" => RmwOp::Xchg,
            "max" => RmwOp::Max,
            "min" => RmwOp::Min,
            "inc" => RmwOp::UIncWrap,
            "dec" => RmwOp::UDecWrap,
            "and" => RmwOp::And,
            "or" => RmwOp::Or,
            "xor" => RmwOp::Xor,
            _ => return refuse(format!("intrinsic `llvm.nvvm.{}`", words.join("."))),
        };
        let val = self.operand(v, 1)?;
        self.one(v, Op::AtomicRmw { op, ptr, val, mem }, ty)
    }

    /// A compare-exchange that gives the old value.
    pub fn cas(&mut self, ptr: Value, expected: Value, new: Value, mem: MemFlags) -> Value {
        let ty = self.k.ty(expected);
        let size = self.k.bytes(ty) as u32;
        let pair = AggTy::Struct {
            fields: vec![ty, Type::I1],
            offsets: vec![0, size],
            size: 2 * size,
            align: size,
            packed: false,
        };
        let pair = Type::Agg(self.k.agg(pair));
        self.build(|b| {
            let failure = mem.ordering.unwrap_or(Ordering::Monotonic);
            let both = b.value(Op::CmpXchg { ptr, expected, new, mem, failure, weak: false }, pair);
            b.extract_value(both, 0)
        })
    }

    /// Whether a generic pointer points into a space, when its origin says so.
    pub fn is_in_space(&mut self, v: Val<'m>, asked: AddrSpace) -> Step<()> {
        let mut p = v.operand(0);
        for _ in 0..64 {
            let Some(at) = p else { break };
            let space = at.ty().addr_space();
            if space != 0 {
                let yes = AddrSpace::from_number(space) == asked;
                let c = self.k.int(Type::I1, yes.into());
                self.define(v, c);
                return Ok(());
            }
            p = match at.opcode() {
                Some(Opcode::LLVMGetElementPtr | Opcode::LLVMAddrSpaceCast | Opcode::LLVMFreeze) => {
                    at.operand(0)
                }
                _ => None,
            };
        }
        refuse("a question for the address space of a pointer of unknown origin")
    }
}

/// The shuffle of a PTX mode, with or without its predicate.
pub(super) fn shuffle_op(mode: &str, with_predicate: bool) -> Option<WarpOp> {
    Some(match (mode, with_predicate) {
        ("idx", false) => WarpOp::ShflIdx,
        ("up", false) => WarpOp::ShflUp,
        ("down", false) => WarpOp::ShflDown,
        ("bfly", false) => WarpOp::ShflBfly,
        ("idx", true) => WarpOp::ShflIdxP,
        ("up", true) => WarpOp::ShflUpP,
        ("down", true) => WarpOp::ShflDownP,
        ("bfly", true) => WarpOp::ShflBflyP,
        _ => return None,
    })
}

/// Inline assembly as an operation.
pub(super) fn asm_op(text: &str, constraints: &str, side_effects: bool, args: SmallVec<[Value; 4]>) -> Op {
    Op::Asm { text: text.into(), constraints: constraints.into(), side_effects, args }
}
