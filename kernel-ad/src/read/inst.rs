//! Instructions, one by one.

use super::flags::*;
use super::translate::{refuse, Reader, Refusal, Step};
use crate::kernel::*;
use crate::llvm::{Opcode, TypeKind, Val};
use smallvec::SmallVec;

impl<'m> Reader<'m, '_> {
    /// Translates an instruction or constant expression and gives it its value.
    pub fn instruction(&mut self, v: Val<'m>) -> Step<()> {
        use Opcode::*;
        let Some(opcode) = v.opcode() else { return refuse("not an instruction") };
        if let Some(op) = binary(opcode) {
            return self.binary(v, op);
        }
        if let Some(op) = cast(opcode) {
            return self.cast(v, op);
        }
        match opcode {
            LLVMFNeg => {
                let (a, fmf, ty) = (self.operand(v, 0)?, fast_math(v), self.ty(v.ty())?);
                self.one(v, Op::FNeg { a, fmf }, ty)
            }
            LLVMFreeze => {
                let (a, ty) = (self.operand(v, 0)?, self.ty(v.ty())?);
                self.one(v, Op::Freeze { a }, ty)
            }
            LLVMICmp => {
                let pred = int_pred(v)?;
                let (a, b, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
                self.one(v, Op::ICmp { pred, a, b }, ty)
            }
            LLVMFCmp => {
                let pred = float_pred(v)?;
                let (a, b, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
                self.one(v, Op::FCmp { pred, a, b, fmf: fast_math(v) }, ty)
            }
            LLVMSelect => {
                if self.is_launch_pointer(v) {
                    self.launch_pointers.insert(v);
                    return Ok(());
                }
                let (cond, a, b) = (self.operand(v, 0)?, self.operand(v, 1)?, self.operand(v, 2)?);
                let ty = self.ty(v.ty())?;
                self.one(v, Op::Select { cond, a, b, fmf: fast_math(v) }, ty)
            }
            LLVMPHI => {
                let ty = self.ty(v.ty())?;
                self.one(v, Op::Phi { incoming: Vec::new() }, ty)
            }
            LLVMGetElementPtr => self.gep(v),
            LLVMAlloca => self.alloca(v),
            LLVMLoad => self.load(v),
            LLVMStore => {
                let (val, ptr) = (self.operand(v, 0)?, self.operand(v, 1)?);
                let mem = self.mem_flags(v)?;
                self.build(|b| b.store(ptr, val, mem));
                Ok(())
            }
            LLVMAtomicRMW => {
                let (ptr, val, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
                let (op, mem) = (rmw_op(v)?, self.mem_flags(v)?);
                self.one(v, Op::AtomicRmw { op, ptr, val, mem }, ty)
            }
            LLVMAtomicCmpXchg => self.cmpxchg(v),
            LLVMFence => {
                let ordering = v
                    .ordering()
                    .and_then(ordering)
                    .ok_or_else(|| Refusal::from("fence without ordering".to_string()))?;
                let scope = scope(v)?;
                self.build(|b| b.insert(Op::Fence { ordering, scope }, Type::Void));
                Ok(())
            }
            LLVMExtractElement => {
                let (vec, index, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
                self.one(v, Op::ExtractElement { vec, index }, ty)
            }
            LLVMInsertElement => {
                let (vec, elem, index) = (self.operand(v, 0)?, self.operand(v, 1)?, self.operand(v, 2)?);
                let ty = self.ty(v.ty())?;
                self.one(v, Op::InsertElement { vec, elem, index }, ty)
            }
            LLVMShuffleVector => {
                let (a, b, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
                let mask = v.shuffle_mask();
                self.one(v, Op::ShuffleVector { a, b, mask }, ty)
            }
            LLVMExtractValue => {
                let (agg, ty) = (self.operand(v, 0)?, self.ty(v.ty())?);
                let path = SmallVec::from_vec(v.indices());
                if let Some(member) = put_in(&self.k, agg, &path) {
                    self.define(v, member);
                    return Ok(());
                }
                self.one(v, Op::ExtractValue { agg, path }, ty)
            }
            LLVMInsertValue => {
                let (agg, elem, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
                let path = SmallVec::from_vec(v.indices());
                self.one(v, Op::InsertValue { agg, elem, path }, ty)
            }
            LLVMCall => self.call(v),
            LLVMBr | LLVMSwitch | LLVMRet | LLVMUnreachable => self.terminator(v, opcode),
            other => refuse(format!("instruction `{}`", instruction_name(other))),
        }
    }

    /// Inserts one operation; it is the value of `v` when it has one.
    pub fn one(&mut self, v: Val<'m>, op: Op, ty: Type) -> Step<()> {
        let inst = self.build(|b| b.insert(op, ty));
        if let Some(r) = self.k.insts[inst].result {
            self.define(v, r);
        }
        Ok(())
    }

    fn binary(&mut self, v: Val<'m>, op: BinOp) -> Step<()> {
        let (a, b, ty) = (self.operand(v, 0)?, self.operand(v, 1)?, self.ty(v.ty())?);
        let flags = if op.is_float() { IntFlags::empty() } else { int_flags(v, false) };
        let fmf = if op.is_float() { fast_math(v) } else { Fmf::empty() };
        self.one(v, Op::Binary { op, a, b, flags, fmf }, ty)
    }

    fn cast(&mut self, v: Val<'m>, op: CastOp) -> Step<()> {
        let a = self.operand(v, 0)?;
        let ty = self.ty(v.ty())?;
        // Coordinates are i64 in AMD's library and i32 here: what was widened for it is taken as it was.
        if let (CastOp::Trunc, Some(&Op::Cast { op: CastOp::ZExt, a: narrow, .. })) = (op, self.k.def_op(a)) {
            if self.k.ty(narrow) == ty {
                self.define(v, narrow);
                return Ok(());
            }
        }
        // How clang hands a kernel's parameter on as a generic pointer: both spaces have the same addresses.
        if let (CastOp::IntToPtr, Some(&Op::Cast { op: CastOp::PtrToInt, a: p, .. })) = (op, self.k.def_op(a))
        {
            let spaces = (self.k.ty(p), ty);
            if spaces == (Type::Ptr(AddrSpace::Global), Type::Ptr(AddrSpace::Generic))
                && self.k.ty(a) == Type::I64
            {
                return self.one(
                    v,
                    Op::Cast { op: CastOp::AddrSpaceCast, a: p, flags: IntFlags::empty() },
                    ty,
                );
            }
        }
        let flags = int_flags(v, op == CastOp::ZExt || op == CastOp::UiToFp);
        self.one(v, Op::Cast { op, a, flags }, ty)
    }

    fn alloca(&mut self, v: Val<'m>) -> Step<()> {
        let size = v.alloca_type().and_then(|t| self.ir.layout_of(t));
        let count = v.operand(0).and_then(Val::const_int);
        let (Some((bytes, natural)), Some(count)) = (size, count) else {
            return refuse("local memory of a size that is not known at compile time");
        };
        let Some(bytes) = bytes.checked_mul(count) else {
            return refuse("local memory of more than 2^64 bytes");
        };
        let entry = self.k.layout[0];
        let align = if v.align() == 0 { natural } else { v.align() };
        let ty = self.ty(v.ty())?;
        if self.build(|b| b.current()) != entry {
            return refuse("local memory that is allocated inside a branch or loop");
        }
        self.one(v, Op::Alloca { bytes, align }, ty)
    }

    fn load(&mut self, v: Val<'m>) -> Step<()> {
        if self.launch_load(v)? {
            return Ok(());
        }
        let (ptr, ty) = (self.operand(v, 0)?, self.ty(v.ty())?);
        let mem = self.mem_flags(v)?;
        self.one(v, Op::Load { ptr, mem }, ty)
    }

    fn cmpxchg(&mut self, v: Val<'m>) -> Step<()> {
        let (ptr, expected, new) = (self.operand(v, 0)?, self.operand(v, 1)?, self.operand(v, 2)?);
        let ty = self.ty(v.ty())?;
        let mut mem = self.mem_flags(v)?;
        let orders = v.cmpxchg().and_then(|(s, f, weak)| Some((ordering(s)?, ordering(f)?, weak)));
        let Some((success, failure, weak)) = orders else { return refuse("cmpxchg without ordering") };
        mem.ordering = Some(success);
        self.one(v, Op::CmpXchg { ptr, expected, new, mem, failure, weak }, ty)
    }

    fn terminator(&mut self, v: Val<'m>, opcode: Opcode) -> Step<()> {
        let to: Option<Vec<Block>> = v.successors().iter().map(|b| self.blocks.get(b).copied()).collect();
        let Some(to) = to else { return refuse("branch to an unknown block") };
        let op = match (opcode, &to[..]) {
            (Opcode::LLVMBr, &[to]) => Op::Br { to },
            (Opcode::LLVMBr, &[then, els]) => {
                let cond = self.operand(v, 0).unwrap_or_else(|_| self.k.constant(Type::I1, Const::Poison));
                Op::CondBr { cond, then, els }
            }
            (Opcode::LLVMSwitch, &[default, ..]) => {
                let val = self.operand(v, 0)?;
                let mut cases = Vec::new();
                for i in (2..v.num_operands()).step_by(2) {
                    let value = self.operand(v, i)?;
                    let (bits, width) = match (self.k.as_const(value), self.k.ty(value)) {
                        (Some(Const::Int(bits)), Type::Int(w)) => (*bits, u32::from(w)),
                        _ => return refuse("switch over something else than integers"),
                    };
                    let Some(&b) = v.operand(i + 1).and_then(Val::as_block).and_then(|b| self.blocks.get(&b))
                    else {
                        return refuse("switch to an unknown block");
                    };
                    let shift = 128 - width;
                    cases.push(((bits << shift) as i128 >> shift, b));
                }
                Op::Switch { val, default, cases }
            }
            (Opcode::LLVMRet, _) => {
                if let (Some(to), 1) = (self.result, v.num_operands()) {
                    let val = self.operand(v, 0)?;
                    self.build(|b| super::result::store(b, to, val));
                }
                Op::Ret
            }
            (Opcode::LLVMUnreachable, _) => Op::Unreachable,
            _ => return refuse("this way to end a block"),
        };
        self.build(|b| b.insert(op, Type::Void));
        Ok(())
    }

    /// How a load, store or atomic accesses memory.
    fn mem_flags(&mut self, v: Val<'m>) -> Step<MemFlags> {
        let order = v.ordering().and_then(ordering);
        let mut mem = MemFlags::plain(v.align().max(1));
        mem.volatile = v.is_volatile();
        mem.invariant = self.ir.has_metadata(v, "invariant.load");
        mem.nontemporal = self.ir.has_metadata(v, "nontemporal");
        mem.ordering = order;
        if order.is_some() || v.opcode() == Some(Opcode::LLVMAtomicCmpXchg) {
            mem.scope = scope(v)?;
        }
        Ok(mem)
    }

    /// Address arithmetic, spelled out in the index type of the pointer's space.
    fn gep(&mut self, v: Val<'m>) -> Step<()> {
        if self.is_launch_pointer(v) {
            self.launch_pointers.insert(v);
            return Ok(());
        }
        if v.ty().kind() != TypeKind::LLVMPointerTypeKind {
            return refuse("vector of addresses");
        }
        let Some(mut ty) = v.gep_source() else { return refuse("address arithmetic without a type") };
        let inbounds = v.gep_inbounds();
        let mut ptr = self.operand(v, 0)?;
        let Type::Ptr(space) = self.k.ty(ptr) else { return refuse("vector of addresses") };
        let index_ty = self.k.index_ty(space);
        let nsw = if inbounds { IntFlags::NSW } else { IntFlags::empty() };
        let mut fixed: i128 = 0;
        let mut moving: Option<Value> = None;
        for i in 1..v.num_operands() {
            let Some(index) = v.operand(i) else { return refuse("address arithmetic without an index") };
            let fields = if i == 1 { None } else { ty.fields() };
            if let Some(fields) = fields {
                let field = index.const_int().or_else(|| index.const_element(0).and_then(Val::const_int));
                let at = field.and_then(|n| self.ir.field_offset(ty, n as u32));
                let (Some(n), Some(at)) = (field, at) else {
                    return refuse("struct member that is not constant");
                };
                fixed += i128::from(at);
                ty = fields[n as usize];
                continue;
            }
            if i > 1 {
                let Some((elem, _)) = ty.elements() else { return refuse("index into a scalar") };
                ty = elem;
            }
            let Some((stride, _)) = self.ir.layout_of(ty) else {
                return refuse(format!("type `{ty}` has no size"));
            };
            if let Some(n) = index.const_int() {
                fixed +=
                    i128::from(super::consts::sign_extend(n, index.ty().int_width())) * i128::from(stride);
                continue;
            }
            let n = self.value(index)?;
            let Type::Int(width) = self.k.ty(n) else { return refuse("vector of addresses") };
            let scaled = self.scaled_index(n, width, index_ty, stride, nsw);
            moving = Some(match moving {
                None => scaled,
                Some(sum) => self.build(|b| {
                    b.value(
                        Op::Binary { op: BinOp::Add, a: sum, b: scaled, flags: nsw, fmf: Fmf::empty() },
                        index_ty,
                    )
                }),
            });
        }
        let ty = self.ty(v.ty())?;
        if let Some(offset) = moving {
            ptr = self.build(|b| b.value(Op::PtrAdd { ptr, offset, inbounds }, ty));
        }
        if fixed != 0 {
            let offset = self.k.int(index_ty, fixed);
            ptr = self.build(|b| b.value(Op::PtrAdd { ptr, offset, inbounds }, ty));
        }
        self.define(v, ptr);
        Ok(())
    }

    /// An index in bytes; the same one in the same block is computed once.
    fn scaled_index(&mut self, n: Value, width: u16, index_ty: Type, stride: u64, flags: IntFlags) -> Value {
        let key = (n, index_ty, stride, flags);
        let block = self.build(|b| b.current());
        if let Some(&(at, known)) = self.scaled.get(&key) {
            if at == block {
                return known;
            }
        }
        let Type::Int(want) = index_ty else { return n };
        let scaled = self.build(|b| {
            let n = match width.cmp(&want) {
                std::cmp::Ordering::Less => b.cast(CastOp::SExt, n, index_ty),
                std::cmp::Ordering::Equal => n,
                std::cmp::Ordering::Greater => b.cast(CastOp::Trunc, n, index_ty),
            };
            if stride == 1 {
                return n;
            }
            let s = b.k.int(index_ty, stride.into());
            b.value(Op::Binary { op: BinOp::Mul, a: n, b: s, flags, fmf: Fmf::empty() }, index_ty)
        });
        self.scaled.insert(key, (block, scaled));
        scaled
    }
}

/// What an instruction before put into the place of an aggregate that is asked for: assembly with several results gives
/// them that way.
fn put_in(k: &Kernel, mut agg: Value, path: &[u32]) -> Option<Value> {
    while let Some(Op::InsertValue { agg: before, elem, path: into }) = k.def_op(agg) {
        match into.len() == 1 && path.len() == 1 {
            true if into[0] == path[0] => return Some(*elem),
            true => agg = *before,
            false => return None,
        }
    }
    None
}
