//! Opcodes, predicates, orderings and flags: LLVM's enumerations as ours.

use super::translate::{refuse, Step};
use crate::kernel::*;
use crate::llvm::{LLVMAtomicOrdering, LLVMAtomicRMWBinOp, LLVMIntPredicate, LLVMRealPredicate, Opcode, Val};

/// The binary operation of an opcode.
pub(super) fn binary(op: Opcode) -> Option<BinOp> {
    use Opcode::*;
    Some(match op {
        LLVMAdd => BinOp::Add,
        LLVMSub => BinOp::Sub,
        LLVMMul => BinOp::Mul,
        LLVMUDiv => BinOp::UDiv,
        LLVMSDiv => BinOp::SDiv,
        LLVMURem => BinOp::URem,
        LLVMSRem => BinOp::SRem,
        LLVMShl => BinOp::Shl,
        LLVMLShr => BinOp::LShr,
        LLVMAShr => BinOp::AShr,
        LLVMAnd => BinOp::And,
        LLVMOr => BinOp::Or,
        LLVMXor => BinOp::Xor,
        LLVMFAdd => BinOp::FAdd,
        LLVMFSub => BinOp::FSub,
        LLVMFMul => BinOp::FMul,
        LLVMFDiv => BinOp::FDiv,
        LLVMFRem => BinOp::FRem,
        _ => return None,
    })
}

/// The cast of an opcode.
pub(super) fn cast(op: Opcode) -> Option<CastOp> {
    use Opcode::*;
    Some(match op {
        LLVMTrunc => CastOp::Trunc,
        LLVMZExt => CastOp::ZExt,
        LLVMSExt => CastOp::SExt,
        LLVMFPTrunc => CastOp::FpTrunc,
        LLVMFPExt => CastOp::FpExt,
        LLVMFPToUI => CastOp::FpToUi,
        LLVMFPToSI => CastOp::FpToSi,
        LLVMUIToFP => CastOp::UiToFp,
        LLVMSIToFP => CastOp::SiToFp,
        LLVMPtrToInt => CastOp::PtrToInt,
        LLVMIntToPtr => CastOp::IntToPtr,
        LLVMBitCast => CastOp::Bitcast,
        LLVMAddrSpaceCast => CastOp::AddrSpaceCast,
        _ => return None,
    })
}

/// Fast-math flags of an instruction.
pub(super) fn fast_math(v: Val<'_>) -> Fmf {
    // LLVM's bits, in LLVM's order.
    const ORDER: [Fmf; 7] =
        [Fmf::REASSOC, Fmf::NNAN, Fmf::NINF, Fmf::NSZ, Fmf::ARCP, Fmf::CONTRACT, Fmf::AFN];
    let bits = v.fast_math();
    ORDER.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, f)| *f).collect()
}

/// nuw, nsw, exact, disjoint, nneg of an instruction; `widening` says that the last flag means nneg.
pub(super) fn int_flags(v: Val<'_>, widening: bool) -> IntFlags {
    let (nuw, nsw) = v.wrap_flags();
    let mut flags = IntFlags::empty();
    flags.set(IntFlags::NUW, nuw);
    flags.set(IntFlags::NSW, nsw);
    if v.poison_flag() {
        flags |= match v.opcode() {
            Some(Opcode::LLVMOr) => IntFlags::DISJOINT,
            _ if widening => IntFlags::NNEG,
            _ => IntFlags::EXACT,
        };
    }
    flags
}

/// Predicate of an icmp.
pub(super) fn int_pred(v: Val<'_>) -> Step<IntPred> {
    use LLVMIntPredicate::*;
    let Some(p) = v.int_predicate() else { return refuse("comparison without a predicate") };
    Ok(match p {
        LLVMIntEQ => IntPred::Eq,
        LLVMIntNE => IntPred::Ne,
        LLVMIntUGT => IntPred::Ugt,
        LLVMIntUGE => IntPred::Uge,
        LLVMIntULT => IntPred::Ult,
        LLVMIntULE => IntPred::Ule,
        LLVMIntSGT => IntPred::Sgt,
        LLVMIntSGE => IntPred::Sge,
        LLVMIntSLT => IntPred::Slt,
        LLVMIntSLE => IntPred::Sle,
    })
}

/// Predicate of an fcmp.
pub(super) fn float_pred(v: Val<'_>) -> Step<FloatPred> {
    use LLVMRealPredicate::*;
    let Some(p) = v.float_predicate() else { return refuse("comparison without a predicate") };
    Ok(match p {
        LLVMRealPredicateFalse => FloatPred::False,
        LLVMRealOEQ => FloatPred::Oeq,
        LLVMRealOGT => FloatPred::Ogt,
        LLVMRealOGE => FloatPred::Oge,
        LLVMRealOLT => FloatPred::Olt,
        LLVMRealOLE => FloatPred::Ole,
        LLVMRealONE => FloatPred::One,
        LLVMRealORD => FloatPred::Ord,
        LLVMRealUNO => FloatPred::Uno,
        LLVMRealUEQ => FloatPred::Ueq,
        LLVMRealUGT => FloatPred::Ugt,
        LLVMRealUGE => FloatPred::Uge,
        LLVMRealULT => FloatPred::Ult,
        LLVMRealULE => FloatPred::Ule,
        LLVMRealUNE => FloatPred::Une,
        LLVMRealPredicateTrue => FloatPred::True,
    })
}

/// Operation of an atomicrmw.
pub(super) fn rmw_op(v: Val<'_>) -> Step<RmwOp> {
    use LLVMAtomicRMWBinOp::*;
    let Some(op) = v.rmw_op() else { return refuse("atomic operation") };
    Ok(match op {
        LLVMAtomicRMWBinOpXchg => RmwOp::Xchg,
        LLVMAtomicRMWBinOpAdd => RmwOp::Add,
        LLVMAtomicRMWBinOpSub => RmwOp::Sub,
        LLVMAtomicRMWBinOpAnd => RmwOp::And,
        LLVMAtomicRMWBinOpNand => RmwOp::Nand,
        LLVMAtomicRMWBinOpOr => RmwOp::Or,
        LLVMAtomicRMWBinOpXor => RmwOp::Xor,
        LLVMAtomicRMWBinOpMax => RmwOp::Max,
        LLVMAtomicRMWBinOpMin => RmwOp::Min,
        LLVMAtomicRMWBinOpUMax => RmwOp::UMax,
        LLVMAtomicRMWBinOpUMin => RmwOp::UMin,
        LLVMAtomicRMWBinOpFAdd => RmwOp::FAdd,
        LLVMAtomicRMWBinOpFSub => RmwOp::FSub,
        LLVMAtomicRMWBinOpFMax => RmwOp::FMax,
        LLVMAtomicRMWBinOpFMin => RmwOp::FMin,
        LLVMAtomicRMWBinOpUIncWrap => RmwOp::UIncWrap,
        LLVMAtomicRMWBinOpUDecWrap => RmwOp::UDecWrap,
    })
}

/// An atomic ordering; `None` for plain accesses.
pub(super) fn ordering(o: LLVMAtomicOrdering) -> Option<Ordering> {
    use LLVMAtomicOrdering::*;
    match o {
        LLVMAtomicOrderingNotAtomic => None,
        LLVMAtomicOrderingUnordered => Some(Ordering::Unordered),
        LLVMAtomicOrderingMonotonic => Some(Ordering::Monotonic),
        LLVMAtomicOrderingAcquire => Some(Ordering::Acquire),
        LLVMAtomicOrderingRelease => Some(Ordering::Release),
        LLVMAtomicOrderingAcquireRelease => Some(Ordering::AcqRel),
        LLVMAtomicOrderingSequentiallyConsistent => Some(Ordering::SeqCst),
    }
}

/// Synchronisation scope of an atomic or fence.
pub(super) fn scope(v: Val<'_>) -> Step<Scope> {
    let name = v.sync_scope();
    let (base, one_as) = match name.as_str() {
        "one-as" => ("", true),
        n => n.strip_suffix("-one-as").map_or((n, false), |b| (b, true)),
    };
    let level = match base {
        "" => ScopeLevel::System,
        "agent" | "device" => ScopeLevel::Device,
        "workgroup" | "block" => ScopeLevel::Block,
        "wavefront" => ScopeLevel::Warp,
        "singlethread" => ScopeLevel::Thread,
        other => return refuse(format!("synchronisation scope `{other}`")),
    };
    Ok(Scope { level, one_as })
}

/// LLVM's name of an opcode that Kernel IR does not have.
pub(super) fn instruction_name(op: Opcode) -> &'static str {
    use Opcode::*;
    match op {
        LLVMIndirectBr => "indirectbr",
        LLVMInvoke => "invoke",
        LLVMCallBr => "callbr",
        LLVMVAArg => "va_arg",
        LLVMResume | LLVMLandingPad | LLVMCleanupRet | LLVMCatchRet | LLVMCatchPad | LLVMCleanupPad
        | LLVMCatchSwitch => "exception handling",
        _ => "of an unknown kind",
    }
}
