//! From a normalised LLVM function to Kernel IR: blocks, phis, values, places.

use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use crate::kernel::*;
use crate::llvm::{Blk, Ir, Meta, Opcode, Ty, Val, ValueKind};
use std::collections::{HashMap, HashSet};

/// Refused instructions that are reported at most; more help nobody.
const MAX_ERRORS: usize = 20;

/// Why one instruction or value cannot be held.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub code: Code,
    pub message: String,
    pub help: Option<String>,
}

/// Result of translating one thing.
pub(super) type Step<T> = std::result::Result<T, Refusal>;

/// A refusal with [`Code::UnsupportedIr`].
pub(super) fn refuse<T>(message: impl Into<String>) -> Step<T> {
    Err(message.into().into())
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Refusal { code: Code::UnsupportedIr, message, help: None }
    }
}

/// The tables of a translation in progress.
pub(super) struct Reader<'m, 'c> {
    pub ir: &'m Ir<'c>,
    pub k: Kernel,
    pub vals: HashMap<Val<'m>, Value>,
    pub blocks: HashMap<Blk<'m>, Block>,
    pub aggs: HashMap<Ty<'m>, Type>,
    pub globals: HashMap<Val<'m>, Global>,
    locs: HashMap<Meta<'m>, Loc>,
    /// Where instructions go: behind the constants at the start of the entry block, or at the end of `current`.
    in_prologue: bool,
    prologue: usize,
    current: Block,
    loc: Option<Loc>,
    errors: Vec<Diagnostic>,
    /// Indices in bytes that were computed, with their block.
    pub scaled: HashMap<(Value, Type, u64, IntFlags), (Block, Value)>,
    /// Pointers to launch data which exist only as addresses of recognised loads.
    pub launch_pointers: HashSet<Val<'m>>,
    /// Functions whose calls stay.
    pub keep: &'m [String],
    /// Where the result of a function goes, and the distance between the results of two threads.
    pub result: Option<(Value, Option<u64>)>,
}

/// Translates the kernel or function `f`, with calls of the functions `keep`. `k` has its name, source and bounds, and
/// nothing else yet. The type of a function's result comes with it; the result goes through a last parameter, with an
/// element for each of the launch's `threads`.
pub(super) fn translate<'m>(
    ir: &'m Ir<'_>,
    f: Val<'m>,
    k: Kernel,
    keep: &'m [String],
    threads: bool,
) -> Result<(Kernel, Type)> {
    let mut r = Reader {
        ir,
        k,
        vals: HashMap::new(),
        blocks: HashMap::new(),
        aggs: HashMap::new(),
        globals: HashMap::new(),
        locs: HashMap::new(),
        in_prologue: false,
        prologue: 0,
        current: Block::from_u32(0),
        loc: None,
        errors: Vec::new(),
        scaled: HashMap::new(),
        launch_pointers: HashSet::new(),
        keep,
        result: None,
    };
    r.params(f);
    let result = f.return_type().map_or(Type::Void, |ty| r.result_type(ty, threads));
    let order = reverse_postorder(f);
    for &b in &order {
        let name = Some(b.name()).filter(|n| !n.is_empty());
        let id = r.k.blocks.push(BlockData { name, insts: Vec::new() });
        r.k.layout.push(id);
        r.blocks.insert(b, id);
    }
    for &b in &order {
        r.block(b);
    }
    for &b in &order {
        r.fill_phis(b);
    }
    if r.errors.is_empty() {
        super::shuffles::name_floats(&mut r.k);
        Ok((r.k, result))
    } else {
        let more = r.errors.len().saturating_sub(MAX_ERRORS);
        r.errors.truncate(MAX_ERRORS);
        if let (1.., Some(last)) = (more, r.errors.last_mut()) {
            last.because.push(format!("{more} more refused instructions are not shown"));
        }
        Err(Diagnostics(r.errors))
    }
}

/// Blocks that the entry reaches, each before its successors except along back edges.
fn reverse_postorder(f: Val<'_>) -> Vec<Blk<'_>> {
    let Some(&entry) = f.blocks().first() else { return Vec::new() };
    fn succs(b: Blk<'_>) -> Vec<Blk<'_>> {
        b.terminator().map(Val::successors).unwrap_or_default()
    }
    let mut seen = HashSet::from([entry]);
    let mut post = Vec::new();
    let mut stack = vec![(entry, succs(entry))];
    while let Some((b, rest)) = stack.last_mut() {
        // From the back, so that the first successor comes first in the reversed order.
        match rest.pop() {
            Some(s) if seen.insert(s) => {
                let next = succs(s);
                stack.push((s, next));
            }
            Some(_) => {}
            None => {
                post.push(*b);
                stack.pop();
            }
        }
    }
    post.reverse();
    post
}

impl<'m> Reader<'m, '_> {
    fn params(&mut self, f: Val<'m>) {
        for (i, p) in (0u32..).zip(f.params()) {
            let by_value = ["byval", "byref"].iter().find_map(|a| f.param_type_attr(i, a)).and_then(|ty| {
                let (bytes, natural) = self.ir.layout_of(ty)?;
                let align = f.param_attr(i, "align").map_or(natural, |a| a as u32);
                Some(ByValue { bytes, align, ty: self.ty(ty).ok() })
            });
            let ty = match self.ty(p.ty()) {
                Ok(ty) => ty,
                Err(e) => {
                    self.errors.push(diagnostic(e).because(format!("parameter {i} of `{}`", f.name())));
                    Type::Void
                }
            };
            let named = p.name();
            let has = |a: &str| f.param_attr(i, a).is_some();
            let v = self.k.add_param(Param {
                name: if named.is_empty() { format!("arg{i}") } else { named },
                ty,
                by_value,
                noalias: has("noalias"),
                readonly: has("readonly") || has("readnone"),
                writeonly: has("writeonly") || has("readnone"),
                align: f.param_attr(i, "align").unwrap_or(1) as u32,
                dereferenceable: f.param_attr(i, "dereferenceable").unwrap_or(0),
            });
            self.vals.insert(p, v);
        }
    }

    /// The type of the result; it gets a parameter behind all others.
    fn result_type(&mut self, ty: Ty<'m>, threads: bool) -> Type {
        let (stride, align) = self.ir.layout_of(ty).unwrap_or((1, 1));
        let ty = match self.ty(ty) {
            Ok(ty) => ty,
            Err(e) => {
                self.errors.push(diagnostic(e).because("it is the type of the result"));
                return Type::Void;
            }
        };
        if ty != Type::Void {
            let to = self.k.add_param(Param {
                name: "result".into(),
                ty: Type::Ptr(AddrSpace::Generic),
                by_value: None,
                noalias: !threads,
                readonly: false,
                writeonly: false,
                align,
                dereferenceable: 0,
            });
            self.result = Some((to, threads.then_some(stride)));
        }
        ty
    }

    fn block(&mut self, b: Blk<'m>) {
        self.current = self.blocks[&b];
        for inst in b.insts() {
            self.loc = self.ir.location_of(inst).map(|m| self.location(m));
            if let Err(e) = self.instruction(inst) {
                self.report(inst, e);
                // What depends on it is translated on, to find further errors.
                if let Ok(ty) = self.ty(inst.ty()) {
                    if ty != Type::Void {
                        let poison = self.k.constant(ty, Const::Poison);
                        self.vals.insert(inst, poison);
                    }
                }
            }
        }
    }

    fn report(&mut self, inst: Val<'m>, e: Refusal) {
        let text = inst.to_string();
        let text = text.split(", !dbg").next().unwrap_or("").to_string();
        let mut d = diagnostic(e).ir(text);
        d.place = self.loc.map(|l| Place::of(&self.k, l));
        self.errors.push(d);
    }

    fn fill_phis(&mut self, b: Blk<'m>) {
        for phi in b.insts() {
            if phi.opcode() != Some(Opcode::LLVMPHI) {
                break;
            }
            self.loc = self.ir.location_of(phi).map(|m| self.location(m));
            let mut incoming: Vec<(Block, Value)> = Vec::new();
            for (from, v) in phi.incoming() {
                let Some(&from) = self.blocks.get(&from) else { continue };
                if incoming.iter().any(|(b, _)| *b == from) {
                    continue;
                }
                match self.value(v) {
                    Ok(v) => incoming.push((from, v)),
                    Err(e) => self.report(phi, e),
                }
            }
            let inst = self.vals.get(&phi).and_then(|&v| self.k.def_inst(v));
            if let Some(inst) = inst {
                self.k.insts[inst].op = Op::Phi { incoming };
            }
        }
    }

    /// The value of an operand; constants are made where they are met first.
    pub fn value(&mut self, v: Val<'m>) -> Step<Value> {
        if let Some(&known) = self.vals.get(&v) {
            return Ok(known);
        }
        if self.launch_pointers.contains(&v) {
            return refuse("the launch's hidden arguments are used in a way that is not understood");
        }
        match v.kind() {
            ValueKind::LLVMInstructionValueKind | ValueKind::LLVMArgumentValueKind => {
                refuse("operand without a value")
            }
            ValueKind::LLVMMetadataAsValueValueKind => refuse("metadata as an operand"),
            _ => self.constant(v),
        }
    }

    /// Operand `i` of an instruction or constant expression.
    pub fn operand(&mut self, v: Val<'m>, i: u32) -> Step<Value> {
        match v.operand(i) {
            Some(o) => self.value(o),
            None => refuse(format!("operand {i} is missing")),
        }
    }

    /// Gives an instruction of LLVM its value.
    pub fn define(&mut self, v: Val<'m>, value: Value) {
        self.vals.insert(v, value);
        let data = &mut self.k.values[value];
        if data.name.is_none() && matches!(data.def, ValueDef::Inst(_)) {
            data.name = Some(v.name()).filter(|n| !n.is_empty());
        }
    }

    /// Builds instructions at the current position.
    pub fn build<R>(&mut self, f: impl FnOnce(&mut KernelBuilder) -> R) -> R {
        let entry = self.k.layout[0];
        let at = if self.in_prologue { Cursor::At(entry, self.prologue) } else { Cursor::End(self.current) };
        let mut b = KernelBuilder { k: &mut self.k, at, loc: self.loc };
        let result = f(&mut b);
        if let (true, Cursor::At(_, n)) = (self.in_prologue, b.at) {
            self.prologue = n;
        }
        result
    }

    /// Translates a constant expression at the start of the entry block, which dominates every use; it cannot trap.
    pub fn in_prologue<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let (before, loc) = (self.in_prologue, self.loc);
        (self.in_prologue, self.loc) = (true, None);
        let result = f(self);
        (self.in_prologue, self.loc) = (before, loc);
        result
    }

    fn location(&mut self, at: Meta<'m>) -> Loc {
        if let Some(&l) = self.locs.get(&at) {
            return l;
        }
        let d = self.ir.location(at);
        let inlined_at = d.inlined_at.map(|m| self.location(m));
        let l = self.k.locs.push(LocData {
            file: d.file,
            line: d.line,
            col: d.col,
            function: d.function,
            inlined_at,
        });
        self.locs.insert(at, l);
        l
    }
}

fn diagnostic(e: Refusal) -> Diagnostic {
    let mut d = Diagnostic::new(e.code, e.message);
    d.help = e.help;
    d
}
