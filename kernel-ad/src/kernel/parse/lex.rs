//! Tokens of the text of a kernel.

/// Line and column, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pos {
    pub line: u32,
    pub col: u32,
}

/// What went wrong, and where.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub pos: Pos,
    pub message: String,
    pub help: Option<String>,
}

impl SyntaxError {
    pub fn new(pos: Pos, message: impl Into<String>) -> Self {
        SyntaxError { pos, message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Tok {
    /// A keyword, mnemonic, type or block name.
    Ident(String),
    /// `%name`.
    Local(String),
    /// `@name`.
    Global(String),
    /// `!7`.
    Loc(u32),
    /// Digits, a sign, a point, an exponent; not yet a value.
    Number(String),
    /// Quoted.
    Str(String),
    Punct(char),
    Arrow,
    End,
}

impl std::fmt::Display for Tok {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tok::Ident(s) | Tok::Number(s) => write!(f, "`{s}`"),
            Tok::Local(s) => write!(f, "`%{s}`"),
            Tok::Global(s) => write!(f, "`@{s}`"),
            Tok::Loc(n) => write!(f, "`!{n}`"),
            Tok::Str(s) => write!(f, "{s:?}"),
            Tok::Punct(c) => write!(f, "`{c}`"),
            Tok::Arrow => write!(f, "`->`"),
            Tok::End => write!(f, "the end of the text"),
        }
    }
}

pub(super) struct Lexer<'s> {
    rest: std::iter::Peekable<std::str::Chars<'s>>,
    pos: Pos,
}

/// All tokens, the last of them `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<(Tok, Pos)>, SyntaxError> {
    let mut lexer = Lexer { rest: text.chars().peekable(), pos: Pos { line: 1, col: 1 } };
    let mut out = Vec::new();
    loop {
        lexer.skip_blank();
        let pos = lexer.pos;
        let tok = lexer.next()?;
        let end = tok == Tok::End;
        out.push((tok, pos));
        if end {
            return Ok(out);
        }
    }
}

fn name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.pos = Pos { line: self.pos.line + 1, col: 1 };
        } else {
            self.pos.col += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, mut keep: impl FnMut(char) -> bool) -> String {
        let mut s = String::new();
        while let Some(&c) = self.rest.peek() {
            if !keep(c) {
                break;
            }
            s.push(c);
            self.bump();
        }
        s
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest.peek() != Some(&';') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn next(&mut self) -> Result<Tok, SyntaxError> {
        let pos = self.pos;
        let Some(&c) = self.rest.peek() else { return Ok(Tok::End) };
        match c {
            'a'..='z' | 'A'..='Z' | '_' | '$' | '.' => Ok(Tok::Ident(self.take_while(name_char))),
            '0'..='9' => Ok(self.number(String::new())),
            '%' => self.sigil().map(Tok::Local),
            '@' => self.sigil().map(Tok::Global),
            '"' => self.string().map(Tok::Str),
            '!' => {
                self.bump();
                let digits = self.take_while(|c| c.is_ascii_digit());
                let n = digits.parse().map_err(|_| SyntaxError::new(pos, "expected a number after `!`"))?;
                Ok(Tok::Loc(n))
            }
            '-' => {
                self.bump();
                match self.rest.peek() {
                    Some('>') => {
                        self.bump();
                        Ok(Tok::Arrow)
                    }
                    Some(c) if c.is_ascii_alphanumeric() => Ok(self.number("-".into())),
                    _ => Err(SyntaxError::new(pos, "expected a number or `>` after `-`")),
                }
            }
            '(' | ')' | '{' | '}' | '[' | ']' | '<' | '>' | ',' | ':' | '=' => {
                self.bump();
                Ok(Tok::Punct(c))
            }
            c => Err(SyntaxError::new(pos, format!("unexpected character {c:?}"))),
        }
    }

    fn number(&mut self, mut text: String) -> Tok {
        let mut last = '0';
        let hex = {
            let mut ahead = self.rest.clone();
            ahead.next() == Some('0') && matches!(ahead.next(), Some('x' | 'X'))
        };
        text += &self.take_while(|c| {
            let exponent_sign = !hex && matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
            last = c;
            exponent_sign || c.is_ascii_alphanumeric() || c == '.'
        });
        Tok::Number(text)
    }

    fn sigil(&mut self) -> Result<String, SyntaxError> {
        let pos = self.pos;
        let sigil = self.bump().unwrap_or('%');
        if self.rest.peek() == Some(&'"') {
            return self.string();
        }
        let name = self.take_while(|c| name_char(c) || c == '-');
        match name.is_empty() {
            true => Err(SyntaxError::new(pos, format!("expected a name after `{sigil}`"))),
            false => Ok(name),
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let pos = self.pos;
        self.bump();
        let mut bytes = Vec::new();
        loop {
            match self.bump() {
                None | Some('\n') => return Err(SyntaxError::new(pos, "string without an end")),
                Some('"') => break,
                Some('\\') => {
                    let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
                    match (digit(self.bump()), digit(self.bump())) {
                        (Some(a), Some(b)) => bytes.push((a * 16 + b) as u8),
                        _ => return Err(SyntaxError::new(pos, "expected two hexadecimal digits after `\\`")),
                    }
                }
                Some(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        String::from_utf8(bytes).map_err(|_| SyntaxError::new(pos, "string is not UTF-8"))
    }
}
