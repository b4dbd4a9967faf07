//! Reading the text that [`super::print`] writes, and the shorter form that tests are written in.
//!
//! What may be left out: the source's triple, layout and so on (the architecture's own are taken), the type of an
//! operand that is defined above, alignments (the natural one is taken), names of results that nobody uses.

mod header;
mod inst;
mod lex;
mod memory;
mod operand;

use super::names::Named;
use super::*;
use crate::diag::{Code, Diagnostic, Place, Result};
use lex::{Pos, SyntaxError, Tok};

type Parsed<T> = std::result::Result<T, SyntaxError>;

/// Reads the text of one kernel. The result is not verified.
pub fn parse(text: &str) -> Result<Kernel> {
    parse_text(text).map_err(|e| {
        let mut d = Diagnostic::new(Code::BadKernelText, e.message);
        d.place = Some(Place {
            file: "<kernel text>".into(),
            line: e.pos.line,
            col: e.pos.col,
            function: None,
            inlined_at: Vec::new(),
        });
        d.help = e.help;
        d.ir =
            text.lines().nth(e.pos.line as usize - 1).map(|l| l.trim().to_string()).filter(|l| !l.is_empty());
        d.into()
    })
}

fn parse_text(text: &str) -> Parsed<Kernel> {
    let tokens = lex::tokens(text)?;
    let arch = find_arch(&tokens);
    let mut p = Parser {
        tokens,
        at: 0,
        k: Kernel::new("", Source::of_arch(arch)),
        values: HashMap::new(),
        blocks: HashMap::new(),
        globals: HashMap::new(),
        locs: HashMap::new(),
        depth: 0,
    };
    p.text()?;
    Ok(p.k)
}

/// The architecture behind the parameter list: types of globals and parameters depend on it.
fn find_arch(tokens: &[(Tok, Pos)]) -> Arch {
    let kernel = tokens.iter().position(|(t, _)| *t == Tok::Ident("kernel".into())).unwrap_or(0);
    let mut depth = 0;
    for (t, _) in &tokens[kernel..] {
        match t {
            Tok::Punct('(') => depth += 1,
            Tok::Punct(')') => depth -= 1,
            Tok::Punct('{') if depth == 0 => break,
            Tok::Ident(name) if depth == 0 => {
                if let Some(arch) = Arch::from_name(name) {
                    return arch;
                }
            }
            _ => {}
        }
    }
    Arch::Nvptx
}

/// A name with where it was first seen, while its definition has not been.
struct Seen<T> {
    id: T,
    undefined: Option<Pos>,
}

struct Parser {
    tokens: Vec<(Tok, Pos)>,
    at: usize,
    k: Kernel,
    values: HashMap<String, Seen<Value>>,
    blocks: HashMap<String, Seen<Block>>,
    globals: HashMap<String, Seen<Global>>,
    locs: HashMap<u32, Seen<Loc>>,
    /// Nesting of types and constants, bounded.
    depth: u32,
}

impl Parser {
    fn peek(&self) -> &Tok {
        &self.tokens[self.at].0
    }

    fn peek2(&self) -> &Tok {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].0
    }

    fn pos(&self) -> Pos {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> Tok {
        let t = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        t
    }

    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(SyntaxError::new(self.pos(), message))
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        self.error(format!("expected {what}, found {}", self.peek()))
    }

    fn eat(&mut self, c: char) -> bool {
        let found = *self.peek() == Tok::Punct(c);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, c: char) -> Parsed<()> {
        match self.eat(c) {
            true => Ok(()),
            false => self.expected(&format!("`{c}`")),
        }
    }

    /// Takes a word, unless it is the label of the next block.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Tok::Ident(s) if s == word) && *self.peek2() != Tok::Punct(':');
        if found {
            self.next();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        match self.eat_word(word) {
            true => Ok(()),
            false => self.expected(&format!("`{word}`")),
        }
    }

    /// Takes a word that names a member of a closed set.
    fn named<T: Named>(&mut self, what: &str) -> Parsed<T> {
        match self.peek_named() {
            Some(t) => {
                self.next();
                Ok(t)
            }
            None => self.expected(what).map_err(|e: SyntaxError| {
                let all = T::all().iter().map(|t| t.name()).collect::<Vec<_>>().join(" ");
                if all.len() < 300 {
                    e.help(format!("one of: {all}"))
                } else {
                    e
                }
            }),
        }
    }

    fn peek_named<T: Named>(&self) -> Option<T> {
        match self.peek() {
            Tok::Ident(s) if *self.peek2() != Tok::Punct(':') => T::from_name(s),
            _ => None,
        }
    }

    fn string(&mut self) -> Parsed<String> {
        match self.peek() {
            Tok::Str(_) => match self.next() {
                Tok::Str(s) => Ok(s),
                _ => unreachable!("peeked"),
            },
            _ => self.expected("a string"),
        }
    }

    fn integer<T: TryFrom<i128>>(&mut self) -> Parsed<T> {
        let Tok::Number(text) = self.peek() else { return self.expected("an integer") };
        let n = parse_int(text).and_then(|n| T::try_from(n).ok());
        match n {
            Some(n) => {
                self.next();
                Ok(n)
            }
            None => self.error(format!("{} is not an integer that fits here", self.peek())),
        }
    }

    fn text(&mut self) -> Parsed<()> {
        let mut seen = false;
        loop {
            let pos = self.pos();
            match self.peek().clone() {
                Tok::End if seen => break,
                Tok::Loc(n) => self.loc_line(n)?,
                Tok::Ident(w) if w == "global" => self.global_line()?,
                Tok::Ident(w) if w == "kernel" && !seen => {
                    seen = true;
                    self.kernel()?;
                }
                Tok::Ident(w) if w == "kernel" => {
                    return Err(SyntaxError::new(pos, "a text holds one kernel, this is the second"))
                }
                _ => return self.expected("`kernel`, `global` or a source location"),
            }
        }
        self.check_defined()
    }

    fn check_defined(&self) -> Parsed<()> {
        let values = self.values.iter().map(|(n, s)| (s.undefined, format!("value `%{n}`")));
        let blocks = self.blocks.iter().map(|(n, s)| (s.undefined, format!("block `{n}`")));
        let globals = self.globals.iter().map(|(n, s)| (s.undefined, format!("global `@{n}`")));
        let locs = self.locs.iter().map(|(n, s)| (s.undefined, format!("source location `!{n}`")));
        let all = values.chain(blocks).chain(globals).chain(locs);
        let first = all
            .filter_map(|(pos, what)| pos.map(|p| (p, what)))
            .min_by_key(|(p, what)| (p.line, p.col, what.clone()));
        match first {
            Some((pos, what)) => Err(SyntaxError::new(pos, format!("{what} is not defined"))),
            None => self.check_loc_cycles(),
        }
    }

    fn check_loc_cycles(&self) -> Parsed<()> {
        for l in self.k.locs.keys() {
            let mut next = self.k.locs[l].inlined_at;
            for _ in 0..self.k.locs.len() {
                next = next.and_then(|l| self.k.locs[l].inlined_at);
            }
            if next.is_some() {
                return Err(SyntaxError::new(
                    Pos { line: 1, col: 1 },
                    "source locations are inlined in a circle",
                ));
            }
        }
        Ok(())
    }

    fn loc_ref(&mut self, n: u32, pos: Pos) -> Loc {
        let locs = &mut self.k.locs;
        self.locs
            .entry(n)
            .or_insert_with(|| {
                let empty = LocData {
                    file: String::new(),
                    line: 0,
                    col: 0,
                    function: String::new(),
                    inlined_at: None,
                };
                Seen { id: locs.push(empty), undefined: Some(pos) }
            })
            .id
    }

    /// `!3 = "file.cu":12:7 in "function" at !4`
    fn loc_line(&mut self, n: u32) -> Parsed<()> {
        let pos = self.pos();
        self.next();
        self.expect('=')?;
        let file = self.string()?;
        self.expect(':')?;
        let line = self.integer()?;
        self.expect(':')?;
        let col = self.integer()?;
        let function = if self.eat_word("in") { self.string()? } else { String::new() };
        let inlined_at = match self.eat_word("at") {
            true => match (self.pos(), self.next()) {
                (pos, Tok::Loc(n)) => Some(self.loc_ref(n, pos)),
                (pos, t) => return Err(SyntaxError::new(pos, format!("expected a location, found {t}"))),
            },
            false => None,
        };
        let id = self.loc_ref(n, pos);
        let seen = self.locs.get_mut(&n).expect("just referred to");
        if seen.undefined.take().is_none() {
            return Err(SyntaxError::new(pos, format!("location `!{n}` is defined twice")));
        }
        self.k.locs[id] = LocData { file, line, col, function, inlined_at };
        Ok(())
    }

    fn global_ref(&mut self, name: &str, pos: Pos) -> Global {
        let globals = &mut self.k.globals;
        let empty = || GlobalVar {
            name: name.to_string(),
            space: AddrSpace::Global,
            bytes: 0,
            align: 1,
            ty: None,
            is_const: false,
            external: false,
            init: None,
            relocs: Vec::new(),
        };
        self.globals
            .entry(name.to_string())
            .or_insert_with(|| Seen { id: globals.push(empty()), undefined: Some(pos) })
            .id
    }

    /// `global ptr.shared @name bytes 1024 align 4 type [256 x f32] constant external init zero reloc(8, @b, 0)`
    fn global_line(&mut self) -> Parsed<()> {
        self.next();
        let Type::Ptr(space) = self.ty()? else {
            return self.error("expected a pointer type before the name");
        };
        let pos = self.pos();
        let Tok::Global(name) = self.peek().clone() else { return self.expected("the name of the global") };
        self.next();
        let id = self.global_ref(&name, pos);
        let mut var = GlobalVar { space, ..self.k.globals[id].clone() };
        let (mut bytes, mut align) = (None, None);
        loop {
            if self.eat_word("bytes") {
                bytes = Some(self.integer::<u64>()?);
            } else if self.eat_word("align") {
                align = Some(self.integer::<u32>()?);
            } else if self.eat_word("type") {
                var.ty = Some(self.ty()?);
            } else if self.eat_word("constant") {
                var.is_const = true;
            } else if self.eat_word("external") {
                var.external = true;
            } else if self.eat_word("init") {
                var.init = Some(self.init_bytes(bytes.or(var.ty.map(|t| self.k.stride(t))).unwrap_or(0))?);
            } else if self.eat_word("reloc") {
                self.expect('(')?;
                let at = self.integer()?;
                self.expect(',')?;
                let pos = self.pos();
                let Tok::Global(target) = self.next() else {
                    return Err(SyntaxError::new(pos, "expected a global"));
                };
                let target = self.global_ref(&target, pos);
                self.expect(',')?;
                var.relocs.push((at, target, self.integer()?));
                self.expect(')')?;
            } else {
                break;
            }
        }
        let len = var.init.as_ref().map(|i| i.len() as u64);
        var.bytes = bytes.or(len).or(var.ty.map(|t| self.k.stride(t))).unwrap_or(0);
        var.align = align.or(var.ty.map(|t| self.k.natural_align(t))).unwrap_or(1);
        let seen = self.globals.get_mut(&name).expect("just referred to");
        if seen.undefined.take().is_none() {
            return Err(SyntaxError::new(pos, format!("global `@{name}` is defined twice")));
        }
        self.k.globals[id] = var;
        Ok(())
    }

    fn init_bytes(&mut self, size: u64) -> Parsed<Vec<u8>> {
        if self.eat_word("zero") {
            if size > 1 << 30 {
                return self.error(format!("a global of {size} bytes with contents is too large for a text"));
            }
            return Ok(vec![0; size as usize]);
        }
        let pos = self.pos();
        let text = self.string()?;
        let digits =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>();
        match digits {
            Some(d) if d.len() % 2 == 0 => Ok(d.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect()),
            _ => Err(SyntaxError::new(pos, "contents are pairs of hexadecimal digits")),
        }
    }
}

fn parse_int(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(d) => (true, d),
        None => (false, text),
    };
    let n = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok().or_else(|| {
            (negative && digits == "170141183460469231731687303715884105728").then_some(i128::MIN)
        })?,
    };
    Some(if negative { n.wrapping_neg() } else { n })
}

#[cfg(test)]
mod tests;
