//! One launch of a generated kernel, with all that belongs to it: the tape's size, the counting kernel before it, the
//! tape's memory, the arguments and their checks, the status word after it.

use crate::account::Use;
use crate::arena::{TapeArena, TapeError, TapeSize};
use crate::buffer::{Booked, Heap};
use crate::check::{check_launch, Bindings, LaunchError, LaunchProblem};
use crate::launch::{Arg, Extent, Launch};
use crate::manifest::{dynamic_shared_bytes, Manifest, Purpose, TapeLayout, TapeSpec};
use crate::memory::{DeviceBlock, DeviceMemory, MemoryError};
use crate::split::TapeProblem;
use std::time::Duration;
use thiserror::Error;

/// What launches kernels: a device with loaded artifacts.
pub trait Execute {
    /// The memory that its kernels work on.
    type Memory: DeviceMemory;
    /// What can go wrong.
    type Error;

    /// Runs a kernel to its end and says how long it ran on the device. The arguments fit the manifest.
    ///
    /// # Safety
    /// Every extent in `args` is live memory of the device, and the kernel stays inside them.
    unsafe fn execute(
        &self,
        kernel: &Manifest,
        launch: &Launch,
        args: &[Arg],
    ) -> Result<Duration, Self::Error>;

    /// How many threads hold a tape at the same time in a launch with [`TapeLayout::Reused`].
    fn tape_parts(&self, kernel: &Manifest, launch: &Launch) -> u64;
}

/// Why a launch failed.
#[derive(Debug, Error)]
pub enum RunError<E> {
    /// It does not fit the manifest.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The tape cannot be had.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// A transfer failed.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A thread needed more tape than it had; shadows and outputs are not valid.
    #[error("kernel `{kernel}`: a thread needed {wanted} bytes of tape and had {capacity}")]
    Overflow {
        /// The kernel's symbol.
        kernel: String,
        /// Bytes that some thread wanted.
        wanted: u64,
        /// Bytes that each thread had.
        capacity: u64,
    },
    /// The counting kernel gave a number that cannot be.
    #[error("kernel `{kernel}` counted {got} bytes of tape")]
    Count {
        /// The counting kernel's symbol.
        kernel: String,
        /// What it counted.
        got: i64,
    },
    /// The tape is not what the reverse kernel is to read.
    #[error("kernel `{kernel}`: {problem}")]
    Foreign {
        /// The reverse kernel's symbol.
        kernel: String,
        /// What does not fit.
        problem: TapeProblem,
    },
    /// The device failed.
    #[error(transparent)]
    Device(E),
}

/// What a launch took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RunReport {
    /// Time of the kernel on the device.
    pub kernel: Duration,
    /// Time of the counting kernel before it, if there was one.
    pub count: Duration,
    /// Bytes of tape of all threads together.
    pub tape_bytes: u64,
    /// Bytes of tape per thread.
    pub tape_per_thread: u64,
}

/// Launches a kernel with the arguments of its primal and their shadows; `bindings` holds those, and its tape and word are
/// filled in here. `budget` is the most that the tape may take, in bytes.
///
/// # Safety
/// As [`Execute::execute`]: every extent is live memory of the device, and the kernel stays inside them.
pub unsafe fn launch<X: Execute>(
    device: &X,
    heap: &Heap<X::Memory>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    manifest: &Manifest,
    shape: &Launch,
    bindings: &Bindings,
    budget: Option<u64>,
) -> Result<RunReport, RunError<X::Error>> {
    let mut bindings = Bindings { tape: None, word: None, shared: shape.shared, ..bindings.clone() };
    let mut report = RunReport::default();
    if let Some(tape) = &manifest.tape {
        // SAFETY: the caller's promise covers the counting kernel, which touches no more than the gradient.
        let (size, time) =
            unsafe { size(device, heap, arena, manifest, tape, shape, &mut bindings, budget)? };
        bindings.tape = Some((arena.reserve(heap, size.total)?, size.per_thread));
        bindings.word = Some(arena.clear_word(heap)?);
        report = RunReport {
            count: time,
            tape_bytes: size.total,
            tape_per_thread: size.per_thread,
            ..RunReport::default()
        };
    }
    // SAFETY: the caller's promise; tape and word are live blocks of the arena.
    report.kernel = unsafe { execute(device, arena, manifest, shape, &bindings)? };
    Ok(report)
}

/// Runs a kernel with all its arguments, and looks at the status word if it has a tape.
///
/// # Safety
/// As [`launch`]; tape and word in `bindings` are live memory too.
pub(crate) unsafe fn execute<X: Execute>(
    device: &X,
    arena: &TapeArena<<X::Memory as DeviceMemory>::Block>,
    manifest: &Manifest,
    shape: &Launch,
    bindings: &Bindings,
) -> Result<Duration, RunError<X::Error>> {
    let args = bindings.arguments(manifest)?;
    check_launch(manifest, shape, &args)?;
    let shared = dynamic_shared_bytes(&manifest.params, shape.shared)
        .ok_or_else(|| manifest.refuse(LaunchProblem::SharedTooLarge(shape.shared)))?;
    let shape = &shape.with_shared(shared);
    // SAFETY: the caller's promise.
    let time = unsafe { device.execute(manifest, shape, &args) }.map_err(RunError::Device)?;
    if let Some((_, capacity)) = bindings.tape.filter(|_| manifest.tape.is_some()) {
        let wanted = arena.word()?;
        if wanted != 0 {
            let kernel = manifest.symbol.clone();
            return Err(RunError::Overflow { kernel, wanted: wanted as u64, capacity });
        }
    }
    Ok(time)
}

/// The size of the tape, by formula or by the counting kernel, which leaves no trace, and what the latter took.
///
/// # Safety
/// As [`launch`].
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn size<X: Execute>(
    device: &X,
    heap: &Heap<X::Memory>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    manifest: &Manifest,
    tape: &TapeSpec,
    shape: &Launch,
    bindings: &mut Bindings,
    budget: Option<u64>,
) -> Result<(TapeSize, Duration), RunError<X::Error>> {
    // The shape is checked first: a formula over a launch that is refused anyway may give anything.
    check_shape_only(manifest, shape)?;
    let (bytes, time) = match (&tape.bytes_per_thread, &tape.counter) {
        (Some(formula), _) => {
            let bytes = formula
                .eval_bytes(shape, &|p| bindings.int_param(p))
                .map_err(|e| LaunchError { kernel: manifest.symbol.clone(), problem: e.into() })?;
            (bytes, Duration::ZERO)
        }
        // SAFETY: the caller's promise.
        (None, Some(counter)) => unsafe { count(device, heap, arena, counter, shape, bindings)? },
        (None, None) => (0, Duration::ZERO),
    };
    let size = tape_size(device, manifest, tape, bytes, shape)?;
    match budget.filter(|&b| size.total > b) {
        Some(budget) => Err(TapeError::OverBudget { need: size.total, budget }.into()),
        None => Ok((size, time)),
    }
}

fn check_shape_only<E>(m: &Manifest, shape: &Launch) -> Result<(), RunError<E>> {
    if shape.blocks() == 0 || shape.threads_per_block() == 0 || shape.threads().is_none() {
        let (grid, block) = (shape.grid, shape.block);
        let problem = match shape.threads() {
            None => LaunchProblem::TooManyThreads { grid, block },
            Some(_) => LaunchProblem::Empty { grid, block },
        };
        return Err(LaunchError { kernel: m.symbol.clone(), problem }.into());
    }
    Ok(())
}

fn tape_size<X: Execute>(
    device: &X,
    manifest: &Manifest,
    tape: &TapeSpec,
    bytes: u64,
    shape: &Launch,
) -> Result<TapeSize, TapeError> {
    let parts = match tape.layout {
        TapeLayout::Reused => device.tape_parts(manifest, shape),
        TapeLayout::Interleaved | TapeLayout::Contiguous => 0,
    };
    tape.size(bytes, shape, parts)
}

/// Runs the counting kernel: the tape bytes that the neediest thread will want. What it writes is put back.
///
/// # Safety
/// As [`launch`].
unsafe fn count<X: Execute>(
    device: &X,
    heap: &Heap<X::Memory>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    counter: &Manifest,
    shape: &Launch,
    bindings: &mut Bindings,
) -> Result<(u64, Duration), RunError<X::Error>> {
    bindings.word = Some(arena.clear_word(heap)?);
    let args = bindings.arguments(counter)?;
    check_launch(counter, shape, &args)?;
    let mut saved: Vec<(Booked<_>, Extent)> = Vec::new();
    for (_, arg) in counter.params.iter().zip(&args).filter(|(p, _)| p.written && is_primal(&p.purpose)) {
        for extent in arg.extents() {
            if extent.bytes == 0 || saved.iter().any(|(_, e)| *e == extent) {
                continue;
            }
            let copy = heap.block(Use::Scratch, extent.bytes, 16)?;
            // SAFETY: the extent is live by the caller's promise, and the copy is new memory.
            unsafe { copy.block.save(extent)? };
            saved.push((copy, extent));
        }
    }
    // SAFETY: the caller's promise; the word is a live block of the arena.
    let ran = unsafe { device.execute(counter, shape, &args) };
    for (copy, extent) in &saved {
        // SAFETY: as above. Restored also when the kernel failed: it must look as if it had not run.
        unsafe { copy.block.restore(*extent)? };
    }
    let time = ran.map_err(RunError::Device)?;
    let got = arena.word()?;
    let bytes = u64::try_from(got).map_err(|_| RunError::Count { kernel: counter.symbol.clone(), got })?;
    Ok((bytes, time))
}

fn is_primal(p: &Purpose) -> bool {
    matches!(p, Purpose::Primal { .. })
}

#[cfg(test)]
mod tests;
