//! Blocks that take work from a queue, on the CPU device: how long each thread's tape gets is another number every time.

use super::*;
use crate::grad::{FieldRole, TapeNeed};
use Role::*;

const SOURCE: &str = r#"
extern "C" __global__ void queue(const double *a, const int *start, double *out, int *next, int items) {
  while (true) {
    int w = atomicAdd(next, 1);
    if (w >= items) break;
    double s = 0.5;
    for (int k = start[w]; k < start[w + 1]; ++k) s = sin(s + a[k]);
    out[w] += s;
  }
}

extern "C" __global__ void gathered(const double *a, const int *start, double *out, int *next, int items) {
  __shared__ double part[2];
  double all = 0.0;
  while (true) {
    int w = atomicAdd(next, 1);
    if (w >= items) break;
    double s = 0.5;
    for (int k = start[w]; k < start[w + 1]; ++k) s = sin(s + a[k]);
    all += s;
  }
  for (int o = 16; o > 0; o >>= 1) all += __shfl_down_sync(0xffffffffu, all, o);
  if ((threadIdx.x & 31) == 0) part[threadIdx.x / 32] = all;
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(out, part[0] + part[1]);
}

struct Work { const double *a; double *out; int *next; };
extern "C" __global__ void behind_a_struct(Work q, int items) {
  while (true) {
    int w = atomicAdd(q.next, 1);
    if (w >= items) break;
    q.out[w] = q.a[w] * q.a[w];
  }
}

__device__ float taken[4];
extern "C" __global__ void noted(const double *a, double *out, int *next, int items) {
  while (true) {
    int w = atomicAdd(next, 1);
    if (w >= items) break;
    atomicAdd(&taken[w & 3], 1.0f);
    out[w] = a[w] * a[w];
  }
}

extern "C" __global__ void sums(const double *a, double *out, int *count, int n) {
  __shared__ int most;
  int i = threadIdx.x;
  if (i == 0) most = 0;
  __syncthreads();
  atomicAdd(&most, count[i]);
  __syncthreads();
  double s = 1.0;
  for (int k = 0; k < most; ++k) s *= a[i];
  out[i] = s;
}
"#;

fn kernel(name: &str) -> Kernel {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queue.cu");
    std::fs::write(&path, SOURCE).unwrap();
    Kernel::load(&path, name).unwrap_or_else(|e| panic!("{e}"))
}

const ITEMS: usize = 60;

/// Items of very different lengths.
fn starts() -> Vec<i32> {
    let lengths = (0..ITEMS).map(|w| (w * 29 % 31) as i32 * 4);
    std::iter::once(0)
        .chain(lengths.scan(0, |at, n| {
            *at += n;
            Some(*at)
        }))
        .collect()
}

/// The derivative of one item's output by its inputs, by the product rule along its loop.
fn want(a: &[f64], start: &[i32]) -> Vec<f64> {
    let mut out = vec![0.0; a.len()];
    for w in 0..ITEMS {
        let (from, to) = (start[w] as usize, start[w + 1] as usize);
        let mut s = 0.5;
        let slopes: Vec<f64> = (from..to)
            .map(|k| {
                let slope = (s + a[k]).cos();
                s = (s + a[k]).sin();
                slope
            })
            .collect();
        let mut seed = 1.0;
        for k in (from..to).rev() {
            seed *= slopes[k - from];
            out[k] = seed;
        }
    }
    out
}

/// Launches a kernel with a queue again and again, in one kernel and in two, and says how often launches were repeated.
fn launched(name: &str, threads: u32, outputs: usize) -> u32 {
    let device = Device::cpu();
    let (k, roles) = (kernel(name), [Dup, Const, Dup, Const, Const]);
    let one = device.compile(&k.reverse(&roles).unwrap()).unwrap();
    let two = device.compile_split(&k.split(&roles).unwrap()).unwrap();
    assert!([one.manifest(), two.manifest()].iter().all(|m| m.tape.as_ref().unwrap().varies));
    let start = starts();
    let a: Vec<f64> = (0..*start.last().unwrap()).map(|i| f64::from(i % 7) * 0.1).collect();
    let wanted = want(&a, &start);
    let begin = device.buffer(&start).unwrap();
    let mut repeats = 0;
    for round in 0..40 {
        let (a, out) = (device.pair(&a).unwrap(), device.pair(&vec![2.0; outputs]).unwrap());
        let next = device.buffer(&[0i32]).unwrap();
        out.seed(&vec![1.0; outputs]).unwrap();
        let args = || args![&a, &begin, &out, &next, ITEMS as i32];
        let shape = Launch::new(3, threads);
        // SAFETY: the kernel stays inside its items.
        repeats += unsafe {
            match round % 2 {
                0 => one.launch(shape, args()).unwrap().repeats,
                _ => {
                    let bindings = Bindings { args: args().into(), ..Default::default() };
                    let (tape, report) = two.forward_with(shape, &bindings).unwrap();
                    two.reverse(&tape, args()).unwrap();
                    report.repeats
                }
            }
        };
        assert_eq!(next.read().unwrap(), [(ITEMS as u32 + 3 * threads) as i32]);
        let got = a.shadow().unwrap();
        for (i, (g, w)) in got.iter().zip(&wanted).enumerate() {
            assert!((g - w).abs() < 1e-12, "{name}, round {round}, [{i}]: {g}, not {w}");
        }
        assert_eq!(out.shadow().unwrap(), vec![1.0; outputs]);
    }
    repeats
}

// Catches a launch whose threads took more work than was counted and that gives up, a repeated one that adds twice, and a thread that goes
// back over records for which there was no room.
#[test]
fn threads_may_take_other_work_than_was_counted() {
    println!("{} launches were repeated", launched("queue", 2, ITEMS));
}

// Catches threads that wait for ever for one that has no tape left and has ended.
#[test]
fn threads_that_work_together_may_too() {
    println!("{} launches were repeated", launched("gathered", 64, 1));
}

// Catches a launch that is undone though not all of it can be, and copies where the count is certain.
#[test]
fn only_what_can_be_undone_is_repeated() {
    let varies = |name: &str, roles: &[Role]| {
        let (k, mut roles) = (kernel(name), Roles::of(roles));
        if name == "behind_a_struct" {
            roles.params[0].fields.push(FieldRole { offset: 16, bytes: 8, role: Const, format: None });
        }
        let of = |tape: &Option<TapeNeed>| tape.as_ref().map(|t| t.varies);
        let one = k.reverse_with(&roles, &Default::default()).unwrap();
        let two = k.split_with(&roles, &Default::default()).unwrap().augmented;
        assert!(two.counter.is_some());
        (of(&one.tape), of(&two.tape), two.params[0].written)
    };
    // The shadows that its pointers lead to are nobody's arguments; what they lead to themselves, the launcher knows.
    assert_eq!(varies("behind_a_struct", &[Dup, Const]), (Some(false), Some(true), true));
    // A variable of the module is no argument.
    assert_eq!(varies("noted", &[Dup, Dup, Const, Const]), (Some(false), Some(false), false));
    // The order of sums in shared memory changes nothing.
    assert_eq!(varies("sums", &[Dup, Dup, Const, Const]), (Some(false), Some(false), false));
}
