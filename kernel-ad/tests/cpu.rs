//! Kernels on the CPU device, from CUDA source to their results.

use gpu_runtime::cpu::{CpuOptions, Output};
use gpu_runtime::{Block, Device, Error, Module};
use kernel_ad::emit::{emit, Format, Target};
use kernel_ad::read::{load, ModuleSource, ReadOptions};
use shadow_mem::{Arg, DeviceBlock, DeviceMemory, Launch};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

/// The two corpora: of CUDA, and of HIP.
fn sources() -> &'static [ModuleSource; 2] {
    static SOURCES: OnceLock<[ModuleSource; 2]> = OnceLock::new();
    SOURCES.get_or_init(|| {
        ["cpu.cu", "cpu.hip"].map(|name| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
            load(&file, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
        })
    })
}

/// A device with one kernel loaded.
struct Rig {
    device: Device,
    module: Module,
    kernel: String,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Rig {
    fn new(kernel: &str) -> Rig {
        Rig::with_workers(kernel, 2)
    }

    fn with_workers(kernel: &str, workers: usize) -> Rig {
        let source = sources().iter().find(|s| s.kernels().iter().any(|k| k.name == kernel)).unwrap();
        let k = source.kernel(kernel).unwrap_or_else(|e| panic!("{e}"));
        let a = emit(&k, &Target::HOST, Format::Obj).unwrap_or_else(|e| panic!("{kernel}: {e}"));
        let output = Arc::new(Mutex::new(Vec::new()));
        let options = CpuOptions { workers, output: Output::Buffer(output.clone()), ..CpuOptions::default() };
        let device = Device::cpu_with(options);
        let module = device.load(&a.bytes, &[a.manifest]).unwrap_or_else(|e| panic!("{kernel}: {e}"));
        Rig { device, module, kernel: kernel.into(), output }
    }

    fn buffer<T: bytemuck::Pod>(&self, data: &[T]) -> Block {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let b = self.device.allocate(bytes.len() as u64, 64).unwrap();
        b.write(0, bytes).unwrap();
        b
    }

    fn launch(&self, launch: Launch, args: &[Arg]) -> Result<(), Error> {
        // SAFETY: the tests pass buffers that are large enough for their kernels.
        unsafe { self.module.function(&self.kernel)?.launch(&launch, args) }.map(|_| ())
    }
}

fn read<T: bytemuck::Pod>(b: &Block) -> Vec<T> {
    let mut data = vec![T::zeroed(); b.bytes() as usize / size_of::<T>()];
    b.read(0, bytemuck::cast_slice_mut(&mut data)).unwrap();
    data
}

fn ptr(b: &Block) -> Arg {
    Arg::Pointer(b.extent())
}

// Catches: a wrong thread index, a lost guard, scalars at the wrong place of the parameter area.
#[test]
fn saxpy() {
    let r = Rig::new("saxpy");
    let n = 1000;
    let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let (bx, by) = (r.buffer(&x), r.buffer(&vec![1.0f32; n + 24]));
    let args = [Arg::scalar(0.5f32), ptr(&bx), ptr(&by), Arg::scalar(n as i32)];
    r.launch(Launch::new(4, 256), &args).unwrap();
    let want: Vec<f32> = (0..n + 24).map(|i| if i < n { 0.5 * i as f32 + 1.0 } else { 1.0 }).collect();
    assert_eq!(read::<f32>(&by), want);
}

// Catches: a region that runs before all threads are at the barrier, shared memory that blocks share.
#[test]
fn tree_reduction() {
    let r = Rig::new("reduce");
    let n = 2000;
    let x: Vec<f32> = (0..n).map(|i| (i % 7) as f32).collect();
    let (bx, out) = (r.buffer(&x), r.buffer(&[0.0f32; 8]));
    r.launch(Launch::new(8, 256), &[ptr(&bx), ptr(&out), Arg::scalar(n)]).unwrap();
    let want: Vec<f32> = (0..8).map(|b| x.iter().skip(b * 256).take(256).sum()).collect();
    assert_eq!(read::<f32>(&out), want);
}

// Catches: values that do not survive a cut, or are those of another thread or of an earlier turn of the loop.
#[test]
fn values_across_cuts() {
    let r = Rig::new("carried");
    let x: Vec<i32> = (0..64).map(|i| i * i % 23).collect();
    let (bx, out) = (r.buffer(&x), r.buffer(&[0i32; 64]));
    r.launch(Launch::new(1, 64), &[ptr(&bx), ptr(&out), Arg::scalar(5i32)]).unwrap();
    let (mut a, mut b, mut swaps) = (x.clone(), vec![1i32; 64], vec![0i32; 64]);
    for round in 0..5 {
        let s = a.clone();
        for t in 0..64 {
            let other = s[(t + round + 1) % 64];
            if (other ^ t as i32) & 1 != 0 {
                (a[t], b[t]) = (b[t].wrapping_add(other), a[t]);
                swaps[t] += 1;
            } else {
                b[t] = b[t].wrapping_add(other);
            }
        }
    }
    let want: Vec<i32> = (0..64)
        .map(|t| a[t].wrapping_mul(31).wrapping_add(b[t].wrapping_mul(7)).wrapping_add(swaps[t]))
        .collect();
    assert_eq!(read::<i32>(&out), want);
}

// Catches: a barrier that waits for threads that have returned.
#[test]
fn barrier_behind_an_early_return() {
    let r = Rig::new("early");
    let n = 200;
    let x: Vec<i32> = (0..256).collect();
    let (bx, out) = (r.buffer(&x), r.buffer(&[-1i32; 256]));
    r.launch(Launch::new(2, 128), &[ptr(&bx), ptr(&out), Arg::scalar(n)]).unwrap();
    let want: Vec<i32> = (0..256)
        .map(|i| {
            if i < 128 {
                127 - i
            } else if i < n {
                128 + 199 - i
            } else {
                -1
            }
        })
        .collect();
    assert_eq!(read::<i32>(&out), want);
}

// Catches: a hang, or a barrier or a shuffle that lets some threads through; a message that names the wrong place.
#[test]
fn divergence_is_an_error() {
    let r = Rig::new("divergent");
    let out = r.buffer(&[0i32; 128]);
    match r.launch(Launch::new(1, 64), &[ptr(&out)]) {
        Err(Error::DivergentBarrier { block: [0, 0, 0], thread: [40, 0, 0], place, reason, .. }) => {
            assert!(place.contains("cpu.cu"), "{place}");
            assert!(
                reason.contains("thread 32 of the block") && reason.contains("in the same warp"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    let r = Rig::new("missing_lanes");
    match r.launch(Launch::new(2, 32), &[ptr(&out)]) {
        Err(Error::DivergentBarrier { block: [0, 0, 0], reason, .. }) => {
            assert!(reason.contains("of 32 threads"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

// Catches: wrong lane arithmetic of shuffles, votes of the wrong lanes, lanes that do not take part.
#[test]
fn warp_operations() {
    let r = Rig::new("shuffles");
    let x: Vec<f32> = (0..128).map(|i| (i % 13) as f32).collect();
    let (bx, sum, misc) = (r.buffer(&x), r.buffer(&[0.0f32; 128]), r.buffer(&[0i32; 1024]));
    r.launch(Launch::new(2, 64), &[ptr(&bx), ptr(&sum), ptr(&misc)]).unwrap();
    let (sum, misc) = (read::<f32>(&sum), read::<i32>(&misc));
    for t in 0..128 {
        let lane = (t % 32) as i32;
        let warp: f32 = x[t / 32 * 32..][..32].iter().sum();
        assert_eq!(sum[t], warp, "sum of thread {t}");
        let thirds = (0..32).filter(|l| l % 3 == 0).fold(0u32, |m, l| m | 1 << l) as i32;
        let fours = (0..32).filter(|l| l & 3 == lane & 3).fold(0u32, |m, l| m | 1 << l) as i32;
        let want = [
            if lane >= 3 { lane - 3 } else { lane },
            if lane % 16 + 5 < 16 { lane + 5 } else { lane },
            lane / 8 * 8 + 7,
            thirds,
            1,
            fours,
            if lane & 1 != 0 { lane ^ 2 } else { 16 },
            31,
        ];
        assert_eq!(misc[t * 8..][..8], want, "thread {t}");
    }
}

// Catches: reductions over the wrong threads, results of one barrier given to another.
#[test]
fn voting_barriers() {
    let r = Rig::new("votes");
    for (threads, any, all) in [(96usize, 1, 1), (64, 0, 1), (128, 1, 0)] {
        let out = r.buffer(&vec![0i32; threads]);
        r.launch(Launch::new(1, threads as u32), &[ptr(&out)]).unwrap();
        let count = (0..threads).filter(|t| t % 3 == 0).count() as i32;
        assert_eq!(read::<i32>(&out), vec![count + 1000 * any + 2000 * all; threads]);
    }
}

// Catches: axes that are exchanged.
#[test]
fn three_dimensions() {
    let r = Rig::new("grid3");
    let (grid, block) = ([3u32, 2, 2], [5u32, 3, 2]);
    let (nx, ny, nz) = (15, 6, 4);
    let out = r.buffer(&vec![0i32; nx * ny * nz]);
    r.launch(Launch::new(grid, block), &[ptr(&out)]).unwrap();
    let want: Vec<i32> =
        (0..nx * ny * nz).map(|i| (i % nx + 100 * (i / nx % ny) + 10000 * (i / nx / ny)) as i32).collect();
    assert_eq!(read::<i32>(&out), want);
}

// Catches: dynamic shared memory that overlaps the static.
#[test]
fn dynamic_shared_memory() {
    let r = Rig::new("dynamic_shared");
    let out = r.buffer(&[0i32; 100]);
    r.launch(Launch::new(1, 100).with_shared(400), &[ptr(&out)]).unwrap();
    assert_eq!(read::<i32>(&out), (0..100).map(|t| 2 * (99 - t) + 5).collect::<Vec<i32>>());
    let refused = r.launch(Launch::new(1, 100).with_shared(1 << 20), &[ptr(&out)]);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
}

// Catches: local arrays that do not survive a barrier, or that threads share.
#[test]
fn local_arrays_across_cuts() {
    let r = Rig::new("locals");
    let out = r.buffer(&[0i32; 96]);
    r.launch(Launch::new(1, 96), &[ptr(&out)]).unwrap();
    let want: Vec<i32> = (0..96)
        .map(|t| {
            let mut a: Vec<i32> = (0..8).map(|i| t * 8 + i).collect();
            a[(t & 7) as usize] += 1000;
            (0..8).map(|i| a[((i + t) & 7) as usize] * (i + 1)).sum()
        })
        .collect();
    assert_eq!(read::<i32>(&out), want);
}

// Catches: updates that get lost between workers, wrong wrapping of inc and dec.
#[test]
fn atomic_operations() {
    let r = Rig::new("atomics");
    let i = r.buffer(&[0i32, 0, -1000, 1000, 0]);
    let u = r.buffer(&[!0u32, 0, 0, 0, 0, 0, !0, 7]);
    let (f, d, l) = (r.buffer(&[0.0f32]), r.buffer(&[0.0f64]), r.buffer(&[0u64]));
    r.launch(Launch::new(16, 128), &[ptr(&i), ptr(&u), ptr(&f), ptr(&d), ptr(&l)]).unwrap();
    let n = 2048i32;
    let sum = n * (n - 1) / 2;
    assert_eq!(read::<i32>(&i), [sum, -sum, n - 51, 1 - n, 42]);
    let xor = (0..n as u32).fold(0, |a, b| a ^ b);
    // dec: 0 -> 9 -> 8 ... a cycle of ten, entered at 0.
    assert_eq!(read::<u32>(&u), [0, !0, xor, 2048 % 10, (10 - 2048 % 10) % 10, 2047, 0, 7 + 3 * 2048]);
    assert_eq!((read::<f32>(&f)[0], read::<f64>(&d)[0], read::<u64>(&l)[0]), (1024.0, 512.0, 2048 << 33));
}

// Catches: output in the order of the workers instead of the blocks, arguments read wrongly.
#[test]
fn printf_from_kernels() {
    let r = Rig::new("prints");
    r.launch(Launch::new(3, 32), &[Arg::scalar(5i32)]).unwrap();
    let mut want = String::new();
    for b in 0..3 {
        for t in 0..2 {
            want += &format!("block {b} thread {t}: 2.500 text 1099511627776\n");
        }
    }
    assert_eq!(String::from_utf8(r.output.lock().unwrap().clone()).unwrap(), want);
}

// Catches: a trap that ends the process or is not seen, the wrong thread or block, another block than the lowest.
#[test]
fn traps_name_block_and_thread() {
    let r = Rig::new("traps");
    let mut x = vec![1i32; 512];
    (x[300], x[301], x[500]) = (-1, -1, -1);
    let (bx, out) = (r.buffer(&x), r.buffer(&vec![0i32; 512]));
    match r.launch(Launch::new(8, 64), &[ptr(&bx), ptr(&out)]) {
        Err(Error::Trap { block, thread, .. }) => assert_eq!((block, thread), ([4, 0, 0], [44, 0, 0])),
        other => panic!("{other:?}"),
    }
    assert_eq!(read::<i32>(&out)[..256], [2; 256]);
    let r = Rig::new("asserts");
    match r.launch(Launch::new(8, 64), &[ptr(&bx)]) {
        Err(Error::Trap { block, thread, message, .. }) => {
            assert_eq!((block, thread), ([4, 0, 0], [44, 0, 0]));
            assert!(message.contains("x[blockIdx.x") && message.contains("cpu.cu"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

// Catches: variables that the host cannot reach, or that two loaded modules share.
#[test]
fn module_variables() {
    let (r, other) = (Rig::new("variables"), Rig::new("variables"));
    r.module.global("weights").unwrap().write(0, bytemuck::cast_slice(&[1.0f32, 2.0, 3.0, 4.0])).unwrap();
    let out = r.buffer(&[0.0f32; 8]);
    r.launch(Launch::new(1, 8), &[ptr(&out)]).unwrap();
    assert_eq!(read::<f32>(&out), [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(read::<i32>(&r.module.global("counter").unwrap()), [7]);
    assert_eq!(read::<i32>(&other.module.global("counter").unwrap()), [5]);
    assert!(matches!(r.module.global("nothing"), Err(Error::NoSuchGlobal(_))));
}

// Catches: a struct that threads share although each may write to its copy, pointers inside structs.
#[test]
fn structs_by_value() {
    let r = Rig::new("structs");
    let p = r.buffer(&[1.0f32; 64]);
    let mut bytes = p.address().to_le_bytes().to_vec();
    bytes.extend(60i32.to_le_bytes());
    bytes.extend([2.0f32, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()));
    let arg = Arg::Struct { bytes, pointers: vec![(0, p.extent())] };
    r.launch(Launch::new(2, 32), &[arg]).unwrap();
    let want: Vec<f32> = (0..64).map(|t| if t < 60 { [2.0, 3.0, 4.0][t % 3] } else { 1.0 }).collect();
    assert_eq!(read::<f32>(&p), want);
}

// Catches: a function mapped to another, f32 computed where f64 is meant, a wrong rounding direction.
#[test]
fn math_functions() {
    let r = Rig::new("math");
    let x: Vec<f32> = (1..40).map(|i| i as f32 * 0.173).collect();
    let a: Vec<f64> = x.iter().map(|&v| f64::from(v) * 1.1).collect();
    let n = x.len();
    let (bx, by) = (r.buffer(&x), r.buffer(&vec![0.0f32; n * 12]));
    let (ba, bb) = (r.buffer(&a), r.buffer(&vec![0.0f64; n * 4]));
    r.launch(Launch::new(1, 64), &[ptr(&bx), ptr(&by), ptr(&ba), ptr(&bb), Arg::scalar(n as i32)]).unwrap();
    let (y, b) = (read::<f32>(&by), read::<f64>(&bb));
    for i in 0..n {
        let v = f64::from(x[i]);
        let o = &y[i * 12..][..12];
        let erf = |x: f32| libm::erf(f64::from(x));
        let want = [v.exp(), v.exp(), 1.0 / v.sqrt(), 0.0, 0.5 * libm::erfc(-v / 2f64.sqrt())];
        for (j, w) in want.iter().enumerate().filter(|(j, _)| *j != 3) {
            assert!((f64::from(o[j]) / w - 1.0).abs() < 4e-7, "output {j} at {v}: {} for {w}", o[j]);
        }
        assert!((erf(o[3]) - f64::from(x[i] * 0.1)).abs() < 2e-7);
        assert!((f64::from(o[5]) - (v * std::f64::consts::PI).sin()).abs() < 1e-6);
        assert!((f64::from(o[6]) / v.powf(1.5) - 1.0).abs() < 4e-7);
        assert_eq!((o[7], o[8], o[10]), (x[i].mul_add(x[i], 1.0), x[i], (x[i] * 3.0).trunc()));
        assert!((f64::from(o[9]) * v.cbrt() - 1.0).abs() < 4e-7);
        assert!((f64::from(o[11]) / v.tanh() - 1.0).abs() < 4e-7);
        let (w, c) = (a[i], &b[i * 4..][..4]);
        assert!((c[0] / w.exp() - 1.0).abs() < 1e-15 && (c[3] - libm::lgamma(w)).abs() < 1e-13);
        assert!(c[2] == w * w || c[2] == (w * w).next_up());
        assert!(w.mul_add(w, -c[2]) <= 0.0, "rounded down at {w}");
    }
}

// Catches: numbered barriers that count wrongly, or that want all threads at one place.
#[test]
fn numbered_barriers() {
    let r = Rig::new("named");
    let out = r.buffer(&[0i32; 64]);
    r.launch(Launch::new(1, 128), &[ptr(&out)]).unwrap();
    assert_eq!(read::<i32>(&out), (64..128).map(|t| t * 3 + 1).collect::<Vec<i32>>());
}

// Catches: warps of 32 threads where there are 64, shared memory whose pointers have 4 bytes.
#[test]
fn wide_warps() {
    let r = Rig::new("wave_sum");
    let x: Vec<f32> = (0..256).map(|i| (i % 11) as f32).collect();
    let (bx, out) = (r.buffer(&x), r.buffer(&[0.0f32; 4]));
    r.launch(Launch::new(2, 128), &[ptr(&bx), ptr(&out), Arg::scalar(200i32)]).unwrap();
    let want: Vec<f32> = (0..4).map(|w| x[..200].iter().skip(w * 64).take(64).sum()).collect();
    assert_eq!(read::<f32>(&out), want);

    let r = Rig::new("block_sum");
    let x: Vec<f64> = (0..512).map(|i| f64::from(i % 9)).collect();
    let (bx, out) = (r.buffer(&x), r.buffer(&[0.0f64; 2]));
    r.launch(Launch::new(2, 256), &[ptr(&bx), ptr(&out)]).unwrap();
    assert_eq!(read::<f64>(&out), [x[..256].iter().sum::<f64>(), x[256..].iter().sum()]);

    let r = Rig::new("in_branch");
    let out = r.buffer(&[0i32; 64]);
    r.launch(Launch::new(1, 64), &[ptr(&out)]).unwrap();
    assert_eq!(read::<i32>(&out), (0..64).map(|t| if t & 1 == 1 { t ^ 2 } else { -1 }).collect::<Vec<i32>>());

    let r = Rig::new("ballots");
    let out = r.buffer(&[0u64; 64]);
    r.launch(Launch::new(1, 64), &[ptr(&out)]).unwrap();
    let fives = (0..64).filter(|t| t % 5 == 0).fold(0u64, |m, t| m | 1 << t);
    assert_eq!(read::<u64>(&out), [fives | 1 << 63; 64]);
}

// Catches: AMD's atomics with scopes, whose words x86 does not know.
#[test]
fn atomics_of_amd() {
    let r = Rig::new("atomic_sums");
    let (f, d, i) = (r.buffer(&[0.0f32]), r.buffer(&[0.0f64]), r.buffer(&[0i32]));
    r.launch(Launch::new(4, 64), &[ptr(&f), ptr(&d), ptr(&i), Arg::scalar(200i32)]).unwrap();
    assert_eq!((read::<f32>(&f)[0], read::<f64>(&d)[0], read::<i32>(&i)[0]), (100.0, 100.0, 19900));
}

// Catches: conversions that need functions nobody brings, a half computed without its own rounding.
#[test]
fn half_formats() {
    use half::{bf16, f16};
    let r = Rig::new("halves");
    let x: Vec<f16> = (0..64).map(|i| f16::from_f32(i as f32 * 0.37 - 9.0)).collect();
    let a: Vec<bf16> = x.iter().map(|v| bf16::from_f32(v.to_f32() * 1.1)).collect();
    // Halfway between two halves, and a little above, which rounding through f32 does not see.
    let d: Vec<f64> = (0..64).map(|i| 1.0 + 0.5 / 1024.0 + f64::from(i) * 1e-12).collect();
    let zeros = [0u16; 64];
    let (bx, by, ba, bb) = (r.buffer(&x), r.buffer(&zeros), r.buffer(&a), r.buffer(&zeros));
    let (bd, be) = (r.buffer(&d), r.buffer(&zeros));
    r.launch(Launch::new(1, 64), &[ptr(&bx), ptr(&by), ptr(&ba), ptr(&bb), ptr(&bd), ptr(&be)]).unwrap();
    let (y, b, e) = (read::<f16>(&by), read::<bf16>(&bb), read::<f16>(&be));
    for i in 0..64 {
        let v = f64::from(x[i]);
        // Contracted or not, the result is one of two neighbours.
        let (fused, twice) = (f16::from_f64(v * v + 0.5), f16::from_f64(v * v).to_f64() + 0.5);
        assert!(y[i] == fused || y[i] == f16::from_f64(twice), "{v}: {}", y[i]);
        assert_eq!(b[i], bf16::from_f32(a[i].to_f32() * 1.5));
        assert_eq!(e[i].to_f64(), if i == 0 { 1.0 } else { 1.0 + 1.0 / 1024.0 }, "{}", d[i]);
    }
}

// Catches: launches that the checks should refuse.
#[test]
fn refused_launches() {
    let r = Rig::new("saxpy");
    let b = r.buffer(&[0.0f32; 4]);
    let good = [Arg::scalar(0.5f32), ptr(&b), ptr(&b), Arg::scalar(4i32)];
    assert!(matches!(r.launch(Launch::new(1, 2000), &good), Err(Error::TooLarge { .. })));
    assert!(matches!(r.launch(Launch::new(1 << 30, 256), &good), Err(Error::TooLarge { .. })));
    assert!(matches!(r.launch(Launch::new(1, 4), &good[..3]), Err(Error::Launch(_))));
    assert!(matches!(r.module.function("nothing"), Err(Error::NoSuchKernel { .. })));
    assert!(matches!(r.device.load(b"not an object", &[]), Err(Error::BadArtifact(_))));
}
