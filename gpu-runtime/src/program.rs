//! Launches of generated kernels with all that belongs to them: memory with its account, tapes that are kept between
//! launches, the counting kernel, the status word. A program that ships artifacts needs no more than this module.

use crate::{Block, Device, Error, Module, Result, Stream};
use shadow_mem::{
    dynamic_shared_bytes, run, split, Bindings, Bytes, DeviceBlock, Extent, Heap, Launch, LaunchError,
    LaunchProblem, Manifest, RunError, RunReport, TapeArena,
};
use std::sync::{Arc, Mutex, MutexGuard};

/// A device with the account of its memory, and the tapes that its launches share one after the other.
#[derive(Clone, Debug)]
pub struct Context {
    device: Device,
    heap: Heap<Device>,
    arena: Arc<Mutex<TapeArena<Block>>>,
    tape_budget: Option<u64>,
}

impl Context {
    /// A context of its own on a device.
    pub fn new(device: Device) -> Context {
        let heap = Heap::new(device.clone());
        Context { device, heap, arena: Arc::default(), tape_budget: None }
    }

    /// The same context, refusing launches whose tape takes more than that many bytes.
    pub fn with_tape_budget(self, bytes: u64) -> Context {
        Context { tape_budget: Some(bytes), ..self }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Where buffers, pairs and records come from.
    pub fn heap(&self) -> &Heap<Device> {
        &self.heap
    }

    /// Bytes held on the device through this context, and the peak.
    pub fn bytes(&self) -> Bytes {
        self.heap.ledger.bytes()
    }

    /// Gives the memory of tapes back; the next launch takes what it needs anew.
    pub fn release_tapes(&self) {
        self.arena().release();
    }

    /// Loads the artifact of one kernel, which holds its counting and its reverse kernel too if there are any.
    pub fn load(&self, artifact: &[u8], manifest: &Manifest) -> Result<Program> {
        manifest.validate()?;
        let all: Vec<Manifest> = manifest.kernels().into_iter().cloned().collect();
        let module = self.device.load(artifact, &all)?;
        Ok(Program { context: self.clone(), module, manifest: Arc::new(manifest.clone()) })
    }

    fn arena(&self) -> MutexGuard<'_, TapeArena<Block>> {
        self.arena.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A generated kernel, loaded.
#[derive(Clone, Debug)]
pub struct Program {
    context: Context,
    module: Module,
    manifest: Arc<Manifest>,
}

impl Program {
    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The context that it was loaded in.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The memory of a module-level variable, to read and to set. Each loaded program has its own.
    pub fn global(&self, name: &str) -> Result<Block> {
        self.module.global(name)
    }

    /// Replaces the contents of a module-level variable; as many bytes as it has.
    pub fn set_global(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let block = self.global(name)?;
        if block.bytes() != bytes.len() as u64 {
            let (want, got) = (block.bytes() as usize, bytes.len());
            return Err(shadow_mem::MemoryError::Length { want, got }.into());
        }
        Ok(block.write(0, bytes)?)
    }

    /// Launches and waits. `bindings` are the primal arguments, in the primal's order, with their shadows, and the shadows of
    /// module-level variables; tape and status word are provided here. Launches of one context that need a tape wait for each other.
    ///
    /// # Safety
    /// 1. Every extent in `bindings` is live memory of this device. 2. The kernel stays inside them for this launch, as
    ///    it must on any device. 3. Nobody else uses that memory until the call returns.
    pub unsafe fn launch(
        &self,
        shape: &Launch,
        bindings: &Bindings,
    ) -> std::result::Result<RunReport, RunError<Error>> {
        let Context { heap, tape_budget, .. } = &self.context;
        let mut none = TapeArena::new();
        let mut shared = self.manifest.tape.as_ref().map(|_| self.context.arena());
        let arena = shared.as_deref_mut().unwrap_or(&mut none);
        // SAFETY: as promised by the caller.
        unsafe { run::launch(&self.module, heap, arena, &self.manifest, shape, bindings, *tape_budget) }
    }

    /// Queues a launch on a stream and returns; on the CPU device it is done then. For kernels without a tape: the size and the
    /// overflow of one are looked at when a launch is waited for.
    ///
    /// # Errors
    /// [`shadow_mem::LaunchProblem::NoTape`] for a kernel with a tape. What goes wrong in the kernel shows when the stream is waited for.
    ///
    /// # Safety
    /// As [`Program::launch`], until the stream is through with the launch.
    pub unsafe fn queue(&self, stream: &Stream, shape: &Launch, bindings: &Bindings) -> Result<()> {
        let bindings = Bindings { tape: None, word: None, shared: shape.shared, ..bindings.clone() };
        let args = bindings.arguments(&self.manifest)?;
        let shared =
            dynamic_shared_bytes(&self.manifest.params, shape.shared).ok_or_else(|| LaunchError {
                kernel: self.manifest.symbol.clone(),
                problem: LaunchProblem::SharedTooLarge(shape.shared),
            })?;
        let function = self.module.function(&self.manifest.symbol)?;
        // SAFETY: as promised by the caller.
        unsafe { function.queue(stream, &shape.with_shared(shared), &args) }
    }
}

/// What an augmented launch leaves for its reverse launch.
pub type Tape = shadow_mem::Tape<Block>;

/// Augmented and reverse kernel of one program.
impl Program {
    /// Launches the augmented kernel and waits. Memory then holds what the primal leaves there; the tape keeps its memory until it
    /// is dropped.
    ///
    /// # Safety
    /// As [`Program::launch`].
    pub unsafe fn augment(
        &self,
        shape: &Launch,
        bindings: &Bindings,
    ) -> std::result::Result<(Tape, RunReport), RunError<Error>> {
        let Context { heap, tape_budget, .. } = &self.context;
        let arena = &mut *self.context.arena();
        // SAFETY: as promised by the caller.
        unsafe { split::augment(&self.module, heap, arena, &self.manifest, shape, bindings, *tape_budget) }
    }

    /// Launches the reverse kernel on a tape of this program, with the arguments of the augmented launch, and waits.
    ///
    /// # Safety
    /// As [`Program::launch`]; and memory that the manifest calls [`shadow_mem::Assumption::Kept`] is as the augmented launch found it.
    pub unsafe fn reverse(
        &self,
        tape: &Tape,
        bindings: &Bindings,
    ) -> std::result::Result<RunReport, RunError<Error>> {
        let arena = &mut *self.context.arena();
        // SAFETY: as promised by the caller.
        unsafe { split::reverse(&self.module, &self.context.heap, arena, &self.manifest, tape, bindings) }
    }
}

/// The extent of a block, as an argument names it.
impl From<&Block> for Extent {
    fn from(b: &Block) -> Extent {
        b.extent()
    }
}
