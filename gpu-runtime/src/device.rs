//! One interface to every device.

use crate::cpu::{CpuDevice, CpuFunction, CpuModule, CpuOptions};
use crate::{Error, Result};
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Execute, Extent, Launch, Manifest, MemoryError};
use std::time::Duration;

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

/// What a device is and allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// Kind.
    pub kind: DeviceKind,
    /// Name, for people.
    pub name: String,
    /// The target to compile for: `host`, `nvptx:sm_90`.
    pub target: String,
    /// Threads per block at most.
    pub max_threads_per_block: u32,
    /// Shared memory per block at most, in bytes.
    pub max_shared_bytes: u64,
    /// Blocks that run at the same time (workers of the CPU device, multiprocessors).
    pub multiprocessors: u32,
}

/// A device. Clones are the same device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Device {
    /// The CPU.
    Cpu(CpuDevice),
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

    /// The device of that name: `cpu`, `cuda`, `hip`, or `auto` for the best that is there.
    pub fn open(name: &str) -> Result<Device> {
        let not_built = |kind: &str| Error::NoDevice {
            kind: kind.into(),
            reason: "this build has only the CPU device".into(),
        };
        match name {
            "cpu" | "auto" => Ok(Device::cpu()),
            "cuda" | "hip" => Err(not_built(name)),
            other => Err(Error::NoDevice {
                kind: other.into(),
                reason: "the kinds are cpu, cuda, hip and auto".into(),
            }),
        }
    }

    /// What the device is.
    pub fn info(&self) -> DeviceInfo {
        match self {
            Device::Cpu(d) => d.info(),
        }
    }

    /// Loads an artifact made for this device, with the manifests of its kernels.
    pub fn load(&self, artifact: &[u8], manifests: &[Manifest]) -> Result<Module> {
        match self {
            Device::Cpu(d) => Ok(Module::Cpu(d.load(artifact, manifests)?)),
        }
    }

    /// Waits for everything launched; on the CPU device launches are complete when they return.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            Device::Cpu(_) => Ok(()),
        }
    }
}

impl DeviceMemory for Device {
    type Block = Block;

    fn allocate(&self, bytes: u64, align: u64) -> std::result::Result<Block, MemoryError> {
        match self {
            Device::Cpu(d) => Ok(Block::Cpu(d.allocate(bytes, align)?)),
        }
    }
}

/// A block of a device's memory.
#[derive(Debug)]
#[non_exhaustive]
pub enum Block {
    /// Of the CPU device.
    Cpu(crate::cpu::CpuBlock),
}

impl DeviceBlock for Block {
    fn address(&self) -> u64 {
        match self {
            Block::Cpu(b) => b.address(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Block::Cpu(b) => b.bytes(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::result::Result<(), MemoryError> {
        match self {
            Block::Cpu(b) => b.write(offset, data),
        }
    }

    fn read(&self, offset: u64, data: &mut [u8]) -> std::result::Result<(), MemoryError> {
        match self {
            Block::Cpu(b) => b.read(offset, data),
        }
    }

    fn zero(&self, offset: u64, bytes: u64) -> std::result::Result<(), MemoryError> {
        match self {
            Block::Cpu(b) => b.zero(offset, bytes),
        }
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
        }
    }

    unsafe fn save(&self, src: Extent) -> std::result::Result<(), MemoryError> {
        match self {
            // SAFETY: as promised by the caller.
            Block::Cpu(b) => unsafe { b.save(src) },
        }
    }

    unsafe fn restore(&self, dst: Extent) -> std::result::Result<(), MemoryError> {
        match self {
            // SAFETY: as promised by the caller.
            Block::Cpu(b) => unsafe { b.restore(dst) },
        }
    }
}

/// A loaded artifact.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Module {
    /// On the CPU device.
    Cpu(CpuModule),
}

impl Module {
    /// The kernel with that symbol.
    pub fn function(&self, symbol: &str) -> Result<Function> {
        match self {
            Module::Cpu(m) => Ok(Function::Cpu(m.function(symbol)?)),
        }
    }

    /// The memory of a module-level variable, to read and to set.
    pub fn global(&self, name: &str) -> Result<Block> {
        match self {
            Module::Cpu(m) => Ok(Block::Cpu(m.global(name)?)),
        }
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
        match self {
            Function::Cpu(f) => f.manifest(),
        }
    }

    /// Parts of the tape that a launch needs when the layout is [`shadow_mem::TapeLayout::Reused`].
    pub fn tape_parts(&self, launch: &Launch) -> u64 {
        match self {
            Function::Cpu(f) => f.tape_parts(launch),
        }
    }

    /// Checks the arguments against the manifest, launches, and waits.
    ///
    /// # Safety
    /// The kernel is machine code that may read and write what its pointers reach: the extents of `args` must be live memory of
    /// this device, and the kernel must stay inside them for this launch.
    pub unsafe fn launch(&self, launch: &Launch, args: &[Arg]) -> Result<LaunchReport> {
        match self {
            // SAFETY: as promised by the caller.
            Function::Cpu(f) => unsafe { f.launch(launch, args) },
        }
    }
}
