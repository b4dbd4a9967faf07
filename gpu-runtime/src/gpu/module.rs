//! Loaded modules and their kernels.

use super::{GpuBlock, GpuDevice, GpuEvent, GpuStream, Inner};
use crate::artifact::elf;
use crate::device::LaunchReport;
use crate::driver::{CallError, Driver, KernelInfo};
use crate::{Error, Result};
use shadow_mem::{check_launch, Arg, Launch, LaunchError, LaunchProblem, Manifest};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// Threads along x, y, z of a grid at most, on every GPU.
const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65535, 65535];
const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
/// Dynamic shared memory that a kernel may have without asking.
const FREE_SHARED: u64 = 48 << 10;

/// A loaded artifact.
#[derive(Debug)]
pub struct GpuModule<D: Driver> {
    loaded: Arc<Loaded<D>>,
}

impl<D: Driver> Clone for GpuModule<D> {
    fn clone(&self) -> Self {
        GpuModule { loaded: self.loaded.clone() }
    }
}

#[derive(Debug)]
struct Loaded<D: Driver> {
    device: Arc<Inner<D>>,
    module: Option<D::Module>,
    manifests: Vec<Manifest>,
}

impl<D: Driver> Loaded<D> {
    fn module(&self) -> &D::Module {
        self.module.as_ref().expect("taken when dropped only")
    }
}

impl<D: Driver> Drop for Loaded<D> {
    fn drop(&mut self) {
        // Unloading needs the context to be current.
        let module = self.module.take();
        if let Err(e) = self.device.call(|| Ok(drop(module))) {
            tracing::warn!("a module is not unloaded: {e}");
        }
    }
}

impl<D: Driver> GpuModule<D> {
    pub(super) fn load(device: &GpuDevice<D>, artifact: &[u8], manifests: &[Manifest]) -> Result<Self> {
        let inner = device.inner.clone();
        let bad = |why: String| Error::BadArtifact(why);
        let family = inner.info.target.split(':').next().unwrap_or("");
        for m in manifests {
            if m.target.split(':').next() != Some(family) {
                return Err(bad(format!(
                    "its manifest says target `{}`, and this device takes `{family}`",
                    m.target
                )));
            }
        }
        D::check_image(artifact, &inner.info, manifests).map_err(bad)?;
        let mut image = artifact.to_vec();
        if !image.starts_with(elf::MAGIC) {
            // The driver reads text up to a NUL; one inside would hide the rest of it.
            image.retain(|&b| b != 0);
            image.push(0);
        }
        let module = inner.call(|| D::load(&image)).map_err(|e| match D::is_fatal(e.code) {
            true => Error::from(inner.late(e)),
            false => Error::Rejected { why: D::rejection(e.code), error: e },
        })?;
        let manifests = manifests.to_vec();
        Ok(GpuModule { loaded: Arc::new(Loaded { device: inner, module: Some(module), manifests }) })
    }

    /// The kernel with that symbol.
    pub fn function(&self, symbol: &str) -> Result<GpuFunction<D>> {
        let l = &self.loaded;
        let none = || Error::NoSuchKernel {
            wanted: symbol.into(),
            has: l.manifests.iter().map(|m| format!("`{}`", m.symbol)).collect::<Vec<_>>().join(", "),
        };
        let manifest = l.manifests.iter().find(|m| m.symbol == symbol).cloned().ok_or_else(none)?;
        let handle = l.device.call(|| D::function(l.module(), symbol))?.ok_or_else(|| {
            Error::BadArtifact(format!("its manifest describes kernel `{symbol}`, which it does not have"))
        })?;
        let info = l.device.call(|| D::kernel_info(handle))?;
        Ok(GpuFunction {
            loaded: l.clone(),
            manifest: Arc::new(manifest),
            handle,
            info,
            allowed: Arc::new(AtomicU32::new(0)),
        })
    }

    /// The memory of a variable.
    pub fn global(&self, name: &str) -> Result<GpuBlock<D>> {
        let l = &self.loaded;
        let found = l.device.call(|| D::global(l.module(), name))?;
        let (at, bytes) = found.ok_or_else(|| Error::NoSuchGlobal(name.into()))?;
        Ok(GpuBlock::part_of(&l.device, at, bytes, l.clone()))
    }
}

/// A kernel that can be launched.
#[derive(Debug)]
pub struct GpuFunction<D: Driver> {
    loaded: Arc<Loaded<D>>,
    manifest: Arc<Manifest>,
    handle: u64,
    info: KernelInfo,
    /// Dynamic shared memory that it was given leave for.
    allowed: Arc<AtomicU32>,
}

impl<D: Driver> Clone for GpuFunction<D> {
    fn clone(&self) -> Self {
        GpuFunction {
            loaded: self.loaded.clone(),
            manifest: self.manifest.clone(),
            handle: self.handle,
            info: self.info,
            allowed: self.allowed.clone(),
        }
    }
}

impl<D: Driver> GpuFunction<D> {
    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it takes of the device.
    pub fn info(&self) -> KernelInfo {
        self.info
    }

    /// Checks, queues on a stream, and returns; the kernel may run on.
    ///
    /// # Safety
    /// As [`crate::Function::launch`], until the stream is through with the launch.
    pub unsafe fn queue(&self, stream: &GpuStream<D>, launch: &Launch, args: &[Arg]) -> Result<()> {
        let device = &self.loaded.device;
        check_launch(&self.manifest, launch, args)?;
        self.check_limits(launch)?;
        if !device.info.host_memory {
            self.check_reach(args)?;
        }
        let bytes: Vec<Vec<u8>> = args.iter().map(Arg::to_bytes).collect();
        // Words, so that every parameter is aligned as its type may ask.
        let mut words: Vec<Vec<u128>> = bytes.iter().map(|b| vec![0; b.len().div_ceil(16).max(1)]).collect();
        for (to, from) in words.iter_mut().zip(&bytes) {
            bytemuck::cast_slice_mut::<u128, u8>(to)[..from.len()].copy_from_slice(from);
        }
        let mut params: Vec<*mut c_void> = words.iter_mut().map(|w| w.as_mut_ptr().cast()).collect();
        let (f, on) = (self.handle, stream.raw());
        let blame = |e: CallError| CallError { kernel: Some(self.manifest.symbol.clone()), ..e };
        device
            .call(|| {
                if u64::from(launch.shared) + self.info.static_shared > FREE_SHARED
                    && self.allowed.load(Ordering::Relaxed) < launch.shared
                {
                    D::allow_shared(f, launch.shared)?;
                    self.allowed.store(launch.shared, Ordering::Relaxed);
                }
                // SAFETY: one pointer for each parameter of the manifest, of its size; memory is the caller's promise.
                unsafe { D::launch(f, launch.grid, launch.block, launch.shared, on, &mut params) }
            })
            .map_err(|e| if D::is_fatal(e.code) { device.late(e) } else { blame(e) })?;
        device.launched(&self.manifest.symbol);
        Ok(())
    }

    /// Checks, launches on the default stream, and waits. The time is that between two events around the kernel.
    ///
    /// # Safety
    /// As [`crate::Function::launch`].
    pub unsafe fn launch(&self, launch: &Launch, args: &[Arg]) -> Result<LaunchReport> {
        let device = &self.loaded.device;
        let stream = GpuStream::default_of(device);
        let (start, end) = (GpuEvent::of(device)?, GpuEvent::of(device)?);
        start.record(&stream)?;
        // SAFETY: as promised by the caller.
        unsafe { self.queue(&stream, launch, args)? };
        let of_this =
            |e: CallError| CallError { kernel: Some(self.manifest.symbol.clone()), earlier: false, ..e };
        // A launch that failed at once shows at the next call, whatever it is.
        end.record(&stream).and_then(|()| end.synchronize()).map_err(|e| match e {
            Error::Call(e) => Error::Call(of_this(e)),
            other => other,
        })?;
        Ok(LaunchReport { time: end.since(&start)?, private_bytes: 0 })
    }

    /// Refuses pointers that the driver does not know, by the first and the last byte of what they are said to reach.
    fn check_reach(&self, args: &[Arg]) -> Result<()> {
        let device = &self.loaded.device;
        for (index, (a, p)) in args.iter().zip(&self.manifest.params).enumerate() {
            for e in a.extents().into_iter().filter(|e| e.bytes > 0 && e.address != 0) {
                for address in [e.address, e.address.saturating_add(e.bytes - 1)] {
                    if !device.call(|| D::reaches(address))? {
                        let problem = LaunchProblem::NotOnDevice { index, name: p.name.clone(), address };
                        return Err(LaunchError { kernel: self.manifest.symbol.clone(), problem }.into());
                    }
                }
            }
        }
        Ok(())
    }

    fn check_limits(&self, launch: &Launch) -> Result<()> {
        let info = &self.loaded.device.info;
        let too_large = |what: &str, limit: u64, got: u128| Error::TooLarge {
            kernel: self.manifest.symbol.clone(),
            what: what.into(),
            limit,
            got,
        };
        for (i, axis) in ["x", "y", "z"].iter().enumerate() {
            if launch.grid[i] > MAX_GRID[i] {
                return Err(too_large(
                    &format!("blocks along {axis}"),
                    MAX_GRID[i].into(),
                    launch.grid[i].into(),
                ));
            }
            if launch.block[i] > MAX_BLOCK[i] {
                return Err(too_large(
                    &format!("threads along {axis}"),
                    MAX_BLOCK[i].into(),
                    launch.block[i].into(),
                ));
            }
        }
        let most = info.max_threads_per_block.min(self.info.max_threads.max(1));
        if launch.threads_per_block() > most.into() {
            return Err(too_large("threads in a block", most.into(), launch.threads_per_block()));
        }
        let shared = u128::from(launch.shared) + u128::from(self.info.static_shared);
        if shared > info.max_shared_bytes.into() {
            return Err(too_large("bytes of shared memory in a block", info.max_shared_bytes, shared));
        }
        Ok(())
    }
}
