//! A device as an engine: compiles each program once.

use super::engine::{Engine, Program, RunInfo, SplitProgram};
use super::place::place;
use crate::case::{Case, Image};
use crate::diag::Result;
use crate::jit::{Device, Kernel, Loaded, LoadedSplit};
use gpu_runtime::DeviceKind;
use shadow_mem::Mode;
use std::cell::RefCell;

/// A device with the programs of one subject.
pub struct Compiled {
    device: Device,
    loaded: RefCell<Vec<(Mode, Loaded)>>,
    split: RefCell<Option<LoadedSplit>>,
}

impl Compiled {
    /// An engine on a device.
    pub fn new(device: &Device) -> Compiled {
        Compiled { device: device.clone(), loaded: RefCell::default(), split: RefCell::default() }
    }

    /// True for a device that is not the CPU device.
    pub fn is_gpu(&self) -> bool {
        self.device.context().device().info().kind != DeviceKind::Cpu
    }

    /// The program on the device; compiled unless it was before.
    pub fn load(&self, program: &Program) -> Result<Loaded> {
        let mode = program.gradient.as_ref().map_or(Mode::Primal, |g| g.mode);
        if let Some((_, l)) = self.loaded.borrow().iter().find(|(m, _)| *m == mode) {
            return Ok(l.clone());
        }
        let new = match &program.gradient {
            Some(g) => self.device.compile(g)?,
            None => self.device.compile(&Kernel::from(program.kernel.clone()))?,
        };
        self.loaded.borrow_mut().push((mode, new.clone()));
        Ok(new)
    }
}

impl Engine for Compiled {
    fn run(&self, program: &Program, case: &Case, image: &mut Image) -> Result<RunInfo> {
        let loaded = self.load(program)?;
        let placed = place(case, image, loaded.program())?;
        let shape = case.shape();
        // SAFETY: the extents are the buffers that were just placed; whether the kernel stays inside them, the interpreter
        // has checked before on the same data, and the guard words tell.
        let report = unsafe { loaded.launch_with(shape, &placed.bindings) }?;
        placed.collect(loaded.program(), image)?;
        Ok(RunInfo { steps: 0, tape_per_thread: report.tape_per_thread })
    }

    fn run_split(
        &self,
        program: &SplitProgram,
        case: &Case,
        image: &mut Image,
        meanwhile: &dyn Fn(&mut Image),
    ) -> Result<RunInfo> {
        let held = self.split.borrow().clone();
        let loaded = match held {
            Some(l) => l,
            None => self.device.compile_split(&program.gradient)?,
        };
        *self.split.borrow_mut() = Some(loaded.clone());
        let placed = place(case, image, loaded.program())?;
        let shape = case.shape();
        // SAFETY: as above.
        let (tape, report) = unsafe { loaded.forward_with(shape, &placed.bindings) }?;
        placed.collect(loaded.program(), image)?;
        let mut changed = image.clone();
        meanwhile(&mut changed);
        placed.refill(loaded.program(), &changed)?;
        // SAFETY: as above; what the oracle changes is what the reverse kernel must not load again, and the interpreter has seen
        // that it does not.
        unsafe { loaded.reverse_with(&tape, &placed.bindings) }?;
        placed.collect(loaded.program(), &mut changed)?;
        image.take_shadows(changed);
        Ok(RunInfo { steps: 0, tape_per_thread: report.tape_per_thread })
    }
}
