//! Calls that stay calls: printf and failed assertions.

use super::decode::Ins;
use super::exec::{Machine, Thread};
use super::*;
use crate::kernel::{AddrSpace, Op};

/// Longest string that is read from the kernel's memory.
const MAX_STRING: usize = 4096;

impl Machine<'_> {
    pub(super) fn call(&mut self, t: &mut Thread, ins: &Ins) -> Result<(), Fault> {
        let Op::Call { callee, .. } = &self.k.insts[ins.inst].op else { return Ok(()) };
        let args: Vec<Slot> = self.p.args[ins.c as usize].iter().map(|(s, _)| t.regs[*s as usize]).collect();
        match (callee.as_str(), args.as_slice()) {
            ("vprintf", [format, values]) => {
                let text = self.format(*format, *values)?;
                self.report.printed.push(text);
                if ins.n > 0 {
                    t.regs[ins.dst as usize] = Slot { lo: 1, hi: 0 };
                }
                Ok(())
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

    fn string(&self, s: Slot) -> Result<String, Fault> {
        let (id, at) = self.memory.resolve(s.pointer(), 1, AddrSpace::Generic, "read of a string")?;
        let bytes = &self.memory.objects[id].bytes[at..];
        let end = bytes.iter().take(MAX_STRING).position(|&b| b == 0).unwrap_or(bytes.len().min(MAX_STRING));
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    /// printf with its arguments packed as C passes them to variadic functions: at least 4 bytes, aligned to their size.
    fn format(&self, format: Slot, values: Slot) -> Result<String, Fault> {
        let format = self.string(format)?;
        let mut at = values.pointer();
        let mut next = |size: u64| -> Result<u64, Fault> {
            at.addr = at.addr.next_multiple_of(size);
            let (id, o) = self.memory.resolve(at, size, AddrSpace::Generic, "read of printf's arguments")?;
            let mut raw = [0; 8];
            raw[..size as usize].copy_from_slice(&self.memory.objects[id].bytes[o..o + size as usize]);
            at.addr += size;
            Ok(u64::from_le_bytes(raw))
        };
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
                Some('d' | 'i') => signed(next(integer)?).to_string(),
                Some('u') => next(integer)?.to_string(),
                Some('x') => format!("{:x}", next(integer)?),
                Some('X') => format!("{:X}", next(integer)?),
                Some('c') => char::from(next(4)? as u8).to_string(),
                Some('p') => format!("{:#x}", next(8)?),
                Some('s') => {
                    let p = self.memory.pointer_to(next(8)?);
                    self.string(Slot::of_pointer(p))?
                }
                Some('f' | 'F') => {
                    let digits = flags.split('.').nth(1).and_then(|p| p.parse().ok()).unwrap_or(6);
                    format!("{:.*}", digits, f64::from_bits(next(8)?))
                }
                Some('e' | 'E' | 'g' | 'G' | 'a' | 'A') => format!("{:e}", f64::from_bits(next(8)?)),
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
