//! A device as an engine: compiles each program once.

use super::engine::{Engine, Program, RunInfo};
use super::place::place;
use crate::case::{Case, Image};
use crate::diag::Result;
use crate::jit::{Device, Kernel, Loaded};
use shadow_mem::{Launch, Mode};
use std::cell::RefCell;

/// A device with the programs of one subject.
pub struct Compiled {
    device: Device,
    loaded: RefCell<Vec<(Mode, Loaded)>>,
}

impl Compiled {
    /// An engine on a device.
    pub fn new(device: &Device) -> Compiled {
        Compiled { device: device.clone(), loaded: RefCell::default() }
    }

    fn load(&self, program: &Program) -> Result<Loaded> {
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
        let shape = Launch { grid: case.grid, block: case.block, shared: case.shared };
        // SAFETY: the extents are the buffers that were just placed; whether the kernel stays inside them, the interpreter
        // has checked before on the same data, and the guard words tell.
        let report = unsafe { loaded.launch_with(shape, &placed.bindings) }?;
        placed.collect(loaded.program(), image)?;
        Ok(RunInfo { steps: 0, tape_per_thread: report.tape_per_thread })
    }
}
