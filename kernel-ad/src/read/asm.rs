//! Inline assembly. What has an operation of its own becomes that; what touches memory or synchronises in a way that is
//! not known is refused; the rest is inert and carried through word for word.

use super::nvptx::{shuffle_op, special_register};
use super::translate::{refuse, Reader, Refusal, Step};
use super::{call, ptx};
use crate::kernel::*;
use crate::llvm::Val;
use smallvec::{smallvec, SmallVec};

/// One PTX statement: opcode words and operands.
pub(super) struct Statement<'t> {
    pub words: Vec<&'t str>,
    /// Operands, those of vectors one by one.
    pub operands: Vec<&'t str>,
    /// Operands, each vector as one group.
    pub groups: Vec<Vec<&'t str>>,
}

/// A call of inline assembly under translation.
pub(super) struct AsmCall {
    pub args: Vec<Value>,
    pub ret: Type,
    pub outputs: usize,
    /// For each input, the output whose register it shares.
    pub tied: Vec<Option<usize>>,
}

/// What assembly may do to be inert: nothing with memory that others see, no synchronisation, no control flow.
const NOT_INERT: &[&str] = &[
    "atom",
    "red",
    "bar",
    "barrier",
    "ld",
    "st",
    "ldu",
    "membar",
    "fence",
    "exit",
    "bra",
    "call",
    "ret",
    "shfl",
    "vote",
    "match",
    "redux",
    "elect",
    "mbarrier",
    "cp",
    "wmma",
    "mma",
    "wgmma",
    "tex",
    "suld",
    "sust",
    "sured",
    "tcgen05",
    "prefetchu",
    "brkpt",
    "s_barrier",
    "ds_",
    "global_",
    "flat_",
    "buffer_",
    "s_endpgm",
    "s_branch",
    "s_cbranch",
];

impl<'m> Reader<'m, '_> {
    /// Translates a call of inline assembly.
    pub fn inline_asm(&mut self, v: Val<'m>, callee: Val<'m>) -> Step<()> {
        let Some((text, constraints, side_effects)) = callee.inline_asm() else {
            return refuse("inline assembly");
        };
        let args = self.args(v)?;
        let ret = self.ty(v.ty())?;
        let outputs = constraints.split(',').filter(|c| c.starts_with('=')).count();
        if constraints.split(',').any(|c| c.starts_with("=*") || c.starts_with('*')) {
            return refuse("inline assembly with memory operands");
        }
        let tied =
            constraints.split(',').filter(|c| !c.starts_with(['=', '~'])).map(|c| c.parse().ok()).collect();
        let call = AsmCall { args, ret, outputs, tied };
        let body = text.replace(['\n', '\t', '\r'], " ");
        let statements = parse(&body);
        if statements.is_empty() {
            // An empty statement is a barrier to the compiler only. A value tied to its own register passes through.
            return match call.args[..] {
                [a] if self.k.ty(a) == ret => {
                    self.define(v, a);
                    Ok(())
                }
                _ if ret == Type::Void => Ok(()),
                _ => refuse("empty inline assembly with a result"),
            };
        }
        if self.k.source.arch == Arch::Nvptx {
            if let [s] = &statements[..] {
                if self.known_statement(v, s, &call)? {
                    return Ok(());
                }
            }
            if let Some(r) = self.build(|b| ptx::build(b, &statements, &call)) {
                self.define(v, r);
                return Ok(());
            }
        }
        let bad = statements.iter().find(|s| {
            let word = s.words.first().copied().unwrap_or("");
            // Conditional statements and labels are control flow.
            word.starts_with('@')
                || word.ends_with(':')
                || NOT_INERT.iter().any(|n| if n.ends_with('_') { word.starts_with(n) } else { word == *n })
        });
        if let Some(bad) = bad {
            return Err(Refusal {
                help: Some("write it with the compiler's builtin instead of assembly, or report it".into()),
                ..Refusal::from(format!(
                    "inline assembly `{}` acts on memory or other threads",
                    bad.words.join(".")
                ))
            });
        }
        let op = Op::Asm { text, constraints, side_effects, args: SmallVec::from_vec(call.args) };
        self.one(v, op, ret)
    }

    /// A single statement that has an operation of its own.
    fn known_statement(&mut self, v: Val<'m>, s: &Statement<'_>, c: &AsmCall) -> Step<bool> {
        match (&s.words[..], &s.operands[..]) {
            (["mov", "u32" | "b32" | "s32"], [_, reg]) if reg.starts_with('%') => {
                let Some(special) = special_register(&reg[1..]) else { return Ok(false) };
                self.one(v, Op::Special(special), Type::I32)?;
            }
            (["activemask", "b32"], _) => {
                self.one(v, Op::Warp { op: WarpOp::ActiveMask, args: smallvec![] }, Type::I32)?;
            }
            (["shfl", "sync", mode, "b32"], [_, ..]) => {
                let Some(op) = shuffle_op(mode, false) else { return Ok(false) };
                let mut vals = Vec::new();
                for i in [4, 1, 2, 3] {
                    let Some(x) = self.word(s.operands.get(i).copied(), c) else { return Ok(false) };
                    vals.push(x);
                }
                self.one(v, Op::Warp { op, args: SmallVec::from_vec(vals) }, c.ret)?;
            }
            (["bar" | "barrier", "sync", ..], [id]) if *id == "0" => {
                let aligned = s.words[0] == "bar";
                let op = Op::Barrier { kind: BarrierKind::Sync, id: None, count: None, pred: None, aligned };
                self.one(v, op, Type::Void)?;
            }
            (["bar", "warp", "sync"], [mask]) => {
                let Some(mask) = self.word(Some(mask), c) else { return Ok(false) };
                self.one(v, Op::Warp { op: WarpOp::Sync, args: smallvec![mask] }, Type::Void)?;
            }
            (["membar", which], []) => {
                let level = match *which {
                    "cta" => ScopeLevel::Block,
                    "gl" => ScopeLevel::Device,
                    _ => ScopeLevel::System,
                };
                let scope = Scope { level, one_as: false };
                self.one(v, Op::Fence { ordering: Ordering::SeqCst, scope }, Type::Void)?;
            }
            (["shf", side @ ("l" | "r"), "wrap", "b32"], [_, low, high, n]) => {
                let (low, high, n) =
                    (self.word(Some(low), c), self.word(Some(high), c), self.word(Some(n), c));
                let (Some(low), Some(high), Some(n)) = (low, high, n) else { return Ok(false) };
                let func = if *side == "l" { IntFn::Fshl } else { IntFn::Fshr };
                self.one(v, Op::IntMath { func, args: smallvec![high, low, n] }, Type::I32)?;
            }
            (["trap"], []) => self.one(v, Op::Trap, Type::Void)?,
            (["exit"], []) => return Err(call::unsupported_call("`exit` in the middle of a kernel".into())),
            (["prefetch", ..], _) => {}
            (["ld", rest @ ..], _) => return self.asm_load(v, rest, s, c),
            (["st", rest @ ..], _) => return self.asm_store(rest, s, c),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An operand of 32 bits: a register or an integer literal.
    fn word(&mut self, operand: Option<&str>, c: &AsmCall) -> Option<Value> {
        let o = operand?;
        if let Some(v) = c.input(o) {
            return Some(v);
        }
        let n = match o.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok()?,
            None => o.parse().ok()?,
        };
        Some(self.k.int(Type::I32, n.into()))
    }

    /// The pointer and byte offset of `[$1+16]`.
    fn asm_address(&mut self, space: AddrSpace, operand: Option<&&str>, c: &AsmCall) -> Option<Value> {
        let inner = operand?.strip_prefix('[')?.strip_suffix(']')?;
        let (base, offset) = match inner.split_once('+') {
            Some((b, o)) => (b.trim(), o.trim().parse::<i64>().ok()?),
            None => (inner.trim(), 0),
        };
        let base = c.input(base)?;
        let ty = self.k.ty(base);
        Some(self.build(|b| {
            let want = Type::Ptr(space);
            let mut p = match ty {
                Type::Int(_) => b.cast(CastOp::IntToPtr, base, want),
                t if t != want => b.cast(CastOp::AddrSpaceCast, base, want),
                _ => base,
            };
            if offset != 0 {
                let n = b.k.int(Type::I64, offset.into());
                p = b.ptr_add(p, n);
            }
            p
        }))
    }

    /// `ld[.space][.nc][.cache hint][.v2|.v4].type`: loads whose only peculiarity is where they are cached.
    fn asm_load(&mut self, v: Val<'m>, words: &[&str], s: &Statement<'_>, c: &AsmCall) -> Step<bool> {
        let Some(access) = Access::parse(words) else { return Ok(false) };
        let Some(ptr) = self.asm_address(access.space, s.operands.last(), c) else { return Ok(false) };
        if s.operands.len() != access.lanes as usize + 1 || c.outputs != access.lanes as usize {
            return Ok(false);
        }
        let results: Vec<Type> = match c.ret {
            Type::Agg(id) => match &self.k.aggs[id] {
                AggTy::Struct { fields, .. } => fields.clone(),
                AggTy::Array { .. } => return Ok(false),
            },
            t => vec![t],
        };
        if results.len() != access.lanes as usize || !access.can_load(&self.k, &results) {
            return Ok(false);
        }
        let ret = c.ret;
        let value = self.build(|b| {
            let mut whole = (results.len() > 1).then(|| b.k.constant(ret, Const::Undef));
            for (i, &ty) in (0u32..).zip(&results) {
                let step = b.k.int(Type::I64, i128::from(i * access.bytes));
                let p = if i == 0 { ptr } else { b.ptr_add(ptr, step) };
                let align = if i == 0 { access.bytes * access.lanes } else { access.bytes };
                let mut x = b.load(access.memory_type(ty), p, access.mem(align));
                if b.k.ty(x) != ty {
                    x = b.cast(if access.signed { CastOp::SExt } else { CastOp::ZExt }, x, ty);
                }
                whole = Some(match whole {
                    Some(agg) => b.value(Op::InsertValue { agg, elem: x, path: smallvec![i] }, ret),
                    None => x,
                });
            }
            whole
        });
        if let Some(value) = value {
            self.define(v, value);
        }
        Ok(value.is_some())
    }

    /// `st[.space][.cache hint][.v2|.v4].type`.
    fn asm_store(&mut self, words: &[&str], s: &Statement<'_>, c: &AsmCall) -> Step<bool> {
        let Some(access) = Access::parse(words) else { return Ok(false) };
        let values: Option<Vec<Value>> = s.operands.iter().skip(1).map(|o| c.input(o)).collect();
        let Some(values) = values.filter(|v| v.len() == access.lanes as usize) else { return Ok(false) };
        let types: Vec<Type> = values.iter().map(|&x| self.k.ty(x)).collect();
        if !access.can_load(&self.k, &types) {
            return Ok(false);
        }
        let Some(ptr) = self.asm_address(access.space, s.operands.first(), c) else { return Ok(false) };
        self.build(|b| {
            for (i, (x, ty)) in (0u32..).zip(values.into_iter().zip(types)) {
                let step = b.k.int(Type::I64, i128::from(i * access.bytes));
                let p = if i == 0 { ptr } else { b.ptr_add(ptr, step) };
                let want = access.memory_type(ty);
                let x = if want == ty { x } else { b.cast(CastOp::Trunc, x, want) };
                let align = if i == 0 { access.bytes * access.lanes } else { access.bytes };
                b.store(p, x, access.mem(align));
            }
        });
        Ok(true)
    }
}

impl AsmCall {
    /// The input that `$n` names; an output that an input is tied to starts with that input's value.
    pub fn input(&self, operand: &str) -> Option<Value> {
        let n: usize = operand.strip_prefix('$')?.parse().ok()?;
        let i = match n.checked_sub(self.outputs) {
            Some(i) => i,
            None => self.tied.iter().position(|t| *t == Some(n))?,
        };
        self.args.get(i).copied()
    }
}

/// A load or store of PTX.
struct Access {
    space: AddrSpace,
    invariant: bool,
    streaming: bool,
    volatile: bool,
    lanes: u32,
    bytes: u32,
    signed: bool,
}

impl Access {
    fn parse(words: &[&str]) -> Option<Access> {
        let mut a = Access {
            space: AddrSpace::Generic,
            invariant: false,
            streaming: false,
            volatile: false,
            lanes: 1,
            bytes: 0,
            signed: false,
        };
        for w in words {
            match *w {
                "global" => a.space = AddrSpace::Global,
                "shared" => a.space = AddrSpace::Shared,
                "const" => a.space = AddrSpace::Constant,
                "local" => a.space = AddrSpace::Local,
                "nc" => a.invariant = true,
                "cs" | "lu" => a.streaming = true,
                "volatile" | "cv" | "wt" => a.volatile = true,
                "ca" | "cg" | "wb" | "weak" => {}
                w if w.starts_with("L1::") || w.starts_with("L2::") => {}
                "v2" => a.lanes = 2,
                "v4" => a.lanes = 4,
                w => {
                    let bits: u32 = w.get(1..)?.parse().ok()?;
                    a.signed = w.starts_with('s');
                    matches!(w.as_bytes().first(), Some(b'f' | b's' | b'u' | b'b')).then_some(())?;
                    matches!(bits, 8 | 16 | 32 | 64).then_some(())?;
                    a.bytes = bits / 8;
                }
            }
        }
        (a.bytes > 0).then_some(a)
    }

    /// Registers of these types can hold the loaded (or stored) words: of the word's size, or wider integers.
    fn can_load(&self, k: &Kernel, types: &[Type]) -> bool {
        types.iter().all(|&t| match t {
            Type::Int(w) => u32::from(w) >= self.bytes * 8,
            t => !t.is_ptr() && k.bytes(t) == u64::from(self.bytes),
        })
    }

    fn memory_type(&self, register: Type) -> Type {
        match register {
            Type::Int(_) => Type::Int(self.bytes as u16 * 8),
            t => t,
        }
    }

    fn mem(&self, align: u32) -> MemFlags {
        MemFlags {
            invariant: self.invariant,
            nontemporal: self.streaming,
            volatile: self.volatile,
            ..MemFlags::plain(align)
        }
    }
}

/// The statements of a text. Braces between statements are scopes, which need no attention here; braces within one hold the
/// operands of a vector.
fn parse(text: &str) -> Vec<Statement<'_>> {
    let mut out = Vec::new();
    let mut start = 0;
    for (i, c) in text.char_indices() {
        let between = text[start..i].trim().is_empty();
        match c {
            '{' | '}' if between => start = i + 1,
            ';' => {
                out.extend(statement(&text[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    out.extend(statement(text[start..].trim().trim_end_matches('}')));
    out
}

/// Takes a statement apart. `None` for an empty one.
fn statement(text: &str) -> Option<Statement<'_>> {
    let text = text.trim();
    if text.is_empty() || text.starts_with("//") {
        return None;
    }
    // `.reg.b32 a` begins with a dot; a predicate (`@p`) makes a statement conditional, which nothing here understands.
    let (opcode, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut groups = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (i, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                groups.push(&rest[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    groups.push(&rest[from..]);
    let groups: Vec<Vec<&str>> = groups
        .into_iter()
        .map(|g| {
            g.trim().trim_matches(['{', '}']).split(',').map(str::trim).filter(|o| !o.is_empty()).collect()
        })
        .filter(|g: &Vec<&str>| !g.is_empty())
        .collect();
    let words = opcode.split('.').filter(|w| !w.is_empty()).collect();
    Some(Statement { words, operands: groups.concat(), groups })
}
