//! The whole road, from CUDA C to shadows on the CPU device.

use super::*;
use crate::diag::Code;
use Role::*;

const SOURCE: &str = r#"
struct Params { const float *x; float a; int n; };

// A struct by value with a buffer and a scalar in it, and a scalar parameter.
extern "C" __global__ void scale(Params p, float *y, float b) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.n) y[i] = p.a * p.x[i] * p.x[i] + b;
}

// In place, and with a trip count that depends on the data: only a counting run can size the tape.
extern "C" __global__ void settle(float *x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  while (v > 1.0f) v = 0.5f * v * v / (v + 1.0f);
  x[i] = v;
}

// Reads one buffer and writes another, which the plan assumes to be distinct.
extern "C" __global__ void cube(const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  for (int k = 0; k < 2; ++k) { y[i] = v; v = v * x[i]; }
  y[i] = v;
}

// Rows behind pointers, halved until they are small: what the counting run writes lies behind the pointers of a struct.
struct Rows { float *a; float *b; };
extern "C" __global__ void damp(Rows r, const float *const *weights, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  while (r.a[i] > 1.0f) { r.b[i] += r.a[i]; r.a[i] = 0.5f * r.a[i] * weights[i & 1][i]; }
}

// One float per step on the tape, and a formula for its size.
extern "C" __global__ void logistic(const float *x, float *y, int n, int steps) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  for (int k = 0; k < steps; ++k) v = 3.2f * v * (1.0f - v);
  y[i] = v;
}
"#;

fn kernel(name: &str) -> Kernel {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("road.cu");
    std::fs::write(&path, SOURCE).unwrap();
    Kernel::load(&path, name).unwrap_or_else(|e| panic!("{e}"))
}

fn near(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "element {i}: {a} instead of {b}");
    }
}

// Catches: adjoints of fields and of scalars that go to the wrong place or to none.
#[test]
fn structs_and_scalars_are_differentiated() {
    let device = Device::cpu();
    let gradient = device.compile(&kernel("scale").reverse(&[Dup, Dup, Active]).unwrap()).unwrap();
    let x = device.pair(&[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let y = device.pair(&[0.0f32; 4]).unwrap();
    y.seed(&[1.0, 10.0, 100.0, 1000.0]).unwrap();
    let image =
        RecordImage::new(16).pair(0, &x).unwrap().scalar(8, 0.5f32).unwrap().scalar(12, 4i32).unwrap();
    let (p, b) = (device.record(image).unwrap(), device.active(7.0f32).unwrap());
    // SAFETY: x and y have n = 4 elements.
    unsafe { gradient.launch(Launch::new(1, 32), args![&p, &y, &b]).unwrap() };
    near(&y.read().unwrap(), &[7.5, 9.0, 11.5, 15.0]);
    near(&x.shadow().unwrap(), &[1.0, 20.0, 300.0, 4000.0]);
    assert_eq!(p.shadow::<f32>(8).unwrap(), 1.0 + 40.0 + 900.0 + 16000.0);
    assert_eq!(b.shadow().unwrap(), 1111.0);
    assert_eq!(y.shadow().unwrap(), [0.0; 4]);
}

// Catches: a counting run that leaves what it wrote through the pointers of a struct, shadows of pointers in memory that are
// mixed up, a null pointer with a shadow.
#[test]
fn memory_behind_pointers_is_differentiated_and_put_back() {
    let device = Device::cpu();
    let gradient = device.compile(&kernel("damp").reverse(&[Dup, Dup, Const]).unwrap()).unwrap();
    let (a, b) = (device.pair(&[3.0f32, 5.0]).unwrap(), device.pair(&[0.0f32; 2]).unwrap());
    let (even, odd) = (device.pair(&[1.0f32, 9.0]).unwrap(), device.pair(&[9.0f32, 1.0]).unwrap());
    let weights = device.pointers(&[Some(even.place()), Some(odd.place()), None]).unwrap();
    assert_eq!((weights.read().unwrap()[2], weights.shadow().unwrap()[2]), (0, 0));
    let image = RecordImage::new(16).pair(0, &a).unwrap().pair(8, &b).unwrap();
    let r = device.record(image).unwrap();
    b.seed(&[1.0, 1.0]).unwrap();
    // SAFETY: all buffers have n = 2 elements.
    unsafe { gradient.launch(Launch::new(1, 2), args![&r, &weights, 2i32]).unwrap() };
    // b0 = 3 + 1.5, b1 = 5 + 2.5 + 1.25, each a times powers of half the weight.
    near(&b.read().unwrap(), &[4.5, 8.75]);
    near(&a.shadow().unwrap(), &[1.5, 1.75]);
    near(&even.shadow().unwrap(), &[1.5, 0.0]);
    near(&odd.shadow().unwrap(), &[0.0, 5.0]);
}

// Catches: a counting run that changes the data, a tape sized too small, adjoints replayed in the wrong order.
#[test]
fn data_dependent_loops_are_counted() {
    let device = Device::cpu();
    let gradient = device.compile(&kernel("settle").reverse(&[Dup, Const]).unwrap()).unwrap();
    let start: Vec<f32> = (0..100).map(|i| 0.3 + i as f32).collect();
    let x = device.pair(&start).unwrap();
    x.seed(&vec![1.0; 100]).unwrap();
    // SAFETY: x has n = 100 elements.
    let report = unsafe { gradient.launch(Launch::new(4, 32), args![&x, 100i32]).unwrap() };
    let expected = start.iter().map(|&x| {
        let (mut v, mut slope) = (f64::from(x), 1.0);
        while v > 1.0 {
            slope *= 0.5 * v * (v + 2.0) / ((v + 1.0) * (v + 1.0));
            v = 0.5 * v * v / (v + 1.0);
        }
        (v as f32, slope as f32)
    });
    let (values, slopes): (Vec<f32>, Vec<f32>) = expected.unzip();
    near(&x.read().unwrap(), &values);
    near(&x.shadow().unwrap(), &slopes);
    assert_eq!(gradient.manifest().tape.is_some(), report.tape_bytes > 0);
}

// Catches: a launch with buffers that overlap although the kernel was made for distinct ones.
#[test]
fn assumed_distinct_buffers_are_checked() {
    let device = Device::cpu();
    let gradient = device.compile(&kernel("cube").reverse(&[Dup, Dup, Const]).unwrap()).unwrap();
    let x = device.pair(&[2.0f32; 8]).unwrap();
    let y = device.pair(&[0.0f32; 8]).unwrap();
    y.seed(&[1.0; 8]).unwrap();
    // SAFETY: both have n = 8 elements.
    unsafe { gradient.launch(Launch::new(1, 8), args![&x, &y, 8i32]).unwrap() };
    near(&y.read().unwrap(), &[8.0; 8]);
    near(&x.shadow().unwrap(), &[12.0; 8]);
    // SAFETY: as above; the two are the same buffer, and the kernel is refused or right.
    let same = unsafe { gradient.launch(Launch::new(1, 8), args![&x, &x, 8i32]) };
    assert_eq!(same.unwrap_err().0[0].code, Code::AliasedBuffers);
}

// Catches: a tape whose size does not follow the arguments, a budget that is not kept, an arena that is not reused.
#[test]
fn tapes_follow_the_arguments() {
    let context = Context::new(gpu_runtime::Device::cpu()).with_tape_budget(1 << 20);
    let device = Device::from(context);
    let gradient = device.compile(&kernel("logistic").reverse(&[Dup, Out, Const, Const]).unwrap()).unwrap();
    let start: Vec<f32> = (0..64).map(|i| 0.1 + i as f32 / 100.0).collect();
    let (x, y) = (device.pair(&start).unwrap(), device.pair(&[0.0f32; 64]).unwrap());
    for steps in [0, 1, 7, 3] {
        x.clear_shadow().unwrap();
        y.seed(&[1.0; 64]).unwrap();
        // SAFETY: both have n = 64 elements.
        let report = unsafe { gradient.launch(Launch::new(2, 32), args![&x, &y, 64i32, steps]).unwrap() };
        assert!(report.tape_per_thread >= 4 * steps as u64, "{report:?}");
        let slopes: Vec<f32> = start
            .iter()
            .map(|&x| {
                let step = |(v, slope): (f32, f32), _| (3.2 * v * (1.0 - v), slope * 3.2 * (1.0 - 2.0 * v));
                (0..steps).fold((x, 1.0), step).1
            })
            .collect();
        near(&x.shadow().unwrap(), &slopes);
    }
    assert!(device.bytes().tape <= 1 << 20);
    // SAFETY: as above.
    let huge = unsafe { gradient.launch(Launch::new(2, 32), args![&x, &y, 64i32, i32::MAX]) };
    assert_eq!(huge.unwrap_err().0[0].code, Code::TapeTooLarge);
}

// Catches: a queued launch that loses its arguments, and one with a tape that nobody would look after.
#[test]
fn launches_can_be_queued() {
    let device = Device::cpu();
    let reverse = |name: &str, roles: &[Role]| device.compile(&kernel(name).reverse(roles).unwrap()).unwrap();
    let stream = device.context().device().stream().unwrap();
    let (x, y) = (device.pair(&[1.0f32, 2.0, 3.0]).unwrap(), device.pair(&[0.0f32; 3]).unwrap());
    y.seed(&[1.0, 10.0, 100.0]).unwrap();
    let (shape, cube) = (Launch::new(1, 32), reverse("cube", &[Dup, Dup, Const]));
    // SAFETY: x and y have n = 3 elements.
    unsafe { cube.program().queue(&stream, &shape, &args![x.place(), &y, 3i32].into()) }.unwrap();
    stream.synchronize().unwrap();
    near(&y.read().unwrap(), &[1.0, 8.0, 27.0]);
    near(&x.shadow().unwrap(), &[3.0, 120.0, 2700.0]);
    let logistic = reverse("logistic", &[Dup, Dup, Const, Const]);
    // SAFETY: as above.
    let refused = unsafe { logistic.program().queue(&stream, &shape, &args![&x, &y, 3i32, 5i32].into()) };
    let problem = shadow_mem::LaunchProblem::NoTape;
    assert!(matches!(refused, Err(gpu_runtime::Error::Launch(e)) if e.problem == problem));
}

// Catches: an object for other processors that uses what this one has, one that is loaded where it would crash, and one that tells its
// device nothing.
#[test]
#[cfg(target_arch = "x86_64")]
fn objects_for_other_processors_are_told_apart() {
    let device = Device::cpu();
    let gradient = kernel("cube").reverse(&[Dup, Dup, Const]).unwrap();
    let newest = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl");
    let levels = [("", true), ("-v2", true), ("-v3", is_x86_feature_detected!("avx2")), ("-v4", newest)];
    for (level, runs) in levels {
        let target = format!("host:x86-64{level}");
        let artifact = gradient.artifact(&Target::parse(&target).unwrap()).unwrap();
        assert_eq!(artifact.manifest.target, target);
        let holds = |name: &[u8]| artifact.bytes.windows(name.len()).any(|w| w == name);
        assert_eq!(
            [holds(b"\"avx2\""), holds(b"\"avx512bw\"")],
            [level >= "-v3", level == "-v4"],
            "{target}"
        );
        match device.load(&artifact.bytes, &artifact.manifest) {
            Ok(loaded) => {
                let (x, y) = (device.pair(&[1.0f32, 2.0, 3.0]).unwrap(), device.pair(&[0.0f32; 3]).unwrap());
                y.seed(&[1.0; 3]).unwrap();
                // SAFETY: x and y have n = 3 elements.
                unsafe { loaded.launch(Launch::new(1, 32), args![&x, &y, 3i32]) }.unwrap();
                near(&x.shadow().unwrap(), &[3.0, 12.0, 27.0]);
                assert!(runs, "{target}");
            }
            Err(e) => assert!(!runs && e.to_string().contains("this one has not"), "{target}: {e}"),
        }
    }
}
