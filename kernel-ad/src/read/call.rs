//! Calls: library functions, intrinsics, inline assembly, and the few calls that stay calls.

use super::translate::{refuse, Reader, Refusal, Step};
use super::{flags, marks, split, units};
use crate::diag::Code;
use crate::kernel::*;
use crate::llvm::{Val, ValueKind};
use crate::mathlib;
use smallvec::SmallVec;

/// Intrinsics without a meaning for execution, by prefix.
const IGNORED: &[&str] = &[
    "llvm.dbg.",
    "llvm.lifetime.",
    "llvm.assume",
    "llvm.experimental.noalias.scope.decl",
    "llvm.donothing",
    "llvm.var.annotation",
    "llvm.sideeffect",
    "llvm.invariant.end",
    "llvm.pseudoprobe",
    "llvm.prefetch",
    "llvm.nvvm.prefetch",
    "llvm.amdgcn.sched.",
    "llvm.amdgcn.s.setprio",
    "llvm.amdgcn.s.sleep",
    "llvm.amdgcn.s.waitcnt",
    "llvm.amdgcn.iglp.opt",
];

/// Intrinsics that give their first argument back.
const SAME: &[&str] = &[
    "llvm.launder.invariant.group",
    "llvm.strip.invariant.group",
    "llvm.ssa.copy",
    "llvm.annotation",
    "llvm.ptr.annotation",
    "llvm.expect",
    "llvm.arithmetic.fence",
];

/// Functions that synchronise the whole grid, which a kernel's derivative cannot repeat.
const GRID_SYNC: &[&str] = &[
    "cudaCGSynchronize",
    "cudaCGSynchronizeGrid",
    "__ockl_grid_sync",
    "__ockl_multi_grid_sync",
    "cudaCGGetIntrinsicHandle",
];

impl<'m> Reader<'m, '_> {
    /// Translates a call.
    pub fn call(&mut self, v: Val<'m>) -> Step<()> {
        let Some(callee) = v.callee() else { return refuse("call without a callee") };
        if callee.kind() == ValueKind::LLVMInlineAsmValueKind {
            return self.inline_asm(v, callee);
        }
        if callee.kind() != ValueKind::LLVMFunctionValueKind {
            return Err(unsupported_call("indirect call".into()));
        }
        let name = callee.name();
        if IGNORED.iter().any(|p| name.starts_with(p)) {
            return Ok(());
        }
        if v.num_bundles() > 0 {
            return refuse("call with operand bundles");
        }
        if SAME.iter().any(|p| name.starts_with(p)) {
            let a = self.operand(v, 0)?;
            self.define(v, a);
            return Ok(());
        }
        if let Some(call) = split::callee(&name).filter(|_| callee.is_declaration()) {
            let (args, ret) = (self.args(v)?, self.ty(v.ty())?);
            let fmf = flags::fast_math(v);
            let made = self.build(|b| mathlib::build(b, &call, &args, ret, fmf));
            return match made {
                Ok(Some(r)) => {
                    self.define(v, r);
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(e) => refuse(format!("call of `{name}`: {e}")),
            };
        }
        if let Some(refusal) = name.strip_prefix("llvm.").and_then(units::intrinsic) {
            return Err(refusal);
        }
        if let Some(rest) = name.strip_prefix("llvm.nvvm.") {
            return self.nvvm(v, rest);
        }
        if let Some(rest) = name.strip_prefix("llvm.amdgcn.") {
            return self.amdgcn(v, rest);
        }
        if let Some(rest) = name.strip_prefix("llvm.") {
            return self.llvm_intrinsic(v, rest);
        }
        if GRID_SYNC.contains(&name.as_str()) {
            return Err(grid_sync(&name));
        }
        if self.keep.contains(&name) && !callee.is_declaration() {
            let (args, ty) = (self.args(v)?, self.ty(v.ty())?);
            return self.one(v, Op::Call { callee: name, args: SmallVec::from_vec(args) }, ty);
        }
        if !callee.is_declaration() {
            return Err(unsupported_call(format!("`{name}` cannot be inlined")));
        }
        if self.device_library(v, &name)? {
            return Ok(());
        }
        if marks::is_mark(&name) {
            return self.marked(v, &name);
        }
        if callee.is_var_arg() {
            return Err(unsupported_call(format!("`{name}` takes a variable number of arguments")));
        }
        let args = self.args(v)?;
        let ty = self.ty(v.ty())?;
        self.one(v, Op::Call { callee: name, args: SmallVec::from_vec(args) }, ty)
    }

    /// A call that asks for a derivative: the function is a part of the callee's name from here on.
    fn marked(&mut self, v: Val<'m>, name: &str) -> Step<()> {
        let args = v.call_args();
        let function =
            args.first().filter(|f| f.kind() == ValueKind::LLVMFunctionValueKind && !f.is_declaration());
        let Some(function) = function else {
            return Err(Refusal {
                code: Code::Usage,
                message: "a call that asks for a derivative does not name a device function".into(),
                help: Some(
                    "its first argument is the function itself, which has a body in this module".into(),
                ),
            });
        };
        let callee = marks::callee(name, &function.name());
        let args = args[1..].iter().map(|&a| self.value(a)).collect::<Step<Vec<Value>>>()?;
        let ty = self.ty(v.ty())?;
        self.one(v, Op::Call { callee, args: SmallVec::from_vec(args) }, ty)
    }

    /// Values of the arguments.
    pub fn args(&mut self, v: Val<'m>) -> Step<Vec<Value>> {
        v.call_args().into_iter().map(|a| self.value(a)).collect()
    }

    /// Intrinsics that all targets have, except for mathematics.
    fn llvm_intrinsic(&mut self, v: Val<'m>, name: &str) -> Step<()> {
        let base = name.split('.').next().unwrap_or("");
        match base {
            "memcpy" | "memmove" => {
                let args = v.call_args();
                let [dst, src, len, volatile] = args[..] else { return refuse("memory copy") };
                let op = Op::MemCopy {
                    dst: self.value(dst)?,
                    src: self.value(src)?,
                    len: self.value(len)?,
                    dst_align: v.call_attr(0, "align").unwrap_or(1) as u32,
                    src_align: v.call_attr(1, "align").unwrap_or(1) as u32,
                    overlap: base == "memmove",
                    volatile: volatile.const_int() == Some(1),
                };
                self.one(v, op, Type::Void)
            }
            "memset" => {
                let args = v.call_args();
                let [dst, byte, len, volatile] = args[..] else { return refuse("memory fill") };
                let op = Op::MemSet {
                    dst: self.value(dst)?,
                    byte: self.value(byte)?,
                    len: self.value(len)?,
                    align: v.call_attr(0, "align").unwrap_or(1) as u32,
                    volatile: volatile.const_int() == Some(1),
                };
                self.one(v, op, Type::Void)
            }
            "trap" | "ubsantrap" | "debugtrap" => self.one(v, Op::Trap, Type::Void),
            "invariant" => {
                let a = self.operand(v, 1)?;
                self.define(v, a);
                Ok(())
            }
            _ => refuse(format!("intrinsic `llvm.{name}`")),
        }
    }
}

/// The barrier of a cooperative launch.
pub(super) fn grid_sync(name: &str) -> Refusal {
    Refusal {
        help: Some("end the kernel there, and launch what follows as a kernel of its own".into()),
        ..unsupported_call(format!("`{name}` synchronises the whole grid"))
    }
}

/// A refusal with [`Code::UnsupportedCall`].
pub(super) fn unsupported_call(message: String) -> Refusal {
    Refusal { code: Code::UnsupportedCall, message, help: None }
}
