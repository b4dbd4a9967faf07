//! Two launches with a tape between them, from CUDA C to shadows on the CPU device.

use super::*;
use crate::diag::Code;
use crate::plan::Policy;
use Role::*;

const SOURCE: &str = r#"
// One step of a nonlinear diffusion in shared memory with a halo; then the point settles, in as many rounds as its value needs.
extern "C" __global__ void step(const double *u, double *v, int n, double k) {
  __shared__ double s[34];
  int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x + 1;
  s[t] = i < n ? u[i] : 0.0;
  if (threadIdx.x == 0) s[0] = i > 0 ? u[i - 1] : 0.0;
  if (threadIdx.x == 31) s[33] = i + 1 < n ? u[i + 1] : 0.0;
  __syncthreads();
  if (i >= n) return;
  double d = s[t - 1] - 2.0 * s[t] + s[t + 1], x = s[t] + k * d * (1.0 + s[t] * s[t]);
  while (x > 1.0) x = 0.5 * x * x / (x + 0.25);
  v[i] = x;
}

// All steps in one launch of one thread, for comparison: the state is overwritten in place.
extern "C" __global__ void steps(double *u, double *v, int n, double k, int count) {
  for (int step = 0; step < count; ++step) {
    for (int i = 0; i < n; ++i) {
      double l = i > 0 ? u[i - 1] : 0.0, r = i + 1 < n ? u[i + 1] : 0.0;
      double d = l - 2.0 * u[i] + r, x = u[i] + k * d * (1.0 + u[i] * u[i]);
      while (x > 1.0) x = 0.5 * x * x / (x + 0.25);
      v[i] = x;
    }
    for (int i = 0; i < n; ++i) u[i] = v[i];
  }
}

// The reverse sweep needs all elements of x.
extern "C" __global__ void norm(const double *x, double *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double sum = 0.0;
  for (int j = 0; j < n; ++j) sum += x[j] * x[j] * x[i];
  y[i] = sum;
}

// The winner is known only when all blocks have come: no derivative in one kernel.
extern "C" __global__ void largest(const float *x, float *most, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i] * x[i];
  int *p = (int *)most, old = *p, assumed;
  do {
    assumed = old;
    old = atomicCAS(p, assumed, __float_as_int(fmaxf(v, __int_as_float(assumed))));
  } while (assumed != old);
}
"#;

fn kernel(name: &str) -> Kernel {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("split.cu");
    std::fs::write(&path, SOURCE).unwrap();
    Kernel::load(&path, name).unwrap_or_else(|e| panic!("{e}"))
}

const N: usize = 70;
const STEPS: usize = 5;
const K: f64 = 0.11;

fn start() -> Vec<f64> {
    (0..N).map(|i| 0.3 + 1.4 * ((i * 37 % 23) as f64 / 23.0)).collect()
}

fn weights() -> Vec<f64> {
    (0..N).map(|i| 1.0 + (i % 5) as f64).collect()
}

fn near(got: &[f64], want: &[f64]) {
    let scale = want.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= 1e-12 * scale, "[{i}]: {g}, not {w}");
    }
}

/// The gradient of the weighted final state by the initial one: five steps forward between two buffers, with a tape each, then back.
fn back_through_steps(device: &Device, step: &LoadedSplit) -> Vec<f64> {
    let state = [device.pair(&start()).unwrap(), device.pair(&vec![0.0; N]).unwrap()];
    let shape = Launch::new(3, 32);
    let buffers = |s: usize| (&state[s % 2], &state[(s + 1) % 2]);
    let mut tapes = Vec::new();
    for s in 0..STEPS {
        let (u, v) = buffers(s);
        // SAFETY: the kernel stays inside its N elements.
        tapes.push(unsafe { step.forward(shape, args![u, v, N as i32, K]) }.unwrap());
    }
    buffers(STEPS).0.seed(&weights()).unwrap();
    for (s, tape) in tapes.iter().enumerate().rev() {
        let (u, v) = buffers(s);
        // SAFETY: as above.
        unsafe { step.reverse(tape, args![u, v, N as i32, K]) }.unwrap();
    }
    assert!(tapes.iter().all(|t| t.bytes() > 0));
    state[0].shadow().unwrap()
}

// Catches a tape that another launch overwrites, and a reverse kernel that reads a buffer that later steps have overwritten.
#[test]
fn simulations_go_back_step_by_step() {
    let device = Device::cpu();
    let (roles, all) = ([Dup, Dup, Const, Const], kernel("steps"));
    let whole = device.compile(&all.reverse(&[Dup, Dup, Const, Const, Const]).unwrap()).unwrap();
    let (u, v) = (device.pair(&start()).unwrap(), device.pair(&vec![0.0; N]).unwrap());
    u.seed(&weights()).unwrap();
    // SAFETY: the kernel stays inside its N elements.
    unsafe { whole.launch(Launch::new(1, 1), args![&u, &v, N as i32, K, STEPS as i32]) }.unwrap();
    let want = u.shadow().unwrap();
    let step = kernel("step");
    for policy in [Policy::Cut, Policy::Save, Policy::Chaos(3)] {
        let options = PlanOptions { policy, ..PlanOptions::default() };
        let made = step.split_with(&Roles::of(&roles), &options).unwrap();
        near(&back_through_steps(&device, &device.compile_split(&made).unwrap()), &want);
    }
}

// Catches a tape that is read by another program or for another launch.
#[test]
fn other_tapes_are_refused() {
    let device = Device::cpu();
    let made = kernel("step").split(&[Dup, Dup, Const, Const]).unwrap();
    let (one, two) = (device.compile_split(&made).unwrap(), device.compile_split(&made).unwrap());
    let (u, v) = (device.pair(&start()).unwrap(), device.pair(&vec![0.0; N]).unwrap());
    let n = N as i32;
    // SAFETY: the kernel stays inside its N elements.
    let tape = unsafe { one.forward(Launch::new(3, 32), args![&u, &v, n, K]) }.unwrap();
    let refused = |got: crate::diag::Result<RunReport>, words: &str| {
        let d = got.unwrap_err().0.remove(0);
        assert!(d.code == Code::BadArgument && d.message.contains(words), "{d:?}");
    };
    // SAFETY: as above.
    unsafe {
        refused(
            two.reverse(&tape, args![&u, &v, n, K]),
            "not written by the augmented kernel of this program",
        );
        refused(one.reverse(&tape, args![&u, &v, n - 1, K]), "argument 2");
        refused(one.reverse(&tape, args![&v, &u, n, K]), "argument 0");
        refused(one.reverse(&tape, args![&u, &v]), "4 arguments when the tape was written, 2 now");
        one.reverse(&tape, args![&u, &v, n, K]).unwrap();
    }
    // Without its pair the augmented kernel is launched to no purpose, but does no harm.
    let m = one.manifest();
    assert_eq!((m.kernels().len(), m.symbol.as_str()), (3, "step_augmented"));
}

// Catches a declaration that changes nothing, or is not in the manifest; and one that is taken for granted.
#[test]
fn kept_buffers_are_loaded_again() {
    let device = Device::cpu();
    let (k, roles) = (kernel("norm"), Roles::of(&[Dup, Dup, Const]));
    let kept = |kept| k.split_with(&roles, &PlanOptions { kept, ..PlanOptions::default() }).unwrap();
    let made = [kept(Kept::Nothing), kept(Kept::Params([0].into())), kept(Kept::Everything)];
    let names = |i: usize| {
        let all = &made[i].reverse.assumptions;
        all.iter().filter(|a| matches!(a, shadow_mem::Assumption::Kept { .. })).count()
    };
    assert_eq!([names(0), names(1), names(2)], [0, 1, 1]);
    let mut results = Vec::new();
    for m in &made {
        let loaded = device.compile_split(m).unwrap();
        let (x, y) = (device.pair(&start()).unwrap(), device.pair(&vec![0.0; N]).unwrap());
        // SAFETY: the kernel stays inside its N elements.
        let tape = unsafe { loaded.forward(Launch::new(3, 32), args![&x, &y, N as i32]) }.unwrap();
        y.seed(&weights()).unwrap();
        if results.is_empty() {
            x.primal.write(&[f64::NAN; N]).unwrap();
        }
        // SAFETY: as above.
        unsafe { loaded.reverse(&tape, args![&x, &y, N as i32]) }.unwrap();
        results.push((tape.bytes(), x.shadow().unwrap()));
    }
    near(&results[1].1, &results[0].1);
    near(&results[2].1, &results[0].1);
    assert!(
        results[0].0 >= 8 * (N * N) as u64 && results[1].0 < results[0].0 / 8,
        "{} {}",
        results[0].0,
        results[1].0
    );
}

// Catches an extremum over all blocks that is taken for final within one kernel, or where the caller may change it, and a winner
// that does not get the derivative.
#[test]
fn the_largest_of_all_blocks_is_known_between_the_kernels() {
    let (k, roles) = (kernel("largest"), [Dup, Dup, Const]);
    let code = |e: crate::diag::Diagnostics| e.0[0].code;
    assert_eq!(k.reverse(&roles).map_err(code).unwrap_err(), Code::AtomicNoRule);
    assert_eq!(k.split(&roles).map_err(code).unwrap_err(), Code::AtomicNoRule);
    let options = PlanOptions { kept: Kept::Params([1].into()), ..PlanOptions::default() };
    let made = k.split_with(&Roles::of(&roles), &options).unwrap();
    assert!(made.reverse.assumptions.contains(&shadow_mem::Assumption::Kept { param: 1 }));
    let device = Device::cpu();
    let loaded = device.compile_split(&made).unwrap();
    let x: Vec<f32> = (0..60).map(|i| ((i * 17 % 60) as f32 - 41.0) / 32.0).collect();
    let (x, most) = (device.pair(&x).unwrap(), device.pair(&[0.0f32]).unwrap());
    // SAFETY: the kernel stays inside its 60 elements.
    let tape = unsafe { loaded.forward(Launch::new(2, 32), args![&x, &most, 60i32]) }.unwrap();
    most.seed(&[3.0]).unwrap();
    // SAFETY: as above.
    unsafe { loaded.reverse(&tape, args![&x, &most, 60i32]) }.unwrap();
    let want = |x: f32| if x == -41.0 / 32.0 { 6.0 * x } else { 0.0 };
    let wanted: Vec<f32> = x.read().unwrap().into_iter().map(want).collect();
    assert_eq!((x.shadow().unwrap(), most.shadow().unwrap()), (wanted, vec![0.0]));
}
