//! One worker: the memory that its blocks use one after the other.

use super::module::Code;
use super::printf::Message;
use shadow_mem::host::{BlockContext, HOST_ALIGN};
use shadow_mem::{DeviceBlock, DeviceMemory, HostBlock, HostMemory, Launch, MemoryError};

/// What a trapped thread left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TrapRecord {
    /// Linear index of the thread in its block.
    pub thread: u32,
    /// Number of the site.
    pub site: u32,
    /// What it said.
    pub message: String,
}

/// What imported functions reach through [`BlockContext::worker`].
#[derive(Debug, Default)]
pub(super) struct WorkerData {
    /// Output of the current block.
    pub output: Vec<u8>,
    /// What the running thread is about to print.
    pub message: Message,
    /// The first thread that trapped in the current block.
    pub trap: Option<TrapRecord>,
}

/// A worker's memory. The context points into the rest, which therefore never moves.
pub(super) struct Worker {
    pub ctx: BlockContext,
    pub data: Box<WorkerData>,
    pub next: Vec<u32>,
    params: Vec<u64>,
    _shared: HostBlock,
    _slots: HostBlock,
    _locals: HostBlock,
}

impl Worker {
    /// Memory for the blocks of a launch.
    pub fn new(
        code: &Code,
        launch: &Launch,
        params: &[u8],
        id: u32,
        workers: u32,
    ) -> Result<Worker, MemoryError> {
        let k = &code.kernel;
        let threads = launch.threads_per_block() as u32;
        let stride = u64::from(threads).next_multiple_of(64);
        let total_shared = k.dynamic_offset.max(k.static_shared) + u64::from(launch.shared);
        // A vectorised region may read a little beyond the last thread's element.
        let shared = HostMemory.allocate(total_shared + HOST_ALIGN, HOST_ALIGN)?;
        let slots = HostMemory.allocate(k.slot_bytes * stride + HOST_ALIGN, HOST_ALIGN)?;
        let locals = HostMemory.allocate(k.local_bytes * stride + HOST_ALIGN, HOST_ALIGN)?;
        let mut next = vec![0u32; stride as usize];
        let mut area = vec![0u64; params.len().div_ceil(8).max(1)];
        bytemuck::cast_slice_mut::<u64, u8>(&mut area)[..params.len()].copy_from_slice(params);
        let mut data = Box::<WorkerData>::default();
        let ctx = BlockContext {
            params: area.as_ptr().cast(),
            slots: slots.address() as *mut u8,
            stride,
            next: next.as_mut_ptr(),
            locals: locals.address() as *mut u8,
            shared: shared.address() as *mut u8,
            worker: (&mut *data as *mut WorkerData).cast(),
            tape_first: 0,
            block_id: [0; 3],
            block_dim: launch.block,
            grid_dim: launch.grid,
            threads,
            dynamic_shared: launch.shared,
            total_shared: total_shared as u32,
            worker_id: id,
            workers,
        };
        Ok(Worker { ctx, data, next, params: area, _shared: shared, _slots: slots, _locals: locals })
    }

    /// Replaces the parameter area.
    pub fn set_param(&mut self, offset: u64, bytes: &[u8]) {
        let area: &mut [u8] = bytemuck::cast_slice_mut(&mut self.params);
        area[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        self.ctx.params = self.params.as_ptr().cast();
    }

    /// Makes the memory ready for the block of that index.
    pub fn enter(&mut self, block: u64) {
        let [gx, gy, _] = self.ctx.grid_dim.map(u64::from);
        self.ctx.block_id = [(block % gx) as u32, (block / gx % gy) as u32, (block / gx / gy) as u32];
        self.data.trap = None;
        self.data.output.clear();
        self.ctx.worker = (&mut *self.data as *mut WorkerData).cast();
        self.ctx.next = self.next.as_mut_ptr();
    }
}
