//! Instructions that touch memory.

use super::inst::Operation;
use super::*;

impl Parser {
    pub(super) fn memory_operation(&mut self, word: &str) -> Parsed<Option<Operation>> {
        let op = match word {
            "alloca" => {
                let ty = self.ty()?;
                self.expect_word("bytes")?;
                let bytes = self.integer()?;
                let align = self.align()?.unwrap_or(8);
                return Ok(Some((Op::Alloca { bytes, align }, Some(ty))));
            }
            "load" => {
                let ty = self.ty()?;
                self.expect(',')?;
                let ptr = self.typed(None)?;
                let mem = self.mem_flags(ty, false)?;
                return Ok(Some((Op::Load { ptr, mem }, Some(ty))));
            }
            "store" => {
                let val = self.typed(None)?;
                self.expect(',')?;
                let ptr = self.typed(None)?;
                let ty = self.k.ty(val);
                Op::Store { ptr, val, mem: self.mem_flags(ty, false)? }
            }
            "memcpy" | "memmove" => {
                let dst = self.typed(None)?;
                self.expect(',')?;
                let src = self.typed(None)?;
                self.expect(',')?;
                let len = self.typed(Some(Type::I64))?;
                let dst_align = self.align()?.unwrap_or(1);
                let src_align = self.align()?.unwrap_or(1);
                let volatile = self.eat_word("volatile");
                Op::MemCopy { dst, src, len, dst_align, src_align, overlap: word == "memmove", volatile }
            }
            "memset" => {
                let dst = self.typed(None)?;
                self.expect(',')?;
                let byte = self.typed(Some(Type::I8))?;
                self.expect(',')?;
                let len = self.typed(Some(Type::I64))?;
                let align = self.align()?.unwrap_or(1);
                Op::MemSet { dst, byte, len, align, volatile: self.eat_word("volatile") }
            }
            "atomicrmw" => {
                let op = self.named("an atomic operation")?;
                let ptr = self.typed(None)?;
                self.expect(',')?;
                let val = self.typed(None)?;
                let ty = self.k.ty(val);
                Op::AtomicRmw { op, ptr, val, mem: self.mem_flags(ty, true)? }
            }
            "cmpxchg" => {
                let weak = self.eat_word("weak");
                let ptr = self.typed(None)?;
                self.expect(',')?;
                let (expected, new) = self.two()?;
                let ty = self.k.ty(new);
                let mem = self.mem_flags(ty, true)?;
                let failure = match self.eat_word("failure") {
                    true => self.named("an ordering")?,
                    false => Ordering::Monotonic,
                };
                Op::CmpXchg { ptr, expected, new, mem, failure, weak }
            }
            "fence" => Op::Fence { ordering: self.named("an ordering")?, scope: self.scope()? },
            "accumulate" => {
                let atomic = self.eat_word("atomic");
                let ptr = self.typed(None)?;
                self.expect(',')?;
                let val = self.typed(None)?;
                let natural = self.k.natural_align(self.k.ty(val));
                Op::Accumulate { ptr, val, align: self.align()?.unwrap_or(natural), atomic }
            }
            _ => return Ok(None),
        };
        Ok(Some((op, None)))
    }

    /// `, align 4`
    fn align(&mut self) -> Parsed<Option<u32>> {
        if !self.eat(',') {
            return Ok(None);
        }
        self.expect_word("align")?;
        self.integer().map(Some)
    }

    /// `, align 4 volatile monotonic scope(device)`; an ordering is monotonic unless said otherwise when `atomic`.
    fn mem_flags(&mut self, ty: Type, atomic: bool) -> Parsed<MemFlags> {
        let natural = self.k.natural_align(ty);
        let mut m = MemFlags::plain(self.align()?.unwrap_or(natural));
        loop {
            if self.eat_word("volatile") {
                m.volatile = true;
            } else if self.eat_word("invariant") {
                m.invariant = true;
            } else if self.eat_word("nontemporal") {
                m.nontemporal = true;
            } else {
                break;
            }
        }
        if let Some(o) = self.peek_named() {
            self.next();
            m.ordering = Some(o);
        } else if atomic {
            m.ordering = Some(Ordering::Monotonic);
        }
        m.scope = self.scope()?;
        Ok(m)
    }

    fn scope(&mut self) -> Parsed<Scope> {
        if !self.eat_word("scope") {
            return Ok(Scope::SYSTEM);
        }
        self.in_parens(|p| Ok(Scope { level: p.named("a scope")?, one_as: p.eat_word("one_as") }))
    }
}
