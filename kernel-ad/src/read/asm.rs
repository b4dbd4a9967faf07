//! Inline assembly. What has an operation of its own becomes that; what touches memory or synchronises in a way that is
//! not known is refused; the rest is inert and carried through word for word.

use super::translate::{refuse, Reader, Refusal, Step};
use super::{call, ptx, units};
use crate::kernel::*;
use crate::llvm::Val;
use smallvec::SmallVec;

/// One PTX statement: opcode words and operands.
pub(super) struct Statement<'t> {
    /// `@p` or `@!p`: the predicate that it waits for, and whether that must be false.
    pub guard: Option<(&'t str, bool)>,
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
        if text.contains("%envreg") {
            // Where cooperative groups find what the blocks of a grid wait at.
            return Err(call::grid_sync(text.trim()));
        }
        let body = without_comments(&text).replace(['\n', '\t', '\r'], " ");
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
            if let [Statement { guard: None, words, .. }] = &statements[..] {
                match words[..] {
                    ["trap"] => return self.one(v, Op::Trap, Type::Void),
                    ["exit"] => {
                        return Err(call::unsupported_call("`exit` in the middle of a kernel".into()))
                    }
                    _ => {}
                }
            }
            match self.build(|b| ptx::build(b, &statements, &call)) {
                Some(Some(r)) => {
                    self.define(v, r);
                    return Ok(());
                }
                Some(None) => return Ok(()),
                None => {}
            }
        }
        for s in &statements {
            let word = s.words.first().copied().unwrap_or("");
            if let Some(refusal) = units::assembly(word, &s.words.join(".")) {
                return Err(refusal);
            }
        }
        let bad = statements.iter().find(|s| {
            let word = s.words.first().copied().unwrap_or("");
            // Conditional statements and labels are control flow.
            s.guard.is_some()
                || word.ends_with(':')
                || NOT_INERT.iter().any(|n| if n.ends_with('_') { word.starts_with(n) } else { word == *n })
        });
        if let Some(bad) = bad {
            let (what, help) = match bad.guard {
                Some(_) if !bad.words.first().is_some_and(|w| w.ends_with(':')) => (
                    "is done under a condition",
                    "write the condition around the assembly, or, where it may always be done, choose with selp behind it",
                ),
                _ => (
                    "acts on memory or other threads",
                    "write it with the compiler's builtin instead of assembly, or report it",
                ),
            };
            return Err(Refusal {
                help: Some(help.into()),
                ..Refusal::from(format!("inline assembly `{}` {what}", bad.words.join(".")))
            });
        }
        let op = Op::Asm { text, constraints, side_effects, args: SmallVec::from_vec(call.args) };
        self.one(v, op, ret)
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

/// A text without `// ...` and `/* ... */`.
fn without_comments(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(|l| l.split("//").next().unwrap_or("")).collect();
    let mut joined = lines.join("\n");
    while let Some(start) = joined.find("/*") {
        let end = joined[start..].find("*/").map_or(joined.len(), |e| start + e + 2);
        joined.replace_range(start..end, " ");
    }
    lines.clear();
    joined
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
    let mut text = text.trim();
    if text.is_empty() || text.starts_with("//") {
        return None;
    }
    let mut guard = None;
    if let Some(conditional) = text.strip_prefix('@') {
        let (p, rest) = conditional.split_once(char::is_whitespace)?;
        guard = Some(p.strip_prefix('!').map_or((p, false), |p| (p, true)));
        text = rest.trim();
    }
    // `.reg.b32 a` begins with a dot.
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
    Some(Statement { guard, words, operands: groups.concat(), groups })
}
