//! Module-level variables as LLVM definitions.

use crate::emit::lower::{Lower, Ops};
use crate::emit::text::{escape, global_name, Operand};
use crate::kernel::*;

/// Defines the variable if that was not done yet, with those that its contents point to, and gives its address.
pub(super) fn address(cx: &mut Lower<'_>, t: &dyn Ops, g: Global) -> Operand {
    define(cx, t, g);
    let data = &cx.k.globals[g];
    Operand::new(t.ptr_ty(data.space), global_name(&data.name))
}

fn define(cx: &mut Lower<'_>, t: &dyn Ops, g: Global) {
    let data = &cx.k.globals[g];
    if cx.m.has_global(&data.name) {
        return;
    }
    let space = match data.space.number() {
        0 => String::new(),
        n => format!("addrspace({n}) "),
    };
    let align = data.align.max(1);
    let shared = data.space == AddrSpace::Shared;
    let definition = if shared && data.bytes == 0 {
        // Dynamic shared memory: its extent is the launch's.
        format!("external {space}global [0 x i8], align {align}")
    } else if shared {
        format!("internal {space}global [{} x i8] undef, align {align}", data.bytes)
    } else {
        let (ty, init) = contents(cx.k, t, data);
        let linkage = if data.external { "protected " } else { "internal " };
        let initialized = if data.external { "externally_initialized " } else { "" };
        // What the host may set must not be folded into the code.
        let kind = if data.is_const && !data.external { "constant" } else { "global" };
        format!("{linkage}{space}{initialized}{kind} {ty} {init}, align {align}")
    };
    let name = data.name.clone();
    let targets: Vec<Global> = data.relocs.iter().map(|r| r.1).collect();
    cx.m.global(&name, definition);
    for target in targets {
        define(cx, t, target);
    }
}

/// Type and initial contents.
fn contents(k: &Kernel, t: &dyn Ops, g: &GlobalVar) -> (String, String) {
    let bytes = |from: usize, to: usize| -> (String, String) {
        let ty = format!("[{} x i8]", to - from);
        let init = match &g.init {
            Some(b) if b.get(from..to).is_some_and(|b| b.iter().any(|&x| x != 0)) => {
                format!("c\"{}\"", escape(&b[from..to]))
            }
            _ => "zeroinitializer".to_string(),
        };
        (ty, init)
    };
    let size = g.bytes as usize;
    if g.relocs.is_empty() {
        return bytes(0, size);
    }
    let mut relocs = g.relocs.clone();
    relocs.sort_by_key(|r| r.0);
    let (mut types, mut parts, mut at) = (Vec::new(), Vec::new(), 0);
    for (offset, target, addend) in relocs {
        let offset = offset as usize;
        if offset > at {
            let (ty, init) = bytes(at, offset);
            parts.push(format!("{ty} {init}"));
            types.push(ty);
        }
        let target = &k.globals[target];
        let own = t.ptr_ty(target.space);
        let mut address = format!("{own} {}", global_name(&target.name));
        if addend != 0 {
            address = format!("{own} getelementptr (i8, {address}, i64 {addend})");
        }
        if own != "ptr" {
            address = format!("ptr addrspacecast ({address} to ptr)");
        }
        types.push("ptr".to_string());
        parts.push(address);
        at = offset + 8;
    }
    if at < size {
        let (ty, init) = bytes(at, size);
        parts.push(format!("{ty} {init}"));
        types.push(ty);
    }
    (format!("<{{ {} }}>", types.join(", ")), format!("<{{ {} }}>", parts.join(", ")))
}
