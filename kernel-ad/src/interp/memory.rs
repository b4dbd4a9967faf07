//! Memory as objects with provenance: a pointer knows which object it was made from, and reaches no other.
//!
//! Addresses are made up: global objects from [`GLOBAL_BASE`] on, shared and local ones in windows of 4 GiB, so that their low
//! 32 bits are what a 32-bit pointer holds. Between objects lie gaps.

use super::race::{Access, Races};
use super::Fault;
use crate::diag::Code;
use crate::kernel::{AddrSpace, FloatTy};
use std::collections::{BTreeMap, HashMap};

/// First address of global and constant memory.
pub(super) const GLOBAL_BASE: u64 = 0x10_0000_0000;
/// Window of shared memory.
pub(super) const SHARED_BASE: u64 = 0x1_0000_0000;
/// Window of local memory.
pub(super) const LOCAL_BASE: u64 = 0x2_0000_0000;
/// Distance between objects, at least.
const GAP: u64 = 4096;

/// Unwritten memory holds this byte: NaN as a float, so that a result that depends on it shows.
const UNWRITTEN: u8 = 0xff;

/// A pointer: an address, and the object that it may reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pointer {
    /// Address; 0 for null.
    pub addr: u64,
    /// Object it was made from, counted from 1; 0 when only the address is known.
    pub(super) object: u32,
}

/// A float that was computed in f64, beside its rounded bytes.
#[derive(Clone, Copy, Default)]
struct Wide {
    value: f64,
    /// How far rounding may have moved it.
    bound: f64,
    /// Size of the rounded float in bytes; 0 for none.
    size: u8,
}

/// One object.
pub(super) struct Object {
    pub name: String,
    pub base: u64,
    pub bytes: Vec<u8>,
    pub space: AddrSpace,
    pub read_only: bool,
    /// For each byte, whether it was written; kept on request.
    pub written: Option<Vec<bool>>,
    /// One cell for every two bytes, once a wide float was stored.
    wide: Vec<Wide>,
    pub races: Option<Races>,
}

impl Object {
    /// Back to unwritten: for memory of blocks and threads that come one after the other.
    pub fn reset(&mut self) {
        self.bytes.fill(UNWRITTEN);
        if let Some(w) = &mut self.written {
            w.fill(false);
        }
        self.wide.clear();
        if let Some(r) = &mut self.races {
            r.clear();
        }
    }

    fn cells(&self, offset: usize, len: usize) -> std::ops::Range<usize> {
        let end = (offset + len).div_ceil(2).min(self.wide.len());
        (offset / 2).min(end)..end
    }

    /// Forgets the wide floats that a write touches.
    fn forget_wide(&mut self, offset: usize, len: usize) {
        if self.wide.is_empty() || len == 0 {
            return;
        }
        for c in self.cells(offset, len) {
            self.wide[c].size = 0;
        }
        // One that begins before the write and reaches into it.
        let first = offset / 2;
        for back in 1..4 {
            if let Some(c) = first.checked_sub(back).and_then(|c| self.wide.get_mut(c)) {
                if usize::from(c.size) > 2 * back {
                    c.size = 0;
                }
            }
        }
    }

    pub fn wide_at(&self, offset: usize, size: u8) -> Option<f64> {
        let cell = self.wide.get(offset / 2)?;
        (offset % 2 == 0 && cell.size == size).then_some(cell.value)
    }

    /// How far rounding may have moved the float at that place, as bits; 0 when that is not known.
    pub fn bound_at(&self, offset: usize, size: u8) -> u64 {
        match self.wide.get(offset / 2) {
            Some(cell) if offset % 2 == 0 && cell.size == size => cell.bound.to_bits(),
            _ => 0,
        }
    }

    pub fn set_wide(&mut self, offset: usize, size: u8, value: f64, bound: f64) {
        if offset % 2 != 0 {
            return;
        }
        if self.wide.is_empty() {
            self.wide = vec![Wide::default(); self.bytes.len().div_ceil(2)];
        }
        self.wide[offset / 2] = Wide { value, bound, size };
    }
}

/// Memory of a device: buffers, module-level variables and tapes, kept from launch to launch.
#[derive(Default)]
pub struct Memory {
    pub(super) objects: Vec<Object>,
    by_base: BTreeMap<u64, u32>,
    next_global: u64,
    variables: HashMap<String, u32>,
    /// Tapes by their base pointer and thread.
    pub(super) tapes: HashMap<(u64, u64), super::tape::Tape>,
}

/// Where an object lies.
pub(super) enum Region {
    Global,
    /// At that offset of the window of shared memory.
    Shared(u64),
    /// At that offset of the window of local memory.
    Local(u64),
}

impl Memory {
    /// Nothing allocated.
    pub fn new() -> Self {
        Memory::default()
    }

    /// A buffer with those contents; `name` is for messages.
    pub fn alloc(&mut self, name: &str, contents: &[u8]) -> Pointer {
        let id = self.add(name, contents.len() as u64, AddrSpace::Global, Region::Global);
        self.objects[id as usize].bytes.copy_from_slice(contents);
        self.pointer(id)
    }

    /// A buffer that is not written yet; reading from it is an error under [`super::Options::unwritten`].
    pub fn alloc_unwritten(&mut self, name: &str, bytes: u64) -> Pointer {
        let id = self.add(name, bytes, AddrSpace::Global, Region::Global);
        self.objects[id as usize].written = Some(vec![false; bytes as usize]);
        self.pointer(id)
    }

    /// The module-level variable of that name, created with that size (and zeroes) unless it exists.
    pub fn variable(&mut self, name: &str, bytes: u64) -> Pointer {
        if let Some(&id) = self.variables.get(name) {
            return self.pointer(id);
        }
        let id = self.add(name, bytes, AddrSpace::Global, Region::Global);
        self.objects[id as usize].bytes.fill(0);
        self.variables.insert(name.to_string(), id);
        self.pointer(id)
    }

    pub(super) fn has_variable(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Contents of the object that a pointer was made from.
    pub fn bytes(&self, p: Pointer) -> &[u8] {
        self.object(p).map_or(&[], |o| &o.bytes)
    }

    /// Contents of the object that a pointer was made from, to be overwritten from outside.
    pub fn bytes_mut(&mut self, p: Pointer) -> &mut [u8] {
        match self.object_mut(p) {
            Some(o) => {
                o.wide.clear();
                if let Some(w) = &mut o.written {
                    w.fill(true);
                }
                &mut o.bytes
            }
            None => &mut [],
        }
    }

    /// Element `index` of an array of floats at a pointer: as wide as it was computed, if it was.
    pub fn float(&self, p: Pointer, ty: FloatTy, index: usize) -> Option<f64> {
        let o = self.object(p)?;
        let at = (p.addr - o.base) as usize + index * ty.bytes() as usize;
        let bytes = o.bytes.get(at..at + ty.bytes() as usize)?;
        Some(o.wide_at(at, ty.bytes() as u8).unwrap_or_else(|| float_of_bytes(ty, bytes)))
    }

    /// How far rounding may have moved element `index` of an array of floats: what a run with [`super::Options::bounds`] found; 0 where
    /// nothing was computed.
    pub fn bound(&self, p: Pointer, ty: FloatTy, index: usize) -> f64 {
        let Some(o) = self.object(p) else { return 0.0 };
        let at = (p.addr - o.base) as usize + index * ty.bytes() as usize;
        f64::from_bits(o.bound_at(at, ty.bytes() as u8))
    }

    /// Sets element `index` of an array of floats; a run with [`super::Options::wide`] sees all bits of `x`.
    pub fn set_float(&mut self, p: Pointer, ty: FloatTy, index: usize, x: f64) -> bool {
        let size = ty.bytes() as usize;
        let Some(o) = self.object_mut(p) else { return false };
        let at = (p.addr - o.base) as usize + index * size;
        if at + size > o.bytes.len() {
            return false;
        }
        o.bytes[at..at + size].copy_from_slice(&float_bits(ty, x).to_le_bytes()[..size]);
        if let Some(w) = &mut o.written {
            w[at..at + size].fill(true);
        }
        o.forget_wide(at, size);
        if ty != FloatTy::F64 {
            o.set_wide(at, size as u8, x, 0.0);
        }
        true
    }

    /// Forgets all tapes; a run does so unless [`super::Options::keep_tapes`] is set.
    pub fn clear_tapes(&mut self) {
        self.tapes.clear();
    }

    pub(super) fn add(&mut self, name: &str, bytes: u64, space: AddrSpace, at: Region) -> u32 {
        let id = self.objects.len() as u32;
        let base = match at {
            Region::Shared(o) => SHARED_BASE + o,
            Region::Local(o) => LOCAL_BASE + o,
            Region::Global => {
                let base = self.next_global.max(GLOBAL_BASE);
                self.next_global = (base + bytes).next_multiple_of(256) + GAP;
                base
            }
        };
        self.objects.push(Object {
            name: name.to_string(),
            base,
            bytes: vec![UNWRITTEN; bytes as usize],
            space,
            read_only: false,
            written: None,
            wide: Vec::new(),
            races: None,
        });
        self.by_base.insert(base, id);
        id
    }

    /// Removes what a launch added.
    pub(super) fn truncate(&mut self, objects: usize) {
        for o in self.objects.drain(objects..) {
            self.by_base.remove(&o.base);
        }
    }

    pub(super) fn pointer(&self, id: u32) -> Pointer {
        Pointer { addr: self.objects[id as usize].base, object: id + 1 }
    }

    fn object(&self, p: Pointer) -> Option<&Object> {
        self.objects.get((p.object as usize).checked_sub(1)?)
    }

    fn object_mut(&mut self, p: Pointer) -> Option<&mut Object> {
        self.objects.get_mut((p.object as usize).checked_sub(1)?)
    }

    /// The pointer of an address that came from an integer or from memory.
    pub(super) fn pointer_to(&self, addr: u64) -> Pointer {
        let below = self.by_base.range(..=addr).next_back();
        let object = match below {
            // One past the end still belongs to it.
            Some((base, id)) if addr - base <= self.objects[*id as usize].bytes.len() as u64 => id + 1,
            _ => 0,
        };
        Pointer { addr, object }
    }

    /// Finds the bytes of an access: object and offset.
    #[inline]
    pub(super) fn resolve(
        &self,
        p: Pointer,
        len: u64,
        space: AddrSpace,
        what: &str,
    ) -> Result<(usize, usize), Fault> {
        let p = if p.object == 0 { self.pointer_to(p.addr) } else { p };
        if p.object != 0 {
            let id = p.object as usize - 1;
            let o = &self.objects[id];
            let offset = p.addr.wrapping_sub(o.base);
            if offset <= o.bytes.len() as u64
                && len <= o.bytes.len() as u64 - offset
                && fits_space(o.space, space)
            {
                return Ok((id, offset as usize));
            }
        }
        Err(self.out_of_bounds(p, len, space, what))
    }

    #[cold]
    fn out_of_bounds(&self, p: Pointer, len: u64, space: AddrSpace, what: &str) -> Fault {
        let message = match self.object(p) {
            _ if p.addr == 0 => format!("{what} of {len} bytes through a null pointer"),
            None => format!("{what} of {len} bytes at {:#x}, where nothing is", p.addr),
            Some(o) => {
                let (offset, size) = (p.addr.wrapping_sub(o.base) as i64, o.bytes.len());
                let name = &o.name;
                if !fits_space(o.space, space) {
                    let (is, of) = (space_name(o.space), space_name(space));
                    format!("{what} of `{name}`, which is {is} memory, through a pointer to {of} memory")
                } else {
                    format!("{what} of {len} bytes at offset {offset} of `{name}`, which has {size} bytes")
                }
            }
        };
        Fault::new(Code::Sanitizer, message)
    }

    /// Checks that were asked for and need the history of the bytes.
    #[inline]
    pub(super) fn note_read(&mut self, id: usize, at: usize, len: usize, by: &Access) -> Result<(), Fault> {
        let o = &mut self.objects[id];
        if let Some(w) = &o.written {
            if by.check_unwritten {
                if let Some(n) = w[at..at + len].iter().position(|w| !w) {
                    let message =
                        format!("read of byte {} of `{}`, which nothing has written", at + n, o.name);
                    return Err(Fault::new(Code::Sanitizer, message));
                }
            }
        }
        match &mut o.races {
            Some(r) => r.read(at, len, by).map_err(|f| f.of(&o.name)),
            None => Ok(()),
        }
    }

    /// As [`Memory::note_read`], for writes; to be called before the bytes change.
    #[inline]
    pub(super) fn note_write(&mut self, id: usize, at: usize, len: usize, by: &Access) -> Result<(), Fault> {
        let o = &mut self.objects[id];
        if o.read_only {
            let message = format!("write to `{}`, which is read-only", o.name);
            return Err(Fault::new(Code::Sanitizer, message));
        }
        if let Some(w) = &mut o.written {
            w[at..at + len].fill(true);
        }
        o.forget_wide(at, len);
        match &mut o.races {
            Some(r) => r.write(at, len, by).map_err(|f| f.of(&o.name)),
            None => Ok(()),
        }
    }

    /// memcpy of what was resolved; unwritten bytes stay unwritten, wide floats come along.
    pub(super) fn copy(
        &mut self,
        from: (usize, usize),
        to: (usize, usize),
        len: usize,
        by: &Access,
    ) -> Result<(), Fault> {
        if let Some(r) = &mut self.objects[from.0].races {
            r.read(from.1, len, by).map_err(|f| f.of(&self.objects[from.0].name))?;
        }
        let source = &self.objects[from.0];
        let bytes = source.bytes[from.1..from.1 + len].to_vec();
        let written = source.written.as_ref().map(|w| w[from.1..from.1 + len].to_vec());
        let wide = match from.1 % 2 == to.1 % 2 && from.1 % 2 == 0 {
            true => source.wide[source.cells(from.1, len)].to_vec(),
            false => Vec::new(),
        };
        self.note_write(to.0, to.1, len, by)?;
        let target = &mut self.objects[to.0];
        target.bytes[to.1..to.1 + len].copy_from_slice(&bytes);
        if let (Some(w), Some(from)) = (&mut target.written, written) {
            w[to.1..to.1 + len].copy_from_slice(&from);
        }
        for (i, w) in wide.into_iter().enumerate() {
            if w.size != 0 && 2 * i + usize::from(w.size) <= len {
                target.set_wide(to.1 + 2 * i, w.size, w.value, w.bound);
            }
        }
        Ok(())
    }
}

/// Whether memory of kind `is` may be reached through a pointer type of that space.
fn fits_space(is: AddrSpace, through: AddrSpace) -> bool {
    use AddrSpace::*;
    match through {
        Generic | Other(_) => true,
        // What is not written during a launch may be read through the constant space, wherever it lies.
        Constant | Global | Param => matches!(is, Global | Constant | Param),
        s => is == s,
    }
}

fn space_name(s: AddrSpace) -> &'static str {
    match s {
        AddrSpace::Generic => "generic",
        AddrSpace::Global => "global",
        AddrSpace::Shared => "shared",
        AddrSpace::Constant => "constant",
        AddrSpace::Local => "local",
        AddrSpace::Param => "parameter",
        AddrSpace::Other(_) => "other",
    }
}

/// The value of a float in memory.
pub(super) fn float_of_bytes(ty: FloatTy, b: &[u8]) -> f64 {
    let mut raw = [0; 8];
    raw[..b.len()].copy_from_slice(b);
    float_of_bits(ty, u64::from_le_bytes(raw))
}

/// The value of the bits of a format.
pub(super) fn float_of_bits(ty: FloatTy, bits: u64) -> f64 {
    match ty {
        FloatTy::F16 => half::f16::from_bits(bits as u16).to_f64(),
        FloatTy::Bf16 => half::bf16::from_bits(bits as u16).to_f64(),
        FloatTy::F32 => f64::from(f32::from_bits(bits as u32)),
        FloatTy::F64 => f64::from_bits(bits),
    }
}

/// The bits of `x`, rounded to a format.
pub(super) fn float_bits(ty: FloatTy, x: f64) -> u64 {
    match ty {
        FloatTy::F16 => u64::from(half::f16::from_f64(x).to_bits()),
        FloatTy::Bf16 => u64::from(half::bf16::from_f64(x).to_bits()),
        FloatTy::F32 => u64::from((x as f32).to_bits()),
        FloatTy::F64 => x.to_bits(),
    }
}
