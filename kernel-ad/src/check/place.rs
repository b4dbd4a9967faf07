//! The memory of a case on a device: buffers between guard words, structs with the addresses in them, shadows.

use crate::case::{Arg as CaseArg, Case, Data, Image, LeafKind};
use crate::diag::{Code, Diagnostic, Result};
use gpu_runtime::{Block, Context, Program};
use shadow_mem::{Arg, Bindings, Booked, BoundArg, DeviceBlock, Extent, MemoryError, Passing, Purpose, Use};

/// Bytes before and behind every buffer that no kernel may touch.
const GUARD: u64 = 256;
const GUARD_BYTE: u8 = 0xa5;

struct Guarded {
    block: Booked<Block>,
    bytes: u64,
}

impl Guarded {
    fn new(context: &Context, what: Use, data: &[u8]) -> std::result::Result<Guarded, MemoryError> {
        let bytes = data.len() as u64;
        let block = context.heap().block(what, bytes + 2 * GUARD, GUARD)?;
        block.block.write(0, &[GUARD_BYTE; GUARD as usize])?;
        block.block.write(GUARD, data)?;
        block.block.write(GUARD + bytes, &[GUARD_BYTE; GUARD as usize])?;
        Ok(Guarded { block, bytes })
    }

    fn extent(&self) -> Extent {
        Extent { address: self.block.block.address() + GUARD, bytes: self.bytes }
    }

    fn read(&self) -> std::result::Result<Vec<u8>, MemoryError> {
        let mut out = vec![0; self.bytes as usize];
        self.block.block.read(GUARD, &mut out)?;
        Ok(out)
    }

    fn intact(&self) -> std::result::Result<bool, MemoryError> {
        let mut all = vec![0; (self.bytes + 2 * GUARD) as usize];
        self.block.block.read(0, &mut all)?;
        let (front, rest) = all.split_at(GUARD as usize);
        Ok(front.iter().chain(&rest[self.bytes as usize..]).all(|&b| b == GUARD_BYTE))
    }
}

/// The memory of a case on a device.
pub struct Placed {
    /// Primal contents of each leaf that is memory behind a pointer.
    primal: Vec<Option<Guarded>>,
    /// Shadow of each leaf that has memory of its own for it.
    shadow: Vec<Option<Guarded>>,
    /// Shadow of each struct parameter.
    structs: Vec<Option<Guarded>>,
    /// Memory that holds pointers or structs, and its shadow.
    holders: Vec<(Guarded, Option<Guarded>)>,
    /// What a launch takes.
    pub bindings: Bindings,
}

/// Puts the memory of a case where a loaded program can reach it.
pub fn place(case: &Case, image: &Image, program: &Program) -> Result<Placed> {
    put(case, image, program).map_err(|e| memory(e).into())
}

fn put(case: &Case, image: &Image, program: &Program) -> std::result::Result<Placed, MemoryError> {
    let context = program.context();
    let mut p = Placed {
        primal: vec![],
        shadow: vec![],
        structs: vec![],
        holders: vec![],
        bindings: Bindings::default(),
    };
    let specs = &program.manifest().params;
    let by_struct = |i: usize| {
        let mine = |p: &Purpose| matches!(p, Purpose::Primal { index, .. } if *index as usize == i);
        specs.iter().any(|s| mine(&s.purpose) && s.passing == Passing::Struct)
    };
    for l in &image.leaves {
        let primal = match l.kind {
            LeafKind::Buffer => Some(Guarded::new(context, Use::Primal, &l.data.bytes)?),
            LeafKind::Scalar | LeafKind::Global | LeafKind::Member => None,
        };
        let in_struct = l.kind == LeafKind::Scalar && by_struct(l.arg);
        let shadow = match image.own_shadow(l).filter(|_| !in_struct) {
            Some(data) => Some(Guarded::new(context, Use::Shadow, &data.bytes)?),
            None => None,
        };
        if l.kind == LeafKind::Global {
            // A gradient that does not need the variable does not have it.
            if let Ok(block) = program.global(&l.path) {
                block.write(0, &l.data.bytes)?;
            }
        }
        if let (LeafKind::Global, Some(s)) = (l.kind, &shadow) {
            p.bindings.globals.push((l.path.clone(), s.extent()));
        }
        p.primal.push(primal);
        p.shadow.push(shadow);
    }
    p.hold(context, image)?;
    for (h, block) in variables(program, image) {
        block.write(0, &p.holders[h].0.read()?)?;
    }
    for (h, v) in image.variables() {
        let shadow = &p.holders[h].1;
        p.bindings.globals.extend(shadow.as_ref().map(|s| (v.path.clone(), s.extent())));
    }
    for (i, a) in case.args.iter().enumerate() {
        let (arg, structure) = p.argument(context, i, a, image, by_struct(i))?;
        p.bindings.args.push(arg);
        p.structs.push(structure);
    }
    Ok(p)
}

impl Placed {
    /// Puts the memory that holds pointers or structs in place, innermost first.
    fn hold(&mut self, context: &Context, image: &Image) -> std::result::Result<(), MemoryError> {
        let n = image.holders.len();
        let mut placed: Vec<Option<(Guarded, Option<Guarded>)>> = (0..n).map(|_| None).collect();
        for (n, h) in image.holders.iter().enumerate().rev() {
            let (mut bytes, mut shadow) = (vec![0; h.bytes as usize], vec![0; h.bytes as usize]);
            for (i, l) in image.leaves.iter().enumerate().filter(|(_, l)| l.holder == Some(n)) {
                let at = l.offset as usize;
                match &self.primal[i] {
                    Some(m) => {
                        put_address(&mut bytes, at, Some(m));
                        put_address(&mut shadow, at, self.shadow[i].as_ref());
                    }
                    None => {
                        bytes[at..at + l.data.bytes.len()].copy_from_slice(&l.data.bytes);
                        shadow[at..at + l.shadow.bytes.len()].copy_from_slice(&l.shadow.bytes);
                    }
                }
            }
            for (inner, i) in placed.iter().zip(&image.holders) {
                if let (Some((primal, s)), true) = (inner, i.holder == Some(n)) {
                    put_address(&mut bytes, i.offset as usize, Some(primal));
                    put_address(&mut shadow, i.offset as usize, s.as_ref());
                }
            }
            let primal = Guarded::new(context, Use::Primal, &bytes)?;
            let shadow = match h.shadowed {
                true => Some(Guarded::new(context, Use::Shadow, &shadow)?),
                false => None,
            };
            placed[n] = Some((primal, shadow));
        }
        self.holders = placed.into_iter().flatten().collect();
        Ok(())
    }

    /// The argument for a parameter, and the shadow struct if it has one.
    fn argument(
        &self,
        context: &Context,
        index: usize,
        a: &CaseArg,
        image: &Image,
        by_struct: bool,
    ) -> std::result::Result<(BoundArg, Option<Guarded>), MemoryError> {
        let leaves: Vec<_> = image.param(index).collect();
        if !by_struct {
            if let Some((h, _)) = image.param_holders(index).next() {
                let (primal, shadow) = &self.holders[h];
                let shadow = shadow.as_ref().map(Guarded::extent);
                return Ok((BoundArg { primal: Arg::Pointer(primal.extent()), shadow }, None));
            }
            if let [(i, l)] = leaves[..] {
                let primal = match &self.primal[i] {
                    Some(m) => Arg::Pointer(m.extent()),
                    None => Arg::Scalar(l.data.bytes.clone()),
                };
                return Ok((BoundArg { primal, shadow: self.shadow[i].as_ref().map(Guarded::extent) }, None));
            }
        }
        let size = a.extent().0 as usize;
        let (mut bytes, mut shadow, mut pointers) = (vec![0; size], vec![0; size], Vec::new());
        for (i, l) in leaves {
            let at = l.offset as usize;
            match &self.primal[i] {
                Some(m) => {
                    put_address(&mut bytes, at, Some(m));
                    put_address(&mut shadow, at, self.shadow[i].as_ref());
                    pointers.push((l.offset, m.extent()));
                }
                None => {
                    bytes[at..at + l.data.bytes.len()].copy_from_slice(&l.data.bytes);
                    shadow[at..at + l.shadow.bytes.len()].copy_from_slice(&l.shadow.bytes);
                }
            }
        }
        for (h, holder) in image.param_holders(index) {
            let (primal, s) = &self.holders[h];
            put_address(&mut bytes, holder.offset as usize, Some(primal));
            put_address(&mut shadow, holder.offset as usize, s.as_ref());
            pointers.push((holder.offset, primal.extent()));
        }
        let structure = match a.has_shadow() {
            true => Some(Guarded::new(context, Use::Shadow, &shadow)?),
            false => None,
        };
        let shadow = structure.as_ref().map(Guarded::extent);
        Ok((BoundArg { primal: Arg::Struct { bytes, pointers }, shadow }, structure))
    }

    /// Puts other contents into the buffers and variables.
    pub fn refill(&self, program: &Program, image: &Image) -> Result<()> {
        let variables = variables(program, image);
        for (l, m) in image.leaves.iter().zip(&self.primal) {
            if let Some(m) = m {
                m.block.block.write(GUARD, &l.data.bytes).map_err(memory)?;
            }
            if let (LeafKind::Member, Some(h)) = (l.kind, l.holder) {
                self.holders[h].0.block.block.write(GUARD + l.offset, &l.data.bytes).map_err(memory)?;
                if let Some((_, block)) = variables.iter().find(|(n, _)| *n == h) {
                    block.write(l.offset, &l.data.bytes).map_err(memory)?;
                }
            }
            if let (LeafKind::Global, Ok(block)) = (l.kind, program.global(&l.path)) {
                block.write(0, &l.data.bytes).map_err(memory)?;
            }
        }
        Ok(())
    }

    /// Brings the contents after a launch back.
    ///
    /// # Errors
    /// `KAD0307` when a guard word was hit.
    pub fn collect(&self, program: &Program, image: &mut Image) -> Result<()> {
        self.get(program, image).map_err(memory)?;
        let holders = self.holders.iter().flat_map(|(p, s)| std::iter::once(p).chain(s));
        let all = self.primal.iter().chain(&self.shadow).chain(&self.structs).flatten().chain(holders);
        for m in all {
            if !m.intact().map_err(memory)? {
                let what = format!("kernel `{}` wrote outside of its buffers", program.manifest().symbol);
                return Err(Diagnostic::new(Code::Sanitizer, what).into());
            }
        }
        Ok(())
    }

    fn get(&self, program: &Program, image: &mut Image) -> std::result::Result<(), MemoryError> {
        let variables = variables(program, image);
        for (i, l) in image.leaves.iter_mut().enumerate() {
            if let Some(m) = &self.primal[i] {
                l.data.bytes = m.read()?;
            }
            if l.kind == LeafKind::Global {
                if let Ok(block) = program.global(&l.path) {
                    block.read(0, &mut l.data.bytes)?;
                }
            }
            if let (LeafKind::Member, Some(h)) = (l.kind, l.holder) {
                let (primal, shadow) = &self.holders[h];
                let at = l.offset as usize;
                let part = |m: &Guarded, n: usize| Ok(m.read()?[at..at + n].to_vec());
                match variables.iter().find(|(n, _)| *n == h) {
                    Some((_, block)) => block.read(l.offset, &mut l.data.bytes)?,
                    None => l.data.bytes = part(primal, l.data.bytes.len())?,
                }
                if let Some(s) = shadow {
                    l.shadow.bytes = part(s, l.shadow.bytes.len())?;
                }
                continue;
            }
            if !l.active() {
                continue;
            }
            if let Some(m) = &self.shadow[i] {
                l.shadow.bytes = m.read()?;
            } else if let Some(m) = self.structs.get(l.arg).and_then(Option::as_ref) {
                let at = l.offset as usize;
                l.shadow = Data { ty: l.shadow.ty, bytes: m.read()?[at..at + l.shadow.bytes.len()].to_vec() };
            }
        }
        Ok(())
    }
}

/// The module-level variables that hold structs or pointers, with their holders. A gradient that does not need one does not have it.
fn variables(program: &Program, image: &Image) -> Vec<(usize, Block)> {
    image.variables().filter_map(|(h, v)| Some((h, program.global(&v.path).ok()?))).collect()
}

/// Puts the address of a buffer, or null, into bytes.
fn put_address(bytes: &mut [u8], at: usize, to: Option<&Guarded>) {
    let address = to.map_or(0, |m| m.extent().address);
    bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
}

fn memory(e: MemoryError) -> Diagnostic {
    let code = match &e {
        MemoryError::OutOfMemory { .. } => Code::OutOfMemory,
        _ => Code::DeviceFailed,
    };
    Diagnostic::new(code, e.to_string())
}
