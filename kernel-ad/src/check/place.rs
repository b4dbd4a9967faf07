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
    /// What a launch takes.
    pub bindings: Bindings,
}

/// Puts the memory of a case where a loaded program can reach it.
pub fn place(case: &Case, image: &Image, program: &Program) -> Result<Placed> {
    put(case, image, program).map_err(|e| memory(e).into())
}

fn put(case: &Case, image: &Image, program: &Program) -> std::result::Result<Placed, MemoryError> {
    let context = program.context();
    let mut p = Placed { primal: vec![], shadow: vec![], structs: vec![], bindings: Bindings::default() };
    let specs = &program.manifest().params;
    let by_struct = |i: usize| {
        let mine = |p: &Purpose| matches!(p, Purpose::Primal { index, .. } if *index as usize == i);
        specs.iter().any(|s| mine(&s.purpose) && s.passing == Passing::Struct)
    };
    for l in &image.leaves {
        let primal = match l.kind {
            LeafKind::Buffer => Some(Guarded::new(context, Use::Primal, &l.data.bytes)?),
            LeafKind::Scalar | LeafKind::Global => None,
        };
        let in_struct = l.kind == LeafKind::Scalar && by_struct(l.arg);
        let own = l.active() && !in_struct;
        let shadow = match own {
            true => Some(Guarded::new(context, Use::Shadow, &l.shadow.bytes)?),
            false => None,
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
    for (i, a) in case.args.iter().enumerate() {
        let (arg, structure) = p.argument(context, i, a, image, by_struct(i))?;
        p.bindings.args.push(arg);
        p.structs.push(structure);
    }
    Ok(p)
}

impl Placed {
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
                    bytes[at..at + 8].copy_from_slice(&m.extent().address.to_le_bytes());
                    pointers.push((l.offset, m.extent()));
                    let s = self.shadow[i].as_ref().map_or(0, |s| s.extent().address);
                    shadow[at..at + 8].copy_from_slice(&s.to_le_bytes());
                }
                None => {
                    bytes[at..at + l.data.bytes.len()].copy_from_slice(&l.data.bytes);
                    shadow[at..at + l.shadow.bytes.len()].copy_from_slice(&l.shadow.bytes);
                }
            }
        }
        let structure = match a.has_shadow() {
            true => Some(Guarded::new(context, Use::Shadow, &shadow)?),
            false => None,
        };
        let shadow = structure.as_ref().map(Guarded::extent);
        Ok((BoundArg { primal: Arg::Struct { bytes, pointers }, shadow }, structure))
    }

    /// Brings the contents after a launch back.
    ///
    /// # Errors
    /// `KAD0307` when a guard word was hit.
    pub fn collect(&self, program: &Program, image: &mut Image) -> Result<()> {
        self.get(program, image).map_err(memory)?;
        let all = self.primal.iter().chain(&self.shadow).chain(&self.structs).flatten();
        for m in all {
            if !m.intact().map_err(memory)? {
                let what = format!("kernel `{}` wrote outside of its buffers", program.manifest().symbol);
                return Err(Diagnostic::new(Code::Sanitizer, what).into());
            }
        }
        Ok(())
    }

    fn get(&self, program: &Program, image: &mut Image) -> std::result::Result<(), MemoryError> {
        for (i, l) in image.leaves.iter_mut().enumerate() {
            if let Some(m) = &self.primal[i] {
                l.data.bytes = m.read()?;
            }
            if l.kind == LeafKind::Global {
                if let Ok(block) = program.global(&l.path) {
                    block.read(0, &mut l.data.bytes)?;
                }
            }
            if let Some(m) = &self.shadow[i] {
                l.shadow.bytes = m.read()?;
            } else if let (true, Some(m)) = (l.active(), self.structs.get(l.arg).and_then(Option::as_ref)) {
                let at = l.offset as usize;
                l.shadow = Data { ty: l.shadow.ty, bytes: m.read()?[at..at + l.shadow.bytes.len()].to_vec() };
            }
        }
        Ok(())
    }
}

fn memory(e: MemoryError) -> Diagnostic {
    let code = match &e {
        MemoryError::OutOfMemory { .. } => Code::OutOfMemory,
        _ => Code::DeviceFailed,
    };
    Diagnostic::new(code, e.to_string())
}
