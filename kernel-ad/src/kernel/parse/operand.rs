//! Types, constants and operands.

use super::*;
use crate::kernel::names::SPACE_NAMES;

/// Types and constants nest at most this deep in a text.
const MAX_DEPTH: u32 = 64;

impl Parser {
    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.error(format!("nested deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let r = f(self);
        self.depth -= 1;
        r
    }

    /// True when a type stands here.
    fn at_type(&self) -> bool {
        match self.peek() {
            Tok::Ident(s) => *self.peek2() != Tok::Punct(':') && (s == "packed" || simple_type(s).is_some()),
            Tok::Punct('<' | '{' | '[') => true,
            _ => false,
        }
    }

    pub(super) fn ty(&mut self) -> Parsed<Type> {
        match self.peek().clone() {
            Tok::Ident(s) if s == "packed" => {
                self.next();
                self.expect('{')?;
                self.nested(|p| p.struct_ty(true))
            }
            Tok::Ident(s) => match simple_type(&s) {
                Some(t) => {
                    self.next();
                    Ok(t)
                }
                None => self.expected("a type"),
            },
            Tok::Punct('<') => {
                self.next();
                let n = self.integer::<u16>()?;
                self.expect_word("x")?;
                let pos = self.pos();
                let lane = match self.ty()? {
                    Type::Int(w) => Lane::Int(w),
                    Type::Float(f) => Lane::Float(f),
                    Type::Ptr(a) => Lane::Ptr(a),
                    _ => return Err(SyntaxError::new(pos, "a vector has scalar elements")),
                };
                self.expect('>')?;
                Ok(Type::Vec(lane, n))
            }
            Tok::Punct('{') => {
                self.next();
                self.nested(|p| p.struct_ty(false))
            }
            Tok::Punct('[') => {
                self.next();
                self.nested(Self::array_ty)
            }
            _ => self.expected("a type"),
        }
    }

    fn sized_ty(&mut self) -> Parsed<Type> {
        let pos = self.pos();
        match self.ty()? {
            Type::Void => Err(SyntaxError::new(pos, "a member cannot be void")),
            t => Ok(t),
        }
    }

    fn struct_ty(&mut self, packed: bool) -> Parsed<Type> {
        let (mut fields, mut offsets) = (Vec::new(), Vec::new());
        while !matches!(self.peek(), Tok::Punct('}' | ':')) {
            fields.push(self.sized_ty()?);
            if self.eat_word("at") {
                offsets.push(self.integer::<u32>()?);
            }
            if !self.eat(',') {
                break;
            }
        }
        let pos = self.pos();
        let mut ty = self.k.natural_struct(fields, packed);
        if self.eat(':') {
            self.expect_word("size")?;
            let n = self.integer::<u32>()?;
            self.expect_word("align")?;
            let a = self.integer::<u32>()?;
            if let AggTy::Struct { size, align, .. } = &mut ty {
                (*size, *align) = (n, a);
            }
        }
        self.expect('}')?;
        if let AggTy::Struct { fields, offsets: natural, .. } = &mut ty {
            if !offsets.is_empty() {
                if offsets.len() != fields.len() {
                    return Err(SyntaxError::new(pos, "give the offset of all members or of none"));
                }
                *natural = offsets;
            }
        }
        Ok(Type::Agg(self.k.agg(ty)))
    }

    fn array_ty(&mut self) -> Parsed<Type> {
        let n = self.integer::<u32>()?;
        self.expect_word("x")?;
        let elem = self.sized_ty()?;
        let mut ty = self.k.natural_array(elem, n);
        if self.eat(':') {
            self.expect_word("stride")?;
            let s = self.integer::<u32>()?;
            self.expect_word("align")?;
            let a = self.integer::<u32>()?;
            if let AggTy::Array { stride, align, .. } = &mut ty {
                (*stride, *align) = (s, a);
            }
        }
        self.expect(']')?;
        Ok(Type::Agg(self.k.agg(ty)))
    }

    /// An operand whose type stands before it, or follows from its definition above, or is `default`.
    pub(super) fn typed(&mut self, default: Option<Type>) -> Parsed<Value> {
        if self.at_type() {
            let ty = self.ty()?;
            return self.operand(ty);
        }
        match (self.peek(), default) {
            (Tok::Local(name), _) => match self.values.get(name) {
                Some(seen) => {
                    let ty = self.k.ty(seen.id);
                    self.operand(ty)
                }
                None => match default {
                    Some(ty) => self.operand(ty),
                    None => self.error(format!(
                        "write the type of `%{name}` before it: it is not defined above this instruction"
                    )),
                },
            },
            (Tok::Global(name), _) if self.globals.contains_key(name) => {
                let ty = Type::Ptr(self.k.globals[self.globals[name].id].space);
                self.operand(ty)
            }
            (_, Some(ty)) => self.operand(ty),
            _ => self.expected("a type or a value"),
        }
    }

    /// An operand of that type, its type not written.
    pub(super) fn operand(&mut self, ty: Type) -> Parsed<Value> {
        let pos = self.pos();
        if ty == Type::Void {
            return self.error("a value cannot be void");
        }
        let tok = self.peek().clone();
        let v = match tok {
            Tok::Local(name) => {
                self.next();
                return self.value_ref(name, ty, pos);
            }
            Tok::Global(name) => {
                self.next();
                let Some(seen) = self.globals.get(&name) else {
                    return Err(SyntaxError::new(pos, format!("global `@{name}` is not defined above")));
                };
                let g = seen.id;
                let own = Type::Ptr(self.k.globals[g].space);
                if own != ty {
                    let (is, wanted) = (print_type(&self.k, own), print_type(&self.k, ty));
                    return Err(SyntaxError::new(pos, format!("`@{name}` is a {is}, not a {wanted}")));
                }
                return Ok(self.k.constant(ty, Const::Global(g)));
            }
            Tok::Number(text) => self.number(&text, ty)?,
            Tok::Ident(word) => self.word_constant(&word, ty)?,
            _ => return self.expected("a value"),
        };
        Ok(v)
    }

    fn value_ref(&mut self, name: String, ty: Type, pos: Pos) -> Parsed<Value> {
        if let Some(seen) = self.values.get(&name) {
            let is = self.k.ty(seen.id);
            if is == ty {
                return Ok(seen.id);
            }
            let (is, wanted) = (print_type(&self.k, is), print_type(&self.k, ty));
            return Err(SyntaxError::new(pos, format!("`%{name}` is of type {is}, not {wanted}")));
        }
        // A placeholder until the definition comes.
        let id = self.new_value(&name, ty);
        self.values.insert(name, Seen { id, undefined: Some(pos) });
        Ok(id)
    }

    pub(super) fn new_value(&mut self, name: &str, ty: Type) -> Value {
        let unnamed = name.bytes().all(|b| b.is_ascii_digit());
        let name = (!unnamed).then(|| name.to_string());
        self.k.values.push(ValueData { ty, def: ValueDef::Const(Const::Undef), name })
    }

    fn bad_constant<T>(&self, ty: Type) -> Parsed<T> {
        self.error(format!("{} is not a constant of type {}", self.peek(), print_type(&self.k, ty)))
    }

    fn number(&mut self, text: &str, ty: Type) -> Parsed<Value> {
        let c = match ty {
            Type::Int(w @ 1..=128) => {
                let (low, high) = match w {
                    128 => (i128::MIN, i128::MAX),
                    w => (-(1i128 << (w - 1)), (1i128 << w) - 1),
                };
                match parse_int(text).filter(|n| (low..=high).contains(n)) {
                    Some(n) => Const::Int(n as u128 & (u128::MAX >> (128 - u32::from(w)))),
                    None => return self.bad_constant(ty),
                }
            }
            Type::Float(f) => match float_bits(text, f) {
                Some(bits) => Const::Float(bits),
                None => return self.bad_constant(ty),
            },
            _ => return self.bad_constant(ty),
        };
        self.next();
        Ok(self.k.constant(ty, c))
    }

    fn word_constant(&mut self, word: &str, ty: Type) -> Parsed<Value> {
        let c = match (word, ty) {
            ("true", Type::Int(1)) => Const::Int(1),
            ("false", Type::Int(1)) => Const::Int(0),
            ("null", Type::Ptr(_)) => Const::Null,
            ("undef", _) => Const::Undef,
            ("poison", _) => Const::Poison,
            ("zero", _) => Const::Zero,
            ("inf", Type::Float(_)) => return self.number("inf", ty),
            ("splat" | "elems", Type::Vec(..) | Type::Agg(_)) => return self.elements(ty),
            _ => return self.bad_constant(ty),
        };
        self.next();
        Ok(self.k.constant(ty, c))
    }

    /// `elems(1.0, 2.0)` or `splat(1.0)`.
    fn elements(&mut self, ty: Type) -> Parsed<Value> {
        let pos = self.pos();
        let splat = self.next() == Tok::Ident("splat".into());
        self.expect('(')?;
        let count = match ty {
            Type::Vec(_, n) => u32::from(n),
            Type::Agg(id) => match &self.k.aggs[id] {
                AggTy::Struct { fields, .. } => fields.len() as u32,
                AggTy::Array { len, .. } => *len,
            },
            _ => 0,
        };
        if count > 1 << 20 {
            return Err(SyntaxError::new(
                pos,
                format!("{count} elements are too many for a constant in a text"),
            ));
        }
        let member = |k: &Kernel, i: u32| match ty {
            Type::Vec(l, _) => Some(l.ty()),
            t => k.agg_member(t, &[i]),
        };
        let mut out = Vec::new();
        let written = if splat { count.min(1) } else { count };
        for i in 0..written {
            if i > 0 {
                self.expect(',')?;
            }
            let Some(t) = member(&self.k, i) else { return self.error("no such member") };
            if matches!(self.peek(), Tok::Local(_)) {
                return self.error("the elements of a constant are constants");
            }
            out.push(self.nested(|p| p.operand(t))?);
        }
        self.expect(')')?;
        if splat && count > 0 {
            out = vec![out[0]; count as usize];
        }
        Ok(self.k.constant(ty, Const::Elems(out)))
    }
}

fn simple_type(s: &str) -> Option<Type> {
    if s == "void" {
        return Some(Type::Void);
    }
    if let Some(f) = FloatTy::from_name(s) {
        return Some(Type::Float(f));
    }
    if let Some(w) = s.strip_prefix('i') {
        let digits = !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit());
        return w.parse::<u16>().ok().filter(|w| digits && (1..=128).contains(w)).map(Type::Int);
    }
    let space = s.strip_prefix("ptr")?;
    if space.is_empty() {
        return Some(Type::Ptr(AddrSpace::Generic));
    }
    let space = space.strip_prefix('.')?;
    match SPACE_NAMES.iter().find(|(_, n)| *n == space) {
        Some((a, _)) => Some(Type::Ptr(*a)),
        None => space.strip_prefix("as")?.parse().ok().map(|n| Type::Ptr(AddrSpace::from_number(n))),
    }
}

fn float_bits(text: &str, f: FloatTy) -> Option<u64> {
    let mask = u64::MAX >> (64 - 8 * f.bytes());
    if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().filter(|b| b & !mask == 0);
    }
    // Rust also reads `nan` and `infinity`; here a NaN is written as its bits.
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits != "inf" && !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(match f {
        FloatTy::F32 => u64::from(text.parse::<f32>().ok()?.to_bits()),
        FloatTy::F64 => text.parse::<f64>().ok()?.to_bits(),
        FloatTy::F16 => u64::from(half::f16::from_f64(text.parse().ok()?).to_bits()),
        FloatTy::Bf16 => u64::from(half::bf16::from_f64(text.parse().ok()?).to_bits()),
    })
}
