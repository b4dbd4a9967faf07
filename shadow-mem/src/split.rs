//! Augmented and reverse kernel as two launches, with the tape kept between them.
//!
//! A [`Tape`] belongs to the launch that wrote it: the reverse kernel runs with the same shape and must be given the same arguments. It
//! may be read more than once, with other seeds, and any number of tapes may be held at a time.

use crate::account::Use;
use crate::arena::{TapeArena, TAPE_ALIGN};
use crate::buffer::{Booked, Heap};
use crate::check::Bindings;
use crate::launch::{Arg, Extent, Launch};
use crate::manifest::{Manifest, Purpose};
use crate::memory::{DeviceBlock, DeviceMemory};
use crate::run::{execute, with_tape, Execute, RunError, RunReport, Site};
use std::sync::Arc;
use thiserror::Error;

/// What an augmented launch has left for its reverse launch.
#[derive(Debug)]
pub struct Tape<B> {
    block: Option<Booked<B>>,
    per_thread: u64,
    of: Arc<Manifest>,
    shape: Launch,
    /// The primal arguments.
    args: Vec<Arg>,
    /// The shadows that the augmented kernel took: pointers into them may be on the tape.
    shadows: Vec<(Purpose, Extent)>,
}

impl<B: DeviceBlock> Tape<B> {
    /// Bytes of all threads together.
    pub fn bytes(&self) -> u64 {
        self.block.as_ref().map_or(0, |b| b.block.bytes())
    }

    /// The shape of the launch that wrote it.
    pub fn shape(&self) -> Launch {
        self.shape
    }
}

/// Why a tape cannot be read by a launch.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum TapeProblem {
    #[error("the tape was not written by the augmented kernel of this program")]
    OtherProgram,
    #[error("it was not made as two kernels")]
    NotSplit,
    #[error("argument {index} (`{name}`) is not what it was when the tape was written")]
    OtherArgument { index: usize, name: String },
    #[error("{want} arguments when the tape was written, {got} now")]
    OtherCount { want: usize, got: usize },
    #[error("the shadow `{name}` lies elsewhere than when the tape was written")]
    OtherShadow { name: String },
}

/// Launches an augmented kernel. What the primal leaves in memory is there afterwards; the tape is the caller's to keep.
///
/// # Errors
/// Those of [`crate::run::launch`]. After an overflow there is no tape, so that nothing can be reversed.
///
/// # Safety
/// As [`Execute::execute`]: every extent is live memory of the device, and the kernel stays inside them.
pub unsafe fn augment<X: Execute>(
    device: &X,
    heap: &Heap<X::Memory>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    manifest: &Arc<Manifest>,
    shape: &Launch,
    bindings: &Bindings,
    budget: Option<u64>,
) -> Result<(Tape<<X::Memory as DeviceMemory>::Block>, RunReport), RunError<X::Error>> {
    if manifest.reverse.is_none() {
        return Err(foreign(manifest, TapeProblem::NotSplit));
    }
    let bindings = Bindings { tape: None, word: None, shared: shape.shared, ..bindings.clone() };
    let mut tape = Tape {
        block: None,
        per_thread: 0,
        of: manifest.clone(),
        shape: *shape,
        args: bindings.args.iter().map(|a| a.primal.clone()).collect(),
        shadows: shadows(manifest, &bindings),
    };
    let Some(spec) = &manifest.tape else {
        // SAFETY: the caller's promise.
        let kernel = unsafe { execute(device, arena, manifest, shape, &bindings)? };
        return Ok((tape, RunReport { kernel, ..RunReport::default() }));
    };
    let block = &mut tape.block;
    let mut take = |_: &mut _, bytes| {
        *block = None;
        let new = heap.block(Use::Tape, bytes, TAPE_ALIGN)?;
        Ok(block.insert(new).block.extent())
    };
    let site = Site { device, heap, manifest, spec, shape, budget };
    // SAFETY: the caller's promise; the tape is a live block of ours.
    let report = unsafe { with_tape(&site, arena, bindings, &mut take)? };
    tape.per_thread = report.tape_per_thread;
    Ok((tape, report))
}

/// Launches the reverse kernel on a tape. `bindings` are those of the augmented launch: the same primal arguments, with shadows.
///
/// # Errors
/// A tape of another program or of other arguments; those of [`crate::run::launch`].
///
/// # Safety
/// As [`augment`]. Memory that the manifest calls [`crate::Assumption::Kept`] has the contents that the augmented launch found.
pub unsafe fn reverse<X: Execute>(
    device: &X,
    heap: &Heap<X::Memory>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    manifest: &Arc<Manifest>,
    tape: &Tape<<X::Memory as DeviceMemory>::Block>,
    bindings: &Bindings,
) -> Result<RunReport, RunError<X::Error>> {
    let Some(reverse) = manifest.reverse.as_deref() else {
        return Err(foreign(manifest, TapeProblem::NotSplit));
    };
    belongs(manifest, reverse, tape, bindings).map_err(|p| foreign(reverse, p))?;
    let mut bindings = Bindings { tape: None, word: None, shared: tape.shape.shared, ..bindings.clone() };
    if let Some(block) = &tape.block {
        bindings.tape = Some((block.block.extent(), tape.per_thread));
        bindings.word = Some(arena.clear_word(heap)?);
    }
    // SAFETY: the caller's promise; the tape is live as long as its handle.
    let kernel = unsafe { execute(device, arena, reverse, &tape.shape, &bindings)? };
    let (tape_bytes, tape_per_thread) = (tape.bytes(), tape.per_thread);
    Ok(RunReport { kernel, tape_bytes, tape_per_thread, ..RunReport::default() })
}

fn foreign<E>(m: &Manifest, problem: TapeProblem) -> RunError<E> {
    RunError::Foreign { kernel: m.symbol.clone(), problem }
}

fn belongs<B>(
    manifest: &Arc<Manifest>,
    reverse: &Manifest,
    tape: &Tape<B>,
    bindings: &Bindings,
) -> Result<(), TapeProblem> {
    if !Arc::ptr_eq(manifest, &tape.of) {
        return Err(TapeProblem::OtherProgram);
    }
    let (want, got) = (tape.args.len(), bindings.args.len());
    if want != got {
        return Err(TapeProblem::OtherCount { want, got });
    }
    let name = |of: &dyn Fn(&Purpose) -> bool| {
        let spec = reverse.params.iter().find(|p| of(&p.purpose));
        spec.map_or_else(String::new, |p| p.name.clone())
    };
    for (index, (old, new)) in tape.args.iter().zip(&bindings.args).enumerate() {
        if *old != new.primal {
            let mine = |p: &Purpose| matches!(p, Purpose::Primal { index: i, .. } if *i as usize == index);
            return Err(TapeProblem::OtherArgument { index, name: name(&mine) });
        }
    }
    let new = shadows(manifest, bindings);
    match tape.shadows.iter().find(|s| !new.contains(s)) {
        Some((purpose, _)) => Err(TapeProblem::OtherShadow { name: name(&|p| p == purpose) }),
        None => Ok(()),
    }
}

/// The shadows that a kernel takes, of those that are bound.
fn shadows(m: &Manifest, bindings: &Bindings) -> Vec<(Purpose, Extent)> {
    let bound = |p: &Purpose| match p {
        Purpose::Shadow { of } => bindings.args.get(*of as usize)?.shadow,
        Purpose::GlobalShadow { name } => bindings.globals.iter().find(|(n, _)| n == name).map(|(_, e)| *e),
        _ => None,
    };
    m.params.iter().filter_map(|p| Some((p.purpose.clone(), bound(&p.purpose)?))).collect()
}

#[cfg(test)]
mod tests;
