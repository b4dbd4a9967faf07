//! One step of the 2D heat equation with a variable conductivity.

use crate::native::Native;
use crate::{compile, timed, uniform, Case, Result};
use kernel_ad::jit::{args, Device, Launch, Loaded, Pair, Role::*, RunReport};
use std::time::Duration;

const DT: f32 = 0.1;

/// The problem.
pub struct Heat {
    native: Native,
    loaded: [Loaded; 2],
    nx: usize,
    ny: usize,
    u: Pair<f32>,
    kappa: Pair<f32>,
    next: Pair<f32>,
    data: [Vec<f32>; 3],
    /// Result, adjoint of the result, of u, of kappa.
    by_hand: [Vec<f32>; 4],
}

impl Heat {
    /// On a grid of that size.
    pub fn new(device: &Device, nx: usize, ny: usize) -> Result<Heat> {
        let n = nx * ny;
        let data = [uniform(n, 0.0, 1.0, 1), uniform(n, 0.5, 1.5, 2), uniform(n, -1.0, 1.0, 3)];
        Ok(Heat {
            native: Native::build()?,
            loaded: compile(device, "heat", "heat", &[Dup, Dup, Out, Const, Const, Const])?,
            nx,
            ny,
            u: device.pair(&data[0])?,
            kappa: device.pair(&data[1])?,
            next: device.pair(&vec![0.0; n])?,
            data,
            by_hand: std::array::from_fn(|_| vec![0.0; n]),
        })
    }

    fn launch(&self, which: usize) -> Result<RunReport> {
        let (nx, ny) = (self.nx, self.ny);
        let shape = Launch::new((nx.div_ceil(32) as u32, ny.div_ceil(8) as u32), (32, 8));
        let args = args![&self.u, &self.kappa, &self.next, nx as i32, ny as i32, DT];
        // SAFETY: all buffers have nx times ny cells.
        Ok(unsafe { self.loaded[which].launch(shape, args)? })
    }
}

impl Case for Heat {
    fn name(&self) -> String {
        format!("heat, {} x {} cells", self.nx, self.ny)
    }

    fn primal(&mut self) -> Result<RunReport> {
        self.launch(0)
    }

    fn gradient(&mut self) -> Result<RunReport> {
        self.u.clear_shadow()?;
        self.kappa.clear_shadow()?;
        self.next.seed(&self.data[2])?;
        self.launch(1)
    }

    fn c_primal(&mut self) -> Result<Duration> {
        let [u, kappa, _] = &self.data;
        Ok(timed(|| self.native.heat(u, kappa, &mut self.by_hand[0], self.nx, DT)))
    }

    fn c_gradient(&mut self) -> Result<Duration> {
        let [u, kappa, seed] = &self.data;
        let [_, b, du, dk] = &mut self.by_hand;
        du.fill(0.0);
        dk.fill(0.0);
        b.copy_from_slice(seed);
        Ok(timed(|| self.native.heat_gradient(u, kappa, b, [du, dk], self.nx, DT)))
    }

    fn results(&mut self) -> Result<Vec<[Vec<f32>; 2]>> {
        let [out, b, du, dk] = self.by_hand.clone();
        let after = [self.next.shadow()?, self.u.shadow()?, self.kappa.shadow()?];
        self.primal()?;
        let [next, u, kappa] = after;
        Ok(vec![[self.next.read()?, out], [next, b], [u, du], [kappa, dk]])
    }

    fn loaded(&self) -> &Loaded {
        &self.loaded[1]
    }
}
