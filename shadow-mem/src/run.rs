//! One launch of a generated kernel, with all that belongs to it: the tape's size, the counting kernel before it, the
//! tape's memory, the arguments and their checks, the status word after it.

use crate::arena::{TapeArena, TapeError, TapeSize};
use crate::buffer::Heap;
use crate::check::{check_launch, Bindings, LaunchError, LaunchProblem};
use crate::copies::Copies;
use crate::launch::{Arg, Extent, Launch};
use crate::manifest::{dynamic_shared_bytes, Manifest, TapeLayout, TapeSpec};
use crate::memory::{DeviceMemory, MemoryError};
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
    /// How often the launch found the tape too short, was undone and was made again ([`TapeSpec::varies`]).
    pub repeats: u32,
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
    let bindings = Bindings { tape: None, word: None, shared: shape.shared, ..bindings.clone() };
    if let Some(spec) = &manifest.tape {
        let site = Site { device, heap, manifest, spec, shape, budget };
        // SAFETY: the caller's promise.
        return unsafe { with_tape(&site, arena, bindings, &mut |arena, n| arena.reserve(heap, n)) };
    }
    // SAFETY: the caller's promise.
    let kernel = unsafe { execute(device, arena, manifest, shape, &bindings)? };
    Ok(RunReport { kernel, ..RunReport::default() })
}

/// A launch that writes a tape.
pub(crate) struct Site<'a, X: Execute> {
    pub device: &'a X,
    pub heap: &'a Heap<X::Memory>,
    pub manifest: &'a Manifest,
    pub spec: &'a TapeSpec,
    pub shape: &'a Launch,
    pub budget: Option<u64>,
}

/// What gives memory for a tape of so many bytes.
pub(crate) type TakeTape<'a, B> = dyn FnMut(&mut TapeArena<B>, u64) -> Result<Extent, MemoryError> + 'a;

/// Sizes the tape, takes memory for it and runs the kernel. Where the order of threads decides how much tape they need, a launch
/// that found it too short is undone and repeated with more.
///
/// # Safety
/// As [`launch`]; what `take` gives is live memory until the kernel has run.
pub(crate) unsafe fn with_tape<X: Execute>(
    site: &Site<'_, X>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    mut bindings: Bindings,
    take: &mut TakeTape<'_, <X::Memory as DeviceMemory>::Block>,
) -> Result<RunReport, RunError<X::Error>> {
    // SAFETY: the caller's promise covers the counting kernel, which touches no more than the gradient.
    let (mut bytes, count) = unsafe { need(site, arena, &mut bindings)? };
    let mut copies = None;
    for repeats in 0.. {
        let size = site.size(bytes)?;
        bindings.tape = Some((take(arena, size.total)?, size.per_thread));
        bindings.word = Some(arena.clear_word(site.heap)?);
        if site.spec.varies && copies.is_none() {
            let args = bindings.arguments(site.manifest)?;
            check_launch(site.manifest, site.shape, &args)?;
            // Without room for copies the launch can be tried all the same; an overflow is an error then.
            // SAFETY: the caller's promise.
            copies = match unsafe { Copies::of(site.heap, site.manifest, &args) } {
                Err(MemoryError::OutOfMemory { .. }) => None,
                made => Some(made?),
            };
        }
        // SAFETY: the caller's promise; tape and word are live.
        let ran = unsafe { execute(site.device, arena, site.manifest, site.shape, &bindings) };
        match (ran, &copies) {
            (Err(RunError::Overflow { wanted, capacity, .. }), Some(copies)) => {
                // SAFETY: as above.
                unsafe { copies.put_back()? };
                // The next run may give still more work to one thread: doubling ends at the budget, or where memory does.
                bytes = wanted.max(capacity.saturating_mul(2));
            }
            (ran, _) => {
                let (tape_bytes, tape_per_thread) = (size.total, size.per_thread);
                return Ok(RunReport { kernel: ran?, count, tape_bytes, tape_per_thread, repeats });
            }
        }
    }
    unreachable!("the loop ends by returning")
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
    let ran = unsafe { device.execute(manifest, shape, &args) }.map_err(RunError::Device);
    if let Some((_, capacity)) = bindings.tape.filter(|_| manifest.tape.is_some()) {
        // Threads without tape end early; that others wait for them in vain says less than the word. A device that has failed
        // altogether gives no word.
        let wanted = match (arena.word(), &ran) {
            (Err(_), Err(_)) => 0,
            (word, _) => word?,
        };
        if wanted != 0 {
            let kernel = manifest.symbol.clone();
            return Err(RunError::Overflow { kernel, wanted: wanted as u64, capacity });
        }
    }
    ran
}

/// Bytes of tape per thread, by formula or by the counting kernel, which leaves no trace, and what the latter took.
///
/// # Safety
/// As [`launch`].
unsafe fn need<X: Execute>(
    site: &Site<'_, X>,
    arena: &mut TapeArena<<X::Memory as DeviceMemory>::Block>,
    bindings: &mut Bindings,
) -> Result<(u64, Duration), RunError<X::Error>> {
    // The shape is checked first: a formula over a launch that is refused anyway may give anything.
    check_shape_only(site.manifest, site.shape)?;
    match (&site.spec.bytes_per_thread, &site.spec.counter) {
        (Some(formula), _) => {
            let bytes = formula
                .eval_bytes(site.shape, &|p| bindings.int_param(p))
                .map_err(|e| LaunchError { kernel: site.manifest.symbol.clone(), problem: e.into() })?;
            Ok((bytes, Duration::ZERO))
        }
        // SAFETY: the caller's promise.
        (None, Some(counter)) => unsafe {
            count(site.device, site.heap, arena, counter, site.shape, bindings)
        },
        (None, None) => Ok((0, Duration::ZERO)),
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

impl<X: Execute> Site<'_, X> {
    /// The size of a tape of so many bytes per thread, if the budget allows it.
    fn size(&self, bytes: u64) -> Result<TapeSize, TapeError> {
        let parts = match self.spec.layout {
            TapeLayout::Reused => self.device.tape_parts(self.manifest, self.shape),
            TapeLayout::Interleaved | TapeLayout::Contiguous => 0,
        };
        let size = self.spec.size(bytes, self.shape, parts)?;
        match self.budget.filter(|&b| size.total > b) {
            Some(budget) => Err(TapeError::OverBudget { need: size.total, budget }),
            None => Ok(size),
        }
    }
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
    // SAFETY: the caller's promise.
    let copies = unsafe { Copies::of(heap, counter, &args)? };
    // SAFETY: the caller's promise; the word is a live block of the arena.
    let ran = unsafe { device.execute(counter, shape, &args) };
    // SAFETY: as above. Put back also when the kernel failed: it must look as if it had not run.
    unsafe { copies.put_back()? };
    let time = ran.map_err(RunError::Device)?;
    let got = arena.word()?;
    let bytes = u64::try_from(got).map_err(|_| RunError::Count { kernel: counter.symbol.clone(), got })?;
    Ok((bytes, time))
}

#[cfg(test)]
mod tests;
