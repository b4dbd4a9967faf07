//! What differs between targets.

use super::memory::{self, Atomic, Exchange};
use super::{intmath, Lower, MathCall};
use crate::diag::Result;
use crate::emit::text::Operand;
use crate::kernel::*;

/// A barrier with its operands lowered.
#[derive(Clone, Debug)]
pub struct BarrierCall {
    /// What it gives back.
    pub kind: BarrierKind,
    /// Number of the barrier, i32.
    pub id: Option<Operand>,
    /// Number of threads that take part, i32.
    pub count: Option<Operand>,
    /// Predicate of the reducing kinds, i32 or i1 as in the source.
    pub pred: Option<Operand>,
    /// All threads of a warp execute it together.
    pub aligned: bool,
}

/// Inline assembly with its operands lowered.
#[derive(Clone, Debug)]
pub struct AsmCall<'a> {
    /// Text, as in LLVM.
    pub text: &'a str,
    /// Constraints, as in LLVM.
    pub constraints: &'a str,
    /// Has side effects.
    pub side_effects: bool,
    /// Operands.
    pub args: &'a [Operand],
}

/// What differs between targets. Methods append to `cx.f` and give the result; the place of an error is that of the instruction
/// that `cx` is at ([`Lower::error`]).
pub trait Ops {
    /// Name for messages: `nvptx:sm_80`.
    fn name(&self) -> String;

    /// LLVM type of a pointer into that space.
    fn ptr_ty(&self, space: AddrSpace) -> String {
        match space.number() {
            0 => "ptr".to_string(),
            n => format!("ptr addrspace({n})"),
        }
    }

    /// Name of a sync scope for `syncscope("...")`; empty for the whole system.
    fn scope(&self, scope: Scope) -> &'static str;

    /// Memory of the thread for the whole launch, as a pointer into `space`.
    fn alloca(&mut self, cx: &mut Lower<'_>, bytes: u64, align: u32, space: AddrSpace) -> Result<Operand> {
        let ty = self.ptr_ty(space);
        Ok(cx.f.in_prologue(|f| f.value(&ty, format_args!("alloca [{bytes} x i8], align {align}"))))
    }

    /// Address of a module-level variable, in the variable's own space. Called once per function; what it appends goes to the
    /// prologue.
    fn global(&mut self, cx: &mut Lower<'_>, g: Global) -> Result<Operand>;

    /// A coordinate or size of the launch, i32.
    fn special(&mut self, cx: &mut Lower<'_>, s: Special) -> Result<Operand>;

    /// Barrier of the block; a result for the reducing kinds.
    fn barrier(&mut self, cx: &mut Lower<'_>, b: &BarrierCall) -> Result<Option<Operand>>;

    /// Operation among the threads of a warp.
    fn warp(
        &mut self,
        cx: &mut Lower<'_>,
        op: WarpOp,
        args: &[Operand],
        result: Type,
    ) -> Result<Option<Operand>>;

    /// A function of scalars. Vectors are split before.
    fn math(&mut self, cx: &mut Lower<'_>, call: &MathCall) -> Result<Operand>;

    /// The same for vectors as a whole, where the target has it; `None` to have it done lane by lane. All operands are vectors of
    /// the result's type.
    fn math_lanes(&mut self, _cx: &mut Lower<'_>, _call: &MathCall) -> Result<Option<Operand>> {
        Ok(None)
    }

    /// Integer function; `result` is the LLVM type of the result.
    fn int_math(
        &mut self,
        cx: &mut Lower<'_>,
        func: IntFn,
        args: &[Operand],
        result: Type,
    ) -> Result<Operand> {
        intmath::lower(cx, self, func, args, result)
    }

    /// Add the scalar `val` of type `ty` to `*ptr`, which points into `space`.
    fn accumulate(&mut self, cx: &mut Lower<'_>, add: &Accumulation<'_>) -> Result<()>;

    /// The same for a vector as a whole, `val` being one; `false` to have it done lane by lane.
    fn accumulate_lanes(&mut self, _cx: &mut Lower<'_>, _add: &Accumulation<'_>) -> Result<bool> {
        Ok(false)
    }

    /// Write `val` to the tape at `offset` (i64).
    fn tape_store(&mut self, cx: &mut Lower<'_>, offset: &Operand, val: &Operand, ty: Type) -> Result<()>;

    /// Read the tape at `offset` (i64).
    fn tape_load(&mut self, cx: &mut Lower<'_>, offset: &Operand, ty: Type) -> Result<Operand>;

    /// Load of a value of a first-class type.
    fn load(&mut self, cx: &mut Lower<'_>, ptr: &Operand, ty: Type, mem: &MemFlags) -> Result<Operand> {
        let llty = cx.ty(self, ty);
        memory::load(cx, self, ptr, &llty, mem)
    }

    /// Store of a value of a first-class type.
    fn store(
        &mut self,
        cx: &mut Lower<'_>,
        ptr: &Operand,
        val: &Operand,
        _ty: Type,
        mem: &MemFlags,
    ) -> Result<()> {
        memory::store(cx, self, ptr, val, mem)
    }

    /// Atomic read-modify-write; gives the old value.
    fn atomic_rmw(&mut self, cx: &mut Lower<'_>, a: &Atomic<'_>) -> Result<Operand> {
        memory::atomic_rmw(cx, self, a)
    }

    /// Compare and exchange; gives {old, success}.
    fn cmpxchg(&mut self, cx: &mut Lower<'_>, x: &Exchange<'_>) -> Result<Operand> {
        memory::cmpxchg(cx, self, x)
    }

    /// Fence.
    fn fence(&mut self, cx: &mut Lower<'_>, ordering: Ordering, scope: Scope) -> Result<()> {
        memory::fence(cx, self, ordering, scope)
    }

    /// Pointer casts (`PtrToInt`, `IntToPtr`, `AddrSpaceCast`); all other casts are target-neutral.
    fn ptr_cast(
        &mut self,
        cx: &mut Lower<'_>,
        op: CastOp,
        a: &Operand,
        _from: Type,
        to: Type,
    ) -> Result<Operand> {
        let to = cx.ty(self, to);
        let word = match op {
            CastOp::PtrToInt => "ptrtoint",
            CastOp::IntToPtr => "inttoptr",
            _ if a.ty == to => return Ok(a.clone()),
            _ => "addrspacecast",
        };
        Ok(cx.f.value(&to, format_args!("{word} {a} to {to}")))
    }

    /// Inline assembly.
    fn asm(&mut self, cx: &mut Lower<'_>, asm: &AsmCall<'_>, result: Option<Type>)
        -> Result<Option<Operand>>;

    /// A call that stays one.
    fn call(
        &mut self,
        cx: &mut Lower<'_>,
        callee: &str,
        args: &[Operand],
        result: Option<Type>,
    ) -> Result<Option<Operand>>;

    /// End the launch with an error. Control must not come back; the translator appends nothing, so what follows in the block is
    /// still lowered: begin a fresh block after a terminator.
    fn trap(&mut self, cx: &mut Lower<'_>) -> Result<()>;

    /// End of the thread.
    fn ret(&mut self, cx: &mut Lower<'_>) -> Result<()> {
        cx.f.line("ret void");
        Ok(())
    }
}

/// An `Op::Accumulate` of one scalar.
#[derive(Clone, Debug)]
pub struct Accumulation<'a> {
    /// Where.
    pub ptr: &'a Operand,
    /// The space that `ptr` points into, in Kernel IR.
    pub space: AddrSpace,
    /// What; a scalar float.
    pub val: &'a Operand,
    /// Its type.
    pub ty: FloatTy,
    /// Alignment of the address.
    pub align: u32,
    /// Other threads may add to the same address.
    pub atomic: bool,
    /// The pointer in Kernel IR, before lane offsets were added: for looking up its base.
    pub base: Value,
}
