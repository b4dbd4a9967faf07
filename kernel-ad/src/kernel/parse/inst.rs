//! Blocks and instructions.

use super::*;
use crate::kernel::infer::{infer, Inferred};
use crate::kernel::names::{FMF_NAMES, INT_FLAG_NAMES};
use smallvec::SmallVec;

/// An operation, with the type of its result where the operation itself says it.
pub(super) type Operation = (Op, Option<Type>);

impl Parser {
    pub(super) fn body(&mut self) -> Parsed<()> {
        let mut current = None;
        while !self.eat('}') {
            if let Some(name) = self.label() {
                current = Some(self.start_block(name)?);
            } else if let Some(b) = current {
                self.instruction(b)?;
            } else {
                return self.expected("the label of the entry block");
            }
        }
        Ok(())
    }

    fn label(&self) -> Option<String> {
        if *self.peek2() != Tok::Punct(':') {
            return None;
        }
        match self.peek() {
            Tok::Ident(s) | Tok::Number(s) | Tok::Str(s) => Some(s.clone()),
            _ => None,
        }
    }

    fn start_block(&mut self, name: String) -> Parsed<Block> {
        let pos = self.pos();
        self.next();
        self.next();
        let b = self.block_ref(&name, pos);
        let seen = self.blocks.get_mut(&name).expect("just referred to");
        if seen.undefined.take().is_none() {
            return Err(SyntaxError::new(pos, format!("block `{name}` is defined twice")));
        }
        self.k.layout.push(b);
        Ok(b)
    }

    fn block_ref(&mut self, name: &str, pos: Pos) -> Block {
        let blocks = &mut self.k.blocks;
        let unnamed = name.bytes().all(|b| b.is_ascii_digit());
        self.blocks
            .entry(name.to_string())
            .or_insert_with(|| {
                let data = BlockData { name: (!unnamed).then(|| name.to_string()), insts: Vec::new() };
                Seen { id: blocks.push(data), undefined: Some(pos) }
            })
            .id
    }

    pub(super) fn block(&mut self) -> Parsed<Block> {
        let pos = self.pos();
        match self.peek().clone() {
            Tok::Ident(s) | Tok::Number(s) | Tok::Str(s) => {
                self.next();
                Ok(self.block_ref(&s, pos))
            }
            _ => self.expected("the name of a block"),
        }
    }

    fn instruction(&mut self, b: Block) -> Parsed<()> {
        let start = self.pos();
        let mut name = None;
        if let Tok::Local(n) = self.peek().clone() {
            self.next();
            self.expect('=')?;
            name = Some(n);
        }
        let (op, said) = self.operation()?;
        let mut ty = self.result_type(&op, said, start)?;
        // The result of an opaque call may be left out.
        if name.is_none() && said.is_none() && matches!(op, Op::Asm { .. } | Op::Call { .. }) && ty.is_none()
        {
            ty = Some(Type::Void);
        }
        let Some(ty) = ty else {
            return Err(SyntaxError::new(
                start,
                "the type of the result is not known: write `-> type` behind it",
            ));
        };
        let loc = match (self.pos(), self.peek().clone()) {
            (pos, Tok::Loc(n)) => {
                self.next();
                Some(self.loc_ref(n, pos))
            }
            _ => None,
        };
        let inst = self.k.insts.push(InstData { op, result: None, loc });
        self.k.blocks[b].insts.push(inst);
        if ty == Type::Void {
            return match name {
                Some(n) => {
                    Err(SyntaxError::new(start, format!("`%{n}` names an instruction without a result")))
                }
                None => Ok(()),
            };
        }
        let v = self.define(name, ty, start)?;
        self.k.values[v].def = ValueDef::Inst(inst);
        self.k.insts[inst].result = Some(v);
        Ok(())
    }

    fn define(&mut self, name: Option<String>, ty: Type, pos: Pos) -> Parsed<Value> {
        let Some(name) = name else { return Ok(self.new_value("", ty)) };
        match self.values.get_mut(&name) {
            None => {
                let id = self.new_value(&name, ty);
                self.values.insert(name, Seen { id, undefined: None });
                Ok(id)
            }
            Some(seen) => match seen.undefined.take() {
                None => Err(SyntaxError::new(pos, format!("`%{name}` is defined twice"))),
                Some(used) => {
                    let id = seen.id;
                    let before = self.k.ty(id);
                    if before == ty {
                        return Ok(id);
                    }
                    let (before, is) = (print_type(&self.k, before), print_type(&self.k, ty));
                    let message = format!("`%{name}` is of type {is}, but was used as {before}");
                    Err(SyntaxError::new(pos, message).help(format!("used at {}:{}", used.line, used.col)))
                }
            },
        }
    }

    fn result_type(&mut self, op: &Op, said: Option<Type>, pos: Pos) -> Parsed<Option<Type>> {
        if *self.peek() == Tok::Arrow {
            self.next();
            if said.is_some() {
                return Err(SyntaxError::new(pos, "the operation says the type of its result already"));
            }
            return self.ty().map(Some);
        }
        Ok(said.or_else(|| match infer(&self.k, op) {
            Inferred::Ty(t) => Some(t),
            Inferred::Pair(a, b) => Some(self.k.struct_ty(&[a, b])),
            Inferred::Unknown => None,
        }))
    }

    pub(super) fn fmf(&mut self) -> Fmf {
        let mut out = Fmf::empty();
        while let Some((f, _)) = FMF_NAMES.iter().find(|(_, n)| self.eat_word(n)) {
            out |= *f;
        }
        out
    }

    pub(super) fn int_flags(&mut self) -> IntFlags {
        let mut out = IntFlags::empty();
        while let Some((f, _)) = INT_FLAG_NAMES.iter().find(|(_, n)| self.eat_word(n)) {
            out |= *f;
        }
        out
    }

    /// `, operand` of the type of the operand before it, or of a type that is written.
    pub(super) fn another(&mut self, before: Value) -> Parsed<Value> {
        self.expect(',')?;
        let ty = self.k.ty(before);
        self.typed(Some(ty))
    }

    pub(super) fn two(&mut self) -> Parsed<(Value, Value)> {
        let a = self.typed(None)?;
        Ok((a, self.another(a)?))
    }

    /// Operands until `end` does not follow, the type written when it changes.
    pub(super) fn list<A: smallvec::Array<Item = Value>>(&mut self) -> Parsed<SmallVec<A>> {
        let mut out = SmallVec::new();
        out.push(self.typed(None)?);
        while self.eat(',') {
            let before = out.last().map(|&v| self.k.ty(v));
            out.push(self.typed(before)?);
        }
        Ok(out)
    }

    fn call_args(&mut self) -> Parsed<SmallVec<[Value; 4]>> {
        self.expect('(')?;
        if self.eat(')') {
            return Ok(SmallVec::new());
        }
        let args = self.list()?;
        self.expect(')')?;
        Ok(args)
    }

    fn operation(&mut self) -> Parsed<Operation> {
        let pos = self.pos();
        let Tok::Ident(word) = self.peek().clone() else { return self.expected("an instruction") };
        self.next();
        if let Some(op) = BinOp::from_name(&word) {
            let (fmf, flags) = (self.fmf(), self.int_flags());
            let (a, b) = self.two()?;
            return Ok((Op::Binary { op, a, b, flags, fmf }, None));
        }
        if let Some(op) = CastOp::from_name(&word) {
            let flags = self.int_flags();
            let a = self.typed(None)?;
            self.expect_word("to")?;
            let to = self.ty()?;
            return Ok((Op::Cast { op, a, flags }, Some(to)));
        }
        if let Some(s) = Special::from_name(&word) {
            return Ok((Op::Special(s), None));
        }
        if let Some((family, name)) = word.split_once('.') {
            return self.family_operation(family, name, pos);
        }
        match self.plain_operation(&word)? {
            Some(op) => Ok(op),
            None => match self.memory_operation(&word)? {
                Some(op) => Ok(op),
                None => Err(SyntaxError::new(pos, format!("unknown instruction `{word}`"))),
            },
        }
    }

    fn family_operation(&mut self, family: &str, name: &str, pos: Pos) -> Parsed<Operation> {
        let unknown = || SyntaxError::new(pos, format!("unknown instruction `{family}.{name}`"));
        match family {
            "math" => {
                let func = MathFn::from_name(name).ok_or_else(unknown)?;
                let mut flavor = Flavor::Library;
                if let Some(f) = self.peek_named() {
                    self.next();
                    flavor = f;
                }
                let fmf = self.fmf();
                Ok((Op::Math { func, flavor, args: self.list()?, fmf }, None))
            }
            "int" => {
                let func = IntFn::from_name(name).ok_or_else(unknown)?;
                Ok((Op::IntMath { func, args: self.list()? }, None))
            }
            "warp" => {
                let op = WarpOp::from_name(name).ok_or_else(unknown)?;
                let none = matches!(op, WarpOp::ActiveMask | WarpOp::WaveBarrier);
                Ok((Op::Warp { op, args: if none { SmallVec::new() } else { self.list()? } }, None))
            }
            "barrier" => self.barrier(BarrierKind::from_name(name).ok_or_else(unknown)?),
            "tape" if name == "store" => {
                let offset = self.typed(Some(Type::I64))?;
                self.expect(',')?;
                Ok((Op::TapeStore { offset, val: self.typed(None)? }, None))
            }
            "tape" if name == "load" => {
                let ty = self.ty()?;
                self.expect(',')?;
                Ok((Op::TapeLoad { offset: self.typed(Some(Type::I64))? }, Some(ty)))
            }
            _ => Err(unknown()),
        }
    }

    fn plain_operation(&mut self, word: &str) -> Parsed<Option<Operation>> {
        let op = match word {
            "fneg" => Op::FNeg { fmf: self.fmf(), a: self.typed(None)? },
            "freeze" => Op::Freeze { a: self.typed(None)? },
            "icmp" => {
                let pred = self.named("a comparison of integers")?;
                let (a, b) = self.two()?;
                Op::ICmp { pred, a, b }
            }
            "fcmp" => {
                let fmf = self.fmf();
                let pred = self.named("a comparison of floats")?;
                let (a, b) = self.two()?;
                Op::FCmp { pred, a, b, fmf }
            }
            "select" => {
                let fmf = self.fmf();
                let cond = self.typed(Some(Type::I1))?;
                self.expect(',')?;
                let (a, b) = self.two()?;
                Op::Select { cond, a, b, fmf }
            }
            "phi" => return self.phi().map(Some),
            "ptradd" => {
                let inbounds = self.eat_word("inbounds");
                let ptr = self.typed(None)?;
                self.expect(',')?;
                Op::PtrAdd { ptr, offset: self.typed(Some(Type::I64))?, inbounds }
            }
            "extractelement" => {
                let vec = self.typed(None)?;
                self.expect(',')?;
                Op::ExtractElement { vec, index: self.typed(Some(Type::I32))? }
            }
            "insertelement" => {
                let vec = self.typed(None)?;
                self.expect(',')?;
                let lane = self.k.ty(vec).scalar();
                let elem = self.typed(Some(lane))?;
                self.expect(',')?;
                Op::InsertElement { vec, elem, index: self.typed(Some(Type::I32))? }
            }
            "shufflevector" => {
                let (a, b) = self.two()?;
                self.expect(',')?;
                self.expect('[')?;
                let mut mask = Vec::new();
                while !self.eat(']') {
                    mask.push(self.integer()?);
                    if *self.peek() != Tok::Punct(']') {
                        self.expect(',')?;
                    }
                }
                Op::ShuffleVector { a, b, mask }
            }
            "extractvalue" => Op::ExtractValue { agg: self.typed(None)?, path: self.path()? },
            "insertvalue" => {
                let agg = self.typed(None)?;
                self.expect(',')?;
                Op::InsertValue { agg, elem: self.typed(None)?, path: self.path()? }
            }
            "asm" => {
                let side_effects = self.eat_word("volatile");
                let text = self.string()?;
                self.expect(',')?;
                Op::Asm { text, constraints: self.string()?, side_effects, args: self.call_args()? }
            }
            "call" => {
                let Tok::Global(callee) = self.peek().clone() else {
                    return self.expected("a function, as `@name`");
                };
                self.next();
                Op::Call { callee, args: self.call_args()? }
            }
            "trap" => Op::Trap,
            "ret" => Op::Ret,
            "unreachable" => Op::Unreachable,
            "br" => self.branch()?,
            "switch" => self.switch()?,
            _ => return Ok(None),
        };
        Ok(Some((op, None)))
    }

    fn path(&mut self) -> Parsed<SmallVec<[u32; 2]>> {
        let mut path = SmallVec::new();
        while self.eat(',') {
            path.push(self.integer()?);
        }
        match path.is_empty() {
            true => self.expected("`,` and the number of a member"),
            false => Ok(path),
        }
    }

    fn phi(&mut self) -> Parsed<Operation> {
        let ty = self.ty()?;
        let mut incoming = Vec::new();
        while *self.peek() == Tok::Punct('[') {
            self.next();
            let v = self.operand(ty)?;
            self.expect(',')?;
            incoming.push((self.block()?, v));
            self.expect(']')?;
            if !self.eat(',') {
                break;
            }
        }
        Ok((Op::Phi { incoming }, Some(ty)))
    }

    fn branch(&mut self) -> Parsed<Op> {
        let condition = matches!(self.peek(), Tok::Local(_))
            || (matches!(self.peek(), Tok::Ident(s) if ["i1", "true", "false", "undef", "poison"].contains(&s.as_str()))
                && *self.peek2() != Tok::Punct(':')
                && matches!(self.peek2(), Tok::Local(_) | Tok::Ident(_) | Tok::Punct(',')));
        if !condition {
            return Ok(Op::Br { to: self.block()? });
        }
        let cond = self.typed(Some(Type::I1))?;
        self.expect(',')?;
        let then = self.block()?;
        self.expect(',')?;
        Ok(Op::CondBr { cond, then, els: self.block()? })
    }

    fn switch(&mut self) -> Parsed<Op> {
        let val = self.typed(None)?;
        self.expect(',')?;
        self.expect_word("default")?;
        let default = self.block()?;
        self.expect(',')?;
        self.expect('[')?;
        let mut cases = Vec::new();
        while !self.eat(']') {
            let n = self.integer()?;
            self.expect(':')?;
            cases.push((n, self.block()?));
            if *self.peek() != Tok::Punct(']') {
                self.expect(',')?;
            }
        }
        Ok(Op::Switch { val, default, cases })
    }

    fn barrier(&mut self, kind: BarrierKind) -> Parsed<Operation> {
        let aligned = !self.eat_word("unaligned");
        let (mut id, mut count, mut pred) = (None, None, None);
        loop {
            if self.eat_word("id") {
                id = Some(self.typed(Some(Type::I32))?);
            } else if self.eat_word("count") {
                count = Some(self.typed(Some(Type::I32))?);
            } else if self.eat_word("pred") {
                pred = Some(self.typed(Some(Type::I32))?);
            } else {
                return Ok((Op::Barrier { kind, id, count, pred, aligned }, None));
            }
        }
    }
}
