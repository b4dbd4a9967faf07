//! The road from Rust: load a kernel, differentiate it, launch, read the shadow.
//!
//! ```
//! use kernel_ad::jit::{args, Device, Kernel, Launch, Role::*};
//!
//! # fn main() -> kernel_ad::diag::Result<()> {
//! # let nbody_cu = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cuda/nbody/nbody.cu");
//! let kernel = Kernel::load(nbody_cu, "forces")?; // forces(const float4 *pos, float4 *acc, int n, float eps2)
//! let device = Device::cpu();
//! let gradient = device.compile(&kernel.reverse(&[Dup, Out, Const, Const])?)?;
//!
//! let pos = device.pair(&[[0.0f32, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]])?; // two bodies, one apart
//! let acc = device.pair(&[[0.0f32; 4]; 2])?;
//! acc.seed(&[[1.0, 0.0, 0.0, 0.0], [0.0; 4]])?; // differentiate the pull on the first, along x
//!
//! // Safety: the kernel reads and writes `n` elements of both buffers, and they have them.
//! unsafe { gradient.launch(Launch::new(1, 32), args![&pos, &acc, 2i32, 3.0f32])? };
//!
//! // The pull is m d / (d^2 + eps2)^(3/2) = 1/8; its derivative by the mass is 1/8, by the distance 1/32.
//! let want = [[-1.0 / 32.0, 0.0, 0.0, 0.0], [1.0 / 32.0, 0.0, 0.0, 1.0 / 8.0]];
//! let near = |a: &[f32; 4], b: &[f32; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
//! assert!(pos.shadow()?.iter().zip(&want).all(|(a, b)| near(a, b)));
//! # Ok(())
//! # }
//! ```
//!
//! Who clears what: a new pair starts with a zeroed shadow, a reverse launch adds into the shadows of what it reads, and takes the
//! adjoint of what it overwrites. Between launches the caller clears ([`Pair::clear_shadow`]) and seeds ([`Pair::seed`]).

mod errors;
mod negotiate;
mod split;

pub use crate::plan::{Kept, PlanOptions};
pub use gpu_runtime::{cpu::CpuOptions, Context, Program, Tape};
pub use shadow_mem::{args, Bindings, BoundArg, Bytes, IntoArg, Launch, Place, Role, RunReport};
pub use split::LoadedSplit;

use crate::diag::Result;
use crate::emit::{self, Target};
use crate::grad::{self, Gradient, Roles, SplitGradient};
use crate::kernel;
use crate::read::{self, ReadOptions};
use bytemuck::Pod;
use shadow_mem::{Manifest, RecordImage};
use std::path::Path;

/// A typed buffer on a device, without a shadow.
pub type Buffer<T> = shadow_mem::Buffer<T, gpu_runtime::Block>;
/// A buffer with its shadow.
pub type Pair<T> = shadow_mem::Pair<T, gpu_runtime::Block>;
/// A differentiated scalar with its shadow.
pub type ActiveScalar<T> = shadow_mem::ActiveScalar<T, gpu_runtime::Block>;
/// A struct passed by value, with its shadow.
pub type Record = shadow_mem::Record<gpu_runtime::Block>;

/// A kernel as it was read.
#[derive(Clone, Debug)]
pub struct Kernel {
    ir: kernel::Kernel,
}

impl Kernel {
    /// Reads a kernel from `.ll`, `.bc`, `.cu` or `.hip`; the latter two are compiled with clang.
    pub fn load(path: impl AsRef<Path>, name: &str) -> Result<Kernel> {
        Kernel::load_with(path, name, &ReadOptions::default())
    }

    /// The same with options.
    pub fn load_with(path: impl AsRef<Path>, name: &str, options: &ReadOptions) -> Result<Kernel> {
        Ok(Kernel { ir: read::load_for(path.as_ref(), options, name)?.kernel(name)? })
    }

    /// Its Kernel IR.
    pub fn ir(&self) -> &kernel::Kernel {
        &self.ir
    }

    /// Its reverse mode: forward and reverse sweep in one kernel. One role for each parameter.
    pub fn reverse(&self, roles: &[Role]) -> Result<Gradient> {
        self.reverse_with(&Roles::of(roles), &Default::default())
    }

    /// The same with roles of fields and module-level variables, and with options.
    pub fn reverse_with(&self, roles: &Roles, options: &PlanOptions) -> Result<Gradient> {
        grad::reverse(&self.ir, roles, options)
    }

    /// Its reverse mode in two kernels: the augmented primal, which writes a tape, and the reverse sweep, which reads it. The reverse
    /// kernel loads nothing again from the primal's buffers, so that they may change between the two launches.
    pub fn split(&self, roles: &[Role]) -> Result<SplitGradient> {
        self.split_with(&Roles::of(roles), &Default::default())
    }

    /// The same with roles of fields and module-level variables, and with options. [`PlanOptions::kept`] names memory that the caller
    /// leaves alone between the launches: what is in it is loaded again and not saved.
    pub fn split_with(&self, roles: &Roles, options: &PlanOptions) -> Result<SplitGradient> {
        grad::split(&self.ir, roles, options)
    }

    /// Its forward mode: primal and tangent in one kernel. One role for each parameter.
    pub fn forward(&self, roles: &[Role]) -> Result<Gradient> {
        grad::tangent(&self.ir, &Roles::of(roles))
    }
}

impl From<kernel::Kernel> for Kernel {
    fn from(ir: kernel::Kernel) -> Kernel {
        Kernel { ir }
    }
}

/// What a device can compile.
pub trait Compile {
    /// The artifact for a target.
    fn artifact(&self, target: &Target) -> Result<emit::Artifact>;
}

impl Compile for Kernel {
    fn artifact(&self, target: &Target) -> Result<emit::Artifact> {
        emit::emit(&self.ir, target, emit::loadable(target))
    }
}

impl Compile for Gradient {
    fn artifact(&self, target: &Target) -> Result<emit::Artifact> {
        emit::emit(self, target, emit::loadable(target))
    }
}

impl Compile for SplitGradient {
    fn artifact(&self, target: &Target) -> Result<emit::Artifact> {
        emit::emit(self, target, emit::loadable(target))
    }
}

/// A device, its memory and its tapes. Clones share them.
#[derive(Clone, Debug)]
pub struct Device {
    context: Context,
    accepted: negotiate::Accepted,
}

impl Device {
    /// The CPU, with as many workers as `KERNEL_AD_THREADS` says, or as there are cores.
    pub fn cpu() -> Device {
        gpu_runtime::Device::cpu().into()
    }

    /// The device of that name: `cpu`, `cuda`, `cuda:1`, `hip`, or `auto`, the first GPU that is there or else the CPU.
    pub fn open(name: &str) -> Result<Device> {
        Ok(gpu_runtime::Device::open(name).map_err(errors::device)?.into())
    }

    /// What it stands on: launches with arguments that are known at run time only go through here.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The target that its kernels are compiled for: its processor, in the newest PTX that the driver takes.
    pub fn target(&self) -> Result<Target> {
        let info = self.context.device().info();
        Ok(self.accepted.applied(Target::for_device(&info.target, info.driver_version)?))
    }

    /// Compiles augmented and reverse kernel for this device and loads them.
    pub fn compile_split(&self, what: &SplitGradient) -> Result<LoadedSplit> {
        Ok(LoadedSplit { program: self.compile(what)?.program })
    }

    /// Compiles a kernel or a gradient for this device and loads it. PTX that the driver's compiler does not take is written again in an
    /// older version.
    pub fn compile(&self, what: &impl Compile) -> Result<Loaded> {
        negotiate::load(self, what)
    }

    /// Loads an artifact that was made before.
    pub fn load(&self, artifact: &[u8], manifest: &Manifest) -> Result<Loaded> {
        Ok(Loaded { program: self.context.load(artifact, manifest).map_err(errors::device)? })
    }

    /// A buffer with these contents and without a shadow.
    pub fn buffer<T: Pod>(&self, data: &[T]) -> Result<Buffer<T>> {
        Ok(self.context.heap().buffer(data)?)
    }

    /// A buffer with these contents, and a shadow of zeros.
    pub fn pair<T: Pod>(&self, data: &[T]) -> Result<Pair<T>> {
        Ok(self.context.heap().pair(data)?)
    }

    /// Memory of pointers to these buffers, `None` for null, with a shadow that points to their shadows: the argument for
    /// `float **`. The buffers must outlive the launches.
    pub fn pointers(&self, to: &[Option<Place>]) -> Result<Pair<u64>> {
        Ok(self.context.heap().pointers(to)?)
    }

    /// A differentiated scalar, with a shadow of one zero.
    pub fn active<T: Pod>(&self, value: T) -> Result<ActiveScalar<T>> {
        Ok(self.context.heap().active(value)?)
    }

    /// A struct that is passed by value.
    pub fn record(&self, image: RecordImage) -> Result<Record> {
        Ok(self.context.heap().record(image)?)
    }

    /// Bytes held on the device: primal, shadow, tape, and the peak.
    pub fn bytes(&self) -> Bytes {
        self.context.bytes()
    }
}

impl From<gpu_runtime::Device> for Device {
    fn from(device: gpu_runtime::Device) -> Device {
        Context::new(device).into()
    }
}

impl From<Context> for Device {
    fn from(context: Context) -> Device {
        Device { context, accepted: Default::default() }
    }
}

/// A compiled kernel on a device.
#[derive(Clone, Debug)]
pub struct Loaded {
    program: Program,
}

impl Loaded {
    /// Its manifest: what it computes, its parameters, its tape, figures.
    pub fn manifest(&self) -> &Manifest {
        self.program.manifest()
    }

    /// What it stands on.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Launches with the arguments of the primal, in its order, and waits. A pair passes its shadow along.
    ///
    /// # Safety
    /// 1. The buffers belong to this device. 2. The kernel stays inside them for this launch, as it must on any device. 3.
    ///    Nobody else uses them until the call returns.
    pub unsafe fn launch(&self, shape: Launch, args: impl Into<Vec<BoundArg>>) -> Result<RunReport> {
        let bindings = Bindings::from(args.into());
        // SAFETY: as promised by the caller.
        unsafe { self.launch_with(shape, &bindings) }
    }

    /// The same with shadows of module-level variables.
    ///
    /// # Safety
    /// As [`Loaded::launch`].
    pub unsafe fn launch_with(&self, shape: Launch, bindings: &Bindings) -> Result<RunReport> {
        // SAFETY: as promised by the caller.
        unsafe { self.program.launch(&shape, bindings) }.map_err(errors::run)
    }
}

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod road_tests;
#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod tests;
