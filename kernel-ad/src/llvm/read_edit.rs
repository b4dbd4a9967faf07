//! The few edits that reading makes before LLVM's passes can do the rest.

use super::read::{Opcode, Ty, TypeKind, Val, ValueKind};
use super::read_meta::c_name;
use super::read_module::Ir;
use llvm_sys::core::*;
use llvm_sys::{LLVMAttributeFunctionIndex, LLVMLinkage};
use std::ffi::c_char;

impl Ir<'_> {
    /// Makes every other function internal and to be inlined, but for those to `keep` as calls, and drops what would keep
    /// unused ones alive. All functions get `cpu` as their processor, since LLVM prints warnings about names that it does
    /// not know.
    pub fn isolate(&mut self, kernel: &str, cpu: &str, keep: &[String]) {
        for f in self.functions().collect::<Vec<_>>() {
            if f.is_declaration() {
                continue;
            }
            self.set_cpu(f, cpu);
            self.remove_attr(f, "noinline");
            self.remove_attr(f, "optnone");
            if f.name() == kernel {
                // A function that was internal would go before it is read.
                // SAFETY: alive, a function with a body.
                unsafe { LLVMSetLinkage(f.raw(), LLVMLinkage::LLVMExternalLinkage) };
            } else {
                // SAFETY: alive, a function with a body.
                unsafe { LLVMSetLinkage(f.raw(), LLVMLinkage::LLVMInternalLinkage) };
                let kept = keep.contains(&f.name());
                self.remove_attr(f, "alwaysinline");
                self.add_attr(f, if kept { "noinline" } else { "alwaysinline" }, 0);
            }
            for call in f.blocks().into_iter().flat_map(|b| b.insts()).filter(|i| i.callee().is_some()) {
                let kind = attr_kind("noinline");
                // SAFETY: alive, a call; removing an attribute that is not there does nothing.
                unsafe { LLVMRemoveCallSiteEnumAttribute(call.raw(), LLVMAttributeFunctionIndex, kind) };
            }
        }
        for name in ["llvm.used", "llvm.compiler.used", "llvm.global_ctors", "llvm.global_dtors"] {
            // SAFETY: the module is alive; nothing may refer to these variables, so that they can go.
            unsafe {
                let g = LLVMGetNamedGlobal(self.raw(), c_name(name).as_ptr());
                if !g.is_null() && LLVMGetFirstUse(g).is_null() {
                    LLVMDeleteGlobal(g);
                }
            }
        }
    }

    /// Replaces the definitions of these functions by declarations.
    pub fn undefine(&mut self, which: impl Fn(&str) -> bool) {
        let defined: Vec<_> = self.functions().filter(|f| !f.is_declaration() && which(&f.name())).collect();
        for f in defined {
            let name = c_name(&f.name());
            // SAFETY: alive, a function with a body; the old one keeps its body under another name until it is removed as unused.
            unsafe {
                LLVMSetValueName2(f.raw(), c"".as_ptr(), 0);
                LLVMSetLinkage(f.raw(), LLVMLinkage::LLVMInternalLinkage);
                let new = LLVMAddFunction(self.raw(), name.as_ptr(), LLVMGlobalGetValueType(f.raw()));
                LLVMSetFunctionCallConv(new, LLVMGetFunctionCallConv(f.raw()));
                LLVMReplaceAllUsesWith(f.raw(), new);
            }
        }
    }

    /// Says of declared functions that they compute their result from their arguments alone.
    pub fn declare_pure(&mut self, is_pure: impl Fn(&str) -> bool) {
        let pure: Vec<_> = self
            .functions()
            .filter(|f| f.is_declaration() && !f.name().starts_with("llvm.") && is_pure(&f.name()))
            .collect();
        for f in pure {
            // The value 0 of `memory` is `memory(none)`.
            for name in ["memory", "nounwind", "willreturn", "nofree", "nosync"] {
                self.add_attr(f, name, 0);
            }
            self.remove_attr(f, "convergent");
        }
    }

    /// Tells LLVM that generic pointers which a kernel gets from the host point to global memory: each is cast to space 1
    /// and back, for `infer-address-spaces` to work on. (`instcombine` would fold the pair: run that pass first.)
    ///
    /// These are pointer parameters and pointers loaded from struct parameters. The host can pass nothing else: the
    /// other spaces are not addressable from there. LLVM's own backends assume the same.
    pub fn mark_global_pointers(&mut self, kernel: &str) {
        let Some(f) = self.function(kernel) else { return };
        let mut pointers = Vec::new();
        for (i, p) in (0..).zip(f.params()) {
            if p.ty().kind() != TypeKind::LLVMPointerTypeKind {
                continue;
            }
            if ["byval", "byref"].iter().any(|a| f.param_type_attr(i, a).is_some()) {
                loaded_pointers(p, &mut pointers, 0);
            } else if p.ty().addr_space() == 0 {
                pointers.push(p);
            }
        }
        let Some(first) = f.blocks().first().and_then(|b| b.insts().first().copied()) else { return };
        // SAFETY: all values are alive and in the same function; each cast pair stands behind the definition of its
        // pointer and, as it replaces all uses, before them; phis are never among the pointers.
        unsafe {
            let ctx = LLVMGetModuleContext(self.raw());
            let builder = LLVMCreateBuilderInContext(ctx);
            for p in pointers {
                let next = if p.is_inst() { LLVMGetNextInstruction(p.raw()) } else { first.raw() };
                LLVMPositionBuilderBefore(builder, next);
                let hole = LLVMGetUndef(p.ty().raw());
                let name = c"".as_ptr();
                // Casting a constant would fold, so a frozen hole holds the place until the uses are replaced.
                let stand_in = LLVMBuildFreeze(builder, hole, name);
                let to = LLVMBuildAddrSpaceCast(builder, stand_in, LLVMPointerTypeInContext(ctx, 1), name);
                let back = LLVMBuildAddrSpaceCast(builder, to, p.ty().raw(), name);
                LLVMReplaceAllUsesWith(p.raw(), back);
                LLVMSetOperand(to, 0, p.raw());
                LLVMInstructionEraseFromParent(stand_in);
            }
            LLVMDisposeBuilder(builder);
        }
    }

    /// Recursion among the functions that `kernel` can reach: names of the functions on a cycle, and the call that closes it.
    pub fn recursion(&self, kernel: &str) -> Option<(Vec<String>, Val<'_>)> {
        let root = self.function(kernel)?;
        let mut path = Vec::new();
        let mut done = std::collections::HashSet::new();
        self.find_cycle(root, &mut path, &mut done)
    }

    fn find_cycle<'m>(
        &'m self,
        f: Val<'m>,
        path: &mut Vec<Val<'m>>,
        done: &mut std::collections::HashSet<Val<'m>>,
    ) -> Option<(Vec<String>, Val<'m>)> {
        path.push(f);
        for call in f.blocks().into_iter().flat_map(|b| b.insts()) {
            let Some(callee) = call.callee() else { continue };
            if callee.kind() != ValueKind::LLVMFunctionValueKind
                || callee.is_declaration()
                || done.contains(&callee)
            {
                continue;
            }
            if let Some(at) = path.iter().position(|&p| p == callee) {
                return Some((path[at..].iter().map(|p| p.name()).collect(), call));
            }
            if let Some(found) = self.find_cycle(callee, path, done) {
                return Some(found);
            }
        }
        path.pop();
        done.insert(f);
        None
    }

    /// Global variables that a function and the functions it calls name.
    pub fn globals_used<'m>(&'m self, f: Val<'m>) -> Vec<Val<'m>> {
        let mut seen = std::collections::HashSet::new();
        let mut out = Vec::new();
        let mut todo = vec![f];
        while let Some(v) = todo.pop() {
            if !seen.insert(v) {
                continue;
            }
            match v.kind() {
                ValueKind::LLVMFunctionValueKind => {
                    todo.extend(
                        v.blocks()
                            .into_iter()
                            .flat_map(|b| b.insts())
                            .flat_map(|i| i.operands().filter(|o| o.is_const()).collect::<Vec<_>>()),
                    );
                }
                ValueKind::LLVMGlobalVariableValueKind => out.push(v),
                _ => todo.extend(v.operands().filter(|o| o.is_const())),
            }
        }
        out
    }

    fn set_cpu(&self, f: Val<'_>, cpu: &str) {
        let (key, features) = ("target-cpu", "target-features");
        // SAFETY: context and function are alive; pointers and lengths describe the strings.
        unsafe {
            LLVMRemoveStringAttributeAtIndex(
                f.raw(),
                LLVMAttributeFunctionIndex,
                features.as_ptr().cast::<c_char>(),
                features.len() as u32,
            );
            let a = LLVMCreateStringAttribute(
                LLVMGetModuleContext(self.raw()),
                key.as_ptr().cast::<c_char>(),
                key.len() as u32,
                cpu.as_ptr().cast::<c_char>(),
                cpu.len() as u32,
            );
            LLVMAddAttributeAtIndex(f.raw(), LLVMAttributeFunctionIndex, a);
        }
    }

    fn add_attr(&self, f: Val<'_>, name: &str, value: u64) {
        // SAFETY: context and function are alive.
        unsafe {
            let a = LLVMCreateEnumAttribute(LLVMGetModuleContext(self.raw()), attr_kind(name), value);
            LLVMAddAttributeAtIndex(f.raw(), LLVMAttributeFunctionIndex, a);
        }
    }

    fn remove_attr(&self, f: Val<'_>, name: &str) {
        // SAFETY: the function is alive; removing an attribute that is not there does nothing.
        unsafe { LLVMRemoveEnumAttributeAtIndex(f.raw(), LLVMAttributeFunctionIndex, attr_kind(name)) }
    }
}

/// Generic pointers loaded from memory at `base`, through address arithmetic with any index.
fn loaded_pointers<'m>(base: Val<'m>, out: &mut Vec<Val<'m>>, depth: u32) {
    for user in base.users() {
        match user.opcode() {
            Some(Opcode::LLVMGetElementPtr | Opcode::LLVMAddrSpaceCast | Opcode::LLVMBitCast)
                if user.is_inst() && depth < 8 && user.operand(0) == Some(base) =>
            {
                loaded_pointers(user, out, depth + 1);
            }
            Some(Opcode::LLVMLoad) if is_generic_pointer(user.ty()) && !out.contains(&user) => out.push(user),
            _ => {}
        }
    }
}

fn is_generic_pointer(ty: Ty<'_>) -> bool {
    ty.kind() == TypeKind::LLVMPointerTypeKind && ty.addr_space() == 0
}

fn attr_kind(name: &str) -> u32 {
    // SAFETY: pointer and length describe the name.
    unsafe { LLVMGetEnumAttributeKindForName(name.as_ptr().cast::<c_char>(), name.len()) }
}
