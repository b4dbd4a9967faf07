//! Views of metadata, debug locations and attributes.

use super::read::{Ty, Val};
use super::read_module::{bytes_text, Ir};
use llvm_sys::core::*;
use llvm_sys::debuginfo::*;
use llvm_sys::prelude::*;
use llvm_sys::LLVMAttributeFunctionIndex;
use std::ffi::{c_char, CString};
use std::marker::PhantomData;

/// A node of metadata.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meta<'m>(LLVMMetadataRef, PhantomData<&'m ()>);

/// A debug location: where an instruction comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DebugLoc<'m> {
    /// File as the debug information names it, with its directory when it is relative.
    pub file: String,
    /// Line, from 1; 0 if unknown.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub col: u32,
    /// Function.
    pub function: String,
    /// Location that the function was inlined at.
    pub inlined_at: Option<Meta<'m>>,
}

impl std::fmt::Debug for Meta<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "metadata {:p}", self.0)
    }
}

impl<'m> Meta<'m> {
    fn wrap(raw: LLVMMetadataRef) -> Option<Self> {
        (!raw.is_null()).then_some(Meta(raw, PhantomData))
    }
}

/// Operands of a metadata node given as a value; null operands are `None`.
fn node_operands<'m>(node: Val<'m>) -> Vec<Option<Val<'m>>> {
    // SAFETY: the value is alive; it is asked whether it is a node; the buffer holds its number of operands.
    unsafe {
        if LLVMIsAMDNode(node.raw()).is_null() {
            return Vec::new();
        }
        let n = LLVMGetMDNodeNumOperands(node.raw()) as usize;
        let mut out: Vec<LLVMValueRef> = vec![std::ptr::null_mut(); n];
        LLVMGetMDNodeOperands(node.raw(), out.as_mut_ptr());
        out.into_iter().map(Val::wrap).collect()
    }
}

/// The text of a metadata string given as a value.
fn md_string(v: Val<'_>) -> Option<String> {
    // SAFETY: the value is alive; it is asked whether it is a string; the bytes are copied at once.
    unsafe {
        if LLVMIsAMDString(v.raw()).is_null() {
            return None;
        }
        let mut len = 0;
        let p = LLVMGetMDString(v.raw(), &mut len);
        Some(bytes_text(p, len as usize))
    }
}

/// One annotation of `!nvvm.annotations`.
pub struct Annotation<'m> {
    /// The function.
    pub function: Val<'m>,
    /// Key and value pairs.
    pub pairs: Vec<(String, u64)>,
}

impl Ir<'_> {
    /// `!nvvm.annotations`, those of functions that still exist.
    pub fn nvvm_annotations(&self) -> Vec<Annotation<'_>> {
        let name = c"nvvm.annotations".as_ptr();
        // SAFETY: the module is alive; the buffer holds as many nodes as LLVM says.
        let nodes: Vec<LLVMValueRef> = unsafe {
            let n = LLVMGetNamedMetadataNumOperands(self.raw(), name) as usize;
            let mut out = vec![std::ptr::null_mut(); n];
            LLVMGetNamedMetadataOperands(self.raw(), name, out.as_mut_ptr());
            out
        };
        let mut all = Vec::new();
        for node in nodes.into_iter().filter_map(Val::wrap) {
            let ops = node_operands(node);
            let Some(Some(function)) = ops.first().copied() else { continue };
            let mut pairs = Vec::new();
            for pair in ops[1..].chunks(2) {
                if let [Some(key), Some(value)] = pair {
                    if let (Some(key), Some(value)) = (md_string(*key), value.const_int()) {
                        pairs.push((key, value));
                    }
                }
            }
            all.push(Annotation { function, pairs });
        }
        all
    }

    fn md_kind(&self, name: &str) -> u32 {
        // SAFETY: the context is alive; pointer and length describe the name.
        unsafe {
            LLVMGetMDKindIDInContext(
                LLVMGetModuleContext(self.raw()),
                name.as_ptr().cast::<c_char>(),
                name.len() as u32,
            )
        }
    }

    /// The instruction has metadata of that kind.
    pub fn has_metadata(&self, inst: Val<'_>, kind: &str) -> bool {
        // SAFETY: alive; checked to be an instruction.
        inst.is_inst() && unsafe { !LLVMGetMetadata(inst.raw(), self.md_kind(kind)).is_null() }
    }

    /// Integers in the metadata node of that kind at a function (`!reqd_work_group_size`).
    pub fn function_metadata(&self, f: Val<'_>, kind: &str) -> Option<Vec<u64>> {
        let kind = self.md_kind(kind);
        let mut n = 0;
        // SAFETY: alive, a function; the entries are ours to free; the index is within their number.
        unsafe {
            let entries = LLVMGlobalCopyAllMetadata(f.raw(), &mut n);
            let found = (0..n as u32)
                .find(|&i| LLVMValueMetadataEntriesGetKind(entries, i) == kind)
                .map(|i| LLVMValueMetadataEntriesGetMetadata(entries, i))
                .map(|md| LLVMMetadataAsValue(LLVMGetModuleContext(self.raw()), md));
            LLVMDisposeValueMetadataEntries(entries);
            let node = Val::wrap(found?)?;
            Some(node_operands(node).into_iter().flatten().filter_map(Val::const_int).collect())
        }
    }

    /// Where an instruction comes from.
    pub fn location_of(&self, inst: Val<'_>) -> Option<Meta<'_>> {
        // SAFETY: alive; checked to be an instruction; null when it has no location.
        inst.is_inst().then(|| unsafe { LLVMInstructionGetDebugLoc(inst.raw()) }).and_then(Meta::wrap)
    }

    /// Takes a location apart.
    pub fn location(&self, at: Meta<'_>) -> DebugLoc<'_> {
        // SAFETY: `at` comes from `location_of` or from the `inlined_at` of such a location; strings are copied at once.
        unsafe {
            let scope = LLVMDILocationGetScope(at.0);
            let file = if scope.is_null() { scope } else { LLVMDIScopeGetFile(scope) };
            let mut path = String::new();
            if !file.is_null() {
                let mut len = 0;
                let p = LLVMDIFileGetFilename(file, &mut len);
                path = bytes_text(p, len as usize);
            }
            DebugLoc {
                file: path,
                line: LLVMDILocationGetLine(at.0),
                col: LLVMDILocationGetColumn(at.0),
                function: self.scope_function(scope),
                inlined_at: Meta::wrap(LLVMDILocationGetInlinedAt(at.0)),
            }
        }
    }

    /// Name of the subprogram that a scope lies in: operand 2 of `DISubprogram`, operand 1 of a lexical block is its
    /// parent (the order of LLVM 19's bitcode, stable since LLVM 4).
    fn scope_function(&self, mut scope: LLVMMetadataRef) -> String {
        use LLVMMetadataKind::*;
        // SAFETY: scopes are nodes of the module; the walk ends because scopes form a tree.
        unsafe {
            while !scope.is_null() {
                let kind = LLVMGetMetadataKind(scope);
                let Some(node) = Val::wrap(LLVMMetadataAsValue(LLVMGetModuleContext(self.raw()), scope))
                else {
                    break;
                };
                let ops = node_operands(node);
                match kind {
                    LLVMDISubprogramMetadataKind => {
                        return ops.get(2).copied().flatten().and_then(md_string).unwrap_or_default();
                    }
                    LLVMDILexicalBlockMetadataKind | LLVMDILexicalBlockFileMetadataKind => {
                        let Some(parent) = ops.get(1).copied().flatten() else { break };
                        scope = LLVMValueAsMetadata(parent.raw());
                    }
                    _ => break,
                }
            }
        }
        String::new()
    }
}

fn enum_kind(name: &str) -> u32 {
    // SAFETY: pointer and length describe the name.
    unsafe { LLVMGetEnumAttributeKindForName(name.as_ptr().cast::<c_char>(), name.len()) }
}

impl<'m> Val<'m> {
    /// Value of an enum attribute of parameter `i` of a function: `Some(0)` for those without a value.
    pub fn param_attr(self, i: u32, name: &str) -> Option<u64> {
        // SAFETY: alive, a function; null when it is not there.
        unsafe {
            let a = LLVMGetEnumAttributeAtIndex(self.raw(), i + 1, enum_kind(name));
            (!a.is_null()).then(|| LLVMGetEnumAttributeValue(a))
        }
    }

    /// Type of a type attribute (`byval`, `byref`) of parameter `i` of a function.
    pub fn param_type_attr(self, i: u32, name: &str) -> Option<Ty<'m>> {
        // SAFETY: alive, a function; null when it is not there; the attribute is one with a type.
        unsafe {
            let a = LLVMGetEnumAttributeAtIndex(self.raw(), i + 1, enum_kind(name));
            (!a.is_null()).then(|| LLVMGetTypeAttributeValue(a)).and_then(Ty::wrap)
        }
    }

    /// Value of an enum attribute of argument `i` of a call.
    pub fn call_attr(self, i: u32, name: &str) -> Option<u64> {
        // SAFETY: alive; callers ask calls only, which `callee` confirms.
        unsafe {
            self.callee()?;
            let a = LLVMGetCallSiteEnumAttribute(self.raw(), i + 1, enum_kind(name));
            (!a.is_null()).then(|| LLVMGetEnumAttributeValue(a))
        }
    }

    /// Value of a string attribute of a function.
    pub fn string_attr(self, name: &str) -> Option<String> {
        // SAFETY: alive, a function; null when it is not there; the value is copied at once.
        unsafe {
            let a = LLVMGetStringAttributeAtIndex(
                self.raw(),
                LLVMAttributeFunctionIndex,
                name.as_ptr().cast::<c_char>(),
                name.len() as u32,
            );
            if a.is_null() {
                return None;
            }
            let mut len = 0;
            let p = LLVMGetStringAttributeValue(a, &mut len);
            Some(bytes_text(p, len as usize))
        }
    }
}

/// A name that LLVM can take, for the editing half.
pub(super) fn c_name(name: &str) -> CString {
    CString::new(name.replace('\0', "")).unwrap_or_default()
}
