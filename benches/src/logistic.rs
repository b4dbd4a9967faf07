//! The logistic map, iterated: a loop whose every step needs the value of the step before.

use crate::native::Native;
use crate::{compile, timed, uniform, Case, Result};
use kernel_ad::jit::{args, Device, Launch, Loaded, Pair, Role::*, RunReport};
use std::time::Duration;

/// The problem.
pub struct Logistic {
    native: Native,
    loaded: [Loaded; 2],
    steps: usize,
    x0: Pair<f32>,
    rate: Pair<f32>,
    out: Pair<f32>,
    data: [Vec<f32>; 3],
    /// Result, adjoint of the result, of x0, of the rate.
    by_hand: [Vec<f32>; 4],
}

impl Logistic {
    /// With `n` elements and `steps` iterations.
    pub fn new(device: &Device, n: usize, steps: usize) -> Result<Logistic> {
        // Rates without chaos, where a gradient would be noise, and so near to 3 that it does not die out: arithmetic on
        // numbers close to zero is many times slower and would be all that is measured.
        let data = [uniform(n, 0.1, 0.9, 1), uniform(n, 2.9, 3.1, 2), uniform(n, -1.0, 1.0, 3)];
        Ok(Logistic {
            native: Native::build()?,
            loaded: compile(device, "logistic", "logistic", &[Dup, Dup, Out, Const, Const])?,
            steps,
            x0: device.pair(&data[0])?,
            rate: device.pair(&data[1])?,
            out: device.pair(&vec![0.0; n])?,
            data,
            by_hand: std::array::from_fn(|_| vec![0.0; n]),
        })
    }

    fn launch(&self, which: usize) -> Result<RunReport> {
        let n = self.out.len();
        let shape = Launch::new(n.div_ceil(256) as u32, 256);
        let args = args![&self.x0, &self.rate, &self.out, n as i32, self.steps as i32];
        // SAFETY: all buffers have n elements.
        Ok(unsafe { self.loaded[which].launch(shape, args)? })
    }
}

impl Case for Logistic {
    fn name(&self) -> String {
        format!("logistic, {} elements, {} steps", self.out.len(), self.steps)
    }

    fn primal(&mut self) -> Result<RunReport> {
        self.launch(0)
    }

    fn gradient(&mut self) -> Result<RunReport> {
        self.x0.clear_shadow()?;
        self.rate.clear_shadow()?;
        self.out.seed(&self.data[2])?;
        self.launch(1)
    }

    fn c_primal(&mut self) -> Result<Duration> {
        let [x0, rate, _] = &self.data;
        Ok(timed(|| self.native.logistic(x0, rate, &mut self.by_hand[0], self.steps)))
    }

    fn c_gradient(&mut self) -> Result<Duration> {
        let [x0, rate, seed] = &self.data;
        let [_, b, dx, dr] = &mut self.by_hand;
        dx.fill(0.0);
        dr.fill(0.0);
        b.copy_from_slice(seed);
        Ok(timed(|| self.native.logistic_gradient(x0, rate, b, [dx, dr], self.steps)))
    }

    fn results(&mut self) -> Result<Vec<[Vec<f32>; 2]>> {
        let [out, b, dx, dr] = self.by_hand.clone();
        let after = [self.out.shadow()?, self.x0.shadow()?, self.rate.shadow()?];
        self.primal()?;
        let [seed, x0, rate] = after;
        Ok(vec![[self.out.read()?, out], [seed, b], [x0, dx], [rate, dr]])
    }

    fn loaded(&self) -> &Loaded {
        &self.loaded[1]
    }
}
