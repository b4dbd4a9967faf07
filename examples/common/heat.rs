//! A simulation of many launches: a plate cools, and from its final temperatures alone it is found out how fast it cooled.
//!
//! Every time step is one launch. The adjoint goes back through all of them: all states are kept, and the gradient kernel of a step
//! takes the adjoint of the state after it to the adjoint of the state before it, which is the next one's seed. What all steps share, the
//! conductivity and the length of a step, gathers the contributions of all.

use crate::{central_difference, number, relative, Vendor, Verdict};
use kernel_ad::jit::{args, ActiveScalar, Kernel, Launch, Loaded, Pair, Role::*};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::error::Error;

const NX: usize = 48;
const NY: usize = 40;
const TRUE_DT: f32 = 0.2;
const FIRST_GUESS: f32 = 0.1;
/// Largest relative error of derivatives in f32 against an f64 oracle, and of the time step that is found.
const TOLERANCE: f64 = 1e-4;

/// Time steps from the command line.
pub fn run(vendor: Vendor) -> Result<Verdict, Box<dyn Error>> {
    let steps = number("time steps", 60, 1..=100_000)?;
    let plate = Plate::new(steps, 1);
    let mut plan = Simulation::new(vendor, &plate)?;

    // What was measured: the temperatures that the true time step leads to.
    plan.forward(TRUE_DT)?;
    let measured = plan.states[steps].read()?;

    // The misfit's derivatives at the first guess, by everything that it depends on.
    let (loss, by) = plan.misfit(FIRST_GUESS, &measured)?;
    let mut errors = plate.errors(FIRST_GUESS, &measured, &by);
    println!("gradient  by {} temperatures, error {:.1e} along a direction", NX * NY, errors[0]);
    println!("          by {} conductivities, error {:.1e} along a direction", NX * NY, errors[1]);
    println!("          by the time step, error {:.1e}", errors[2]);

    // Descent on the time step; the length of each move follows from the change of slope in the one before.
    let (mut at, mut slope) = (FIRST_GUESS, by.dt);
    let mut next = at - 0.02 * slope.signum();
    println!("round   0 time step {at:.6}, misfit {loss:.3e}");
    for round in 1..=20 {
        let (loss, by) = plan.misfit(next, &measured)?;
        println!("round {round:3} time step {next:.6}, misfit {loss:.3e}");
        if round == 1 {
            // Once more: what one misfit leaves in shadows must not be in the next.
            let again = plate.errors(next, &measured, &by);
            errors = std::array::from_fn(|i| errors[i].max(again[i]));
        }
        let curvature = (by.dt - slope) / (next - at);
        (at, slope) = (next, by.dt);
        next = (at - slope / curvature).clamp(0.01, 0.24); // beyond, the explicit scheme is unstable
        if !((next - at).abs() > 1e-6) {
            break;
        }
    }

    let off = relative(TRUE_DT.into(), at.into(), 0.0);
    let worst = errors.into_iter().fold(off, f64::max);
    let says = format!(
        "derivatives against central differences in f64, largest error {:.1e}; time step {at:.5}, the true one is {TRUE_DT}",
        errors.into_iter().fold(0.0, f64::max)
    );
    Ok(Verdict { says, right: worst < TOLERANCE })
}

/// Derivatives of the misfit.
struct Gradient {
    start: Vec<f32>,
    kappa: Vec<f32>,
    dt: f32,
}

/// The launches, with every state in memory.
struct Simulation {
    step: Loaded,
    back: Loaded,
    shape: Launch,
    states: Vec<Pair<f32>>,
    kappa: Pair<f32>,
    dt: ActiveScalar<f32>,
}

impl Simulation {
    fn new(vendor: Vendor, plate: &Plate) -> Result<Simulation, Box<dyn Error>> {
        let device = vendor.device()?;
        // heat(const float *u, const float *kappa, float *next, int nx, int ny, float dt)
        let kernel = Kernel::load(vendor.source("heat"), "heat")?;
        let states = std::iter::once(device.pair(&plate.start))
            .chain((0..plate.steps).map(|_| device.pair(&vec![0.0; NX * NY])))
            .collect::<Result<_, _>>()?;
        Ok(Simulation {
            step: device.compile(&kernel)?,
            back: device.compile(&kernel.reverse(&[Dup, Dup, Out, Const, Const, Active])?)?,
            shape: Launch::new((NX.div_ceil(32) as u32, NY.div_ceil(8) as u32), (32, 8)),
            states,
            kappa: device.pair(&plate.kappa)?,
            dt: device.active(0.0)?,
        })
    }

    /// All steps; every state stays where it is.
    fn forward(&mut self, dt: f32) -> Result<(), Box<dyn Error>> {
        self.dt.value = dt;
        for pair in self.states.windows(2) {
            let args = args![&pair[0], &self.kappa, &pair[1], NX as i32, NY as i32, &self.dt];
            // Safety: the kernel stays inside the NX * NY elements that every buffer has.
            unsafe { self.step.launch(self.shape, args)? };
        }
        Ok(())
    }

    /// Half the mean square of what the final temperatures are off, and its derivatives.
    fn misfit(&mut self, dt: f32, measured: &[f32]) -> Result<(f64, Gradient), Box<dyn Error>> {
        self.forward(dt)?;
        let last = &self.states[self.states.len() - 1];
        let off: Vec<f32> = last.read()?.iter().zip(measured).map(|(u, m)| u - m).collect();
        let loss = off.iter().map(|&d| f64::from(d).powi(2)).sum::<f64>() / (2 * NX * NY) as f64;

        for state in &self.states {
            state.clear_shadow()?;
        }
        self.kappa.clear_shadow()?;
        self.dt.clear_shadow()?;
        last.seed(&off.iter().map(|d| d / (NX * NY) as f32).collect::<Vec<f32>>())?;
        for pair in self.states.windows(2).rev() {
            let args = args![&pair[0], &self.kappa, &pair[1], NX as i32, NY as i32, &self.dt];
            // Safety: as in `forward`.
            unsafe { self.back.launch(self.shape, args)? };
        }
        let (start, kappa) = (self.states[0].shadow()?, self.kappa.shadow()?);
        Ok((loss, Gradient { start, kappa, dt: self.dt.shadow()? }))
    }
}

/// The plate, and the same physics once more in f64.
struct Plate {
    steps: usize,
    start: Vec<f32>,
    kappa: Vec<f32>,
}

impl Plate {
    fn new(steps: usize, seed: u64) -> Plate {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let warm = |x: usize, y: usize| x > NX / 4 && x < NX / 2 && y > NY / 4 && y < 3 * NY / 4;
        let start = (0..NX * NY).map(|i| if warm(i % NX, i / NX) { 1.0 } else { 0.0 }).collect();
        let kappa = (0..NX * NY).map(|_| rng.random_range(0.5f32..1.0)).collect();
        Plate { steps, start, kappa }
    }

    /// The misfit in f64, with start, conductivity and time step moved along a direction.
    fn misfit(&self, dt: f64, measured: &[f32], by: &Direction, h: f64) -> f64 {
        let moved = |v: &[f32], d: &[f64]| -> Vec<f64> {
            v.iter().enumerate().map(|(i, &v)| f64::from(v) + h * d.get(i).unwrap_or(&0.0)).collect()
        };
        let (mut u, kappa, dt) =
            (moved(&self.start, &by.start), moved(&self.kappa, &by.kappa), dt + h * by.dt);
        for _ in 0..self.steps {
            let mut next = u.clone();
            for y in 1..NY - 1 {
                for i in y * NX + 1..y * NX + NX - 1 {
                    let around = u[i - 1] + u[i + 1] + u[i - NX] + u[i + NX];
                    next[i] = u[i] + dt * kappa[i] * (around - 4.0 * u[i]);
                }
            }
            u = next;
        }
        let off = u.iter().zip(measured).map(|(u, m)| (u - f64::from(*m)).powi(2));
        off.sum::<f64>() / (2 * NX * NY) as f64
    }

    /// Relative errors of the derivatives by the start and by the conductivity, along a direction each, and by the time step.
    fn errors(&self, dt: f32, measured: &[f32], g: &Gradient) -> [f64; 3] {
        let random = |seed: u64| -> Vec<f64> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..NX * NY).map(|_| rng.random_range(-1.0..1.0)).collect()
        };
        let terms = |g: &[f32], d: &[f64]| -> (f64, f64) {
            let terms = g.iter().zip(d).map(|(g, d)| f64::from(*g) * d);
            terms.fold((0.0, 0.0f64), |(sum, size), t| (sum + t, size.hypot(t)))
        };
        let error = |by: Direction, (got, size): (f64, f64)| {
            relative(central_difference(1e-4, |h| self.misfit(dt.into(), measured, &by, h)), got, size)
        };
        let (start, kappa) = (random(2), random(3));
        let (of_start, of_kappa) = (terms(&g.start, &start), terms(&g.kappa, &kappa));
        [
            error(Direction { start, ..Direction::default() }, of_start),
            error(Direction { kappa, ..Direction::default() }, of_kappa),
            error(Direction { dt: 1.0, ..Direction::default() }, (g.dt.into(), 0.0)),
        ]
    }
}

/// A direction to move in; what is empty stays.
#[derive(Default)]
struct Direction {
    start: Vec<f64>,
    kappa: Vec<f64>,
    dt: f64,
}
