//! Kernel IR to LLVM assembly, instruction by instruction, for every target.
//!
//! [`Lower`] holds one LLVM function under construction. What differs between targets goes through [`Ops`]. A whole kernel is
//! [`Lower::blocks`] over its blocks in reverse postorder; a *region* (some blocks of a kernel as a function of its own) is the same
//! with a few lines around it:
//!
//! * begin an entry block of your own with `cx.f.begin("entry")`, load what is live into the region and [`Lower::bind`] it;
//! * an edge that leaves the region, or that you want to observe: [`Lower::redirect`] it to a label of yours, before its source is
//!   lowered; phis at its target then no longer count it;
//! * phis at a region's head: [`Lower::phi_incoming`] gives them entries from your labels, or [`Lower::bind`] the phi's result, which
//!   makes [`Lower::block`] skip it;
//! * other terminators: lower with [`Lower::block_body`] and write your own end, then tell [`Lower::end_block`].

mod arith;
mod consts;
mod intmath;
mod math;
mod memory;
mod ops;

pub use arith::fmf_text;
pub use consts::{float_constant, float_text};
pub use intmath::suffix;
pub use math::MathCall;
pub use memory::{
    atomic_rmw as memory_rmw, cmpxchg as memory_cmpxchg, load as memory_load, ordering_text, space_of,
    store as memory_store,
};
pub use memory::{Atomic, Exchange};
pub use ops::{Accumulation, AsmCall, BarrierCall, Ops};

use super::text::{FnText, ModuleText, Operand};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::*;
use std::collections::HashMap;

struct PendingPhi {
    value: Value,
    block: Block,
    name: String,
    ty: String,
    incoming: Vec<(Block, Value)>,
    extra: Vec<(String, String)>,
}

/// One LLVM function under construction.
pub struct Lower<'a> {
    /// The kernel.
    pub k: &'a Kernel,
    /// The module that takes declarations, globals and helpers.
    pub m: &'a mut ModuleText,
    /// The text of the function.
    pub f: FnText,
    values: HashMap<Value, Operand>,
    ends: HashMap<Block, String>,
    redirects: HashMap<(Block, Block), String>,
    phis: Vec<PendingPhi>,
    at: Option<Inst>,
}

impl<'a> Lower<'a> {
    /// A function of kernel `k` in module `m`, whose entry block has that label. Parameters are to be bound.
    pub fn new(k: &'a Kernel, m: &'a mut ModuleText, entry: &str) -> Self {
        Lower {
            k,
            m,
            f: FnText::new(entry),
            values: HashMap::new(),
            ends: HashMap::new(),
            redirects: HashMap::new(),
            phis: Vec::new(),
            at: None,
        }
    }

    /// Label of a block of the kernel.
    pub fn label(&self, b: Block) -> String {
        format!("b{}", b.as_u32())
    }

    /// LLVM type of a type of the kernel.
    pub fn ty<T: Ops + ?Sized>(&self, t: &T, ty: Type) -> String {
        consts::type_text(self.k, t, ty)
    }

    /// An error at the current instruction.
    pub fn error(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        let loc = self.at.and_then(|i| self.k.insts[i].loc);
        Diagnostic::new(code, message).at(self.k, loc)
    }

    /// The instruction that is being lowered.
    pub fn inst(&self) -> Option<Inst> {
        self.at
    }

    /// Makes a value available under that operand: a parameter, or something that was loaded from a thread's array.
    pub fn bind(&mut self, v: Value, operand: Operand) {
        self.values.insert(v, operand);
    }

    /// True when the value is available.
    pub fn is_bound(&self, v: Value) -> bool {
        self.values.contains_key(&v)
    }

    /// The operand of a value: what it was bound to, or its constant.
    pub fn operand(&mut self, t: &mut dyn Ops, v: Value) -> Result<Operand> {
        if let Some(o) = self.values.get(&v) {
            return Ok(o.clone());
        }
        let o = match &self.k.values[v].def {
            ValueDef::Const(_) => consts::constant(self, t, v)?,
            _ => {
                let what = self.k.values[v].name.clone().unwrap_or_else(|| v.to_string());
                return Err(self
                    .error(Code::InvalidKernel, format!("`{what}` is used where it has no value"))
                    .into());
            }
        };
        self.values.insert(v, o.clone());
        Ok(o)
    }

    /// Sends the edge between two blocks to a label of the caller's. To be called before `from` is lowered.
    pub fn redirect(&mut self, from: Block, to: Block, label: impl Into<String>) {
        self.redirects.insert((from, to), label.into());
    }

    /// Gives a phi an entry from a label of the caller's. The phi must have been lowered.
    pub fn phi_incoming(&mut self, phi: Value, label: impl Into<String>, operand: &Operand) {
        if let Some(p) = self.phis.iter_mut().find(|p| p.value == phi) {
            p.extra.push((label.into(), operand.name.clone()));
        }
    }

    /// Lowers blocks, in an order in which definitions come before uses (reverse postorder).
    pub fn blocks(&mut self, t: &mut dyn Ops, blocks: &[Block]) -> Result<()> {
        for &b in blocks {
            self.block(t, b)?;
        }
        Ok(())
    }

    /// Lowers one block with its terminator.
    pub fn block(&mut self, t: &mut dyn Ops, b: Block) -> Result<()> {
        self.block_body(t, b)?;
        self.terminator(t, b)
    }

    /// Begins a block and lowers everything but its terminator. Phis whose result is bound are skipped.
    pub fn block_body(&mut self, t: &mut dyn Ops, b: Block) -> Result<()> {
        let label = self.label(b);
        self.f.begin(&label);
        let k = self.k;
        for &i in &k.blocks[b].insts {
            if !k.insts[i].op.is_terminator() {
                self.instruction(t, b, i)?;
            }
        }
        Ok(())
    }

    /// Lowers the terminator of a block, at the current position.
    pub fn terminator(&mut self, t: &mut dyn Ops, b: Block) -> Result<()> {
        let k = self.k;
        let i = k.terminator(b);
        self.at = Some(i);
        self.end_block(b);
        match &k.insts[i].op {
            Op::Br { to } => {
                let to = self.target(b, *to);
                self.f.line(format_args!("br label %{to}"));
            }
            Op::CondBr { cond, then, els } => {
                let c = self.operand(t, *cond)?;
                let (then, els) = (self.target(b, *then), self.target(b, *els));
                self.f.line(format_args!("br {c}, label %{then}, label %{els}"));
            }
            Op::Switch { val, default, cases } => {
                let v = self.operand(t, *val)?;
                let default = self.target(b, *default);
                let arms: Vec<String> = cases
                    .iter()
                    .map(|(n, to)| format!("{} {n}, label %{}", v.ty, self.target(b, *to)))
                    .collect();
                self.f.line(format_args!("switch {v}, label %{default} [ {} ]", arms.join(" ")));
            }
            Op::Ret => t.ret(self)?,
            Op::Unreachable => self.f.line("unreachable"),
            op => return Err(self.error(Code::InvalidKernel, format!("a block ends with {op:?}")).into()),
        }
        Ok(())
    }

    /// Notes that the current LLVM block is where block `b` of the kernel ends: phis in its successors name it.
    pub fn end_block(&mut self, b: Block) {
        let label = self.f.label().to_string();
        self.ends.insert(b, label);
    }

    fn target(&self, from: Block, to: Block) -> String {
        self.redirects.get(&(from, to)).cloned().unwrap_or_else(|| self.label(to))
    }

    /// Lowers one instruction that is not a terminator, of block `b`, at the current position.
    pub fn instruction(&mut self, t: &mut dyn Ops, b: Block, i: Inst) -> Result<()> {
        self.at = Some(i);
        let data = &self.k.insts[i];
        if let (Op::Phi { incoming }, Some(value)) = (&data.op, data.result) {
            if !self.is_bound(value) {
                let (name, ty) = (format!("%v{}", value.as_u32()), self.ty(t, self.k.ty(value)));
                self.bind(value, Operand::new(ty.clone(), name.clone()));
                let incoming = incoming.clone();
                self.phis.push(PendingPhi { value, block: b, name, ty, incoming, extra: Vec::new() });
            }
            return Ok(());
        }
        let result = self.dispatch(t, i)?;
        match (data.result, result) {
            (Some(v), Some(o)) => self.bind(v, o),
            (Some(v), None) => {
                let message = format!("{} has no result for `{v}` of {:?}", t.name(), data.op);
                return Err(self.error(Code::Bug, message).into());
            }
            (None, _) => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, t: &mut dyn Ops, i: Inst) -> Result<Option<Operand>> {
        let k = self.k;
        let result = k.insts[i].result.map(|v| k.ty(v));
        let op = &k.insts[i].op;
        Ok(match op {
            Op::Load { .. }
            | Op::Store { .. }
            | Op::MemCopy { .. }
            | Op::MemSet { .. }
            | Op::AtomicRmw { .. }
            | Op::CmpXchg { .. }
            | Op::Fence { .. }
            | Op::Alloca { .. }
            | Op::PtrAdd { .. }
            | Op::Accumulate { .. }
            | Op::TapeStore { .. }
            | Op::TapeLoad { .. } => memory::lower(self, t, op, result)?,
            Op::Math { func, flavor, args, fmf } => {
                Some(math::lower(self, t, (*func, *flavor), args, *fmf, result.unwrap_or(Type::Void))?)
            }
            Op::IntMath { func, args } => {
                let args = self.operands(t, args)?;
                Some(t.int_math(self, *func, &args, result.unwrap_or(Type::Void))?)
            }
            Op::Special(s) => Some(t.special(self, *s)?),
            Op::Barrier { kind, id, count, pred, aligned } => {
                let mut lower = |v: &Option<Value>| v.map(|v| self.operand(t, v)).transpose();
                let call = BarrierCall {
                    kind: *kind,
                    id: lower(id)?,
                    count: lower(count)?,
                    pred: lower(pred)?,
                    aligned: *aligned,
                };
                t.barrier(self, &call)?
            }
            Op::Warp { op, args } => {
                let args = self.operands(t, args)?;
                t.warp(self, *op, &args, result.unwrap_or(Type::Void))?
            }
            Op::Asm { text, constraints, side_effects, args } => {
                let args = self.operands(t, args)?;
                t.asm(self, &AsmCall { text, constraints, side_effects: *side_effects, args: &args }, result)?
            }
            Op::Call { callee, args } => {
                let args = self.operands(t, args)?;
                t.call(self, callee, &args, result)?
            }
            Op::Trap => {
                t.trap(self)?;
                None
            }
            _ => Some(arith::lower(self, t, op, result.unwrap_or(Type::Void))?),
        })
    }

    /// The operands of several values.
    pub fn operands(&mut self, t: &mut dyn Ops, values: &[Value]) -> Result<Vec<Operand>> {
        values.iter().map(|&v| self.operand(t, v)).collect()
    }

    /// Calls `@name(args)`, declaring it, and gives the result unless it is void.
    pub fn call(&mut self, ret: &str, name: &str, args: &[Operand]) -> Operand {
        let types: Vec<&str> = args.iter().map(|a| a.ty.as_str()).collect();
        let symbol = self.m.function(ret, name, &types);
        self.call_symbol(ret, &symbol, args)
    }

    /// Calls a function that is defined in this module (a helper): no declaration.
    pub fn call_symbol(&mut self, ret: &str, symbol: &str, args: &[Operand]) -> Operand {
        let list: Vec<String> = args.iter().map(Operand::to_string).collect();
        let text = format!("call {ret} {symbol}({})", list.join(", "));
        if ret == "void" {
            self.f.line(text);
            Operand::new("void", "")
        } else {
            self.f.value(ret, text)
        }
    }

    /// Finishes the phis and gives the definition; `header` is everything before the opening brace. Entries of phis from blocks
    /// that were not lowered here, or over redirected edges, are left out.
    pub fn finish(mut self, t: &mut dyn Ops, header: &str) -> Result<String> {
        for p in std::mem::take(&mut self.phis) {
            let mut entries: Vec<String> = p.extra.iter().map(|(l, n)| format!("[ {n}, %{l} ]")).collect();
            for (pred, v) in &p.incoming {
                let Some(label) = self.ends.get(pred).cloned() else { continue };
                if self.redirects.contains_key(&(*pred, p.block)) {
                    continue;
                }
                let operand = self.operand(t, *v)?;
                for _ in 0..self.edges(*pred, p.block) {
                    entries.push(format!("[ {}, %{label} ]", operand.name));
                }
            }
            let text = format!("{} = phi {} {}", p.name, p.ty, entries.join(", "));
            let label = self.label(p.block);
            self.f.phi(&label, &text);
        }
        Ok(self.f.finish(header))
    }

    /// Number of edges between two blocks: LLVM's phis want an entry for each.
    fn edges(&self, from: Block, to: Block) -> usize {
        match &self.k.insts[self.k.terminator(from)].op {
            Op::Br { to: t } => usize::from(*t == to),
            Op::CondBr { then, els, .. } => usize::from(*then == to) + usize::from(*els == to),
            Op::Switch { default, cases, .. } => {
                usize::from(*default == to) + cases.iter().filter(|(_, b)| *b == to).count()
            }
            _ => 0,
        }
    }
}
