//! Calls that stay calls: printf and failed assertions.

use super::decode::Ins;
use super::exec::{Machine, Thread};
use super::*;
use crate::kernel::{AddrSpace, Op};

/// Longest string that is read from the kernel's memory.
const MAX_STRING: usize = 4096;

/// An argument of HIP's printf.
pub(super) enum Word {
    Number(u64),
    Text(String),
}

/// Where printf's arguments are.
enum Values {
    /// In memory, packed as C passes them to variadic functions: at least 4 bytes, aligned to their size.
    Packed(Pointer),
    Words(std::vec::IntoIter<Word>),
}

impl Machine<'_> {
    pub(super) fn call(&mut self, t: &mut Thread, ins: &Ins) -> Result<(), Fault> {
        let Op::Call { callee, .. } = &self.k.insts[ins.inst].op else { return Ok(()) };
        let args: Vec<Slot> = self.p.args[ins.c as usize].iter().map(|(s, _)| t.regs[*s as usize]).collect();
        match (callee.as_str(), args.as_slice()) {
            ("vprintf", [format, values]) => {
                let text = self.format(&self.string(*format)?, &mut Values::Packed(values.pointer()))?;
                self.report.printed.push(text);
                if ins.n > 0 {
                    t.regs[ins.dst as usize] = Slot { lo: 1, hi: 0 };
                }
                Ok(())
            }
            ("__ockl_printf_begin", _) => {
                self.messages.push(Vec::new());
                self.answer(t, ins, self.messages.len() as u64 - 1)
            }
            ("__ockl_printf_append_args", [message, count, words @ .., last]) => {
                let new = words.iter().take(count.lo as usize).map(|w| Word::Number(w.lo)).collect();
                self.append(message.lo as usize, new, last.lo)?;
                self.answer(t, ins, message.lo)
            }
            ("__ockl_printf_append_string_n", [message, text, _, last]) => {
                let new = vec![Word::Text(self.string(*text)?)];
                self.append(message.lo as usize, new, last.lo)?;
                self.answer(t, ins, message.lo)
            }
            ("__assertfail" | "__assert_fail", [what, file, line, ..]) => {
                let (what, file) = (self.string(*what)?, self.string(*file)?);
                let message = format!("assertion `{what}` failed at {file}:{}", line.lo as u32);
                Err(Fault::new(Code::Trap, message))
            }
            ("__trap" | "abort", _) => Err(Fault::new(Code::Trap, "a thread trapped".into())),
            _ => {
                Err(Fault::new(Code::UnsupportedCall, format!("the interpreter has no function `{callee}`")))
            }
        }
    }

    fn answer(&self, t: &mut Thread, ins: &Ins, lo: u64) -> Result<(), Fault> {
        if ins.n > 0 {
            t.regs[ins.dst as usize] = Slot { lo, hi: 0 };
        }
        Ok(())
    }

    /// Adds to one of HIP's messages, the format first; the last part prints it.
    fn append(&mut self, message: usize, new: Vec<Word>, last: u64) -> Result<(), Fault> {
        let Some(words) = self.messages.get_mut(message) else { return Ok(()) };
        words.extend(new);
        if last != 0 {
            let mut words = std::mem::take(words).into_iter();
            if let Some(Word::Text(format)) = words.next() {
                let text = self.format(&format, &mut Values::Words(words))?;
                self.report.printed.push(text);
            }
        }
        Ok(())
    }

    fn string(&self, s: Slot) -> Result<String, Fault> {
        let (id, at) = self.memory.resolve(s.pointer(), 1, AddrSpace::Generic, "read of a string")?;
        let bytes = &self.memory.objects[id].bytes[at..];
        let end = bytes.iter().take(MAX_STRING).position(|&b| b == 0).unwrap_or(bytes.len().min(MAX_STRING));
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    fn number(&self, values: &mut Values, size: u64) -> Result<u64, Fault> {
        let at = match values {
            Values::Words(words) => {
                let word = words.find_map(|w| if let Word::Number(n) = w { Some(n) } else { None });
                return Ok(word.unwrap_or(0) & (u64::MAX >> (64 - 8 * size)));
            }
            Values::Packed(at) => at,
        };
        at.addr = at.addr.next_multiple_of(size);
        let (id, o) = self.memory.resolve(*at, size, AddrSpace::Generic, "read of printf's arguments")?;
        let mut raw = [0; 8];
        raw[..size as usize].copy_from_slice(&self.memory.objects[id].bytes[o..o + size as usize]);
        at.addr += size;
        Ok(u64::from_le_bytes(raw))
    }

    fn text(&self, values: &mut Values) -> Result<String, Fault> {
        if let Values::Words(words) = values {
            let text = words.find_map(|w| if let Word::Text(s) = w { Some(s) } else { None });
            return Ok(text.unwrap_or_default());
        }
        let p = self.memory.pointer_to(self.number(values, 8)?);
        self.string(Slot::of_pointer(p))
    }

    fn format(&self, format: &str, values: &mut Values) -> Result<String, Fault> {
        let mut out = String::new();
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut flags = String::new();
            while let Some(f) = rest.next_if(|c| "-+ #0123456789.".contains(*c)) {
                flags.push(f);
            }
            let mut long = false;
            while let Some(l) = rest.next_if(|c| "hlzjt".contains(*c)) {
                long |= "lzjt".contains(l);
            }
            let integer = if long { 8 } else { 4 };
            let signed = |n: u64| if long { n as i64 } else { i64::from(n as u32 as i32) };
            let text = match rest.next() {
                Some('d' | 'i') => signed(self.number(values, integer)?).to_string(),
                Some('u') => self.number(values, integer)?.to_string(),
                Some('x') => format!("{:x}", self.number(values, integer)?),
                Some('X') => format!("{:X}", self.number(values, integer)?),
                Some('c') => char::from(self.number(values, 4)? as u8).to_string(),
                Some('p') => format!("{:#x}", self.number(values, 8)?),
                Some('s') => self.text(values)?,
                Some('f' | 'F') => {
                    let digits = flags.split('.').nth(1).and_then(|p| p.parse().ok()).unwrap_or(6);
                    format!("{:.*}", digits, f64::from_bits(self.number(values, 8)?))
                }
                Some('e' | 'E' | 'g' | 'G' | 'a' | 'A') => {
                    format!("{:e}", f64::from_bits(self.number(values, 8)?))
                }
                Some('%') => "%".into(),
                other => format!("%{flags}{}", other.map(String::from).unwrap_or_default()),
            };
            let width: usize = flags
                .trim_start_matches(['-', '+', ' ', '#'])
                .split('.')
                .next()
                .unwrap_or("")
                .parse()
                .unwrap_or(0);
            let pad = " ".repeat(width.min(256).saturating_sub(text.chars().count()));
            out += &if flags.starts_with('-') { text + &pad } else { pad + &text };
        }
        Ok(out)
    }
}
