//! The built-in CPU device: runs host artifacts, as [`shadow_mem::host`] describes them.
//!
//! Blocks are spread over workers; within a block the scheduler runs regions for all threads at once as long as they agree, and for
//! ranges of threads when they do not. Barriers and warp operations are carried out between regions.

mod barrier;
mod block;
mod features;
mod launch;
mod module;
mod printf;
mod private;
mod rounding;
mod support;
mod warp;
mod worker;

pub use module::{CpuFunction, CpuModule};

use crate::device::{DeviceInfo, DeviceKind};
use crate::Result;
use shadow_mem::{DeviceBlock, DeviceMemory, Extent, HostBlock, HostMemory, Manifest, MemoryError};
use std::sync::{Arc, Mutex};

/// Threads per block at most, as on GPUs.
pub const MAX_THREADS_PER_BLOCK: u32 = 1024;
/// Shared memory per block at most, in bytes: the most that a GPU of today has.
pub const MAX_SHARED_BYTES: u64 = 228 * 1024;

/// Where the output of `printf` in kernels goes.
#[derive(Clone, Debug, Default)]
pub enum Output {
    /// Standard output of the process.
    #[default]
    Stdout,
    /// A buffer that the caller reads.
    Buffer(Arc<Mutex<Vec<u8>>>),
}

/// Choices for the CPU device.
#[derive(Clone, Debug)]
pub struct CpuOptions {
    /// Threads of the host that run blocks; 0 for as many as `KERNEL_AD_THREADS` says, or as there are cores.
    pub workers: usize,
    /// Most bytes that a launch may use for private copies of shadow buffers.
    pub private_budget: u64,
    /// Where `printf` goes.
    pub output: Output,
}

impl Default for CpuOptions {
    fn default() -> Self {
        CpuOptions { workers: 0, private_budget: 256 << 20, output: Output::Stdout }
    }
}

/// The CPU device. Clones share its threads.
#[derive(Clone, Debug)]
pub struct CpuDevice {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pool: Option<rayon::ThreadPool>,
    workers: usize,
    options: CpuOptions,
    /// Memory for private copies of shadows, all zero, kept from launch to launch.
    copies: private::Pool,
}

impl CpuDevice {
    /// A device with its own threads.
    pub fn new(options: CpuOptions) -> CpuDevice {
        let wanted = match options.workers {
            0 => std::env::var("KERNEL_AD_THREADS")
                .ok()
                .and_then(|s| s.parse().ok())
                .filter(|&n: &usize| n > 0)
                .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
                .unwrap_or(1),
            n => n,
        };
        // One worker needs no pool: blocks run on the caller's thread. Without threads to be had, one worker must do.
        let pool = (wanted > 1).then(|| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(wanted)
                .thread_name(|i| format!("kernel-ad cpu {i}"))
                .build()
        });
        let pool = pool.and_then(|built| {
            built.map_err(|e| tracing::warn!("the CPU device runs on one thread: {e}")).ok()
        });
        let workers = pool.as_ref().map_or(1, |_| wanted);
        CpuDevice { inner: Arc::new(Inner { pool, workers, options, copies: Default::default() }) }
    }

    /// What the device is.
    pub fn info(&self) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Cpu,
            name: format!("CPU device, {} workers", self.inner.workers),
            target: "host".into(),
            max_threads_per_block: MAX_THREADS_PER_BLOCK,
            max_shared_bytes: MAX_SHARED_BYTES,
            multiprocessors: self.inner.workers as u32,
            processor: String::new(),
            warp_size: 0,
            memory_bytes: 0,
            host_memory: true,
            driver: "built in".into(),
            driver_version: None,
        }
    }

    /// Threads of the host that run blocks.
    pub fn workers(&self) -> usize {
        self.inner.workers
    }

    /// Loads a host artifact.
    pub fn load(&self, artifact: &[u8], manifests: &[Manifest]) -> Result<CpuModule> {
        CpuModule::load(self.inner.clone(), artifact, manifests)
    }
}

impl DeviceMemory for CpuDevice {
    type Block = CpuBlock;

    fn allocate(&self, bytes: u64, align: u64) -> std::result::Result<CpuBlock, MemoryError> {
        Ok(CpuBlock::Owned(HostMemory.allocate(bytes, align)?))
    }
}

/// Memory of the CPU device.
#[derive(Debug)]
pub enum CpuBlock {
    /// Allocated.
    Owned(HostBlock),
    /// A variable of a loaded module.
    Variable(module::Variable),
}

impl CpuBlock {
    fn part(&self, offset: u64, len: u64) -> std::result::Result<*mut u8, MemoryError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.bytes() => Ok((self.address() + offset) as *mut u8),
            _ => Err(MemoryError::OutOfBounds { offset, len, size: self.bytes() }),
        }
    }
}

impl DeviceBlock for CpuBlock {
    fn address(&self) -> u64 {
        match self {
            CpuBlock::Owned(b) => b.address(),
            CpuBlock::Variable(v) => v.address(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            CpuBlock::Owned(b) => b.bytes(),
            CpuBlock::Variable(v) => v.bytes(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::result::Result<(), MemoryError> {
        let at = self.part(offset, data.len() as u64)?;
        // SAFETY: `at` has room for the data, and no reference into device memory exists.
        unsafe { at.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Ok(())
    }

    fn read(&self, offset: u64, data: &mut [u8]) -> std::result::Result<(), MemoryError> {
        let at = self.part(offset, data.len() as u64)?;
        // SAFETY: as in `write`.
        unsafe { data.as_mut_ptr().copy_from_nonoverlapping(at, data.len()) };
        Ok(())
    }

    fn zero(&self, offset: u64, bytes: u64) -> std::result::Result<(), MemoryError> {
        let at = self.part(offset, bytes)?;
        // SAFETY: `at` has room for that many bytes.
        unsafe { at.write_bytes(0, bytes as usize) };
        Ok(())
    }

    fn copy_from(
        &self,
        offset: u64,
        src: &Self,
        src_offset: u64,
        bytes: u64,
    ) -> std::result::Result<(), MemoryError> {
        let (to, from) = (self.part(offset, bytes)?, src.part(src_offset, bytes)?);
        // SAFETY: both have that many bytes; `copy` allows overlap.
        unsafe { to.copy_from(from, bytes as usize) };
        Ok(())
    }

    unsafe fn save(&self, src: Extent) -> std::result::Result<(), MemoryError> {
        let to = self.part(0, src.bytes)?;
        // SAFETY: the caller vouches for the source; the block is large enough and apart from it.
        unsafe { to.copy_from_nonoverlapping(src.address as *const u8, src.bytes as usize) };
        Ok(())
    }

    unsafe fn restore(&self, dst: Extent) -> std::result::Result<(), MemoryError> {
        let from = self.part(0, dst.bytes)?;
        // SAFETY: the caller vouches for the destination; the block is large enough and apart from it.
        unsafe { from.copy_to_nonoverlapping(dst.address as *mut u8, dst.bytes as usize) };
        Ok(())
    }
}
