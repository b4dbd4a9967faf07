//! One interface to every device.

use crate::cpu::{CpuDevice, CpuFunction, CpuModule, CpuOptions};
#[cfg(feature = "cuda")]
use crate::cuda::{Cuda, CudaContext};
#[cfg(any(feature = "cuda", feature = "hip"))]
use crate::gpu::{GpuBlock, GpuDevice, GpuFunction, GpuModule};
#[cfg(feature = "hip")]
use crate::hip::Hip;
use crate::{Error, Result};
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Execute, Extent, Launch, Manifest, MemoryError};
use std::time::Duration;

/// Names the device that `auto` means.
pub const DEVICE_VARIABLE: &str = "KERNEL_AD_DEVICE";

/// Calls the same method of whichever device it is.
macro_rules! each {
    ($value:expr, $type:ident($x:ident) => $call:expr) => {
        match $value {
            $type::Cpu($x) => $call,
            #[cfg(feature = "cuda")]
            $type::Cuda($x) => $call,
            #[cfg(feature = "hip")]
            $type::Hip($x) => $call,
        }
    };
}

/// The same, wrapping the result as the same kind.
macro_rules! wrap {
    ($value:expr, $type:ident($x:ident) => $to:ident($call:expr)) => {
        match $value {
            $type::Cpu($x) => $to::Cpu($call),
            #[cfg(feature = "cuda")]
            $type::Cuda($x) => $to::Cuda($call),
            #[cfg(feature = "hip")]
            $type::Hip($x) => $to::Hip($call),
        }
    };
}

/// Kinds of device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeviceKind {
    /// The built-in CPU device.
    Cpu,
    /// NVIDIA, through the CUDA driver.
    Cuda,
    /// AMD, through HIP.
    Hip,
}

impl DeviceKind {
    /// Its name, as [`Device::open`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::Hip => "hip",
        }
    }
}

/// What a device is and allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// Kind.
    pub kind: DeviceKind,
    /// Name, for people.
    pub name: String,
    /// The target to compile for: `host`, `nvptx:sm_90`, `amdgpu:gfx90a:sramecc+:xnack-`.
    pub target: String,
    /// The processor: `sm_90`, `gfx90a`; empty when it is not known.
    pub processor: String,
    /// Threads per block at most.
    pub max_threads_per_block: u32,
    /// Shared memory per block at most, in bytes.
    pub max_shared_bytes: u64,
    /// Blocks that run at the same time (workers of the CPU device, multiprocessors, compute units).
    pub multiprocessors: u32,
    /// Threads per warp; 0 on the CPU device, where the kernel's source decides.
    pub warp_size: u32,
    /// Bytes of memory; 0 on the CPU device, which has the host's.
    pub memory_bytes: u64,
    /// Kernels may use any memory of the host.
    pub host_memory: bool,
    /// Driver and its version.
    pub driver: String,
    /// The version of CUDA that the driver has, or of the HIP runtime: major, minor. `None` where there is no driver.
    pub driver_version: Option<(u32, u32)>,
}

/// A device. Clones are the same device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Device {
    /// The CPU.
    Cpu(CpuDevice),
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuDevice<Cuda>),
    /// An AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuDevice<Hip>),
}

impl Device {
    /// The CPU device, with as many workers as `KERNEL_AD_THREADS` says, or as there are cores.
    pub fn cpu() -> Device {
        Device::Cpu(CpuDevice::new(CpuOptions::default()))
    }

    /// The CPU device with options.
    pub fn cpu_with(options: CpuOptions) -> Device {
        Device::Cpu(CpuDevice::new(options))
    }

    /// The device of that name: `cpu`, `cuda`, `hip`, with a number behind a colon for another than the first (`cuda:1`), or `auto`:
    /// the one that the environment's `KERNEL_AD_DEVICE` names, else the first GPU that is there, else the CPU.
    ///
    /// # Errors
    /// [`Error::NoDevice`], which tells apart: a build without that kind, no driver, a driver that lacks functions, no GPU.
    pub fn open(name: &str) -> Result<Device> {
        let (kind, number) = match name.split_once(':') {
            Some((kind, n)) => (kind, n.parse::<u32>().ok()),
            None => (name, Some(0)),
        };
        let unknown = || Error::NoDevice {
            kind: name.into(),
            reason: "devices are named cpu, cuda, cuda:1, hip, hip:1 and auto".into(),
        };
        match (kind, number.ok_or_else(unknown)?) {
            ("cpu", 0) => Ok(Device::cpu()),
            ("cuda", n) => Device::cuda(n),
            ("hip", n) => Device::hip(n),
            ("auto", 0) => match std::env::var(DEVICE_VARIABLE) {
                Ok(name) if !name.is_empty() && name != "auto" => Device::open(&name),
                _ => Ok(Device::cuda(0).or_else(|_| Device::hip(0)).unwrap_or_else(|_| Device::cpu())),
            },
            _ => Err(unknown()),
        }
    }

    /// The NVIDIA GPU of that number.
    #[cfg(feature = "cuda")]
    pub fn cuda(number: u32) -> Result<Device> {
        GpuDevice::open(number).map(Device::Cuda)
    }

    /// The AMD GPU of that number.
    #[cfg(feature = "hip")]
    pub fn hip(number: u32) -> Result<Device> {
        GpuDevice::open(number).map(Device::Hip)
    }

    /// This build has no CUDA.
    #[cfg(not(feature = "cuda"))]
    pub fn cuda(_number: u32) -> Result<Device> {
        Err(Device::not_built("CUDA", "cuda"))
    }

    /// This build has no HIP.
    #[cfg(not(feature = "hip"))]
    pub fn hip(_number: u32) -> Result<Device> {
        Err(Device::not_built("HIP", "hip"))
    }

    #[cfg(not(all(feature = "cuda", feature = "hip")))]
    fn not_built(kind: &str, feature: &str) -> Error {
        let reason = format!("this program was built without feature `{feature}` of gpu-runtime");
        Error::NoDevice { kind: kind.into(), reason }
    }

    /// Every device that is there, and for each kind of which there is none, why.
    pub fn discover() -> (Vec<Device>, Vec<Error>) {
        let (mut found, mut missing) = (vec![Device::cpu()], Vec::new());
        for open in [Device::cuda, Device::hip] {
            match open(0) {
                Ok(first) => {
                    found.push(first);
                    found.extend((1..).map_while(|n| open(n).ok()));
                }
                Err(e) => missing.push(e),
            }
        }
        (found, missing)
    }

    /// The device of a CUDA context that another library owns (its `CUcontext`), which is used and never destroyed here.
    ///
    /// # Safety
    /// The context is a live one of the device of that number, for as long as anything made from this value.
    #[cfg(feature = "cuda")]
    pub unsafe fn from_cuda_context(number: u32, context: u64) -> Result<Device> {
        use crate::driver::Driver;
        GpuDevice::<Cuda>::count()?;
        // The properties are the device's; its primary context is let go of again.
        let (_, info) = Cuda::open(number)?;
        Ok(Device::Cuda(GpuDevice::around(CudaContext::Borrowed(context), info)))
    }

    /// What the device is.
    pub fn info(&self) -> DeviceInfo {
        each!(self, Device(d) => d.info())
    }

    /// Loads an artifact made for this device, with the manifests of its kernels.
    ///
    /// # Errors
    /// [`Error::BadArtifact`] for what is not for this device: another format, another or a newer processor, a file that is cut off,
    /// manifests of other kernels; with the driver's log where there is one.
    pub fn load(&self, artifact: &[u8], manifests: &[Manifest]) -> Result<Module> {
        if let Some(form) = manifests.iter().find_map(|m| m.form.filter(|f| !f.loadable())) {
            let why = format!(
                "it is {} by its manifest; devices load PTX, cubin, HSACO and shared objects",
                form.name()
            );
            return Err(Error::BadArtifact(why));
        }
        Ok(wrap!(self, Device(d) => Module(d.load(artifact, manifests)?)))
    }

    /// Waits for everything launched; on the CPU device launches are complete when they return.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            Device::Cpu(_) => Ok(()),
            #[cfg(feature = "cuda")]
            Device::Cuda(d) => d.synchronize(),
            #[cfg(feature = "hip")]
            Device::Hip(d) => d.synchronize(),
        }
    }
}

impl DeviceMemory for Device {
    type Block = Block;

    fn allocate(&self, bytes: u64, align: u64) -> std::result::Result<Block, MemoryError> {
        Ok(wrap!(self, Device(d) => Block(d.allocate(bytes, align)?)))
    }
}

/// A block of a device's memory.
#[derive(Debug)]
#[non_exhaustive]
pub enum Block {
    /// Of the CPU device.
    Cpu(crate::cpu::CpuBlock),
    /// Of an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuBlock<Cuda>),
    /// Of an AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuBlock<Hip>),
}

impl DeviceBlock for Block {
    fn address(&self) -> u64 {
        each!(self, Block(b) => b.address())
    }

    fn bytes(&self) -> u64 {
        each!(self, Block(b) => b.bytes())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::result::Result<(), MemoryError> {
        each!(self, Block(b) => b.write(offset, data))
    }

    fn read(&self, offset: u64, data: &mut [u8]) -> std::result::Result<(), MemoryError> {
        each!(self, Block(b) => b.read(offset, data))
    }

    fn zero(&self, offset: u64, bytes: u64) -> std::result::Result<(), MemoryError> {
        each!(self, Block(b) => b.zero(offset, bytes))
    }

    fn copy_from(
        &self,
        offset: u64,
        src: &Self,
        src_offset: u64,
        bytes: u64,
    ) -> std::result::Result<(), MemoryError> {
        match (self, src) {
            (Block::Cpu(a), Block::Cpu(b)) => a.copy_from(offset, b, src_offset, bytes),
            #[cfg(feature = "cuda")]
            (Block::Cuda(a), Block::Cuda(b)) => a.copy_from(offset, b, src_offset, bytes),
            #[cfg(feature = "hip")]
            (Block::Hip(a), Block::Hip(b)) => a.copy_from(offset, b, src_offset, bytes),
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => Err(MemoryError::Failed {
                call: "copy".into(),
                reason: "the two blocks lie on devices of different kinds".into(),
            }),
        }
    }

    unsafe fn save(&self, src: Extent) -> std::result::Result<(), MemoryError> {
        // SAFETY: as promised by the caller.
        each!(self, Block(b) => unsafe { b.save(src) })
    }

    unsafe fn restore(&self, dst: Extent) -> std::result::Result<(), MemoryError> {
        // SAFETY: as promised by the caller.
        each!(self, Block(b) => unsafe { b.restore(dst) })
    }
}

/// A loaded artifact.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Module {
    /// On the CPU device.
    Cpu(CpuModule),
    /// On an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuModule<Cuda>),
    /// On an AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuModule<Hip>),
}

impl Module {
    /// The kernel with that symbol.
    pub fn function(&self, symbol: &str) -> Result<Function> {
        Ok(wrap!(self, Module(m) => Function(m.function(symbol)?)))
    }

    /// The memory of a module-level variable, to read and to set.
    pub fn global(&self, name: &str) -> Result<Block> {
        Ok(wrap!(self, Module(m) => Block(m.global(name)?)))
    }
}

impl Execute for Module {
    type Memory = Device;
    type Error = Error;

    unsafe fn execute(&self, kernel: &Manifest, launch: &Launch, args: &[Arg]) -> Result<Duration> {
        // SAFETY: as promised by the caller.
        unsafe { self.function(&kernel.symbol)?.launch(launch, args) }.map(|r| r.time)
    }

    fn tape_parts(&self, kernel: &Manifest, launch: &Launch) -> u64 {
        // A kernel that is not there is reported when it is launched.
        self.function(&kernel.symbol).map_or(1, |f| f.tape_parts(launch))
    }
}

/// A kernel that can be launched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Function {
    /// On the CPU device.
    Cpu(CpuFunction),
    /// On an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(GpuFunction<Cuda>),
    /// On an AMD GPU.
    #[cfg(feature = "hip")]
    Hip(GpuFunction<Hip>),
}

/// What a launch took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LaunchReport {
    /// Time on the device.
    pub time: Duration,
    /// Bytes of private copies of shadow buffers that the launch used.
    pub private_bytes: u64,
}

impl Function {
    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        each!(self, Function(f) => f.manifest())
    }

    /// Parts of the tape that a launch needs when the layout is [`shadow_mem::TapeLayout::Reused`].
    pub fn tape_parts(&self, launch: &Launch) -> u64 {
        match self {
            Function::Cpu(f) => f.tape_parts(launch),
            // On GPUs every thread has its own part; that layout is the CPU device's.
            #[cfg(any(feature = "cuda", feature = "hip"))]
            _ => launch.threads().unwrap_or(u64::MAX),
        }
    }

    /// Checks the arguments against the manifest, launches, and waits.
    ///
    /// # Safety
    /// The kernel is machine code that may read and write what its pointers reach: the extents of `args` must be live memory of
    /// this device, and the kernel must stay inside them for this launch.
    pub unsafe fn launch(&self, launch: &Launch, args: &[Arg]) -> Result<LaunchReport> {
        // SAFETY: as promised by the caller.
        each!(self, Function(f) => unsafe { f.launch(launch, args) })
    }
}
