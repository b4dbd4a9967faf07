//! Views of types, values, instructions and blocks.
//!
//! Accessors that LLVM defines for some kinds of value only give `None`, zero or an empty answer for the others; they
//! check the kind first, because LLVM does not.

use super::read_module::{bytes_text, owned_text, Ir};
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::target::*;
pub use llvm_sys::{
    LLVMAtomicOrdering, LLVMAtomicRMWBinOp, LLVMIntPredicate, LLVMOpcode as Opcode, LLVMRealPredicate,
    LLVMTypeKind as TypeKind, LLVMValueKind as ValueKind,
};
use std::marker::PhantomData;

macro_rules! view {
    ($(#[$doc:meta])* $name:ident, $raw:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name<'m>($raw, PhantomData<&'m ()>);
        impl<'m> $name<'m> {
            /// `None` for null. Callers give a pointer into a module that lives for `'m`.
            pub(super) fn wrap(raw: $raw) -> Option<Self> {
                (!raw.is_null()).then_some($name(raw, PhantomData))
            }
            pub(super) fn raw(self) -> $raw {
                self.0
            }
        }
    };
}

view!(
    /// A type.
    Ty, LLVMTypeRef
);
view!(
    /// A value: function, global, constant, argument or instruction.
    Val, LLVMValueRef
);
view!(
    /// A basic block.
    Blk, LLVMBasicBlockRef
);

impl std::fmt::Display for Ty<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SAFETY: the type is alive; the string is ours to free.
        f.write_str(&unsafe { owned_text(LLVMPrintTypeToString(self.0)) })
    }
}

impl std::fmt::Display for Val<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SAFETY: the value is alive; the string is ours to free.
        f.write_str(unsafe { owned_text(LLVMPrintValueToString(self.0)) }.trim())
    }
}

impl<'m> Ty<'m> {
    /// Kind.
    pub fn kind(self) -> TypeKind {
        // SAFETY: every view is alive for 'm; the same holds for all blocks of this file that say "alive".
        unsafe { LLVMGetTypeKind(self.0) }
    }

    /// Bits of an integer type, else 0.
    pub fn int_width(self) -> u32 {
        match self.kind() {
            // SAFETY: alive, an integer type.
            TypeKind::LLVMIntegerTypeKind => unsafe { LLVMGetIntTypeWidth(self.0) },
            _ => 0,
        }
    }

    /// Address space of a pointer type, else 0.
    pub fn addr_space(self) -> u32 {
        match self.kind() {
            // SAFETY: alive, a pointer type.
            TypeKind::LLVMPointerTypeKind => unsafe { LLVMGetPointerAddressSpace(self.0) },
            _ => 0,
        }
    }

    /// Element type and length of an array or fixed vector.
    pub fn elements(self) -> Option<(Ty<'m>, u64)> {
        // SAFETY: alive, of the kind that each function wants.
        unsafe {
            let n = match self.kind() {
                TypeKind::LLVMArrayTypeKind => LLVMGetArrayLength2(self.0),
                TypeKind::LLVMVectorTypeKind => LLVMGetVectorSize(self.0).into(),
                _ => return None,
            };
            Some((Ty::wrap(LLVMGetElementType(self.0))?, n))
        }
    }

    /// Member types of a struct; `None` for other types and opaque structs.
    pub fn fields(self) -> Option<Vec<Ty<'m>>> {
        // SAFETY: alive, a struct type with a body; the index is within its length.
        unsafe {
            if self.kind() != TypeKind::LLVMStructTypeKind || LLVMIsOpaqueStruct(self.0) != 0 {
                return None;
            }
            (0..LLVMCountStructElementTypes(self.0))
                .map(|i| Ty::wrap(LLVMStructGetTypeAtIndex(self.0, i)))
                .collect()
        }
    }

    /// A packed struct.
    pub fn is_packed(self) -> bool {
        // SAFETY: alive, a struct type.
        self.kind() == TypeKind::LLVMStructTypeKind && unsafe { LLVMIsPackedStruct(self.0) } != 0
    }

    /// The type has a size.
    pub fn is_sized(self) -> bool {
        // SAFETY: alive.
        unsafe { LLVMTypeIsSized(self.0) != 0 }
    }
}

impl Ir<'_> {
    /// Size with tail padding, and alignment, of a sized type.
    pub fn layout_of(&self, ty: Ty<'_>) -> Option<(u64, u32)> {
        // SAFETY: module and type are alive, the type has a size.
        unsafe {
            let td = LLVMGetModuleDataLayout(self.raw());
            ty.is_sized().then(|| (LLVMABISizeOfType(td, ty.0), LLVMABIAlignmentOfType(td, ty.0)))
        }
    }

    /// Byte offset of a member of a struct.
    pub fn field_offset(&self, ty: Ty<'_>, field: u32) -> Option<u64> {
        let n = ty.fields()?.len();
        // SAFETY: module and type are alive; the struct has a body and that many members.
        (ty.is_sized() && (field as usize) < n)
            .then(|| unsafe { LLVMOffsetOfElement(LLVMGetModuleDataLayout(self.raw()), ty.0, field) })
    }
}

impl<'m> Val<'m> {
    /// Kind of value.
    pub fn kind(self) -> ValueKind {
        // SAFETY: alive.
        unsafe { LLVMGetValueKind(self.0) }
    }

    /// Type.
    pub fn ty(self) -> Ty<'m> {
        // SAFETY: alive; every value has a type.
        Ty(unsafe { LLVMTypeOf(self.0) }, PhantomData)
    }

    /// Name, empty if it has none.
    pub fn name(self) -> String {
        let mut len = 0;
        // SAFETY: alive; pointer and length describe the name, which is copied at once.
        unsafe { bytes_text(LLVMGetValueName2(self.0, &mut len), len) }
    }

    /// An instruction.
    pub fn is_inst(self) -> bool {
        self.kind() == ValueKind::LLVMInstructionValueKind
    }

    /// Opcode of an instruction or a constant expression.
    pub fn opcode(self) -> Option<Opcode> {
        // SAFETY: alive, of the kind that each function wants.
        unsafe {
            match self.kind() {
                ValueKind::LLVMInstructionValueKind => Some(LLVMGetInstructionOpcode(self.0)),
                ValueKind::LLVMConstantExprValueKind => Some(LLVMGetConstOpcode(self.0)),
                _ => None,
            }
        }
    }

    /// Operand `i`, if it is there and is a value that has a view (metadata operands included).
    pub fn operand(self, i: u32) -> Option<Val<'m>> {
        // SAFETY: alive; only users have operands, and the index is checked.
        unsafe { (i < self.num_operands()).then(|| LLVMGetOperand(self.0, i)).and_then(Val::wrap) }
    }

    /// Number of operands; for calls the callee is the last.
    pub fn num_operands(self) -> u32 {
        // SAFETY: alive; LLVMIsAUser says whether the value has operands.
        unsafe {
            if LLVMIsAUser(self.0).is_null() {
                return 0;
            }
            LLVMGetNumOperands(self.0).max(0) as u32
        }
    }

    /// All operands.
    pub fn operands(self) -> impl Iterator<Item = Val<'m>> {
        (0..self.num_operands()).filter_map(move |i| self.operand(i))
    }

    /// Users of the value.
    pub fn users(self) -> Vec<Val<'m>> {
        let mut out = Vec::new();
        // SAFETY: alive; uses form a list that ends with null.
        unsafe {
            let mut u = LLVMGetFirstUse(self.0);
            while !u.is_null() {
                out.extend(Val::wrap(LLVMGetUser(u)));
                u = LLVMGetNextUse(u);
            }
        }
        out
    }

    /// Arguments of a call.
    pub fn call_args(self) -> Vec<Val<'m>> {
        match self.opcode() {
            // SAFETY: alive, a call.
            Some(Opcode::LLVMCall) if self.is_inst() => {
                (0..unsafe { LLVMGetNumArgOperands(self.0) }).filter_map(|i| self.operand(i)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Callee of a call.
    pub fn callee(self) -> Option<Val<'m>> {
        match self.opcode() {
            // SAFETY: alive, a call.
            Some(Opcode::LLVMCall) if self.is_inst() => Val::wrap(unsafe { LLVMGetCalledValue(self.0) }),
            _ => None,
        }
    }

    /// Number of operand bundles of a call.
    pub fn num_bundles(self) -> u32 {
        match self.opcode() {
            // SAFETY: alive, a call.
            Some(Opcode::LLVMCall) if self.is_inst() => unsafe { LLVMGetNumOperandBundles(self.0) },
            _ => 0,
        }
    }

    /// Bits of an integer constant of up to 64 bits, zero-extended.
    pub fn const_int(self) -> Option<u64> {
        let small = self.kind() == ValueKind::LLVMConstantIntValueKind && self.ty().int_width() <= 64;
        // SAFETY: alive, an integer constant that fits.
        small.then(|| unsafe { LLVMConstIntGetZExtValue(self.0) })
    }

    /// Bits of a float constant, in its own format of up to 64 bits.
    pub fn const_float_bits(self) -> Option<u64> {
        use TypeKind::*;
        let width = match self.ty().kind() {
            LLVMHalfTypeKind | LLVMBFloatTypeKind => 16,
            LLVMFloatTypeKind => 32,
            LLVMDoubleTypeKind => 64,
            _ => return None,
        };
        if self.kind() != ValueKind::LLVMConstantFPValueKind {
            return None;
        }
        // SAFETY: alive, a float constant; a bitcast of it to an integer of its width folds to an integer constant.
        unsafe {
            let int = LLVMIntTypeInContext(LLVMGetTypeContext(self.ty().0), width);
            Val::wrap(LLVMConstBitCast(self.0, int))?.const_int()
        }
    }

    /// Element of a constant aggregate, vector, data array or zero initialiser.
    pub fn const_element(self, i: u32) -> Option<Val<'m>> {
        use ValueKind::*;
        let whole = matches!(
            self.kind(),
            LLVMConstantArrayValueKind
                | LLVMConstantStructValueKind
                | LLVMConstantVectorValueKind
                | LLVMConstantAggregateZeroValueKind
                | LLVMConstantDataArrayValueKind
                | LLVMConstantDataVectorValueKind
                | LLVMUndefValueValueKind
                | LLVMPoisonValueKind
        );
        // SAFETY: alive, a constant with elements; null when the index is out of range.
        whole.then(|| unsafe { LLVMGetAggregateElement(self.0, i) }).and_then(Val::wrap)
    }

    /// All bits zero.
    pub fn is_zero(self) -> bool {
        // SAFETY: alive; the function asks the kind itself.
        unsafe { LLVMIsConstant(self.0) != 0 && LLVMIsNull(self.0) != 0 }
    }

    /// A constant of any kind, functions and globals included.
    pub fn is_const(self) -> bool {
        // SAFETY: alive.
        unsafe { LLVMIsConstant(self.0) != 0 }
    }

    /// Parameters of a function.
    pub fn params(self) -> Vec<Val<'m>> {
        if self.kind() != ValueKind::LLVMFunctionValueKind {
            return Vec::new();
        }
        // SAFETY: alive, a function; the index is within its number of parameters.
        unsafe { (0..LLVMCountParams(self.0)).filter_map(|i| Val::wrap(LLVMGetParam(self.0, i))).collect() }
    }

    /// Blocks of a function, in order; the first is the entry.
    pub fn blocks(self) -> Vec<Blk<'m>> {
        if self.kind() != ValueKind::LLVMFunctionValueKind {
            return Vec::new();
        }
        let mut out = Vec::new();
        // SAFETY: alive, a function; the list of blocks ends with null.
        unsafe {
            let mut b = LLVMGetFirstBasicBlock(self.0);
            while let Some(blk) = Blk::wrap(b) {
                out.push(blk);
                b = LLVMGetNextBasicBlock(b);
            }
        }
        out
    }

    /// A function or global without a body.
    pub fn is_declaration(self) -> bool {
        // SAFETY: alive, a global value.
        !unsafe { LLVMIsAGlobalValue(self.0) }.is_null() && unsafe { LLVMIsDeclaration(self.0) } != 0
    }

    /// Calling convention of a function, or of a call.
    pub fn call_conv(self) -> u32 {
        // SAFETY: alive, a function.
        match self.kind() {
            ValueKind::LLVMFunctionValueKind => unsafe { LLVMGetFunctionCallConv(self.0) },
            _ => 0,
        }
    }

    /// Result type of a function.
    pub fn return_type(self) -> Option<Ty<'m>> {
        if self.kind() != ValueKind::LLVMFunctionValueKind {
            return None;
        }
        // SAFETY: alive, a function.
        Ty::wrap(unsafe { LLVMGetReturnType(LLVMGlobalGetValueType(self.0)) })
    }

    /// The function takes a variable number of arguments.
    pub fn is_var_arg(self) -> bool {
        self.kind() == ValueKind::LLVMFunctionValueKind
            // SAFETY: alive, a function.
            && unsafe { LLVMIsFunctionVarArg(LLVMGlobalGetValueType(self.0)) } != 0
    }

    /// Type of the memory that a global variable names.
    pub fn global_type(self) -> Option<Ty<'m>> {
        let global = self.kind() == ValueKind::LLVMGlobalVariableValueKind;
        // SAFETY: alive, a global variable.
        global.then(|| unsafe { LLVMGlobalGetValueType(self.0) }).and_then(Ty::wrap)
    }

    /// Initial contents of a global variable.
    pub fn initializer(self) -> Option<Val<'m>> {
        let global = self.kind() == ValueKind::LLVMGlobalVariableValueKind;
        // SAFETY: alive, a global variable; null when it has none.
        global.then(|| unsafe { LLVMGetInitializer(self.0) }).and_then(Val::wrap)
    }

    /// `constant` global variable.
    pub fn is_global_const(self) -> bool {
        // SAFETY: alive, a global variable.
        self.kind() == ValueKind::LLVMGlobalVariableValueKind && unsafe { LLVMIsGlobalConstant(self.0) } != 0
    }

    /// Internal or private linkage.
    pub fn is_local_linkage(self) -> bool {
        use llvm_sys::LLVMLinkage::*;
        // SAFETY: alive, a global value.
        !unsafe { LLVMIsAGlobalValue(self.0) }.is_null()
            && matches!(unsafe { LLVMGetLinkage(self.0) }, LLVMInternalLinkage | LLVMPrivateLinkage)
    }
}

impl<'m> Blk<'m> {
    /// Name, empty if it has none.
    pub fn name(self) -> String {
        // SAFETY: alive; a block is a value.
        Val::wrap(unsafe { LLVMBasicBlockAsValue(self.0) }).map(Val::name).unwrap_or_default()
    }

    /// Instructions in order.
    pub fn insts(self) -> Vec<Val<'m>> {
        let mut out = Vec::new();
        // SAFETY: alive; the list of instructions ends with null.
        unsafe {
            let mut i = LLVMGetFirstInstruction(self.0);
            while let Some(v) = Val::wrap(i) {
                out.push(v);
                i = LLVMGetNextInstruction(i);
            }
        }
        out
    }

    /// The terminator.
    pub fn terminator(self) -> Option<Val<'m>> {
        // SAFETY: alive.
        Val::wrap(unsafe { LLVMGetBasicBlockTerminator(self.raw()) })
    }
}
