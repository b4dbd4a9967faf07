//! Forces of Lennard-Jones atoms: minus the gradient of their energy. The gradient was made by the build script for a range of devices; this
//! program has the artifacts in it, takes the one that fits, and links neither LLVM nor a driver.
//!
//! `cargo run --release -p kernel-ad-example-aot [ATOMS]`; `KERNEL_AD_DEVICE` names a device, otherwise the first GPU is taken, or the CPU.

use gpu_runtime::{Context, Device, DeviceKind, Shipped};
use shadow_mem::{args, Launch};
use std::error::Error;
use std::process::ExitCode;

/// Made by build.rs.
static GRADIENTS: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/gradients.rs"));

const SIGMA: f32 = 1.0;
/// Largest error in f32, relative to the largest force, or to the derivative by sigma.
const TOLERANCE: f64 = 1e-4;

fn main() -> ExitCode {
    match run() {
        Ok(right) => ExitCode::from(u8::from(!right)),
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let n = match std::env::args().nth(1) {
        None => 512,
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (2..=100_000).contains(n))
            .ok_or("atoms: a number from 2 to 100000")?,
    };
    let atoms = lattice(n);

    let device = Device::open("auto")?;
    if device.info().kind == DeviceKind::Cpu {
        println!("device    no GPU is used: on the CPU");
    }
    let context = Context::new(device);
    let gradient = context.load_shipped(GRADIENTS)?;
    println!("loaded    {} for {}", gradient.manifest().symbol, gradient.manifest().target);

    let (pos, energy) = (context.heap().pair(&atoms)?, context.heap().pair(&vec![0.0f32; n])?);
    let sigma = context.heap().active(SIGMA)?;
    energy.seed(&vec![1.0; n])?; // the sum of all is differentiated
    let shape = Launch::new(n.div_ceil(128) as u32, 128);
    // Safety: the kernel reads and writes the `n` elements that each buffer has.
    unsafe { gradient.launch(&shape, &args![&pos, &energy, n as i32, &sigma].into())? };

    let total: f64 = energy.read()?.iter().map(|&e| f64::from(e)).sum();
    let forces: Vec<[f32; 3]> = pos.shadow()?.iter().map(|d| d.map(|d| -d)).collect();
    println!("energy    {total:.4} of {n} atoms; force on the first {:.4?}", forces[0]);
    let error = closed_form_error(&atoms, &forces, sigma.shadow()?);
    let right = error < TOLERANCE;
    println!(
        "checked   forces and the derivative by sigma against their closed form in f64, largest error {error:.1e}: {}",
        if right { "right" } else { "WRONG" }
    );
    Ok(right)
}

/// Atoms near the points of a cubic lattice.
fn lattice(n: usize) -> Vec<[f32; 3]> {
    let side = (n as f64).cbrt().ceil() as usize;
    let jitter = |i: usize, axis: usize| ((i * 7919 + axis * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    let at = |i: usize| [i % side, i / side % side, i / (side * side)];
    (0..n).map(|i| std::array::from_fn(|axis| 1.2 * at(i)[axis] as f32 + 0.2 * jitter(i, axis))).collect()
}

/// Largest relative error of the forces and of the derivative by sigma. Infinite when something is undefined.
fn closed_form_error(atoms: &[[f32; 3]], forces: &[[f32; 3]], by_sigma: f32) -> f64 {
    let (mut want, mut want_sigma) = (vec![[0.0f64; 3]; atoms.len()], 0.0);
    for (i, a) in atoms.iter().enumerate() {
        for (j, b) in atoms[..i].iter().enumerate() {
            let d: [f64; 3] = std::array::from_fn(|c| f64::from(a[c]) - f64::from(b[c]));
            let r2: f64 = d.iter().map(|d| d * d).sum();
            let s6 = (f64::from(SIGMA).powi(2) / r2).powi(3);
            let slope = 24.0 * (2.0 * s6 * s6 - s6);
            want_sigma += slope / f64::from(SIGMA);
            for c in 0..3 {
                want[i][c] += slope * d[c] / r2;
                want[j][c] -= slope * d[c] / r2;
            }
        }
    }
    let largest = want.iter().flatten().fold(0.0f64, |m, f| m.max(f.abs()));
    let off =
        want.iter().flatten().zip(forces.iter().flatten()).map(|(w, f)| (w - f64::from(*f)).abs() / largest);
    let sigma = (want_sigma - f64::from(by_sigma)).abs() / want_sigma.abs();
    off.chain([sigma]).fold(0.0, |m: f64, e| if e.is_finite() { m.max(e) } else { f64::INFINITY })
}
