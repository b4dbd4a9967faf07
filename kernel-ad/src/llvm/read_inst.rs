//! What instructions say beside their operands: flags, orderings, predicates, indices, the blocks they lead to.
//!
//! As in [`read`](super::read): an accessor that is not for a kind of value gives `None`, zero or an empty answer.

use super::read::*;
use super::read_module::bytes_text;
use llvm_sys::core::*;

impl<'m> Val<'m> {
    /// Alignment of a load, store, alloca, atomic or global, in bytes; 0 if none is given.
    pub fn align(self) -> u32 {
        use Opcode::*;
        let ok = match self.kind() {
            ValueKind::LLVMGlobalVariableValueKind => true,
            ValueKind::LLVMInstructionValueKind => matches!(
                self.opcode(),
                Some(LLVMLoad | LLVMStore | LLVMAlloca | LLVMAtomicRMW | LLVMAtomicCmpXchg)
            ),
            _ => false,
        };
        // SAFETY: alive, of a kind that has an alignment.
        if ok {
            unsafe { LLVMGetAlignment(self.raw()) }
        } else {
            0
        }
    }

    /// Volatile load, store, atomicrmw or cmpxchg.
    pub fn is_volatile(self) -> bool {
        use Opcode::*;
        self.is_inst()
            && matches!(self.opcode(), Some(LLVMLoad | LLVMStore | LLVMAtomicRMW | LLVMAtomicCmpXchg))
            // SAFETY: alive, of a kind that can be volatile.
            && unsafe { LLVMGetVolatile(self.raw()) } != 0
    }

    /// Ordering of a load, store, fence or atomicrmw.
    pub fn ordering(self) -> Option<LLVMAtomicOrdering> {
        use Opcode::*;
        let ok =
            self.is_inst() && matches!(self.opcode(), Some(LLVMLoad | LLVMStore | LLVMFence | LLVMAtomicRMW));
        // SAFETY: alive, of a kind that has an ordering.
        ok.then(|| unsafe { LLVMGetOrdering(self.raw()) })
    }

    /// Operation of an atomicrmw.
    pub fn rmw_op(self) -> Option<LLVMAtomicRMWBinOp> {
        let rmw = self.is_inst() && self.opcode() == Some(Opcode::LLVMAtomicRMW);
        // SAFETY: alive, an atomicrmw.
        rmw.then(|| unsafe { LLVMGetAtomicRMWBinOp(self.raw()) })
    }

    /// Name of the synchronisation scope of an atomic or fence; empty for the system scope. LLVM 19's C interface cannot
    /// name scopes, so this reads the printed instruction.
    pub fn sync_scope(self) -> String {
        let text = self.to_string();
        let Some((_, rest)) = text.split_once("syncscope(\"") else { return String::new() };
        rest.split('"').next().unwrap_or("").to_string()
    }

    /// Orderings of a cmpxchg on success and on failure, and whether it is weak.
    pub fn cmpxchg(self) -> Option<(LLVMAtomicOrdering, LLVMAtomicOrdering, bool)> {
        let ok = self.is_inst() && self.opcode() == Some(Opcode::LLVMAtomicCmpXchg);
        // SAFETY: alive, a cmpxchg.
        ok.then(|| unsafe {
            (
                LLVMGetCmpXchgSuccessOrdering(self.raw()),
                LLVMGetCmpXchgFailureOrdering(self.raw()),
                LLVMGetWeak(self.raw()) != 0,
            )
        })
    }

    /// Predicate of an icmp.
    pub fn int_predicate(self) -> Option<LLVMIntPredicate> {
        // SAFETY: alive, an icmp.
        (self.opcode() == Some(Opcode::LLVMICmp)).then(|| unsafe { LLVMGetICmpPredicate(self.raw()) })
    }

    /// Predicate of an fcmp.
    pub fn float_predicate(self) -> Option<LLVMRealPredicate> {
        // SAFETY: alive, an fcmp.
        (self.opcode() == Some(Opcode::LLVMFCmp)).then(|| unsafe { LLVMGetFCmpPredicate(self.raw()) })
    }

    /// Fast-math flags, as LLVM's bits.
    pub fn fast_math(self) -> u32 {
        // SAFETY: alive, an instruction that can have the flags.
        unsafe {
            if self.is_inst() && LLVMCanValueUseFastMathFlags(self.raw()) != 0 {
                LLVMGetFastMathFlags(self.raw())
            } else {
                0
            }
        }
    }

    /// nuw, nsw of an add, sub, mul, shl or trunc.
    pub fn wrap_flags(self) -> (bool, bool) {
        use Opcode::*;
        if !self.is_inst()
            || !matches!(self.opcode(), Some(LLVMAdd | LLVMSub | LLVMMul | LLVMShl | LLVMTrunc))
        {
            return (false, false);
        }
        // SAFETY: alive, an instruction with these flags.
        unsafe { (LLVMGetNUW(self.raw()) != 0, LLVMGetNSW(self.raw()) != 0) }
    }

    /// exact, disjoint or nneg, whichever the instruction can have.
    pub fn poison_flag(self) -> bool {
        use Opcode::*;
        if !self.is_inst() {
            return false;
        }
        // SAFETY: alive, an instruction with the flag.
        unsafe {
            match self.opcode() {
                Some(LLVMUDiv | LLVMSDiv | LLVMLShr | LLVMAShr) => LLVMGetExact(self.raw()) != 0,
                Some(LLVMOr) => LLVMGetIsDisjoint(self.raw()) != 0,
                Some(LLVMZExt | LLVMUIToFP) => LLVMGetNNeg(self.raw()) != 0,
                _ => false,
            }
        }
    }

    /// Source element type of a getelementptr, instruction or constant.
    pub fn gep_source(self) -> Option<Ty<'m>> {
        let gep = self.opcode() == Some(Opcode::LLVMGetElementPtr);
        // SAFETY: alive, a getelementptr.
        gep.then(|| unsafe { LLVMGetGEPSourceElementType(self.raw()) }).and_then(Ty::wrap)
    }

    /// `inbounds` of a getelementptr.
    pub fn gep_inbounds(self) -> bool {
        // SAFETY: alive, a getelementptr.
        self.opcode() == Some(Opcode::LLVMGetElementPtr) && unsafe { LLVMIsInBounds(self.raw()) } != 0
    }

    /// Type that an alloca allocates.
    pub fn alloca_type(self) -> Option<Ty<'m>> {
        let alloca = self.is_inst() && self.opcode() == Some(Opcode::LLVMAlloca);
        // SAFETY: alive, an alloca.
        alloca.then(|| unsafe { LLVMGetAllocatedType(self.raw()) }).and_then(Ty::wrap)
    }

    /// Indices of an extractvalue or insertvalue.
    pub fn indices(self) -> Vec<u32> {
        if !matches!(self.opcode(), Some(Opcode::LLVMExtractValue | Opcode::LLVMInsertValue))
            || !self.is_inst()
        {
            return Vec::new();
        }
        // SAFETY: alive, of a kind with indices; LLVM gives a pointer to that many.
        unsafe {
            std::slice::from_raw_parts(LLVMGetIndices(self.raw()), LLVMGetNumIndices(self.raw()) as usize)
                .to_vec()
        }
    }

    /// Mask of a shufflevector; poison lanes are below 0.
    pub fn shuffle_mask(self) -> Vec<i32> {
        if self.opcode() != Some(Opcode::LLVMShuffleVector) {
            return Vec::new();
        }
        // SAFETY: alive, a shufflevector; the index is within the mask.
        unsafe { (0..LLVMGetNumMaskElements(self.raw())).map(|i| LLVMGetMaskValue(self.raw(), i)).collect() }
    }

    /// Incoming values of a phi.
    pub fn incoming(self) -> Vec<(Blk<'m>, Val<'m>)> {
        if !self.is_inst() || self.opcode() != Some(Opcode::LLVMPHI) {
            return Vec::new();
        }
        // SAFETY: alive, a phi; the index is within its incoming edges.
        unsafe {
            (0..LLVMCountIncoming(self.raw()))
                .filter_map(|i| {
                    Some((
                        Blk::wrap(LLVMGetIncomingBlock(self.raw(), i))?,
                        Val::wrap(LLVMGetIncomingValue(self.raw(), i))?,
                    ))
                })
                .collect()
        }
    }

    /// The block that a block operand (of a switch) is.
    pub fn as_block(self) -> Option<Blk<'m>> {
        // SAFETY: alive; checked to be a block.
        unsafe {
            (LLVMValueIsBasicBlock(self.raw()) != 0)
                .then(|| LLVMValueAsBasicBlock(self.raw()))
                .and_then(Blk::wrap)
        }
    }

    /// Successors of a terminator, in order.
    pub fn successors(self) -> Vec<Blk<'m>> {
        // SAFETY: alive; checked to be a terminator; the index is within their number.
        unsafe {
            if !self.is_inst() || LLVMIsATerminatorInst(self.raw()).is_null() {
                return Vec::new();
            }
            (0..LLVMGetNumSuccessors(self.raw()))
                .filter_map(|i| Blk::wrap(LLVMGetSuccessor(self.raw(), i)))
                .collect()
        }
    }

    /// Text, constraints and side effects of an inline assembly value.
    pub fn inline_asm(self) -> Option<(String, String, bool)> {
        if self.kind() != ValueKind::LLVMInlineAsmValueKind {
            return None;
        }
        let (mut n, mut m) = (0, 0);
        // SAFETY: alive, inline assembly; the strings are copied at once.
        unsafe {
            let text = LLVMGetInlineAsmAsmString(self.raw(), &mut n);
            let text = bytes_text(text, n);
            let cons = LLVMGetInlineAsmConstraintString(self.raw(), &mut m);
            Some((text, bytes_text(cons, m), LLVMGetInlineAsmHasSideEffects(self.raw()) != 0))
        }
    }
}
