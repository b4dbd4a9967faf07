//! Building a kernel, instruction by instruction.

use super::*;
use smallvec::{smallvec, SmallVec};

/// Where the next instruction goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cursor {
    /// At the end of a block.
    End(Block),
    /// Before the instruction at that position of a block.
    At(Block, usize),
}

/// Appends instructions to a kernel, working out result types.
pub struct KernelBuilder<'k> {
    /// The kernel under construction.
    pub k: &'k mut Kernel,
    /// Position; advances past what is inserted.
    pub at: Cursor,
    /// Source location given to new instructions.
    pub loc: Option<Loc>,
}

#[allow(missing_docs)] // one method per instruction, named as it is
impl<'k> KernelBuilder<'k> {
    /// A builder without a position; call [`KernelBuilder::switch_to`] before inserting.
    pub fn new(k: &'k mut Kernel) -> Self {
        KernelBuilder { k, at: Cursor::End(Block::from_u32(u32::MAX - 1)), loc: None }
    }

    /// A new block at the end of the layout.
    pub fn block(&mut self, name: &str) -> Block {
        let b = self.k.blocks.push(BlockData { name: Some(name.to_string()), insts: Vec::new() });
        self.k.layout.push(b);
        b
    }

    /// Continues at the end of a block.
    pub fn switch_to(&mut self, b: Block) {
        self.at = Cursor::End(b);
    }

    /// The block that instructions go to.
    pub fn current(&self) -> Block {
        match self.at {
            Cursor::End(b) | Cursor::At(b, _) => b,
        }
    }

    /// Inserts an instruction whose result has type `ty` (void: none).
    pub fn insert(&mut self, op: Op, ty: Type) -> Inst {
        let inst = self.k.insts.push(InstData { op, result: None, loc: self.loc });
        if ty != Type::Void {
            let v = self.k.values.push(ValueData { ty, def: ValueDef::Inst(inst), name: None });
            self.k.insts[inst].result = Some(v);
        }
        match &mut self.at {
            Cursor::End(b) => self.k.blocks[*b].insts.push(inst),
            Cursor::At(b, i) => {
                self.k.blocks[*b].insts.insert(*i, inst);
                *i += 1;
            }
        }
        inst
    }

    /// Inserts an instruction that has a result.
    pub fn value(&mut self, op: Op, ty: Type) -> Value {
        let i = self.insert(op, ty);
        self.k.insts[i].result.expect("instruction with a result")
    }

    pub fn binary(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let ty = self.k.ty(a);
        self.value(Op::Binary { op, a, b, flags: IntFlags::empty(), fmf: Fmf::empty() }, ty)
    }

    pub fn binary_fmf(&mut self, op: BinOp, a: Value, b: Value, fmf: Fmf) -> Value {
        let ty = self.k.ty(a);
        self.value(Op::Binary { op, a, b, flags: IntFlags::empty(), fmf }, ty)
    }

    pub fn fneg(&mut self, a: Value, fmf: Fmf) -> Value {
        let ty = self.k.ty(a);
        self.value(Op::FNeg { a, fmf }, ty)
    }

    pub fn icmp(&mut self, pred: IntPred, a: Value, b: Value) -> Value {
        let ty = self.k.ty(a).with_scalar(Lane::Int(1));
        self.value(Op::ICmp { pred, a, b }, ty)
    }

    pub fn fcmp(&mut self, pred: FloatPred, a: Value, b: Value) -> Value {
        let ty = self.k.ty(a).with_scalar(Lane::Int(1));
        self.value(Op::FCmp { pred, a, b, fmf: Fmf::empty() }, ty)
    }

    pub fn cast(&mut self, op: CastOp, a: Value, to: Type) -> Value {
        self.value(Op::Cast { op, a, flags: IntFlags::empty() }, to)
    }

    /// An integer in another width.
    pub fn resize(&mut self, v: Value, to: Type, signed: bool) -> Value {
        let (Type::Int(from), Type::Int(wide)) = (self.k.ty(v), to) else { return v };
        if let (Some(c), true) = (self.k.as_int(v), signed) {
            return self.k.int(to, c.into());
        }
        match from.cmp(&wide) {
            std::cmp::Ordering::Equal => v,
            std::cmp::Ordering::Greater => self.cast(CastOp::Trunc, v, to),
            std::cmp::Ordering::Less => self.cast(if signed { CastOp::SExt } else { CastOp::ZExt }, v, to),
        }
    }

    pub fn select(&mut self, cond: Value, a: Value, b: Value) -> Value {
        let ty = self.k.ty(a);
        self.value(Op::Select { cond, a, b, fmf: Fmf::empty() }, ty)
    }

    pub fn phi(&mut self, ty: Type, incoming: Vec<(Block, Value)>) -> Value {
        self.value(Op::Phi { incoming }, ty)
    }

    pub fn ptr_add(&mut self, ptr: Value, offset: Value) -> Value {
        let ty = self.k.ty(ptr);
        self.value(Op::PtrAdd { ptr, offset, inbounds: true }, ty)
    }

    /// `space` is where allocas of the source live: local on AMDGPU, generic on NVPTX.
    pub fn alloca(&mut self, bytes: u64, align: u32, space: AddrSpace) -> Value {
        self.value(Op::Alloca { bytes, align }, Type::Ptr(space))
    }

    pub fn load(&mut self, ty: Type, ptr: Value, mem: MemFlags) -> Value {
        self.value(Op::Load { ptr, mem }, ty)
    }

    pub fn store(&mut self, ptr: Value, val: Value, mem: MemFlags) {
        self.insert(Op::Store { ptr, val, mem }, Type::Void);
    }

    pub fn accumulate(&mut self, ptr: Value, val: Value, align: u32, atomic: bool) {
        self.insert(Op::Accumulate { ptr, val, align, atomic }, Type::Void);
    }

    pub fn math(&mut self, func: MathFn, args: &[Value], fmf: Fmf) -> Value {
        let first_float = args.iter().copied().find(|&a| self.k.ty(a).is_float()).expect("a float argument");
        let ty = self.k.ty(first_float);
        self.value(Op::Math { func, flavor: Flavor::Library, args: SmallVec::from_slice(args), fmf }, ty)
    }

    pub fn int_math(&mut self, func: IntFn, args: &[Value], ty: Type) -> Value {
        self.value(Op::IntMath { func, args: SmallVec::from_slice(args) }, ty)
    }

    pub fn special(&mut self, s: Special) -> Value {
        self.value(Op::Special(s), Type::I32)
    }

    pub fn tape_store(&mut self, offset: Value, val: Value) {
        self.insert(Op::TapeStore { offset, val }, Type::Void);
    }

    pub fn tape_load(&mut self, offset: Value, ty: Type) -> Value {
        self.value(Op::TapeLoad { offset }, ty)
    }

    pub fn extract_value(&mut self, agg: Value, index: u32) -> Value {
        let ty = self.k.agg_member(self.k.ty(agg), &[index]).expect("member of the aggregate");
        self.value(Op::ExtractValue { agg, path: smallvec![index] }, ty)
    }

    /// The thread's number in its block, and how many threads that has.
    pub fn thread_number(&mut self) -> (Value, Value) {
        let [x, y, z] = [0, 1, 2].map(|a| self.special(Special::ThreadId(a)));
        let [nx, ny, nz] = [0, 1, 2].map(|a| self.special(Special::BlockDim(a)));
        let plane = self.binary(BinOp::Mul, z, ny);
        let row = self.binary(BinOp::Add, plane, y);
        let rows = self.binary(BinOp::Mul, row, nx);
        let number = self.binary(BinOp::Add, rows, x);
        let area = self.binary(BinOp::Mul, nx, ny);
        let all = self.binary(BinOp::Mul, area, nz);
        (number, all)
    }

    /// A barrier across which memory is exchanged.
    pub fn sync(&mut self, id: Option<Value>, count: Option<Value>, aligned: bool) {
        // AMD's barrier itself orders nothing.
        let fences = self.k.source.arch == Arch::Amdgpu;
        let fence = |b: &mut Self, ordering| {
            if fences {
                b.insert(Op::Fence { ordering, scope: Scope::BLOCK }, Type::Void);
            }
        };
        fence(self, Ordering::Release);
        self.insert(Op::Barrier { kind: BarrierKind::Sync, id, count, pred: None, aligned }, Type::Void);
        fence(self, Ordering::Acquire);
    }

    pub fn br(&mut self, to: Block) {
        self.insert(Op::Br { to }, Type::Void);
    }

    pub fn cond_br(&mut self, cond: Value, then: Block, els: Block) {
        self.insert(Op::CondBr { cond, then, els }, Type::Void);
    }

    pub fn ret(&mut self) {
        self.insert(Op::Ret, Type::Void);
    }
}
