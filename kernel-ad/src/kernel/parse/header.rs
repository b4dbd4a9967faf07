//! The kernel's first line: parameters and what is known about them, the source, promises about launches.

use super::*;

impl Parser {
    pub(super) fn kernel(&mut self) -> Parsed<()> {
        self.next();
        let Tok::Global(name) = self.peek().clone() else {
            return self.expected("the kernel's name, as `@name`");
        };
        self.next();
        self.k.name = name;
        self.expect('(')?;
        while !self.eat(')') {
            self.param()?;
            if *self.peek() != Tok::Punct(')') {
                self.expect(',')?;
            }
        }
        self.header_words()?;
        self.expect('{')?;
        self.body()
    }

    fn param(&mut self) -> Parsed<()> {
        let ty = self.ty()?;
        let mut p = Param::new("", ty);
        loop {
            if self.eat_word("byval") {
                self.expect('(')?;
                let bytes = self.integer()?;
                self.expect(',')?;
                let align = self.integer()?;
                let ty = if self.eat(',') { Some(self.ty()?) } else { None };
                self.expect(')')?;
                p.by_value = Some(ByValue { bytes, align, ty });
            } else if self.eat_word("noalias") {
                p.noalias = true;
            } else if self.eat_word("readonly") {
                p.readonly = true;
            } else if self.eat_word("writeonly") {
                p.writeonly = true;
            } else if self.eat_word("align") {
                p.align = self.in_parens(Self::integer)?;
            } else if self.eat_word("deref") {
                p.dereferenceable = self.in_parens(Self::integer)?;
            } else {
                break;
            }
        }
        let pos = self.pos();
        let Tok::Local(name) = self.peek().clone() else {
            return self.expected("the parameter's name, as `%name`, or an attribute");
        };
        self.next();
        p.name.clone_from(&name);
        let v = self.k.add_param(p);
        match self.values.insert(name.clone(), Seen { id: v, undefined: None }) {
            Some(_) => Err(SyntaxError::new(pos, format!("parameter `%{name}` is defined twice"))),
            None => Ok(()),
        }
    }

    pub(super) fn in_parens<T>(&mut self, f: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.expect('(')?;
        let t = f(self)?;
        self.expect(')')?;
        Ok(t)
    }

    fn header_words(&mut self) -> Parsed<()> {
        while let Tok::Ident(word) = self.peek().clone() {
            let pos = self.pos();
            self.next();
            match word.as_str() {
                "nvptx" | "amdgpu" => {}
                "triple" => self.k.source.triple = self.in_parens(Self::string)?,
                "layout" => self.k.source.data_layout = self.in_parens(Self::string)?,
                "cpu" => self.k.source.cpu = Some(self.in_parens(Self::string)?),
                "features" => self.k.source.features = Some(self.in_parens(Self::string)?),
                "file" => self.k.source.file = self.in_parens(Self::string)?,
                "warp" => self.k.source.warp_size = self.in_parens(Self::integer)?,
                "max_threads" => self.k.bounds.max_threads = Some(self.in_parens(Self::integer)?),
                "min_blocks" => self.k.bounds.min_blocks = Some(self.in_parens(Self::integer)?),
                "block" => self.k.bounds.required_block = Some(self.in_parens(Self::integers)?),
                "distinct" => {
                    let [a, b] = self.in_parens(Self::integers)?;
                    self.k.bounds.distinct.insert((a, b));
                }
                "tape" => self.k.tape = Some(self.in_parens(Self::tape)?),
                _ => return Err(SyntaxError::new(
                    pos,
                    format!("unknown word `{word}` behind the parameters"),
                )
                .help(
                    "nvptx amdgpu triple layout cpu features file warp block max_threads min_blocks distinct tape",
                )),
            }
        }
        Ok(())
    }

    fn integers<const N: usize>(&mut self) -> Parsed<[u32; N]> {
        let mut out = [0; N];
        for (n, x) in out.iter_mut().enumerate() {
            if n > 0 {
                self.expect(',')?;
            }
            *x = self.integer()?;
        }
        Ok(out)
    }

    fn tape(&mut self) -> Parsed<TapeInfo> {
        let mut t =
            TapeInfo { base: u32::MAX, capacity: u32::MAX, status: u32::MAX, bounded: None, align: 8 };
        loop {
            if self.eat_word("base") {
                t.base = self.integer()?;
            } else if self.eat_word("capacity") {
                t.capacity = self.integer()?;
            } else if self.eat_word("status") {
                t.status = self.integer()?;
            } else if self.eat_word("bounded") {
                t.bounded = Some(self.integer()?);
            } else if self.eat_word("align") {
                t.align = self.integer()?;
            } else {
                return self.expected("`base`, `capacity`, `status`, `bounded` or `align`");
            }
            if !self.eat(',') {
                return Ok(t);
            }
        }
    }
}
