//! Adjoints of copies of any length: what arrived at the destination goes to the source, and the destination is cleared.

use super::lookup::resize;
use super::memory::{clear, offset};
use super::sweep::Sweep;
use crate::diag::{Code, Diagnostic, Diagnostics, Result};
use crate::facts::layout::{self, Layout, Unknown};
use crate::kernel::*;

/// More floats than that are copied by a loop.
const UNROLLED: usize = 64;

/// Two places in shadow memory, with their alignments.
#[derive(Clone, Copy)]
struct Ends {
    to: Value,
    to_align: u32,
    from: Value,
    from_align: u32,
    /// Other threads may add at the source.
    atomic: bool,
    /// Floats lie at multiples of their size, whatever is known of the ends.
    aligned: bool,
}

impl Sweep<'_> {
    /// The reverse of a copy.
    pub fn copy(
        &mut self,
        b: &mut KernelBuilder<'_>,
        i: Inst,
        dst: Value,
        src: Option<Value>,
        len: Value,
    ) -> Result<()> {
        let Op::MemCopy { dst_align, src_align, overlap, .. } = b.k.insts[i].op else { return Ok(()) };
        let to = self.shadow(b, dst)?;
        let Some(src) = src else {
            let len = self.get(b, len);
            clear(b, to, len, dst_align);
            return Ok(());
        };
        let from = self.shadow(b, src)?;
        let bytes = b.k.as_int(len).and_then(|n| u64::try_from(n).ok());
        let layout = layout::of_copy(b.k, self.input.cfg, self.input.prov, (dst, src), bytes)
            .map_err(|u| unknown(b.k, i, u))?;
        let atomic = !(self.private)(src);
        let aligned = layout.aligned;
        let ends = Ends { to, to_align: dst_align, from, from_align: src_align, atomic, aligned };
        let period = layout.period;
        match (bytes, period) {
            (Some(n), _) if slots(&layout, n).len() <= UNROLLED => {
                self.move_back(b, ends, &slots(&layout, n));
                Ok(())
            }
            (Some(n), Some(p)) if n % p == 0 || layout.floats.len() == 1 => {
                let len = self.get(b, len);
                self.copy_loop(b, ends, &layout.floats, p, len, overlap)
            }
            (None, Some(p)) if layout.floats.len() == 1 || layout::is_multiple(b.k, len, p) => {
                let len = self.get(b, len);
                self.copy_loop(b, ends, &layout.floats, p, len, overlap)
            }
            _ => Err(Diagnostic::new(
                Code::UnsupportedMemory,
                "a copy of active memory that is not known to end between two structs",
            )
            .at(b.k, b.k.insts[i].loc)
            .because(format!("its floats come again after {} bytes", period.unwrap_or(0)))
            .help("copy whole structs, or copy in a loop")
            .into()),
        }
    }

    /// The copy back of some floats, all taken before any is added: source and destination may overlap.
    fn move_back(&mut self, b: &mut KernelBuilder<'_>, ends: Ends, floats: &[(u64, Type)]) {
        let align = |align: u32, at: u64, ty: Type, k: &Kernel| {
            if ends.aligned {
                return k.bytes(ty) as u32;
            }
            let of_place = if at == 0 { align } else { align.min(1 << at.trailing_zeros().min(16)) };
            of_place.min(k.bytes(ty) as u32).max(1)
        };
        let parts: Vec<(u64, Type, Value)> = floats
            .iter()
            .map(|&(at, ty)| {
                let p = offset(b, ends.to, at);
                let mem = MemFlags::plain(align(ends.to_align, at, ty, b.k));
                (at, ty, b.load(ty, p, mem))
            })
            .collect();
        for &(at, ty, _) in &parts {
            let p = offset(b, ends.to, at);
            let zero = b.k.zero(ty);
            let mem = MemFlags::plain(align(ends.to_align, at, ty, b.k));
            b.store(p, zero, mem);
        }
        for (at, ty, x) in parts {
            let p = offset(b, ends.from, at);
            let align = align(ends.from_align, at, ty, b.k);
            self.accumulate(b, p, x, align, ends.atomic);
        }
    }

    /// The same in a loop over periods. Where the two may overlap it runs away from the source, so that everything is
    /// taken before something is added there.
    fn copy_loop(
        &mut self,
        b: &mut KernelBuilder<'_>,
        ends: Ends,
        floats: &[(u64, Type)],
        period: u64,
        len: Value,
        overlap: bool,
    ) -> Result<()> {
        let (before, region) = (b.current(), self.region[b.current()]);
        let (head, body, done) = (b.block("copy.rev"), b.block("copy.body.rev"), b.block("copied.rev"));
        for x in [head, body, done] {
            self.region[x] = region;
        }
        let len = resize(b, len, Type::I64, false);
        let (zero, one, size) =
            (b.k.int(Type::I64, 0), b.k.int(Type::I64, 1), b.k.int(Type::I64, period.into()));
        let count = b.binary(BinOp::UDiv, len, size);
        let upward = overlap.then(|| {
            let spaces = [b.k.ty(ends.to), b.k.ty(ends.from)];
            if spaces[0] != spaces[1] {
                return b.k.int(Type::I1, 1);
            }
            let [to, from] = [ends.to, ends.from].map(|p| b.cast(CastOp::PtrToInt, p, Type::I64));
            b.icmp(IntPred::Ugt, to, from)
        });
        let index = self.local(b, Type::I64);
        debug_assert_eq!(b.current(), before);
        self.set(b, index, zero);
        b.br(head);
        b.switch_to(head);
        let n = self.read(b, index, Type::I64);
        let more = b.icmp(IntPred::Ult, n, count);
        b.cond_br(more, body, done);
        b.switch_to(body);
        let next = b.binary(BinOp::Add, n, one);
        self.set(b, index, next);
        let at = match upward {
            Some(up) => {
                let down = b.binary(BinOp::Sub, count, next);
                b.select(up, n, down)
            }
            None => n,
        };
        let at = b.binary(BinOp::Mul, at, size);
        let [to, from] = [ends.to, ends.from].map(|p| {
            let space = b.k.ty(p).addr_space().unwrap_or(AddrSpace::Generic);
            let index = b.k.index_ty(space);
            let at = resize(b, at, index, false);
            b.ptr_add(p, at)
        });
        let align = |align: u32| align.min(1 << period.trailing_zeros().min(16));
        let here = Ends {
            to,
            to_align: align(ends.to_align),
            from,
            from_align: align(ends.from_align),
            atomic: ends.atomic,
            aligned: ends.aligned,
        };
        self.move_back(b, here, floats);
        b.br(head);
        b.switch_to(done);
        Ok(())
    }
}

/// All floats in so many bytes.
fn slots(layout: &Layout, bytes: u64) -> Vec<(u64, Type)> {
    let size = |ty: Type| ty.float().map_or(0, |f| u64::from(f.bytes()));
    let step = layout.period.unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let mut start = 0;
    while start < bytes && out.len() <= UNROLLED {
        out.extend(
            layout.floats.iter().map(|&(at, ty)| (start + at, ty)).filter(|(at, ty)| at + size(*ty) <= bytes),
        );
        match start.checked_add(step) {
            Some(next) => start = next,
            None => break,
        }
    }
    out
}

fn unknown(k: &Kernel, i: Inst, why: Unknown) -> Diagnostics {
    let because = match why {
        Unknown::NoAccess => "no load or store says which floating-point type lies there".to_string(),
        Unknown::Contradiction(at) => format!("byte {at} of it is accessed as different types"),
        Unknown::Hole(from, to) => format!("no load or store says what bytes {from} to {} of it are", to - 1),
        Unknown::Pointers => "there are pointers among its numbers".to_string(),
    };
    Diagnostic::new(Code::UnknownMemoryType, "a copy of active memory whose elements are not known")
        .at(k, k.insts[i].loc)
        .because(because)
        .help("copy element by element, or mark the memory const")
        .into()
}
