//! All-pairs n-body.

use crate::native::Native;
use crate::{compile, timed, uniform, Case, Result};
use kernel_ad::jit::{args, Device, Launch, Loaded, Pair, Role::*, RunReport};
use std::time::Duration;

const EPS2: f32 = 1e-2;

/// The problem.
pub struct Nbody {
    native: Native,
    loaded: [Loaded; 2],
    pos: Pair<f32>,
    acc: Pair<f32>,
    bodies: Vec<f32>,
    weights: Vec<f32>,
    by_hand: [Vec<f32>; 2],
}

impl Nbody {
    /// With `n` bodies.
    pub fn new(device: &Device, n: usize) -> Result<Nbody> {
        let mut bodies = uniform(4 * n, -1.0, 1.0, 1);
        let mut weights = uniform(4 * n, -1.0, 1.0, 2);
        for k in 0..n {
            bodies[4 * k + 3] = (1.5 + bodies[4 * k + 3]) / n as f32;
            weights[4 * k + 3] = 0.0;
        }
        Ok(Nbody {
            native: Native::build()?,
            loaded: compile(device, "nbody", "forces", &[Dup, Out, Const, Const])?,
            pos: device.pair(&bodies)?,
            acc: device.pair(&vec![0.0; 4 * n])?,
            bodies,
            weights,
            by_hand: [vec![0.0; 4 * n], vec![0.0; 4 * n]],
        })
    }

    fn launch(&self, which: usize) -> Result<RunReport> {
        let n = self.bodies.len() / 4;
        let shape = Launch::new(n.div_ceil(256) as u32, 256);
        // SAFETY: both buffers have four floats for each body.
        Ok(unsafe { self.loaded[which].launch(shape, args![&self.pos, &self.acc, n as i32, EPS2])? })
    }
}

impl Case for Nbody {
    fn name(&self) -> String {
        format!("n-body, {} bodies", self.bodies.len() / 4)
    }

    fn primal(&mut self) -> Result<RunReport> {
        self.launch(0)
    }

    fn gradient(&mut self) -> Result<RunReport> {
        self.pos.clear_shadow()?;
        self.acc.seed(&self.weights)?;
        self.launch(1)
    }

    fn c_primal(&mut self) -> Result<Duration> {
        Ok(timed(|| self.native.nbody(&self.bodies, &mut self.by_hand[0], EPS2)))
    }

    fn c_gradient(&mut self) -> Result<Duration> {
        self.by_hand[1].fill(0.0);
        Ok(timed(|| self.native.nbody_gradient(&self.bodies, &self.weights, &mut self.by_hand[1], EPS2)))
    }

    fn results(&mut self) -> Result<Vec<[Vec<f32>; 2]>> {
        // `acc` is `out`: the gradient need not compute it, so the primal runs last.
        let grad = self.pos.shadow()?;
        self.primal()?;
        Ok(vec![[self.acc.read()?, self.by_hand[0].clone()], [grad, self.by_hand[1].clone()]])
    }

    fn loaded(&self) -> &Loaded {
        &self.loaded[1]
    }
}
