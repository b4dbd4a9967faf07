//! The hand-written C versions, compiled by clang for this machine and loaded.

use libloading::{Library, Symbol};
use rayon::prelude::*;
use std::error::Error;
use std::process::Command;

const SOURCES: [(&str, &str); 3] = [
    ("nbody.c", include_str!("../native/nbody.c")),
    ("heat.c", include_str!("../native/heat.c")),
    ("logistic.c", include_str!("../native/logistic.c")),
];

/// Flags beside which our own code is measured.
pub const FLAGS: [&str; 7] =
    ["-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fopenmp-simd", "-shared", "-fPIC"];

type Nbody = unsafe extern "C" fn(*const f32, *mut f32, i32, f32, i32, i32);
type NbodyGrad = unsafe extern "C" fn(*const f32, *const f32, *mut f32, i32, f32, i32, i32);
type Heat = unsafe extern "C" fn(*const f32, *const f32, *mut f32, i32, i32, f32, i32, i32);
type HeatGrad =
    unsafe extern "C" fn(*const f32, *const f32, *const f32, *mut f32, *mut f32, i32, i32, f32, i32, i32);
type Logistic = unsafe extern "C" fn(*const f32, *const f32, *mut f32, i32, i32, i32);
type LogisticGrad =
    unsafe extern "C" fn(*const f32, *const f32, *mut f32, *mut f32, *mut f32, i32, i32, i32) -> i32;

/// The C versions.
pub struct Native {
    lib: Library,
}

/// A pointer that workers share; each writes its own rows.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: the workers' ranges are disjoint.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn of(x: &mut [f32]) -> Shared {
        Shared(x.as_mut_ptr())
    }

    fn get(self) -> *mut f32 {
        self.0
    }
}

/// Splits `0..n` into chunks of `step`, over rayon's workers.
fn chunks(n: usize, step: usize, f: impl Fn(i32, i32) + Sync) {
    (0..n.div_ceil(step)).into_par_iter().for_each(|c| f((c * step) as i32, (c * step + step).min(n) as i32));
}

impl Native {
    /// Compiles and loads them.
    pub fn build() -> Result<Native, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        let so = dir.path().join("native.so");
        let mut clang = Command::new("clang-19");
        clang.args(FLAGS).arg("-Wno-invalid-feature-combination").arg("-o").arg(&so);
        for (name, text) in SOURCES {
            let file = dir.path().join(name);
            std::fs::write(&file, text)?;
            clang.arg(file);
        }
        let out = clang.arg("-lm").output().map_err(|e| format!("clang-19: {e}"))?;
        if !out.status.success() {
            return Err(format!("clang-19: {}", String::from_utf8_lossy(&out.stderr)).into());
        }
        // SAFETY: the library was just made from sources that run nothing when they are loaded.
        Ok(Native { lib: unsafe { Library::new(&so)? } })
    }

    fn get<T>(&self, name: &str) -> Symbol<'_, T> {
        // SAFETY: the types above are those of the C sources.
        unsafe { self.lib.get(name.as_bytes()).expect("the C sources define it") }
    }

    /// Accelerations of all bodies.
    pub fn nbody(&self, pos: &[f32], acc: &mut [f32], eps2: f32) {
        assert_eq!(pos.len(), acc.len());
        let (f, n, out) = (self.get::<Nbody>("nbody_primal"), pos.len() / 4, Shared::of(acc));
        // SAFETY: both arrays have four floats for each body.
        chunks(n, 256, |a, b| unsafe { f(pos.as_ptr(), out.get(), n as i32, eps2, a, b) });
    }

    /// Adds the adjoint of positions and masses to `dpos`.
    pub fn nbody_gradient(&self, pos: &[f32], b: &[f32], dpos: &mut [f32], eps2: f32) {
        assert!(pos.len() == b.len() && pos.len() == dpos.len());
        let (f, n, out) = (self.get::<NbodyGrad>("nbody_gradient"), pos.len() / 4, Shared::of(dpos));
        // SAFETY: all arrays have four floats for each body.
        chunks(n, 256, |lo, hi| unsafe { f(pos.as_ptr(), b.as_ptr(), out.get(), n as i32, eps2, lo, hi) });
    }

    /// One step.
    pub fn heat(&self, u: &[f32], kappa: &[f32], next: &mut [f32], nx: usize, dt: f32) {
        assert!(u.len() == kappa.len() && u.len() == next.len() && u.len() % nx == 0);
        let (f, ny, out) = (self.get::<Heat>("heat_primal"), u.len() / nx, Shared::of(next));
        chunks(ny, 64, |a, b| {
            // SAFETY: all arrays have nx times ny cells.
            unsafe { f(u.as_ptr(), kappa.as_ptr(), out.get(), nx as i32, ny as i32, dt, a, b) }
        });
    }

    /// Adds the adjoints of `u` and `kappa`, then takes that of the result.
    pub fn heat_gradient(
        &self,
        u: &[f32],
        kappa: &[f32],
        b: &mut [f32],
        grads: [&mut [f32]; 2],
        nx: usize,
        dt: f32,
    ) {
        let [du, dk] = grads;
        assert!([kappa.len(), b.len(), du.len(), dk.len()] == [u.len(); 4] && u.len() % nx == 0);
        let (f, ny) = (self.get::<HeatGrad>("heat_gradient"), u.len() / nx);
        let (du, dk, seed) = (Shared::of(du), Shared::of(dk), &*b);
        chunks(ny, 64, |lo, hi| {
            let (nx, ny) = (nx as i32, ny as i32);
            // SAFETY: all arrays have nx times ny cells.
            unsafe { f(u.as_ptr(), kappa.as_ptr(), seed.as_ptr(), du.get(), dk.get(), nx, ny, dt, lo, hi) }
        });
        b.par_chunks_mut(1 << 16).for_each(|c| c.fill(0.0));
    }

    /// All elements iterated.
    pub fn logistic(&self, x0: &[f32], r: &[f32], out: &mut [f32], steps: usize) {
        assert!(x0.len() == r.len() && x0.len() == out.len());
        let (f, o) = (self.get::<Logistic>("logistic_primal"), Shared::of(out));
        // SAFETY: all arrays have the same length.
        chunks(x0.len(), 1024, |a, b| unsafe { f(x0.as_ptr(), r.as_ptr(), o.get(), steps as i32, a, b) });
    }

    /// Adds the adjoints of `x0` and `r`, and takes that of the result.
    pub fn logistic_gradient(
        &self,
        x0: &[f32],
        r: &[f32],
        b: &mut [f32],
        grads: [&mut [f32]; 2],
        steps: usize,
    ) {
        let [dx, dr] = grads;
        assert!([r.len(), b.len(), dx.len(), dr.len()] == [x0.len(); 4]);
        let f = self.get::<LogisticGrad>("logistic_gradient");
        let (b, dx, dr) = (Shared::of(b), Shared::of(dx), Shared::of(dr));
        chunks(x0.len(), 1024, |lo, hi| {
            // SAFETY: all arrays have the same length.
            let failed =
                unsafe { f(x0.as_ptr(), r.as_ptr(), b.get(), dx.get(), dr.get(), steps as i32, lo, hi) };
            assert_eq!(failed, 0, "out of memory");
        });
    }
}

#[cfg(test)]
mod tests;
